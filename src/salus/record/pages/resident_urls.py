"""Addresses of the residents' pages: search, record, one resource, emergency access, who read it."""

from django.urls import path

from salus.record.pages import resident, resident_access, resident_consent, resident_resource, resident_search

urlpatterns = [
    path("residents/", resident_search.show, name="residents"),
    path("residents/emergency/", resident_access.emergency, name="emergency-access"),
    path("residents/<uuid:person_id>/", resident.show, name="resident"),
    path("residents/<uuid:person_id>/<slug:section>/", resident.show, name="resident-section"),
    path("records/<str:type>/<str:id>/", resident_resource.show, name="resource"),
    path("records/<str:type>/<str:id>/correct/", resident_resource.correct, name="resource-correct"),
    path("my/record/", resident_access.mine, name="my-record"),
    path("my/record/readers/", resident_access.readers, name="my-readers"),
    path("my/record/uses/", resident_consent.mine, name="my-consents"),
    path("my/record/uses/<str:id>/withdraw/", resident_consent.withdraw, name="my-consent-withdraw"),
]
