"""FHIRPath's functions and operators, one module a chapter; importing this registers them all."""

from salus.record.views.functions import (
    collections,
    conversion,
    dates,
    existence,
    fhir,
    filtering,
    math,
    operators,
    strings,
    types,
)

__all__ = [
    "collections",
    "conversion",
    "dates",
    "existence",
    "fhir",
    "filtering",
    "math",
    "operators",
    "strings",
    "types",
]
