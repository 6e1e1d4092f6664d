"""FHIRPath: text to syntax tree. Source: FHIRPath N1 grammar, http://hl7.org/fhirpath/N1/grammar.html."""

from salus.record.views.fhirpath.parser import parse
from salus.record.views.fhirpath.tree import (
    Binary,
    Call,
    Empty,
    External,
    Index,
    Literal,
    Member,
    Node,
    Special,
    TypeTest,
    Unary,
    walk,
)

__all__ = [
    "Binary",
    "Call",
    "Empty",
    "External",
    "Index",
    "Literal",
    "Member",
    "Node",
    "Special",
    "TypeTest",
    "Unary",
    "parse",
    "walk",
]
