"""Builds the tables of a city, part by part: consecutive blocks share a file, each its own row group."""

import json
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import date
from importlib.metadata import version
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from salus.city.assembly import (
    DEFAULT_END,
    DEFAULT_START,
    PERSONS,
    Progress,
    check,
    write_ground,
)
from salus.city.blocks import City, persons, plan_city
from salus.city.care import care
from salus.city.desks import Desks
from salus.city.people import Bools, Window, people
from salus.city.planning import Planner
from salus.city.records import Recorder
from salus.city.sightings import Witness
from salus.city.streams import substream
from salus.city.tables.frame import schema
from salus.city.tables.makers import MAKERS, RECORDS_ALONE, SHARED
from salus.city.tables.patients import Facts
from salus.kernel.errors import Invalid

_Done = tuple[dict[str, int], dict[str, list[dict[str, Any]]]]
"""The rows of each table that a part holds, and the rows that blocks have in common."""
PART = 20
"""Blocks in a file."""
_TEXT_ONCE = ("_id", "resident_id", "_number", "phone", "address_text", "address_line", "name", "value")
"""Columns that hardly repeat are written without a dictionary."""


@dataclass(frozen=True, slots=True)
class Written:
    """What was built: the rows of each table; written as manifest.json too."""

    seed: int
    residents: int
    start: str
    end: str
    systems: int
    persons: int
    records: int
    tables: dict[str, int]
    version: str


@dataclass(frozen=True, slots=True)
class _Order:
    """What a worker is to write: which tables, under which folder, which share of the patient records."""

    city: City
    folder: Path
    tables: tuple[str, ...]
    share: float
    part: int


def build_tables(
    out_dir: Path,
    residents: int,
    seed: int,
    progress: Progress | None = None,
    *,
    workers: int = 1,
    start: date = DEFAULT_START,
    end: date = DEFAULT_END,
    only: Collection[str] = (),
    records: int = 0,
    part: int = PART,
) -> Written:
    """Write a city's tables under `out_dir`; the same residents, seed and window give the same bytes.

    `only` names the tables wanted (all that the city fills). `records` keeps about that many patient
    records, drawn from all systems' (0: all of them, about 8.5 a resident). A file holds `part` blocks.
    `tables/<table>/part-*.parquet` hold the library's columns, `truth/patient/part-*.parquet` who each row
    of `patient` truly is, in the same order, `truth/persons/part-*.parquet` the residents.
    Raises `Invalid` if the size, window or a table is out of range, or the folder holds a city already.
    """
    check(out_dir, residents, seed, start, end)
    for name in only:
        if name not in MAKERS:
            raise Invalid(
                "city-table", "The city does not fill this table", where=name,
                fix=f"Choose among {', '.join(sorted(MAKERS))}",
            )  # fmt: skip
    wanted = tuple(name for name in MAKERS if not only or name in only)
    if records < 0 or (records and not set(wanted) <= RECORDS_ALONE):
        raise Invalid(
            "city-records", "Only tables of patient records can be drawn from", where=str(records),
            fix=f"Add --only {','.join(sorted(RECORDS_ALONE))}",
        )  # fmt: skip
    city = plan_city(seed, residents, Window.of(start, end))
    write_ground(city, out_dir)
    share = records / (len(facts_of(city, 0).records) / city.quota(0) * residents) if records else 1.0
    order = _Order(city, out_dir, wanted, share, part)
    totals = dict.fromkeys((*wanted, "persons", "records"), 0)
    done = 0
    shared: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in wanted if name in SHARED}
    for rows, common in _results(order, workers):
        for name, count in rows.items():
            totals[name] += count
        for name, found in common.items():
            shared[name] |= {next(iter(row.values())): row for row in found}
        done += 1
        if progress:
            progress("parts", min(done * part * city.block_size, residents), residents)
    for name, once in shared.items():
        ordered = [once[key] for key in sorted(once)]
        with _File(out_dir / "tables" / name / "part-00000.parquet", schema(name)) as file:
            file.write(pa.Table.from_pylist(ordered, schema=schema(name)))
        totals[name] = len(ordered)
    written = Written(
        seed, residents, start.isoformat(), end.isoformat(), len(city.catalogue.systems),
        totals.pop("persons"), totals.pop("records"), totals, version("salus"),
    )  # fmt: skip
    (out_dir / "manifest.json").write_text(json.dumps(asdict(written), indent=2) + "\n", encoding="utf-8")
    return written


