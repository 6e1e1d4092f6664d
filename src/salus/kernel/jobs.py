"""Periodic jobs: declared with `@periodic`, queued by django-tasks when due, run by a worker's threads.

When a job is due is kept in the database, so a restart forgets nothing; a row lock lets one scheduler
start it.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import close_old_connections, connections, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext_noop as _
from django_tasks import task
from django_tasks_db.management.commands.db_worker import Worker
from django_tasks_db.models import DBTaskResult

from salus.kernel import audit
from salus.kernel.errors import NotFound
from salus.kernel.events import describe, prune
from salus.kernel.models import PeriodicJob

LOST_AFTER = timedelta(hours=6)
"""A run that has not ended after this long is taken for lost (its worker was killed): it starts again."""

Job = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Declared:
    """A periodic job of the program: how often, in seconds, and what it does."""

    name: str
    every: int
    run: Job


_jobs: dict[str, Declared] = {}


def periodic(*, every: float | timedelta, name: str) -> Callable[[Job], Job]:
    """Declare a function without arguments as a periodic job; `every` in seconds, at least one.

    It must bear being run again after it was cut off. The name keeps its place in the schedule.
    """
    seconds = max(1, int(every.total_seconds() if isinstance(every, timedelta) else every))

    def declare(function: Job) -> Job:
        _jobs[name] = Declared(name, seconds, function)
        return function

    return declare


def declared() -> dict[str, Declared]:
    """Return the jobs by name."""
    return dict(_jobs)


@task()
def run_periodic(name: str) -> None:
    """Run one periodic job (the task that the queue holds)."""
    run_now(name)


def run_now(name: str) -> None:
    """Run a job here and now and note how it went.

    Raises:
        NotFound: no job has this name.
        Exception: whatever the job raises; it is noted on the job's row first.
    """
    job = _jobs.get(name)
    if job is None:
        raise NotFound("job-unknown", _("There is no such job"), where=name)
    _ensure_rows(timezone.now())
    PeriodicJob.objects.filter(pk=name).update(running_since=timezone.now(), last_started=timezone.now())
    error = ""
    try:
        job.run()
    except Exception as failure:
        error = describe(failure)
        raise
    finally:
        PeriodicJob.objects.filter(pk=name).update(
            running_since=None,
            last_finished=timezone.now(),
            last_error=error,
            runs=F("runs") + 1,
            failures=F("failures") + int(bool(error)),
        )


def schedule_due(*, now: datetime | None = None) -> list[str]:
    """Put every due job on the queue, each once even with several schedulers; returns their names."""
    now = now or timezone.now()
    _ensure_rows(now)
    started = []
    due = PeriodicJob.objects.filter(name__in=list(_jobs), enabled=True, next_run__lte=now)
    for name in list(due.values_list("name", flat=True)):
        with transaction.atomic():
            row = (
                PeriodicJob.objects.select_for_update(skip_locked=_skips())
                .filter(pk=name, next_run__lte=now)
                .first()
            )
            if row is None:
                continue
            if row.running_since is not None and now - row.running_since < LOST_AFTER:
                continue
            row.running_since, row.next_run = now, now + timedelta(seconds=row.every)
            row.save(update_fields=["running_since", "next_run"])
            run_periodic.enqueue(name)
            started.append(name)
    return started


def _skips() -> bool:
    return bool(connections["default"].features.has_select_for_update_skip_locked)


def _ensure_rows(now: datetime) -> None:
    known = dict(PeriodicJob.objects.values_list("name", "every"))
    for job in _jobs.values():
        if job.name not in known:
            PeriodicJob.objects.get_or_create(name=job.name, defaults={"every": job.every, "next_run": now})
        elif known[job.name] != job.every:
            PeriodicJob.objects.filter(pk=job.name).update(
                every=job.every, next_run=now + timedelta(seconds=job.every)
            )


def run_scheduler(stop: threading.Event | None = None, *, interval: float = 1.0) -> None:
    """Put due jobs on the queue until told to stop; any number of schedulers may run."""
    stop = stop or threading.Event()
    try:
        while not stop.wait(interval):
            close_old_connections()
            schedule_due()
    finally:
        connections.close_all()


def run_tasks(stop: threading.Event, *, threads: int = 2, interval: float = 1.0) -> None:
    """Work through the task queue with some threads until told to stop; a long job holds up one of them."""

    def work() -> None:
        try:
            while not stop.wait(interval):
                close_old_connections()
                # A look without a lock first: an idle worker must not hold up SQLite's writers.
                if DBTaskResult.objects.ready().exists():
                    new_worker().run()
        finally:
            connections.close_all()

    workers = [threading.Thread(target=work, name=f"salus-tasks-{n}", daemon=True) for n in range(threads)]
    for thread in workers:
        thread.start()
    stop.wait()
    for thread in workers:
        thread.join(timeout=10)


def new_worker() -> Worker:
    """Return a worker that ends when the queue is empty."""
    return Worker(
        queue_names=["*"],
        interval=0.0,
        batch=True,
        backend_name="default",
        startup_delay=False,
        max_tasks=None,
        worker_id=secrets.token_hex(16),
        excluded_queue_names=[],
    )


@periodic(every=60, name="kernel.settle-audit")
def settle_audit() -> None:
    """Bring audit intents into the chain that a process left behind."""
    audit.recover(older_than=30)


@periodic(every=timedelta(days=1), name="kernel.prune")
def prune_old() -> None:
    """Delete handled events after 90 days and finished tasks after 7."""
    now = timezone.now()
    prune(before=now - timedelta(days=90))
    DBTaskResult.objects.finished().filter(finished_at__lt=now - timedelta(days=7)).delete()
