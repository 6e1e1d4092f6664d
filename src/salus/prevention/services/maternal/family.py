"""Family planning: checks before pregnancy, contraceptives and follow-up, births registered, support."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from salus.kernel import audit, policy
from salus.kernel.errors import Conflict, Invalid, NotFound
from salus.kernel.policy import Principal, Target
from salus.prevention.models import FamilyAct, Guardianship, ProgrammeEntry
from salus.prevention.queries.maternal import rules, seeing
from salus.prevention.services.programme import placing
from salus.prevention.services.programme.giving import plain

KINDS = {
    "check": "", "supply": "maternal_contraception", "follow-up": "maternal_contraception",
    "registration": "maternal_support", "support": "maternal_support",
}  # fmt: skip
"""The kinds of act, and the rules that name what they are about."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An act of family planning: `key` is made where it is entered; sent twice it counts once."""

    key: UUID
    person_id: UUID
    kind: str
    code: str
    day: date
    quantity: int | None = None
    child: int | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""


def enter(principal: Principal, asked: Asked, *, now: datetime) -> FamilyAct:
    """Enter an act of family planning at the institution that answers for the resident, or the asker's own.

    Raises:
        Invalid: a value breaks a rule; `where` names it.
        NotAllowed: the principal may not enter it for her.
        Conflict: the policy grants it once, and it was granted.
    """
    today = timezone.localdate(now)
    person = placing.people([asked.person_id]).get(asked.person_id)
    if person is None or person.status != "active":
        raise Invalid("family-person", _("There is no such resident"), where="person")
    spot = placing.place({person.pk: person})[person.pk]
    place = spot.institution_id
    if place not in principal.institution_ids and len(principal.institution_ids) == 1:
        place = next(iter(principal.institution_ids))
    policy.require(
        principal,
        "create",
        Target(
            seeing.FAMILY, person_id=person.pk, institution_id=place,
            district_code=spot.district_code or None, categories=frozenset({"reproductive"}),
        ),
    )  # fmt: skip
    held = FamilyAct.objects.filter(key=asked.key).first()
    if held is not None:
        return held
    rule = _checked(asked, today)
    child = _child(principal, asked, rule)
    with transaction.atomic(), connection.cursor() as cursor:
        _once(asked, rule, child)
        made = FamilyAct.objects.create(
            key=asked.key, person_id=person.pk, patient_rid=spot.patient_rid, institution_id=place,
            district_code=spot.district_code, kind=asked.kind, code=asked.code[:40], day=asked.day,
            quantity=asked.quantity, amount=rule.whole("amount") if rule else None,
            next_on=next_on(asked, rule), values=plain(asked.values), child=child,
            note=asked.note.strip()[:300], recorded_by=principal.name[:150], recorded_at=now,
        )  # fmt: skip
        FamilyAct.objects.filter(
            person_id=person.pk, kind__in=("supply", "follow-up"), next_on__lte=asked.day
        ).exclude(pk=made.pk).update(next_on=None)
        intent = audit.intend(cursor, [_kept(principal, "create", made)])
    audit.settle(intent)
    return made


def take_back(principal: Principal, number: int, *, now: datetime) -> FamilyAct:
    """Take an act back: it counts nowhere.

    Raises:
        NotFound: there is no such act, or the principal may not change it.
        Conflict: it was taken back already.
    """
    row = FamilyAct.objects.filter(pk=number).first()
    if row is None or not policy.decide(principal, "update", seeing.family_target(row)).allowed:
        raise NotFound("family-unknown", _("There is no such entry"), where=str(number))
    with transaction.atomic(), connection.cursor() as cursor:
        if row.undone_at is not None:
            raise Conflict("family-undone", _("It was done already"))
        row.undone_at = now
        row.save(update_fields=["undone_at"])
        intent = audit.intend(cursor, [_kept(principal, "update", row, undone=True)])
    audit.settle(intent)
    return row


def next_on(asked: Asked, rule: rules.Named | None) -> date | None:
    """Return when she is seen again: before a supply runs out, or at the method's follow-up."""
    if rule is None or asked.kind not in ("supply", "follow-up"):
        return None
    days = rule.whole("supply_days") if asked.kind == "supply" else rule.whole("follow_days")
    days = days or rule.whole("follow_days")
    return asked.day + timedelta(days=days) if days else None


def _checked(asked: Asked, today: date) -> rules.Named | None:
    if asked.kind not in KINDS:
        raise Invalid("family-kind", _("There is no such kind"), where="kind")
    if asked.day > today:
        raise Invalid("family-day", _("The day lies in the future"), where="day")
    if asked.kind == "supply" and not asked.quantity:
        raise Invalid("family-quantity", _("Say how much was supplied"), where="quantity")
    name = KINDS[asked.kind]
    if not name:
        return None
    rule = rules.table(name, asked.day).get(asked.code)
    if rule is None:
        raise Invalid("family-code", _("The policy has no such method or support on this day"), where="code")
    return rule


def _child(principal: Principal, asked: Asked, rule: rules.Named | None) -> ProgrammeEntry | None:
    if asked.kind != "support" or rule is None:
        return None
    if asked.child is None:
        raise Invalid("family-child", _("Say for which child"), where="child")
    child = seeing.open_child(principal, asked.child)
    if not Guardianship.objects.filter(person_id=asked.person_id, child=child, end=None).exists():
        raise Invalid("family-guardian", _("She is no guardian of the child"), where="child")
    spell = rules.support_until(asked.code, child.anchor_on, asked.day)
    if spell is not None and not spell[0] <= asked.day < spell[1]:
        raise Invalid("family-age", _("The child is not of the age of this support"), where="child")
    return child


def _once(asked: Asked, rule: rules.Named | None, child: ProgrammeEntry | None) -> None:
    same = FamilyAct.objects.filter(kind=asked.kind, code=asked.code, undone_at=None)
    if asked.kind == "support" and child is not None:
        if same.filter(child__person_id=child.person_id, day__year=asked.day.year).exists():
            raise Conflict("family-granted", _("The support of this year was granted for the child"))
    elif asked.kind == "check":
        days = rules.limit("preconception_valid_days", asked.day)
        recent = same.filter(person_id=asked.person_id, day__gt=asked.day - timedelta(days=days))
        if recent.exists():
            raise Conflict("family-checked", _("The free check was given within the last year"))


def _kept(principal: Principal, action: str, row: FamilyAct, **detail: object) -> audit.AuditEntry:
    return audit.entry(
        principal, action, person_id=row.person_id, resource_type="FamilyAct", resource_id=str(row.pk),
        detail={"kind": row.kind, **detail},
    )  # fmt: skip
