"""Parameters of DIP: named, dated sets from `rules/dip_parameters.toml`, and the catalogues beside it."""

import csv
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from importlib.resources import files
from pathlib import Path
from typing import Any

import pyarrow as pa

from salus.insurance.payment.amounts import PARTS, parts
from salus.insurance.payment.parameters import Parameters, Weighting
from salus.insurance.payment.parameters import parameters as payment_parameters
from salus.kernel.errors import Invalid, NotFound

KINDS = ("surgery", "therapeutic", "diagnostic")
_NEVER = 10**9  # a spread that no group has: of DIP groups none is left out for it


@dataclass(frozen=True, slots=True)
class DipParameters:
    """One set; `coverage`, `low`, `high` in ten-thousandths; `payment` holds reserve, deposit, closing."""

    name: str
    title: str
    valid_from: date
    threshold: int
    coverage: int
    key_kinds: tuple[str, ...]
    weighting: Weighting
    low: int
    high: int
    tier_cases: int
    payment: Parameters


@dataclass(frozen=True, slots=True)
class Catalogues:
    """The tables that go with a set: kinds of procedures, and factors of tier, age and severity."""

    kinds: pa.Table
    tiers: pa.Table
    ages: pa.Table
    severities: pa.Table


def parameters(name: str = "national", *, on: date, path: Path | None = None) -> DipParameters:
    """Return the set of a name that is in force on a day.

    Raises:
        NotFound: none is in force.
        Invalid: the file breaks the form.
    """
    text = path.read_text(encoding="utf-8") if path else _rules("dip_parameters.toml")
    try:
        sets = tomllib.loads(text).get("set", [])
    except tomllib.TOMLDecodeError as error:
        raise Invalid("dip-parameters", f"The file is no TOML: {error}") from None
    valid = [one for one in sets if one.get("name") == name and one.get("valid_from", date.max) <= on]
    if not valid:
        raise NotFound("dip-parameters-none", f"No DIP parameters {name} are in force on {on}")
    one = max(valid, key=lambda found: found["valid_from"])
    try:
        groups, scores, far = one["groups"], one["scores"], one["deviation"]
        found = DipParameters(
            name=name,
            title=str(one.get("title", "")),
            valid_from=one["valid_from"],
            threshold=int(groups["threshold"]),
            coverage=parts(groups["coverage"]),
            key_kinds=tuple(groups["key_kinds"]),
            weighting=Weighting(
                str(scores["trim"]), Fraction(parts(scores["k"]), PARTS),
                tuple(int(y) for y in scores["year_weights"]), 1, _NEVER, "by_item",
            ),
            low=parts(far["low"]),
            high=parts(far["high"]),
            tier_cases=int(far["tier_cases"]),
            payment=payment_parameters(str(one["settlement"]["payment"]), on=on),
        )  # fmt: skip
    except KeyError as error:
        raise Invalid("dip-parameters", f"The set lacks {error}", where=name) from None
    if found.threshold < 1 or not found.low < PARTS < found.high or found.weighting.trim not in _TRIMS:
        raise Invalid(
            "dip-parameters",
            "threshold is at least 1, low under 1, high over 1, trim sd, iqr or none",
            where=name,
        )
    if not set(found.key_kinds) <= set(KINDS):
        raise Invalid("dip-parameters", f"key_kinds are of: {', '.join(KINDS)}", where=name)
    return found


_TRIMS = ("sd", "iqr", "none")


def catalogues(name: str = "national", folder: Path | None = None) -> Catalogues:
    """Return a set's catalogues, from the rules or from files of the same names in a city's folder."""
    whole = {
        key: pa.int64()
        for key in ("factor", "from_age", "to_age", "rank", "min_secondary", "min_los", "max_los")
    }
    kinds = _table("dip_procedures.csv", ("prefix", "kind"), whole, folder)
    return Catalogues(
        kinds=kinds,
        tiers=_table("dip_tiers.csv", ("tier", "factor"), whole, folder, name),
        ages=_table("dip_ages.csv", ("from_age", "to_age", "factor"), whole, folder, name),
        severities=_table(
            "dip_severity.csv",
            ("rank", "level", "died", "min_secondary", "min_los", "max_los", "factor"),
            whole,
            folder,
            name,
        ),
    )


def _table(
    file: str, columns: tuple[str, ...], whole: Mapping[str, pa.DataType], folder: Path | None, name: str = ""
) -> pa.Table:
    own = folder / file if folder else None
    text = own.read_text(encoding="utf-8") if own and own.exists() else _rules(file)
    rows: list[dict[str, Any]] = []
    for number, row in enumerate(csv.DictReader(text.splitlines()), 2):
        if name and row.get("set") != name:
            continue
        try:
            rows.append(
                {
                    column: parts(row[column])
                    if column == "factor"
                    else int(row[column])
                    if column in whole
                    else row[column].strip()
                    for column in columns
                }
            )
        except (KeyError, ValueError, AttributeError):
            raise Invalid(
                "dip-catalogue", "The row lacks a column or a number", where=f"{file}:{number}"
            ) from None
    return pa.Table.from_pylist(
        rows, pa.schema([(column, whole.get(column, pa.string())) for column in columns])
    )


def _rules(file: str) -> str:
    return files("salus.insurance").joinpath(f"rules/{file}").read_text(encoding="utf-8")
