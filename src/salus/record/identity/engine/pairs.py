"""The SQL that weighs pairs by a model: what Splink's prediction gives, without weighing the hopeless ones.

A pair's weight is the prior's plus one weight a comparison. Equality is cheap to test and edit distances
are not, so each pair first gets an upper bound from the equalities alone; where even the bound misses the
cut, the distances are never computed. The pairs returned, and their weights, are those of the full sum.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from salus.kernel.errors import Invalid
from salus.record.identity.engine.weights import Model, Shared

_SLIPS = re.compile(r'damerau_levenshtein\(("[^"]+"), ("[^"]+")\) <= ([12])')
_DISTANCE = re.compile(r"damerau|levenshtein|jaro|jaccard|cosine", re.IGNORECASE)
_ALIKE = re.compile(r"jaro", re.IGNORECASE)
_CALL = re.compile(r'(?:damerau_levenshtein|jaro_winkler_similarity)\("[^"]+", "[^"]+"\)')
_SLICE = re.compile(r'("[^"]+")\[(\d+):(\d+)\]')
_SIDE = re.compile(r'"([^"]+)_([lr])"')
_DIGITS = 6  # weights are rounded to so many digits of a bit, so that engines agree on their order


@dataclass(frozen=True, slots=True)
class _Rung:
    """One level of a comparison: its condition, its weight in bits, the column whose frequency adjusts it."""

    condition: str
    bits: float
    term: str | None
    log_u: float


@dataclass(frozen=True, slots=True)
class _Ladder:
    """A comparison: when it is missing, its levels from the strictest down, and its weight otherwise."""

    name: str
    missing: str
    rungs: tuple[_Rung, ...]
    otherwise: float

    def weight(self, faster: bool) -> str:
        """Return the SQL of the exact weight; with `faster`, distances are tried only where they can hold."""
        cases = "".join(
            f" when {_guarded(r.condition) if faster else r.condition} then {_bits(r)}" for r in self.rungs
        )
        return f"case when {self.missing} then 0.0{cases} else {_number(self.otherwise)} end"

    def bound(self, *, alike: bool) -> str:
        """Return the SQL of a weight never below the exact one, which computes no edit distance.

        Similarities (Jaro–Winkler) are computed with `alike`; else they too are taken to hold.
        """
        cases = ""
        for i, rung in enumerate(self.rungs):
            exact = not _DISTANCE.search(rung.condition) or (alike and bool(_ALIKE.search(rung.condition)))
            if exact:
                cases += f" when {rung.condition} then {_bits(rung)}"
                continue
            if any(r.term for r in self.rungs[i:]):
                raise Invalid(
                    "link-model", "A level that is no equality has a term frequency", where=self.name
                )
            highest = max([self.otherwise, *(r.bits for r in self.rungs[i:])])
            possible = _possible(rung.condition)
            cases += f" when {possible} then {_number(highest)}"
            if possible == "true":
                break
        return f"case when {self.missing} then 0.0{cases} else {_number(self.otherwise)} end"

    def known(self) -> str:
        """Return the SQL of whether an equality gives a weight above nothing."""
        cases = ""
        for rung in self.rungs:
            if _DISTANCE.search(rung.condition):
                break
            cases += f" when {rung.condition} then {_bits(rung)} > 0"
        return f"case when {self.missing} then false{cases} else false end"


def _number(value: float) -> str:
    return f"cast({value!r} as double)"


def _bits(rung: _Rung) -> str:
    if rung.term is None:
        return _number(rung.bits)
    return f'({_number(rung.bits + rung.log_u)} - "log_{rung.term}")'


def _possible(condition: str) -> str:
    """Return the SQL of a necessary condition for a level with a distance, "true" if none is known."""
    found = _SLIPS.fullmatch(condition.strip())
    return _within_reach(found[1], found[2], int(found[3])) if found else "true"


def _within_reach(a: str, b: str, limit: int) -> str:
    """Return the SQL of a cheap necessary condition for a Damerau–Levenshtein distance of at most 1 or 2.

    A slip touches two neighbouring characters at most, so of three stretches of a text that lie two
    apart, two slips leave one as it was (of two stretches, one slip does).
    """
    n = f"length({a})"
    if limit == 1:
        half = f"(least({n}, length({b})) - 2) // 2"
        kept = f"left({a}, {half}) = left({b}, {half}) or right({a}, {half}) = right({b}, {half})"
    else:
        kept = (
            f"left({a}, {n} // 2) = left({b}, {n} // 2) or right({a}, {n} // 4) = right({b}, {n} // 4)"
            f" or contains({b}, substr({a}, {n} // 2 + 2, {n} - {n} // 2 - {n} // 4 - 2))"
        )
    return f"(abs({n} - length({b})) <= {limit} and ({n} < 8 or length({b}) < 8 or {kept}))"


def _guarded(condition: str) -> str:
    """Compute a Damerau–Levenshtein distance only where it can be small: a neighbour swap is two changes."""

    def guard(found: re.Match[str]) -> str:
        a, b, limit = found[1], found[2], int(found[3])
        return (
            f"case when {_within_reach(a, b, limit)} then case when levenshtein({a}, {b}) <= {2 * limit}"
            f" then {found[0]} else false end else false end"
        )

    return _SLIPS.sub(guard, condition)


def _probability(level: Mapping[str, Any], key: str) -> float:
    value = level.get(key)
    if not isinstance(value, int | float) or value <= 0:
        raise Invalid(
            "link-model", "A level of the model has no probability", where=str(level.get("label_for_charts"))
        )
    return float(value)


def _cut(found: re.Match[str]) -> str:
    start, end = int(found[2]), int(found[3])
    return f"substr({found[1]}, {start}, {end - start + 1})"


def _ladders(splink: Mapping[str, Any]) -> list[_Ladder]:
    found = []
    for comparison in splink["comparisons"]:
        missing, rungs, otherwise = "false", [], 0.0
        for level in comparison["comparison_levels"]:
            condition = _SLICE.sub(_cut, level["sql_condition"])
            if level.get("is_null_level"):
                missing = condition
                continue
            m, u = _probability(level, "m_probability"), _probability(level, "u_probability")
            if condition.strip().upper() == "ELSE":
                otherwise = math.log2(m / u)
            else:
                term = level.get("tf_adjustment_column")
                rungs.append(_Rung(condition, math.log2(m / u), term, math.log2(u)))
        found.append(_Ladder(comparison["output_column_name"], missing, tuple(rungs), otherwise))
    return found


def _distances_first(exact: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Compute each distance once, as a column, for an engine that would repeat it."""
    found = list(dict.fromkeys(call for form in exact.values() for call in _CALL.findall(form)))
    forms = dict(exact)
    for i, call in enumerate(found):
        forms = {name: form.replace(call, f"distance_{i}") for name, form in forms.items()}
    return "".join(f", {call} as distance_{i}" for i, call in enumerate(found)), forms


