"""The results of a tender as CSV files, written all or none."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from salus.insurance.tender.running import GroupResult
from salus.insurance.tender.selecting import REASONS
from salus.kernel.errors import Conflict
from salus.kernel.money import to_yuan

COLUMNS = {
    "decisions.csv": (
        "group", "supplier", "reason", "rank", "comparable_fen", "comparable_yuan", "limit_fen", "kept_by",
        "tie", "unmet", "words",
    ),
    "groups.csv": ("group", "reference", "bidders", "winners_allowed", "winners", "share_percent", "years"),
    "regions.csv": ("group", "region", "units", "main", "second", "pick"),
    "volumes.csv": ("group", "institution", "region", "base", "agreed", "free"),
    "savings.csv": ("group", "institution", "units", "saving_yuan"),
    "effects.csv": ("group", "units", "saving_yuan", "fund_yuan", "residents_yuan"),
}  # fmt: skip
"""What `tender run` writes; fractions of fen are exact ("125/3"), yuan beside them rounded for reading."""


def _yuan(value: Fraction | None) -> str:
    if value is None:
        return ""
    scaled = (value * 100 + Fraction(1, 2)) // 1
    return f"{scaled // 10_000}.{scaled % 10_000:04d}"


def _exact(value: Fraction | None) -> str:
    return "" if value is None else str(value)


def rows(results: Sequence[GroupResult]) -> dict[str, list[list[object]]]:
    """Return the rows of each file."""
    made: dict[str, list[list[object]]] = {name: [] for name in COLUMNS}
    for one in results:
        code, outcome = one.group.code, one.outcome
        for decision in outcome.decisions:
            made["decisions.csv"].append(
                [
                    code, decision.supplier, decision.reason, decision.rank or "",
                    _exact(decision.comparable), _yuan(decision.comparable), _exact(decision.limit),
                    decision.kept_by, decision.tie,
                    " ".join(decision.unmet), REASONS[decision.reason],
                ]
            )  # fmt: skip
        made["groups.csv"].append(
            [
                code, str(one.group.reference), outcome.bidders, outcome.allowed, len(outcome.winners),
                outcome.share * 100, outcome.years,
            ]
        )  # fmt: skip
        for region in one.regions:
            made["regions.csv"].append(
                [code, region.region, region.units, region.main, region.second, region.pick or ""]
            )
        for row in one.agreed:
            made["volumes.csv"].append([code, row.institution, row.region, row.base, row.agreed, row.free])
        if one.saving is None:
            continue
        units = {row.institution: row.agreed for row in one.agreed}
        for institution, fen in one.saving.by_institution.items():
            made["savings.csv"].append([code, institution, units[institution], to_yuan(fen)])
        made["effects.csv"].append(
            [
                code, one.saving.units, to_yuan(one.saving.total), to_yuan(one.saving.fund),
                to_yuan(one.saving.residents),
            ]
        )  # fmt: skip
    return made


def write(results: Sequence[GroupResult], out: Path) -> dict[str, int]:
    """Write the results into a folder that must not exist and return the rows of each file.

    Raises:
        Conflict: the folder is there already.
    """
    if out.exists():
        raise Conflict("output-exists", "The folder is there already", where=str(out), fix="Name a new one")
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    made = rows(results)
    for name, lines in made.items():
        with (partial / name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS[name])
            writer.writerows(lines)
    partial.rename(out)
    return {name: len(lines) for name, lines in made.items()}
