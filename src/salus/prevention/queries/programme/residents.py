"""One resident in the programme: what is due and why, what was given, the tries, the file's completeness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from salus.kernel import audit, policy
from salus.kernel.errors import NotFound
from salus.kernel.policy import Principal, Target
from salus.prevention.models import (
    DueService,
    EntryState,
    ProgrammeEntry,
    RecallTry,
    ResidentFile,
    ServiceBar,
    ServiceGiven,
)
from salus.prevention.queries.programme import catalogue, seeing
from salus.prevention.schedule import Bar, Episode, Given, Resident, Service, assess
from salus.record.models import Person


@dataclass(frozen=True, slots=True)
class Owed:
    """A service of the schedules for one resident: its state today, and why, in words."""

    service: str
    name: str
    status: str
    step: str
    due_on: date | None
    overdue_on: date | None
    why: str


def owed(entries: Sequence[ProgrammeEntry], person: Person, today: date) -> list[Owed]:
    """Return what a resident is owed by her open entries, each with its reason, by the row-wise engine."""
    given = [
        Given(product, day)
        for product, day in ServiceGiven.objects.filter(person_id=person.pk, undone_at=None).values_list(
            "product", "day"
        )
    ]
    bars = [
        Bar(code, start, end)
        for code, start, end in ServiceBar.objects.filter(person_id=person.pk).values_list(
            "code", "start", "end"
        )
    ]
    held = {
        (row.entry_id, row.service, row.anchor_on): row
        for row in DueService.objects.filter(person_id=person.pk)
    }
    found = []
    for entry in entries:
        if entry.state != EntryState.OPEN or entry.programme not in catalogue.programmes(today):
            continue
        episodes = [] if entry.anchor == "birth" else [Episode(entry.anchor, entry.anchor_on, entry.ended_on)]
        more: Mapping[str, str] = entry.facts.get("anchors", {})
        episodes += [Episode(name, date.fromisoformat(day)) for name, day in more.items()]
        rules = catalogue.services_of(entry.programme, today)
        resident = Resident(person.birth_date or date(1900, 1, 1), episodes, given, bars)
        for one in assess(rules, resident, today):
            service = rules.of(one.service)
            row = held.get((entry.pk, one.service, one.anchor_on))
            due, overdue, status = one.due_on, one.overdue_on, one.status
            if row is not None and row.reason == "poor":
                due, overdue = row.due_on, row.overdue_on
                status = "overdue" if today >= overdue else "due" if today >= due else "upcoming"
            found.append(
                Owed(
                    one.service, catalogue.service_name(one.service, today), status,
                    step_name(service, one.step, one.path), due, overdue, row.reason if row else one.reason,
                )
            )  # fmt: skip
    return found


def step_name(service: Service, step: int, path: str = "") -> str:
    """Return the name of a service's next step in the reader's language, or an empty text."""
    chosen = next((one for one in service.paths if one.name == path), service.paths[0])
    if service.kind == "recurring" or not 1 <= step <= len(chosen.steps):
        return ""
    one = chosen.steps[step - 1]
    return one.name_zh if catalogue.chinese() else one.name_en


def given_to(person_id: UUID, principal: Principal, most: int = 60) -> list[ServiceGiven]:
    """Return what a resident was given within what the principal may see, newest first, undone ones too."""
    rows = seeing.scoped(principal, "read", ServiceGiven.objects.all())
    return list(rows.filter(person_id=person_id).order_by("-day", "-pk")[:most])


def tries(person_id: UUID, most: int = 20) -> list[RecallTry]:
    """Return the tries to reach a resident, newest first; for callers that asked the policy."""
    return list(RecallTry.objects.filter(person_id=person_id).order_by("-pk")[:most])


@dataclass(frozen=True, slots=True)
class FileView:
    """A health file: each item with its value, and the share of items filled in percent."""

    items: tuple[tuple[catalogue.Item, Any], ...]
    complete: int
    opened_on: date | None


def file_target(person_id: UUID, held: ResidentFile | None, entry: ProgrammeEntry | None) -> Target:
    """Return what the policy judges of a health file: the institution's that keeps it or registered her."""
    place = held.institution_id if held and held.institution_id else entry.institution_id if entry else None
    district = (held.district_code if held else "") or (entry.district_code if entry else "")
    return Target("health_file", person_id=person_id, institution_id=place, district_code=district or None)


def file_of(
    principal: Principal, person: Person, entry: ProgrammeEntry | None, today: date, action: str = "read"
) -> FileView:
    """Return a resident's health file, and leave the audit row.

    Raises:
        NotFound: the principal may not know of it.
    """
    held = ResidentFile.objects.filter(pk=person.pk).first()
    allowed = policy.decide(principal, action, file_target(person.pk, held, entry)).allowed
    audit.record(
        [
            audit.entry(
                principal, action, person_id=person.pk, resource_type="HealthFile",
                outcome="ok" if allowed else "refused",
            )
        ]
    )  # fmt: skip
    if not allowed:
        raise NotFound("file-unknown", "There is no such file")
    values = file_values(person, held.values if held else {}, today)
    return FileView(values, completeness(values), held.opened_on if held else None)


def file_values(
    person: Person, kept: Mapping[str, Any], today: date
) -> tuple[tuple[catalogue.Item, Any], ...]:
    """Return each item of the file with its value: the record's, or what was entered."""
    return tuple(
        (item, (getattr(person, item.from_record, "") or "") if item.from_record else kept.get(item.code, ""))
        for item in catalogue.file_items(today)
    )


def completeness(values: Sequence[tuple[catalogue.Item, Any]]) -> int:
    """Return the share of items that are filled in, in whole percent, rounded down: 100 means all."""
    filled = sum(1 for _item, value in values if value not in ("", None))
    return 100 * filled // len(values) if values else 0
