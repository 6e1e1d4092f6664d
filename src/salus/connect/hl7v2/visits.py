"""PV1, PV2, DG1, PR1, AL1, IAM, IN1: the visit, and what is known of the patient there."""

from copy import deepcopy
from datetime import datetime
from typing import Any

from salus.connect.hl7v2 import times
from salus.connect.hl7v2.context import Resource, local_id
from salus.connect.hl7v2.datatypes import coding, number, whole
from salus.connect.hl7v2.engine import apply
from salus.connect.hl7v2.walk import Walk, value

CLOSED = ("cancelled", "entered-in-error", "planned")
STARTS = ("A01", "A04")
SHORT_VISIT_NUMBER = 3


def pv1(walk: Walk, fields: list[str]) -> None:
    """PV1: the visit. The trigger says its state; results and documents only make sure of it."""
    ctx = walk.ctx
    if walk.patient is None or not walk.trigger.encounter:
        return
    identity = _identity(walk, fields)
    if not identity:
        return
    resource: Resource = {"resourceType": "Encounter", "id": identity, "status": _status(walk, fields)}
    ctx.where = "PV1-2"
    sort = coding(ctx, value(fields, 2), "", "0004") if value(fields, 2) else None
    if sort is None:
        ctx.warn("no patient class")
        sort = {
            "system": "http://terminology.hl7.org/CodeSystem/v3-NullFlavor",
            "code": "UNK",
            "display": "Unknown",
        }
    resource["class"] = sort
    resource["subject"] = {"reference": walk.patient_ref}
    apply(ctx, "PV1", fields, resource)
    _settle_period(walk, resource, fields)
    _settle_locations(resource)
    walk.encounter = resource
    walk.encounter_id = identity
    walk.encounter_ref = f"Encounter/{identity}"
    if walk.encounter_ref in ctx.used:
        return
    if walk.trigger.encounter == "update" and resource["status"] == "unknown":
        # the message does not say in which state the visit is: leave it as it is known
        walk.visit_method = "update"
        placeholder = deepcopy(
            {name: resource[name] for name in ("resourceType", "id", "status", "class", "subject")}
        )
        ctx.add(placeholder, "ensure")
        del resource["status"]
        ctx.add_again(resource, "overlay")
        return
    walk.visit_method = "ensure" if walk.trigger.encounter == "ensure" else "overlay"
    ctx.add(resource, "ensure" if walk.visit_method == "ensure" else "overlay")


def _identity(walk: Walk, fields: list[str]) -> str:
    ctx = walk.ctx
    for field in (value(fields, 19), value(fields, 50)):
        parts = field.split(ctx.rep)[0].split(ctx.comp)
        visit = ctx.clean(parts[0])
        if visit:
            authority = ctx.clean(parts[3].split(ctx.sub)[0]) if len(parts) > 3 else ""
            if len(visit) <= SHORT_VISIT_NUMBER or ctx.options.get("visit_number_scope") == "patient":
                return local_id(walk.patient_id, "visit", authority or "visit", visit)
            return local_id(authority or "visit", visit)
    begun = value(fields, 44).split(ctx.comp)[0].strip()
    if begun and times.date(begun):
        return local_id(walk.patient_id, "visit", begun)
    if walk.family == "adt" and walk.trigger.encounter == "overlay":
        ctx.where = "PV1-19"
        ctx.warn("no visit number and no admission time: the visit is known by this message alone")
        return walk.fallback("visit")
    return ""


def _status(walk: Walk, fields: list[str]) -> str:
    status = walk.trigger.status or "unknown"
    if value(fields, 45) and status in ("in-progress", "unknown", "arrived") and walk.trigger_code != "A13":
        return "finished"
    return status


def _settle_period(walk: Walk, resource: Resource, fields: list[str]) -> None:
    ctx = walk.ctx
    raw_period = resource.get("period")
    period: dict[str, Any] = raw_period if isinstance(raw_period, dict) else {}
    event = times.date_time(walk.event, ctx.zone) if walk.event else None
    if resource["status"] == "finished" and "end" not in period and walk.trigger_code == "A03" and event:
        period["end"] = event
    if walk.trigger_code in STARTS and "start" not in period and event:
        period["start"] = event
    if walk.trigger_code == "A13":
        period.pop("end", None)
    begin, end = (_moment(value(fields, index), ctx.zone, ctx.comp) for index in (44, 45))
    if begin and end and end < begin and "end" in period:
        ctx.where = "PV1-45"
        ctx.warn("the visit ends before it begins: the end is left out")
        del period["end"]
    if period:
        resource["period"] = period
    else:
        resource.pop("period", None)


def _moment(raw: str, zone: str, separator: str) -> datetime | None:
    return times.moment(raw.split(separator)[0].strip(), zone) if raw else None


def _settle_locations(resource: Resource) -> None:
    places = resource.get("location")
    if not places or resource.get("status") not in ("finished", "planned"):
        return
    becomes = "completed" if resource["status"] == "finished" else "planned"
    for place in places:
        if place["status"] == "active":
            place["status"] = becomes


def pv2(walk: Walk, fields: list[str]) -> None:
    """PV2: more about the visit."""
    if walk.encounter is not None:
        apply(walk.ctx, "PV2", fields, walk.encounter)


