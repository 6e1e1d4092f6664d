"""Addresses of the room's pages."""

from django.urls import path

from salus.record.pages import identity_urls, lake_urls, population, resident_urls

app_name = "record"
urlpatterns = [
    path("population/", population.show, name="population"),
    *identity_urls.urlpatterns,
    *lake_urls.urlpatterns,
    *resident_urls.urlpatterns,
]
