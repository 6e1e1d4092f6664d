"""One resident's services on a day, each with every reason: why due then, why a dose does not count."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from salus.prevention.schedule.offsets import Span
from salus.prevention.schedule.periods import period_of
from salus.prevention.schedule.rules import Path, Rules, Service, Step

STATUSES = ("upcoming", "due", "overdue", "complete", "closed", "ended", "contraindicated")
"""What a service can be for a resident on a day; the set-wise engine uses their places as codes."""
REASONS = ("", "age", "interval", "first", "after", "conflict", "period", "bar")
"""What a due day follows from; the set-wise engine uses their places as codes."""
VERDICTS = {
    "counted": "counts as step {step}",
    "too-young": "does not count: given on {day}, to be given from {from_day} on",
    "too-old": "does not count: given on {day}, no longer given from {from_day} on",
    "too-soon": "does not count: given on {day}, too soon after the one before, from {from_day} on",
    "too-soon-after": "does not count: given on {day}, too soon after another vaccine, from {from_day} on",
    "conflict": "does not count: given on {day}, within days of another live vaccine, from {from_day} on",
    "outside-window": "does not count: {day} lies in no window",
    "extra": "is one more than needed",
    "outside-episode": "does not count: {day} lies before the anchor or after its end",
}
DUE_WORDS = {
    "": "nothing is due",
    "age": "from {due_on} on by the time since the anchor ({anchor}, {anchor_on})",
    "interval": "from {due_on} on by the interval since the last one",
    "first": "from {due_on} on by the interval since the first one",
    "after": "from {due_on} on by the interval since another vaccine",
    "conflict": "from {due_on} on, since another live vaccine was given",
    "period": "once in the period that begins on {due_on}",
    "bar": "from {due_on} on, when the contraindication is over",
}


@dataclass(frozen=True, slots=True)
class Episode:
    """An anchor's day, and the last day on which its services can be given (such as a delivery)."""

    anchor: str
    day: date
    ended: date | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """A dose or visit: the product or kind of service, and the day."""

    product: str
    day: date


@dataclass(frozen=True, slots=True)
class Bar:
    """A contraindication of a service or product from a day to a day, both included; for good without end."""

    code: str
    start: date
    end: date | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether something given counts: `code` of `VERDICTS`, the step (from 1), when it would have counted."""

    day: date
    product: str
    code: str
    step: int = 0
    from_day: date | None = None

    @property
    def words(self) -> str:
        """The verdict in words."""
        told = VERDICTS[self.code].format(step=self.step, day=self.day, from_day=self.from_day)
        return f"{self.product} {told}"


@dataclass(frozen=True, slots=True)
class Finding:
    """A service's state for a resident on a day.

    `step` is the next one (from 1; 0 when there is none), `counted` what counts so far, `missed` windows that
    passed unused. `due_on`, `overdue_on` and `closes_on` (the first day on which it is no longer given) are
    empty where there is no such day.
    """

    service: str
    anchor_on: date
    status: str
    step: int
    counted: int
    missed: int
    due_on: date | None
    overdue_on: date | None
    closes_on: date | None
    reason: str
    product: str = ""
    path: str = ""
    verdicts: tuple[Verdict, ...] = field(default=(), compare=False)

    def words(self, service: Service) -> str:
        """Say in words why the service is where it is."""
        return DUE_WORDS[self.reason].format(
            due_on=self.due_on, anchor=service.anchor, anchor_on=self.anchor_on
        )


@dataclass(frozen=True, slots=True)
class Resident:
    """What is known of a resident: birth, other anchors, what was given, what must not be."""

    birth: date
    episodes: Sequence[Episode] = ()
    given: Sequence[Given] = ()
    bars: Sequence[Bar] = ()


@dataclass(slots=True)
class _Case:
    """A service for one episode of a resident on a day."""

    rules: Rules
    service: Service
    resident: Resident
    episode: Episode
    today: date
    records: list[Given]
    everything: list[Given]
    counts: Mapping[tuple[str, date], int]
    verdicts: list[Verdict] = field(default_factory=list)

    def at(self, length: Span) -> date:
        """Return the day a span after the anchor."""
        return length.after(self.episode.day, self.service.roll)

    def since(self, day: date, length: Span) -> date:
        return length.after(day, self.service.roll)

    def grace(self, day: date) -> date:
        return day - timedelta(days=self.service.grace)

    def tell(self, record: Given, code: str, step: int = 0, from_day: date | None = None) -> None:
        self.verdicts.append(Verdict(record.day, record.product, code, step, from_day))

    def age_start(self) -> date:
        """Return the first day on which the resident's age admits the service."""
        length = self.service.age_from
        return date.min if length is None else self.since(self.resident.birth, length)

    def closing(self, step: Step) -> date | None:
        """Return the first day on which a step is no longer given."""
        days = [] if step.until is None else [self.at(step.until)]
        if self.service.age_to is not None:
            days.append(self.since(self.resident.birth, self.service.age_to))
        return min(days, default=None)


