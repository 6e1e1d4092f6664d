"""The change feed under several writers, and writers of the same resource."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from django.db import connection, connections, transaction

from salus.kernel import feed
from salus.kernel.ids import uuid7
from salus.record import store
from salus.record.store import Op, Position, Write

pytestmark = pytest.mark.django_db(databases=["default"], transaction=True)
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def put(id_: str, gender: str) -> Write:
    return Write("Patient", id_, {"resourceType": "Patient", "gender": gender})


@pytest.fixture
def in_thread() -> Iterator[Callable[[Callable[[], None]], threading.Thread]]:
    started: list[threading.Thread] = []
    failed: list[BaseException] = []

    def start(work: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - handed to the test
                failed.append(error)
            finally:
                connections.close_all()

        thread = threading.Thread(target=run)
        started.append(thread)
        thread.start()
        return thread

    yield start
    for thread in started:
        thread.join(20)
    assert failed == []


def settled(expected: int) -> list[store.Change]:
    """Return the feed once it shows that many lines: another database's transactions may hold it back."""
    deadline = time.monotonic() + 60
    while True:
        with connection.cursor() as cursor:
            lines = store.changes(cursor, Position(), 100)
        if len(lines) >= expected or time.monotonic() > deadline:
            return lines
        time.sleep(0.05)


def test_each_version_is_in_the_feed_once_and_in_order() -> None:
    for gender in ("male", "female", "other"):
        with transaction.atomic(), connection.cursor() as cursor:
            store.write(cursor, [put("a", gender), put("b", gender)], now=NOW)
    assert len(settled(6)) == 6
    seen: list[tuple[str, int]] = []
    position = Position()
    with connection.cursor() as cursor:
        while lines := store.changes(cursor, position, 2):
            seen += [(str(line.rid), line.version) for line in lines]
            position = lines[-1].position
    assert len(seen) == len(set(seen)) == 6
    assert [version for _, version in seen] == [1, 1, 2, 2, 3, 3]


def test_a_slow_writer_leaves_no_gap(in_thread: Callable[[Callable[[], None]], threading.Thread]) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    slow_wrote, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            store.write(cursor, [put("slow", "male")], now=NOW)
            slow_wrote.set()
            go_on.wait(20)

    thread = in_thread(slow)
    assert slow_wrote.wait(20)
    with transaction.atomic(), connection.cursor() as cursor:
        store.write(cursor, [put("quick", "male")], now=NOW)
    with connection.cursor() as cursor:
        assert store.changes(cursor, Position(), 10) == [], "a line that may still be preceded is not shown"
    go_on.set()
    thread.join(20)
    assert [line.version for line in settled(2)] == [1, 1]


@pytest.mark.django_db(databases=["default", "audit"], transaction=True)
def test_a_long_write_in_another_database_holds_nothing_back(
    in_thread: Callable[[Callable[[], None]], threading.Thread],
) -> None:
    """Transaction ids are the server's: what a neighbour leaves open must not stop these readers."""
    if connection.vendor == "sqlite":
        pytest.skip("SQLite's files share no transaction ids")
    wrote, go_on = threading.Event(), threading.Event()

    def neighbour() -> None:
        with transaction.atomic(using="audit"), connections["audit"].cursor() as cursor:
            cursor.execute("create temporary table held (id int)")
            wrote.set()
            go_on.wait(60)

    in_thread(neighbour)
    assert wrote.wait(20)
    with connection.cursor() as cursor:
        before = feed.newest(cursor, "record_change")
        with transaction.atomic():
            store.write(cursor, [put("a", "male")], now=NOW)
            assert store.changes(cursor, before, 10) == [], "its own write has not ended"
    assert len(settled(1)) == 1
    with connection.cursor() as cursor:
        assert len(store.changes(cursor, before, 10)) == 1
    go_on.set()


def test_two_writers_of_one_new_resource_make_two_versions(
    in_thread: Callable[[Callable[[], None]], threading.Thread],
) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    wrote, go_on = threading.Event(), threading.Event()

    def first() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            store.write(cursor, [put("a", "male")], now=NOW)
            wrote.set()
            go_on.wait(20)

    def second() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            store.write(cursor, [put("b", "male"), put("a", "female")], now=NOW)

    one = in_thread(first)
    assert wrote.wait(20)
    other = in_thread(second)
    other.join(0.5)
    assert other.is_alive(), "it waits for the first to end"
    go_on.set()
    one.join(20)
    other.join(20)
    with connection.cursor() as cursor:
        assert [v.version for v in store.history(cursor, "Patient", "a")] == [2, 1]
    assert len(settled(3)) == 3


def test_a_dependant_written_during_a_move_gets_the_new_person(
    in_thread: Callable[[Callable[[], None]], threading.Thread],
) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    person = uuid7()
    with transaction.atomic(), connection.cursor() as cursor:
        rid = store.write(cursor, [put("a", "male")], now=NOW)[0].rid
    moved, go_on = threading.Event(), threading.Event()

    def move() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            store.reassign(cursor, rid, person)
            moved.set()
            go_on.wait(20)

    def depend() -> None:
        body = {"resourceType": "Observation", "status": "final", "subject": {"reference": "Patient/a"}}
        with transaction.atomic(), connection.cursor() as cursor:
            store.write(cursor, [Write("Observation", "o", body)], now=NOW)

    one = in_thread(move)
    assert moved.wait(20)
    other = in_thread(depend)
    other.join(0.5)
    go_on.set()
    one.join(20)
    other.join(20)
    with connection.cursor() as cursor:
        found = store.read(cursor, "Observation", "o")
        assert found is not None and found.person_id == person
    assert [line.op for line in settled(3)].count(Op.MOVE) == 1
