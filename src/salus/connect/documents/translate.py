"""A document becomes a DocumentReference, the whole text as a Binary, and the parties that its header names.

Source: IHE MHD and HL7's C-CDA on FHIR for the index elements of a DocumentReference.
"""

import base64
import csv
from datetime import datetime
from functools import cache
from hashlib import blake2b, sha1
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from salus.connect.documents.header import Header, Id, Party, iso_time, parse, read_header
from salus.connect.errors import Untranslatable
from salus.connect.translation import Entry, SourceProfile, Translation

RULES = Path(__file__).resolve().parent.parent / "rules" / "documents"
_NATIONAL_ID = {"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "NI"}
RESIDENT_NUMBER = "2.16.156.10011.1.3"


@cache
def _identifier_rules() -> dict[str, dict[str, str]]:
    with (RULES / "identifiers.csv").open(encoding="utf-8") as file:
        return {row["root"]: row for row in csv.DictReader(file)}


@cache
def _codes() -> dict[tuple[str, str, str], str]:
    with (RULES / "codes.csv").open(encoding="utf-8") as file:
        return {(row["field"], row["system"], row["code"]): row["value"] for row in csv.DictReader(file)}


def _system(oid: str) -> str:
    return _codes().get(("system", oid, "")) or (f"urn:oid:{oid}" if oid else "")


def _identifier(one: Id) -> dict[str, Any]:
    found: dict[str, Any] = {"value": one.extension or one.root}
    if one.root and one.extension:
        found = {"system": f"urn:oid:{one.root}", **found}
    if one.root == RESIDENT_NUMBER:
        found = {"type": {"coding": [_NATIONAL_ID]}, **found}
    return found


def _local(one: Id) -> str:
    return f"{one.root}|{one.extension}" if one.extension else one.root


def _patient_id(header: Header) -> Id:
    """Return the identifier that names the person best, by the order of the rules; unknown ones come last."""
    rules = _identifier_rules()
    named = [one for one in header.patient_ids if one.extension]
    able = [one for one in named if rules.get(one.root, {}).get("names", "person") in {"person", "visit"}]
    if not able:
        raise Untranslatable(
            "no-patient", "the document names no patient", where="recordTarget/patientRole/id"
        )
    return min(able, key=lambda one: int(rules.get(one.root, {}).get("order") or 3))


def _patient(header: Header, key: Id) -> dict[str, Any]:
    gender = _codes().get(("gender", header.gender.system, header.gender.code)) or _codes().get(
        ("gender", "2.16.840.1.113883.5.1", header.gender.code)
    )
    names = _identifier_rules()
    patient: dict[str, Any] = {
        "resourceType": "Patient",
        "id": _local(key),
        "identifier": [
            _identifier(one)
            for one in header.patient_ids
            if one.extension and names.get(one.root, {}).get("names", "person") != "order"
        ],
    }
    if header.patient_name:
        patient["name"] = [{"text": header.patient_name}]
    if gender:
        patient["gender"] = gender
    if birth := iso_time(header.birth[:8], ""):
        patient["birthDate"] = birth
    if header.telecoms:
        phones = [
            value.removeprefix("tel:").strip() for value in header.telecoms if not value.startswith("mailto:")
        ]
        patient["telecom"] = [{"system": "phone", "value": phone} for phone in phones if phone]
        if not patient["telecom"]:
            del patient["telecom"]
    if header.address:
        patient["address"] = [{"text": header.address}]
    return patient


def _party(kind: str, party: Party) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return a Practitioner or Organization and the reference to it; None if nothing identifies it."""
    named = [one for one in party.ids if one.extension]
    if not named:
        return None
    resource: dict[str, Any] = {
        "resourceType": kind,
        "id": _local(named[0]),
        "identifier": [_identifier(one) for one in named],
    }
    if party.name:
        resource["name"] = [{"text": party.name}] if kind == "Practitioner" else party.name
    elif kind == "Organization":
        return None
    reference = {"reference": f"{kind}/{_local(named[0])}"}
    return resource, {**reference, "display": party.name} if party.name else reference


def _offset(moment: str, zone: ZoneInfo) -> str:
    """Return the zone's offset ("+08:00") on the day of a CDA time."""
    day = datetime(int(moment[:4]), int(moment[4:6] or 1), int(moment[6:8] or 1), 12, tzinfo=zone)
    text = day.strftime("%z")
    return f"{text[:3]}:{text[3:]}"


def translate(raw: bytes, source: SourceProfile) -> Translation:
    """Return the index entries of a document, which is kept whole as a Binary.

    Raises Untranslatable if it is no CDA document, names no patient or has no time.
    """
    root = parse(raw)
    header = read_header(root)
    zone = ZoneInfo(source.timezone)
    try:
        offset = _offset(header.time, zone) if header.time[:4].isdecimal() else ""
        written = iso_time(header.time, offset)
        occurred = datetime.fromisoformat(written if "T" in written else f"{written[:10]}T00:00:00{offset}")
    except ValueError:
        raise Untranslatable(
            "no-document-time",
            "the document does not say when it was made",
            where="ClinicalDocument/effectiveTime",
        ) from None
    named = header.id if header.id.extension or header.id.root else None
    # WS/T 500 documents all share the root of their id; one without an extension is known by its content.
    local = (
        _local(named) if named and named.extension else f"document:{blake2b(raw, digest_size=16).hexdigest()}"
    )
    key = _patient_id(header)
    entries = [Entry(_patient(header, key), "ensure", occurred)]
    reference = _reference(header, local, raw, occurred)
    reference["subject"] = {"reference": f"Patient/{_local(key)}"}
    for party in header.authors:
        if (made := _party("Practitioner", party)) is not None:
            entries.append(Entry(made[0], "ensure", occurred))
            reference.setdefault("author", []).append(made[1])
        elif party.name:
            reference.setdefault("author", []).append({"display": party.name})
    if (custodian := _party("Organization", header.custodian)) is not None:
        entries.append(Entry(custodian[0], "ensure", occurred))
        reference["custodian"] = custodian[1]
    elif header.custodian.name:
        reference["custodian"] = {"display": header.custodian.name}
    if header.visit_start:
        times = {"start": iso_time(header.visit_start, offset), "end": iso_time(header.visit_end, offset)}
        reference["context"] = {"period": {name: value for name, value in times.items() if value}}
    binary = {
        "resourceType": "Binary",
        "id": local,
        "contentType": "text/xml",
        "securityContext": {"reference": f"Patient/{_local(key)}"},
        "data": base64.b64encode(raw).decode(),
    }
    entries += [Entry(binary, "put", occurred), Entry(reference, "put", occurred)]
    return Translation(f"document {header.type.code}".strip(), local, occurred, entries)


def _reference(header: Header, local: str, raw: bytes, occurred: datetime) -> dict[str, Any]:
    attachment: dict[str, Any] = {
        "contentType": "text/xml",
        "url": f"Binary/{local}",
        "size": len(raw),
        "hash": base64.b64encode(sha1(raw, usedforsecurity=False).digest()).decode(),
        "creation": occurred.isoformat(),
    }
    if header.language:
        attachment["language"] = header.language
    if header.title:
        attachment["title"] = header.title
    reference: dict[str, Any] = {
        "resourceType": "DocumentReference",
        "id": local,
        "status": "current",
        "date": occurred.isoformat(timespec="seconds"),
        "content": [{"attachment": attachment}],
    }
    if header.id.extension:
        reference["masterIdentifier"] = _identifier(header.id)
    if header.set_id is not None and header.set_id.extension:
        reference["identifier"] = [_identifier(header.set_id)]
    if header.type.code:
        coding = {
            "system": _system(header.type.system),
            "code": header.type.code,
            "display": header.type.display,
        }
        reference["type"] = {"coding": [{name: value for name, value in coding.items() if value}]}
        if header.title:
            reference["type"]["text"] = header.title
    if header.title:
        reference["description"] = header.title
    if header.confidentiality:
        coding = {"system": _system("2.16.840.1.113883.5.25"), "code": header.confidentiality}
        reference["securityLabel"] = [{"coding": [coding]}]
    if header.replaces:
        reference["relatesTo"] = [
            {"code": "replaces", "target": {"reference": f"DocumentReference/{_local(one)}"}}
            for one in header.replaces
        ]
    return reference
