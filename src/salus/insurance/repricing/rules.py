"""The rules of a re-pricing: steps, bounds, limits and goal, read from TOML and checked."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, cast

from salus.kernel.errors import Invalid, SalusError
from salus.kernel.money import to_fen


@dataclass(frozen=True, slots=True)
class Band:
    """A yuan of deviation weighs `weight` up to the share `to` of the price."""

    to: Fraction
    weight: int


@dataclass(frozen=True, slots=True)
class Step:
    """Prices below `below` fen are multiples of `step` fen."""

    below: int
    step: int


@dataclass(frozen=True, slots=True)
class Bound:
    """From this share of labour on, a price may fall by `down` and rise by `up`, shares of it."""

    labour: Fraction
    down: Fraction
    up: Fraction


@dataclass(frozen=True, slots=True)
class Limit:
    """A change passes freely up to `free`, never beyond `most` (shares); a yuan between weighs `weight`."""

    free: Fraction
    most: Fraction
    weight: int


@dataclass(frozen=True, slots=True)
class Rules:
    """How to re-price. `closeness` in percent; `rates` in ten-thousandths by tier and group; the rest as in
    the file.

    `tolerance` is in fen. `limits` has the keys hospital, tier and group; one that is absent sets no limit.
    """

    steps: tuple[Step, ...]
    bounds: tuple[Bound, ...]
    bands: tuple[Band, ...]
    limits: Mapping[str, Limit]
    rates: Mapping[str, Mapping[str, int]]
    closeness: int = 50
    returned: Fraction = Fraction(1)
    tolerance: int = 100
    least_volume: int = 12
    difficulty: Fraction = Fraction(3, 5)
    risk: Fraction = Fraction(2, 5)

    def at(self, closeness: int) -> "Rules":
        """Return the same rules for another balance of change against targets."""
        return replace(self, closeness=closeness)


@cache
def default_rules() -> Rules:
    """Return the rules that come with the programme."""
    text = resources.files("salus.insurance").joinpath("rules", "repricing_city.toml").read_text("utf-8")
    return rules_from(tomllib.loads(text))


def read_rules(path: Path) -> Rules:
    """Read rules from a TOML file.

    Raises:
        Invalid: it cannot be read, or something in it cannot be.
    """
    try:
        return rules_from(tomllib.loads(path.read_text("utf-8")))
    except OSError:
        raise Invalid("reprice-rules", "The file of rules cannot be read", where=str(path)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise Invalid("reprice-rules", f"The rules are no TOML: {fault}", where=str(path)) from None


def rules_from(table: Mapping[str, Any]) -> Rules:
    """Return the rules that a table in the shape of `rules/repricing_city.toml` holds.

    Raises:
        Invalid: something is missing, unknown or out of range; `where` names it.
    """
    known = {"source", "checked", "neutral", "goal", "steps", "bounds", "limits", "rates"}
    if unknown := sorted(set(table) - known):
        raise _fault("There is no such rule", unknown[0])
    neutral, goal = _table(table, "neutral"), _table(table, "goal")
    return Rules(
        steps=_steps(_list(table, "steps")),
        bounds=_bounds(_list(table, "bounds")),
        bands=_bands(_list(goal, "band")),
        limits={name: _limit(one, name) for name, one in _table(table, "limits").items()},
        rates={
            tier: {
                group: _ten_thousandths(rate, f"rates.{tier}.{group}") for group, rate in row.items()
            }
            for tier, row in _table(table, "rates").items()
        },
        closeness=_whole(goal, "closeness", "goal", 0, 100),
        returned=_share(neutral, "returned", "neutral", 0, 100),
        tolerance=_fen(neutral, "tolerance", "neutral"),
        least_volume=_whole(goal, "least_volume", "goal", 0, 10**6),
        difficulty=_share(goal, "difficulty", "goal", 0, 10_000),
        risk=_share(goal, "risk", "goal", 0, 10_000),
    )  # fmt: skip


def _steps(rows: list[Mapping[str, Any]]) -> tuple[Step, ...]:
    found = [Step(_fen(row, "below", "steps"), _fen(row, "step", "steps")) for row in rows]
    if any(one.step < 1 for one in found):
        raise _fault("A step must be at least one fen", "steps.step")
    if any(a.below >= b.below for a, b in zip(found, found[1:], strict=False)):
        raise _fault("The bands of steps must rise", "steps.below")
    return tuple(found)


def _bounds(rows: list[Mapping[str, Any]]) -> tuple[Bound, ...]:
    found = [
        Bound(
            _share(row, "labour", "bounds", 0, 100),
            _share(row, "down", "bounds", 0, 100),
            _share(row, "up", "bounds", 0, 10_000),
        )
        for row in rows
    ]
    if found[0].labour != 0 or any(a.labour >= b.labour for a, b in zip(found, found[1:], strict=False)):
        raise _fault("The shares of labour must begin at 0 and rise", "bounds.labour")
    return tuple(found)


def _bands(rows: list[Mapping[str, Any]]) -> tuple[Band, ...]:
    found = [
        Band(_share(row, "to", "goal.band", 0, 10**9), _whole(row, "weight", "goal.band", 0, 1000))
        for row in rows
    ]
    for a, b in zip(found, found[1:], strict=False):
        if a.to >= b.to or a.weight > b.weight:
            raise _fault("Bands must rise in reach and not fall in weight", "goal.band")
    return tuple(found)


def _limit(row: Any, name: str) -> Limit:
    where = f"limits.{name}"
    if name not in {"hospital", "tier", "group"} or not isinstance(row, Mapping):
        raise _fault("There is no such limit", where)
    limit = Limit(
        _share(row, "free", where, 0, 10_000), _share(row, "most", where, 0, 10_000),
        _whole(row, "weight", where, 0, 1000),
    )  # fmt: skip
    if limit.free > limit.most:
        raise _fault("What passes freely must not exceed the most allowed", where)
    return limit


def _table(above: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = above.get(name)
    if not isinstance(found, Mapping):
        raise _fault("This table is missing", name)
    return cast(Mapping[str, Any], found)


def _list(above: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = above.get(name)
    if not isinstance(found, list) or not found or not all(isinstance(one, Mapping) for one in found):
        raise _fault("This list of tables is missing", name)
    return found


def _number(value: Any, where: str) -> Decimal:
    if isinstance(value, bool | float) or not isinstance(value, str | int):
        raise _fault('Numbers are whole or texts such as "12.5"', where)
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise _fault("This is no number", where) from None
    if not number.is_finite():
        raise _fault("This is no number", where)
    return number


def _share(row: Mapping[str, Any], name: str, where: str, low: int, high: int) -> Fraction:
    number = _number(row.get(name), f"{where}.{name}")
    if not low <= number <= high:
        raise _fault(f"The percentage must lie between {low} and {high}", f"{where}.{name}")
    return Fraction(number) / 100


def _whole(row: Mapping[str, Any], name: str, where: str, low: int, high: int) -> int:
    number = _number(row.get(name), f"{where}.{name}")
    if number != int(number) or not low <= number <= high:
        raise _fault(f"The number must be whole, from {low} to {high}", f"{where}.{name}")
    return int(number)


def _fen(row: Mapping[str, Any], name: str, where: str) -> int:
    _number(row.get(name), f"{where}.{name}")
    try:
        fen = to_fen(str(row[name]))
    except SalusError as fault:
        raise _fault(fault.message, f"{where}.{name}") from None
    if not 0 <= fen <= 10**12:
        raise _fault("The amount is out of proportion", f"{where}.{name}")
    return fen


def _ten_thousandths(value: Any, where: str) -> int:
    number = _number(value, where) * 100
    if number != int(number) or not 0 <= number <= 10_000:
        raise _fault("A rate lies between 0 and 100 percent, with two decimals", where)
    return int(number)


def _fault(message: str, where: str) -> Invalid:
    return Invalid(
        "reprice-rules", message, where=where, fix="Mend the rules; repricing_city.toml shows their shape"
    )
