"""Reading the lake: one publication, as of a date, with the person each row belongs to, on either engine."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
from django.conf import settings
from django.db import connection
from django.utils import timezone

from salus.engine import duckdb_engine
from salus.engine.contract import Engine, Parameters
from salus.engine.jobs import Job
from salus.kernel import audit, policy
from salus.kernel.errors import Invalid, NotFound
from salus.kernel.policy import Principal, Target
from salus.record.lake import relations
from salus.record.lake.folder import Folder
from salus.record.lake.manifest import Manifest, Table
from salus.record.store import stamp

Persons = Literal["as-of", "current"]
RESEARCH = "HRESCH"
"""HL7 v3 PurposeOfUse: healthcare research. What needs a resident's consent."""
CONSENTED = frozenset({RESEARCH, "CLINTRCH", "HMARKT"})
"""Purposes that residents may refuse. Duties under law (public health, payment) do not ask."""


def root() -> Path:
    """Return the installation's lake."""
    return Path(settings.DATA_DIR) / "lake"


@dataclass(slots=True)
class Lake:
    """One publication of the lake, open in an engine: `lake.run("select … from patient")`.

    `manifest` says which; `at` is the instant asked for (µs since 1970 UTC), None for now. `tables` are the
    names that can be read. Opened for a principal, every answer has its audit row before it leaves.
    """

    engine: Engine
    manifest: Manifest
    at: int | None
    tables: list[str] = field(default_factory=list)
    asking: Principal | None = None
    said: dict[str, Any] = field(default_factory=dict)

    def run(self, sql: str, params: Parameters | None = None) -> pa.Table:
        """Run one select over the tables."""
        rows = self.engine.run(sql, params)
        self._note(sql, rows.num_rows)
        return rows

    def write(self, sql: str, path: Path, params: Parameters | None = None) -> int:
        """Write the rows of one select as Parquet (`Engine.write`) and return how many they were."""
        self._note(sql, None)
        count = self.engine.write(sql, path, params=params)
        self._note(sql, count)
        return count

    def job(self, job: Job, params: Parameters | None = None) -> pa.Table:
        """Run a job of SQL steps over the tables."""
        rows = job.run(self.engine, params=params)
        self._note(" ".join(job.inputs), rows.num_rows)
        return rows

    def _note(self, sql: str, rows: int | None) -> None:
        if self.asking is None:
            return
        read = mentioned(sql, self.manifest)
        entry = audit.entry(
            self.asking,
            "export",
            resource_type="Lake",
            resource_id=" ".join(read)[:64],
            detail={**self.said, "tables": read[:30], "rows": rows},
        )
        audit.record([entry])


@contextmanager
def open(  # noqa: A001 - the room's own word: lake.reading.open
    *,
    principal: Principal,
    purpose: str,
    as_of: date | datetime | None = None,
    persons: Persons = "as-of",
    tables: Iterable[str] | None = None,
    engine: Engine | None = None,
    folder: Path | None = None,
    reason: str = "",
) -> Iterator[Lake]:
    """Open the lake's tables for reading rows of residents; decided by the policy; each answer is audited.

    `as_of` is an instant, or a day in the city (its end; of today, now): rows are those in force then.
    `persons` is whose the records were known to be at that instant, or are known to be now ("current").
    `tables` are the names wanted (all if None). For a purpose that needs consent, residents who refuse it
    are left out of every date. The files stay in place until the block ends.

    Raises:
        NotAllowed: the principal may not read rows.
        NotFound: there is no lake yet, or no table of a name.
        Invalid: the instant is after the lake's last refresh.
    """
    asking = principal.with_purpose(purpose)
    policy.require(asking, "export", Target("lake_rows"))
    with Folder(folder or root()).reading() as manifest:
        if manifest is None:
            raise NotFound("lake-none", "There is no lake yet", fix="Run salus lake build")
        at = instant(as_of)
        if as_of == timezone.localdate():
            at = None  # today has not ended: as it stands
        elif at is not None and at > manifest.read_at:
            raise Invalid(
                "lake-future", "The lake has not been refreshed up to that instant", where="as_of",
                fix="Run salus lake refresh, or ask for an earlier one",
            )  # fmt: skip
        wanted = _wanted(manifest, tables)
        own = engine is None
        used = engine or duckdb_engine()
        try:
            lake = attach(
                used, folder or root(), manifest, wanted, at=at, persons=persons,
                withheld=withheld_patients(purpose),
            )  # fmt: skip
            lake.asking = asking
            lake.said = {
                "as_of": as_of.isoformat() if as_of else None,
                "persons": persons,
                "publication": manifest.number,
                "reason": reason[:200],
            }
            yield lake
        finally:
            if own:
                used.close()


