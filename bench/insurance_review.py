"""Recall of planted fraud at precision 0.7, by kind and strength, beside the adjudication's edits alone.

For each kind and strength the list is cut where its precision is still 0.7, as if only that had been planted:
claims in which something else was planted are set aside, for the review and for the edits alike.
"""

import tempfile
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bench import Measured, figure

PRECISION = 0.7
STRENGTHS = (1, 2, 3, 4, 5)
UNSEEN = 20_262
"""The seed of the city that is measured; no weight was fitted and nothing was tuned on it."""
FITTED_ON = (101, 102, 103, 104)
Truth = Mapping[str, Mapping[str, int]]
"""Per kind the strength of each claim in which it was planted."""


def built(folder: Path, residents: int, seed: int) -> Path:
    """Write a city's insurance."""
    from salus.city.insurance.building import build_insurance

    build_insurance(folder, residents, seed, workers=2)
    return folder


def sources(city: Path) -> dict[str, Any]:
    """Return what a review reads of a city, with the starter scheme's complications."""
    from salus.insurance.review.reviewing import starter_severity

    cases = pq.read_table(city / "cases.parquet", columns=["person_id", "discharged", "died"])
    died = cases.filter(cases.column("died")).select(["person_id", "discharged"])
    names = ("claims", "claim_lines", "persons", "institutions", "catalogue")
    return {
        **{name: str(city / f"{name}.parquet") for name in names},
        "severity": starter_severity(),
        "deaths": died.rename_columns(["person_id", "died"]),
    }


def truth(city: Path) -> dict[str, dict[str, int]]:
    """Return what was planted, the strongest act where a claim has several of one kind."""
    found: dict[str, dict[str, int]] = {}
    for row in pq.read_table(city / "truth" / "fraud.parquet").to_pylist():
        kind = found.setdefault(row["kind"], {})
        kind[row["claim_id"]] = max(kind.get(row["claim_id"], 0), row["strength"])
    return found


def measured(city: Path) -> dict[str, pa.Table]:
    """Return the review's candidates of a city."""
    from salus.engine import duckdb_engine
    from salus.insurance.review import candidates

    with duckdb_engine(memory_limit="6GB", threads=2) as engine:
        return candidates(engine, sources(city))


def fit_weights(cities: Iterable[Path]) -> list[tuple[str, str, float]]:
    """Return (kind, term, weight) fitted on cities whose truth is known, never on the measured one."""
    from salus.insurance.review.scoring import TERMS, fit, kinds, measures_of, term_name

    known = [(measured(city), truth(city)) for city in cities]
    rows = []
    for kind in kinds():
        measures = np.concatenate([measures_of(tables[kind.kind]) for tables, _ in known])
        strength = np.concatenate([_strength(tables[kind.kind], told, kind.kind) for tables, told in known])
        kept = strength >= 0
        for term, weight in zip(TERMS, fit(measures[kept], strength[kept] > 0), strict=True):
            rows.append((kind.kind, term_name(term), weight))
    return rows


def _strength(table: pa.Table, told: Truth, kind: str) -> NDArray[np.int64]:
    """Return each candidate's strength: 0 where nothing was planted, -1 where only something else was."""
    planted = told.get(kind, {})
    others = set().union(*(claims for name, claims in told.items() if name != kind))
    claims = table.column("claim_id").to_pylist()
    return np.array([planted.get(c, -1 if c in others else 0) for c in claims], dtype=np.int64)


def recall(score: NDArray[np.float64], caught: NDArray[np.bool_], total: int) -> float:
    """Return the recall at the lowest cut of a ranked list whose precision is still 0.7."""
    hits = np.cumsum(caught[np.argsort(-score, kind="stable")])
    good = np.flatnonzero(hits / np.arange(1, len(hits) + 1) >= PRECISION)
    return float(hits[good[-1]] / total) if len(good) and total else 0.0


