"""Addresses of the identity pages."""

from django.urls import path

from salus.record.pages import identity

urlpatterns = [
    path("identity/reviews", identity.reviews, name="identity-reviews"),
    path("identity/reviews/<int:number>", identity.pair, name="identity-pair"),
    path("identity/reviews/<int:number>/decide", identity.decide, name="identity-decide"),
    path("identity/decisions", identity.events, name="identity-events"),
    path("identity/decisions/<int:number>", identity.event, name="identity-event"),
    path("identity/decisions/<int:number>/reverse", identity.reverse_event, name="identity-reverse"),
    path("identity/errors", identity.errors, name="identity-errors"),
]
