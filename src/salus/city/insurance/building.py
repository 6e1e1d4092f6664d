"""Builds the city's insurance: block by block, each written at once, so memory does not grow."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
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

from salus.city.assembly import DEFAULT_END, DEFAULT_START, LEAST, MOST
from salus.city.blocks import plan_city
from salus.city.care import care
from salus.city.insurance.catalogue import catalogue
from salus.city.insurance.claims import draw_claims
from salus.city.insurance.enrolment import enrol
from salus.city.insurance.frame import Frame, length, take
from salus.city.insurance.funding import premiums
from salus.city.insurance.lines import draw_lines, visit_lines
from salus.city.insurance.misclaiming import misclaim
from salus.city.insurance.miscoding import Truth, miscode
from salus.city.insurance.places import institutions
from salus.city.insurance.plan import Plan, plan
from salus.city.insurance.tables import (
    SCHEMAS,
    Numbering,
    claim_tables,
    coverage,
    persons,
    registrations,
    statuses,
    truth_tables,
)
from salus.city.people import Window, people
from salus.city.streams import substream
from salus.kernel.errors import Invalid

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Insured:
    """What was written, as manifest.json too: rows a table, and planted acts a kind."""

    seed: int
    residents: int
    start: str
    end: str
    since: str
    rows: dict[str, int]
    version: str


def build_insurance(
    out_dir: Path,
    residents: int,
    seed: int,
    progress: Progress | None = None,
    *,
    workers: int = 1,
    start: date = DEFAULT_START,
    end: date = DEFAULT_END,
    since: date | None = None,
    fraud: bool = True,
) -> Insured:
    """Write a city's insurance under `out_dir` as Parquet; the same arguments give the same rows.

    The people are those of `build` with the same residents, seed and window. Claims begin on `since`
    (default: a year before the end). Without `fraud` nothing is planted.

    Raises:
        Invalid: a size, date or seed is out of range, or the folder holds an insurance already.
    """
    begin = since or end.replace(year=end.year - 1)
    _check(out_dir, residents, seed, start, end, begin)
    shared = plan(plan_city(seed, residents, Window.of(start, end)), Window.of(begin, end), fraud)
    (out_dir / "truth").mkdir(parents=True, exist_ok=True)
    rows = dict.fromkeys(SCHEMAS, 0)
    for name, table in (("catalogue", catalogue().table()), ("institutions", institutions(shared))):
        pq.write_table(table, out_dir / f"{name}.parquet")
        rows[name] = table.num_rows
    writers = {
        name: pq.ParquetWriter(out_dir / f"{name}.parquet", schema, compression="zstd")
        for name, schema in SCHEMAS.items()
    }
    done = 0
    try:
        for number, tables in enumerate(_results(shared, workers)):
            for name, table in tables.items():
                writers[name].write_table(table)
                rows[name] += table.num_rows
            done += shared.city.quota(number)
            if progress:
                progress("residents", done, residents)
    finally:
        for writer in writers.values():
            writer.close()
    made = Insured(
        seed, residents, start.isoformat(), end.isoformat(), begin.isoformat(), rows, version("salus")
    )
    (out_dir / "manifest.json").write_text(json.dumps(asdict(made), indent=2) + "\n", encoding="utf-8")
    return made


def _check(out_dir: Path, residents: int, seed: int, start: date, end: date, begin: date) -> None:
    if not LEAST <= residents <= MOST:
        raise Invalid(
            "city-size", "A city has 1,000 to 16,000,000 residents", where=str(residents),
            fix="Choose a size in range",
        )  # fmt: skip
    if not 180 <= (end - start).days <= 3660:
        raise Invalid(
            "city-window", "A city plays half a year to ten years", fix="Choose another start or end"
        )
    if not start <= begin < end:
        raise Invalid(
            "city-claims-since", "Claims begin inside the city's window", where=begin.isoformat(),
            fix="Choose a day from the start to before the end",
        )  # fmt: skip
    if seed < 0:
        raise Invalid("city-seed", "A seed is zero or more", where=str(seed), fix="Choose another seed")
    if (out_dir / "claims.parquet").exists():
        raise Invalid(
            "city-exists", "The folder holds an insurance already", where=str(out_dir),
            fix="Choose an empty folder or delete it",
        )  # fmt: skip


def insure_block(shared: Plan, number: int) -> dict[str, pa.Table]:
    """Draw one block and return its tables by name."""
    city = shared.city
    block = people(city.seed, city.ground, number, city.quota(number), city.window)
    drawn = care(city.seed, city.ground, city.registers, block, city.window, city.outbreak)
    rng, plant = (substream(city.seed, room, number) for room in ("insurance", "insurance-fraud"))
    enrolled = enrol(shared, block, drawn, rng)
    claims, lent = draw_claims(shared, block, drawn, enrolled, rng)
    truth = Truth()
    claims = miscode(shared, block, claims, truth, plant)
    lines = draw_lines(shared, block, claims, rng)
    lent_lines = visit_lines(shared, lent, rng)
    claims, lines = misclaim(shared, block, claims, lines, (lent, lent_lines), truth, plant)
    claims, lines, acts = _in_order(claims, _merged(lines), truth.frame())
    names = Numbering(shared, block, claims)
    return {
        "persons": persons(names, enrolled), "coverage": coverage(names, enrolled),
        "premiums": premiums(names, enrolled), "statuses": statuses(names, enrolled),
        "registrations": registrations(names, enrolled),
        **claim_tables(names, claims, lines, enrolled, rng), **truth_tables(names, claims, acts),
    }  # fmt: skip


def _merged(lines: Frame) -> Frame:
    """Return lines with those of one claim, item, day and price made one."""
    order = np.lexsort((lines["price"], lines["day"], lines["item"], lines["claim"]))
    whole = take(lines, order)
    first = np.ones(len(order), dtype=bool)
    same = [whole[name][1:] == whole[name][:-1] for name in ("claim", "item", "day", "price")]
    first[1:] = ~np.logical_and.reduce(same)
    starts = np.flatnonzero(first)
    kept = take(whole, starts)
    kept["quantity"] = np.add.reduceat(whole["quantity"], starts)
    return take(kept, np.lexsort((kept["item"], kept["day"], kept["claim"])))


def _in_order(claims: Frame, lines: Frame, acts: Frame) -> tuple[Frame, Frame, Frame]:
    """Return claims by time with their lines, and the truth about them."""
    order = np.lexsort((claims["person"], claims["start"]))
    place = np.empty(length(claims), dtype=np.int64)
    place[order] = np.arange(len(order))
    lines, acts = dict(lines), dict(acts)
    lines["claim"] = place[lines["claim"]]
    for name in ("claim", "other"):
        acts[name] = np.where(acts[name] >= 0, place[acts[name]], acts[name])
    return (
        take(claims, order),
        take(lines, np.argsort(lines["claim"], kind="stable")),
        take(acts, np.lexsort((acts["kind"], acts["claim"]))),
    )


def _results(shared: Plan, workers: int) -> Iterator[dict[str, pa.Table]]:
    """Yield the blocks' tables in order; with several workers at most two a worker are under way."""
    blocks = shared.city.blocks
    if workers <= 1 or blocks == 1:
        for number in range(blocks):
            yield insure_block(shared, number)
        return
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_take, initargs=(shared,)
    ) as pool:
        numbers = iter(range(blocks))
        pending = [pool.submit(_here, number) for number in islice(numbers, 2 * workers)]
        while pending:
            yield pending.pop(0).result()
            pending += [pool.submit(_here, number) for number in islice(numbers, 1)]


_HERE: dict[str, Any] = {}


def _take(shared: Plan) -> None:
    _HERE["plan"] = shared


def _here(number: int) -> dict[str, pa.Table]:
    return insure_block(_HERE["plan"], number)
