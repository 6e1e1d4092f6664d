"""What other rooms may ask of prevention. Answers are frozen dataclasses of plain values."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class WeeklyCases:
    """Cases of a disease in a week (its Monday), in a district, known through an institution's code."""

    disease: str
    district: str
    institution: str
    week: date
    cases: int


@dataclass(frozen=True, slots=True)
class ReportingIndicators:
    """How cases diagnosed in a span were reported: owed = timely + late + missed + open."""

    first: date
    last: date
    owed: int
    timely: int
    late: int
    missed: int
    open: int

    @property
    def share_timely(self) -> float | None:
        """Timely reports among those whose deadline has passed or that were made; None without any."""
        closed = self.timely + self.late + self.missed
        return self.timely / closed if closed else None


@dataclass(frozen=True, slots=True)
class OpenSignals:
    """Signals of a district that are to be judged or under watch; district "" counts those of the city."""

    district: str
    to_judge: int
    under_watch: int
    oldest_week: date


def open_signals() -> tuple[OpenSignals, ...]:
    """Return open signals by district, by code. One of several districts counts in each of them."""
    from salus.prevention.queries.signals import story

    return tuple(OpenSignals(*row) for row in story.open_by_district())


def weekly_cases(
    first: date,
    last: date,
    *,
    diseases: Collection[str] = (),
    districts: Collection[str] = (),
    known_by: date | None = None,
) -> pa.Table:
    """Return counts of cases as an Arrow table: disease, district, institution, week (Monday), cases.

    Suspected, probable and confirmed cases, by the week of onset or else diagnosis; empty cells are left
    out; `known_by` replays what was known at the end of a day. Nobody is named.
    """
    from salus.prevention.queries.notifiable import counts

    return counts.weekly(first, last, diseases=diseases, districts=districts, known_by=known_by)


def weekly_case_rows(first: date, last: date, *, diseases: Collection[str] = ()) -> Sequence[WeeklyCases]:
    """Return the same as rows."""
    table = weekly_cases(first, last, diseases=diseases)
    return tuple(WeeklyCases(**row) for row in table.to_pylist())


def notifiable_diseases(day: date) -> dict[str, tuple[str, str]]:
    """Return the diseases that are notifiable on a day: their names in English and Chinese by code."""
    from salus.prevention.queries.notifiable.diseases import catalogue

    return {code: (one.name, one.name_zh) for code, one in catalogue().on(day).items()}


def reporting_indicators(first: date, last: date, *, now: datetime) -> ReportingIndicators:
    """Return how the city's institutions reported the cases diagnosed from a day to a day, as of `now`."""
    from salus.prevention.queries.notifiable import quality

    found = quality.timeliness(first, last, now=now)
    sums = {
        name: sum(getattr(one, name) for one in found)
        for name in ("owed", "timely", "late", "missed", "open")
    }
    return ReportingIndicators(first, last, **sums)


@dataclass(frozen=True, slots=True)
class ProgrammeIndicators:
    """How the health programme stands in a place on a day of a year; shares are None where undefined.

    `programme` is a code (hypertension, diabetes, elderly, mental-illness), `place` a district's code, an
    institution's number or empty for the city. `registered` residents of `expected` (by prevalence), those
    managed to the `standard` (seen this year, not overdue), `controlled` at the year's last visit, and
    visits `given` of which `on_time` before they were overdue; `overdue` residents.
    """

    programme: str
    place: str
    registered: int
    expected: int | None
    standard: int
    controlled: int
    given: int
    on_time: int
    overdue: int

    @property
    def managed_share(self) -> float | None:
        """Registered among the expected patients."""
        return self.registered / self.expected if self.expected else None

    @property
    def standard_share(self) -> float | None:
        """Managed to the norm among the registered."""
        return self.standard / self.registered if self.registered else None

    @property
    def control_rate(self) -> float | None:
        """Controlled among the registered: who was not seen this year is not controlled."""
        return self.controlled / self.registered if self.registered else None

    @property
    def on_time_share(self) -> float | None:
        """Visits given before they were overdue."""
        return self.on_time / self.given if self.given else None


def programme_indicators(today: date, *, by: str = "district") -> tuple[ProgrammeIndicators, ...]:
    """Return the programme's indicators by "district", "institution" or for the "city", of the year so far.

    Counts without names, none hidden: who shows them asks the policy and hides small ones.
    """
    from salus.prevention.queries.programme import indicators

    return tuple(
        ProgrammeIndicators(
            one.programme, one.place, one.registered, one.expected, one.standard, one.controlled, one.given,
            one.on_time, one.overdue,
        )
        for one in indicators.indicators(today, by=by)
    )  # fmt: skip
