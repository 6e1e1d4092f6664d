"""PID, PD1, NK1, MRG: who the message is about, whom they live with, who turned out to be the same."""

from salus.connect.errors import Untranslatable
from salus.connect.hl7v2.context import Resource, local_id
from salus.connect.hl7v2.elements import person_choices
from salus.connect.hl7v2.engine import apply
from salus.connect.hl7v2.identifiers import patient_key
from salus.connect.hl7v2.walk import Walk, value
from salus.connect.translation import Merge, Method


def pid(walk: Walk, fields: list[str]) -> None:
    """PID: the patient. Registration and update messages overlay, others only make sure of them."""
    ctx = walk.ctx
    walk.start_visit()
    identity = patient_key(ctx, value(fields, 3), value(fields, 2), value(fields, 4))
    if identity is None:
        if not value(fields, 5) and not value(fields, 19):
            raise Untranslatable(
                "missing-patient", "PID names no patient: PID-3 and PID-5 are empty", where="PID-3"
            )
        ctx.where = "PID-3"
        ctx.warn("no patient identifier: the patient is known by this message alone")
        identity = walk.fallback("patient")
    resource: Resource = {"resourceType": "Patient", "id": identity}
    apply(ctx, "PID", fields, resource)
    person_choices(ctx, resource, fields)
    district = ctx.clean(value(fields, 12))
    if district and isinstance(resource.get("address"), list):
        resource["address"][0].setdefault("district", district)
    if walk.trigger.patient == "inactive":
        resource["active"] = False
    walk.patient = resource
    walk.patient_id = identity
    walk.patient_ref = f"Patient/{identity}"
    walk.notes = resource
    method: Method = "ensure" if walk.trigger.patient == "ensure" else "overlay"
    if walk.patient_ref in ctx.used:
        ctx.add_again(resource, method)
    else:
        ctx.add(resource, method)


def pd1(walk: Walk, fields: list[str]) -> None:
    """PD1: general practitioner, disability."""
    if walk.patient is not None:
        apply(walk.ctx, "PD1", fields, walk.patient)


def nk1(walk: Walk, fields: list[str]) -> None:
    """NK1: a relative or contact person."""
    if walk.patient is None:
        return
    resource: Resource = {"resourceType": "RelatedPerson", "patient": {"reference": walk.patient_ref}}
    apply(walk.ctx, "NK1", fields, resource)
    if len(resource) == 2:
        return
    known = value(fields, 33) or value(fields, 12)
    number = walk.ctx.clean(known.split(walk.ctx.rep)[0].split(walk.ctx.comp)[0]) or walk.ctx.clean(
        value(fields, 1)
    )
    resource["id"] = local_id(walk.patient_id, "nk1", number or "1")
    walk.ctx.add(resource, "put" if walk.trigger.patient == "overlay" else "ensure")


def mrg(walk: Walk, fields: list[str]) -> None:
    """MRG: the number that gives way to the patient before it."""
    if walk.family != "merge" or walk.patient is None:
        return
    ctx = walk.ctx
    ctx.where = "MRG-1"
    retired = patient_key(ctx, value(fields, 1), value(fields, 4))
    if retired is None:
        raise Untranslatable("missing-merge-identifier", "MRG-1 names no patient to merge", where="MRG-1")
    if retired == walk.patient_id:
        ctx.warn("the patient would be merged with itself: nothing to do")
        return
    resource: Resource = {"resourceType": "Patient", "id": retired}
    apply(ctx, "PID", ["PID", "", "", *[value(fields, 1)], "", value(fields, 7)], resource)
    if f"Patient/{retired}" not in ctx.used:
        ctx.add(resource, "ensure")
    walk.merges.append(Merge(walk.patient_id, retired))
