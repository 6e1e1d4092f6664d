"""A review of claims: prepare, measure by the jobs, weigh, rank."""

import csv
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from salus.engine.contract import Engine, Source
from salus.engine.jobs import Job, load_job
from salus.insurance.review.scoring import Floats, Kind, evidence, kinds, measures_of, probabilities
from salus.insurance.review.tables import CANDIDATES, INPUTS, MEASURES, OUTPUT, schema_of
from salus.kernel.errors import Invalid

PRIOR = 3
"""Expected cases that pull a unit's ratio towards one."""
UNTRACED = 0.15
"""Share of true complications that leave no trace in what is billed: an assumption."""
LEAST = 0.02
"""Rows below this probability are not listed."""
PREPARED = ("facts", "marks")
Progress = Callable[[str, int, int], None]


@lru_cache(maxsize=16)
def job(name: str) -> Job:
    """Return a checked job of the room."""
    return load_job(Path(__file__).with_name(f"{name}.sql"))


def prepare(engine: Engine, sources: Mapping[str, Source]) -> dict[str, str]:
    """Register what the jobs read under names of their own; return the names by the jobs' names.

    Raises:
        Invalid: a table that must be there is missing, or lacks a column.
    """
    for name, (needed, columns) in INPUTS.items():
        if name not in sources:
            if needed:
                raise Invalid("review-table", "A table is missing", where=name, fix=f"Give {name}")
            engine.register(name, schema_of(name).empty_table())
            continue
        engine.register(name, sources[name])
        lacking = [column for column, _, _ in columns if column not in engine.schema(name).names]
        if lacking:
            raise Invalid(
                "review-column", "A column is missing", where=f"{name}: {', '.join(lacking)}",
                fix="See --schema",
            )  # fmt: skip
    _items(engine)
    _deaths(engine)
    return {name: name for name in (*INPUTS, "items")}


def _items(engine: Engine) -> None:
    """Register the catalogue as the jobs read it: medicines by molecule where it is told."""
    what = "coalesce(molecule, item)" if "molecule" in engine.schema("catalogue").names else "item"
    table = engine.run(
        f"select item, min({what}) as what, min(coalesce(kind, 'service')) as sort, min(bundle) as bundle,"  # noqa: S608
        " cast(max(coalesce(ceiling_3, 0)) as bigint) as price from catalogue group by item"
    )
    engine.register("items", table)


def _deaths(engine: Engine) -> None:
    """Join what registers and discharges say of deaths, the earliest of each person."""
    table = engine.run(
        "select person_id, min(died) as died from (select person_id, died from deaths union all"
        " select person_id, death_date as died from persons) told where died is not null group by person_id"
    )
    engine.register("deaths", table)


def starter_severity() -> pa.Table:
    """Return the complications and comorbidities of the scheme that Salus ships."""
    text = files("salus.insurance").joinpath("rules", "starter_scheme", "cc.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    levels = pa.array([{"CC": 1, "MCC": 2}[row["level"]] for row in rows], pa.int64())
    return pa.table({"code": pa.array([row["dx"] for row in rows], pa.string()), "level": levels})


def candidates(
    engine: Engine, sources: Mapping[str, Source], progress: Progress | None = None
) -> dict[str, pa.Table]:
    """Return what the jobs measured, a table of candidates a kind.

    `sources` are the tables of `tables.INPUTS` by name, in any form that the engine takes.
    """
    prepare(engine, sources)
    jobs = list(dict.fromkeys(kind.job for kind in kinds()))
    total = len(PREPARED) + len(jobs)
    for done, name in enumerate(PREPARED):
        if progress:
            progress(name, done, total)
        engine.register(name, job(name).run(engine, {}, _params(name)))
    found = {}
    for done, name in enumerate(jobs, len(PREPARED)):
        if progress:
            progress(name, done, total)
        found[name] = job(name).run(engine, {}, _params(name))
    if progress:
        progress("ranking", total, total)
    return {kind.kind: _candidates(kind, found[kind.job]) for kind in kinds()}


def _params(name: str) -> dict[str, Any]:
    known = {"prior": PRIOR, "untraced": UNTRACED}
    return {param: known[param] for param in job(name).params}


def _candidates(kind: Kind, table: pa.Table) -> pa.Table:
    named = table.append_column("kind", pa.array([kind.kind] * table.num_rows, pa.string()))
    ordered = named.sort_by([("claim_id", "ascending"), ("what", "ascending")])
    return ordered.select(CANDIDATES.names).cast(CANDIDATES)


def review(
    engine: Engine,
    sources: Mapping[str, Source],
    progress: Progress | None = None,
    *,
    known: tuple[Kind, ...] | None = None,
    least: float = LEAST,
) -> pa.Table:
    """Return the ranked list (`tables.OUTPUT`) of suspicious claims.

    `known` are kinds with weights of one's own; rows under the probability `least` are left out.
    """
    whole = ranked(engine, sources, progress, known=known, least=least)
    return whole.select([name for name, _ in OUTPUT])


def ranked(
    engine: Engine,
    sources: Mapping[str, Source],
    progress: Progress | None = None,
    *,
    known: tuple[Kind, ...] | None = None,
    least: float = LEAST,
) -> pa.Table:
    """Return the list of `review` with the measures (`tables.MEASURES`) of each row beside it."""
    measured = candidates(engine, sources, progress)
    parts = []
    for kind in known or kinds():
        table = measured[kind.kind]
        chance = probabilities(kind, measures_of(table))
        parts.append(_listed(kind, table, chance, np.flatnonzero(chance >= least)))
    whole = pa.concat_tables(parts)
    facts = engine.run("select claim_id, institution, department, charge from facts")
    joined = whole.join(facts, "claim_id").sort_by(
        [("probability", "descending"), ("kind", "ascending"), ("claim_id", "ascending")]
    )
    expected = 1 - joined.column("probability").to_numpy()
    place = np.arange(1, joined.num_rows + 1)
    joined = joined.append_column("place", pa.array(place))
    return joined.append_column("false_share", pa.array(np.cumsum(expected) / place))


def _listed(kind: Kind, table: pa.Table, chance: Floats, chosen: NDArray[np.int64]) -> pa.Table:
    rows = table.take(pa.array(chosen))
    words = [
        evidence(kind, row["what"] or "", row["other"] or "", {x: row[x] for x in MEASURES})
        for row in rows.to_pylist()
    ]
    return pa.table(
        {
            "kind": rows.column("kind"), "claim_id": rows.column("claim_id"),
            "other_claim_id": rows.column("other"), "what": rows.column("what"),
            "probability": pa.array(np.round(chance[chosen], 6)), "evidence": pa.array(words, pa.string()),
            **{x: rows.column(x) for x in MEASURES},
        }
    )  # fmt: skip
