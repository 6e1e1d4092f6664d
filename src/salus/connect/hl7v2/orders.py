"""ORC, OBR, SPM, TQ1, RXO, RXE: what was ordered, and the report that answers it."""

from typing import Any

from salus.connect.hl7v2 import times
from salus.connect.hl7v2.context import Resource, local_id
from salus.connect.hl7v2.datatypes import entity, number, quantity, text, whole
from salus.connect.hl7v2.engine import apply
from salus.connect.hl7v2.walk import Walk, value

NOT_MEDICATION = {"revoked": "cancelled"}
UNKNOWN_NUMBERS = ("9999", "0", "-1")  # CDC's guide: 9999 stands for "not known"


def orc(walk: Walk, fields: list[str]) -> None:
    """ORC: the order that the next segments detail."""
    walk.start_order()
    walk.order = fields
    walk.met.add("order")


def numbers(walk: Walk, fields: list[str]) -> tuple[str, str]:
    """Return the raw placer and filler numbers of an order, from OBR or else ORC."""
    placer = value(fields, 2) if fields and fields[0] == "OBR" else ""
    filler = value(fields, 3) if fields and fields[0] == "OBR" else ""
    return placer or value(walk.order, 2), filler or value(walk.order, 3)


def _key(walk: Walk, raw: str) -> tuple[str, str] | None:
    parts = raw.split(walk.ctx.comp)
    found = walk.ctx.clean(parts[0])
    if not found:
        return None
    return (walk.ctx.clean(parts[1]) if len(parts) > 1 else "") or "order", found


def obr(walk: Walk, fields: list[str]) -> None:
    """OBR: a report when results follow, a request when they are asked for."""
    ctx = walk.ctx
    if walk.patient is None:
        return
    if walk.report is not None or (walk.request is not None and walk.family == "order"):
        # a second OBR under the same ORC, or no ORC at all
        order = walk.order if value(fields, 2) == value(walk.order, 2) else []
        walk.start_order()
        walk.order = order
    walk.met.add("OBR")
    placer, filler = numbers(walk, fields)
    service = ctx.clean(value(fields, 4).split(ctx.comp)[0]) or ctx.clean(value(fields, 4)) or "-"
    placer_key, filler_key = _key(walk, placer), _key(walk, filler)
    if walk.family == "order" or walk.order or placer_key:
        _request(walk, fields, placer, filler, service)
    if walk.family == "result":
        basis = filler_key or placer_key
        identity = local_id(*basis, service) if basis else walk.fallback("report")
        _report(walk, fields, identity, placer, filler)
    walk.notes = walk.report if walk.report is not None else walk.request


def _identifiers(walk: Walk, placer: str, filler: str) -> list[dict[str, Any]]:
    found = (
        (entity(walk.ctx, raw, kind) if raw else None) for raw, kind in ((placer, "PLAC"), (filler, "FILL"))
    )
    return [identifier for identifier in found if identifier]


def _request(walk: Walk, fields: list[str], placer: str, filler: str, service: str) -> None:
    ctx = walk.ctx
    basis = _key(walk, placer) or _key(walk, filler)
    if basis is None and walk.family != "order":
        return
    identity = local_id("request", *basis, service) if basis else walk.fallback("request")
    resource: Resource = {"resourceType": "ServiceRequest", "id": identity}
    identifiers = _identifiers(walk, placer, filler)
    if identifiers:
        resource["identifier"] = identifiers
    resource["status"] = request_status(walk, value(fields, 25))
    resource["intent"] = "reflex-order" if value(fields, 11) == "G" else "order"
    walk.link(resource)
    if walk.order:
        apply(ctx, "ORC", walk.order, resource)
    apply(ctx, "OBR", fields, resource)
    walk.request = resource
    ctx.add(resource, "overlay")


