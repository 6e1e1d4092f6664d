"""The diseases in force here: the national files and a city's own, read again when a file changes.

A city's own files lie in the folder that `SALUS_NOTIFIABLE_DIR` names, else in `rules/notifiable` of the
platform's data folder. A file put there counts at once, without a restart; one of a national disease's name
replaces it. A file that cannot be read is told on the page of diseases and leaves the others alone.
"""

from __future__ import annotations

import csv
import os
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from django.conf import settings
from django.utils.translation import get_language

from salus.kernel.models import District
from salus.prevention.surveillance import STANDARD, Catalogue, Criterion, Disease, Evidence


def own_folder() -> Path:
    """Return the folder of the city's own diseases."""
    named = os.environ.get("SALUS_NOTIFIABLE_DIR", "")
    return Path(named) if named else Path(settings.DATA_DIR) / "rules" / "notifiable"


@lru_cache(maxsize=4)
def _catalogue(own: Path) -> Catalogue:
    found = Catalogue((STANDARD,))
    found.follow(own)
    return found


def catalogue() -> Catalogue:
    """Return the diseases as the files say now."""
    return _catalogue(own_folder()).fresh()


def chinese() -> bool:
    """Say whether the reader reads Chinese."""
    return (get_language() or "").startswith("zh")


def disease_name(code: str) -> str:
    """Return a disease's name in the reader's language; its code where no file has it any more."""
    found = catalogue().get(code)
    return code if found is None else name_of(found)


def name_of(disease: Disease) -> str:
    """Return a disease's name in the reader's language."""
    return disease.name_zh if chinese() else disease.name


def words_of(one: Criterion | Evidence) -> str:
    """Return what a criterion says in the reader's language."""
    return (one.words_zh or one.words) if chinese() else one.words


@lru_cache(maxsize=4)
def _named(file: str) -> dict[str, tuple[str, str]]:
    text = files("salus.prevention").joinpath(f"rules/{file}.csv").read_text(encoding="utf-8")
    return {row["code"]: (row["name"], row["name_zh"]) for row in csv.DictReader(text.splitlines())}


def symptoms() -> dict[str, str]:
    """Return the symptoms by code, in the reader's language."""
    return {code: both[chinese()] for code, both in _named("notifiable_symptoms").items()}


def exposures() -> dict[str, str]:
    """Return the settings and exposures by code, in the reader's language."""
    return {code: both[chinese()] for code, both in _named("notifiable_exposures").items()}


def choices() -> list[tuple[str, str]]:
    """Return (code, name) of every disease, by name."""
    return sorted(((code, name_of(one)) for code, one in catalogue().items()), key=lambda pair: pair[1])


def registered_districts() -> frozenset[str]:
    """Return the codes of the register's districts."""
    return frozenset(District.objects.values_list("code", flat=True))


def district_within(code: str, registered: frozenset[str]) -> str:
    """Return the registered district that a residence's code lies in: the longest that begins it.

    Without one it is the county's six digits, or the code itself where it is shorter.
    """
    for length in range(len(code), 1, -1):
        if code[:length] in registered:
            return code[:length]
    return code[:6]