def dg1(walk: Walk, fields: list[str]) -> None:
    """DG1: a diagnosis."""
    ctx = walk.ctx
    if walk.patient is None:
        return
    fields = list(fields)
    parts = value(fields, 3).split(ctx.comp)
    method = value(fields, 2)
    if method and parts[0] and (len(parts) < 3 or not parts[2]):
        fields[3] = ctx.comp.join([parts[0], parts[1] if len(parts) > 1 else "", method])
    resource: Resource = {"resourceType": "Condition"}
    walk.link(resource)
    apply(ctx, "DG1", fields, resource)
    if not resource.get("code"):
        return
    category = {
        "system": "http://terminology.hl7.org/CodeSystem/condition-category",
        "code": "encounter-diagnosis",
    }
    resource["category"] = [{"coding": [{**category, "display": "Encounter Diagnosis"}]}]
    if ctx.code(value(fields, 21)) == "D":
        wrong = {
            "system": "http://terminology.hl7.org/CodeSystem/condition-ver-status",
            "code": "entered-in-error",
        }
        resource["verificationStatus"] = {"coding": [wrong]}
    own = ctx.clean(value(fields, 20).split(ctx.comp)[0])
    named = ctx.clean(parts[0]) or str(resource["code"].get("text", ""))
    sort = ctx.code(value(fields, 6).split(ctx.comp)[0])
    key = (own,) if own else (named, sort or "-")
    resource["id"] = local_id(walk.encounter_id or walk.patient_id, "dg1", *key)
    ctx.add(resource, "put")
    if walk.encounter is not None and walk.visit_method in ("overlay", "update"):
        entry: dict[str, Any] = {"condition": {"reference": f"Condition/{resource['id']}"}}
        use = ctx.concept("0052-use", sort)
        if use:
            entry["use"] = {"coding": [{"system": use.system, "code": use.code, "display": use.display}]}
        rank = whole(value(fields, 15))
        if rank is not None:
            entry["rank"] = rank
        walk.encounter.setdefault("diagnosis", []).append(entry)


def pr1(walk: Walk, fields: list[str]) -> None:
    """PR1: a procedure. Its time, against the message's, says whether it was done."""
    ctx = walk.ctx
    if walk.patient is None:
        return
    fields = list(fields)
    parts = value(fields, 3).split(ctx.comp)
    method = value(fields, 2)
    if method and parts[0] and (len(parts) < 3 or not parts[2]):
        fields[3] = ctx.comp.join([parts[0], parts[1] if len(parts) > 1 else "", method])
    resource: Resource = {"resourceType": "Procedure", "status": "unknown"}
    walk.link(resource)
    apply(ctx, "PR1", fields, resource)
    when = _moment(value(fields, 5), ctx.zone, ctx.comp)
    if when and ctx.time:
        resource["status"] = "completed" if when <= ctx.time else "preparation"
    minutes = number(value(fields, 7))
    stated = value(fields, 5).split(ctx.comp)[0].strip()
    finish = times.later(stated, ctx.zone, float(minutes)) if minutes is not None else None
    if finish:
        resource["performedPeriod"] = {"start": resource.pop("performedDateTime"), "end": finish}
    if not resource.get("code"):
        return
    own = ctx.clean(value(fields, 19).split(ctx.comp)[0])
    named = ctx.clean(parts[0]) or str(resource["code"].get("text", ""))
    key = (own,) if own else (named, stated or "-")
    resource["id"] = local_id(walk.encounter_id or walk.patient_id, "pr1", *key)
    ctx.add(resource, "put")


def al1(walk: Walk, fields: list[str]) -> None:
    """AL1: an allergy."""
    _allergy(walk, "AL1", fields)


def iam(walk: Walk, fields: list[str]) -> None:
    """IAM: an allergy, with what to do about it."""
    if walk.ctx.code(value(fields, 6).split(walk.ctx.comp)[0]) == "D":
        return
    _allergy(walk, "IAM", fields)


def _allergy(walk: Walk, segment: str, fields: list[str]) -> None:
    ctx = walk.ctx
    if walk.patient is None:
        return
    active = {"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "code": "active"}
    resource: Resource = {
        "resourceType": "AllergyIntolerance",
        "clinicalStatus": {"coding": [active]},
        "patient": {"reference": walk.patient_ref},
    }
    apply(ctx, segment, fields, resource)
    parts = value(fields, 3).split(ctx.comp)
    named = ctx.clean(parts[0]) or (ctx.clean(parts[1]) if len(parts) > 1 else "")
    if not resource.get("code"):
        return
    severity = ctx.concept("0128-severity", ctx.code(value(fields, 4).split(ctx.comp)[0]))
    for reaction in resource.get("reaction") or ():
        if severity:
            reaction["severity"] = severity.code
    sort = ctx.code(value(fields, 2).split(ctx.comp)[0])
    own = ctx.clean(value(fields, 7).split(ctx.comp)[0]) if segment == "IAM" else ""
    resource["id"] = local_id(walk.patient_id, "allergy", own or named, sort or "-")
    ctx.add(resource, "put")


def in1(walk: Walk, fields: list[str]) -> None:
    """IN1: insurance cover."""
    ctx = walk.ctx
    if walk.patient is None:
        return
    resource: Resource = {
        "resourceType": "Coverage",
        "status": "active",
        "beneficiary": {"reference": walk.patient_ref},
    }
    apply(ctx, "IN1", fields, resource)
    plan = value(fields, 2).split(ctx.comp)
    if not resource.get("payor"):
        title = ctx.clean(plan[1]) if len(plan) > 1 else ""
        company = ctx.clean(value(fields, 3).split(ctx.comp)[0])
        resource["payor"] = [{"display": title or company or ctx.clean(plan[0]) or "not stated"}]
    policy = ctx.clean(value(fields, 36)) or ctx.clean(value(fields, 49).split(ctx.comp)[0])
    resource["id"] = local_id(
        walk.patient_id, "in1", ctx.clean(plan[0]) or "plan", policy or ctx.clean(value(fields, 1)) or "1"
    )
    ctx.add(resource, "put")