def request_status(walk: Walk, result_status: str = "") -> str:
    """Return a request's status: the order's status, else its control code, else the result's."""
    ctx = walk.ctx
    for table, raw in (("0038", value(walk.order, 5)), ("0119", value(walk.order, 1))):
        concept = ctx.concept(table, ctx.code(raw.split(ctx.comp)[0])) if raw else None
        if concept and concept.code:
            return concept.code
    if walk.family == "result":
        report = ctx.concept("0123", ctx.code(result_status)) if result_status else None
        if report and report.code in ("final", "corrected"):
            return "completed"
        return "revoked" if report and report.code == "cancelled" else "active"
    return "active" if walk.family == "order" else "unknown"


def _report(walk: Walk, fields: list[str], identity: str, placer: str, filler: str) -> None:
    ctx = walk.ctx
    resource: Resource = {"resourceType": "DiagnosticReport", "id": identity}
    identifiers = _identifiers(walk, placer, filler)
    if identifiers:
        resource["identifier"] = identifiers
    if walk.request is not None:
        resource["basedOn"] = [{"reference": f"ServiceRequest/{walk.request['id']}"}]
    ctx.where = "OBR-25"
    concept = ctx.concept("0123", ctx.code(value(fields, 25)))
    if concept is None:
        ctx.warn("no result status that the table maps")
    resource["status"] = concept.code if concept else "unknown"
    walk.link(resource)
    apply(ctx, "OBR", fields, resource)
    if not resource.get("code"):
        ctx.warn("no service: OBR-4 is empty")
        resource["code"] = {"text": "not stated"}
    begun, ended = (value(fields, index).split(ctx.comp)[0].strip() for index in (7, 8))
    start = times.date_time(begun, ctx.zone) if begun else None
    finish = times.date_time(ended, ctx.zone) if ended else None
    earlier, later = (times.moment(stated, ctx.zone) if stated else None for stated in (begun, ended))
    if start and finish and earlier and later and earlier < later:
        resource["effectivePeriod"] = {"start": start, "end": finish}
    elif start or finish:
        resource["effectiveDateTime"] = start or finish
    walk.report = resource
    ctx.add(resource, "put")
    if value(fields, 15):
        specimen: Resource = {"resourceType": "Specimen", "id": local_id(identity, "specimen")}
        specimen["subject"] = {"reference": walk.patient_ref}
        apply(ctx, "OBR", fields, specimen)
        if specimen.get("type"):
            walk.pending_specimen = ctx.add(specimen, "put")
            resource["specimen"] = [{"reference": f"Specimen/{specimen['id']}"}]


def spm(walk: Walk, fields: list[str]) -> None:
    """SPM: the specimen of the report, wherever in the group it stands."""
    ctx = walk.ctx
    if walk.patient is None:
        return
    resource: Resource = {"resourceType": "Specimen", "subject": {"reference": walk.patient_ref}}
    apply(ctx, "SPM", fields, resource)
    own = ctx.clean(
        value(fields, 2).split(ctx.rep)[0].replace(ctx.sub, ctx.comp).strip(ctx.comp).split(ctx.comp)[0]
    )
    if own:
        resource["id"] = local_id("specimen", own)
    elif walk.report is not None:
        resource["id"] = local_id(walk.report["id"], "specimen", ctx.clean(value(fields, 1)) or "1")
    else:
        resource["id"] = walk.fallback("specimen")
    _collected(walk, resource, fields)
    if walk.pending_specimen is not None:  # SPM says more than OBR-15, and of the same specimen
        ctx.withdraw(walk.pending_specimen)
        walk.pending_specimen = None
        if walk.report is not None:
            walk.report.pop("specimen", None)
    ctx.add(resource, "put")
    reference = {"reference": f"Specimen/{resource['id']}"}
    for holder in (walk.report, walk.request if walk.family == "order" else None):
        if holder is not None:
            holder.setdefault("specimen", []).append(reference)


