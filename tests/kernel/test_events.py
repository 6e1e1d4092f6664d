"""The outbox: with the transaction, at least once, each handler on its own; and reading without gaps."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.utils import timezone

from salus.kernel import events, jobs, policy, queries
from salus.kernel.errors import Conflict, Invalid, NotAllowed, NotFound
from salus.kernel.feed import Position, read_after
from salus.kernel.models import HandlerCursor, HandlerFailure, OutboxEvent, PeriodicJob


@dataclass(frozen=True)
class Moved(events.Event):
    person_id: UUID
    on: date
    fen: int = 0


@dataclass(frozen=True)
class Born(events.Event):
    type = "test.born"
    name: str


@pytest.fixture(autouse=True)
def no_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_subscriptions", {})


def dispatch(expected: int) -> int:
    """Dispatch until so many are handled: on PostgreSQL any database's transaction may hold events back."""
    end, handled = time.monotonic() + 60, events.dispatch_pending()
    while handled < expected and time.monotonic() < end:
        time.sleep(0.05)
        handled += events.dispatch_pending()
    return handled


def fail(name: str, times: int) -> None:
    """Dispatch until the handler has failed so often (0: until its event was set aside)."""
    end = time.monotonic() + 60
    while HandlerCursor.objects.get(name=name).attempts != times and time.monotonic() < end:
        events.dispatch_pending()
        time.sleep(0.01)


MOVED = Moved(UUID(int=7), date(2025, 1, 2), 35)


@pytest.mark.django_db(transaction=True)
def test_a_handler_gets_the_event_as_it_was_emitted_and_once() -> None:
    seen: list[events.Event] = []
    events.subscribe(Moved, seen.append, "test.moved")
    events.subscribe(Born, seen.append, "test.moved")
    events.emit_many([MOVED, Born("x"), MOVED])
    assert dispatch(3) == 3
    assert seen == [MOVED, Born("x"), MOVED]
    assert events.dispatch_pending() == 0


@pytest.mark.django_db(transaction=True)
def test_an_event_of_a_transaction_that_failed_never_was() -> None:
    seen: list[Moved] = []
    events.subscribe(Moved, seen.append, "test.moved")
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        events.emit(MOVED)
        raise ZeroDivisionError
    assert events.dispatch_pending() == 0 and seen == []


@pytest.mark.django_db(transaction=True)
def test_a_failing_handler_holds_up_only_itself_and_is_tried_again_later() -> None:
    seen: list[Moved] = []

    def fails(event: Moved) -> None:
        raise RuntimeError("Zhang San 110101199003070000")

    events.subscribe(Moved, fails, "test.fails")
    events.subscribe(Moved, seen.append, "test.works")
    events.emit(MOVED)
    events.emit(MOVED)
    assert dispatch(2) == 2 and len(seen) == 2
    fail("test.fails", 1)
    cursor = HandlerCursor.objects.get(name="test.fails")
    assert cursor.attempts == 1 and cursor.next_attempt is not None and cursor.next_attempt > timezone.now()
    assert "RuntimeError" in cursor.last_error and "Zhang" not in cursor.last_error
    assert events.dispatch_pending() == 0
    events.retry_handler("test.fails")
    fail("test.fails", 2)
    assert HandlerCursor.objects.get(name="test.fails").attempts == 2


@pytest.mark.django_db(transaction=True)
def test_after_the_last_attempt_the_event_is_set_aside_and_the_next_one_comes(
    account: Callable[..., Any],
) -> None:
    broken, seen = True, []

    def handler(event: Born) -> None:
        if broken and event.name == "bad":
            raise Invalid("born-bad", "It cannot be read")
        seen.append(event.name)

    events.subscribe(Born, handler, "test.born")
    events.emit_many([Born("bad"), Born("good")])
    events.dispatch_pending()
    for attempt in range(1, events.MAX_ATTEMPTS):
        fail("test.born", attempt)
        events.retry_handler("test.born")
    assert dispatch(2) == 2
    assert seen == ["good"]
    failure = HandlerFailure.objects.get()
    assert failure.error == "born-bad: It cannot be read"
    integrator = policy.principal_for(account("li", "integrator"))
    assert queries.handler_health(integrator)[0].failures == 1
    with pytest.raises(Invalid):
        events.retry_failure(failure.pk)
    broken = False
    events.retry_failure(failure.pk)
    assert seen == ["good", "bad"]
    with pytest.raises(Conflict):
        events.retry_failure(failure.pk)
    with pytest.raises(NotFound):
        events.retry_failure(10**9)
    assert not queries.handler_failures(integrator).exists()


@pytest.mark.django_db(transaction=True)
def test_a_new_handler_starts_with_the_oldest_event_or_from_now() -> None:
    events.emit(Born("old"))
    early: list[Born] = []
    late: list[Born] = []
    events.subscribe(Born, early.append, "test.early")
    dispatch(1)  # on PostgreSQL "now" is behind the oldest transaction still running, anywhere on the server
    events.subscribe(Born, late.append, "test.late", from_now=True)
    events.dispatch_pending()
    assert ([event.name for event in early], late) == (["old"], [])
    events.emit(Born("new"))
    dispatch(2)
    assert [event.name for event in early] == ["old", "new"]
    assert [event.name for event in late] == ["new"]


@pytest.mark.django_db(transaction=True)
def test_events_are_kept_until_every_handler_is_past_them() -> None:
    events.subscribe(Born, lambda event: None, "test.born")
    events.emit(Born("x"))
    later = timezone.now() + timedelta(days=1)
    events._ensure_cursors()
    assert events.prune(before=later) == 0
    dispatch(1)
    assert events.prune(before=later) == 1


