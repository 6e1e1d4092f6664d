"""The numbers of a situation report as plain values, in both languages: an issued one never changes."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Q

from salus.kernel.models import District
from salus.prevention.models import Contact, ContactState, Emergency, TaskState
from salus.prevention.queries.emergencies import counting
from salus.prevention.queries.notifiable.diseases import catalogue
from salus.prevention.surveillance.grading import Count


def figures_of(emergency: Emergency, day: date, *, now: datetime) -> dict[str, Any]:
    """Return the numbers as they stand at the end of a day."""
    counts = counting.counts_of(emergency, day)
    total = counting.sums_of(emergency, counts, None, day)
    fresh = counting.sums_of(emergency, counts, day, day)
    before = counting.sums_of(emergency, counts, day - timedelta(days=1), day - timedelta(days=1))
    disease = catalogue().get(emergency.disease) if emergency.disease else None
    return {
        "day": day.isoformat(), "title": emergency.title, "kind": emergency.kind,
        "disease": [disease.name, disease.name_zh] if disease else ["", ""],
        "grade": emergency.grade, "place": emergency.place, "district": emergency.district_code,
        "district_names": _names([emergency.district_code])[emergency.district_code],
        "began_on": emergency.began_on.isoformat(),
        "noticed_at": emergency.noticed_at.isoformat(),
        "reported_at": emergency.reported_at.isoformat() if emergency.reported_at else "",
        "opened_at": emergency.opened_at.isoformat() if emergency.opened_at else "",
        "new": {"cases": fresh.cases, "deaths": fresh.deaths, "suspected": fresh.suspected},
        "before": {"cases": before.cases, "deaths": before.deaths},
        "total": {
            "cases": total.cases, "deaths": total.deaths, "severe": total.severe,
            "in_hospital": total.in_hospital, "suspected": total.suspected,
        },
        "last_case": total.last_case.isoformat() if total.last_case else "",
        "curve": curve_of(counts),
        "places": _places(counts, day, emergency),
        "contacts": _contacts(emergency, day),
        "tasks": _tasks(emergency, now),
        "done": [
            [task.title, task.title_zh or task.title, task.done_at.isoformat() if task.done_at else ""]
            for task in emergency.tasks.filter(state=TaskState.DONE).order_by("done_at")
        ],
        "requests": [
            [row.item, row.quantity, row.given, row.unit, row.wanted_by.isoformat(), row.state]
            for row in emergency.requests.all()
        ],
    }  # fmt: skip


def curve_of(counts: list[Count]) -> list[list[Any]]:
    """Return (day, cases, deaths) for every day from the first to the last with persons."""
    days: dict[date, list[int]] = defaultdict(lambda: [0, 0])
    for one in counts:
        if one.status != "suspected":
            days[one.day][0] += one.cases
        days[one.day][1] += one.deaths
    held = [day for day, sums in days.items() if any(sums)]
    if not held:
        return []
    first, last = min(held), max(held)
    span = (last - first).days + 1
    return [
        [day.isoformat(), *days.get(day, [0, 0])]
        for day in (first + timedelta(days=n) for n in range(span))
    ]  # fmt: skip


def _places(counts: list[Count], day: date, emergency: Emergency) -> list[list[Any]]:
    """Return (district, its names, unit, new, total, deaths), the hardest hit first."""
    sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for one in counts:
        held = sums[one.district or emergency.district_code, one.unit]
        if one.status != "suspected":
            held[0] += one.cases if one.day == day else 0
            held[1] += one.cases
        held[2] += one.deaths
    names = _names([district for district, _unit in sums])
    rows = [[district, names[district], unit, *held] for (district, unit), held in sums.items() if any(held)]
    return sorted(rows, key=lambda row: (-row[4], row[0], row[2]))


def _names(codes: list[str]) -> dict[str, list[str]]:
    rows = District.objects.filter(pk__in=set(codes)).values_list("code", "name", "name_en")
    known = {code: [english or name, name] for code, name, english in rows}
    return {code: known.get(code, [code, code]) for code in codes}


def _contacts(emergency: Emergency, day: date) -> dict[str, int]:
    cases = counting.cases_of(emergency, day)
    rows = Contact.objects.filter(case__in=cases.values("pk"))
    followed = rows.filter(state=ContactState.FOLLOWED, follow_until__gte=day)
    return {
        "all": rows.count(),
        "followed": followed.count(),
        "unseen": followed.filter(Q(last_visit=None) | Q(last_visit__lt=day)).count(),
        "alert": followed.filter(alert_on__gte=day - timedelta(days=1)).count(),
        "became": rows.filter(state=ContactState.CASE).count(),
    }


def _tasks(emergency: Emergency, now: datetime) -> dict[str, int]:
    rows = emergency.tasks.all()
    return {
        "done": rows.filter(state=TaskState.DONE).count(),
        "open": rows.filter(state=TaskState.OPEN).count(),
        "overdue": rows.filter(state=TaskState.OPEN, due_at__lt=now).count(),
    }
