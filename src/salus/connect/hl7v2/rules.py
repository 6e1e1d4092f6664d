"""The tables in `connect/rules/v2`, read once.

Each row names its source and whether its text was read or is from memory; the columns are described in
docs/hl7v2.md.
"""

import csv
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "rules" / "v2"


@dataclass(frozen=True, slots=True)
class Concept:
    """What a code of an HL7 table becomes: a FHIR code, its system ("" for plain codes) and display."""

    code: str
    system: str
    display: str


@dataclass(frozen=True, slots=True)
class Mapping:
    """One row of a segment map: this field goes to that element of that resource, in this manner."""

    segment: str
    field: int
    resource: str
    element: str
    kind: str
    table: str


@dataclass(frozen=True, slots=True)
class Trigger:
    """How a message type and trigger are taken; `note` is a reason, or an appointment's status."""

    family: str
    patient: str
    encounter: str
    status: str
    note: str


@dataclass(frozen=True, slots=True)
class IdentifierSystem:
    """The system of an identifier, the HL7 type code for it, and its names."""

    system: str
    type_code: str
    name: str
    name_zh: str


def rows(name: str) -> list[dict[str, str]]:
    """Return the rows of one table as dictionaries."""
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@lru_cache(maxsize=1)
def tables() -> dict[str, dict[str, Concept]]:
    """Return the concept maps: HL7 table number -> code -> concept."""
    found: dict[str, dict[str, Concept]] = {}
    for row in rows("tables.csv"):
        concept = Concept(row["target"], row["system"], row["display"])
        found.setdefault(row["table"], {})[row["code"]] = concept
    return found


@lru_cache(maxsize=1)
def segment_maps() -> dict[tuple[str, str], list[Mapping]]:
    """Return the segment maps: (segment, resource type) -> rows in field order."""
    found: dict[tuple[str, str], list[Mapping]] = {}
    for row in rows("segments.csv"):
        mapping = Mapping(
            row["segment"], int(row["field"]), row["resource"], row["element"], row["kind"], row["table"]
        )
        found.setdefault((mapping.segment, mapping.resource), []).append(mapping)
    for mappings in found.values():
        mappings.sort(key=lambda mapping: mapping.field)
    return found


@lru_cache(maxsize=1)
def triggers() -> dict[tuple[str, str], Trigger]:
    """Return how each (message type, trigger) is taken; "*" stands for any trigger."""
    return {
        (row["message"], row["trigger"]): Trigger(
            row["family"], row["patient"], row["encounter"], row["status"], row["note"]
        )
        for row in rows("triggers.csv")
    }


@lru_cache(maxsize=1)
def charsets() -> dict[str, str]:
    """Return the Python codec of each name of a character set (upper case)."""
    return {row["name"]: row["codec"] for row in rows("charsets.csv")}


@lru_cache(maxsize=1)
def coding_systems() -> dict[str, str]:
    """Return the URI of each coding system's HL7 name (upper case)."""
    return {row["coding_system"].upper(): row["uri"] for row in rows("coding_systems.csv")}


@lru_cache(maxsize=1)
def identifier_systems() -> dict[tuple[str, str], IdentifierSystem]:
    """Return identifier systems by ("type", HL7 type code) and ("authority", assigning authority)."""
    return {
        (row["key_kind"], row["key"]): IdentifierSystem(
            row["system"], row["type_code"], row["name"], row["name_zh"]
        )
        for row in rows("identifier_systems.csv")
    }


@lru_cache(maxsize=1)
def patient_id_types() -> dict[str, int]:
    """Return the rank of the identifier types that name a patient in the sending system, best first."""
    return {row["type"]: int(row["rank"]) for row in rows("patient_id_types.csv")}