def nested(steps: Sequence[str]) -> str:
    """Return steps as one query."""
    query = steps[0]
    for step in steps[1:]:
        query = step.replace("{before}", f"({query})")
    return query


class PairWeights:
    """Writes the query that finds and weighs the pairs of one blocking rule.

    `shared` is evidence that people who live together share (see `weights.Shared`); without it the
    weights are Splink's own.
    """

    def __init__(self, model: Model, shared: Shared | None = None, *, faster: bool = True) -> None:
        self._model, self._shared, self._faster = model, shared, faster
        self._ladders = _ladders(model.splink)
        conditions = " ".join(
            [x.missing for x in self._ladders] + [r.condition for x in self._ladders for r in x.rungs]
        )
        self.columns: list[str] = list(dict.fromkeys(m[0] for m in _SIDE.findall(conditions)))
        self.terms: list[str] = sorted({r.term for x in self._ladders for r in x.rungs if r.term})

    def of(self, model: Model) -> "PairWeights":
        """Return the same for another model."""
        return PairWeights(model, self._shared, faster=self._faster)

    def steps(self, pairs: str, at_least: float) -> list[str]:
        """Return queries of which each reads `{before}`, the one before; the last gives rid_l, rid_r, weight.

        `pairs` is the FROM clause and condition that joins `d`, the drivers (with `log_` columns, the
        logarithm of each term's frequency), and `x`, all records. Weights are in bits, with the model's
        prior; pairs under `at_least` bits are left out.
        """
        both = [f'd."{c}" as "{c}_l", x."{c}" as "{c}_r"' for c in self.columns]
        logs = [f'd."log_{c}"' for c in self.terms]
        steps = [f"select d.rid as rid_l, x.rid as rid_r, {', '.join([*both, *logs])} {pairs}"]
        cut = _number(at_least - 0.5 * 10**-_DIGITS)
        exact = {x.name: x.weight(self._faster) for x in self._ladders}
        known = {x.name: x.known() for x in self._ladders}
        for alike in (False, True) if self._faster else (False,):
            bound = {x.name: x.bound(alike=alike) for x in self._ladders}
            steps.append(f"select * from {{before}} b where {self._total(bound, known)} >= {cut}")  # noqa: S608
        if not self._faster:
            distances, exact = _distances_first(exact)
            steps.append(f"select b.*{distances} from {{before}} b")  # noqa: S608
        weights = ", ".join(f'{form} as "weight_{name}"' for name, form in exact.items())
        steps.append(f"select rid_l, rid_r, {weights} from {{before}} c")  # noqa: S608
        total = self._total({name: f'"weight_{name}"' for name in exact}, None)
        steps.append(f"select rid_l, rid_r, round({total}, {_DIGITS}) as weight from {{before}} w")  # noqa: S608
        return [*steps, f"select * from {{before}} t where weight >= {_number(at_least)}"]  # noqa: S608

    def _total(self, weights: Mapping[str, str], known: Mapping[str, str] | None) -> str:
        """Add up; what a household shares counts once. `known` is given where weights are upper bounds."""
        prior = _number(self._model.prior_weight)
        shared = self._shared
        fields = [f for f in (shared.fields if shared else ()) if f in weights]
        if shared is None or len(fields) < 1:
            return " + ".join([prior, *(f"({w})" for w in weights.values())])
        family = shared.family_field if shared.family_field in weights else ""
        plain = [f"({w})" for name, w in weights.items() if name not in fields and name != family]
        best = f"greatest(0.0, {', '.join(f'({weights[f]})' for f in fields)})"
        against = [f"least(0.0, ({weights[f]}))" for f in fields]
        parts = [prior, *plain, best, *against]
        if family:
            agrees = " or ".join(f"({known[f]})" for f in fields) if known else f"{best} > 0"
            bits = _number(shared.family_bits)
            parts.append(
                f"case when {agrees} then least(({weights[family]}), {bits}) else ({weights[family]}) end"
            )
        return " + ".join(parts)


def sides(columns: Sequence[str]) -> str:
    """Return the condition that a driver `d` and a record `x` agree on the keys of a rule."""
    return " and ".join(f"{key_of(c, 'd')} = {key_of(c, 'x')}" for c in columns)


def key_of(key: str, side: str) -> str:
    """Return a key's SQL on a side: a column, or the part of a date written `column:year` or `column:day`."""
    column, _, part = key.partition(":")
    value = f'{side}."{column}"'
    return {"year": f"substr({value}, 1, 4)", "day": f"substr({value}, 5, 4)"}.get(part, value)
