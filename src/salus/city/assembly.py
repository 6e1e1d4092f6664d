"""Builds a city: registers, sources and mappings, inboxes block by block, and the truth apart."""

import csv
import json
from collections import Counter
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
import pyarrow.parquet as pq

from salus.city.blocks import BlockResult, City, build_block, plan_city
from salus.city.geography import write_districts, write_roads
from salus.city.identity import EPOCH
from salus.city.institutions import write_registers
from salus.city.layouts import TABLES
from salus.city.mappings import mapping
from salus.city.outbox import Planted, Sent
from salus.city.people import Window
from salus.city.prevention.tables import SCHEMAS, planned
from salus.city.systems import LABORATORY, MEDICINES, PROCEDURES, VACCINATIONS, VISITS, System
from salus.kernel.errors import Invalid

TRUTHS = {name: SCHEMAS[name] for name in ("cases", "pregnancies", "chronic")}
"""What the truth tells of prevention, beside the messages."""
DEFAULT_START, DEFAULT_END = date(2024, 1, 1), date(2026, 1, 1)
LEAST, MOST = 1_000, 16_000_000
Progress = Callable[[str, int, int], None]
"""Called with the stage's name, what is done and what there is to do (residents)."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What was built: written as manifest.json too."""

    seed: int
    residents: int
    start: str
    end: str
    systems: int
    institutions: int
    districts: int
    messages: int
    patients: int
    persons: int
    version: str


def build(
    out_dir: Path,
    residents: int,
    seed: int,
    progress: Progress | None = None,
    *,
    workers: int = 1,
    start: date = DEFAULT_START,
    end: date = DEFAULT_END,
) -> Manifest:
    """Build a city under `out_dir`; the same residents, seed and window give the same bytes.

    `residents` is 1,000 to 16,000,000 at the start of the window. Blocks are built one after another
    (or in `workers` processes) and written at once, so memory does not grow with the city.
    Raises `Invalid` if the size or window is out of range or the folder holds a city already.
    """
    check(out_dir, residents, seed, start, end)
    city = plan_city(seed, residents, Window.of(start, end))
    for folder in ("inbox", "mappings", "truth"):
        (out_dir / folder).mkdir(parents=True, exist_ok=True)
    write_ground(city, out_dir)
    _write_sources(city, out_dir)
    totals = [Sent() for _ in city.catalogue.systems]
    planted, outbreak, done = Planted(), [], 0
    patients = persons = 0
    cases: Counter[str] = Counter()
    with (
        ExitStack() as files,
        _Table(out_dir / "truth" / "patients.parquet", PATIENTS) as patient_table,
        _Table(out_dir / "truth" / "persons.parquet", PERSONS) as person_table,
    ):
        truths = {
            name: files.enter_context(
                pq.ParquetWriter(out_dir / "truth" / f"{name}.parquet", schema, compression="zstd")
            )
            for name, schema in TRUTHS.items()
        }
        for result in _results(city, out_dir / "inbox", workers):
            for name, writer in truths.items():
                writer.write_table(result.prevention[name])
            cases.update(result.prevention["cases"]["outbreak"].drop_null().to_pylist())
            patients += patient_table.add(result.patients)
            persons += person_table.add(result.persons)
            for total, sent in zip(totals, result.sent, strict=True):
                total.received += sent.received
                total.repeated += sent.repeated
                total.malformed += sent.malformed
            planted.repeated += result.planted.repeated
            planted.malformed += result.planted.malformed
            planted.late += result.planted.late
            outbreak += result.outbreak
            done += result.residents
            if progress:
                progress("blocks", done, residents)
    _write_truth(city, out_dir / "truth", totals, planted, outbreak)
    (out_dir / "truth" / "outbreaks.json").write_text(
        json.dumps(planned(city, cases), indent=1) + "\n", encoding="utf-8"
    )
    manifest = Manifest(
        seed, residents, start.isoformat(), end.isoformat(), len(city.catalogue.systems),
        len(city.registers.places), len(city.ground.districts),
        sum(total.received for total in totals), patients, persons, version("salus"),
    )  # fmt: skip
    (out_dir / "manifest.json").write_text(json.dumps(asdict(manifest), indent=2) + "\n", encoding="utf-8")
    return manifest


def check(out_dir: Path, residents: int, seed: int, start: date, end: date) -> None:
    """Raise `Invalid` if a city of this size, window and seed cannot be built in a folder."""
    if not LEAST <= residents <= MOST:
        raise Invalid(
            "city-size",
            "A city has 1,000 to 16,000,000 residents",
            where=str(residents),
            fix="Choose a size in range",
        )
    if not 180 <= (end - start).days <= 3660:
        raise Invalid(
            "city-window", "A city plays half a year to ten years", fix="Choose another start or end"
        )
    if (out_dir / "inbox").exists() or (out_dir / "tables").exists():
        raise Invalid(
            "city-exists",
            "The folder holds a city already",
            where=str(out_dir),
            fix="Choose an empty folder or delete it",
        )
    if seed < 0:
        raise Invalid("city-seed", "A seed is zero or more", where=str(seed), fix="Choose another seed")


