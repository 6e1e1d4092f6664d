"""A pregnancy: its dates, its risk in five colours, what is done about it, and how it ends."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID, uuid4

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from salus.kernel import audit, notifications
from salus.kernel.errors import Conflict, Invalid, NotFound
from salus.kernel.events import emit
from salus.kernel.policy import Principal
from salus.prevention.events import PregnancyAtRisk
from salus.prevention.models import (
    CloseReason,
    EntryOrigin,
    EntryState,
    Guardianship,
    Newborn,
    Pregnancy,
    PregnancyOutcome,
    ProgrammeEntry,
    RiskAct,
    RiskFactor,
    ServiceGiven,
)
from salus.prevention.queries.maternal import rules, seeing
from salus.prevention.services.programme import entering, giving, refreshing
from salus.prevention.services.programme.entering import Entering
from salus.record.models import Person

READINGS = ("haemoglobin", "platelets")
"""Values of antenatal visits from which factors of risk follow (g/L, 10⁹/L)."""


@dataclass(frozen=True, slots=True)
class Dates:
    """What is known when a pregnancy is taken up; without `edd` it is counted from the last period."""

    edd: date | None = None
    gravidity: int | None = None
    parity: int | None = None
    height: float | None = None
    weight: float | None = None


@dataclass(frozen=True, slots=True)
class Child:
    """A newborn: weight in grams, length in centimetres."""

    alive: bool = True
    sex: str = ""
    weight: int | None = None
    length: float | None = None
    apgar_1: int | None = None
    apgar_5: int | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """How a pregnancy ended: the day, the children, when the mother left the hospital."""

    outcome: str
    day: date
    mode: str = ""
    place: str = ""
    blood_loss: int | None = None
    discharged: date | None = None
    children: Sequence[Child] = ()


def take_up(principal: Principal, number: int, asked: Dates, *, now: datetime) -> Pregnancy:
    """Enter or correct a pregnancy's dates and what its risk is first judged by.

    Raises:
        NotFound: there is no such registration, or the principal may not change it.
        Invalid: a value breaks a rule; `where` names it.
        Conflict: the pregnancy has ended.
    """
    entry = seeing.open_pregnancy(principal, number, "update")
    today = timezone.localdate(now)
    counted = rules.expected(entry.anchor_on)
    shift = rules.limit("edd_shift_days", today)
    if asked.edd is not None and abs((asked.edd - counted).days) > shift:
        raise Invalid(
            "edd-far", _("The expected delivery is far from what the last period says"), where="edd",
            fix=_("Correct the day of the last period first"),
        )  # fmt: skip
    if asked.parity is not None and asked.gravidity is not None and asked.parity >= asked.gravidity:
        raise Invalid(
            "parity", _("There are fewer births before than pregnancies with this one"), where="parity"
        )
    with transaction.atomic(), connection.cursor() as cursor:
        held = _locked(entry.pk) or Pregnancy(entry=entry, edd=counted, updated=now)
        if held.outcome:
            raise Conflict("pregnancy-ended", _("The pregnancy has ended"))
        held.edd, held.edd_by = asked.edd or counted, "ultrasound" if asked.edd else "lmp"
        held.gravidity, held.parity = asked.gravidity, asked.parity
        held.height, held.weight, held.updated = asked.height, asked.weight, now
        held.save()
        _rejudge(held, principal.name, now=now)
        intent = audit.intend(cursor, [entering.kept(principal, "update", entry, pregnancy="dates")])
    audit.settle(intent)
    return held


def assess(
    principal: Principal, number: int, factors: Collection[str], *, key: UUID, now: datetime, note: str = ""
) -> Pregnancy:
    """Say which factors of risk stand now; those that follow from values stay by themselves.

    Raises:
        NotFound: there is no such registration, or the principal may not change it.
        Invalid: there is no such factor.
        Conflict: the pregnancy was not taken up, or has ended.
    """
    entry = seeing.open_pregnancy(principal, number, "update")
    today = timezone.localdate(now)
    known = rules.table("maternal_risk", today)
    if unknown := sorted(set(factors) - set(known)):
        raise Invalid("risk-factor", _("There is no such factor of risk"), where=unknown[0])
    with transaction.atomic(), connection.cursor() as cursor:
        held = _going_on(entry.pk)
        if RiskAct.objects.filter(key=key).exists():
            return held
        wanted = {code for code in factors if not known[code].row["field"]}
        stand = held.factors.filter(ended_on=None, by_rule=False)
        stand.exclude(factor__in=wanted).update(ended_on=today)
        there = set(stand.values_list("factor", flat=True))
        for code in sorted(wanted - there):
            RiskFactor.objects.create(
                pregnancy=held, factor=code, found_on=today, recorded_by=principal.name[:150], recorded_at=now
            )
        _rejudge(held, principal.name, now=now, key=key, note=note)
        intent = audit.intend(cursor, [entering.kept(principal, "update", entry, risk=held.colour)])
    audit.settle(intent)
    return held


def visit(
    principal: Principal, number: int, asked: giving.Giving, *, now: datetime, replaces: UUID | None = None
) -> giving.Given:
    """Enter an antenatal or postpartum visit as `giving.give` does, and judge the risk by its values."""
    made = giving.give(principal, number, asked, now=now, replaces=replaces)
    if any(asked.values.get(name) for name in READINGS):
        with transaction.atomic(), connection.cursor() as cursor:
            held = _locked(number)
            if held is None or held.outcome:
                return made
            _rejudge(held, principal.name, now=now)
            intent = audit.intend(cursor, [entering.kept(principal, "update", held.entry, risk=held.colour)])
        audit.settle(intent)
    return made


def act(
    principal: Principal, number: int, kind: str, note: str, *, key: UUID, now: datetime,
    next_on: date | None = None,
) -> RiskAct:  # fmt: skip
    """Keep that a pregnancy at risk was followed up, referred or reported, and when it is next.

    Raises:
        NotFound: there is no such registration, or the principal may not change it.
        Invalid: there is no such kind, or the next day is not after today.
        Conflict: the pregnancy was not taken up, or has ended.
    """
    entry = seeing.open_pregnancy(principal, number, "update")
    today = timezone.localdate(now)
    if kind not in ("followed", "referred", "reported"):
        raise Invalid("risk-act", _("There is no such act"), where="kind")
    if next_on is not None and next_on <= today:
        raise Invalid("risk-next", _("The next day lies after today"), where="next_on")
    with transaction.atomic(), connection.cursor() as cursor:
        held = _going_on(entry.pk)
        before = RiskAct.objects.filter(key=key).first()
        if before is not None:
            return before
        if kind == "reported":
            held.reported_at = held.reported_at or now
        else:
            held.follow_on = next_on or rules.follow_on(_risk(held), today)
        held.updated = now
        held.save()
        made = _note(held, kind, principal.name, now=now, key=key, note=note)
        intent = audit.intend(cursor, [entering.kept(principal, "update", entry, risk_act=kind)])
    audit.settle(intent)
    return made


def end(principal: Principal, number: int, asked: Ending, *, now: datetime) -> Pregnancy:
    """Enter how a pregnancy ended: its registration is completed, the mother's after delivery begins.

    Raises:
        NotFound: there is no such registration, or the principal may not change it.
        Invalid: a value breaks a rule; `where` names it.
        Conflict: the pregnancy was not taken up, or has ended.
    """
    entry = seeing.open_pregnancy(principal, number, "update")
    today = timezone.localdate(now)
    _checked(entry, asked, today)
    with transaction.atomic(), connection.cursor() as cursor:
        held = _going_on(entry.pk)
        held.outcome, held.ended_on, held.mode = asked.outcome, asked.day, asked.mode[:16]
        held.place, held.blood_loss = asked.place.strip()[:120], asked.blood_loss
        held.follow_on, held.updated = None, now
        held.save()
        for place, child in enumerate(asked.children, start=1):
            Newborn.objects.create(
                pregnancy=held, number=place, alive=child.alive, sex=child.sex, weight=child.weight,
                length=child.length, apgar_1=child.apgar_1, apgar_5=child.apgar_5,
            )  # fmt: skip
        entry = ProgrammeEntry.objects.get(pk=entry.pk)
        entry.ended_on = asked.day
        entering.shut(entry, CloseReason.RECOVERED, asked.day, by=principal.name, now=now)
        if asked.outcome in (PregnancyOutcome.BIRTH, PregnancyOutcome.STILLBIRTH):
            left = asked.discharged or asked.day
            entering.put(
                [
                    Entering(
                        entry.person_id, "postpartum", asked.day, EntryOrigin.HAND,
                        facts={"anchors": {"discharge-mother": left.isoformat()}, "pregnancy": entry.pk},
                    )
                ],
                by=principal.name, now=now,
            )  # fmt: skip
        refreshing.refresh([entry.person_id], today)
        intent = audit.intend(cursor, [entering.kept(principal, "update", entry, ended=asked.outcome)])
    audit.settle(intent)
    return held


def link_child(principal: Principal, number: int, newborn: int, child: int, *, now: datetime) -> Newborn:
    """Say which registered child a newborn is; the mother becomes its guardian.

    Raises:
        NotFound: there is no such pregnancy, newborn or child, or the principal may not change them.
        Invalid: the child was born on another day or is of the other sex.
        Conflict: the newborn or the child is linked already.
    """
    entry = seeing.open_pregnancy(principal, number, "update")
    its = seeing.open_child(principal, child, "update")
    held = Newborn.objects.select_related("pregnancy").filter(pk=newborn, pregnancy__entry=entry).first()
    if held is None or not held.alive:
        raise NotFound("newborn-unknown", _("There is no such newborn"), where=str(newborn))
    person = Person.objects.get(pk=its.person_id)
    near = timedelta(days=rules.limit("birth_match_days", timezone.localdate(now)))
    ended = held.pregnancy.ended_on
    if person.birth_date is None or ended is None or abs(person.birth_date - ended) > near:
        raise Invalid("newborn-day", _("The child was born on another day"), where="child")
    if held.sex and person.sex and held.sex != person.sex:
        raise Invalid("newborn-sex", _("The child is of the other sex"), where="child")
    with transaction.atomic(), connection.cursor() as cursor:
        if held.entry_id is not None or Newborn.objects.filter(entry__person_id=its.person_id).exists():
            raise Conflict("newborn-linked", _("The child is linked to a mother already"))
        held.entry, held.linked_by, held.linked_at = its, principal.name[:150], now
        held.save()
        if not Guardianship.objects.filter(person_id=entry.person_id, child=its, end=None).exists():
            Guardianship.objects.create(
                person_id=entry.person_id, patient_rid=entry.patient_rid, child=its, relation="mother",
                basis="delivery", start=person.birth_date, recorded_by=principal.name[:150], recorded_at=now,
            )  # fmt: skip
        intent = audit.intend(
            cursor,
            [
                entering.kept(principal, "update", entry, newborn=held.number),
                entering.kept(principal, "update", its, linked="mother"),
            ],
        )
    audit.settle(intent)
    return held


def unlink_child(principal: Principal, number: int, newborn: int, *, now: datetime) -> Newborn:
    """Take the link of a newborn and its child back, and the guardianship that came of it.

    Raises:
        NotFound: there is no such pregnancy or link, or the principal may not change it.
    """
    entry = seeing.open_pregnancy(principal, number, "update")
    held = Newborn.objects.select_related("entry").filter(pk=newborn, pregnancy__entry=entry).first()
    if held is None or held.entry is None:
        raise NotFound("newborn-unknown", _("There is no such newborn"), where=str(newborn))
    with transaction.atomic(), connection.cursor() as cursor:
        its = held.entry
        Guardianship.objects.filter(person_id=entry.person_id, child=its, basis="delivery", end=None).delete()
        held.entry, held.linked_by, held.linked_at = None, principal.name[:150], now
        held.save()
        intent = audit.intend(cursor, [entering.kept(principal, "update", its, unlinked="mother")])
    audit.settle(intent)
    return held


def judge_all(*, now: datetime) -> int:
    """Judge every pregnancy that goes on again by its values, every night; return how many changed."""
    changed = 0
    rows = Pregnancy.objects.filter(outcome="", entry__state=EntryState.OPEN).order_by("pk")
    for number in list(rows.values_list("entry_id", flat=True)):
        with transaction.atomic():
            held = _locked(number)
            if held is not None:
                changed += _rejudge(held, "record", now=now)
    return changed


def _rejudge(held: Pregnancy, by: str, *, now: datetime, key: UUID | None = None, note: str = "") -> bool:
    """Bring the factors that follow from values, and the colour, up to date; say whether it changed."""
    today = timezone.localdate(now)
    wanted = rules.factors_of(values_of(held), today)
    stand = held.factors.filter(ended_on=None, by_rule=True)
    stand.exclude(factor__in=wanted).update(ended_on=today)
    there = set(held.factors.filter(ended_on=None).values_list("factor", flat=True))
    for code in sorted(wanted - there):
        RiskFactor.objects.create(
            pregnancy=held, factor=code, found_on=today, by_rule=True, recorded_by=by[:150], recorded_at=now
        )
    risk = rules.judge(set(held.factors.filter(ended_on=None).values_list("factor", flat=True)), today)
    before, first = _risk(held), held.judged_at is None
    if key is None and not first and risk == before:
        return False
    graver = risk != before
    held.colour, held.infectious, held.judged_at, held.updated = risk.colour, risk.infectious, now, now
    if graver or first or held.follow_on is None:
        held.follow_on = rules.follow_on(risk, today)
        held.report_by = rules.report_by(risk, now) if graver else held.report_by
        held.reported_at = None if graver else held.reported_at
    held.save()
    _note(held, "judged", by, now=now, key=key or uuid4(), note=note)
    if graver and risk.high:
        entry = held.entry
        emit(PregnancyAtRisk(entry.pk, risk.colour, risk.infectious, entry.institution_id))
        if risk.colour in ("orange", "red") and entry.institution_id:
            notifications.notify_role(
                "village_doctor", "prevention", _("A pregnancy on your list is at high risk now"), {},
                institution_id=entry.institution_id, urgent=risk.colour == "red",
                link=f"/prevention/pregnancies/{entry.pk}/",
                key=f"prevention.risk:{entry.pk}:{risk.colour}:{today.isoformat()}",
            )  # fmt: skip
    return graver


def values_of(held: Pregnancy) -> dict[str, float | None]:
    """Return the values by which factors are found: age at delivery, body mass, the last readings."""
    found: dict[str, float | None] = {}
    birth = Person.objects.filter(pk=held.entry.person_id).values_list("birth_date", flat=True).first()
    if birth is not None:
        edd = held.edd
        found["age"] = edd.year - birth.year - ((edd.month, edd.day) < (birth.month, birth.day))
    if held.height and held.weight:
        found["bmi"] = round(held.weight / (held.height / 100) ** 2, 2)
    for values in (
        ServiceGiven.objects.filter(entry=held.entry, undone_at=None)
        .order_by("-day", "-pk")
        .values_list("values", flat=True)
    ):
        for name in READINGS:
            if values.get(name) is not None:
                found.setdefault(name, float(values[name]))
    return found


def _risk(held: Pregnancy) -> rules.Risk:
    return rules.Risk(held.colour, held.infectious)


def _note(held: Pregnancy, kind: str, by: str, *, now: datetime, key: UUID, note: str) -> RiskAct:
    return RiskAct.objects.create(
        pregnancy=held, key=key, at=now, by=by[:150], kind=kind, colour=held.colour,
        infectious=held.infectious, next_on=held.follow_on, note=note.strip()[:300],
    )  # fmt: skip


def _locked(number: int) -> Pregnancy | None:
    query = Pregnancy.objects.select_related("entry").filter(entry=number)
    return (query.select_for_update(of=("self",)) if connection.vendor == "postgresql" else query).first()


def _going_on(number: int) -> Pregnancy:
    held = _locked(number)
    if held is None:
        raise Conflict(
            "pregnancy-new", _("The pregnancy's dates were not entered yet"), fix=_("Enter its dates first")
        )
    if held.outcome:
        raise Conflict("pregnancy-ended", _("The pregnancy has ended"))
    return held


def _checked(entry: ProgrammeEntry, asked: Ending, today: date) -> None:
    if asked.outcome not in PregnancyOutcome.values or not asked.outcome:
        raise Invalid("outcome", _("There is no such outcome"), where="outcome")
    if not entry.anchor_on <= asked.day <= today:
        raise Invalid("outcome-day", _("The day lies before the pregnancy or in the future"), where="day")
    if asked.discharged is not None and asked.discharged < asked.day:
        raise Invalid("discharged", _("She left the hospital after the delivery"), where="discharged")
    born = asked.outcome in (PregnancyOutcome.BIRTH, PregnancyOutcome.STILLBIRTH)
    if born != bool(asked.children):
        raise Invalid("children", _("A birth has children, a miscarriage none"), where="outcome")
    if asked.outcome == PregnancyOutcome.BIRTH and not any(one.alive for one in asked.children):
        raise Invalid("children", _("Of a live birth one child at least is alive"), where="outcome")
    if asked.outcome == PregnancyOutcome.STILLBIRTH and any(one.alive for one in asked.children):
        raise Invalid("children", _("Of a stillbirth no child is alive"), where="outcome")
