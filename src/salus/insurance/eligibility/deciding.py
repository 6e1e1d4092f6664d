"""The question for one person: the same answer as `eligibility.sql`, from what one look-up brings."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from salus.insurance.eligibility.dates import add_months, months_between, years_between
from salus.insurance.eligibility.rules import ALWAYS, Rules, Waiting

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Spell:
    """A paid period of one scheme; `end` is its last day."""

    scheme: str
    category: str
    area: str
    start: date
    end: date
    paid_on: date
    repair_years: int = 0


@dataclass(frozen=True, slots=True)
class Status:
    """A social status from a day to a day; None while it lasts."""

    status: str
    start: date
    end: date | None = None


@dataclass(frozen=True, slots=True)
class Filing:
    """A person's notice of treatment in another area."""

    area: str
    start: date
    end: date | None = None


@dataclass(frozen=True, slots=True)
class Contract:
    """An institution's right to bill the fund of an area for a service."""

    area: str
    service: str
    start: date
    end: date | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """What is known of one person's cover."""

    spells: Sequence[Spell] = ()
    statuses: Sequence[Status] = ()
    filings: Sequence[Filing] = ()


@dataclass(frozen=True, slots=True)
class Span:
    """A spell with what it gives: cover from `entitled_from` on, no break since `continuous_from`."""

    spell: Spell
    rule: Waiting
    entry: date
    entitled_from: date
    continuous_from: date
    waiting_months: int


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether a person is covered and why; the columns of `tables.ANSWERS` but the number of the question."""

    covered: bool
    reason: str
    scheme: str | None = None
    category: str | None = None
    area: str | None = None
    statuses: tuple[str, ...] = ()
    entitled_from: date | None = None
    entitled_to: date | None = None
    waiting_until: date | None = None
    away: bool = False
    rule: str = ""


def _on(items: Iterable[Status], day: date, rules: Rules) -> list[str]:
    found = [
        item.status
        for item in items
        if item.status in rules.statuses and item.start <= day <= (item.end or ALWAYS)
    ]
    return sorted(found, key=lambda status: (rules.statuses[status].rank, status))


def _waits(rule: Waiting, spell: Spell, entry: date, late: bool, before: date | None) -> tuple[int, bool]:
    """Return the months to wait, and whether the spell follows a break."""
    gap = before is not None and entry > before + _DAY
    if before is not None and gap and months_between(before + _DAY, entry - _DAY) >= rule.grace_months:
        years = years_between(before + _DAY, entry)
        months = rule.broken_months + max((years - spell.repair_years) * rule.year_months, 0)
        return (max(months, rule.many_months) if years >= rule.many_years else months), True
    if before is None:
        return (max(rule.first_months, rule.late_months) if late else rule.first_months), False
    return (rule.late_months if late else 0), False


def spans(person: Person, rules: Rules) -> list[Span]:
    """Return what each of a person's spells gives, in order of time; a spell without a rule gives nothing."""
    ordered = sorted(
        person.spells,
        key=lambda s: (s.start, s.end, s.paid_on, s.scheme, s.category, s.area, s.repair_years),
    )
    found: list[Span] = []
    before: date | None = None
    longest = date.min
    run_from = date.max
    for spell in ordered:
        rule = rules.waiting_of(spell.scheme, spell.category, spell.start)
        if rule is None:
            continue
        late = spell.paid_on > spell.start + timedelta(days=rule.in_time_days)
        entry = max(spell.start, spell.paid_on) if late else spell.start
        months, broken = _waits(rule, spell, entry, late, before)
        waived = any(rules.statuses[s].waives for s in _on(person.statuses, entry, rules))
        own = entry if waived or not months else add_months(entry, months)
        longest = max(longest, own)
        run_from = spell.start if broken else min(run_from, spell.start)
        entitled = own if waived or not rule.carries else max(entry, longest)
        found.append(Span(spell, rule, entry, entitled, run_from, 0 if waived else months))
        before = spell.end if before is None else max(before, spell.end)
    return found


def decide(
    person: Person,
    contracts: Iterable[Contract],
    day: date,
    service: str,
    rules: Rules,
) -> Answer:
    """Say whether a person is covered on a day for a service at the institution that holds the contracts.

    `contracts` are those of the one institution asked about. The reasons are those of `tables.REASONS`;
    Source of the order: `eligibility.sql`, with which it agrees on every input.
    """
    statuses = tuple(_on(person.statuses, day, rules))
    spared = any(rules.statuses[s].waives for s in statuses)
    known = spans(person, rules)
    places = [
        (0 if day >= span.entry and (day >= span.entitled_from or spared) else 1, span.spell.scheme, -n, span)
        for n, span in enumerate(known)
        if span.spell.start <= day <= span.spell.end
    ]
    if not places:
        lapsed = any(span.spell.end < day for span in known)
        return Answer(False, "lapsed" if lapsed else "not-enrolled", statuses=statuses)
    span = min(places, key=lambda place: place[:3])[3]
    spell = span.spell

    def refused(reason: str, rule: str = "", until: date | None = None) -> Answer:
        return Answer(
            False, reason, spell.scheme, spell.category, spell.area, statuses, waiting_until=until, rule=rule
        )

    if day < span.entry:
        return refused("unpaid", span.rule.rule)
    if day < span.entitled_from and not spared:
        return refused("waiting", span.rule.rule, span.entitled_from)
    offer = rules.offer_of(spell.scheme, spell.category, service, day)
    if offer is None:
        return refused("service-not-covered")
    if months_between(span.continuous_from, day) < offer.least_months:
        return refused("too-few-months", offer.rule)
    areas = {c.area for c in contracts if c.service == service and c.start <= day <= (c.end or ALWAYS)}
    if not areas:
        return refused("not-contracted", offer.rule)
    away = spell.area not in areas
    if away and service != "emergency":
        if not any(f.area in areas and f.start <= day <= (f.end or ALWAYS) for f in person.filings):
            return refused("other-area", offer.rule)
    return Answer(
        True, "covered", spell.scheme, spell.category, spell.area, statuses,
        span.entitled_from, spell.end, away=away, rule=offer.rule,
    )  # fmt: skip
