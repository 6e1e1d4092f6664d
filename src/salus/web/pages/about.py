"""About Salus, and the licences of what it is built with, read from the packages themselves."""

from functools import lru_cache
from importlib import metadata

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _


@lru_cache(maxsize=1)
def packages() -> tuple[tuple[str, str, str], ...]:
    """Return name, version and licence of each installed package, by name."""
    found: dict[str, tuple[str, str, str]] = {}
    for package in metadata.distributions():
        name = package.metadata["Name"]
        if name and name != "salus":
            found[name.lower()] = (name, package.version, _licence(package.metadata))
    return tuple(found[key] for key in sorted(found))


def _licence(told: metadata.PackageMetadata) -> str:
    if "License-Expression" in told:
        return told["License-Expression"]
    classified = [
        line.rsplit("::", 1)[-1].strip()
        for line in told.get_all("Classifier") or []
        if line.startswith("License :: ") and line.count("::") > 1
    ]
    if classified:
        return ", ".join(classified)
    text = told["License"] if "License" in told else ""
    return text.strip().splitlines()[0][:80] if text.strip() else ""


def show(request: HttpRequest) -> HttpResponse:
    """Show what this is, its version and the licences."""
    context = {"title": _("About and licences"), "version": metadata.version("salus"), "packages": packages()}
    return render(request, "web/about.html", context)