@pytest.mark.django_db(transaction=True)
def test_a_hanging_handler_holds_up_nobody_else() -> None:
    hang, hangs, seen, stop = (threading.Event() for _ in range(4))

    def hanging(event: Born) -> None:
        hangs.set()
        hang.wait(60)

    events.subscribe(Born, hanging, "test.hangs")
    events.subscribe(Born, lambda event: seen.set(), "test.works")
    events.emit(Born("x"))
    runner = threading.Thread(target=events.run_dispatcher, args=(stop,), kwargs={"interval": 0.05})
    runner.start()
    try:
        assert seen.wait(60) and hangs.wait(60)
        assert HandlerCursor.objects.get(name="test.hangs").running_since is not None
    finally:
        hang.set()
        stop.set()
        runner.join(20)
    assert not runner.is_alive()


@pytest.mark.django_db(transaction=True)
def test_health_is_for_those_who_look_after_the_platform(account: Callable[..., Any]) -> None:
    events.subscribe(Born, lambda event: None, "test.born")
    events.emit(Born("x"))
    events._ensure_cursors()
    health = queries.handler_health(policy.principal_for(account("wang", "administrator")))
    assert [(row.name, row.state, row.behind) for row in health] == [("test.born", "behind", 1)]
    HandlerCursor.objects.update(running_since=timezone.now() - timedelta(hours=1))
    assert queries.handler_health(policy.principal_for(account("zhao", "integrator")))[0].state == "hanging"
    with pytest.raises(NotAllowed):
        queries.handler_health(policy.principal_for(account("li", "clinician")))


def _read(after: Position, limit: int = 100) -> list[tuple[Position, tuple[Any, ...]]]:
    with connection.cursor() as cursor:
        return read_after(cursor, "kernel_outboxevent", ["type"], after, limit)


@pytest.mark.django_db(transaction=True)
def test_a_reader_never_skips_a_row_that_commits_late() -> None:
    """Two transactions on PostgreSQL commit in the other order than they took their numbers."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time, so numbers appear in order")
    begun, finish = threading.Event(), threading.Event()

    def slow() -> None:
        with transaction.atomic():
            OutboxEvent.objects.create(type="first", payload={})
            begun.set()
            finish.wait(10)
        connection.close()

    thread = threading.Thread(target=slow)
    thread.start()
    assert begun.wait(10)
    OutboxEvent.objects.create(type="second", payload={})
    assert _read(Position()) == []
    finish.set()
    thread.join()
    end = time.monotonic() + 60
    while len(_read(Position())) < 2 and time.monotonic() < end:
        time.sleep(0.05)
    assert [row[0] for _, row in _read(Position())] == ["first", "second"]


@pytest.mark.django_db(transaction=True)
def test_reading_in_pages_sees_every_row_once() -> None:
    events.emit_many(Born(str(number)) for number in range(25))
    place, count, end = Position(), 0, time.monotonic() + 60
    while count < 25 and time.monotonic() < end:
        rows = _read(place, 7)
        if not rows:
            time.sleep(0.05)
            continue
        count += len(rows)
        assert rows == sorted(rows)
        place = rows[-1][0]
    assert count == 25


@pytest.fixture
def one_job(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[datetime]]:
    runs: list[datetime] = []
    monkeypatch.setattr(jobs, "_jobs", {})
    jobs.periodic(every=60, name="test.job")(lambda: runs.append(timezone.now()))
    yield runs


@pytest.mark.django_db(transaction=True)
def test_a_due_job_is_queued_once_and_run_by_a_worker(one_job: list[datetime]) -> None:
    now = timezone.now()
    assert jobs.schedule_due(now=now) == ["test.job"]
    assert jobs.schedule_due(now=now) == []
    assert jobs.schedule_due(now=now + timedelta(seconds=61)) == [], "still running"
    jobs.new_worker().run()
    assert len(one_job) == 1
    row = PeriodicJob.objects.get()
    assert row.runs == 1 and row.running_since is None and row.last_error == ""
    assert jobs.schedule_due(now=now + timedelta(seconds=61)) == ["test.job"]


@pytest.mark.django_db(transaction=True)
def test_a_job_whose_worker_was_killed_starts_again(one_job: list[datetime]) -> None:
    now = timezone.now()
    jobs.schedule_due(now=now)
    assert jobs.schedule_due(now=now + jobs.LOST_AFTER + timedelta(seconds=61)) == ["test.job"]


@pytest.mark.django_db(transaction=True)
def test_a_failing_job_shows_on_its_row(monkeypatch: pytest.MonkeyPatch, account: Callable[..., Any]) -> None:
    def fails() -> None:
        raise ValueError("secret")

    monkeypatch.setattr(jobs, "_jobs", {})
    jobs.periodic(every=timedelta(hours=1), name="test.fails")(fails)
    with pytest.raises(ValueError, match="secret"):
        jobs.run_now("test.fails")
    health = queries.job_health(policy.principal_for(account("wang", "administrator")))
    assert [(row.name, row.state) for row in health] == [("test.fails", "failing")]
    assert "secret" not in health[0].last_error
    with pytest.raises(NotFound):
        jobs.run_now("test.unknown")


@pytest.mark.django_db(transaction=True)
def test_a_running_scheduler_and_worker_do_the_job(one_job: list[datetime]) -> None:
    stop = threading.Event()
    threads = [
        threading.Thread(target=jobs.run_scheduler, args=(stop,), kwargs={"interval": 0.05}),
        threading.Thread(target=jobs.run_tasks, args=(stop,), kwargs={"threads": 1, "interval": 0.05}),
    ]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 60
    while not one_job and time.monotonic() < end:
        time.sleep(0.05)
    stop.set()
    for thread in threads:
        thread.join(15)
    assert len(one_job) == 1
    assert queries.queue_health(policy.system_principal("test")).waiting == 0
