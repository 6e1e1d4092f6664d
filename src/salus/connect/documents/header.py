"""The header of a CDA document, read with the doors shut: no entities, no DTD, no network.

Source: HL7 CDA R2 (ANSI/HL7 CDA R2-2005), header; WS/T 500 uses the same header with its own identifiers.
"""

import re
from dataclasses import dataclass
from typing import Any

from salus.connect.errors import Untranslatable
from salus.record.xml import document

_NAMESPACE = "{urn:hl7-org:v3}"
_TIME = re.compile(r"(\d{4})(\d{2})?(\d{2})?(?:(\d{2})(\d{2})?(\d{2})?(?:\.(\d+))?)?([+-]\d{4})?")


@dataclass(frozen=True, slots=True)
class Id:
    """An instance identifier: root and extension, either may be empty."""

    root: str
    extension: str


@dataclass(frozen=True, slots=True)
class Code:
    """A coded value."""

    code: str
    system: str
    display: str


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody or something named in the header."""

    ids: tuple[Id, ...]
    name: str


@dataclass(frozen=True, slots=True)
class Header:
    """What a document says of itself. Times are as CDA writes them (YYYYMMDDHHMMSS±ZZZZ)."""

    id: Id
    set_id: Id | None
    version: str
    type: Code
    title: str
    time: str
    confidentiality: str
    language: str
    patient_ids: tuple[Id, ...]
    patient_name: str
    gender: Code
    birth: str
    telecoms: tuple[str, ...]
    address: str
    authors: tuple[Party, ...]
    custodian: Party
    visit_start: str
    visit_end: str
    replaces: tuple[Id, ...]


def parse(raw: bytes) -> Any:
    """Return the root element of an XML document.

    Raises Untranslatable for a document type declaration (where attacks live), a huge or broken document.
    """
    try:
        return document.parse(raw)
    except document.UnreadableXml as fault:
        raise Untranslatable(fault.code, fault.message, fix=fault.fix, where=fault.where) from None


def _first(node: Any, path: str) -> Any:
    return None if node is None else node.find("/".join(_NAMESPACE + step for step in path.split("/")))


def _all(node: Any, path: str) -> list[Any]:
    return [] if node is None else node.findall("/".join(_NAMESPACE + step for step in path.split("/")))


def _value(node: Any, attribute: str = "value") -> str:
    return "" if node is None else str(node.get(attribute) or "").strip()


def _words(node: Any) -> str:
    return "" if node is None else " ".join("".join(str(part) for part in node.itertext()).split())


def _ids(nodes: list[Any]) -> tuple[Id, ...]:
    found = (Id(_value(node, "root"), _value(node, "extension")) for node in nodes)
    return tuple(one for one in found if one.extension or one.root)


def _code(node: Any) -> Code:
    return Code(_value(node, "code"), _value(node, "codeSystem"), _value(node, "displayName"))


def read_header(root: Any) -> Header:
    """Return the header of a ClinicalDocument; raises Untranslatable if the root is something else."""
    if root.tag != f"{_NAMESPACE}ClinicalDocument":
        raise Untranslatable("not-a-document", "the XML is not a ClinicalDocument of HL7 CDA")
    role = _first(root, "recordTarget/patientRole")
    patient = _first(role, "patient")
    ids = _ids(_all(root, "id")[:1])
    set_ids = _ids(_all(root, "setId")[:1])
    custodian = _first(root, "custodian/assignedCustodian/representedCustodianOrganization")
    visit = _first(root, "componentOf/encompassingEncounter/effectiveTime")
    return Header(
        id=ids[0] if ids else Id("", ""),
        set_id=set_ids[0] if set_ids else None,
        version=_value(_first(root, "versionNumber")),
        type=_code(_first(root, "code")),
        title=_words(_first(root, "title")),
        time=_value(_first(root, "effectiveTime")),
        confidentiality=_value(_first(root, "confidentialityCode"), "code"),
        language=_value(_first(root, "languageCode"), "code"),
        patient_ids=_ids([*_all(patient, "id"), *_all(role, "id")]),
        patient_name=_words(_first(patient, "name")),
        gender=_code(_first(patient, "administrativeGenderCode")),
        birth=_value(_first(patient, "birthTime")),
        telecoms=tuple(value for node in _all(role, "telecom") if (value := _value(node))),
        address=_words(_first(role, "addr")),
        authors=tuple(
            Party(_ids(_all(author, "id")), _words(_first(author, "assignedPerson/name")))
            for author in _all(root, "author/assignedAuthor")
        ),
        custodian=Party(_ids(_all(custodian, "id")), _words(_first(custodian, "name"))),
        visit_start=_value(_first(visit, "low")),
        visit_end=_value(_first(visit, "high")),
        replaces=_ids(
            [
                node
                for related in _all(root, "relatedDocument")
                if related.get("typeCode") == "RPLC"
                for node in _all(related, "parentDocument/id")
            ]
        ),
    )


def iso_time(text: str, zone: str) -> str:
    """Return a CDA time as FHIR writes it, as precise as it was; "" where it is none.

    `zone` ("+08:00") is used for a time of day without its own.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        return ""
    year, month, day, hour, minute, second, _, offset = match.groups()
    if not month:
        return str(year)
    if not day:
        return f"{year}-{month}"
    if not hour:
        return f"{year}-{month}-{day}"
    own = f"{offset[:3]}:{offset[3:]}" if offset else zone
    return f"{year}-{month}-{day}T{hour}:{minute or '00'}:{second or '00'}{own}"