def facts_of(city: City, number: int, share: float = 1.0) -> Facts:
    """Return what the tables of one block are made from; `share` of its patient records."""
    block = people(city.seed, city.ground, number, city.quota(number), city.window)
    drawn = care(city.seed, city.ground, city.registers, block, city.window, city.outbreak)
    desks = Desks(city.seed, block, city.catalogue)
    planner = Planner(city.seed, city.registers, city.catalogue, block, drawn)
    desks.open(planner.first_seen(desks.of_system))
    witness = Witness(planner, desks, city.window)

    def sample(count: int) -> Bools:
        return np.asarray(substream(city.seed, "sample", number).random(count) < share)

    recorder = Recorder(desks, city.catalogue, witness, city.window)
    return Facts(city, block, witness, desks, recorder.records(sample if share < 1.0 else None))


def _write_part(order: _Order, part: int) -> _Done:
    city, rows = order.city, dict.fromkeys((*order.tables, "persons", "records"), 0)
    common: dict[str, list[dict[str, Any]]] = {}
    with ExitStack() as files:
        writers: dict[str, _File] = {}

        def add(kind: str, name: str, table: pa.Table) -> None:
            key = f"{kind}/{name}"
            if key not in writers:
                path = order.folder / kind / name / f"part-{part:05d}.parquet"
                writers[key] = files.enter_context(_File(path, table.schema))
            writers[key].write(table)

        for number in range(part * order.part, min((part + 1) * order.part, city.blocks)):
            facts = facts_of(city, number, order.share)
            for name in order.tables:
                table = MAKERS[name](facts)
                if name in SHARED:
                    common.setdefault(name, []).extend(table.to_pylist())
                    continue
                add("tables", name, table)
                rows[name] += table.num_rows
            add("truth", "patient", facts.patients.truth())
            known = pa.table(persons(city, facts.block), schema=PERSONS)
            add("truth", "persons", known)
            rows["persons"] += known.num_rows
            rows["records"] += len(facts.records)
    return rows, common


class _File:
    """A Parquet file to which row groups are added."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        repeated = [name for name in schema.names if not name.endswith(_TEXT_ONCE)]
        self._writer = pq.ParquetWriter(
            path, schema, compression="zstd", compression_level=1, use_dictionary=repeated
        )

    def __enter__(self) -> "_File":
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    def write(self, table: pa.Table) -> None:
        """Write one row group."""
        self._writer.write_table(table, row_group_size=max(table.num_rows, 1))


_HERE: dict[str, Any] = {}


def _take(order: _Order) -> None:
    pa.set_cpu_count(1)
    _HERE["order"] = order


def _write_here(part: int) -> _Done:
    return _write_part(_HERE["order"], part)


def _results(order: _Order, workers: int) -> Iterator[_Done]:
    parts = -(-order.city.blocks // order.part)
    if workers <= 1 or parts == 1:
        for part in range(parts):
            yield _write_part(order, part)
        return
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_take, initargs=(order,)
    ) as pool:
        yield from _under_way(pool, _write_here, parts, 2 * workers)


def _under_way(pool: Executor, work: Callable[[int], _Done], parts: int, most: int) -> Iterator[_Done]:
    numbers = iter(range(parts))
    pending: list[Future[_Done]] = [pool.submit(work, number) for number in islice(numbers, most)]
    while pending:
        yield pending.pop(0).result()
        pending += [pool.submit(work, number) for number in islice(numbers, 1)]
