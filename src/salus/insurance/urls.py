"""Addresses of the insurance's pages and of its API."""

from django.urls import URLPattern, URLResolver, include, path

app_name = "insurance"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("salus.insurance.pages.cover_urls")),
    path("", include("salus.insurance.pages.settlement_urls")),
    path("", include("salus.insurance.pages.drg_urls")),
    path("", include("salus.insurance.pages.procurement.urls")),
    path("", include("salus.insurance.pages.prices.urls")),
]
