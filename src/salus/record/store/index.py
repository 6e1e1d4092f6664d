"""The search index as this installation builds it: R4's search parameters in the city's time zone."""

from functools import cache
from typing import Any

from django.conf import settings

from salus.record.rules.r4 import kind_of, rows
from salus.record.store.extract import Extractor, IndexRows
from salus.record.store.extract.compile import parse
from salus.record.store.extract.values import reference
from salus.record.store.types import InvalidWrite


@cache
def extractor() -> Extractor:
    """Return the installation's extractor."""
    return Extractor(settings.TIME_ZONE)


def extract(resource_type: str, resource: dict[str, Any], rid: int, out: IndexRows) -> None:
    """Add a resource's index rows to `out`.

    Raises `InvalidWrite` ("not-fhir") if its structure is not that of FHIR R4; `record.validate` says where.
    """
    try:
        extractor().extract(resource_type, resource, rid, out)
    except (AttributeError, TypeError, ValueError, OverflowError):
        raise InvalidWrite(
            "not-fhir",
            "The resource's structure is not that of FHIR R4",
            where=resource_type,
            fix="Validate it before writing",
        ) from None


@cache
def _patient_paths() -> dict[str, list[list[str]]]:
    """Return, by resource type, the element names that lead to the Patient it belongs to."""
    expressions = {row["path"]: row["expression"] for row in rows("index_paths")}
    found: dict[str, list[list[str]]] = {}
    for row in rows("patient_paths"):
        for path in row["paths"].split():
            steps = parse(expressions[path])[1]
            found.setdefault(row["type"], []).append([step.name for step in steps])
    return found


def patient_id(resource_type: str, resource: dict[str, Any]) -> str | None:
    """Return the id of the Patient that a resource belongs to; None if it belongs to nobody.

    The first reference to a Patient in the order of `rules/r4/patient_paths.csv`.
    Source: https://hl7.org/fhir/R4/compartmentdefinition-patient.html.
    """
    patient = kind_of("Patient")
    for steps in _patient_paths().get(resource_type, ()):
        level: list[Any] = [resource]
        for name in steps:
            inner = [one.get(name) for one in level if isinstance(one, dict)]
            level = [v for one in inner for v in (one if isinstance(one, list) else (one,)) if v is not None]
        for one in level:
            text = one.get("reference") if isinstance(one, dict) else None
            if isinstance(text, str) and (target := reference(text)) is not None and target[0] == patient:
                return target[1]
    return None
