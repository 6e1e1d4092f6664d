"""Comparison vectors: for each field, which level of agreement two records reach.

Each level is written twice, as SQL for batches in DuckDB and as a Python test for one arriving record;
a property test holds the two together. Levels are tried from the strictest to "else"; a value missing
on either side is no evidence either way.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from salus.record.identity.engine.strings import damerau_within, jaro_winkler

Record = Mapping[str, str | None]
Test = Callable[[Record, Record], bool]


@dataclass(frozen=True, slots=True)
class Level:
    """One level of agreement: its name, the SQL condition on `_l` and `_r` columns, the same in Python.

    `term` names the column whose term frequency adjusts the weight.
    """

    label: str
    sql: str
    test: Test
    term: str | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The levels of one field, strictest first, without the missing and else levels."""

    name: str
    columns: tuple[str, ...]
    null_sql: str
    missing: Test
    levels: tuple[Level, ...]

    def vector(self, left: Record, right: Record) -> int:
        """Return -1 if a side is missing, 0 for disagreement, else the level as Splink numbers it."""
        if self.missing(left, right):
            return -1
        for i, level in enumerate(self.levels):
            if level.test(left, right):
                return len(self.levels) - i
        return 0


def _missing(column: str) -> tuple[str, Test]:
    sql = f'"{column}_l" is null or "{column}_r" is null'
    return sql, lambda a, b: a.get(column) is None or b.get(column) is None


def _exact(column: str, *, term: bool = False, label: str = "equal") -> Level:
    return Level(
        label,
        f'"{column}_l" = "{column}_r"',
        lambda a, b: a.get(column) is not None and a.get(column) == b.get(column),
        column if term else None,
    )


def _near(column: str, limit: int) -> Level:
    return Level(
        "one slip" if limit == 1 else "two slips",
        f'damerau_levenshtein("{column}_l", "{column}_r") <= {limit}',
        lambda a, b: damerau_within(a[column] or "", b[column] or "", limit),
    )


def _alike(column: str, at_least: float) -> Level:
    return Level(
        f"similar {at_least}",
        f'jaro_winkler_similarity("{column}_l", "{column}_r") >= {at_least}',
        lambda a, b: jaro_winkler(a[column] or "", b[column] or "") >= at_least,
    )


def _crossed(column: str, other: str) -> Level:
    return Level(
        "in the other field",
        f'("{column}_l" = "{other}_r" or "{other}_l" = "{column}_r")',
        lambda a, b: _same(a.get(column), b.get(other)) or _same(a.get(other), b.get(column)),
    )


def _same(a: str | None, b: str | None) -> bool:
    return a is not None and a == b


def name_part(column: str, other: str | None = None, characters: str | None = None) -> Comparison:
    """Compare given or family names.

    `other` is the column of the other part (order swapped), `characters` the column with the same part
    in Chinese characters, where equal characters say more than equal pinyin.
    """
    sql, missing = _missing(column)
    levels: list[Level] = []
    if characters:
        levels.append(_exact(characters, term=True, label="equal characters"))
    levels.append(_exact(column, term=True))
    if other:
        levels.append(_crossed(column, other))
    levels += [_alike(column, 0.92), _alike(column, 0.8)]
    columns = tuple(c for c in (column, other, characters) if c)
    return Comparison(column, columns, sql, missing, tuple(levels))


def date(column: str) -> Comparison:
    """Compare dates as eight digits: a slipped digit, day and month exchanged, two parts of three."""
    sql, missing = _missing(column)
    left, right = f'"{column}_l"', f'"{column}_r"'
    exchanged = Level(
        "day and month exchanged",
        f"{left}[1:4] = {right}[1:4] and {left}[5:6] = {right}[7:8] and {left}[7:8] = {right}[5:6]",
        lambda a, b: _exchanged(a[column] or "", b[column] or ""),
    )
    parts = Level(
        "two parts of three",
        f"(({left}[1:4] = {right}[1:4])::int + ({left}[5:6] = {right}[5:6])::int"
        f" + ({left}[7:8] = {right}[7:8])::int) >= 2",
        lambda a, b: _parts(a[column] or "", b[column] or "") >= 2,
    )
    return Comparison(column, (column,), sql, missing, (_exact(column), _near(column, 1), exchanged, parts))


def _exchanged(a: str, b: str) -> bool:
    return a[:4] == b[:4] and a[4:6] == b[6:8] and a[6:8] == b[4:6]


def _parts(a: str, b: str) -> int:
    return (a[:4] == b[:4]) + (a[4:6] == b[4:6]) + (a[6:8] == b[6:8])


def number(column: str) -> Comparison:
    """Compare phone numbers and weak identifiers: equal, or one or two slips."""
    sql, missing = _missing(column)
    levels = (_exact(column, term=True), _near(column, 1), _near(column, 2))
    return Comparison(column, (column,), sql, missing, levels)


def code(column: str) -> Comparison:
    """Compare postal codes and house numbers: equal or one slip."""
    sql, missing = _missing(column)
    return Comparison(column, (column,), sql, missing, (_exact(column, term=True), _near(column, 1)))


def words(column: str, other: str | None = None) -> Comparison:
    """Compare address lines and places; `other` is a line that sources mix up with this one."""
    sql, missing = _missing(column)
    levels = [_exact(column, term=True)]
    if other:
        levels.append(_crossed(column, other))
    levels += [_near(column, 2), _alike(column, 0.9)]
    return Comparison(column, (column, other) if other else (column,), sql, missing, tuple(levels))


def category(column: str) -> Comparison:
    """Compare what has few values, as sex: equal or not."""
    sql, missing = _missing(column)
    return Comparison(column, (column,), sql, missing, (_exact(column),))


def vector(comparisons: Sequence[Comparison], left: Record, right: Record) -> tuple[int, ...]:
    """Return the level reached in each comparison."""
    return tuple(c.vector(left, right) for c in comparisons)