def _results(city: City, inbox: Path, workers: int) -> Iterator[BlockResult]:
    """Yield the blocks' results in order; with several workers at most two a worker are under way."""
    if workers <= 1 or city.blocks == 1:
        for number in range(city.blocks):
            yield build_block(city, number, inbox)
        return
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_take, initargs=(city, inbox)
    ) as pool:
        numbers = iter(range(city.blocks))
        pending = [pool.submit(_build_here, number) for number in islice(numbers, 2 * workers)]
        while pending:
            yield pending.pop(0).result()
            pending += [pool.submit(_build_here, number) for number in islice(numbers, 1)]


_HERE: dict[str, Any] = {}


def _take(city: City, inbox: Path) -> None:
    _HERE.update(city=city, inbox=inbox)


def _build_here(number: int) -> BlockResult:
    return build_block(_HERE["city"], number, _HERE["inbox"])


def write_ground(city: City, out_dir: Path) -> None:
    """Write the registers: districts, institutions, staff and roads."""
    folder = out_dir / "registers"
    folder.mkdir(parents=True, exist_ok=True)
    write_districts(city.ground, city.residents, folder / "districts.geojson")
    first = EPOCH + timedelta(days=city.window.start - 1200)
    write_registers(city.registers, city.ground, first.isoformat(), folder)
    write_roads(city.ground, city.residents, city.seed, folder)


_RECORD_TABLES = {
    VISITS: "visits",
    MEDICINES: "medicines",
    PROCEDURES: "procedures",
    LABORATORY: "laboratory",
    VACCINATIONS: "vaccinations",
}
_SUBJECT_TABLES = {
    "employee": "insured", "resident": "insured", "births": "births", "deaths": "deaths",
    "campaigns": "vaccinations", "poverty": "poverty",
    "disability": "disability", "residence": "residence", "emergency": "emergency",
}  # fmt: skip


def tables_of(system: System) -> list[str]:
    """Return the tables that a system sends, in the order of their definition."""
    wanted = {_RECORD_TABLES[record] for record in system.records}
    if system.subject:
        wanted.add(_SUBJECT_TABLES[system.subject])
    return [table for table in TABLES if table in wanted]


def _write_sources(city: City, out_dir: Path) -> None:
    lines = ["# The source systems of a synthetic city; see docs/connect.md", ""]
    for system in city.catalogue.systems:
        lines += [
            "[[source]]",
            f'code = "{system.code}"',
            f'name = "{system.name}"',
            f'name_en = "{system.name_en}"',
        ]
        lines += [
            f'institution = "{system.institution}"',
            f'vendor = "{system.vendor}"',
            f'format = "{system.format}"',
        ]
        lines += [f'charset = "{system.charset}"', 'timezone = "Asia/Shanghai"']
        if system.format in {"csv", "excel"}:
            path = f"mappings/{system.code}.toml"
            lines.append(f'mapping = "{path}"')
            (out_dir / path).write_text(mapping(system, tables_of(system)), encoding="utf-8")
        lines.append("")
    (out_dir / "sources.toml").write_text("\n".join(lines), encoding="utf-8")


PATIENTS = pa.schema(
    [(name, pa.string()) for name in ("source", "patient", "resident", "desk", "errors", "merged_into")]
)
_TYPES = {
    "stratum": pa.int8(),
    "disability": pa.int8(),
    "local": pa.bool_(),
    "poverty": pa.bool_(),
    "born_here": pa.bool_(),
}
PERSONS = pa.schema(
    [
        (name, _TYPES.get(name, pa.string()))
        for name in (
            "resident", "identity", "name", "pinyin", "sex", "birth", "age_group", "stratum", "district",
            "street", "household", "local",
            "employment", "insurance", "poverty", "disability", "entry", "exit", "death", "cause",
            "born_here", "mother",
        )
    ]
)  # fmt: skip


class _Table:
    """A Parquet file written one row group a block."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._schema = schema
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")

    def __enter__(self) -> "_Table":
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    def add(self, columns: dict[str, list[object]]) -> int:
        """Write one row group and return its rows."""
        table = pa.table(columns, schema=self._schema)
        self._writer.write_table(table)
        return int(table.num_rows)


def _write_truth(
    city: City, folder: Path, totals: list[Sent], planted: Planted, outbreak: list[dict[str, str]]
) -> None:
    with (folder / "expected.csv").open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(("source", "received", "stored", "repeated", "dead"))
        for system, sent in zip(city.catalogue.systems, totals, strict=True):
            stored = sent.received - sent.repeated - sent.malformed
            out.writerow((system.code, sent.received, stored, sent.repeated, sent.malformed))
    plan = city.outbreak
    truth = {
        "outbreak": {
            "diagnosis": "A02.0",
            "streets": [city.ground.streets[street].code for street in plan.streets],
            "first_day": (EPOCH + timedelta(days=plan.first_day)).isoformat(),
            "cases": outbreak,
        },
        "repeated": planted.repeated,
        "malformed": planted.malformed,
        "late": planted.late,
    }
    (folder / "planted.json").write_text(
        json.dumps(truth, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
    )
