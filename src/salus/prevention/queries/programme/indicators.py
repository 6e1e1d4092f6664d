"""The programme's indicators by district or institution: registered, managed, controlled, on time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from salus.prevention.models import Control, DueService, EntryState, ProgrammeEntry, ServiceGiven
from salus.prevention.queries.programme import catalogue
from salus.prevention.queries.programme.ages import back
from salus.prevention.schedule.offsets import Span
from salus.record.models import Person

PLACES = {"district": "district_code", "institution": "institution_id", "city": ""}


@dataclass(frozen=True, slots=True)
class Indicator:
    """Counts of one programme in one place on a day of a year.

    `registered` open entries; `expected` patients by prevalence (None where it is not estimated); `standard`
    those seen this year who are not overdue; `judged` and `controlled` by their last visit of this year;
    `given` visits of this year with a due day, `on_time` those before they were overdue; `overdue` entries.
    """

    programme: str
    place: str
    registered: int
    expected: int | None
    standard: int
    judged: int
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
        """Controlled at the year's last visit among the registered: who was not seen is not controlled."""
        return self.controlled / self.registered if self.registered else None

    @property
    def on_time_share(self) -> float | None:
        """Visits given before they were overdue."""
        return self.on_time / self.given if self.given else None


def indicators(
    today: date, *, by: str = "district", institutions: frozenset[int] | None = None,
    districts: frozenset[str] | None = None,
) -> list[Indicator]:  # fmt: skip
    """Return the indicators of every programme that has measures, as of a day.

    Args:
        today: the day; the year is its calendar year.
        by: "district" (codes), "institution" (numbers) or "city" (one place, empty).
        institutions: only these.
        districts: only these and their parts.
    """
    column = PLACES[by]
    first = date(today.year, 1, 1)
    entries = ProgrammeEntry.objects.filter(state=EntryState.OPEN)
    given = ServiceGiven.objects.filter(undone_at=None, day__gte=first, day__lte=today)
    if institutions is not None:
        entries = entries.filter(institution_id__in=institutions)
        given = given.filter(institution_id__in=institutions)
    if districts is not None:
        entries, given = _within(entries, districts), _within(given, districts)
    found = []
    for measure in catalogue.measures(today):
        seen = ServiceGiven.objects.filter(
            entry=OuterRef("pk"), product=measure.visit, undone_at=None, day__gte=first, day__lte=today
        )
        late = DueService.objects.filter(entry=OuterRef("pk"), service=measure.visit, overdue_on__lte=today)
        rows = entries.filter(programme=measure.programme).annotate(seen=Exists(seen), late=Exists(late))
        group = [column] if column else ["programme"]
        counted = rows.order_by().values(*group).annotate(
            registered=Count("pk"),
            standard=Count("pk", filter=Q(seen=True, late=False)),
            judged=Count("pk", filter=Q(control_on__gte=first, control_on__lte=today)),
            controlled=Count(
                "pk", filter=Q(control=Control.GOOD, control_on__gte=first, control_on__lte=today)
            ),
            overdue=Count("pk", filter=Q(late=True)),
        )  # fmt: skip
        visits = {
            row[group[0]]: (row["given"], row["on_time"])
            for row in given.filter(programme=measure.programme, product=measure.visit)
            .order_by()
            .values(*group)
            .annotate(
                given=Count("pk", filter=Q(on_time__isnull=False)),
                on_time=Count("pk", filter=Q(on_time=True)),
            )
        }
        expected = _expected(measure, today, by, districts)
        for row in counted:
            place = row[group[0]]
            key = "" if not column else str(place if place is not None else "")
            total, timely = visits.get(place, (0, 0))
            found.append(
                Indicator(
                    measure.programme, key, row["registered"], expected.get(key), row["standard"],
                    row["judged"], row["controlled"], total, timely, row["overdue"],
                )
            )  # fmt: skip
    return sorted(found, key=lambda one: (one.programme, one.place))


def _within(rows: QuerySet, districts: frozenset[str]) -> QuerySet:  # type: ignore[type-arg]
    found = Q(pk__in=[])
    for code in sorted(districts):
        found |= Q(district_code__startswith=code)
    return rows.filter(found)


def _expected(
    measure: catalogue.Measure, today: date, by: str, districts: frozenset[str] | None
) -> Mapping[str, int]:
    """Return how many patients are expected, by district or in the city."""
    if measure.prevalence is None or by == "institution":
        return {}
    born = back(today, Span(measure.prevalence_from * 12, 0))
    people = Person.objects.filter(status="active", deceased=None, birth_date__lte=born)
    if districts is not None:
        people = _within(people, districts)
    if by == "city":
        return {"": round(people.count() * measure.prevalence)}
    counts = people.order_by().values("district_code").annotate(n=Count("pk"))
    return {row["district_code"]: round(row["n"] * measure.prevalence) for row in counts}


def trend(
    today: date, programme: str, institutions: frozenset[int] | None = None
) -> list[tuple[date, float]]:
    """Return the share of judged visits that found good control, for each of the last twelve months."""
    first = (today.replace(day=1) - timedelta(days=335)).replace(day=1)
    rows = ServiceGiven.objects.filter(
        programme=programme, undone_at=None, day__gte=first, day__lte=today
    ).exclude(control="")
    if institutions is not None:
        rows = rows.filter(institution_id__in=institutions)
    counted = (
        rows.order_by()
        .values("day__year", "day__month")
        .annotate(n=Count("pk"), good=Count("pk", filter=Q(control=Control.GOOD)))
    )
    return sorted(
        (date(row["day__year"], row["day__month"], 1), row["good"] / row["n"]) for row in counted if row["n"]
    )
