"""A person's cover as periods that do not overlap: what adjudication reads."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from salus.insurance.eligibility.deciding import Person, spans
from salus.insurance.eligibility.rules import ALWAYS, Rules

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Covered:
    """A period in which a scheme answers, or in which the member waits until a day (None: she does not)."""

    scheme: str
    category: str
    area: str
    start: date
    end: date
    waiting_until: date | None


def coverage(person: Person, rules: Rules) -> list[Covered]:
    """Return the days on which a person is a paying member, in order; `decide` says the same of each day."""
    found: list[Covered] = []
    for piece in _pieces(person, rules):
        last = found[-1] if found else None
        if last and last.end + _DAY == piece.start and _alike(last, piece):
            found[-1] = Covered(
                last.scheme, last.category, last.area, last.start, piece.end, piece.waiting_until
            )
        else:
            found.append(piece)
    return found


def _alike(one: Covered, other: Covered) -> bool:
    same = (one.scheme, one.category, one.area) == (other.scheme, other.category, other.area)
    return same and one.waiting_until == other.waiting_until


def _pieces(person: Person, rules: Rules) -> Iterator[Covered]:
    """Yield the pieces between the days on which anything changes."""
    known = spans(person, rules)
    spared = [
        (s.start, s.end or ALWAYS)
        for s in person.statuses
        if s.status in rules.statuses and rules.statuses[s.status].waives
    ]
    edges = {edge for s in known for edge in (s.entry, s.entitled_from, _after(s.spell.end))}
    edges |= {edge for start, end in spared for edge in (start, _after(end))}
    order = sorted(edges)
    for start, after in zip(order, order[1:], strict=False):
        free = any(low <= start <= high for low, high in spared)
        places = [
            (0 if start >= span.entitled_from or free else 1, span.spell.scheme, -n, span)
            for n, span in enumerate(known)
            if span.entry <= start <= span.spell.end
        ]
        if places:
            waits, _scheme, _n, span = min(places, key=lambda place: place[:3])
            spell = span.spell
            until = span.entitled_from if waits else None
            yield Covered(spell.scheme, spell.category, spell.area, start, after - _DAY, until)


def _after(day: date) -> date:
    return day if day == ALWAYS else day + _DAY
