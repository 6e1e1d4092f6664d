"""What a trial of bulk jobs does in processes of their own, on an installation that may be killed.

Run as `python -m tests.record.fhir.bulk_child VERB …` with the installation's environment.
"""

import gzip
import hashlib
import json
import random
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import django

CODE = "bulk-trial"


def main(verb: str, *given: str) -> None:
    """Do one step and print its result as JSON on the last line."""
    django.setup()
    sys.stdout.write(json.dumps(VERBS[verb](*given)) + "\n")


def _source() -> Any:
    from salus.connect.models import SourceSystem

    return SourceSystem.objects.get_or_create(code=CODE, defaults={"name": CODE, "format": "fhir"})[0]


def _lines(patients: int, first: int = 0, wrong: bool = False) -> list[bytes]:
    found = []
    for number in range(first, first + patients):
        found.append(
            {"resourceType": "Patient", "id": f"p{number}", "birthDate": f"19{number % 90 + 10}-01-01"}
        )
        found += [
            {
                "resourceType": "Observation",
                "id": f"o{number}-{part}",
                "status": "final",
                "code": {"text": "trial"},
                "subject": {"reference": f"Patient/p{number}"},
                "valueInteger": part,
            }
            for part in range(4)
        ]
    made = [json.dumps(one).encode() for one in found]
    return made + [b"{broken"] if wrong else made


def fill(patients: str) -> int:
    """Store patients with four observations each."""
    from salus.connect.receipts import Incoming
    from salus.connect.services import receive

    lines = _lines(int(patients))
    for start in range(0, len(lines), 500):
        receive(_source(), [Incoming(raw) for raw in lines[start : start + 500]])
    return len(lines)


def change(seed: str) -> int:
    """Change and delete some of what is stored, as a sender does while an export runs."""
    from django.db import connection, transaction

    from salus.record import store
    from salus.record.models import Resource
    from salus.record.rules.r4 import kind_of

    rng = random.Random(int(seed))
    there = list(
        Resource.objects.filter(kind=kind_of("Observation"), deleted=False).values_list("id", flat=True)
    )
    source = _source().pk
    chosen = rng.sample(sorted(there), min(20, len(there)))
    with transaction.atomic(), connection.cursor() as cursor:
        writes = [
            store.Write("Observation", id, {"valueInteger": rng.randrange(10**6)}, "overlay", source)
            for id in chosen[5:]
        ]
        writes += [store.Write("Observation", id, None, "delete", source) for id in chosen[:5]]
        store.write(cursor, writes, now=datetime.now(UTC))
    return len(writes)


def _present() -> Counter[str]:
    from django.db import connection

    from salus.record import store
    from salus.record.models import Resource

    rids = list(Resource.objects.filter(deleted=False, version__gt=0).values_list("rid", flat=True))
    with connection.cursor() as cursor:
        found = store.read_rids(cursor, rids)
    return Counter(hashlib.sha256(one.body).hexdigest() for one in found)


def begin_export(place: str) -> str:
    """Kick an export off and note what it must hold."""
    import asyncio

    import httpx

    from salus.connect.sources import issue_token
    from salus.record.fhir.app import application

    Path(place).write_text(json.dumps(_present()))
    token = issue_token(_source())[1]

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=application)) as client:
            headers = {"authorization": f"Bearer {token}", "prefer": "respond-async"}
            return await client.get("http://localhost/fhir/$export", headers=headers)

    answer = asyncio.run(ask())
    if answer.status_code != 202:
        raise AssertionError(answer.text)
    return answer.headers["content-location"].rsplit("/", 1)[1]


def work_export(key: str) -> str:
    """Work on an export until it ends; small files, so that a kill falls between some and within others."""
    from salus.record.fhir.bulk import running
    from salus.record.models import ExportJob

    job = ExportJob.objects.get(key=key)
    _ready()
    return str(running.work(job.pk, file_resources=150))


def time_export(key: str) -> float:
    """Return the seconds that an export of files of the usual size takes."""
    from salus.record.fhir.bulk import running
    from salus.record.models import ExportJob

    job = ExportJob.objects.get(key=key)
    began = time.perf_counter()
    running.work(job.pk)
    return time.perf_counter() - began


