"""How well each detector does, from verdicts: sensitivity, false alarms, predictive value and delay.

What really happened is known from people: signals judged a true outbreak or known already, and outbreaks that
were opened without a signal. A method finds an outbreak by an alarm in its disease, at its place, above or
below it, between a week before it began and its end. Outbreaks that no method and no person found are not
known, so that each sensitivity is an upper bound; the comparison of methods on the same outbreaks is fair but
favours the method whose signals were shown, since its findings are those that were judged.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from statistics import median

from django.db.models import Count, Min

from salus.prevention.models import Alarm, DetectionRun, Outbreak, RunState, Signal, Verdict
from salus.prevention.queries.signals.settings import in_use

FEW = 10
"""Judged things under which a share is not shown as one."""
LASTS = timedelta(weeks=8)
"""How long an outbreak that nobody closed is taken to last."""
LIST = ""
"""The name under which the list that was shown stands beside the methods."""
TRUE = (Verdict.OUTBREAK.value, Verdict.KNOWN.value)
UNTRUE = (Verdict.FALSE.value, Verdict.ERROR.value)
Z = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Episode:
    """What really happened, or was taken for it: a disease in districts (none: the city) for some days."""

    disease: str
    districts: frozenset[str]
    first: date
    last: date
    listed: bool
    told: date | None


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many; `low` and `high` are Wilson's interval at 95 %."""

    part: int
    whole: int

    @property
    def few(self) -> bool:
        """Whether there are too few to show a share."""
        return self.whole < FEW

    @property
    def value(self) -> float | None:
        """The share; None of nothing."""
        return self.part / self.whole if self.whole else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson's interval (J Am Stat Assoc 1927; 22: 209–12); None of nothing."""
        if not self.whole:
            return None
        n, p = self.whole, self.part / self.whole
        middle = (p + Z * Z / (2 * n)) / (1 + Z * Z / n)
        half = Z * ((p * (1 - p) / n + Z * Z / (4 * n * n)) ** 0.5) / (1 + Z * Z / n)
        return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(slots=True)
class Performance:
    """One method, or the list shown (name ""): what it found of what is known.

    `delay` is the median number of weeks from the week in which an outbreak began to the first alarm's.
    """

    name: str
    shadow: bool
    method: str
    alarms: int
    weeks: int
    found: Share
    predictive: Share
    false: int
    delays: list[int] = field(default_factory=list)

    @property
    def delay(self) -> float | None:
        """The median delay in weeks; None where nothing was found."""
        return float(median(self.delays)) if self.delays else None

    @property
    def alarms_a_week(self) -> float | None:
        """Alarms (for the list: signals) a week judged."""
        return self.alarms / self.weeks if self.weeks else None


def episodes(first: date, last: date) -> tuple[list[Episode], list[Episode]]:
    """Return the true outbreaks known between two days, and the signals judged false in them."""
    rows = Signal.objects.filter(last_week__range=(first, last)).exclude(verdict="")
    true: dict[object, Episode] = {}
    untrue: list[Episode] = []
    for row in rows.prefetch_related("verdicts"):
        stands = next((one for one in row.verdicts.all() if one.undone_at is None), None)
        began = stands.began_on if stands and stands.began_on else row.first_week
        made = Episode(
            row.disease,
            frozenset(row.districts),
            began,
            row.last_week + timedelta(days=6),
            True,
            row.first_week,
        )
        if row.verdict in UNTRUE:
            untrue.append(made)
        elif row.verdict in TRUE:
            key = ("outbreak", row.outbreak_id) if row.outbreak_id else ("signal", row.pk)
            true[key] = _joined(true[key], made) if key in true else made
    for one in _unlisted(first, last):
        true["unlisted", len(true)] = one
    return list(true.values()), untrue


