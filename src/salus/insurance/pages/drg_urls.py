"""The DRG case explorer's address."""

from django.urls import URLPattern, path

from salus.insurance.pages import drg_explorer

urlpatterns: list[URLPattern] = [
    path("insurance/drg/", drg_explorer.explorer, name="drg-explorer"),
]
