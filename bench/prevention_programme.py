"""Recall lists of the health programme: a whole city's at once, and one doctor's day as her page reads it.

The city is made here: registrations and what is due for them, as the nightly run keeps them, in the
platform's own tables. No truth is asked of it: it has a city's size and shape (15 % hypertension, 6 %
diabetes, 14 % elderly, 7 % children; 800 doctors).
"""

import json
import os
import random
import statistics
import sys
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any

from bench import Measured, figure
from bench.record_store import absent, child, database

RESIDENTS, QUICK_RESIDENTS = 1_000_000, 50_000
TODAY = date(2026, 11, 30)
PEER = "the same by the schedule engine from each resident's history, set-wise, without kept rows"
PROGRAMMES = (
    ("hypertension", "hypertension", 0.15, (("hypertension-visit", 90), ("hypertension-check", 365))),
    ("diabetes", "type2-diabetes", 0.06, (("diabetes-visit", 90), ("diabetes-check", 365))),
    ("elderly", "birth", 0.14, (("elderly-check", 365), ("elderly-tcm", 365))),
    ("child", "birth", 0.07, (("child-check", 180), ("child-tcm", 180))),
)


@figure("recall-list-1m", room="prevention", unit="s", target=2, better="lower", peer=PEER)
def recall_list(quick: bool) -> Measured:
    """The recall list of a day of 1,000,000 residents (quick: 50,000) as a table, by doctor, on SQLite."""
    return _measure(quick, "city")


@figure("recall-day", room="prevention", unit="ms", target=50, better="lower")
def recall_day(quick: bool) -> Measured:
    """A doctor's day in a city of 1,000,000 residents (quick: 50,000), policy and audit included, SQLite."""
    return _measure(quick, "day")


def _measure(quick: bool, what: str) -> Measured:
    if (missing := absent("sqlite", shared=False)) is not None:
        return missing
    with database("sqlite") as environment:
        found = child(environment, "quick" if quick else "full", what, module="bench.prevention_programme")
    peers = [found["peer"]] if "peer" in found else []
    note = "; ".join(f"{name} {value:,.1f}" for name, value in found.items() if name not in ("value", "peer"))
    lacking = "" if peers else "the figure is our own page's"
    return Measured([found["value"]], peers, peer_missing=lacking, note=note)


def _entries(residents: int, doctors: list[tuple[int, int]]) -> Iterator[tuple[Any, ...]]:
    """Yield (person, programme, anchor, since, services, doctor and institution) of the registered."""
    from salus.kernel.ids import uuid7

    chance = random.Random(7)  # noqa: S311 - a reproducible city
    for _ in range(residents):
        person, place = uuid7(), chance.choice(doctors)
        for programme, anchor, share, services in PROGRAMMES:
            if chance.random() < share:
                since = TODAY - timedelta(days=chance.randrange(30, 2_000))
                yield person, programme, anchor, since, services, place


