"""Registers that keep themselves: diagnoses, pregnancies, births, ages and deaths of the record.

The change feed is read in short transactions that keep their place in it together with what they did, so
that it can stop and begin again anywhere. A first diagnosis in a hospital thus stands on the community's
register, and its first visit on the recall list, within minutes; the night's run does the rest: who came of
age, who died, whose programme is over, and what is due for everybody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from salus.kernel import notifications
from salus.kernel.feed import Position
from salus.kernel.jobs import periodic
from salus.prevention.models import (
    CloseReason,
    EntryOrigin,
    EntryState,
    FeedCursor,
    ProgrammeEntry,
    ServiceGiven,
)
from salus.prevention.queries.programme import catalogue
from salus.prevention.queries.programme.ages import back
from salus.prevention.services.programme import doses, entering, following, recalling, refreshing
from salus.prevention.services.programme.entering import Entering
from salus.prevention.surveillance.reading import facts_of, known_at, moment_of
from salus.record import json, store
from salus.record.models import Death, PatientLink, Person

NAME = "programme"
_BATCH = 500
_BY = "record"
_LMP = "8665-2"
"""LOINC: last menstrual period start date."""


def catch_up(limit: int = 1_000_000, *, now: datetime | None = None) -> int:
    """Read the change feed from where this stopped; return how many changes were read.

    Args:
        limit: the most changes to read.
        now: when entries are noted to have been made; the present if none.
    """
    done = 0
    while done < limit:
        moment = now or timezone.now()
        with transaction.atomic(), connection.cursor() as cursor:
            query = FeedCursor.objects.filter(name=NAME)
            at = (query.select_for_update() if connection.vendor == "postgresql" else query).first()
            at = at or FeedCursor.objects.create(name=NAME)
            found = store.changes(cursor, Position(at.xid, at.seq), min(_BATCH, limit - done))
            if not found:
                return done
            touched = following.follow(
                list(dict.fromkeys(c.rid for c in found if c.type == "Patient")), now=moment
            )
            told = list(dict.fromkeys(c.rid for c in found if c.type in ("Condition", "Observation")))
            touched |= enter_from(cursor, told, now=moment)
            given = list(dict.fromkeys(c.rid for c in found if c.type == "Immunization"))
            touched |= doses.follow(cursor, given, now=moment)
            refreshing.refresh(touched, timezone.localdate(moment))
            at.xid, at.seq = found[-1].position.xid, found[-1].position.seq
            at.save()
        done += len(found)
    return done


def enter_from(cursor: CursorWrapper, rids: Sequence[int], *, now: datetime) -> set[UUID]:
    """Register whom these resources speak of, take back what they no longer say; return the residents."""
    if not rids:
        return set()
    today = timezone.localdate(now)
    asked: list[Entering] = []
    speaks: dict[int, set[str]] = {}
    for stored in store.read_rids(cursor, list(rids)):
        if stored.deleted or stored.person_id is None:
            continue
        body = json.loads(stored.body)
        day = _day(stored.type, body, stored.updated, today)
        found = (
            _diagnosed(body, today)
            if stored.type == "Condition"
            else {("pregnancy", ""): lmp}
            if (lmp := _lmp(body))
            else {}
        )
        for (programme, code), since in found.items():
            speaks.setdefault(stored.rid, set()).add(programme)
            asked.append(
                Entering(
                    stored.person_id, programme, min(since or day, today), EntryOrigin.RECORD, stored.rid,
                    code,
                )
            )  # fmt: skip
    made = entering.put(asked, by=_BY, now=now)
    taken = _taken_back(rids, speaks, now=now)
    return {row.person_id for row in made} | taken


def _diagnosed(body: dict[str, Any], today: date) -> dict[tuple[str, str], date | None]:
    """Return the programmes of a Condition's confirmed diagnoses, each with its code."""
    found: dict[tuple[str, str], date | None] = {}
    for fact in facts_of("Condition", body, timezone.get_current_timezone()):
        if fact.value == "confirmed" and (programme := catalogue.programme_of(fact.code, today)):
            found.setdefault((programme, fact.code), None)
    return found


def _lmp(body: dict[str, Any]) -> date | None:
    """Return the first day of the last menstrual period that an Observation states."""
    code = body.get("code")
    codings = code.get("coding", []) if isinstance(code, dict) else []
    if not any(isinstance(one, dict) and one.get("code") == _LMP for one in codings):
        return None
    if body.get("status") in ("entered-in-error", "cancelled"):
        return None
    zone = timezone.get_current_timezone()
    found = moment_of(body.get("valueDateTime"), zone)
    return found.astimezone(zone).date() if found else None


def _day(kind: str, body: dict[str, Any], updated: int, today: date) -> date:
    zone = timezone.get_current_timezone()
    at = known_at(kind, body, zone) or datetime.fromtimestamp(updated / 1e6, tz=zone)
    return min(at.astimezone(zone).date(), today)


