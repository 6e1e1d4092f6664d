"""What an emergency counts: the register's cases that belong to it, and what persons enter, by day and place.

Counts name nobody. `known_by` leaves out cases that came up later, so that a past day can be judged again; a
case's status is the present one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.db.models import Count as RowCount
from django.db.models import Min, Q, QuerySet
from django.utils import timezone

from salus.prevention.models import Case, CaseFact, Emergency, EmergencyKind, Exposure
from salus.prevention.queries.emergencies import rules
from salus.prevention.surveillance import grading
from salus.prevention.surveillance.grading import Count, Mean

_COUNTED = ("suspected", "probable", "confirmed")
LOOK_BACK = 28
"""Days of cases that a scan of a county looks at: twice the longest window of the norms."""


@dataclass(frozen=True, slots=True)
class Sums:
    """Persons of an emergency so far; severe and in hospital only as entered."""

    cases: int = 0
    deaths: int = 0
    severe: int = 0
    in_hospital: int = 0
    suspected: int = 0
    last_case: date | None = None


def county_of(district: str) -> str:
    """Return the county's six digits of a district's code."""
    return district[:6]


def register(
    disease: str, districts: Collection[str], first: date | None, last: date, known_by: date | None = None
) -> QuerySet[Case]:
    """Return a disease's cases with their first day in a span, in districts given by beginnings of codes."""
    rows = Case.objects.filter(
        disease=disease, duplicate_of=None, status__in=_COUNTED, first_day__lte=last
    )  # fmt: skip
    if first is not None:
        rows = rows.filter(first_day__gte=first)
    if places := [code for code in districts if code]:
        within = Q()
        for code in places:
            within |= Q(district_code__startswith=code)
        rows = rows.filter(within)
    return _known(rows, known_by)


def _known(rows: QuerySet[Case], known_by: date | None) -> QuerySet[Case]:
    if known_by is None:
        return rows
    end = datetime.combine(known_by + timedelta(days=1), time.min, timezone.get_current_timezone())
    return rows.filter(created__lt=end)


def cases_of(emergency: Emergency, day: date, known_by: date | None = None) -> QuerySet[Case]:
    """Return the register's cases that belong to an emergency, up to a day; none without a disease.

    Those of its outbreak, else those of its disease in its county (or wider place) since it began.
    """
    if emergency.kind != EmergencyKind.INFECTIOUS or not emergency.disease:
        return Case.objects.none()
    if emergency.outbreak_id is not None:
        rows = Case.objects.filter(
            outbreak_id=emergency.outbreak_id, duplicate_of=None, status__in=_COUNTED, first_day__lte=day
        )
        return _known(rows, known_by)
    return register(emergency.disease, [_prefix(emergency.district_code)], emergency.began_on, day, known_by)


def covers(district: str, county: str) -> bool:
    """Say whether a district is the county or holds it; nowhere in particular is everywhere."""
    return county.startswith(_prefix(district)) or district.startswith(county)


def _prefix(district: str) -> str:
    """Return the beginning of codes within a district: a city's or province's six digits end in zeros."""
    plain = district[:6]
    while plain.endswith("00") and len(plain) > 2:
        plain = plain[:-2]
    return plain if len(district) <= 6 else district


def as_counts(rows: QuerySet[Case], disease: str, day: date) -> list[Count]:
    """Return cases as counts of the grading, with form, unit and status, deaths on the day of death."""
    forms = _forms(rows, disease)
    units = dict(
        Exposure.objects.filter(case__in=rows.values("pk")).exclude(place="").order_by("-pk")
        .values_list("case_id", "place")
    )  # fmt: skip
    sums: dict[tuple[date, str, str, str, str], list[int]] = defaultdict(lambda: [0, 0])
    values = rows.values_list("pk", "first_day", "district_code", "status", "outcome", "died_on")
    for number, first, district, status, outcome, died in values.iterator(chunk_size=5000):
        where = (district, units.get(number, ""), forms.get(number, ""), status)
        sums[(first, *where)][0] += 1
        if outcome == "died":
            at = max(died or first, first)
            if at <= day:
                sums[(at, *where)][1] += 1
    return [
        Count(at, district, cases, deaths, unit, form, status)
        for (at, district, unit, form, status), (cases, deaths) in sorted(sums.items())
    ]


def _forms(rows: QuerySet[Case], disease: str) -> dict[int, str]:
    book = rules.book()
    if not book.forms_of(disease):
        return {}
    codes: dict[int, list[str]] = defaultdict(list)
    found = CaseFact.objects.filter(case__in=rows.values("pk"), kind="diagnosis").values_list(
        "case_id", "code"
    )
    for number, code in found:
        codes[number].append(code)
    return {number: book.form_of(disease, several) for number, several in codes.items()}


def counts_of(emergency: Emergency, day: date, known_by: date | None = None) -> list[Count]:
    """Return all of an emergency's persons up to a day: the register's and those entered."""
    found = as_counts(cases_of(emergency, day, known_by), emergency.disease, day)
    if emergency.form:
        found = [_with_form(one, emergency.form) for one in found]
    for row in emergency.counts.filter(day__lte=day):
        place = row.district_code or emergency.district_code
        found.append(Count(row.day, place, row.cases, row.deaths, row.unit, emergency.form))
    return found


def _with_form(one: Count, form: str) -> Count:
    return one if one.form else Count(
        one.day, one.district, one.cases, one.deaths, one.unit, form, one.status
    )  # fmt: skip


def sums_of(emergency: Emergency, counts: Iterable[Count], first: date | None, last: date) -> Sums:
    """Return the persons of a span; suspected ones are counted apart and not among the cases."""
    cases = deaths = suspected = 0
    last_case = None
    for one in counts:
        if (first is None or first <= one.day) and one.day <= last:
            deaths += one.deaths
            if one.status == "suspected":
                suspected += one.cases
                continue
            cases += one.cases
            if one.cases:
                last_case = max(one.day, last_case or one.day)
    entered = [
        row for row in emergency.counts.all() if row.day <= last and (first is None or row.day >= first)
    ]
    return Sums(
        cases, deaths, sum(row.severe for row in entered), sum(row.in_hospital for row in entered),
        suspected, last_case,
    )  # fmt: skip


def means(disease: str, counties: Collection[str], day: date) -> dict[str, Mean]:
    """Return the mean of the week that ends on a day in the five years before, by county.

    A year counts when the register holds cases of any disease from before its week; a county without a case
    of the disease then has a mean of 0.
    """
    begin = Case.objects.aggregate(first=Min("first_day"))["first"]
    if begin is None or not counties:
        return {}
    weeks = Q()
    for back in range(1, grading.YEARS + 1):
        last = grading.same_period(day, back)
        weeks |= Q(first_day__range=(last - timedelta(days=6), last))
    rows = (
        Case.objects.filter(weeks, disease=disease, duplicate_of=None, status__in=grading.COUNTED)
        .values_list("first_day", "district_code")
        .annotate(n=RowCount("pk"))
        .order_by()
    )
    history = [Count(first, district, n) for first, district, n in rows]
    found = grading.means_of(history, day, known_from=begin)
    years = sum(
        grading.same_period(day, back) - timedelta(days=6) >= begin for back in range(1, grading.YEARS + 1)
    )
    return {code: found.get(code, Mean(0.0, years)) for code in counties} if years else {}