def _fill(residents: int) -> tuple[int, Any, Any]:
    """Store the city; return how many services are kept, a doctor, and her institution."""
    from django.db import connection

    from salus.kernel.models import Institution, Staff

    count = max(4, residents // 25_000)
    places = [
        Institution.objects.create(code=f"CENTRE{n}", name=f"Centre {n}", kind="community_centre")
        for n in range(count)
    ]
    staff = [
        Staff.objects.create(code=f"DOCTOR{n}", name=f"Doctor {n}", institution=places[n % count])
        for n in range(count * 20)
    ]
    now = datetime(2026, 11, 30, 1, tzinfo=UTC)
    doctors = [(one.pk, one.institution_id) for one in staff]
    kept = _store(_entries(residents, doctors), now)
    _name(staff[0].pk, now)
    with connection.cursor() as cursor:
        cursor.execute("analyze")
    return kept, staff[0], places[0]


_ENTRY = (
    "insert into prevention_programmeentry (id, person_id, programme, anchor, anchor_on, state, origin, code,"
    " institution_id, doctor_id, placed_by, district_code, categories, control, poor_run, facts, opened_at,"
    " opened_by, close_reason, closed_by, updated) values (%s, %s, %s, %s, %s, 'open', 'age', '', %s, %s,"
    " 'care', '440104', '', '', 0, '{}', %s, 'bench', '', '', %s)"
)
_DUE = (
    "insert into prevention_dueservice (person_id, entry_id, programme, service, anchor_on, step, counted,"
    " missed, due_on, overdue_on, reason, call_on, tries, last_outcome, level, institution_id, doctor_id,"
    " district_code, categories) values (%s, %s, %s, %s, %s, 1, 1, 0, %s, %s, 'interval', %s, 0, '', 0, %s,"
    " %s, '440104', '')"
)


def _store(entries: Iterator[tuple[Any, ...]], now: datetime) -> int:
    """Store registrations and what is due by plain statements; the indexes are made afterwards."""
    from django.db import connection, transaction

    chance = random.Random(8)  # noqa: S311 - a reproducible city
    number = kept = 0
    with connection.cursor() as cursor:
        cursor.execute(
            "select name, sql from sqlite_master where type = 'index' and sql is not null and tbl_name in"
            " ('prevention_programmeentry', 'prevention_dueservice')"
        )
        indexes = cursor.fetchall()
        for name, _sql in indexes:
            cursor.execute(f'drop index "{name}"')
        while some := list(islice(entries, 20_000)):
            rows, due = [], []
            for person, programme, anchor, since, services, (doctor, institution) in some:
                number += 1
                key, day = person.hex, since.isoformat()
                rows.append((number, key, programme, anchor, day, institution, doctor, str(now), str(now)))
                for service, every in services:
                    on = TODAY + timedelta(days=chance.randrange(-int(0.35 * every), int(0.65 * every)))
                    late = (on + timedelta(days=14)).isoformat()
                    due.append(
                        (key, number, programme, service, day, str(on), late, str(on), institution, doctor)
                    )
            with transaction.atomic():
                cursor.executemany(_ENTRY, rows)
                cursor.executemany(_DUE, due)
            kept += len(due)
        for _name, sql in indexes:
            cursor.execute(sql)
    return kept


def _name(doctor: int, now: datetime) -> None:
    """Give the residents of one doctor their names: her page shows them."""
    from salus.prevention.models import ProgrammeEntry
    from salus.record.models import Person

    persons = set(ProgrammeEntry.objects.filter(doctor=doctor).values_list("person_id", flat=True))
    Person.objects.bulk_create(
        [
            Person(id=one, name=f"Resident {n}", birth_date=date(1960, 1, 1), updated=now)
            for n, one in enumerate(sorted(persons))
        ],
        batch_size=500,
    )


def _city(residents: int) -> dict[str, float]:
    from bench.prevention_schedule import columns
    from salus.kernel.policy import system_principal
    from salus.prevention.queries.programme import recall
    from salus.prevention.schedule import City, due_list, load_rules

    kept, _doctor, _place = _fill(residents)
    times = []
    for _ in range(3):
        began = time.perf_counter()
        found = recall.city_list(system_principal("bench"), TODAY)
        times.append(time.perf_counter() - began)
    births, anchors, given = columns(residents)
    city = City.build(births, anchors, given)
    began = time.perf_counter()
    due_list(load_rules(TODAY), city, TODAY)
    peer = time.perf_counter() - began
    return {
        "value": statistics.median(times), "peer": peer, "services on the list": found.num_rows,
        "services kept": kept,
    }  # fmt: skip


def _day(residents: int) -> dict[str, float]:
    from salus.kernel.policy import Grant, Principal
    from salus.prevention.queries.programme import recall

    _kept, doctor, place = _fill(residents)
    principal = Principal(
        name="doctor", roles=frozenset({"village_doctor"}), account_id=1, staff_id=doctor.pk,
        institution_ids=frozenset({place.pk}), grants=(Grant("village_doctor", place.pk, None),),
    )  # fmt: skip
    times = []
    for _ in range(15):
        began = time.perf_counter()
        found = recall.day(principal, TODAY)
        times.append((time.perf_counter() - began) * 1000)
    return {"value": statistics.median(times), "worst ms": max(times), "residents due": found.total}


def main(size: str, what: str) -> None:
    """Measure in this process, on the databases of the environment."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "salus.settings")
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    call_command("migrate", database="audit", verbosity=0)
    run = _city if what == "city" else _day
    sys.stdout.write(json.dumps(run(QUICK_RESIDENTS if size == "quick" else RESIDENTS)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