def _collected(walk: Walk, resource: Resource, fields: list[str]) -> None:
    parts = value(fields, 17).split(walk.ctx.comp)
    finish = (
        times.date_time(parts[1].split(walk.ctx.sub)[0].strip(), walk.ctx.zone) if len(parts) > 1 else None
    )
    collection = resource.get("collection")
    if finish and isinstance(collection, dict) and "collectedDateTime" in collection:
        start = collection.pop("collectedDateTime")
        collection["collectedPeriod"] = {"start": start, "end": finish}


def rxo(walk: Walk, fields: list[str]) -> None:
    """RXO: a medicine as ordered."""
    _medication(walk, fields, amount=2, most=3, units=4, instructions=(6, 7), dispense=(11, 12), refills=13)


def rxe(walk: Walk, fields: list[str]) -> None:
    """RXE: a medicine as the pharmacy encoded the order."""
    _medication(walk, fields, amount=3, most=4, units=5, instructions=(7,), dispense=(10, 11), refills=12)


def _medication(
    walk: Walk,
    fields: list[str],
    *,
    amount: int,
    most: int,
    units: int,
    instructions: tuple[int, ...],
    dispense: tuple[int, int],
    refills: int,
) -> None:
    ctx = walk.ctx
    if walk.patient is None:
        return
    segment = fields[0]
    walk.met.add("OBR")
    resource: Resource = (
        walk.medication if walk.medication is not None else {"resourceType": "MedicationRequest"}
    )
    status = request_status(walk)
    resource["status"] = NOT_MEDICATION.get(status, status)
    resource["intent"] = "order"
    walk.link(resource)
    if walk.order and segment == "RXO":
        ordered: Resource = {"resourceType": "ServiceRequest"}
        apply(ctx, "ORC", walk.order, ordered)
        resource.update({name: ordered[name] for name in ("authoredOn", "requester") if ordered.get(name)})
    apply(ctx, segment, fields, resource)
    if not resource.get("medicationCodeableConcept"):
        resource["medicationCodeableConcept"] = {"text": "not stated"}
    dosage: dict[str, Any] = (resource.get("dosageInstruction") or [{}])[0]
    wording = "; ".join(
        filter(None, (text(ctx, _wording(walk, value(fields, index))) for index in instructions))
    )
    if wording:
        dosage["text"] = wording
    least, highest, unit = number(value(fields, amount)), number(value(fields, most)), value(fields, units)
    if least is not None:
        if highest is not None and highest > least:
            span = {"low": quantity(ctx, least, unit), "high": quantity(ctx, highest, unit)}
            dosage["doseAndRate"] = [{"doseRange": span}]
        else:
            dosage["doseAndRate"] = [{"doseQuantity": quantity(ctx, least, unit)}]
    if dosage:
        resource["dosageInstruction"] = [dosage]
    given = number(value(fields, dispense[0]))
    repeats = whole(value(fields, refills), 0)
    supply: dict[str, Any] = {}
    if given is not None:
        supply["quantity"] = quantity(ctx, given, value(fields, dispense[1]))
    if repeats is not None:
        supply["numberOfRepeatsAllowed"] = repeats
    if supply:
        resource["dispenseRequest"] = supply
    if walk.medication is None:
        placer, filler = numbers(walk, [])
        drug = ctx.clean(value(fields, 1 if segment == "RXO" else 2).split(ctx.comp)[0]) or "-"
        basis = _key(walk, placer) or _key(walk, filler)
        resource["id"] = local_id("medication", *basis, drug) if basis else walk.fallback("medication")
        identifiers = _identifiers(walk, placer, filler)
        if identifiers:
            resource["identifier"] = identifiers
        ctx.add(resource, "overlay")
    walk.medication = resource
    walk.notes = resource


def _wording(walk: Walk, raw: str) -> str:
    pieces = []
    for piece in raw.split(walk.ctx.rep):
        parts = piece.split(walk.ctx.comp)
        pieces.append(parts[1] if len(parts) > 1 and parts[1] else parts[0])
    return walk.ctx.rep.join(piece for piece in pieces if piece)
