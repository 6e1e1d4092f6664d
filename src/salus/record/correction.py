"""Correcting a field: a new version of the resource, its provenance and audit row in one transaction."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import jsonpointer
from django.db import connection, transaction
from django.utils.translation import gettext_noop as _

from salus.kernel import audit, policy
from salus.kernel.errors import Invalid, NotFound
from salus.kernel.ids import uuid7
from salus.kernel.policy import Principal, Target
from salus.record import identity, json, sensitive, store
from salus.record.store import Stored, Write, Written
from salus.record.validate import validate

KEPT = frozenset({"resourceType", "id", "meta", "text", "contained", "reference", "system", "url", "div"})
"""Elements that a correction does not touch: they say what the resource is and belongs to."""
REASON = 10  # characters that a reason has at least


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value in a resource and where it is: `pointer` (RFC 6901) and a path for people."""

    pointer: str
    path: str
    value: str | int | float | Decimal | bool


def leaves(resource: dict[str, Any]) -> list[Leaf]:
    """Return the values of a resource that can be corrected, in its order."""
    found: list[Leaf] = []

    def walk(node: Any, steps: list[str]) -> None:
        if isinstance(node, dict):
            for key, value in node.items():
                if key not in KEPT:
                    walk(value, [*steps, key])
        elif isinstance(node, list):
            for index, value in enumerate(node):
                walk(value, [*steps, str(index)])
        elif isinstance(node, str | int | float | Decimal | bool):
            pointer = jsonpointer.JsonPointer.from_parts(steps).path
            path = "".join(f"[{int(s) + 1}]" if s.isdigit() else f".{s}" for s in steps).lstrip(".")
            found.append(Leaf(pointer, path, node))

    walk(resource, [])
    return found


def may_correct(principal: Principal, stored: Stored) -> bool:
    """Tell whether the principal may correct this resource."""
    return not stored.deleted and policy.decide(principal, "correct", _target(stored)).allowed


def correct(
    principal: Principal,
    stored: Stored,
    pointer: str,
    value: str,
    reason: str,
    *,
    now: datetime,
) -> Written:
    """Write a corrected version of a resource and a Provenance that says who corrected what and why.

    The resource stays with the source system that sent it, dated now, so that an older message of the
    source cannot undo the correction.

    Raises:
        NotFound: the principal may not correct it.
        Invalid: the reason is too short, there is no such value, or the result is not valid FHIR.
        Conflict: somebody changed the resource meanwhile.
    """
    if not may_correct(principal, stored):
        raise NotFound("no-resource", _("There is no such resource"))
    if len(reason.strip()) < REASON:
        raise Invalid("correction-reason", _("The reason is too short"), where="reason")
    before = json.loads(stored.body)
    leaf = next((one for one in leaves(before) if one.pointer == pointer), None)
    if leaf is None:
        raise Invalid("correction-field", _("There is no such value in the resource"), where="field")
    after = jsonpointer.set_pointer(before, pointer, _typed(leaf.value, value), inplace=False)
    faults = [one for one in validate(after) if one.severity == "error"]
    if faults:
        raise Invalid("correction-value", _("The value does not fit this field"), where="value")
    with transaction.atomic(), connection.cursor() as cursor:
        writes = [
            Write(
                stored.type,
                stored.id,
                after,
                source_id=stored.source_id,
                source_time=now,
                if_version=stored.version,
            ),
            _provenance(principal, stored, leaf, reason.strip(), now),
        ]
        written = store.write(cursor, writes, now=now)
        if stored.type == "Patient":
            identity.link_patients(cursor, written[:1], now=now)
        entry = audit.entry(
            principal,
            "correct",
            person_id=stored.person_id,
            resource_type=stored.type,
            resource_id=stored.id,
            detail={"field": leaf.path, "version": written[0].version},
        )
        intent = audit.intend(cursor, [entry])
    audit.settle(intent)
    return written[0]


def _target(stored: Stored) -> Target:
    return Target(
        "resource",
        person_id=stored.person_id,
        resource_type=stored.type,
        source_id=stored.source_id,
        categories=sensitive.categories(stored.type, stored.body),
        rid=stored.rid,
    )


def _typed(old: str | int | float | Decimal | bool, text: str) -> str | int | Decimal | bool:
    """Return the new value in the old one's JSON type; raises `Invalid`."""
    text = text.strip()
    try:
        if isinstance(old, bool):
            return {"true": True, "false": False}[text.lower()]
        if isinstance(old, int | float | Decimal):
            return json.number(text)
    except (KeyError, ValueError):
        raise Invalid("correction-value", _("The value does not fit this field"), where="value") from None
    if not text:
        raise Invalid("correction-value", _("The value does not fit this field"), where="value")
    return text


def _provenance(principal: Principal, stored: Stored, leaf: Leaf, reason: str, now: datetime) -> Write:
    """Return the Provenance of a correction (http://hl7.org/fhir/R4/provenance.html)."""
    here = f"{stored.type}/{stored.id}"
    body: dict[str, Any] = {
        "resourceType": "Provenance",
        "target": [{"reference": f"{here}/_history/{stored.version + 1}", "display": leaf.path}],
        "recorded": now.isoformat(),
        "reason": [{"text": reason}],
        "activity": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-DataOperation", "code": "UPDATE"}]
        },
        "agent": [{"who": {"display": principal.name}}],
        "entity": [{"role": "revision", "what": {"reference": f"{here}/_history/{stored.version}"}}],
    }
    return Write("Provenance", str(uuid7()), body, source_time=now, person_id=stored.person_id)