def _taken_back(rids: Sequence[int], speaks: dict[int, set[str]], *, now: datetime) -> set[UUID]:
    """Close entries whose diagnosis the record no longer states; one that was worked on is only marked."""
    today = timezone.localdate(now)
    touched: set[UUID] = set()
    for start in range(0, len(rids), 500):
        rows = ProgrammeEntry.objects.filter(
            rid__in=rids[start : start + 500], origin=EntryOrigin.RECORD, state=EntryState.OPEN
        )
        for entry in rows:
            if entry.programme in speaks.get(entry.rid or 0, ()):
                continue
            if ServiceGiven.objects.filter(entry=entry, undone_at=None).exists():
                if not entry.facts.get("doubted"):
                    entry.facts["doubted"] = today.isoformat()
                    entry.save(update_fields=["facts"])
                    entering.note(entry, "doubted", by=_BY, now=now)
                continue
            entering.shut(entry, CloseReason.TAKEN_BACK, today, by=_BY, now=now)
            touched.add(entry.person_id)
    return touched


def come_of_age(today: date, *, now: datetime) -> int:
    """Register who reached a programme's age (births among them); return how many."""
    made = 0
    for code, rules in catalogue.programmes(today).items():
        if rules.enter_age is None:
            continue
        there = ProgrammeEntry.objects.filter(person_id=OuterRef("pk"), programme=code)
        rows = Person.objects.filter(
            status="active", deceased=None, birth_date__lte=back(today, rules.enter_age)
        ).exclude(Exists(there))
        if rules.leave_age is not None:
            rows = rows.filter(birth_date__gt=back(today, rules.leave_age))
        last = UUID(int=0)
        while some := list(rows.filter(pk__gt=last).order_by("pk").values_list("pk", "birth_date")[:_BATCH]):
            last = some[-1][0]
            asked = [Entering(pk, code, birth, EntryOrigin.AGE, again=False) for pk, birth in some if birth]
            with transaction.atomic():
                made += len(entering.put(asked, by=_BY, now=now))
    return made


def close_over(today: date, *, now: datetime) -> int:
    """Close the entries of who died, grew too old, or whose programme is over; return how many."""
    closed = 0
    gone = Person.objects.filter(pk=OuterRef("person_id"), deceased__isnull=False)
    dead = PatientLink.objects.filter(
        person_id=OuterRef("person_id"), patient_rid__in=Death.objects.values("patient_rid")
    )
    opened = ProgrammeEntry.objects.filter(state=EntryState.OPEN)
    closed += _shut_all(opened.filter(Exists(gone)), CloseReason.DIED, today, now)
    if Death.objects.exists():
        closed += _shut_all(opened.filter(Exists(dead)), CloseReason.DIED, today, now)
    for code, rules in catalogue.programmes(today).items():
        mine = opened.filter(programme=code)
        if rules.leave_age is not None:
            over = mine.filter(anchor_on__lte=back(today, rules.leave_age))
            closed += _shut_all(over, CloseReason.AGED_OUT, today, now)
        if rules.lasts is not None:
            over = mine.filter(anchor_on__lte=back(today, rules.lasts))
            closed += _shut_all(over, CloseReason.RECOVERED, today, now)
    return closed


def _shut_all(rows: Any, reason: str, today: date, now: datetime) -> int:
    count = 0
    while some := list(rows.order_by("pk")[:_BATCH]):
        with transaction.atomic():
            for entry in some:
                entering.shut(entry, reason, today, by=_BY, now=now)
        count += len(some)
    return count


def nightly(*, now: datetime | None = None) -> dict[str, int]:
    """Bring registers and recall lists up to date for the morning; return what was done."""
    moment = now or timezone.now()
    today = timezone.localdate(moment)
    read = catch_up(now=now)
    done = {
        "read": read,
        "closed": close_over(today, now=moment),
        "entered": come_of_age(today, now=moment),
        "changed": refreshing.refresh_all(today),
        "passed on": recalling.pass_on(today, now=moment),
    }
    tell_of_new(moment)
    return done


def tell_of_new(now: datetime) -> None:
    """Tell each institution how many residents the record put on its register in the last day."""
    rows = ProgrammeEntry.objects.filter(
        origin=EntryOrigin.RECORD, state=EntryState.OPEN, opened_at__gt=now - timedelta(days=1),
        opened_at__lte=now, institution__isnull=False,
    ).values_list("institution_id", flat=True)  # fmt: skip
    for place, count in sorted(Counter(rows).items()):
        notifications.notify_role(
            "village_doctor", "prevention", _("%(count)s residents are new on your registers"),
            {"count": count}, institution_id=place, link="/prevention/programme/registers/",
            key=f"prevention.programme-new:{place}:{timezone.localdate(now).isoformat()}",
        )  # fmt: skip


@periodic(every=60, name="prevention.programme")
def keep_up() -> None:
    """Follow the change feed."""
    catch_up(20_000)


@periodic(every=timedelta(days=1), name="prevention.programme-nightly")
def every_night() -> None:
    """Bring registers and recall lists up to date."""
    nightly()
