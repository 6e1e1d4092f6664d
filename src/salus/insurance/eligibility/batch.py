"""The question for any number of persons at once, on either engine."""

from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import csv, parquet

from salus.engine.contract import Engine, Source
from salus.engine.jobs import Job, Progress, load_job
from salus.insurance.eligibility.rules import ALWAYS, Rules
from salus.insurance.eligibility.tables import INPUTS, SERVICES, Field

_ARROW = {"bigint": pa.int64(), "varchar": pa.string(), "date": pa.date32(), "boolean": pa.bool_()}


@lru_cache(maxsize=1)
def job() -> Job:
    """Return the checked job."""
    return load_job(Path(__file__).with_name("eligibility.sql"))


def schema_of(fields: tuple[Field, ...]) -> pa.Schema:
    """Return the Arrow schema of a table."""
    return pa.schema([pa.field(f.name, _ARROW[f.type]) for f in fields])


def table_of(fields: tuple[Field, ...], rows: list[dict[str, Any]]) -> pa.Table:
    """Return rows as an Arrow table with a table's columns."""
    return pa.Table.from_pylist(rows, schema=schema_of(fields))


def rule_tables(rules: Rules) -> dict[str, pa.Table]:
    """Return the rules as the job's tables."""

    def end(day: date) -> date | None:
        return None if day == ALWAYS else day

    day, text, number, yes = _ARROW["date"], _ARROW["varchar"], _ARROW["bigint"], _ARROW["boolean"]
    numbers = (
        "in_time_days", "grace_months", "first_months", "late_months", "broken_months", "year_months",
        "many_years", "many_months",
    )  # fmt: skip
    waiting = pa.Table.from_pylist(
        [
            {
                "rule": r.rule, "scheme": r.scheme, "category": r.category, "start_date": r.start,
                "end_date": end(r.end), **{n: getattr(r, n) for n in numbers}, "carries": r.carries,
            }
            for r in rules.waiting
        ],
        schema=pa.schema(
            [
                ("rule", text), ("scheme", text), ("category", text), ("start_date", day), ("end_date", day),
                *((n, number) for n in numbers), ("carries", yes),
            ]
        ),
    )  # fmt: skip
    offers = pa.Table.from_pylist(
        [
            {
                "rule": r.rule, "scheme": r.scheme, "category": r.category, "service": r.service,
                "start_date": r.start, "end_date": end(r.end), "least_months": r.least_months,
            }
            for r in rules.offers
        ],
        schema=pa.schema(
            [
                ("rule", text), ("scheme", text), ("category", text), ("service", text), ("start_date", day),
                ("end_date", day), ("least_months", number),
            ]
        ),
    )  # fmt: skip
    statuses = pa.Table.from_pylist(
        [{"status": s.status, "rank": s.rank, "waives": s.waives} for s in rules.statuses.values()],
        schema=pa.schema([("status", text), ("rank", number), ("waives", yes)]),
    )
    return {"waiting_rules": waiting, "service_rules": offers, "status_rules": statuses}


def run(
    engine: Engine, tables: Mapping[str, Source], rules: Rules, *, progress: Progress | None = None
) -> pa.Table:
    """Answer every question of `asked`; of `tables.INPUTS` the last three may be left out.

    Returns the columns of `tables.ANSWERS`, a row a question, by its number. Raises as `Job.run` does.
    """
    empty = {name: table_of(fields, []) for name, fields in INPUTS.items() if name not in tables}
    return job().run(engine, {**empty, **tables, **rule_tables(rules)}, progress=progress)


def everywhere(asked: pa.Table, spells: pa.Table) -> pa.Table:
    """Return contracts that let every institution asked about bill every service to every area."""
    institutions = sorted(set(asked.column("institution").unique().to_pylist()))
    areas = sorted(set(spells.column("area").unique().to_pylist()))
    rows = [
        {"institution": place, "area": area, "service": service, "start_date": date.min, "end_date": None}
        for place in institutions
        for area in areas
        for service in SERVICES
    ]
    return table_of(INPUTS["contracts"], rows)


def save(answers: pa.Table, path: Path) -> None:
    """Write answers as CSV or Parquet, put in place by one rename."""
    part = path.with_name(path.name + ".part")
    if path.suffix.lower() == ".csv":
        csv.write_csv(answers, part)
    else:
        parquet.write_table(answers, part)
    part.replace(path)
