"""The visit as a form without a connection: a doctor's residents of the coming days lie on the device."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from salus.kernel import policy
from salus.kernel.errors import Invalid
from salus.kernel.policy import Principal
from salus.prevention.models import DueService, ProgrammeEntry, ServiceGiven
from salus.prevention.pages.programme import forms, words
from salus.prevention.queries.programme import catalogue, recall, seeing
from salus.prevention.services.programme import giving
from salus.record.models import Person
from salus.web import offline
from salus.web.offline import Accepted, Rule, Subject, Submission, Version

AHEAD = 3
"""Days ahead whose residents lie on the device too: three days without a connection."""
MOST = 300
"""Visits that a device holds at most."""


def _parts(key: str) -> tuple[int, str] | None:
    number, _slash, service = key.partition("/")
    return (int(number), service) if number.isdecimal() and service else None


def _last(entry: int, service: str) -> ServiceGiven | None:
    rows = ServiceGiven.objects.filter(entry=entry, product=service, undone_at=None)
    return rows.order_by("-day", "-pk").first()


def _values(row: ServiceGiven) -> dict[str, Any]:
    return {"day": row.day, "way": row.way, "note": row.note, **row.values}


def snapshot(principal: Principal, now: datetime) -> Sequence[Subject]:
    """Return the visits due up to three days from today, longest overdue first; each is in the audit."""
    today = timezone.localdate(now)
    until = today + timedelta(days=AHEAD)
    held = catalogue.programmes(today)
    entered = [code for code, one in held.items() if one.form in forms.OF_FORM]
    rows = recall.mine(principal, seeing.scoped(principal, "search", DueService.objects.all()))
    rows = rows.filter(programme__in=entered, call_on__lte=until, due_on__lte=until)
    rows = rows.filter(Q(closes_on=None) | Q(closes_on__gt=today)).order_by("overdue_on", "pk")
    chosen = list(rows[:MOST])
    seeing.audited(principal, [one.person_id for one in chosen], "offline")
    people = {one.pk: one for one in Person.objects.filter(pk__in={one.person_id for one in chosen})}
    latest: dict[tuple[int | None, str], ServiceGiven] = {}
    for one in ServiceGiven.objects.filter(
        entry__in={row.entry_id for row in chosen}, undone_at=None
    ).order_by("day", "pk"):
        latest[one.entry_id, one.product] = one
    found = []
    for row in chosen:
        person = people.get(row.person_id)
        if person is None:
            continue
        last = latest.get((row.entry_id, row.service))
        lines = [catalogue.service_name(row.service, today), person.phone, person.address]
        if last is not None:
            said = ", ".join(f"{name}: {value}" for name, value in words.values(last)[:2])
            lines.append(
                _("last on %(day)s") % {"day": last.day.isoformat()} + (f" ({said})" if said else "")
            )
        found.append(
            Subject(
                f"{row.entry_id}/{row.service}", person.name, [line for line in lines if line],
                str(last.key) if last else "", {"day": today, "way": "visit"},
                row.planned_on or row.overdue_on,
            )
        )  # fmt: skip
    return found


def version(principal: Principal, key: str) -> Version | None:
    """Return the last visit that is entered for an entry; None where the reader may not enter one."""
    parts = _parts(key)
    if parts is None:
        return None
    query = ProgrammeEntry.objects.filter(pk=parts[0])
    entry = (query.select_for_update() if connection.vendor == "postgresql" else query).first()
    if entry is None or not policy.decide(principal, "update", seeing.target(entry)).allowed:
        return None
    last = _last(*parts)
    return Version(str(last.key), _values(last)) if last else Version("", {})


def apply(submission: Submission) -> Accepted:
    """Enter the visit; where the day has one already, this one corrects it (both were shown)."""
    parts = _parts(submission.key)
    if parts is None:
        raise Invalid("visit-subject", _("Choose a resident from the list"))
    number, service = parts
    said = dict(submission.values)
    held = ServiceGiven.objects.filter(entry=number, product=service, day=said["day"], undone_at=None).first()
    asked = giving.Giving(
        submission.id, service, said["day"], said["way"], forms.readings(said), said["note"]
    )
    made = giving.give(
        submission.principal, number, asked, now=submission.now, replaces=held.key if held else None
    )
    said_words = _("The visit is entered.")
    if made.verdict is not None and made.verdict.urgent:
        said_words = _("Dangerous readings: send her to a hospital at once.")
    elif made.verdict is not None and made.verdict.refer:
        said_words = _("Poor control twice in a row: refer her to a hospital.")
    return Accepted(said_words, submission.key, str(made.row.key))


def register() -> None:
    """Offer the form to village and community doctors."""
    offline.register(
        offline.Form(
            name="programme-visit",
            title=gettext_lazy("Visits of my residents"),
            form=forms.VisitForm,
            apply=apply,
            snapshot=snapshot,
            version=version,
            roles=frozenset({"village_doctor"}),
            rules=(
                Rule(
                    "not_after", "day", gettext_lazy("The day lies in the future: enter it when it has come.")
                ),
                Rule(
                    "not_above", "diastolic", gettext_lazy("The lower pressure is below the upper one."),
                    other="systolic",
                ),
                Rule(
                    "at_least_one", "systolic", gettext_lazy("Enter a reading, medicines or a note."),
                    values=("systolic", "glucose", "weight", "adherence", "stable", "medicines", "note"),
                ),
            ),
            lead=gettext_lazy("Who is due today and in the next three days, also without a connection."),
            group="prevention",
            icon="clock",
            order=32,
        )
    )  # fmt: skip
