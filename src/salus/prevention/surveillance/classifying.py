"""A case's classification by a definition, with the facts that each met criterion rests on.

The levels are tried from the strongest: discarded, confirmed, probable, suspected. What speaks against a case
(a negative test of the definition) discards it only where nothing confirms it: a formula says so itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from salus.prevention.surveillance.catalogue import Criterion, Definition, Disease, plain


class Status(StrEnum):
    """What a case is taken for; `NONE`: the facts do not make it one."""

    NONE = "none"
    SUSPECTED = "suspected"
    PROBABLE = "probable"
    CONFIRMED = "confirmed"
    DISCARDED = "discarded"


ORDER = {Status.NONE: 0, Status.DISCARDED: 0, Status.SUSPECTED: 1, Status.PROBABLE: 2, Status.CONFIRMED: 3}


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing known of a case.

    Attributes:
        kind: diagnosis, laboratory, symptom, temperature, link, exposure, death or age.
        code: ICD-10, LOINC, a code of a symptom or exposure; the other case's number for a link.
        name: the test's or organism's name as sent.
        value: positive, negative or an organism's name (laboratory); confirmed, provisional or refuted
            (diagnosis); the other case's status (link).
        number: °C (temperature), years (age), the result where it is a number.
        day: when it held, or None.
        ref: where it is from: a resource ("Condition/x") or the report's field.
    """

    kind: str
    code: str = ""
    name: str = ""
    value: str = ""
    number: float | None = None
    day: date | None = None
    ref: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A criterion that is met, and the facts that meet it."""

    criterion: str
    words: str
    words_zh: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Classification:
    """The answer: the status, the criteria met, and what is missing to the next level, by criterion.

    `formula` is the list of criteria that decided, `defined` the first day of the definition used.
    """

    status: Status
    evidence: tuple[Evidence, ...]
    formula: tuple[str, ...]
    missing: tuple[str, ...]
    defined: date | None


def classify(facts: Iterable[Fact], disease: Disease, day: date) -> Classification:
    """Classify a case by the definition that held on a day.

    Args:
        facts: all that is known of the case, in any order.
        disease: with its definitions.
        day: of the diagnosis or report: a past case is replayed by the definition of its time.

    A disease without a definition on that day gives `Status.NONE`.
    """
    definition = disease.definition(day)
    if definition is None:
        return Classification(Status.NONE, (), (), (), None)
    known = sorted(facts, key=_order)
    met = {name: found for name, one in definition.criteria.items() if (found := matches(one, known, day))}
    evidence = tuple(
        Evidence(name, definition.criteria[name].words, definition.criteria[name].words_zh, found)
        for name, found in met.items()
    )
    for level in ("discarded", "confirmed", "probable", "suspected"):
        formula = _satisfied(definition, level, met)
        if formula is not None:
            status = Status(level)
            return Classification(
                status, evidence, formula, _missing(definition, status, met), definition.first
            )
    return Classification(Status.NONE, evidence, (), _missing(definition, Status.NONE, met), definition.first)


def _order(fact: Fact) -> tuple[str, str, str, str, date, str]:
    return (fact.kind, fact.code, fact.name, fact.value, fact.day or date.min, fact.ref)


def _satisfied(definition: Definition, level: str, met: Mapping[str, object]) -> tuple[str, ...] | None:
    for part in definition.formulas[level]:
        if all((name.removeprefix("!") in met) != name.startswith("!") for name in part):
            return part
    return None


def _missing(definition: Definition, status: Status, met: Mapping[str, object]) -> tuple[str, ...]:
    """Return the fewest criteria that would lift the case to the next level that is defined."""
    if status in (Status.CONFIRMED, Status.DISCARDED):
        return ()
    for level in ("suspected", "probable", "confirmed"):
        if ORDER[Status(level)] <= ORDER[status] or not definition.formulas[level]:
            continue
        lacks = [
            tuple(name for name in part if not name.startswith("!") and name not in met)
            for part in definition.formulas[level]
            if not any(name.startswith("!") and name[1:] in met for name in part)
        ]
        if lacks:
            return min(lacks, key=len)
    return ()


def matches(criterion: Criterion, facts: Sequence[Fact], day: date) -> tuple[Fact, ...]:
    """Return the facts that meet a criterion; empty where it is not met.

    A link counts when it lies within the criterion's days before `day` (or after: onsets are learnt late).
    """
    same = [fact for fact in facts if fact.kind == criterion.kind]
    if not same:
        return ()
    match criterion.kind:
        case "diagnosis":
            return tuple(f for f in same if _diagnosis(criterion, f))
        case "death":
            return tuple(f for f in same if _coded(criterion, f.code))
        case "laboratory":
            return tuple(f for f in same if _tested(criterion, f))
        case "temperature" | "age":
            return tuple(f for f in same if f.number is not None and _within(criterion, f.number))
        case "link":
            return tuple(f for f in same if _linked(criterion, f, day))
        case _:
            found = [f for f in same if f.code in criterion.codes and f.value != "negative"]
            wanted = int(criterion.at_least or 1)
            return tuple(found) if len({f.code for f in found}) >= wanted else ()


def _coded(criterion: Criterion, code: str) -> bool:
    return bool(code) and code.upper().replace(" ", "").startswith(criterion.codes)


def _diagnosis(criterion: Criterion, fact: Fact) -> bool:
    if fact.value == "refuted" or not _coded(criterion, fact.code):
        return False
    return not criterion.certainty or fact.value == criterion.certainty


def _tested(criterion: Criterion, fact: Fact) -> bool:
    named = plain(fact.name)
    of_test = fact.code in criterion.codes or any(name in named for name in criterion.names)
    if criterion.organisms and fact.value not in ("positive", "negative"):
        grown = plain(fact.value)
        return criterion.result == "positive" and any(name in grown for name in criterion.organisms)
    if not of_test:
        return False
    if criterion.at_least is not None and fact.number is not None:
        return (fact.number >= criterion.at_least) == (criterion.result == "positive")
    return fact.value == criterion.result


def _within(criterion: Criterion, number: float) -> bool:
    low, high = criterion.at_least, criterion.at_most
    return (low is None or number >= low) and (high is None or number <= high)


def _linked(criterion: Criterion, fact: Fact, day: date) -> bool:
    if fact.value not in ("", "probable", "confirmed"):
        return False
    return not criterion.days or fact.day is None or abs((day - fact.day).days) <= criterion.days


def diseases_of(facts: Iterable[Fact], diseases: Mapping[str, Disease], day: date) -> dict[str, list[Fact]]:
    """Return which diseases facts speak of, with those facts: a diagnosis or death of its codes, or a
    positive test of its definition. Symptoms and ages belong to every one of them.
    """
    found: dict[str, list[Fact]] = {}
    known = list(facts)
    telling = [f for f in known if f.kind in ("diagnosis", "death", "laboratory")]
    beside = [f for f in known if f.kind not in ("diagnosis", "death", "laboratory")]
    for code, disease in diseases.items():
        definition = disease.definition(day)
        own = [f for f in telling if _speaks(f, disease, definition)]
        if any(f.kind != "laboratory" or f.value != "negative" for f in own):
            found[code] = own + beside
    return found


def _speaks(fact: Fact, disease: Disease, definition: Definition | None) -> bool:
    if fact.kind != "laboratory":
        return disease.has_code(fact.code)
    if definition is None:
        return False
    return any(_tested(one, fact) for one in definition.criteria.values() if one.kind == "laboratory")
