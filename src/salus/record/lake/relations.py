"""What readers see, as SQL over the lake's files: versions in force at an instant, with their person.

Every statement is within what DuckDB and Spark answer equally.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from salus.record.lake.manifest import DataFile, Manifest, Table

LINKS = "lake_links"
LINKS_BASE = "lake_links_base"
PERSONS = "lake_persons"
WITHHELD = "lake_withheld"


@dataclass(frozen=True, slots=True)
class Relation:
    """A name for readers: the files it stands on, each under a name of its own, and the select over them."""

    name: str
    sources: dict[str, list[Path]]
    sql: str


def persons(root: Path, manifest: Manifest, at: int | None) -> Relation:
    """Whose each patient record is: patient_rid, person_id, since valid_from; at an instant, or now."""
    base = [root / f.path for f in manifest.links if f.part == "base"]
    loose = [root / f.path for f in manifest.links if f.part != "base"]
    known = "1 = 1" if at is None else f"valid_from <= {at}"
    sources: dict[str, list[Path]] = {}
    parts: list[str] = []
    if loose:
        sources[LINKS] = loose
        parts.append(
            "select patient_rid, person_id, valid_from from (select patient_rid, person_id, valid_from,"  # noqa: S608 - numbers and our own names
            " row_number() over (partition by patient_rid order by seq desc) as place"
            f" from {LINKS} where {known}) latest where place = 1"
        )
    if base:
        sources[LINKS_BASE] = base
        force = "b.valid_to is null" if at is None else f"(b.valid_to is null or b.valid_to > {at})"
        newer = (
            f" and not exists (select 1 from {LINKS} l where l.patient_rid = b.patient_rid and {known})"  # noqa: S608
            if loose
            else ""
        )
        parts.append(
            f"select b.patient_rid, b.person_id, b.valid_from from {LINKS_BASE} b"  # noqa: S608
            f" where {force} and {known.replace('valid_from', 'b.valid_from')}{newer}"
        )
    if not parts:
        parts.append(
            "select cast(0 as bigint) as patient_rid, cast('' as varchar) as person_id,"
            " cast(0 as bigint) as valid_from where 1 = 0"
        )
    return Relation(PERSONS, sources, " union all ".join(parts))


def table(
    root: Path, manifest: Manifest, one: Table, at: int | None, *, withheld: Sequence[str] = ()
) -> Relation | None:
    """Return a table's versions in force at an instant (None: now), with person_id; None if it has no file.

    `withheld` names columns of the relation `WITHHELD_<column>` whose rows are left out.
    """
    files = [f for f in one.files if _matters(f, at)]
    if not files:
        return None
    rows, closed = f"lake_rows_{one.name}", f"lake_closings_{one.resource_type.lower()}"
    sources = {rows: [root / f.path for f in files]}
    where = (
        ["d.valid_to is null"]
        if at is None
        else [
            f"d.valid_from <= {at}",
            f"(d.valid_to is null or d.valid_to > {at})",
        ]
    )
    closings = [f for f in manifest.closings.get(one.resource_type, ()) if at is None or f.rows]
    if closings:
        sources[closed] = [root / f.path for f in closings]
        then = "" if at is None else f" and c.valid_to <= {at}"
        where.append(
            f"not exists (select 1 from {closed} c where c.rid = d.rid and c.version > d.version{then})"  # noqa: S608
        )
    where += [f"not exists (select 1 from {WITHHELD}_{c} w where w.{c} = d.{c})" for c in withheld]  # noqa: S608
    columns = ", ".join(
        ["p.person_id", *(f"d.{c}" for c in ("rid", "version", "patient_rid", "source_id", "valid_from"))]
        + [f'd."{c.name}"' for c in one.columns]
    )
    sql = (
        f"select {columns} from {rows} d left join {PERSONS} p on p.patient_rid = d.patient_rid"  # noqa: S608
        f" where {' and '.join(where)}"
    )
    return Relation(one.name, sources, sql)


def _matters(file: DataFile, at: int | None) -> bool:
    """Whether a file can hold a version in force at an instant."""
    if not file.rows:
        return False
    return file.part != "past" if at is None else file.since <= at


def empty(one: Table) -> str:
    """Return a select of no rows with a table's columns."""
    kinds = {
        "rid": "bigint",
        "version": "int",
        "patient_rid": "bigint",
        "source_id": "int",
        "valid_from": "bigint",
    }
    columns = ["cast(null as varchar) as person_id"]
    columns += [f"cast(null as {kind}) as {name}" for name, kind in kinds.items()]
    columns += [f'cast(null as {c.type}) as "{c.name}"' for c in one.columns]
    return f"select {', '.join(columns)} where 1 = 0"
