"""Whatever is written in whatever order and batches, the tables say the same thing."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from salus.record import store
from salus.record.rules.r4 import kinds
from salus.record.store import Write
from salus.record.store.extract import TABLES, IndexRows
from salus.record.store.index import extract
from salus.record.store.tables import INDEX

pytestmark = pytest.mark.django_db(databases=["default"])
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def cursor() -> Iterator[CursorWrapper]:
    with transaction.atomic(), connection.cursor() as cursor:
        yield cursor


@dataclass
class Model:
    """What the store should hold under one id."""

    versions: list[dict[str, Any] | None] = field(default_factory=list)
    time: int | None = None

    def write(self, method: str, body: dict[str, Any], time: int | None) -> str:
        current = self.versions[-1] if self.versions else None
        if self.versions and time is not None and self.time is not None and time < self.time:
            return "stale"
        if method == "delete":
            if current is None:
                return "unchanged"
            wanted = None
        elif method == "ensure" and self.versions:
            return "unchanged"
        else:
            merged = {**current, **body} if method == "overlay" and current is not None else body
            wanted = {name: value for name, value in merged.items() if value is not None}
        self.time = time if time is not None else self.time
        if current is not None and wanted == current:
            return "unchanged"
        self.versions.append(wanted)
        return "deleted" if wanted is None else "created" if current is None else "updated"


BODIES = st.fixed_dictionaries(
    {},
    optional={
        "gender": st.sampled_from(["male", "female", None]),
        "birthDate": st.sampled_from(["1980", "1980-02-03"]),
        "active": st.booleans(),
        "name": st.just([{"family": "张", "given": ["三", "三"]}]),
    },
)
WRITES = st.tuples(
    st.sampled_from(["a", "b"]),
    st.sampled_from(["put", "put", "overlay", "ensure", "delete"]),
    BODIES,
    st.none() | st.integers(0, 4),
)


@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(batches=st.lists(st.lists(WRITES, max_size=6), max_size=5))
def test_versions_history_feed_and_index_agree(cursor: CursorWrapper, batches: list[Any]) -> None:
    models: dict[str, Model] = {}
    with transaction.atomic():
        for batch in batches:
            writes = [
                Write(
                    "Patient", id_, body, method, source_time=None if t is None else START + timedelta(days=t)
                )
                for id_, method, body, t in batch
            ]
            outcomes = [written.outcome for written in store.write(cursor, writes, now=START)]
            expected = [models.setdefault(i, Model()).write(m, body, t) for i, m, body, t in batch]
            assert outcomes == expected
        for id_, model in models.items():
            check_versions(cursor, id_, model)
        check_index(cursor)
        check_index_after_rebuilding(cursor)
        transaction.set_rollback(True)


def check_versions(cursor: CursorWrapper, id_: str, model: Model) -> None:
    """The history is complete, each version is in the feed once."""
    found = store.history(cursor, "Patient", id_)
    assert [one.version for one in found] == list(range(len(model.versions), 0, -1))
    for one, body in zip(reversed(found), model.versions, strict=True):
        assert one.deleted == (body is None)
        if body is not None:
            resource = orjson.loads(one.body)
            assert resource.pop("id") == id_ and resource.pop("resourceType") == "Patient"
            assert resource.pop("meta")["versionId"] == str(one.version)
            assert resource == body
    if found:
        cursor.execute("select version from record_change where rid = %s order by seq", [found[0].rid])
        assert [row[0] for row in cursor.fetchall()] == list(range(1, len(model.versions) + 1))


def index(cursor: CursorWrapper) -> dict[str, set[tuple[Any, ...]]]:
    found = {}
    for table, columns in INDEX.items():
        cursor.execute(f"select {columns} from record_{table}")
        found[table] = set(cursor.fetchall())
    return found


def check_index(cursor: CursorWrapper) -> None:
    """The index is what the current bodies give, no more and no less."""
    cursor.execute("select rid, body from record_resource where not deleted and version > 0")
    expected = IndexRows()
    for rid, body in cursor.fetchall():
        extract("Patient", orjson.loads(bytes(body)), rid, expected)
    assert index(cursor) == {table: set(expected.of(table)) for table in TABLES}


def check_index_after_rebuilding(cursor: CursorWrapper) -> None:
    """Rebuilding gives the same index."""
    before = index(cursor)
    store.reindex(cursor)
    assert index(cursor) == before


def test_the_index_knows_by_which_rules_it_was_built(cursor: CursorWrapper) -> None:
    assert store.index_is_current(cursor)
    store.write(cursor, [Write("Patient", "a", {"gender": "male"})], now=START)
    assert store.index_is_current(cursor)
    cursor.execute("update record_store_state set value = 'older'")
    assert not store.index_is_current(cursor)
    assert store.reindex(cursor) == 1
    assert store.index_is_current(cursor)


def test_a_batch_of_five_thousand(cursor: CursorWrapper) -> None:
    writes = [Write("Patient", f"p{i}", {"gender": "male", "birthDate": "1980"}) for i in range(5_000)]
    written = store.write(cursor, writes, now=START)
    assert len({one.rid for one in written}) == 5_000
    cursor.execute("select count(*) from record_resource where kind = %s", [kinds()["Patient"]])
    assert cursor.fetchone() == (5_000,)