def check_export(key: str, place: str) -> list[str]:
    """Return what is wrong with a finished export."""
    from salus.kernel import audit
    from salus.kernel.models import AuditRow
    from salus.record.fhir.bulk import places
    from salus.record.models import ExportFile, ExportJob

    job = ExportJob.objects.get(key=key)
    faults = [] if job.state == "done" else [f"state {job.state} {job.failure}"]
    got: Counter[str] = Counter()
    folder = places.folder_of(key)
    audit.recover()
    for one in ExportFile.objects.filter(job=job):
        content = (folder / one.name).read_bytes()
        if hashlib.sha256(content).hexdigest() != one.digest:
            faults.append(f"{one.name}: other bytes than published")
        if gzip.decompress((folder / f"{one.name}.gz").read_bytes()) != content:
            faults.append(f"{one.name}: packed differs")
        got.update(hashlib.sha256(line).hexdigest() for line in content.splitlines())
        rows = AuditRow.objects.filter(action="export", resource_id=key, detail__contains=one.name)
        if rows.count() != 1:
            faults.append(f"{one.name}: {rows.count()} audit rows")
    wanted = Counter(json.loads(Path(place).read_text()))
    if got != wanted:
        faults.append(f"{(wanted - got).total()} missing, {(got - wanted).total()} too many")
    left = [path.name for path in folder.iterdir() if path.name.endswith(".part")]
    return faults + [f"left behind: {name}" for name in left]


def begin_import(number: str) -> str:
    """Lay a file of lines no import had before into the upload folder and note the job, as `$import` does."""
    from django.conf import settings

    from salus.connect.bulk_import_models import ImportInput, ImportJob
    from salus.kernel import policy
    from salus.record.fhir import asker

    folder = Path(settings.DATA_DIR) / "bulk" / "uploads" / CODE
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{number}.ndjson").write_bytes(
        b"\n".join(_lines(150, 100_000 + int(number) * 1000, wrong=True)) + b"\n"
    )
    source = _source()
    kept = asker.kept(policy.principal_for_source(source.pk, CODE, None))
    job = ImportJob.objects.create(source=source, asker=kept, base="http://localhost/fhir")
    for place, type in enumerate(("Patient", "Observation"), start=1):
        ImportInput.objects.create(job=job, number=place, type=type, url=f"upload:{number}.ndjson")
    return str(job.key)


def work_import(key: str) -> str:
    """Work on an import until it ends, in small batches."""
    from salus.connect import bulk_import_work
    from salus.connect.bulk_import_models import ImportJob

    job = ImportJob.objects.get(key=key)
    _ready()
    return str(bulk_import_work.work(job.pk, most=40))


def check_import(key: str, number: str) -> list[str]:
    """Return what is wrong with a finished import: each line is one message, what is good is stored once."""
    from salus.connect.bulk_import_models import ImportJob
    from salus.connect.models import Message
    from salus.record.models import Resource

    job = ImportJob.objects.get(key=key)
    faults = [] if job.state == "done" else [f"state {job.state} {job.failure}"]
    lines = _lines(150, 100_000 + int(number) * 1000, wrong=True)
    for one in job.inputs.all():
        positions = Counter(Message.objects.filter(load_id=one.load_id).values_list("position", flat=True))
        if positions != Counter(range(1, len(lines) + 1)):
            faults.append(f"input {one.number}: {len(positions)} lines of {len(lines)}")
        load = one.load
        if load is None or load.received != load.stored + load.repeated + load.dead:
            faults.append(f"input {one.number}: the counts do not add up")
    kept = Message.objects.filter(load__in=job.inputs.values("load"), status="stored")
    stored = Resource.objects.filter(message_id__in=kept.values("pk"), deleted=False)
    versions = set(stored.values_list("version", flat=True))
    if stored.count() != len(lines) - 1 or versions != {1}:
        faults.append(f"{stored.count()} stored of {len(lines) - 1}, versions {versions}")
    return faults


def _ready() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()


VERBS = {
    "fill": fill,
    "change": change,
    "begin-export": begin_export,
    "work-export": work_export,
    "time-export": time_export,
    "check-export": check_export,
    "begin-import": begin_import,
    "work-import": work_import,
    "check-import": check_import,
}

if __name__ == "__main__":
    main(*sys.argv[1:])
