"""SCH, AIS, AIP, AIL, AIG: appointments.

Source: HL7 v2-to-FHIR, SCH[Appointment], AIS[Appointment] and AIP[Appointment], read.
"""

from copy import deepcopy
from typing import Any

from salus.connect.hl7v2 import times
from salus.connect.hl7v2.context import Resource, local_id
from salus.connect.hl7v2.datatypes import cwe, location, number, practitioner
from salus.connect.hl7v2.engine import apply
from salus.connect.hl7v2.walk import Walk, value

MINUTES = {
    "S": 1 / 60,
    "SEC": 1 / 60,
    "M": 1,
    "MIN": 1,
    "MINUTES": 1,
    "H": 60,
    "HR": 60,
    "HOUR": 60,
    "D": 1440,
}
# whether the trigger's own meaning stands over what SCH-25 says
FINAL = ("cancelled", "entered-in-error", "noshow")
NEEDS_TIME = ("booked", "arrived", "checked-in", "fulfilled", "pending")


def sch(walk: Walk, fields: list[str]) -> None:
    """SCH: the appointment. PID follows it, so that the patient joins when the walk ends."""
    ctx = walk.ctx
    walk.met.add("SCH")
    resource: Resource = {"resourceType": "Appointment", "participant": []}
    apply(ctx, "SCH", fields, resource)
    stated = resource.get("status")
    trigger = walk.trigger.note or "booked"
    resource["status"] = trigger if trigger in FINAL or not stated else stated
    for number_of, kind in ((2, "filler"), (1, "placer")):
        parts = value(fields, number_of).split(ctx.comp)
        own = ctx.clean(parts[0])
        if own:
            authority = ctx.clean(parts[1]) if len(parts) > 1 else ""
            occurrence = ctx.clean(value(fields, 3))
            resource["id"] = local_id(
                "appointment", authority or kind, own, *([occurrence] if occurrence else [])
            )
            break
    else:
        resource["id"] = walk.fallback("appointment")
    timing = value(fields, 11).split(ctx.rep)[0].split(ctx.comp)
    start = timing[3].strip() if len(timing) > 3 else ""
    end = timing[4].strip() if len(timing) > 4 else ""
    _time(walk, resource, start, end, value(fields, 9), value(fields, 10))
    if "end" not in resource and len(timing) > 2 and timing[2]:
        _time(walk, resource, start, "", timing[2].lstrip("Mm"), "MIN" if timing[2][:1] in "Mm" else "")
    reason = cwe(ctx, value(fields, 6)) if value(fields, 6) else None
    if reason and resource["status"] in ("cancelled", "noshow"):
        resource["cancelationReason"] = reason
    for index, role in ((16, "filler contact"),):
        who = practitioner(ctx, value(fields, index).split(ctx.rep)[0]) if value(fields, index) else None
        if who:
            _join(resource, who, role)
    walk.appointment = resource
    walk.notes = resource


def _time(walk: Walk, resource: Resource, start: str, end: str, duration: str, unit: str) -> None:
    ctx = walk.ctx
    begun = times.instant(start, ctx.zone) if start else None
    if begun is None:
        return
    resource["start"] = begun
    finish = times.instant(end, ctx.zone) if end else None
    length = number(duration.split(ctx.rep)[0]) if duration else None
    scale = MINUTES.get(ctx.code(unit.split(ctx.comp)[0]).upper(), 1)
    if length is not None and length > 0:
        minutes = float(length) * scale
        if 1 <= minutes <= 100_000:
            resource["minutesDuration"] = int(minutes)
            finish = finish or times.later(start, ctx.zone, minutes)
    if finish:
        first, last = times.moment(start, ctx.zone), times.moment(end, ctx.zone) if end else None
        if first and last and last < first:
            return
        resource["end"] = finish


def _join(resource: Resource, actor: dict[str, Any], role: str, *, status: str = "accepted") -> None:
    entry: dict[str, Any] = {"actor": actor, "status": status}
    if role:
        entry["type"] = [{"text": role}]
    if all(held.get("actor") != actor for held in resource["participant"]):
        resource["participant"].append(entry)


def ais(walk: Walk, fields: list[str]) -> None:
    """AIS: the service booked."""
    if walk.appointment is None:
        return
    apply(walk.ctx, "AIS", fields, walk.appointment)
    if "start" not in walk.appointment:
        _time(walk, walk.appointment, value(fields, 4).strip(), "", value(fields, 7), value(fields, 8))


def aip(walk: Walk, fields: list[str]) -> None:
    """AIP: the person booked."""
    if walk.appointment is None:
        return
    for raw in value(fields, 3).split(walk.ctx.rep):
        who = practitioner(walk.ctx, raw) if raw else None
        if who:
            role = cwe(walk.ctx, value(fields, 4)) if value(fields, 4) else None
            entry: dict[str, Any] = {"actor": who, "status": "accepted"}
            if role:
                entry["type"] = [role]
            walk.appointment["participant"].append(entry)
    if "start" not in walk.appointment:
        _time(walk, walk.appointment, value(fields, 6).strip(), "", value(fields, 9), value(fields, 10))


def ail(walk: Walk, fields: list[str]) -> None:
    """AIL: the place booked."""
    if walk.appointment is None:
        return
    for raw in value(fields, 3).split(walk.ctx.rep):
        where = location(walk.ctx, raw) if raw else None
        if where:
            _join(walk.appointment, where, "")
    if "start" not in walk.appointment:
        _time(walk, walk.appointment, value(fields, 6).strip(), "", value(fields, 9), value(fields, 10))


def aig(walk: Walk, fields: list[str]) -> None:
    """AIG: any other resource booked (a device)."""
    if walk.appointment is None:
        return
    named = cwe(walk.ctx, value(fields, 3)) if value(fields, 3) else None
    if named:
        wording = named.get("text") or named["coding"][0]["code"]
        _join(walk.appointment, {"display": wording}, "")
    if "start" not in walk.appointment:
        _time(walk, walk.appointment, value(fields, 8).strip(), "", value(fields, 11), value(fields, 12))


def close(walk: Walk) -> None:
    """Write the appointment: the patient joins, and what FHIR requires of its status is checked."""
    resource = walk.appointment
    if resource is None:
        return
    walk.appointment = None
    if walk.patient_ref:
        patient = {"actor": {"reference": walk.patient_ref}, "status": "accepted"}
        resource["participant"].insert(0, patient)
    ctx = walk.ctx
    unsure = resource["status"] in NEEDS_TIME and "start" not in resource
    if unsure:
        resource["status"] = "proposed"
    elif resource["status"] in NEEDS_TIME and "end" not in resource:
        resource["end"] = resource["start"]  # FHIR books nothing without an end
    nobody_else = len(resource["participant"]) == 1 and bool(walk.patient_ref)
    if not unsure and not nobody_else:
        ctx.add(resource, "overlay")
        return
    # what the message leaves out is made sure of, but does not overwrite what is known
    if unsure:
        ctx.where = "SCH-11"
        ctx.warn("no time: the appointment keeps the time and status that are known")
    placeholder = ctx.add(deepcopy(resource), "ensure")
    resource["id"] = placeholder["id"]
    if unsure:
        del resource["status"]
    if nobody_else:
        del resource["participant"]
    ctx.add_again(resource, "overlay")