def curve_of_review(tables: Mapping[str, pa.Table], told: Truth) -> dict[str, list[float]]:
    """Return per kind the recall at each strength, as if only that strength had been planted."""
    from salus.insurance.review.scoring import kinds, measures_of, probabilities

    curves = {}
    for kind in kinds():
        table, planted = tables[kind.kind], told.get(kind.kind, {})
        score, strength = probabilities(kind, measures_of(table)), _strength(table, told, kind.kind)
        curves[kind.kind] = [
            recall(score[kept], strength[kept] == one, sum(s == one for s in planted.values()))
            for one in STRENGTHS
            for kept in [(strength == 0) | (strength == one)]
        ]
    return curves


def edits_of(city: Path) -> dict[str, set[str]]:
    """Return the claims that each edit names, be it as the failing claim or as the one it is held against."""
    from salus.insurance.adjudication import adjudicate_batch, load_rules
    from salus.insurance.adjudication.tables import INPUTS

    names = (
        "claims", "claim_lines", "catalogue", "institutions", "persons", "coverage", "statuses",
        "registrations",
    )  # fmt: skip
    tables = {name: INPUTS[name].conform(pq.read_table(city / f"{name}.parquet")) for name in names}
    day = date(2026, 6, 1)
    findings = adjudicate_batch(tables, load_rules(as_of=day), as_of=day).findings
    known = set(tables["claims"].column("claim_id").to_pylist())
    found: dict[str, set[str]] = {}
    for row in findings.select(["claim_id", "code", "params"]).to_pylist():
        named = found.setdefault(row["code"], set())
        named.add(row["claim_id"])
        for part in (row["params"] or "").split(";"):
            other = part.partition("=")[2]
            if other in known:
                named.add(other)
    return found


def curve_of_edits(edits: Mapping[str, set[str]], told: Truth) -> dict[str, list[float]]:
    """Return the recall of the edits alone: the codes that keep precision 0.7, chosen with hindsight."""
    return {
        kind: [
            _union(
                edits.values(), {c for c, s in planted.items() if s == one},
                {c for claims in told.values() for c in claims} - {c for c, s in planted.items() if s == one},
            )
            for one in STRENGTHS
        ]
        for kind, planted in told.items()
    }  # fmt: skip


def _union(edits: Iterable[set[str]], wanted: set[str], aside: set[str]) -> float:
    sets = sorted((one - aside for one in edits), key=lambda one: -len(one & wanted) / max(len(one), 1))
    chosen: set[str] = set()
    for one in sets:
        more = chosen | one
        if one & wanted and len(more & wanted) / len(more) >= PRECISION:
            chosen = more
    return len(chosen & wanted) / len(wanted) if wanted else 0.0


def compared(city: Path) -> tuple[dict[str, list[float]], dict[str, list[float]], dict[str, list[int]]]:
    """Return the curves of review and edits, and how many claims each point stands on."""
    told = truth(city)
    counts = {
        kind: [sum(s == one for s in planted.values()) for one in STRENGTHS] for kind, planted in told.items()
    }
    return curve_of_review(measured(city), told), curve_of_edits(edits_of(city), told), counts


def _mean(curves: Mapping[str, list[float]], counts: Mapping[str, list[int]]) -> float:
    points = [
        point
        for kind, curve in curves.items()
        for point, n in zip(curve, counts.get(kind, [0] * 5), strict=True)
        if n
    ]
    return float(np.mean(points)) if points else 0.0


@figure("fraud-recall", room="insurance", unit="recall", target=0.6, peer="adjudication edits alone")
def fraud_recall(quick: bool) -> Measured:
    """Recall of planted fraud at precision 0.7, mean over kinds and strengths, on an unseen seed."""
    with tempfile.TemporaryDirectory() as folder:
        city = built(Path(folder) / "city", 12_000 if quick else 150_000, UNSEEN)
        review, edits, counts = compared(city)
    words = "; ".join(
        f"{kind} "
        + " ".join(f"{r:.2f}/{e:.2f}" for r, e in zip(review[kind], edits.get(kind, [0.0] * 5), strict=True))
        for kind in review
    )
    note = f"review/edits at strengths 1 to 5 (barely to strongly visible): {words}"
    return Measured([_mean(review, counts)], [_mean(edits, counts)], note=note)