def _wanted(manifest: Manifest, tables: Iterable[str] | None) -> list[Table]:
    if tables is None:
        return list(manifest.tables.values())
    found = []
    for name in tables:
        if name not in manifest.tables:
            raise NotFound(
                "lake-table", "The lake has no such table", where=name, fix="salus lake tables lists them"
            )
        found.append(manifest.tables[name])
    return found


def attach(
    engine: Engine,
    folder: Path,
    manifest: Manifest,
    tables: Iterable[Table],
    *,
    at: int | None = None,
    persons: Persons = "as-of",
    withheld: set[int] | None = None,
    sensitive: set[int] | None = None,
) -> Lake:
    """Register tables in an engine without asking anybody: for what only gives out counts.

    `withheld` are numbers of patient records whose persons are left out, `sensitive` numbers of resources.
    """
    links = relations.persons(folder, manifest, at if persons == "as-of" else None)
    _define(engine, links)
    out: list[str] = []
    if withheld:
        now = relations.persons(folder, manifest, None)
        _withhold(engine, now, withheld)
        out.append("patient_rid")
    if sensitive:
        engine.register(
            f"{relations.WITHHELD}_rid", pa.table({"rid": pa.array(sorted(sensitive), type=pa.int64())})
        )
        out.append("rid")
    lake = Lake(engine, manifest, at)
    for table in tables:
        relation = relations.table(folder, manifest, table, at, withheld=out)
        if relation is None:
            engine.keep(table.name, relations.empty(table), reused=False)
        else:
            _define(engine, relation)
        lake.tables.append(table.name)
    return lake


def _define(engine: Engine, relation: relations.Relation) -> None:
    for name, files in relation.sources.items():
        engine.register(name, files, format="parquet")
    engine.keep(relation.name, relation.sql, reused=False)


def _withhold(engine: Engine, now: relations.Relation, patients: set[int]) -> None:
    """Leave out every record of the persons whose records these are, as persons are known now."""
    refused = pa.table({"patient_rid": pa.array(sorted(patients), type=pa.int64())})
    engine.register("lake_refused", refused)
    for name, files in now.sources.items():
        engine.register(name, files, format="parquet")
    engine.keep(
        f"{relations.WITHHELD}_patient_rid",
        f"select o.patient_rid from ({now.sql}) o where o.person_id in (select n.person_id from ({now.sql}) n"  # noqa: S608
        " join lake_refused f on f.patient_rid = n.patient_rid)"
        " union select patient_rid from lake_refused",
    )


def withheld_patients(purpose: str) -> set[int]:
    """Return the patient records whose residents refuse a purpose that needs their consent."""
    if purpose not in CONSENTED:
        return set()
    from salus.record import consent

    with connection.cursor() as cursor:
        return set(consent.withdrawn(cursor, purpose))


def instant(as_of: date | datetime | None) -> int | None:
    """Return an instant as µs since 1970 UTC; a day is its last microsecond in the city."""
    if as_of is None:
        return None
    if not isinstance(as_of, datetime):
        as_of = timezone.make_aware(datetime.combine(as_of + timedelta(days=1), time.min))
        return stamp.micros(as_of) - 1
    if timezone.is_naive(as_of):
        as_of = timezone.make_aware(as_of)
    return stamp.micros(as_of)


_NAMES = re.compile(r"[a-z_][a-z0-9_]*")


def mentioned(sql: str, manifest: Manifest) -> list[str]:
    """Return the tables that a statement may read, by the words in it."""
    words = set(_NAMES.findall(sql.lower()))
    return [name for name in manifest.tables if name in words]
