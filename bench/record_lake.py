"""How fast the lake is built and refreshed, how it answers as of a date, and what kills leave of it."""

import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from bench import Measured, figure

ROOT = Path(__file__).resolve().parent.parent
START = 1_735_689_600_000_000  # 2025-01-01 in µs
HOUR = 3_600_000_000
BATCH = 20_000
KINDS = (
    ("Observation", 55),
    ("Encounter", 15),
    ("Condition", 10),
    ("MedicationRequest", 10),
    ("Immunization", 5),
)  # of a hundred; the rest are Patients


def body(kind: str, n: int, patient: int, chance: random.Random) -> bytes:
    """Return a resource as a hospital's system sends it, about 600 bytes."""
    day = f"2024-{1 + n % 12:02}-{1 + n % 28:02}"
    whose = {"reference": f"Patient/p{patient}"}
    found: dict[str, Any] = {"meta": {"versionId": "1", "lastUpdated": f"{day}T00:00:00.000000Z"}}
    if kind == "Patient":
        found |= {
            "identifier": [{"system": "urn:oid:2.16.156.10011.1.3", "value": f"{n:018}"}],
            "name": [{"use": "official", "text": "张三", "family": "张", "given": ["三"]}],
            "gender": ("male", "female")[n % 2],
            "birthDate": f"{1935 + n % 85}-{1 + n % 12:02}-{1 + n % 28:02}",
            "address": [{"use": "home", "text": f"和平路{n % 900}号", "district": f"3301{n % 12:02}"}],
            "telecom": [{"system": "phone", "value": f"138{n % 10**8:08}"}],
        }
    elif kind == "Observation":
        found |= {
            "status": "final",
            "category": [{"coding": [{"code": "laboratory"}]}],
            "code": {
                "coding": [{"system": "http://loinc.org", "code": f"{2000 + n % 60}-1", "display": "Glucose"}]
            },
            "subject": whose,
            "effectiveDateTime": f"{day}T08:00:00+08:00",
            "valueQuantity": {
                "value": round(chance.gauss(5, 1), 1),
                "unit": "mmol/L",
                "system": "http://unitsofmeasure.org",
                "code": "mmol/L",
            },
            "referenceRange": [{"low": {"value": 3.9}, "high": {"value": 6.1}}],
        }
    elif kind == "Encounter":
        found |= {
            "status": "finished",
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
            "subject": whose,
            "period": {"start": f"{day}T08:00:00+08:00", "end": f"{day}T09:00:00+08:00"},
            "serviceProvider": {"reference": f"Organization/h{n % 40}"},
        }
    elif kind == "Condition":
        found |= {
            "clinicalStatus": {"coding": [{"code": "active"}]},
            "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": f"E1{n % 9}.{n % 7}"}]},
            "subject": whose,
            "onsetDateTime": day,
        }
    elif kind == "MedicationRequest":
        found |= {
            "status": "active",
            "intent": "order",
            "medicationCodeableConcept": {
                "coding": [{"system": "http://www.whocc.no/atc", "code": "A10BA02"}]
            },
            "subject": whose,
            "authoredOn": day,
        }
    else:
        found |= {
            "status": "completed",
            "vaccineCode": {"coding": [{"code": f"{n % 20:02}"}]},
            "patient": whose,
            "occurrenceDateTime": day,
        }
    return json.dumps({"resourceType": kind, "id": f"{kind[0].lower()}{n}", **found}).encode()


