"""Builds the city's prevention at scale: series, line list, births, registers, each with its truth."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from importlib.metadata import version
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq

from salus.city.assembly import DEFAULT_END, DEFAULT_START, LEAST, MOST
from salus.city.blocks import City, plan_city
from salus.city.care import care
from salus.city.people import Window, people
from salus.city.planning import Planner
from salus.city.prevention.owed import OWED, owed_tables
from salus.city.prevention.series import OUTBREAKS, SERIES, draw_series
from salus.city.prevention.tables import SCHEMAS, block_tables, planned
from salus.kernel.errors import Invalid

Progress = Callable[[str, int, int], None]
ALL_SCHEMAS: dict[str, pa.Schema] = {"series": SERIES, "series_outbreaks": OUTBREAKS, **SCHEMAS, **OWED}
PLAIN = frozenset({"series", *OWED})
"""What is written as CSV, since the commands of prevention read it; all else is Parquet."""


@dataclass(frozen=True, slots=True)
class Prevented:
    """What was written, as manifest.json too: rows a table."""

    seed: int
    residents: int
    start: str
    end: str
    rows: dict[str, int]
    version: str


def build_prevention(
    out_dir: Path,
    residents: int,
    seed: int,
    progress: Progress | None = None,
    *,
    workers: int = 1,
    start: date = DEFAULT_START,
    end: date = DEFAULT_END,
    series: int = 5_000,
    weeks: int = 574,
) -> Prevented:
    """Write a city's prevention under `out_dir`; the same arguments give the same rows.

    The people, visits and doses are those of `build` with the same residents, seed and window. `series`
    weekly counts of `weeks` weeks end with the window's last whole week; they are drawn apart from the
    residents, since two years of cases are too short a history for detectors.

    Raises:
        Invalid: a size, date or seed is out of range, or the folder holds a city's prevention already.
    """
    _check(out_dir, residents, seed, start, end, series, weeks)
    city = plan_city(seed, residents, Window.of(start, end))
    out_dir.mkdir(parents=True, exist_ok=True)
    rows = dict.fromkeys(ALL_SCHEMAS, 0)
    last = end - timedelta(days=end.weekday() + 7)
    with (
        pcsv.CSVWriter(out_dir / "series.csv", SERIES, write_options=_PLAIN) as counts,
        pq.ParquetWriter(out_dir / "series_outbreaks.parquet", OUTBREAKS, compression="zstd") as known,
    ):
        for drawn, outbreaks in draw_series(seed, residents, series, weeks, last):
            counts.write_table(drawn)
            known.write_table(outbreaks)
            rows["series"] += drawn.num_rows
            rows["series_outbreaks"] += outbreaks.num_rows
            if progress:
                progress("series", rows["series"] // weeks, series)
    cases: dict[str, int] = {}
    done = 0
    with ExitStack() as files:
        writers: dict[str, Any] = {
            name: files.enter_context(
                pq.ParquetWriter(out_dir / f"{name}.parquet", schema, compression="zstd")
            )
            for name, schema in SCHEMAS.items()
        }
        for name, schema in OWED.items():
            writers[name] = files.enter_context(
                pcsv.CSVWriter(out_dir / f"{name}.csv", schema, write_options=_PLAIN)
            )
        for number, tables in enumerate(_results(city, workers)):
            for name, table in tables.items():
                writers[name].write_table(table)
                rows[name] += table.num_rows
            for entry in tables["cases"]["outbreak"].drop_null().value_counts().to_pylist():
                cases[entry["values"]] = cases.get(entry["values"], 0) + entry["counts"]
            done += city.quota(number)
            if progress:
                progress("residents", done, residents)
    truth = planned(city, cases)
    (out_dir / "outbreaks.json").write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")
    made = Prevented(seed, residents, start.isoformat(), end.isoformat(), rows, version("salus"))
    (out_dir / "manifest.json").write_text(json.dumps(asdict(made), indent=2) + "\n", encoding="utf-8")
    return made


_PLAIN = pcsv.WriteOptions(quoting_style="none")


def _check(out_dir: Path, residents: int, seed: int, start: date, end: date, series: int, weeks: int) -> None:
    if not LEAST <= residents <= MOST:
        raise Invalid(
            "city-size", "A city has 1,000 to 16,000,000 residents", where=str(residents),
            fix="Choose a size in range",
        )  # fmt: skip
    if not 180 <= (end - start).days <= 3660:
        raise Invalid(
            "city-window", "A city plays half a year to ten years", fix="Choose another start or end"
        )
    if seed < 0:
        raise Invalid("city-seed", "A seed is zero or more", where=str(seed), fix="Choose another seed")
    if not 0 <= series <= 100_000 or not 60 <= weeks <= 2_000:
        raise Invalid(
            "city-series", "There are up to 100,000 series of 60 to 2,000 weeks", where=f"{series} x {weeks}",
            fix="Choose fewer series or another length",
        )  # fmt: skip
    if (out_dir / "series.csv").exists():
        raise Invalid(
            "city-exists", "The folder holds a city's prevention already", where=str(out_dir),
            fix="Choose an empty folder or delete it",
        )  # fmt: skip


def prevent_block(city: City, number: int) -> dict[str, pa.Table]:
    """Draw one block and return its tables by name."""
    block = people(city.seed, city.ground, number, city.quota(number), city.window)
    drawn = care(city.seed, city.ground, city.registers, block, city.window, city.outbreak)
    planner = Planner(city.seed, city.registers, city.catalogue, block, drawn)
    return block_tables(city, block, drawn, planner) | owed_tables(block, drawn)


def _results(city: City, workers: int) -> Iterator[dict[str, pa.Table]]:
    """Yield the blocks' tables in order; with several workers at most two a worker are under way."""
    if workers <= 1 or city.blocks == 1:
        for number in range(city.blocks):
            yield prevent_block(city, number)
        return
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_take, initargs=(city,)
    ) as pool:
        numbers = iter(range(city.blocks))
        pending = [pool.submit(_here, number) for number in islice(numbers, 2 * workers)]
        while pending:
            yield pending.pop(0).result()
            pending += [pool.submit(_here, number) for number in islice(numbers, 1)]


_HERE: dict[str, Any] = {}


def _take(city: City) -> None:
    _HERE["city"] = city


def _here(number: int) -> dict[str, pa.Table]:
    return prevent_block(_HERE["city"], number)