def assess(rules: Rules, resident: Resident, today: date) -> list[Finding]:
    """Return the state of every service that a resident is owed, in the order of the rules.

    Services whose anchor the resident does not have, or whose anchor's day is still to come, or none of whose
    paths fits, are left out.
    """
    order = {product: place for place, product in enumerate(rules.products)}
    everything = sorted(
        (g for g in resident.given if g.day <= today and g.product in order),
        key=lambda g: (g.day, order[g.product]),
    )
    episodes = [Episode("birth", resident.birth), *resident.episodes]
    counts: dict[tuple[str, date], int] = {}
    found: list[Finding] = []
    for service in rules.services:
        for episode in sorted((e for e in episodes if e.anchor == service.anchor), key=lambda e: e.day):
            if episode.day > today:
                continue
            mine = [g for g in everything if g.product in service.products]
            end = episode.ended or date.max
            case = _Case(
                rules, service, resident, episode, today,
                [g for g in mine if episode.day <= g.day <= end], everything, counts,
            )  # fmt: skip
            path = _path(case)
            if path is None:
                continue
            for record in mine:
                if not episode.day <= record.day <= end:
                    case.tell(record, "outside-episode")
            finding = _KINDS[service.kind](case, path)
            counts[service.code, episode.day] = finding.counted
            found.append(finding)
    return found


def _path(case: _Case) -> Path | None:
    first = case.records[0] if case.records else None
    day = first.day if first else case.today
    for path in case.service.paths:
        if path.products and not (first.product in path.products if first else path.default):
            continue
        if path.first_from and day < case.at(path.first_from):
            continue
        if path.first_to and day >= case.at(path.first_to):
            continue
        if path.anchor_from and case.episode.day < path.anchor_from:
            continue
        if path.anchor_to and case.episode.day > path.anchor_to:
            continue
        if path.prior:
            counted = case.counts.get((path.prior, case.episode.day), 0)
            if not path.prior_from <= counted <= path.prior_to:
                continue
        return path
    return None


def _clash(case: _Case, record: Given) -> date | None:
    """Return from when on a dose would not have clashed with another given before, None if it did not."""
    order = list(case.rules.products)
    for conflict in case.rules.conflicts:
        if record.product not in conflict.products:
            continue
        for other in case.everything:
            if other.product not in conflict.products or other.product == record.product:
                continue
            gap = (record.day - other.day).days
            first = order.index(other.product) < order.index(record.product)
            if 0 < gap < conflict.days or (gap == 0 and not conflict.same_day and first):
                return other.day + timedelta(days=conflict.days)
    return None


def _after(case: _Case, path: Path, day: date) -> date | None:
    """Return from when on the service may follow other products given up to a day."""
    days = []
    for rule in path.after or case.service.after:
        before = [g.day for g in case.everything if g.product in rule.products and g.day <= day]
        if before:
            days.append(case.since(max(before), rule.interval))
    return max(days, default=None)


