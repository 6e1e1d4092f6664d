"""A loader's connection has more room while it loads, and no longer; what is prepared ahead is the same."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from salus.record import store
from salus.record.store import bulk
from salus.record.store.tables import INDEX
from tests.record.store.strategies import observations, patients

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.django_db(transaction=True, databases=["default"])
def test_the_connection_is_as_before_afterwards() -> None:
    if connection.vendor != "sqlite":
        pytest.skip("only SQLite has something to set")
    with connection.cursor() as cursor:
        before = [cursor.execute(f"pragma {n}").fetchone() for n in ("cache_size", "wal_autocheckpoint")]
        with store.bulk_loading(connection):
            within = cursor.execute("pragma cache_size").fetchone()
        after = [cursor.execute(f"pragma {n}").fetchone() for n in ("cache_size", "wal_autocheckpoint")]
    assert before == after
    assert within != before[0]


@pytest.mark.parametrize(
    ("control", "expected"), [("max", None), ("4294967296", 1 << 30), ("1000000", bulk.LEAST), ("", None)]
)
def test_the_room_is_a_quarter_of_the_memory_that_may_be_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, control: str, expected: int | None
) -> None:
    memory = 16 << 30
    monkeypatch.setattr(
        bulk.os, "sysconf", {"SC_PHYS_PAGES": memory >> 12, "SC_PAGE_SIZE": 1 << 12}.__getitem__
    )
    monkeypatch.setattr(bulk, "CONTROL", tmp_path / "memory.max")
    if control:
        (tmp_path / "memory.max").write_text(control + "\n")
    assert bulk.room.__wrapped__() == (expected or memory // 4)


def _tables(cursor: Any) -> list[list[str]]:
    """Return all rows of the index, with kind and id for the resource's number."""
    cursor.execute("select rid, kind, id from record_resource")
    keys = {row[0]: tuple(row[1:]) for row in cursor.fetchall()}
    found = []
    for table, columns in INDEX.items():
        at = columns.split(", ").index("rid")
        cursor.execute(f"select {columns} from record_{table}")
        found.append(sorted(repr((*row[:at], keys[row[at]], *row[at + 1 :])) for row in cursor.fetchall()))
    return found


@pytest.mark.django_db(databases=["default"])
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(st.tuples(st.sampled_from("ab"), patients() | observations()), min_size=1, max_size=6))
def test_what_was_prepared_ahead_is_stored_as_if_it_had_not_been(
    given_: list[tuple[str, dict[str, Any]]],
) -> None:
    results = []
    for ahead in (False, True):
        with transaction.atomic(), connection.cursor() as cursor:
            outcomes = []
            for id_, body in given_:
                kind = body["resourceType"]
                made = store.prepare(kind, id_, body, source_id=3) if ahead else None
                write = store.Write(kind, id_, None if ahead else body, source_id=3, prepared=made)
                written = store.write(cursor, [write], now=NOW)[0]
                outcomes.append((written.outcome, written.version, written.body))
            results.append((outcomes, _tables(cursor)))
            transaction.set_rollback(True)
    assert results[0] == results[1]
