"""Addresses of the pages of settlement by group."""

from django.urls import URLPattern, path

from salus.insurance.pages import comparison, settlement

urlpatterns: list[URLPattern] = [
    path("insurance/settlements/", settlement.settlements, name="settlements"),
    path("insurance/settlements/<int:pk>/", settlement.settlement, name="settlement"),
    path("insurance/settlements/<int:pk>/publish", settlement.publish, name="settlement-publish"),
    path("insurance/settlements/<int:pk>/withdraw", settlement.withdraw, name="settlement-withdraw"),
    path("insurance/settlements/<int:pk>/book", settlement.book, name="settlement-book"),
    path("insurance/settlements/<int:pk>/unbook", settlement.unbook, name="settlement-unbook"),
    path("insurance/settlements/changes/<int:pk>/undo", settlement.undo_change, name="settlement-undo"),
    path(
        "insurance/settlements/<int:pk>/institutions/<str:code>/",
        settlement.institution,
        name="settlement-institution",
    ),
    path("insurance/comparisons/", comparison.comparisons, name="comparisons"),
    path("insurance/comparisons/<int:pk>/", comparison.comparison, name="comparison"),
]
