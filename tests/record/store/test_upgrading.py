"""An upgrade may be killed at any moment, while others write, and ends as if nothing had happened."""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from salus.kernel.policy import Scope
from salus.record import store
from salus.record.rules.r4 import type_names
from salus.record.store import Write, upgrading
from salus.record.store.extract import IndexRows
from salus.record.store.index import extract
from salus.record.store.reindex import IndexUpgrade
from salus.record.store.tables import INDEX

pytestmark = pytest.mark.django_db(databases=["default"])
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Killed(Exception):
    """Stands for kill -9: the transaction under way is lost, as the database would lose it."""


@pytest.fixture
def cursor() -> Iterator[CursorWrapper]:
    with transaction.atomic(), connection.cursor() as cursor:
        yield cursor


def patient(chance: random.Random) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "gender": chance.choice(["male", "female"]),
        "birthDate": f"19{chance.randrange(10, 99)}-0{chance.randrange(1, 9)}-1{chance.randrange(9)}",
        "name": [{"family": chance.choice(["Anna", "Zoë", "张"]), "given": ["x"]}],
        "identifier": [{"system": "urn:a", "value": str(chance.randrange(50))}],
    }


def others(chance: random.Random) -> list[Write]:
    """Return resources that give rows to every table of the index."""
    measured = {"value": chance.randrange(100) + 0.5, "code": "mg", "system": "urn:u"}
    coded = {"coding": [{"code": "x"}]}
    return [
        Write("Observation", "o1", {"status": "final", "code": coded, "valueQuantity": measured}),
        Write("RiskAssessment", "r1", {"status": "final", "prediction": [{"probabilityDecimal": 0.25}]}),
        Write("ValueSet", "v1", {"status": "active", "url": "urn:v", "name": "V"}),
        Write("Encounter", "e1", {"status": "finished", "subject": {"reference": "Patient/p1"}}),
    ]


def contents(cursor: CursorWrapper) -> dict[str, list[Any]]:
    found = {}
    for table, columns in INDEX.items():
        cursor.execute(f"select {columns} from record_{table}")
        found[table] = sorted(cursor.fetchall())
    return found


def expected(cursor: CursorWrapper) -> dict[str, list[Any]]:
    """Return what the bodies give, extracted one by one."""
    rows = IndexRows()
    cursor.execute("select rid, kind, body from record_resource where version > 0 and not deleted")
    for rid, kind, body in cursor.fetchall():
        extract(type_names()[kind], orjson.loads(bytes(body)), rid, rows)
    return {table: sorted(set(rows.of(table))) for table in INDEX}


def of_older_rules(cursor: CursorWrapper, chance: random.Random) -> None:
    """Leave the index as other rules might have made it: rows missing, others there that ought not to be."""
    cursor.execute("delete from record_date")
    cursor.execute("delete from record_token where code = 'male'")
    cursor.execute("select path, rid, system from record_token where code = 'female'")
    for path, rid, system in cursor.fetchall():
        row = [path, chance.choice(["male", "older"]), rid, system]
        cursor.execute("insert into record_token (path, code, rid, system) values (%s, %s, %s, %s)", row)
    cursor.execute("update record_store_state set value = 'older' where name = 'index'")


def dying(chance: random.Random) -> Callable[..., Any]:
    """Return a wrapper of statements that is killed after some of them."""
    left = int(chance.expovariate(1 / 40))

    def execute(run: Callable[..., Any], *given: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise Killed
        return run(*given)

    return execute


def write_something(cursor: CursorWrapper, chance: random.Random) -> None:
    id_ = f"p{chance.randrange(60)}"
    if chance.random() < 0.2:
        writes = [Write("Patient", id_, None, "delete")]
    elif chance.random() < 0.3:
        writes = others(chance)
    else:
        writes = [Write("Patient", id_, patient(chance))]
    store.write(cursor, writes, now=NOW)


@pytest.mark.parametrize("seed", range(4))
def test_killed_again_and_again_while_others_write(cursor: CursorWrapper, seed: int) -> None:
    chance = random.Random(seed)
    assert store.index_is_current(cursor)
    store.write(cursor, [Write("Patient", f"p{n}", patient(chance)) for n in range(40)], now=NOW)
    store.write(cursor, others(chance), now=NOW)
    assert all(contents(cursor).values())
    of_older_rules(cursor, chance)
    killed = steps = 0
    while killed < 1_000:
        try:
            with transaction.atomic(), connection.execute_wrapper(dying(chance)):
                held = upgrading.step(cursor, IndexUpgrade(), 7)
                steps += 1
        except Killed:
            killed += 1
            continue
        if held is None:
            break
        write_something(cursor, chance)
    assert killed and steps > 10
    assert contents(cursor) == expected(cursor)
    assert store.index_is_current(cursor)
    assert upgrading.state(cursor) is None
    write_something(cursor, chance)
    assert contents(cursor) == expected(cursor)
    if connection.vendor == "sqlite":
        cursor.execute(
            "select name from sqlite_master where name like 'record_%_new' or name like 'record_%_old'"
        )
    else:
        cursor.execute("select relname from pg_class where relname ~ '^record_.*_(new|old)'")
    assert cursor.fetchall() == []


def test_searches_use_the_old_index_until_the_new_one_is_whole(cursor: CursorWrapper) -> None:
    chance = random.Random(7)
    store.index_is_current(cursor)
    store.write(cursor, [Write("Patient", f"p{n}", patient(chance)) for n in range(30)], now=NOW)
    query = store.SearchQuery((("gender", "male"), ("_count", "1000")))
    men = [one.id for one in store.search(cursor, "Patient", query, Scope(everything=True)).resources]
    cursor.execute("update record_store_state set value = 'older' where name = 'index'")
    found = []
    while upgrading.step(cursor, IndexUpgrade(), 4) is not None:
        page = store.search(cursor, "Patient", query, Scope(everything=True))
        found.append([one.id for one in page.resources])
    assert men and all(one == men for one in found)


def test_rules_that_change_again_begin_the_upgrade_anew(
    cursor: CursorWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(3)
    store.index_is_current(cursor)
    store.write(cursor, [Write("Patient", f"p{n}", patient(chance)) for n in range(30)], now=NOW)
    cursor.execute("update record_store_state set value = 'older' where name = 'index'")
    monkeypatch.setattr(IndexUpgrade, "mark", lambda self: "half-way")
    for _ in range(3):
        upgrading.step(cursor, IndexUpgrade(), 5)
    monkeypatch.undo()
    while upgrading.step(cursor, IndexUpgrade(), 5) is not None:
        pass
    assert contents(cursor) == expected(cursor)


def test_an_operator_sees_what_is_due_and_how_far_it_is(cursor: CursorWrapper) -> None:
    store.index_is_current(cursor)
    store.write(cursor, [Write("Patient", f"p{n}", {"gender": "male"}) for n in range(10)], now=NOW)
    assert store.pending_upgrade(cursor, store.UPGRADES) is None
    cursor.execute("update record_store_state set value = 'older' where name = 'index'")
    assert store.pending_upgrade(cursor, store.UPGRADES) == {"name": "index", "phase": "due", "done": 0}
    upgrading.step(cursor, IndexUpgrade())
    upgrading.step(cursor, IndexUpgrade(), 6)
    assert store.pending_upgrade(cursor, store.UPGRADES) == {"name": "index", "phase": "copy", "done": 6}