def _joined(one: Episode, other: Episode) -> Episode:
    """Return two signals of one outbreak as one episode; one of the whole city makes it the city's."""
    whole = not one.districts or not other.districts
    told = min((day for day in (one.told, other.told) if day is not None), default=None)
    return Episode(
        one.disease, frozenset() if whole else one.districts | other.districts, min(one.first, other.first),
        max(one.last, other.last), True, told,
    )  # fmt: skip


def _unlisted(first: date, last: date) -> list[Episode]:
    """Return outbreaks that people opened without a signal."""
    rows = Outbreak.objects.filter(signals=None, signal_id=None, opened_on__range=(first, last))
    found = []
    for row in rows.annotate(began=Min("cases__first_day"), n=Count("cases")):
        began = row.began or row.opened_on
        districts = frozenset({row.district_code[:6]}) if row.district_code else frozenset()
        found.append(Episode(row.disease, districts, began, row.closed_on or began + LASTS, False, None))
    return found


def performance(first: date, last: date) -> list[Performance]:
    """Return the list shown, then every method that gave an alarm or is in use, between two days."""
    true, untrue = episodes(first, last)
    weeks = DetectionRun.objects.filter(week__range=(first, last), state=RunState.DONE)
    judged = weeks.values("week").distinct().order_by().count()
    shown = Signal.objects.filter(withdrawn=False, last_week__range=(first, last))
    hits = [one for one in true if one.listed]
    told = [one for one in hits if one.told is not None]
    found = [
        Performance(
            LIST, False, "", shown.count(), judged, Share(len(hits), len(true)),
            Share(len(hits), len(hits) + len(untrue)), len(untrue),
            [_weeks(one.first, one.told) for one in told if one.told is not None],
        )
    ]  # fmt: skip
    counted = {
        (row["use"], row["shadow"]): row["n"]
        for row in Alarm.objects.filter(week__range=(first, last))
        .values("use", "shadow")
        .annotate(n=Count("id"))
        .order_by()
    }
    methods = {use.name: (use.shadow, use.method) for use in in_use().rows}
    for name, shadow in counted:
        methods.setdefault(name, (shadow, ""))
    alarms = _alarms(first, last, {one.disease for one in [*true, *untrue]})
    for name, (shadow, method) in methods.items():
        firsts = [_first(one, alarms.get((name, one.disease), [])) for one in true]
        false = sum(_first(one, alarms.get((name, one.disease), [])) is not None for one in untrue)
        caught = [(one, week) for one, week in zip(true, firsts, strict=True) if week is not None]
        found.append(
            Performance(
                name, shadow, method, sum(n for (use, _s), n in counted.items() if use == name), judged,
                Share(len(caught), len(true)), Share(len(caught), len(caught) + false), false,
                [_weeks(one.first, week) for one, week in caught],
            )
        )  # fmt: skip
    return found


def _alarms(first: date, last: date, diseases: set[str]) -> dict[tuple[str, str], list[tuple[date, str]]]:
    """Return (week, district) of alarms by method and disease, rising; "" for those of the whole city."""
    found: dict[tuple[str, str], list[tuple[date, str]]] = defaultdict(list)
    early = first - LASTS
    rows = Alarm.objects.filter(week__range=(early, last), disease__in=diseases).order_by("week")
    for use, disease, week, district in rows.values_list("use", "disease", "week", "district_code").iterator(
        5000
    ):
        found[use, disease].append((week, district))
    return found


def _first(episode: Episode, alarms: list[tuple[date, str]]) -> date | None:
    """Return the week of the first alarm in an episode."""
    begin = episode.first - timedelta(days=episode.first.weekday() + 7)
    for week, district in alarms:
        inside = not episode.districts or not district or district in episode.districts
        if inside and begin <= week <= episode.last:
            return week
    return None


def _weeks(began: date, week: date) -> int:
    """Return the weeks from the week of a day to another week; none where the alarm came before."""
    return max(0, (week - (began - timedelta(days=began.weekday()))).days // 7)
