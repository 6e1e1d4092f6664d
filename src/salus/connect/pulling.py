"""Database pulls: a read-only query on a hospital's own database, from its watermark on."""

import os
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg
from django.db import connection
from django.db.backends.utils import CursorWrapper

from salus.connect.files import row_incoming
from salus.connect.models import Load, PullSchedule, Via
from salus.connect.pipeline import receive_batch
from salus.connect.profiles import profile_of
from salus.connect.tabular.mapping import Table, mapping_of
from salus.connect.tabular.rows import Row, text_of
from salus.kernel.errors import Invalid, SalusError

_PARAMETER = re.compile(r"(?<![:\w]):(watermark|limit)\b")
_TIMEOUT_SECONDS = 60
_MOST_BATCHES = 10_000
_LARGEST_LIMIT = 1_000_000

Fetch = Callable[[Any, int], tuple[list[str], list[Sequence[Any]]]]


@dataclass(frozen=True, slots=True)
class Pulled:
    """What one run of a pull brought; `failure` says why it ended early."""

    received: int = 0
    stored: int = 0
    repeated: int = 0
    dead: int = 0
    failure: str = ""


def _address(schedule: PullSchedule) -> str:
    address = os.environ.get(schedule.url_variable, "")
    if not address:
        raise Invalid(
            "no-address",
            f"the environment variable {schedule.url_variable} with the database's address is not set",
            fix="Set it where the worker runs.",
        )
    return address


def check_query(query: str) -> str:
    """Return the query if it is one select that names :watermark and :limit; raises Invalid otherwise.

    The read-only transaction is what protects the hospital's database; this catches mistakes early.
    """
    bare = query.strip().rstrip(";").strip()
    words = re.sub(r"'(?:[^']|'')*'", "''", bare).lower()
    if not words.startswith(("select", "with")) or ";" in words:
        raise Invalid("pull-query", "a pull is one select statement")
    if {"watermark", "limit"} - set(_PARAMETER.findall(bare)):
        raise Invalid("pull-query", "a pull's query uses :watermark and :limit", fix="See docs/connect.md.")
    return bare


def _sqlite(path: str, query: str) -> tuple[Any, Fetch]:
    database = sqlite3.connect(
        f"file:{path}?mode=ro", uri=True, timeout=_TIMEOUT_SECONDS, isolation_level=None
    )
    database.execute("pragma query_only = on")

    def fetch(watermark: Any, limit: int) -> tuple[list[str], list[Sequence[Any]]]:
        cursor = database.execute(query, {"watermark": watermark, "limit": limit})
        return [column[0] for column in cursor.description], cursor.fetchall()

    return database, fetch


def _postgres(address: str, query: str) -> tuple[Any, Fetch]:
    database = psycopg.connect(address, connect_timeout=10, autocommit=False)
    database.read_only = True
    written = _PARAMETER.sub(r"%(\1)s", query.replace("%", "%%"))

    def fetch(watermark: Any, limit: int) -> tuple[list[str], list[Sequence[Any]]]:
        with database.cursor() as cursor:
            cursor.execute(f"set local statement_timeout = {_TIMEOUT_SECONDS * 1000}")
            cursor.execute(written.encode(), {"watermark": watermark, "limit": limit})
            names = [column.name for column in cursor.description or ()]
            rows = cursor.fetchall()
        database.rollback()
        return names, list(rows)

    return database, fetch


def open_database(address: str, query: str) -> tuple[Any, Fetch]:
    """Return a read-only connection to a hospital's database and the function that runs the query.

    Raises Invalid for an address that is neither PostgreSQL nor SQLite. The address is never shown.
    """
    parts = urlsplit(address)
    if parts.scheme == "sqlite":
        return _sqlite(
            unquote(parts.path).removeprefix("/") if parts.path.startswith("//") else parts.path, query
        )
    if parts.scheme in {"postgres", "postgresql"}:
        return _postgres(address, query)
    raise Invalid("no-address", "the address is neither postgresql:// nor sqlite:///")


