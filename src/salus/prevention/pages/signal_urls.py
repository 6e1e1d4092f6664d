"""Addresses of the pages of signals, detectors and the epidemic curve."""

from django.urls import URLPattern, URLResolver, path

from salus.prevention.pages.signals import curves, detectors, lists, one

urlpatterns: list[URLPattern | URLResolver] = [
    path("prevention/signals/", lists.signals, name="signals"),
    path("prevention/signals/run/", lists.run_now, name="signals-run"),
    path("prevention/signals/<int:number>/", one.signal, name="signal"),
    path("prevention/signals/<int:number>/verdicts/<int:verdict>/undo/", one.take_back, name="signal-undo"),
    path("prevention/detectors/", detectors.detectors, name="detectors"),
    path("prevention/curve/", curves.curve, name="curve"),
]
