"""DIP groups from history, their scores, and the group of each case.

Source: NHSA, DIP technical specification (2020): groups of 15 cases and more are core, the rest is gathered
in mixed groups; the relative weight RW of a group is its mean charge over the mean of all cases.
"""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from salus.engine.contract import Engine
from salus.engine.jobs import Progress
from salus.insurance.dip.parameters import Catalogues, DipParameters
from salus.insurance.payment.amounts import PARTS
from salus.insurance.payment.reading import job
from salus.insurance.payment.weights import weigh

SCHEMA = pa.schema(
    [
        ("dip", pa.string()),
        ("level", pa.string()),
        ("dx", pa.string()),
        ("treatment", pa.string()),
        ("cases", pa.int64()),
        ("kept", pa.int64()),
        ("score", pa.int64()),
        ("mean", pa.int64()),
        ("low", pa.int64()),
        ("high", pa.int64()),
        ("cv", pa.int64()),
    ]
)
"""A row a group. `score` is RW x 1,000 in tenths of a point; `mean`, `low` and `high` are fen; `cv` is in
ten-thousandths. `level` is core, main, mixed or chapter."""
_PACKAGE = "salus.insurance.dip"


@dataclass(frozen=True, slots=True)
class Built:
    """What history gives: the groups (`SCHEMA`), the mean charge of each in each tier, and the coverage.

    `covered` is the share of cases in core, main and mixed groups, `core` that in core groups alone, both in
    ten-thousandths; `enough` says whether the first reaches what the parameters ask.
    """

    groups: pa.Table
    means: pa.Table
    cases: int
    covered: int
    core: int
    enough: bool


def build(
    engine: Engine, rule: DipParameters, catalogues: Catalogues, *, progress: Progress | None = None
) -> Built:
    """Build groups and scores from the engine's `cases`.

    Raises:
        Invalid: no group has a case with a charge (`weights-no-group`).
    """
    _keyed(engine, rule, catalogues, progress)
    found = job("catalogue", _PACKAGE).run(engine, params={"threshold": rule.threshold}, progress=progress)
    engine.register("catalogue", found)
    engine.register("assigned", job("assign", _PACKAGE).run(engine, progress=progress))
    engine.keep("cases_before", "select * from cases")
    engine.keep(
        "cases",
        "select c.* replace (a.dip as drg, '' as adrg) from cases_before c join assigned a on c.id = a.id",
    )
    try:
        weights = weigh(engine, rule.weighting)
        means = job("means", _PACKAGE).run(engine, params={"tier_cases": rule.tier_cases})
    finally:
        engine.keep("cases", "select * from cases_before")
    scored = {row["drg"]: row for row in weights.to_pylist()}
    rows = [
        {
            **row,
            **{name: scored[row["dip"]][name] for name in ("kept", "mean", "low", "high", "cv")},
            "score": scored[row["dip"]]["weight"],
        }
        for row in found.to_pylist()
    ]
    total = sum(row["cases"] for row in rows)
    core = sum(row["cases"] for row in rows if row["level"] == "core")
    covered = sum(row["cases"] for row in rows if row["level"] != "chapter")
    return Built(
        groups=pa.Table.from_pylist(rows, SCHEMA),
        means=means,
        cases=total,
        covered=covered * PARTS // total,
        core=core * PARTS // total,
        enough=covered * PARTS >= rule.coverage * total,
    )


def assign(
    engine: Engine,
    groups: pa.Table,
    rule: DipParameters,
    catalogues: Catalogues,
    *,
    progress: Progress | None = None,
) -> pa.Table:
    """Group the engine's `cases` by a catalogue; returns id, dx4, ops, main, treatment, dip and level.

    A case that the catalogue has no group for has no `dip` and the level `none`. The result is also
    registered as `assigned`.
    """
    _keyed(engine, rule, catalogues, progress)
    engine.register("catalogue", groups.select(["dip", "level", "dx", "treatment"]))
    assigned = job("assign", _PACKAGE).run(engine, progress=progress)
    engine.register("assigned", assigned)
    return assigned


def _keyed(engine: Engine, rule: DipParameters, catalogues: Catalogues, progress: Progress | None) -> None:
    telling = pa.table({"kind": pa.array(rule.key_kinds, pa.string())})
    keyed = job("keys", _PACKAGE).run(
        engine, {"kinds": catalogues.kinds, "telling": telling}, progress=progress
    )
    engine.register("keyed", keyed)


def explain(row: dict[str, str], groups: pa.Table) -> list[str]:
    """Return how a case (a row of `assign`) came to its group, level by level, in plain words."""
    known = set(pc.unique(groups["dip"]).to_pylist())
    dx4, ops, main, treatment = row["dx4"], row["ops"], row["main"], row["treatment"]
    tried = [
        (f"{dx4}:{ops}", "the diagnosis with all its procedures"),
        (f"{dx4}:{main}+", "the diagnosis with its main procedure"),
        (f"{dx4[:3]}*:{treatment}", "the category with the kind of treatment"),
        (f"{dx4[:1]}**:{treatment}", "the chapter letter with the kind of treatment"),
    ]
    lines: list[str] = []
    for name, words in tried:
        if name == f"{dx4}:-+":
            continue
        if name in known:
            return [*lines, f"{words}: {name} has enough cases: the case belongs to it"]
        lines.append(f"{words}: {name} has too few cases for a group")
    return [*lines, "no group: the case is paid by item"]
