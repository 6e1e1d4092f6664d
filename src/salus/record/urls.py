"""Addresses of the room's pages."""

from salus.record.pages import identity_urls, resident_urls

app_name = "record"
urlpatterns = [*identity_urls.urlpatterns, *resident_urls.urlpatterns]
