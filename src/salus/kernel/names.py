"""Names of institutions and districts in the reader's language: English where there is one, else Chinese."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils.translation import get_language

from salus.kernel.models import District, Institution


def chosen(name: str, name_en: str) -> str:
    """Return the name that a reader of the active language expects."""
    return name_en if name_en and (get_language() or "").startswith("en") else name


def institutions(numbers: Iterable[int | None]) -> dict[int, str]:
    """Return the names of the institutions with these numbers."""
    wanted = {number for number in numbers if number}
    rows = Institution.objects.filter(pk__in=wanted).values_list("pk", "name", "name_en")
    return {number: chosen(name, english) for number, name, english in rows}


def districts(codes: Iterable[str] | None = None) -> dict[str, str]:
    """Return the names of the districts with these codes, or of all."""
    rows = District.objects.all() if codes is None else District.objects.filter(pk__in=set(codes))
    return {
        code: chosen(name, english) for code, name, english in rows.values_list("code", "name", "name_en")
    }
