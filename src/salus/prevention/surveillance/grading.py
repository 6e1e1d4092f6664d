"""Grade a public health emergency by dated rules, with the evidence: which rule, which counts, window, place.

Pure: counts and rules in, an `Assessment` out. More cases, deaths, places or statements never lower a grade,
and a past day is judged by the rules that held then.

    from salus.prevention.surveillance import grading as g
    book = g.read_rules()
    counts = [g.Count(date(2026, 3, 1), "440104", 32)]
    found = g.grade(counts, book, date(2026, 3, 2), kind="food_poisoning", district="440104")
    found.grade, found.met[0].rule.clause
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from salus.kernel.errors import Invalid
from salus.prevention.surveillance.grading_rules import (
    COUNTED,
    KINDS,
    SCOPES,
    STANDARD,
    Grade,
    Rule,
    RuleBook,
    read_rules,
    version_of,
)

__all__ = [
    "COUNTED",
    "KINDS",
    "SCOPES",
    "STANDARD",
    "Assessment",
    "Count",
    "Finding",
    "Grade",
    "Mean",
    "Rule",
    "RuleBook",
    "grade",
    "means_of",
    "read_rules",
    "same_period",
    "version_of",
]

YEARS = 5


@dataclass(frozen=True, slots=True)
class Count:
    """Persons of one day and place: those newly ill, and those newly dead.

    `district` is the place's code (GB/T 2260, six digits or more), `unit` the school, village or site.
    """

    day: date
    district: str
    cases: int
    deaths: int = 0
    unit: str = ""
    form: str = ""
    status: str = "confirmed"


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of the same period in the years before: cases, and over how many years."""

    cases: float
    years: int


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule finds in an event: whether it is met, where, when, and by how many.

    `lacking` names what is short: cases, deaths, areas, mean, or a flag's id.
    """

    rule: Rule
    met: bool
    area: str
    first: date | None
    last: date | None
    cases: int
    deaths: int
    areas: tuple[str, ...]
    needed: int
    mean: Mean | None
    lacking: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Assessment:
    """The grade that an event reaches on a day, what speaks for it, and what a higher grade lacks.

    `version` is the digest of the rules that were asked.
    """

    day: date
    grade: Grade | None
    met: tuple[Finding, ...]
    beyond: tuple[Finding, ...]
    version: str


def grade(
    counts: Iterable[Count],
    book: RuleBook,
    day: date,
    *,
    kind: str,
    district: str = "",
    disease: str = "",
    class_: str = "",
    flags: Collection[str] = (),
    means: Mapping[str, Mean] | None = None,
    since: date | None = None,
) -> Assessment:
    """Grade an event as of a day by the rules in force on it.

    Args:
        counts: the event's persons by day and place; days after `day` are left out.
        book: the rules.
        day: as of when.
        kind: one of `KINDS`.
        district: where the event is, which chooses the jurisdiction.
        disease: its code, for infectious disease.
        class_: the class that the disease is listed in (A, B, C).
        flags: what a person states of the event: ids of the rule files' flags.
        means: the mean of the week that ends on `day` in the five years before, by county (six digits).
        since: windows end on this day at the earliest; any day of the event if None.

    Raises:
        Invalid: there is no such kind, or a count is negative.
    """
    if kind not in KINDS:
        raise Invalid("grading-kind", "There is no such kind of event", where=kind[:40])
    kept = [one for one in counts if one.day <= day]
    if any(one.cases < 0 or one.deaths < 0 for one in kept):
        raise Invalid("grading-count", "A count is negative")
    rules = [rule for rule in book.on(day, district) if rule.about(kind, disease, class_)]
    found = [_judge(rule, kept, day, frozenset(flags), means or {}, since) for rule in rules]
    met = tuple(one for one in found if one.met)
    reached = min((one.rule.grade for one in met), default=None)
    beyond = tuple(
        one for one in found if not one.met and (reached is None or one.rule.grade < reached)
    )  # fmt: skip
    return Assessment(day, reached, met, beyond, version_of(rules))


@dataclass(frozen=True, slots=True)
class _Sum:
    area: str
    first: date
    last: date
    cases: int
    deaths: int
    areas: tuple[str, ...]


def _judge(
    rule: Rule,
    counts: Sequence[Count],
    day: date,
    flags: frozenset[str],
    means: Mapping[str, Mean],
    since: date | None,
) -> Finding:
    chosen = [
        one for one in counts
        if one.status in rule.statuses and (not rule.forms or one.form in rule.forms)
        and (one.cases or one.deaths)
    ]  # fmt: skip
    if rule.ratio:
        return _against_mean(rule, chosen, day, flags, means)
    best: tuple[tuple[int, ...], _Sum | None] = ((-1,), None)
    for held in _sums(rule, chosen, day, since):
        parts = (
            int(held.cases >= rule.cases) + int(held.deaths >= rule.deaths)
            + int(len(held.areas) >= rule.areas),
            len(held.areas) if rule.areas else 0, held.cases if rule.cases else 0, held.deaths,
        )  # fmt: skip
        if parts > best[0]:
            best = (parts, held)
    held_best = best[1]
    cases, deaths, areas = (held_best.cases, held_best.deaths, held_best.areas) if held_best else (0, 0, ())
    lacking = [
        *(["cases"] if cases < rule.cases else []),
        *(["deaths"] if deaths < rule.deaths else []),
        *(["areas"] if len(areas) < rule.areas else []),
        *sorted(rule.flags - flags),
    ]
    return Finding(
        rule, not lacking, held_best.area if held_best else "", held_best.first if held_best else None,
        held_best.last if held_best else None, cases, deaths, areas, rule.cases or rule.deaths, None,
        tuple(lacking),
    )  # fmt: skip


def _place(one: Count, scope: str) -> str | None:
    """Return the place of a count in a scope; None where it is not known finely enough."""
    if scope == "event":
        return ""
    if scope == "unit":
        return one.unit or None
    digits = SCOPES[scope]
    return one.district[:digits] if len(one.district) >= digits else None


def _sums(rule: Rule, counts: Sequence[Count], day: date, since: date | None) -> Iterable[_Sum]:
    """Yield the sums of every place and window; a fullest window ends on a day that has persons."""
    places: dict[str, list[Count]] = defaultdict(list)
    for one in counts:
        if (place := _place(one, rule.scope)) is not None:
            places[place].append(one)
    for place, held in places.items():
        days = sorted({one.day for one in held})
        ends = [max(days[0], day)] if not rule.days else [*days, day]
        for end in sorted(set(ends)):
            if end > day or (since is not None and end < since):
                continue
            begin = days[0] if not rule.days else end - timedelta(days=rule.days - 1)
            inside = [one for one in held if begin <= one.day <= end]
            if inside:
                spread = sorted({found for one in inside if (found := _place(one, rule.among))})
                yield _Sum(
                    place, min(one.day for one in inside), max(one.day for one in inside),
                    sum(one.cases for one in inside), sum(one.deaths for one in inside), tuple(spread),
                )  # fmt: skip


def _against_mean(
    rule: Rule, counts: Sequence[Count], day: date, flags: frozenset[str], means: Mapping[str, Mean]
) -> Finding:
    """Judge a rule that compares a county's week with its mean; met in `areas` counties (one if none)."""
    begin = day - timedelta(days=rule.days - 1)
    sums: dict[str, int] = defaultdict(int)
    for one in counts:
        if begin <= one.day <= day and (place := _place(one, "county")) is not None:
            sums[place] += one.cases
    wanted = max(1, rule.areas)
    reached = {
        place: count for place, count in sums.items()
        if count >= rule.cases and (mean := means.get(place)) is not None and mean.years >= YEARS
        and count >= rule.ratio * mean.cases
    }  # fmt: skip
    shown = sorted(reached or sums, key=lambda place: (-sums[place], place))
    top = shown[0] if shown else ""
    mean = means.get(top)
    lacking = sorted(rule.flags - flags)
    if len(reached) < wanted:
        known = any(means.get(place) is not None and means[place].years >= YEARS for place in sums)
        lacking.insert(0, ("areas" if reached else "cases") if known or not sums else "mean")
    needed = max(rule.cases, _whole(rule.ratio * mean.cases)) if mean else rule.cases
    return Finding(
        rule, not lacking, top, begin, day, sums.get(top, 0), 0, tuple(sorted(reached)), needed, mean,
        tuple(lacking),
    )  # fmt: skip


