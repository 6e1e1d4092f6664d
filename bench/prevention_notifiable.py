"""Whether a report is held against 800,000 cases at once, and what a city's line list and counts cost."""

import json
import os
import random
import statistics
import sys
import time
from datetime import UTC, date, datetime, timedelta
from typing import Any

from bench import Measured, figure
from bench.record_search import FAMILIES, GIVEN
from bench.record_store import absent, child, database

CASES, QUICK_CASES = 800_000, 50_000
REPORTS = 300
PEER = "the same look-up by a scan of the cases, without the index"
DISEASES = ("influenza", "hand_foot_mouth", "tuberculosis", "hepatitis", "measles", "dengue", "syphilis")
WEIGHTS = (40, 25, 12, 12, 1, 2, 8)
COLUMNS = (
    "disease", "status", "decided", "origin", "person_id", "name", "name_key", "birth_date", "sex",
    "district_code", "address", "institution_id", "categories", "external_id", "diagnosed_at", "first_day",
    "due_at", "reported_at", "reported_by", "evidence", "missing", "outcome", "place_infected", "note",
    "created", "updated",
)  # fmt: skip
PART = 20_000


@figure("case-duplicate-800k", room="prevention", unit="ms", target=100, better="lower", peer=PEER)
def duplicates_sqlite(quick: bool) -> Measured:
    """The slowest of 100 look-ups (p99) of a report among 800,000 cases (quick: 50,000), on SQLite."""
    return _measure("sqlite", quick, "duplicate")


@figure("case-duplicate-800k-postgres", room="prevention", unit="ms", target=100, better="lower", peer=PEER)
def duplicates_postgres(quick: bool) -> Measured:
    """The slowest of 100 look-ups (p99) of a report among 800,000 cases (quick: 50,000), on PostgreSQL."""
    return _measure("postgres", quick, "duplicate")


@figure("line-list-800k", room="prevention", unit="ms", target=1_000, better="lower")
def line_list(quick: bool) -> Measured:
    """A page of the line list among 800,000 cases (quick: 50,000), filtered and sorted by day, on SQLite."""
    return _measure("sqlite", quick, "list")


def _measure(kind: str, quick: bool, what: str) -> Measured:
    if (missing := absent(kind, shared=False)) is not None:
        return missing
    with database(kind) as environment:
        found = child(environment, "quick" if quick else "full", what, module="bench.prevention_notifiable")
    peers = [found["scan"]] if "scan" in found else []
    lacking = "" if peers else "the figure is our own page's"
    count = QUICK_CASES if quick else CASES
    note = "; ".join(f"{name} {value:,.1f} ms" for name, value in found.items() if name != "value")
    return Measured([found["value"]], peers, peer_missing=lacking, note=f"{count:,} cases; {note}")


