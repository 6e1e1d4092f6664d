"""FHIR R4's definitions as compact tables, and the functions that read them."""

import csv
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

from salus.kernel.errors import Invalid


def rows(name: str) -> Iterator[dict[str, str]]:
    """Yield the rows of one of the folder's CSV files."""
    with (files(__name__) / f"{name}.csv").open(encoding="utf-8") as file:
        yield from csv.DictReader(file)


@cache
def kinds() -> dict[str, int]:
    """Return the number under which each R4 resource type is stored, by its name."""
    return {row["name"]: int(row["kind"]) for row in rows("resource_types")}


@cache
def type_names() -> dict[int, str]:
    """Return the name of each resource type by its number."""
    return {kind: name for name, kind in kinds().items()}


def kind_of(resource_type: str) -> int:
    """Return a resource type's number.

    Raises `Invalid` ("unknown-type") for a name that is not a resource type of FHIR R4.
    """
    try:
        return kinds()[resource_type]
    except (KeyError, TypeError):
        raise Invalid(
            "unknown-type",
            "This is not a resource type of FHIR R4",
            fix="See https://hl7.org/fhir/R4/resourcelist.html",
        ) from None
