"""A mix of FHIR requests over HTTP, everything on: a quarter each of reads, creates, updates and searches.

A source system's token, policy, validation, history, index, identity, the journal of raw messages and a
durable audit row for each. The server is `salus serve` as in production, without the background worker: with
two processors or more, one process holds the connections, reads and searches, and another one writes. The
load comes from one more process over keep-alive connections, which reads each answer whole and checks its
status.
"""

import asyncio
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from bench import Measured, figure
from bench.record_fhir import ROOT, Reader, observation, patient, wait
from bench.record_store import absent, database

MODULE = [sys.executable, "-m", "bench.record_crud"]
CONNECTIONS = 64
SECONDS, QUICK_SECONDS = 10.0, 3.0
RUNS, QUICK_RUNS = 3, 1
PATIENTS, OBSERVATIONS = 2_000, 20_000
PUBLISHED = "Aidbox publishes 5,212/s on 8 processors; it is a Java server that no Python index gives"


@figure("crud-mix", room="record", unit="requests/s", target=2_600, peer="Aidbox")
def crud_mix(quick: bool) -> Measured:
    """Reads, creates, updates and searches in equal parts a second, everything on (SQLite)."""
    return _measure("sqlite", quick)


@figure("crud-mix-postgres", room="record", unit="requests/s", target=2_600, peer="Aidbox")
def crud_mix_postgres(quick: bool) -> Measured:
    """Reads, creates, updates and searches in equal parts a second, everything on (PostgreSQL)."""
    return _measure("postgres", quick)


def _measure(kind: str, quick: bool) -> Measured:
    if (missing := absent(kind, shared=False)) is not None:
        return missing
    rates, tails, loads = [], [], []
    with database(kind) as environment:
        subprocess.run([*MODULE, "fill"], env=environment, check=True, cwd=ROOT)
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            port = found.getsockname()[1]
        command = [sys.executable, "-m", "salus.cli", "serve", "--port", str(port), "--no-worker"]
        server = subprocess.Popen(command, env=environment, cwd=ROOT, stderr=subprocess.DEVNULL)
        try:
            wait(port)
            seconds = QUICK_SECONDS if quick else SECONDS
            for run in range((QUICK_RUNS if quick else RUNS) + 1):
                order = [*MODULE, "load", str(port), "1" if run == 0 else str(seconds), str(run)]
                said = subprocess.run(order, env=environment, check=True, stdout=subprocess.PIPE, cwd=ROOT)
                result = orjson.loads(said.stdout)
                if run:  # the first warms up
                    rates.append(result["rate"])
                    tails.append(result["p99"])
                    loads.append(result["share"])
        finally:
            server.terminate()
            server.wait(timeout=30)
    note = (
        f"{CONNECTIONS} connections, p99 {max(tails):.0f} ms; the load takes {max(loads):.0%} of a processor"
    )
    return Measured(rates, peer_missing=PUBLISHED, note=note)


def fill() -> None:
    """Make an installation with a source system, its token, its patients and their observations."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "salus.settings")
    from salus.composition import installation

    installation.ensure()
    from datetime import UTC, datetime

    from django.conf import settings
    from django.db import connection, transaction

    from salus.connect import sources
    from salus.connect.models import SourceSystem
    from salus.kernel.models import Institution
    from salus.record import identity, store
    from salus.record.store import Write

    hospital = Institution.objects.create(code="H1", name="H1", kind="general_hospital")
    source = SourceSystem.objects.create(code="bench", name="bench", format="fhir", institution=hospital)
    _, token = sources.issue_token(source, scopes="system/*.cruds")
    now = datetime.now(UTC)
    chance = random.Random(1)
    for start in range(0, PATIENTS, 500):
        with transaction.atomic(), connection.cursor() as cursor:
            writes = [
                Write("Patient", f"p{n}", patient(chance, n), source_id=source.pk)
                for n in range(start, start + 500)
            ]
            written = store.write(cursor, writes, now=now)
            identity.link_patients(cursor, written, institution_id=hospital.pk)
    for start in range(0, OBSERVATIONS, 500):
        with transaction.atomic(), connection.cursor() as cursor:
            writes = [
                Write("Observation", f"o{n}", observation(chance), source_id=source.pk)
                for n in range(start, start + 500)
            ]
            store.write(cursor, writes, now=now)
    if connection.vendor == "postgresql":  # as autovacuum does, which some servers have switched off
        with connection.cursor() as cursor:
            cursor.execute("analyze")
    (Path(settings.DATA_DIR) / "token").write_text(token, encoding="utf-8")


def requests(chance: random.Random, token: str, port: int, run: int) -> Iterator[bytes]:
    """Yield requests of the four kinds in random order, in equal numbers."""
    head = f"Host: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\nAccept: application/fhir+json\r\n"

    def line(method: str, path: str, body: dict[str, Any] | None = None) -> bytes:
        if body is None:
            return f"{method} /fhir/{path} HTTP/1.1\r\n{head}\r\n".encode()
        sent = orjson.dumps(body)
        kind = f"Content-Type: application/fhir+json\r\nContent-Length: {len(sent)}\r\n\r\n"
        return f"{method} /fhir/{path} HTTP/1.1\r\n{head}{kind}".encode() + sent

    kinds = ["read", "create", "update", "search"]
    number = 0
    while True:
        chance.shuffle(kinds)
        for kind in kinds:
            number += 1
            any_one = chance.randrange(OBSERVATIONS)
            if kind == "read":
                yield line("GET", f"Observation/o{any_one}")
            elif kind == "create":
                fresh = observation(chance)
                fresh["identifier"] = [{"system": "urn:bench", "value": f"{run}-{chance.random()}"}]
                yield line("POST", "Observation", fresh)
            elif kind == "update":
                changed = {**observation(chance), "id": f"o{any_one}"}
                yield line("PUT", f"Observation/o{any_one}", changed)
            else:
                whose = chance.randrange(PATIENTS)
                yield line("GET", f"Observation?patient=p{whose}&code=http://loinc.org%7C15074-8&_count=10")


async def load(port: int, seconds: float, seed: int) -> dict[str, float]:
    """Send the mix for some seconds; any refusal fails.

    Returns the rate, the 99th percentile (ms) and the share of a processor that sending took.
    """
    token = (Path(os.environ["SALUS_DATA_DIR"]) / "token").read_text(encoding="utf-8")
    chance = random.Random(seed)
    times: list[float] = []
    wrong: list[bytes] = []
    loop = asyncio.get_running_loop()
    mixes = []
    for _ in range(CONNECTIONS):
        made = requests(chance, token, port, seed)
        mixes.append([next(made) for _ in range(max(40, int(seconds * 100)))])
    started, spent = time.perf_counter(), time.process_time()
    readers = []
    for mix in mixes:
        make = partial(Reader, mix, times, started + seconds, wrong)
        readers.append((await loop.create_connection(make, "127.0.0.1", port))[1])
    await asyncio.gather(*(one.done for one in readers))
    elapsed = time.perf_counter() - started
    if wrong:
        raise SystemExit(f"{len(wrong)} answers were not 2xx; the first: {wrong[0]!r}")
    times.sort()
    share = (time.process_time() - spent) / elapsed
    return {"rate": len(times) / elapsed, "p99": times[int(len(times) * 0.99)] * 1000, "share": share}


if __name__ == "__main__":
    if sys.argv[1] == "fill":
        fill()
    else:
        import uvloop

        result = uvloop.run(load(int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])))
        sys.stdout.buffer.write(orjson.dumps(result))
