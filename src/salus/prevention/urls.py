"""Addresses of the prevention room's pages."""

from django.urls import URLPattern, URLResolver, include, path

app_name = "prevention"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("salus.prevention.pages.notifiable_urls")),
    path("", include("salus.prevention.pages.signal_urls")),
    path("", include("salus.prevention.pages.emergency_urls")),
    path("", include("salus.prevention.pages.programme_urls")),
    path("", include("salus.prevention.pages.maternal_urls")),
]
