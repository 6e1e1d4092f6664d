"""Qualification: criteria that are data, answered for each bidder; what is not met is named."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from importlib.resources import files
from pathlib import Path

from salus.kernel.errors import Invalid

KINDS = ("yes", "number", "date")
OPERATORS = ("=", ">=", "<=")
BASE = "base"
"""A criterion's value that stands for the group's base volume."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """A condition that a bidder must meet: its answer, of a kind, compared with a value."""

    code: str
    title: str
    title_zh: str
    kind: str
    operator: str
    value: str
    valid_from: date


def load_criteria(path: Path | None = None) -> tuple[Criterion, ...]:
    """Read criteria from a CSV file laid out as `rules/tender_qualification.csv`, or that file.

    Raises:
        Invalid: a row has an unknown kind or operator, or a date that is none.
    """
    text = (
        files("salus.insurance").joinpath("rules/tender_qualification.csv").read_text("utf-8")
        if path is None
        else path.read_text("utf-8-sig")
    )
    found = []
    for number, row in enumerate(csv.DictReader(text.splitlines()), 2):
        try:
            valid_from = date.fromisoformat(row["valid_from"] or "")
            known = row["kind"] in KINDS and row["operator"] in OPERATORS and row["code"]
        except (KeyError, ValueError):
            known = ""
        if not known:
            raise Invalid("criterion-malformed", "The criterion is not understood", where=f"line {number}")
        found.append(
            Criterion(
                row["code"],
                row["title"],
                row.get("title_zh") or row["title"],
                row["kind"],
                row["operator"],
                row["value"],
                valid_from,
            )  # fmt: skip
        )
    return tuple(found)


def unmet(
    answers: Mapping[str, str], criteria: Sequence[Criterion], *, on: date, base: int = 0
) -> tuple[str, ...]:
    """Return the codes of the criteria in force on a day that the answers do not meet; no answer meets none.

    Args:
        answers: by criterion: yes or no, a number, or a day (YYYY-MM-DD).
        criteria: what is asked.
        on: the day of the tender's announcement.
        base: the group's base volume promised for a year, which `base` stands for.
    """
    return tuple(
        one.code
        for one in criteria
        if one.valid_from <= on and not _met(answers.get(one.code, ""), one, base)
    )


def _met(answer: str, criterion: Criterion, base: int) -> bool:
    answer = answer.strip().lower()
    if not answer:
        return False
    if criterion.kind == "yes":
        return answer == criterion.value.lower()
    try:
        if criterion.kind == "date":
            given, wanted = date.fromisoformat(answer), date.fromisoformat(criterion.value)
            return _compare(given.toordinal(), criterion.operator, wanted.toordinal())
        wanted_number = Fraction(base) if criterion.value == BASE else Fraction(criterion.value)
        return _compare(Fraction(answer), criterion.operator, wanted_number)
    except (ValueError, ZeroDivisionError):
        return False


def _compare(given: Fraction | int, operator: str, wanted: Fraction | int) -> bool:
    return {"=": given == wanted, ">=": given >= wanted, "<=": given <= wanted}[operator]
