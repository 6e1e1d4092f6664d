"""RXA, RXR and their OBX: vaccinations given, refused or known from elsewhere.

Source: HL7 v2-to-FHIR, RXA[Immunization], read; the meaning of LOINC codes under RXA from the CDC
Implementation Guide for Immunization Messaging 1.5 (memory).
"""

from typing import Any

from salus.connect.hl7v2 import times
from salus.connect.hl7v2.context import Resource, local_id
from salus.connect.hl7v2.datatypes import cwe, number, practitioner, quantity, whole
from salus.connect.hl7v2.engine import apply
from salus.connect.hl7v2.orders import UNKNOWN_NUMBERS, numbers
from salus.connect.hl7v2.walk import Walk, value

NO_VACCINE = "998"
UNKNOWN_AMOUNT = 999
HISTORICAL = "01"
ADMINISTERED = "00"


def rxa(walk: Walk, fields: list[str]) -> None:
    """RXA: one vaccine, given or not."""
    ctx = walk.ctx
    if walk.patient is None or walk.family != "vaccination":
        return
    walk.clear_results()
    walk.met.add("RXA")
    vaccine = ctx.clean(value(fields, 5).split(ctx.comp)[0])
    if vaccine == NO_VACCINE:  # what follows are facts about the patient, not about a dose
        return
    resource: Resource = {"resourceType": "Immunization", "status": "completed"}
    resource["patient"] = {"reference": walk.patient_ref}
    if walk.encounter_ref:
        resource["encounter"] = {"reference": walk.encounter_ref}
    apply(ctx, "RXA", fields, resource)
    if ctx.code(value(fields, 21)) == "D":
        resource["status"] = "entered-in-error"
    if not resource.get("vaccineCode"):
        resource["vaccineCode"] = {"text": "not stated"}
    if not resource.get("occurrenceDateTime"):
        resource.pop("occurrenceDateTime", None)
        resource["occurrenceString"] = "not stated"
    amount = number(value(fields, 6))
    if amount is not None and amount != UNKNOWN_AMOUNT:
        resource["doseQuantity"] = quantity(ctx, amount, value(fields, 7))
    origin = ctx.clean(value(fields, 9).split(ctx.comp)[0])
    if origin:
        resource["primarySource"] = origin == ADMINISTERED
    if walk.order and value(walk.order, 12):
        who = practitioner(ctx, value(walk.order, 12).split(ctx.rep)[0])
        if who:
            system = "http://terminology.hl7.org/CodeSystem/v2-0443"
            function = {"coding": [{"system": system, "code": "OP", "display": "Ordering Provider"}]}
            resource.setdefault("performer", []).append({"function": function, "actor": who})
    resource["id"] = _identity(walk, fields, vaccine)
    ctx.add(resource, "put")
    walk.immunization = resource
    walk.notes = resource


def _identity(walk: Walk, fields: list[str], vaccine: str) -> str:
    ctx = walk.ctx
    placer, filler = numbers(walk, [])
    for raw in (filler, placer):
        parts = raw.split(ctx.comp)
        own = ctx.clean(parts[0])
        if own and own not in UNKNOWN_NUMBERS:
            authority = ctx.clean(parts[1]) if len(parts) > 1 else ""
            return local_id("vaccination", authority or "order", own, vaccine or "-")
    day = times.date(value(fields, 3).split(ctx.comp)[0].strip()) or "-"
    return local_id(walk.patient_id, "vaccination", vaccine or "-", day)


def rxr(walk: Walk, fields: list[str]) -> None:
    """RXR: route and site."""
    if walk.immunization is not None:
        apply(walk.ctx, "RXR", fields, walk.immunization)
    elif walk.medication is not None:
        held: Resource = {"resourceType": "Immunization"}
        apply(walk.ctx, "RXR", fields, held)
        dosage = (walk.medication.get("dosageInstruction") or [{}])[0]
        dosage.update({name: held[name] for name in ("route", "site") if held.get(name)})
        if dosage:
            walk.medication["dosageInstruction"] = [dosage]


def about(walk: Walk, fields: list[str]) -> bool:
    """Take an OBX under RXA into the vaccination where FHIR has an element for it; else return False."""
    ctx = walk.ctx
    resource = walk.immunization
    if resource is None:
        return False
    code = ctx.clean(value(fields, 3).split(ctx.comp)[0])
    raw = value(fields, 5)
    concept = cwe(ctx, raw) if raw else None
    if concept is None:
        return False
    if code == "64994-7":
        resource.setdefault("programEligibility", []).append(concept)
    elif code == "30963-3":
        resource["fundingSource"] = concept
    elif code in ("29768-9", "29769-7", "30956-7", "69764-9"):
        _education(walk, code, raw, fields)
    elif code in ("30973-2", "59782-3"):
        count = whole(ctx.clean(raw.split(ctx.comp)[0]))
        if count is None:
            return False
        applied: list[dict[str, Any]] = resource.setdefault("protocolApplied", [{}])
        applied[0]["doseNumberPositiveInt" if code == "30973-2" else "seriesDosesPositiveInt"] = count
        applied[0].setdefault("doseNumberString", "not stated")
        if "doseNumberPositiveInt" in applied[0]:
            applied[0].pop("doseNumberString", None)
    else:
        return False
    walk.notes = resource
    return True


def _education(walk: Walk, code: str, raw: str, fields: list[str]) -> None:
    ctx = walk.ctx
    resource = walk.immunization
    if resource is None:
        return
    sub = ctx.clean(value(fields, 4)) or "1"
    shown: list[dict[str, Any]] = resource.setdefault("education", [])
    sheet = next((entry for entry in shown if entry.get("id") == f"s{sub}"), None)
    if sheet is None:
        sheet = {"id": f"s{''.join(c for c in sub if c.isalnum() or c == '-')[:32]}"}
        shown.append(sheet)
    if code == "29768-9":
        published = times.date_time(raw.split(ctx.comp)[0].strip(), ctx.zone)
        if published:
            sheet["publicationDate"] = published
    elif code == "29769-7":
        presented = times.date_time(raw.split(ctx.comp)[0].strip(), ctx.zone)
        if presented:
            sheet["presentationDate"] = presented
    else:
        concept = cwe(ctx, raw)
        if concept:
            coding = concept.get("coding", [{}])[0]
            sheet["documentType"] = concept.get("text") or coding.get("code", "")
    if not any(name in sheet for name in ("documentType", "publicationDate", "presentationDate")):
        shown.remove(sheet)
    if not shown:
        del resource["education"]
