"""Which records are compared: blocking rules chosen from the table, and blocks too large to say anything."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import duckdb

from salus.kernel.errors import Invalid
from salus.record.identity.engine.pairs import key_of

_SINGLE = 30  # a rule of one column may give so many pairs a driver
_SEVERAL = 6
_MOST = 6  # rules of several columns
_SAMPLE = 1_000_000
_HEAVY = 100
_EQUAL = re.compile(r'l\."([^"]+)" = r\."([^"]+)"')
_COVERED = 0.95  # of the drivers must be in blocks that are not left out


@dataclass(frozen=True, slots=True)
class Rule:
    """A blocking rule: its keys (columns, or `column:year`, `column:day` of dates), about how many pairs."""

    keys: tuple[str, ...]
    pairs: int

    @property
    def name(self) -> str:
        """The keys in words."""
        return " + ".join(self.keys)


def choose(
    con: duckdb.DuckDBPyConnection, columns: Sequence[str], dates: Sequence[str], *, limit: int
) -> list[Rule]:
    """Choose rules for the tables `drivers` (each is compared) and `records` (with which it is compared).

    A column alone is a rule where it gives at most 30 pairs a driver; two columns, or three with a part
    of a date, are one where no part of them is and they give at most 6. Counted on a sample of a million
    records where there are more; blocks over `limit` records do not count, for they are left out.
    """
    n = _one(con, "select count(*) from records")
    drivers = _one(con, "select count(*) from drivers where strong_id is null")
    if not drivers:
        return []
    every = max(1, round(n / _SAMPLE))
    con.execute(
        "create or replace temp table linkage_sample as select *, (strong_id is null)::int as driver"  # noqa: S608
        f" from records where hash(rid) % {every} = 0"
    )

    def pairs(keys: Sequence[str]) -> int:
        listed = ", ".join(key_of(k, "s") for k in keys)
        there = " and ".join(f"{key_of(k, 's')} is not null" for k in keys)
        small = f"n <= {max(2, limit // every)}"
        query = (
            f"select coalesce(sum(b * (n - b) + b * (b - 1) / 2) filter (where {small}), 0),"  # noqa: S608
            f" coalesce(sum(b) filter (where {small}), 0), coalesce(sum(b), 0)"
            " from (select count(*)::hugeint as n,"
            f" sum(driver)::hugeint as b from linkage_sample s where {there} group by {listed})"
        )
        count, covered, whole = con.execute(query).fetchall()[0]
        return int(count) * every * every if covered >= _COVERED * whole else 0

    found: list[Rule] = []
    single, several = max(_SINGLE * drivers, 100_000), max(_SEVERAL * drivers, 25_000)
    for column in columns:
        if 0 < (count := pairs((column,))) <= single:
            found.append(Rule((column,), count))
    left = [c for c in columns if (c,) not in {r.keys for r in found}]
    more: list[Rule] = []
    parts = [f"{c}:{part}" for c in dates if c in left for part in ("year", "day")]
    tried = [
        *combinations(left, 2),
        *combinations(left, 3),
        *((*two, p) for two in combinations(left, 2) for p in parts),
    ]
    for keys in tried:
        if any(set(r.keys) <= set(keys) for r in more) or len({k.split(":")[0] for k in keys}) < len(keys):
            continue
        if 0 < (count := pairs(keys)) <= several:
            more.append(Rule(keys, count))
    con.execute("drop table linkage_sample")
    chosen = sorted(more, key=lambda r: r.pairs)[:_MOST]
    return sorted(found + chosen, key=lambda r: (r.pairs, r.keys))


def of_model(splink: Mapping[str, Any]) -> list[Rule]:
    """Return the blocking rules of Splink settings. Raises `Invalid` on other than equalities."""
    found = []
    for entry in splink["blocking_rules_to_generate_predictions"]:
        text = entry["blocking_rule"]
        parts = [
            _EQUAL.fullmatch(part.strip(" ()")) for part in re.split(r"\band\b", text, flags=re.IGNORECASE)
        ]
        keys = [m[1] for m in parts if m and m[1] == m[2]]
        if len(keys) != len(parts):
            raise Invalid("link-model", "A blocking rule of the model is no equality of columns", where=text)
        found.append(Rule(tuple(keys), 0))
    return found


def leave_out(con: duckdb.DuckDBPyConnection, rule: Rule, limit: int, folder: Path) -> int:
    """Make `linkage_heavy`, the rule's keys that more than `limit` records share; return how many.

    It is a Parquet file of that name in `folder`, and a view of it.
    """
    file = folder / "linkage_heavy.parquet"
    keys = [f"k{i}" for i in range(len(rule.keys))]
    listed = ", ".join(f"{key_of(k, 'd')} as {name}" for k, name in zip(rule.keys, keys, strict=True))
    there = " and ".join(f"{key_of(k, 'd')} is not null" for k in rule.keys)
    same = " and ".join(f"{key_of(k, 'x')} = {name}" for k, name in zip(rule.keys, keys, strict=True))
    con.execute(
        "copy (with often as"  # noqa: S608
        f" (select {listed} from drivers d where strong_id is null and {there} group by all"
        f" having count(*) > {min(limit, _HEAVY)})"
        f" select {', '.join(keys)} from records x join often on {same} group by all"
        f" having count(*) > {limit})"
        f" to '{file}' (format parquet)"
    )
    con.execute(f"create or replace temp view linkage_heavy as from '{file}'")
    return int(_one(con, "select count(*) from linkage_heavy"))


def not_heavy(rule: Rule) -> str:
    """Return the condition that a driver's block is not one of `linkage_heavy`."""
    same = " and ".join(f"h.k{i} = {key_of(k, 'd')}" for i, k in enumerate(rule.keys))
    return f"not exists (select 1 from linkage_heavy h where {same})"  # noqa: S608


def _one(con: duckdb.DuckDBPyConnection, query: str) -> int:
    row = con.execute(query).fetchall()[0]
    return int(row[0])
