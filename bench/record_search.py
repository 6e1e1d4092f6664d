"""Whether searches stay as fast while a city's record grows: the same three over ever more patients."""

import hashlib
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from bench import Measured, figure
from bench.record_store import NO_PEER, absent, child, database, load

SIZES, QUICK_SIZES = (1_000, 8_000, 64_000), (1_000, 8_000)
SEARCHES = ("identifier", "name + birth date", "code + date")
REPEATS = 400
FAMILIES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董潘袁于蒋蔡余杜叶程苏魏吕丁任沈"
)
GIVEN = "伟芳娜敏静强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰红丽建国文辉力斌宁雪梅晨欣怡梓涵浩宇子轩"
LOINC = [f"{number}-{number % 10}" for number in range(2_000, 2_040)]
ICD = [f"{letter}{number:02d}" for letter in "EIJKMN" for number in range(40)]


@figure("search-flat", room="record", unit="ratio", target=1.5, better="lower")
def search_flat_sqlite(quick: bool) -> Measured:
    """How three searches' median time grows from 1,000 to 64,000 patients (quick: 8,000), on SQLite."""
    return _measure("sqlite", quick)


@figure("search-flat-postgres", room="record", unit="ratio", target=1.5, better="lower")
def search_flat_postgres(quick: bool) -> Measured:
    """How three searches' median time grows from 1,000 to 64,000 patients (quick: 8,000), on PostgreSQL."""
    return _measure("postgres", quick)


def _measure(kind: str, quick: bool) -> Measured:
    """Give the growth of the search that grows most."""
    if (missing := absent(kind, shared=False)) is not None:
        return missing
    with database(kind) as environment:
        found = child(environment, "quick" if quick else "full", module="bench.record_search")
    last = (QUICK_SIZES if quick else SIZES)[-1]
    grown = {name: found[f"{last} {name}"] / found[f"{SIZES[0]} {name}"] for name in SEARCHES}
    note = "; ".join(
        f"{name} {found[f'{SIZES[0]} {name}']:.2f} → {found[f'{last} {name}']:.2f} ms" for name in SEARCHES
    )
    return Measured([max(grown.values())], peer_missing=NO_PEER, note=note)


def patient(number: int) -> dict[str, Any]:
    """Return a patient with a name and a birth date as frequent as in a city, the same each time."""
    chance = random.Random(number)  # noqa: S311 - a reproducible population
    family = FAMILIES[min(int(chance.expovariate(0.07)), len(FAMILIES) - 1)]
    given = "".join(chance.choices(GIVEN, k=chance.choice((1, 2))))
    born = date(1935, 1, 1) + timedelta(days=chance.randrange(90 * 365))
    return {
        "resourceType": "Patient",
        "id": f"p{number}",
        "identifier": [{"system": "urn:salus:hospital", "value": f"MRN{number:08d}"}],
        "name": [{"family": family, "given": [given]}],
        "gender": chance.choice(("male", "female")),
        "birthDate": born.isoformat(),
    }


def belongings(number: int) -> Iterator[dict[str, Any]]:
    """Yield a patient's encounters, conditions and observations of five years: 20 to 50 in all."""
    chance = random.Random(-number - 1)  # noqa: S311 - a reproducible population
    subject = {"reference": f"Patient/p{number}"}
    for visit in range(chance.randint(4, 9)):
        day = date(2021, 1, 1) + timedelta(days=chance.randrange(5 * 365))
        mark = hashlib.sha256(f"{number}-{visit}".encode()).hexdigest()[:16]
        encounter = {"reference": f"Encounter/e{mark}"}
        yield {
            "resourceType": "Encounter",
            "id": f"e{mark}",
            "status": "finished",
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
            "subject": subject,
            "period": {"start": f"{day}T09:00:00+08:00", "end": f"{day}T09:40:00+08:00"},
        }
        yield {
            "resourceType": "Condition",
            "id": f"c{mark}",
            "subject": subject,
            "encounter": encounter,
            "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": chance.choice(ICD)}]},
            "recordedDate": day.isoformat(),
        }
        for item in range(chance.randint(2, 4)):
            yield {
                "resourceType": "Observation",
                "id": f"o{mark}-{item}",
                "status": "final",
                "code": {"coding": [{"system": "http://loinc.org", "code": chance.choice(LOINC)}]},
                "subject": subject,
                "encounter": encounter,
                "effectiveDateTime": f"{day}T09:20:00+08:00",
                "valueQuantity": {"value": chance.randint(1, 200), "unit": "mmol/L"},
            }


def _write(path: Path, numbers: range) -> None:
    import orjson

    with path.open("wb") as file:
        for start in range(0, len(numbers), 20):
            some = numbers[start : start + 20]
            found = [patient(number) for number in some]
            for number in some:
                found += belongings(number)
            file.write(b"".join(orjson.dumps(one) + b"\n" for one in found))


def _ask(size: int) -> dict[str, float]:
    """Return the median ms of each search; every one finds something, and a page is full or holds it all."""
    from django.db import connection

    from salus.kernel.policy import Scope
    from salus.record import store

    everything = Scope(everything=True)
    chance = random.Random(20260101)  # noqa: S311 - the same questions each time
    people = [patient(chance.randrange(SIZES[0])) for _ in range(REPEATS)]
    asked: dict[str, list[tuple[str, tuple[tuple[str, str], ...]]]] = {
        "identifier": [
            ("Patient", (("identifier", f"urn:salus:hospital|{one['identifier'][0]['value']}"),))
            for one in people
        ],
        "name + birth date": [
            ("Patient", (("name", one["name"][0]["family"]), ("birthdate", one["birthDate"])))
            for one in people
        ],
        "code + date": [
            (
                "Observation",
                (
                    ("code", f"http://loinc.org|{chance.choice(LOINC)}"),
                    ("date", f"ge{2021 + number % 4}-07-01"),
                    ("_count", "10"),
                ),
            )
            for number in range(REPEATS)
        ],
    }
    found: dict[str, float] = {}
    with connection.cursor() as cursor:
        for name, questions in asked.items():
            took = []
            for kind, parameters in [*questions[:20], *questions]:
                began = time.perf_counter()
                page = store.search(cursor, kind, store.SearchQuery(parameters), everything)
                took.append((time.perf_counter() - began) * 1e3)
                if not page.resources or (kind == "Observation" and len(page.resources) < 10):
                    raise RuntimeError(f"a search by {name} found too little")
            found[f"{size} {name}"] = statistics.median(took[20:])
    return found


def main(form: str) -> None:
    """Fill and ask in a process of its own and print one line of JSON."""
    import django
    from django.core.management import call_command
    from django.db import connection

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "salus.settings")
    django.setup()
    call_command("migrate", verbosity=0)
    from salus.kernel.collector import calm_collector

    calm_collector()
    found: dict[str, float] = {}
    filled = 0
    path = Path(os.environ["SALUS_DATA_DIR"]) / "resources.ndjson"
    for size in QUICK_SIZES if form == "quick" else SIZES:
        _write(path, range(filled, size))
        load(path)
        filled = size
        if connection.vendor == "postgresql":  # as autovacuum does, which some servers have switched off
            with connection.cursor() as cursor:
                cursor.execute("analyze")
        found |= _ask(size)
        sys.stderr.write(f"{size}: {found}\n")
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