def _series(case: _Case, path: Path) -> Finding:
    service, counted = case.service, 0
    first: date | None = None
    spaced: date | None = None
    for record in case.records:
        if counted == len(path.steps):
            case.tell(record, "extra")
            continue
        step, day = path.steps[counted], record.day
        earliest = case.at(step.earliest_of.get(record.product, step.earliest))
        earliest = max(earliest, case.age_start())
        closes = case.closing(step)
        clash = _clash(case, record)
        follows = _after(case, path, day)
        soonest = None
        if spaced is not None:
            soonest = max(
                case.grace(case.since(spaced, step.interval or Span(0, 0))), spaced + timedelta(days=1)
            )
        if first is not None and step.interval_first is not None:
            gap = case.grace(case.since(first, step.interval_first))
            soonest = gap if soonest is None else max(soonest, gap)
        if day < _back(earliest, service.grace):
            case.tell(record, "too-young", from_day=earliest)
        elif closes is not None and day >= closes:
            case.tell(record, "too-old", from_day=closes)
        elif clash is not None:
            case.tell(record, "conflict", from_day=clash)
        elif soonest is not None and day < soonest:
            case.tell(record, "too-soon", from_day=soonest)
        elif follows is not None and day < case.grace(follows):
            case.tell(record, "too-soon-after", from_day=follows)
        else:
            counted += 1
            first = first or day
            spaced = day
            case.tell(record, "counted", counted)
        if service.spaced_from == "given":
            spaced = day
    if counted == len(path.steps):
        return _finding(case, path, "complete", 0, counted)
    step = path.steps[counted]
    product = step.product or service.products[0]
    terms = [("age", max(case.at(step.due), case.at(step.earliest_of.get(product, step.earliest))))]
    terms.append(("age", case.age_start()))
    if spaced is not None:
        terms.append(("interval", case.since(spaced, step.interval_due or step.interval or Span(0, 1))))
    if first is not None and step.interval_first is not None:
        terms.append(("first", case.since(first, step.interval_first)))
    if (follows := _after(case, path, case.today)) is not None:
        terms.append(("after", follows))
    terms += _apart(case, product, max(day for _, day in terms))
    return _due(case, path, counted, counted, 0, terms)


def _back(day: date, grace: int) -> date:
    return day if day == date.min else day - timedelta(days=grace)


def _apart(case: _Case, product: str, due_on: date) -> list[tuple[str, date]]:
    """Return until when another product of a conflict keeps a product from being given.

    What was given today keeps nothing that is due today from being given on the same day.
    """
    terms = []
    for conflict in case.rules.conflicts:
        if product in conflict.products:
            others = [
                g.day for g in case.everything if g.product in conflict.products and g.product != product
            ]
            apart = timedelta(days=conflict.days)
            before = max((day for day in others if day < case.today), default=None)
            waits = due_on if before is None else max(due_on, before + apart)
            last = before if conflict.same_day and waits <= case.today else max(others, default=None)
            if last is not None:
                terms.append(("conflict", last + apart))
    return terms


def _windows(case: _Case, path: Path) -> Finding:
    filled: set[int] = set()
    spans = []
    for step in path.steps:
        closes = case.closing(step)
        spans.append((max(case.at(step.earliest), case.age_start()), closes or date.max))
    for record in case.records:
        places = [n for n, (start, end) in enumerate(spans) if start <= record.day < end]
        if not places:
            case.tell(record, "outside-window")
        elif places[0] in filled:
            case.tell(record, "extra", places[0] + 1)
        else:
            filled.add(places[0])
            case.tell(record, "counted", places[0] + 1)
    missed = sum(n not in filled and end <= case.today for n, (_, end) in enumerate(spans))
    for place, step in enumerate(path.steps):
        if place in filled or spans[place][1] <= case.today:
            continue
        terms = [("age", case.at(step.due)), ("age", case.age_start())]
        finding = _due(case, path, place, len(filled), missed, terms)
        if finding.status != "closed":
            return finding
    status = "complete" if len(filled) == len(path.steps) else "closed"
    return _finding(case, path, status, 0, len(filled), missed)