def _fill(count: int, institution: Any, now: datetime) -> list[tuple[str, date, str, date]]:
    """Store cases of three years with names as frequent as in a city; return some to be reported again."""
    from django.db import connection, transaction

    from salus.kernel.ids import uuid7
    from salus.prevention.surveillance.matching import name_key
    from salus.record.identity import rows

    chance = random.Random(5)  # noqa: S311 - a reproducible population
    drawn: list[tuple[str, date, str, date]] = []
    sql = f"insert into prevention_case ({', '.join(COLUMNS)}) values ({', '.join(['%s'] * len(COLUMNS))})"  # noqa: S608 - our own columns
    for start in range(0, count, PART):
        with transaction.atomic(), connection.cursor() as cursor:
            lite = cursor.db.vendor != "postgresql"
            part = []
            for n in range(start, min(start + PART, count)):
                family = FAMILIES[min(int(chance.expovariate(0.07)), len(FAMILIES) - 1)]
                name = family + "".join(chance.choices(GIVEN, k=chance.choice((1, 2))))
                born = date(1935, 1, 1) + timedelta(days=chance.randrange(90 * 365))
                day = date(2023, 9, 1) + timedelta(days=chance.randrange(3 * 365))
                disease = chance.choices(DISEASES, WEIGHTS)[0]
                at = datetime(day.year, day.month, day.day, 4, tzinfo=UTC)
                reported = at + timedelta(hours=chance.randrange(40))
                part.append(
                    (
                        disease, chance.choice(("suspected", "probable", "confirmed")), False, "record",
                        rows.key(cursor, uuid7()) if n % 3 else None, name, name_key(name),
                        born.isoformat() if lite else born, chance.choice(("male", "female")),
                        f"4401{chance.randrange(4, 15):02d}", "", institution.pk, "", "",
                        rows.moment(cursor, at), day.isoformat() if lite else day,
                        rows.moment(cursor, at + timedelta(hours=24)), rows.moment(cursor, reported), "",
                        "[]", "[]", "", "", "", rows.moment(cursor, now), rows.moment(cursor, now),
                    )
                )  # fmt: skip
                if n % (count // REPORTS) == 0:
                    drawn.append((name, born, disease, day))
            rows.many(cursor, sql, part)
    return drawn


def _duplicate(count: int, place: Any, now: datetime) -> dict[str, float]:
    from django.db import connection

    from salus.prevention.models import Case
    from salus.prevention.queries.notifiable import duplicates
    from salus.prevention.queries.notifiable.diseases import catalogue
    from salus.prevention.surveillance.matching import Likeness, Reported, name_key

    drawn = _fill(count, place, now)
    with connection.cursor() as cursor:
        cursor.execute("analyze")
    diseases = catalogue()
    times, found = [], 0
    for name, born, disease, day in drawn:
        who = Reported(disease, day + timedelta(days=2), None, name, born)
        began = time.perf_counter()
        candidates = duplicates.candidates(who, diseases[disease].episode_days)
        times.append((time.perf_counter() - began) * 1000)
        found += any(one.likeness is Likeness.SAME for one in candidates)
    if found != len(drawn):
        raise RuntimeError(f"{len(drawn) - found} reports were not found again")
    scans = []
    for name, born, disease, _day in drawn[:5]:
        began = time.perf_counter()
        list(
            Case.objects.filter(name_key__contains=name_key(name), birth_date=born, disease__contains=disease)
        )
        scans.append((time.perf_counter() - began) * 1000)
    times.sort()
    return {
        "value": times[int(len(times) * 0.99)],
        "median": statistics.median(times),
        "scan": statistics.median(scans),
    }


def _list(count: int, place: Any, now: datetime) -> dict[str, float]:
    from salus.kernel.policy import system_principal
    from salus.prevention import interface
    from salus.prevention.queries.notifiable import seeing

    _fill(count, place, now)
    rows = seeing.unaudited_cases(system_principal("bench"))
    pages = []
    for disease in (*DISEASES, None):
        chosen = rows.filter(disease=disease) if disease else rows
        began = time.perf_counter()
        chosen[:1_000_001].count()
        list(chosen.order_by("-first_day", "-pk")[:50])
        pages.append((time.perf_counter() - began) * 1000)
    began = time.perf_counter()
    table = interface.weekly_cases(date(2023, 9, 1), date(2026, 9, 1))
    counted = (time.perf_counter() - began) * 1000
    if sum(table["cases"].to_pylist()) != count:
        raise RuntimeError("the weekly counts do not add up to the cases")
    return {"value": max(pages), "median": statistics.median(pages), "weekly counts": counted}


def main(size: str, what: str) -> None:
    """Measure in this process, on the databases of the environment."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "salus.settings")
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    call_command("migrate", database="audit", verbosity=0)
    from salus.kernel.models import Institution

    place = Institution.objects.create(code="H1", name="Hospital", kind="general_hospital")
    count = QUICK_CASES if size == "quick" else CASES
    run = _duplicate if what == "duplicate" else _list
    sys.stdout.write(json.dumps(run(count, place, datetime(2026, 9, 1, tzinfo=UTC))) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
