"""From measures to probabilities: logistic weights, and their fitting on verdicts."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from salus.insurance.review.tables import MEASURES
from salus.kernel.errors import Invalid

Floats = NDArray[np.float64]
TERMS: tuple[tuple[int, ...], ...] = (
    (), (0,), (1,), (2,), (3,), (4,), (5,),
    (0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (0, 3), (0, 4), (1, 2), (1, 3), (2, 3), (2, 4),
)  # fmt: skip
"""What is weighed: a constant, each measure, and products of measures, by their places in MEASURES."""
RIDGE = 1.0
ROUNDS = 60


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of suspicion: the job that measures it, its words, and its weights, one a term."""

    kind: str
    job: str
    name_en: str
    name_zh: str
    evidence: str
    evidence_zh: str
    weights: tuple[float, ...]


def term_name(term: tuple[int, ...]) -> str:
    """Return how the rules call a term: `1`, `x1`, `x1*x2`."""
    return "*".join(MEASURES[place] for place in term) or "1"


def _rows(name: str) -> list[dict[str, str]]:
    text = files("salus.insurance").joinpath("rules", name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


@cache
def kinds() -> tuple[Kind, ...]:
    """Return the kinds with the weights that ship with Salus."""
    return read_kinds(_rows("review_weights.csv"))


def read_kinds(weights: list[dict[str, str]]) -> tuple[Kind, ...]:
    """Return the kinds with weights from rows of `kind`, `term`, `weight`.

    Raises:
        Invalid: a kind or term is not known, or a weight is no number.
    """
    names = [term_name(term) for term in TERMS]
    facts = _rows("review_kinds.csv")
    found: dict[str, list[float]] = {row["kind"]: [0.0] * len(TERMS) for row in facts}
    for line, row in enumerate(weights, 2):
        try:
            found[row["kind"]][names.index(row["term"])] = float(row["weight"])
        except (KeyError, ValueError):
            raise Invalid(
                "review-weight", "A weight names no known kind and term, or is no number",
                where=f"row {line}", fix="Columns are kind, term and weight; see --schema",
            ) from None  # fmt: skip
    return tuple(
        Kind(
            r["kind"],
            r["job"],
            r["name_en"],
            r["name_zh"],
            r["evidence"],
            r["evidence_zh"],
            tuple(found[r["kind"]]),
        )
        for r in facts
    )


def terms(measures: Floats) -> Floats:
    """Return the terms of measures, shapes (rows, 6) to (rows, terms)."""
    columns = [np.prod(measures[:, list(term)], axis=1) for term in TERMS]
    return np.stack(columns, axis=1) if len(measures) else np.zeros((0, len(TERMS)))


def probabilities(kind: Kind, measures: Floats) -> Floats:
    """Return the probability that a review would confirm each row."""
    return _logistic(terms(measures) @ np.array(kind.weights))


def fit(measures: Floats, confirmed: NDArray[np.bool_]) -> tuple[float, ...]:
    """Return the weights that make verdicts most likely, by Newton steps with a ridge on scaled terms.

    `measures` has shape (rows, 6), `confirmed` (rows). Source: Hosmer and Lemeshow 2000, ch. 1; le Cessie
    and van Houwelingen 1992 (ridge).

    Raises:
        Invalid: there are no rows, or all verdicts are the same.
    """
    if not len(confirmed) or confirmed.all() or not confirmed.any():
        raise Invalid("review-verdicts", "Weights need both confirmed and dismissed claims")
    design = terms(measures)
    mean, spread = design.mean(axis=0), design.std(axis=0)
    mean[0], spread[0] = 0.0, 1.0
    used = spread > 1e-9
    scaled = np.where(used, (design - mean) / np.where(used, spread, 1), 0)
    weights = np.zeros(design.shape[1])
    weights[0] = np.log(confirmed.mean() / (1 - confirmed.mean()))
    ridge = np.full(len(weights), RIDGE)
    ridge[0] = 1e-6
    for _ in range(ROUNDS):
        chance = _logistic(scaled @ weights)
        slope = scaled.T @ (confirmed - chance) - ridge * weights
        curve = (scaled * (chance * (1 - chance))[:, None]).T @ scaled + np.diag(ridge)
        step, size = np.linalg.solve(curve, slope), 1.0
        before = _penalised(scaled, confirmed, weights, ridge)
        while size > 1e-6 and _penalised(scaled, confirmed, weights + size * step, ridge) < before:
            size /= 2
        weights = weights + size * step
        if np.abs(size * step).max() < 1e-7:
            break
    plain = np.where(used, weights / np.where(used, spread, 1), 0)
    plain[0] = weights[0] - (plain * mean)[1:].sum()
    return tuple(float(one) for one in plain)


def _logistic(line: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(line, -35, 35))))


def _penalised(design: Floats, confirmed: NDArray[np.bool_], weights: Floats, ridge: Floats) -> float:
    line = design @ weights
    return float((confirmed * line - np.logaddexp(0, line)).sum() - (ridge * weights * weights).sum() / 2)


def measures_of(table: pa.Table) -> Floats:
    """Return the measures of candidates, shape (rows, 6)."""
    return np.stack([table.column(x).to_numpy().astype(float) for x in MEASURES], axis=1)


def evidence(
    kind: Kind, what: str, other: str, values: Mapping[str, float], language: Literal["en", "zh"] = "en"
) -> str:
    """Return the words of a row's evidence; ratios are given back from their logarithms."""
    known = {**values, **{f"r{x[1:]}": float(np.exp(min(values[x], 20.0))) for x in MEASURES}}
    words = kind.evidence_zh if language == "zh" else kind.evidence
    return words.format(what=what, other=other, **known)
