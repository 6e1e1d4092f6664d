"""What hash partitions by person would cost on PostgreSQL, table against table (docs/adr/0005)."""

import os
import random
import statistics
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from bench import Measured, figure
from bench.record_store import SERVER, absent

PARTITIONS = 8
COLUMNS = """rid bigint not null, kind smallint not null, id varchar(64) collate "C" not null,
    version integer not null, person_id uuid, patient_rid bigint, updated bigint not null,
    deleted boolean not null, body bytea not null"""
INDEXES = ("(kind, rid)", "(person_id, kind, rid)", "(patient_rid)", "(kind, updated)")


@figure("store-whole-read", room="record", unit="reads/s", target=1_000, peer="8 partitions by person")
def store_whole_read(quick: bool) -> Measured:
    """Reads by id a second from one table on PostgreSQL, and through a directory of ids from partitions."""
    if (missing := absent("postgres", shared=False)) is not None:
        return missing
    import psycopg

    count = 20_000 if quick else 200_000
    name = f"salus_bench_{os.getpid()}"
    with psycopg.connect(SERVER, autocommit=True) as server:
        server.execute(f"create database {name}".encode())
        try:
            address = psycopg.conninfo.make_conninfo(SERVER, dbname=name)
            with psycopg.connect(address, autocommit=True) as connection:
                found = _compare(connection, count)
        finally:
            server.execute(f"drop database {name} with (force)".encode())
    note = ", ".join(f"{one} {found[one]:.2f}" for one in ("storing", "found by a search"))
    return Measured([found["whole"]], [found["parted"]], note=f"partitions take, of one table's time: {note}")


def _rows(count: int) -> Iterator[tuple[Any, ...]]:
    chance = random.Random(1)  # noqa: S311 - the same rows each time
    body = chance.randbytes(900)
    for rid in range(1, count + 1):
        person = uuid.UUID(int=(rid // 40) << 64) if rid % 50 else None
        id_ = uuid.UUID(int=chance.getrandbits(128)).hex
        yield (
            rid,
            chance.randrange(1, 12),
            id_,
            1,
            person,
            rid // 40,
            1_760_000_000_000_000 + rid,
            False,
            body,
        )


def _tables(connection: Any) -> None:
    connection.execute(f"create table flat ({COLUMNS}, primary key (rid), unique (kind, id))")
    connection.execute(f"create table parted ({COLUMNS}) partition by hash (person_id)")
    connection.execute("create index on parted (rid)")
    for index in INDEXES:
        connection.execute(f"create index on flat {index}")
        connection.execute(f"create index on parted {index}")
    for part in range(PARTITIONS):
        connection.execute(
            f"create table parted_{part} partition of parted"
            f" for values with (modulus {PARTITIONS}, remainder {part})"
        )
    connection.execute(
        "create table directory (rid bigint primary key, kind smallint not null,"
        ' id varchar(64) collate "C" not null, person_id uuid, unique (kind, id))'
    )


def _compare(connection: Any, count: int) -> dict[str, float]:
    _tables(connection)
    rows = list(_rows(count))
    spent = {"flat": 0.0, "parted": 0.0}
    for start in range(
        0, count, 500
    ):  # turn and turn about, so that what else the machine does falls on both
        some = rows[start : start + 500]
        for table in spent:
            began = time.perf_counter()
            with connection.transaction(), connection.cursor() as cursor:
                _copy(cursor, table, some)
                if table == "parted":
                    _copy(cursor, "directory", [(row[0], row[1], row[2], row[4]) for row in some])
            spent[table] += time.perf_counter() - began
    for table in ("flat", "parted", "directory"):
        connection.execute(f"vacuum analyze {table}")
    some = random.Random(2).sample(rows, 2_000)  # noqa: S311 - the same questions each time
    with connection.cursor() as cursor:

        def directly(row: tuple[Any, ...]) -> None:
            cursor.execute("select body from flat where kind = %s and id = %s", (row[1], row[2]))
            cursor.fetchone()

        def by_directory(row: tuple[Any, ...]) -> None:
            cursor.execute(
                "select rid, person_id from directory where kind = %s and id = %s", (row[1], row[2])
            )
            rid, person = cursor.fetchone()
            if person is None:
                cursor.execute("select body from parted where person_id is null and rid = %s", (rid,))
            else:
                cursor.execute("select body from parted where person_id = %s and rid = %s", (person, rid))
            cursor.fetchone()

        def numbered(row: tuple[Any, ...]) -> None:
            cursor.execute("select body from flat where rid = %s", (row[0],))
            cursor.fetchone()

        def numbered_anywhere(row: tuple[Any, ...]) -> None:
            cursor.execute("select body from parted where rid = %s", (row[0],))
            cursor.fetchone()

        return {
            "whole": 1 / _median(directly, some),
            "parted": 1 / _median(by_directory, some),
            "storing": spent["parted"] / spent["flat"],
            "found by a search": _median(numbered_anywhere, some) / _median(numbered, some),
        }


def _copy(cursor: Any, table: str, rows: list[tuple[Any, ...]]) -> None:
    with cursor.copy(f"copy {table} from stdin") as copy:
        for row in rows:
            copy.write_row(row)


def _median(ask: Callable[[Any], None], rows: list[tuple[Any, ...]]) -> float:
    took = []
    for row in rows:
        began = time.perf_counter()
        ask(row)
        took.append(time.perf_counter() - began)
    return statistics.median(took)
