"""Addresses of the pages of prices."""

from django.urls import path

from salus.insurance.pages.prices import bench, lists

_LIST = "insurance/prices/lists/<int:number>"

urlpatterns = [
    path("insurance/prices", bench.workbench, name="prices"),
    path("insurance/prices/bases/new", bench.new_basis, name="price-basis-new"),
    path("insurance/prices/studies/new", bench.new_study, name="price-study-new"),
    path("insurance/prices/studies/<int:pk>", bench.study, name="price-study"),
    path("insurance/prices/studies/<int:pk>/draft", bench.draft, name="price-draft"),
    path("insurance/prices/lists/present", bench.draft_present, name="price-draft-present"),
    path(_LIST, lists.page, name="price-list"),
    path(f"{_LIST}/publish", lists.publish, name="price-publish"),
    path(f"{_LIST}/withdraw", lists.withdraw, name="price-withdraw"),
    path(f"{_LIST}/roll-back", lists.roll_back, name="price-roll-back"),
    path(f"{_LIST}/discard", lists.discard, name="price-discard"),
]