def _recurring(case: _Case, path: Path) -> Finding:
    service, step = case.service, path.steps[0]
    counted = 0
    last: date | None = None
    earliest = max(case.at(step.earliest), case.age_start())
    closes = case.closing(step)
    for record in case.records:
        soonest = None
        if last is not None:
            soonest = max(case.grace(case.since(last, step.interval or Span(0, 0))), last + timedelta(days=1))
        if record.day < case.grace(earliest):
            case.tell(record, "too-young", from_day=earliest)
        elif closes is not None and record.day >= closes:
            case.tell(record, "too-old", from_day=closes)
        elif soonest is not None and record.day < soonest:
            case.tell(record, "too-soon", from_day=soonest)
        else:
            counted += 1
            last = record.day
            case.tell(record, "counted", counted)
    start = max(case.at(step.due), case.age_start())
    terms = [("age", start)]
    if service.period == "rolling":
        if last is not None and service.every is not None:
            terms.append(("interval", case.since(last, service.every)))
        return _due(case, path, counted, counted, 0, terms)
    begins, ends = period_of(service.period, case.today)
    if last is not None and last >= begins:
        begins, ends = period_of(service.period, ends)
    terms.append(("period", begins))
    if last is not None and step.interval is not None:
        terms.append(("interval", case.since(last, step.interval)))
    return _due(case, path, counted, counted, 0, terms, late=case.since(begins, service.late), ends=ends)


def _due(
    case: _Case, path: Path, place: int, counted: int, missed: int, terms: Iterable[tuple[str, date]],
    *, late: date | None = None, ends: date | None = None,
) -> Finding:  # fmt: skip
    """Return the state of the step at a place, due on the latest day of the terms."""
    service, today = case.service, case.today
    step = path.steps[0 if service.kind == "recurring" else place]
    product = step.product or service.products[0]
    reason, due_on = "", date.min
    for name, day in terms:
        if day > due_on:
            reason, due_on = name, day
    bars = [b for b in case.resident.bars if b.code in (service.code, product)]
    for bar in sorted((b for b in bars if b.end is not None), key=lambda b: (b.start, b.end or b.start)):
        if bar.end is not None and bar.start <= due_on <= bar.end:
            reason, due_on = "bar", bar.end + timedelta(days=1)
    closes = case.closing(step)
    if ends is None:
        first = service.kind != "recurring" or counted == 0
        overdue = case.at(step.overdue) if step.overdue is not None and first else date.min
        if overdue <= due_on:
            overdue = case.since(due_on, service.late)
    else:
        overdue = late if late is not None and late > due_on else max(ends, case.since(due_on, Span(0, 1)))
    if case.episode.ended is not None and today > case.episode.ended:
        status = "ended"
    elif any(b.end is None and b.start <= today for b in bars):
        status = "contraindicated"
    elif closes is not None and (today >= closes or due_on >= closes):
        status = "closed"
    elif today < due_on:
        status = "upcoming"
    else:
        status = "overdue" if today >= overdue else "due"
    if status in ("ended", "contraindicated", "closed"):
        return _finding(case, path, status, 0, counted, missed)
    return Finding(
        service.code, case.episode.day, status, place + 1, counted, missed, due_on, overdue, closes,
        reason, product, path.name, _ordered(case),
    )  # fmt: skip


def _finding(case: _Case, path: Path, status: str, step: int, counted: int, missed: int = 0) -> Finding:
    return Finding(
        case.service.code, case.episode.day, status, step, counted, missed, None, None, None, "", "",
        path.name, _ordered(case),
    )  # fmt: skip


def _ordered(case: _Case) -> tuple[Verdict, ...]:
    return tuple(sorted(case.verdicts, key=lambda v: v.day))


_KINDS = {"series": _series, "windows": _windows, "recurring": _recurring}
