"""How complete and how timely each source's data are: for the integrator and the planner. Counts only."""

import json
import os
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.utils import timezone

from salus.engine import duckdb_engine
from salus.engine.contract import Engine
from salus.kernel.errors import NotFound
from salus.record.lake.folder import Folder
from salus.record.lake.manifest import Manifest, Table
from salus.record.lake.reading import Lake, attach, root
from salus.record.lake.steps import sql_job

HAPPENED = (
    *("start_day", "effective_day", "effective_start_day", "authored_day", "occurrence_day", "performed_day"),
    *("performed_start_day", "recorded_day", "prepared_day", "collected_day", "created_day", "document_day"),
)
"""Columns that say when something happened, the best first."""
SOURCE = "urn:salus:source:"
MEMORY = "1GB"
Report = dict[str, Any]


def completeness(lake: Lake, table: Table) -> list[dict[str, Any]]:
    """Return, by source, how many rows a table has and how many of each column are filled."""
    names = {c.name for c in table.columns}
    filled = ", ".join(f'count("{c.name}") as "{c.name}"' for c in table.columns)
    rows = lake.engine.run(
        f"select {_source(names)} as lake_source, count(*) as lake_rows,"  # noqa: S608 - names of the lake
        f" count(distinct person_id) as lake_persons, {filled}"
        f" from {table.name} group by {_source(names)} order by lake_source"
    )
    return [
        {
            "source": row.pop("lake_source") or "",
            "rows": row.pop("lake_rows"),
            "persons": row.pop("lake_persons"),
            "filled": row,
        }
        for row in rows.to_pylist()
    ]


def _source(names: set[str]) -> str:
    """Return the code of the source that sent a row, as its resource says."""
    return f"replace(source_system, '{SOURCE}', '')" if "source_system" in names else "''"


def timeliness(lake: Lake, tables: list[Table]) -> list[dict[str, Any]]:
    """Return, by table, source and month of arrival, the days that the present versions took to arrive."""
    parts = []
    for table in tables:
        names = {c.name for c in table.columns}
        if happened := next((n for n in HAPPENED if n in names), None):
            parts.append(
                f"select '{table.name}' as table_name, {_source(names)} as source, valid_from as arrived,"  # noqa: S608
                f" {happened} as happened_on from {table.name}"
            )
    if not parts:
        return []
    lake.engine.keep("events", " union all ".join(parts), reused=False)
    rows: list[dict[str, Any]] = sql_job("timeliness").run(lake.engine, params={"zone": zone()}).to_pylist()
    return rows


def zone() -> int:
    """Return by how many microseconds the city's clocks are ahead of UTC now."""
    offset = timezone.localtime().utcoffset()
    return int(offset.total_seconds() * 1_000_000) if offset else 0


def measure(*, folder: Path | None = None, engine: Engine | None = None) -> Report:
    """Measure the present publication and keep the report beside it; raises `NotFound` before the first."""
    place = folder or root()
    with Folder(place).reading() as manifest:
        if manifest is None:
            raise NotFound("lake-none", "There is no lake yet", fix="Run salus lake build")
        with engine or duckdb_engine(memory_limit=MEMORY) as used:
            report = _report(used, place, manifest)
    made = place / f".quality.{uuid4().hex[:8]}"
    made.write_text(json.dumps(report, default=str, ensure_ascii=False), encoding="utf-8")
    os.replace(made, place / "quality.json")
    return report


def _report(engine: Engine, place: Path, manifest: Manifest) -> Report:
    tables = list(manifest.tables.values())
    lake = attach(engine, place, manifest, tables)
    return {
        "publication": manifest.number,
        "read_at": manifest.read_at,
        "tables": {table.name: completeness(lake, table) for table in tables},
        "timeliness": timeliness(lake, tables),
    }


def latest(folder: Path | None = None) -> Report | None:
    """Return the report that was kept last; None if there is none."""
    try:
        found: Report = json.loads((folder or root()).joinpath("quality.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return found
