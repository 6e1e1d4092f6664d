"""What can be asked of the kernel: accounts, registers, the health of handlers, jobs and the audit chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connections
from django.db.models import Count, Max, Min, Q, QuerySet
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from salus.kernel import events, jobs
from salus.kernel.models import (
    Account,
    AuditIntent,
    BreakGlass,
    District,
    HandlerCursor,
    HandlerFailure,
    Institution,
    OutboxEvent,
    PeriodicJob,
    RoleGrant,
    StaffRegistration,
)
from salus.kernel.policy import Principal, Target, require

HANGING_AFTER = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class HandlerHealth:
    """How an event handler stands.

    `state` is "ok", "behind", "retrying", "hanging", "paused" or "gone" (no longer part of the program).
    """

    name: str
    state: str
    behind: int
    oldest: datetime | None
    handled: int
    attempts: int
    next_attempt: datetime | None
    last_error: str
    failures: int
    event_types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class JobHealth:
    """How a periodic job stands: `state` is "ok", "running", "late", "failing", "disabled" or "gone"."""

    name: str
    state: str
    every: int
    next_run: datetime
    last_started: datetime | None
    last_finished: datetime | None
    last_error: str
    runs: int
    failures: int


@dataclass(frozen=True, slots=True)
class QueueHealth:
    """The task queue: how many wait and since when, how many failed within the last day."""

    waiting: int
    oldest: datetime | None
    failed_today: int
    audit_intents: int


def handler_health(principal: Principal, *, now: datetime | None = None) -> list[HandlerHealth]:
    """Return every event handler with how far behind it is. Raises NotAllowed."""
    require(principal, "read", Target("health"))
    now = now or timezone.now()
    failures = dict(
        HandlerFailure.objects.filter(resolved_at=None)
        .values_list("handler")
        .annotate(number=Count("id"))
        .values_list("handler", "number")
    )
    subscribed = events.subscriptions()
    found = []
    for row in HandlerCursor.objects.all():
        types = subscribed.get(row.name, ())
        waiting = OutboxEvent.objects.filter(Q(xid__gt=row.xid) | Q(xid=row.xid, seq__gt=row.seq))
        if types:
            waiting = waiting.filter(type__in=types)
        counted = waiting.aggregate(number=Count("seq"), oldest=Min("at"))
        found.append(
            HandlerHealth(
                name=row.name,
                state=_handler_state(row, counted["number"], bool(types), now),
                behind=counted["number"],
                oldest=counted["oldest"],
                handled=row.handled,
                attempts=row.attempts,
                next_attempt=row.next_attempt,
                last_error=row.last_error,
                failures=failures.get(row.name, 0),
                event_types=types,
            )
        )
    return found


def _handler_state(row: HandlerCursor, behind: int, known: bool, now: datetime) -> str:
    if not known:
        return "gone"
    if row.paused:
        return "paused"
    if row.running_since is not None and now - row.running_since > HANGING_AFTER:
        return "hanging"
    if row.attempts:
        return "retrying"
    return "behind" if behind else "ok"


def handler_failures(principal: Principal, *, resolved: bool = False) -> QuerySet[HandlerFailure]:
    """Return the events that handlers gave up on, newest first. Raises NotAllowed."""
    require(principal, "read", Target("health"))
    return (
        HandlerFailure.objects.filter(resolved_at__isnull=not resolved)
        .select_related("event")
        .order_by("-failed_at", "-pk")
    )


def job_health(principal: Principal, *, now: datetime | None = None) -> list[JobHealth]:
    """Return every periodic job with how its last run went. Raises NotAllowed."""
    require(principal, "read", Target("health"))
    now = now or timezone.now()
    declared = jobs.declared()
    return [
        JobHealth(
            row.name,
            _job_state(row, row.name in declared, now),
            row.every,
            row.next_run,
            row.last_started,
            row.last_finished,
            row.last_error,
            row.runs,
            row.failures,
        )
        for row in PeriodicJob.objects.all()
    ]


def _job_state(row: PeriodicJob, known: bool, now: datetime) -> str:
    if not known:
        return "gone"
    if not row.enabled:
        return "disabled"
    if row.last_error:
        return "failing"
    if now - row.next_run > timedelta(seconds=max(60, 2 * row.every)):
        return "late"
    return "running" if row.running_since is not None else "ok"


def queue_health(principal: Principal, *, now: datetime | None = None) -> QueueHealth:
    """Return how the task queue and the audit's intents stand. Raises NotAllowed."""
    require(principal, "read", Target("health"))
    now = now or timezone.now()
    waiting = DBTaskResult.objects.ready().aggregate(number=Count("id"), oldest=Min("enqueued_at"))
    failed = DBTaskResult.objects.failed().filter(finished_at__gt=now - timedelta(days=1)).count()
    old = int((now - timedelta(minutes=2)).timestamp() * 1_000_000)
    return QueueHealth(
        waiting["number"], waiting["oldest"], failed, AuditIntent.objects.filter(at__lt=old).count()
    )