def _whole(value: float) -> int:
    """Return the smallest whole number that is not below a value."""
    return int(value) if value == int(value) else int(value) + 1


def same_period(day: date, years_back: int) -> date:
    """Return the same day of an earlier year; 29 February becomes the 28th."""
    try:
        return day.replace(year=day.year - years_back)
    except ValueError:
        return day.replace(year=day.year - years_back, day=28)


def means_of(
    history: Iterable[Count],
    day: date,
    *,
    days: int = 7,
    known_from: date | None = None,
    years: int = YEARS,
    recorded: Callable[[date], bool] | None = None,
) -> dict[str, Mean]:
    """Return the mean of the period that ends on `day` in the years before, by county.

    Args:
        history: past counts of the disease.
        day: the last day of the present period.
        days: its length.
        known_from: the first day from which cases were kept; years before it do not count as zero.
        years: how many years back.
        recorded: whether a past period counts, given its last day; overrides `known_from`.

    A county without a case in those years has no entry: its mean is 0 over the years known, which
    `mean.get(place, Mean(0, years))` would say; the caller decides whether a new place counts.
    """
    spans = []
    for back in range(1, years + 1):
        last = same_period(day, back)
        first = last - timedelta(days=days - 1)
        if recorded(last) if recorded else known_from is None or first >= known_from:
            spans.append((first, last))
    sums: dict[str, int] = defaultdict(int)
    for one in history:
        if (place := _place(one, "county")) is None:
            continue
        sums[place] += sum(one.cases for first, last in spans if first <= one.day <= last)
    return {place: Mean(total / len(spans), len(spans)) for place, total in sums.items()} if spans else {}