def resources(count: int) -> Iterator[tuple[int, str, int]]:
    """Yield number, type and patient of each resource; the Patients come first, as number and patient."""
    patients = max(1, count * (100 - sum(share for _, share in KINDS)) // 100)
    for n in range(1, patients + 1):
        yield n, "Patient", n
    pattern = [kind for kind, share in KINDS for _ in range(share)]
    random.Random(1).shuffle(pattern)
    for n in range(patients + 1, count + 1):
        yield n, pattern[n % len(pattern)], 1 + n * 7919 % patients


def load(count: int) -> None:
    """Put resources straight into the record's tables, past the store: this measures the lake."""
    from django.db import connection

    from salus.record.rules.r4 import kind_of

    connection.ensure_connection()
    raw = connection.connection
    raw.execute("pragma synchronous = off")
    raw.execute("begin")
    chance = random.Random(7)
    rows: list[Any] = []
    lines: list[Any] = []
    for n, kind, patient in resources(count):
        at = START + n
        person = f"{patient:032x}"
        number = kind_of(kind)
        rows.append(
            (n, number, f"{kind[0].lower()}{n}", 1, person, patient, 1, at, 0, body(kind, n, patient, chance))
        )
        lines.append((n, number, 1, person, 1, None))
        if kind == "Patient":
            lines.append((n, number, 1, person, 4, at))
        if len(rows) >= BATCH or n == count:
            raw.executemany(
                "insert into record_resource (rid, kind, id, version, person_id, patient_rid, source_id,"
                " updated, deleted, body) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
            raw.executemany(
                "insert into record_change (xid, rid, kind, version, person_id, op, at)"
                " values (0, ?, ?, ?, ?, ?, ?)",
                lines,
            )
            rows, lines = [], []
    raw.execute("commit")


def change(count: int, share: float) -> int:
    """Give a share of all resources a new version, scattered evenly; return how many."""
    from django.db import connection

    connection.ensure_connection()
    raw = connection.connection
    step = round(1 / share)
    rids = json.dumps(list(range(1, count + 1, step)))
    raw.execute("begin")
    which = "rid in (select value from json_each(?))"
    raw.execute(
        "insert into record_history (rid, version, source_id, updated, deleted, body) select rid, version,"  # noqa: S608
        f" source_id, updated, deleted, body from record_resource where {which}",
        (rids,),
    )
    raw.execute(
        f"update record_resource set version = version + 1, updated = updated + {HOUR} where {which}",  # noqa: S608
        (rids,),
    )
    raw.execute(
        "insert into record_change (xid, rid, kind, version, person_id, op)"  # noqa: S608
        f" select 0, rid, kind, version, person_id, 2 from record_resource where {which}",
        (rids,),
    )
    raw.execute("commit")
    return len(range(1, count + 1, step))


def main(count: int) -> None:
    """Load, build, change, refresh and ask in a process of its own; print one line of JSON."""
    import django
    from django.core.management import call_command

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "salus.settings")
    django.setup()
    call_command("migrate", "record", verbosity=0)
    began = time.perf_counter()
    load(count)
    found: dict[str, float] = {"resources": count, "load": time.perf_counter() - began}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    from salus.engine import duckdb_engine
    from salus.record.lake import services
    from salus.record.lake.reading import attach, root

    began = time.perf_counter()
    manifest = services.build()
    found["build"] = time.perf_counter() - began
    found["rows"] = sum(t.rows for t in manifest.tables.values())
    found["lake_mb"] = sum(f.bytes for f in manifest.files()) / 1e6
    for number in range(3):
        found["changed"] = change(count, 0.01)
        began = time.perf_counter()
        manifest = services.follow()
        found[f"refresh{number}"] = time.perf_counter() - began
    asked = (
        "select e.class_code, count(*) as n, count(distinct e.person_id) as persons from encounter e"
        " group by e.class_code order by 1"
    )
    for name, at in (("now", None), ("as_of", START + count // 2)):
        with duckdb_engine() as engine:
            lake = attach(engine, root(), manifest, [manifest.tables["encounter"]], at=at)
            began = time.perf_counter()
            lake.run(asked)
            found[name] = time.perf_counter() - began
    found["memory_before"], found["memory"] = (
        before,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )
    sys.stdout.write(json.dumps(found) + "\n")


@cache
def measured(quick: bool) -> dict[str, float]:
    """Run the measurement once for all figures of a call."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("SALUS_BENCH_DIR")) as folder:
        done = subprocess.run(
            [sys.executable, "-m", "bench.record_lake", "200000" if quick else "10000000"],
            check=True,
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**os.environ, "SALUS_DATA_DIR": folder, "DATABASE_URL": "", "SALUS_LAKE_BENCH": "1"},
            timeout=7_200,
        )
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def _note(found: dict[str, float]) -> str:
    return (
        f"{found['resources']:,.0f} resources, {found['rows']:,.0f} rows, {found['lake_mb']:,.0f} MB;"
        f" build {found['build']:.1f} s, refresh of {found['changed']:,.0f} changes"
        f" {found['refresh0']:.2f} s; at most {found['memory']:,.0f} MB of memory"
        f" ({found['memory_before']:,.0f} before)"
    )


@figure("lake-build", room="record", unit="resources/s", target=20_000)
def lake_build(quick: bool) -> Measured:
    """Resources a second in a first build of all tables of the library, on SQLite."""
    found = measured(quick)
    return Measured([found["resources"] / found["build"]], note=_note(found))


@figure("lake-refresh", room="record", unit="% of the build", target=10, better="lower")
def lake_refresh(quick: bool) -> Measured:
    """A refresh after 1 % of all resources changed, as a share of the first build's time."""
    found = measured(quick)
    values = [100 * found[f"refresh{n}"] / found["build"] for n in range(3)]
    return Measured(values, note=_note(found))


@figure("lake-as-of", room="record", unit="s", target=5, better="lower")
def lake_as_of(quick: bool) -> Measured:
    """Encounters and persons by class as of an instant half-way through the history."""
    found = measured(quick)
    return Measured([found["as_of"]], note=f"the same of now: {found['now']:.2f} s; {_note(found)}")


@figure("kill-lake", room="record", unit="publications found broken", target=0, better="lower")
def kill_lake(quick: bool) -> Measured:
    """Lakes that were not whole after their writer was killed (-9) at a random moment, of 50 (quick: 5)."""
    kills, broken = 5 if quick else 50, 0
    with tempfile.TemporaryDirectory(dir=os.environ.get("SALUS_BENCH_DIR")) as folder:
        environment = {**os.environ, "SALUS_DATA_DIR": folder, "DATABASE_URL": ""}
        command = [sys.executable, "-m", "bench.record_lake"]
        subprocess.run([*command, "prepare", "5000"], check=True, cwd=ROOT, env=environment)
        chance = random.Random(20260101)
        for number in range(kills):
            process = subprocess.Popen(
                [*command, "churn", str(number)], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
            )
            if process.stdout is not None:
                process.stdout.readline()
            time.sleep(chance.uniform(0, 4))
            process.send_signal(signal.SIGKILL)
            process.wait()
            broken += subprocess.run([*command, "whole"], cwd=ROOT, env=environment).returncode != 0
    return Measured([float(broken)], note=f"{kills} kills")


def trial(what: str, number: int) -> None:
    """Do a part of the kill figure: `prepare` a record and its lake, `churn` on, or look if `whole`."""
    import django
    import pyarrow.parquet as pq
    from django.core.management import call_command

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "salus.settings")
    django.setup()
    from salus.engine import duckdb_engine
    from salus.record.lake import services
    from salus.record.lake.folder import Folder
    from salus.record.lake.reading import attach, root

    if what == "prepare":
        call_command("migrate", "record", verbosity=0)
        load(number)
        services.build()
        return
    if what == "churn":
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            change(5000, 0.01)
            services.follow(wait=30)
            services.compact()
            services.build()
    present = Folder(root()).current()
    if present is None:
        raise SystemExit(1)
    for file in present.files():
        if pq.ParquetFile(root() / file.path).metadata.num_rows != file.rows:
            raise SystemExit(1)
    with duckdb_engine() as engine:
        lake = attach(engine, root(), present, [present.tables["patient"], present.tables["observation"]])
        counts = lake.run(
            "select (select count(*) from patient), (select count(*) from observation)"
        ).to_pylist()
        expected = [kind for _, kind, _ in resources(5000)]
        found = list(counts[0].values())
    raise SystemExit(found != [expected.count("Patient"), expected.count("Observation")])


if __name__ == "__main__":
    if sys.argv[1].isdigit():
        main(int(sys.argv[1]))
    else:
        trial(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0)