def accounts(principal: Principal, *, text: str = "", role: str = "") -> QuerySet[Account]:
    """Return accounts by name and role, with their grants at hand. Raises NotAllowed."""
    require(principal, "search", Target("account"))
    found = (
        Account.objects.select_related("institution", "district")
        .prefetch_related("grants")
        .order_by("username")
    )
    if text:
        found = found.filter(Q(username__icontains=text) | Q(display_name__icontains=text))
    if role:
        found = found.filter(pk__in=running_grants(timezone.now()).filter(role=role).values("account"))
    return found


def running_grants(now: datetime) -> QuerySet[RoleGrant]:
    """Return the grants that hold at an instant."""
    return RoleGrant.objects.filter(valid_from__lte=now).filter(Q(valid_to=None) | Q(valid_to__gt=now))


def emergencies(principal: Principal, *, unreviewed: bool = False) -> QuerySet[BreakGlass]:
    """Return emergency accesses for the auditor, newest first. Raises NotAllowed."""
    require(principal, "read", Target("emergency"))
    found = BreakGlass.objects.select_related("account", "reviewed_by").order_by("-started", "-pk")
    return found.filter(reviewed_at=None) if unreviewed else found


def institutions(
    *, text: str = "", district: str = "", kinds: Sequence[str] = (), active: bool | None = True
) -> QuerySet[Institution]:
    """Return institutions of the published register."""
    found = Institution.objects.select_related("group", "district")
    if active is not None:
        found = found.filter(active=active)
    if text:
        found = found.filter(Q(name__icontains=text) | Q(name_en__icontains=text) | Q(code__icontains=text))
    if district:
        found = found.filter(district=district)
    if kinds:
        found = found.filter(kind__in=list(kinds))
    return found


def districts(level: str = "") -> QuerySet[District]:
    """Return the districts, of one level if given."""
    found = District.objects.select_related("parent")
    return found.filter(level=level) if level else found


def district_polygons(level: str = "") -> dict[str, Any]:
    """Return the districts as a GeoJSON FeatureCollection (code, name, name_en, level, population)."""
    import orjson

    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "id": row.code,
                "properties": {
                    "code": row.code,
                    "name": row.name,
                    "name_en": row.name_en,
                    "level": row.level,
                    "population": row.population,
                },
                "geometry": orjson.loads(row.polygon) if row.polygon else None,
            }
            for row in districts(level)
        ],
    }


def registrations_on(day: date, *, staff_id: int | None = None) -> QuerySet[StaffRegistration]:
    """Return the staff registrations that are valid on a day."""
    found = StaffRegistration.objects.select_related("staff", "institution")
    found = found.filter(valid_from__lte=day).filter(Q(valid_to=None) | Q(valid_to__gte=day))
    return found if staff_id is None else found.filter(staff=staff_id)


def newest_event() -> datetime | None:
    """Return when the newest event was written."""
    newest: datetime | None = OutboxEvent.objects.aggregate(newest=Max("at"))["newest"]
    return newest


def database_kind() -> str:
    """Return which database the platform runs on: "sqlite" or "postgresql"."""
    return connections["default"].vendor