def _kept(value: Any) -> Any:
    """Return a watermark as JSON can keep it."""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    return value if isinstance(value, int | float | str) or value is None else str(value)


def _row(table: Table, number: int, names: Sequence[str], values: Sequence[Any]) -> Row:
    from salus.connect.errors import Untranslatable

    cells: dict[str, str | None] = {}
    fault: Untranslatable | None = None
    for name, value in zip(names, values, strict=True):
        try:
            cells[name] = text_of(str(value) if isinstance(value, float) and abs(value) >= 10**15 else value)
        except Untranslatable as problem:
            problem.where = name
            fault, cells[name] = problem, None
    return Row(table, number, cells, fault)


def run_pull(schedule: PullSchedule) -> Pulled:
    """Run one pull until its query gives nothing new; the watermark moves in the commit that stores its rows.

    A failure is kept on the schedule and returned, never raised, so that other pulls go on.
    """
    counts: Counter[str] = Counter()
    failure = ""
    load = Load.objects.create(source=schedule.source, name=f"pull {schedule.name}", via=Via.PULL)
    try:
        _pull(schedule, load, counts)
    except SalusError as fault:
        failure = str(fault)[:500]
    except (psycopg.Error, sqlite3.Error) as fault:
        # The driver's words may hold the address, so only its kind is kept.
        failure = f"the hospital's database did not answer as expected ({type(fault).__name__})"
    now = datetime.now(UTC)
    PullSchedule.objects.filter(pk=schedule.pk).update(
        last_run=now, last_rows=sum(counts.values()), last_failure=failure
    )
    if not counts and not failure:
        load.delete()
    else:
        state = Load.State.FAILED if failure else Load.State.DONE
        Load.objects.filter(pk=load.pk).update(state=state, failure=failure, finished_at=now)
    return Pulled(sum(counts.values()), counts["stored"], counts["repeated"], counts["dead"], failure)


def _pull(schedule: PullSchedule, load: Load, counts: Counter[str]) -> None:
    source = schedule.source
    table = mapping_of(profile_of(source)).table(schedule.table)
    database, fetch = open_database(_address(schedule), check_query(schedule.query))
    with closing(database):
        limit, watermark = schedule.batch, schedule.watermark
        for _ in range(_MOST_BATCHES):
            names, rows = fetch(watermark, limit)
            if not rows:
                return
            if schedule.watermark_column not in names:
                raise Invalid(
                    "pull-query", "the query does not give the watermark column", where=schedule.name
                )
            at = names.index(schedule.watermark_column)
            reached = _kept(rows[-1][at])
            if reached is None:
                raise Invalid("pull-query", "the last row has no watermark", where=schedule.name)
            receipts = _take(schedule, load, table, names, rows, reached)
            counts.update(receipt.status for receipt in receipts)
            moved = reached != watermark
            watermark = reached
            if len(rows) < limit:
                return
            if not moved:
                # A full batch of one watermark: look further than its rows, or the pull would stand still.
                if limit >= _LARGEST_LIMIT:
                    raise Invalid("pull-stuck", "too many rows share one watermark", where=schedule.name)
                limit *= 2


def _take(
    schedule: PullSchedule,
    load: Load,
    table: Table,
    names: Sequence[str],
    rows: list[Sequence[Any]],
    reached: Any,
) -> list[Any]:
    """Store one batch of rows and the new watermark together."""
    items = [
        row_incoming(_row(table, number, names, values), schedule.name, Via.PULL, load.pk)
        for number, values in enumerate(rows, start=1)
    ]

    def advance(cursor: CursorWrapper) -> None:
        PullSchedule.objects.using(connection.alias).filter(pk=schedule.pk).update(watermark=reached)

    return receive_batch(schedule.source, items, also=advance).receipts


def due(now: datetime) -> list[PullSchedule]:
    """Return the enabled pulls whose time has come."""
    schedules = PullSchedule.objects.filter(enabled=True, source__active=True).select_related("source")
    return [
        schedule
        for schedule in schedules
        if schedule.last_run is None or (now - schedule.last_run).total_seconds() >= schedule.every
    ]
