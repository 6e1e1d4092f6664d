"""FHIR reads by id over HTTP: bearer token, policy decision and durable audit row for each.

The server runs as it does in production (uvicorn, one process). The load comes from a second process on
the same machine over keep-alive connections, each sending its next request when the last was answered.
"""

import argparse
import asyncio
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from bench import Measured, figure

ROOT = Path(__file__).resolve().parent.parent
MODULE = [sys.executable, "-m", "bench.record_fhir"]
CONNECTIONS = 64
SECONDS, QUICK_SECONDS = 10.0, 3.0
RUNS, QUICK_RUNS = 3, 1
PATIENTS, OBSERVATIONS = 2_000, 20_000
PEERS = "HAPI FHIR, Medplum, Aidbox"
NO_PEER = "needs a Java or Node server that cannot be installed from a Python package index"
_measured: dict[bool, tuple[list[float], list[float]]] = {}


@figure("fhir-read", room="record", unit="reads/s", target=5_000, peer=PEERS)
def fhir_read(quick: bool) -> Measured:
    """Reads by id a second, each with token, policy and an audit row committed before the answer."""
    return Measured(_measure(quick)[0], peer_missing=NO_PEER, note=f"{CONNECTIONS} connections")


@figure("fhir-read-p99", room="record", unit="ms", target=25, better="lower", peer=PEERS)
def fhir_read_p99(quick: bool) -> Measured:
    """The 99th percentile of those reads' time, at full load."""
    return Measured(_measure(quick)[1], peer_missing=NO_PEER, note=f"{CONNECTIONS} connections")


def _measure(quick: bool) -> tuple[list[float], list[float]]:
    if quick not in _measured:
        with tempfile.TemporaryDirectory(prefix="salus-bench-") as folder:
            _measured[quick] = _run(Path(folder), quick)
    return _measured[quick]


def _run(folder: Path, quick: bool) -> tuple[list[float], list[float]]:
    environment = {**os.environ, "SALUS_DATA_DIR": str(folder)}
    subprocess.run([*MODULE, "fill"], env=environment, check=True, cwd=ROOT)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "salus.asgi:application", "--port", str(port)]
    server = subprocess.Popen(
        [*command, "--no-access-log", "--log-level", "warning"], env=environment, cwd=ROOT
    )
    try:
        wait(port)
        rates: list[float] = []
        tails: list[float] = []
        seconds = QUICK_SECONDS if quick else SECONDS
        for run in range((QUICK_RUNS if quick else RUNS) + 1):
            order = [*MODULE, "load", str(port), "1" if run == 0 else str(seconds), str(run)]
            said = subprocess.run(order, env=environment, check=True, stdout=subprocess.PIPE, cwd=ROOT).stdout
            result = orjson.loads(said)
            if run:  # the first warms up
                rates.append(result["rate"])
                tails.append(result["p99"])
        return rates, tails
    finally:
        server.terminate()
        server.wait(timeout=30)


def wait(port: int) -> None:
    """Wait until a server listens."""
    for _ in range(1200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError("the server did not start")


def fill() -> None:
    """Make a database with patients in a hospital's care, their observations, and a clinician's token."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "salus.settings")
    import django

    django.setup()
    from datetime import UTC, datetime, timedelta

    from django.conf import settings
    from django.core.management import call_command
    from django.db import connection, transaction
    from django.utils import timezone
    from oauth2_provider.models import AccessToken

    from salus.kernel.models import Account, Institution, RoleGrant
    from salus.record import identity, store
    from salus.record.store import Write

    call_command("migrate", verbosity=0)
    call_command("migrate", database="audit", verbosity=0)
    hospital = Institution.objects.create(code="H1", name="H1", kind="general_hospital")
    account = Account.objects.create_user("clinician", institution=hospital)
    RoleGrant.objects.create(account=account, role="clinician", institution=hospital)
    AccessToken.objects.create(
        user=account,
        token="bench",  # noqa: S106 - of a database that lives as long as the run
        scope="user/*.rs",
        expires=timezone.now() + timedelta(days=1),
    )
    now = datetime.now(UTC)
    chance = random.Random(1)
    for start in range(0, PATIENTS, 500):
        with transaction.atomic(), connection.cursor() as cursor:
            writes = [
                Write("Patient", f"p{n}", patient(chance, n), source_id=1) for n in range(start, start + 500)
            ]
            written = store.write(cursor, writes, now=now)
            identity.link_patients(cursor, written, institution_id=hospital.pk)
    for start in range(0, OBSERVATIONS, 500):
        with transaction.atomic(), connection.cursor() as cursor:
            store.write(
                cursor,
                [
                    Write("Observation", f"o{n}", observation(chance), source_id=1)
                    for n in range(start, start + 500)
                ],
                now=now,
            )
    (Path(settings.DATA_DIR) / "filled").touch()


def patient(chance: random.Random, number: int) -> dict[str, Any]:
    """Return a Patient."""
    return {
        "resourceType": "Patient",
        "identifier": [{"system": "urn:mrn", "value": str(number)}],
        "name": [{"family": chance.choice("王李张刘陈杨"), "given": [chr(chance.randrange(0x4E00, 0x9000))]}],
        "gender": chance.choice(["male", "female"]),
        "birthDate": f"{chance.randrange(1930, 2020)}-0{chance.randrange(1, 10)}-1{chance.randrange(10)}",
    }


def observation(chance: random.Random) -> dict[str, Any]:
    """Return an Observation of one of the patients."""
    return {
        "resourceType": "Observation",
        "status": "final",
        "category": [{"coding": [{"code": "laboratory"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "15074-8", "display": "Glucose"}]},
        "subject": {"reference": f"Patient/p{chance.randrange(PATIENTS)}"},
        "effectiveDateTime": "2026-03-01T08:00:00+08:00",
        "valueQuantity": {
            "value": round(chance.uniform(3, 9), 1),
            "unit": "mmol/L",
            "system": "http://unitsofmeasure.org",
            "code": "mmol/L",
        },
        "referenceRange": [{"low": {"value": 3.9}, "high": {"value": 6.1}}],
    }


class Reader(asyncio.Protocol):
    """One connection: sends a read, waits for the whole answer, notes the time, sends the next."""

    length = re.compile(rb"content-length: (\d+)", re.IGNORECASE)

    def __init__(self, requests: list[bytes], times: list[float], until: float, wrong: list[bytes]) -> None:
        self.requests, self.times, self.until, self.wrong = requests, times, until, wrong
        self.buffer, self.need, self.next = b"", 0, 0
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        """Send the first request."""
        self.transport = transport
        self._send()

    def _send(self) -> None:
        self.started = time.perf_counter()
        self.transport.write(self.requests[self.next % len(self.requests)])
        self.next += 1

    def data_received(self, data: bytes) -> None:
        """Note the time of a whole answer and send the next request."""
        self.buffer += data
        if not self.need:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            found = self.length.search(self.buffer, 0, end)
            self.need = end + 4 + (int(found[1]) if found else 0)
            if not self.buffer.startswith(b"HTTP/1.1 20"):
                self.wrong.append(self.buffer[:300])
        if len(self.buffer) < self.need:
            return
        now = time.perf_counter()
        self.times.append(now - self.started)
        self.buffer, self.need = b"", 0
        if now < self.until:
            self._send()
        else:
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        """End."""
        if not self.done.done():
            self.done.set_result(None)


async def load(port: int, seconds: float, seed: int) -> dict[str, float]:
    """Read random observations for some seconds and return the rate and the 99th percentile (ms)."""
    chance = random.Random(seed)
    times: list[float] = []
    wrong: list[bytes] = []
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    readers: list[Reader] = []
    for _ in range(CONNECTIONS):
        requests = [
            (
                f"GET /fhir/Observation/o{chance.randrange(OBSERVATIONS)} HTTP/1.1\r\n"
                f"Host: 127.0.0.1:{port}\r\n"
                "Authorization: Bearer bench\r\nAccept: application/fhir+json\r\n\r\n"
            ).encode()
            for _ in range(500)
        ]
        make = partial(Reader, requests, times, started + seconds, wrong)
        _, reader = await loop.create_connection(make, "127.0.0.1", port)
        readers.append(reader)
    await asyncio.gather(*(reader.done for reader in readers))
    elapsed = time.perf_counter() - started
    if wrong:
        raise SystemExit(f"{len(wrong)} answers were not 200; the first: {wrong[0]!r}")
    times.sort()
    return {"rate": len(times) / elapsed, "p99": times[int(len(times) * 0.99)] * 1000, "count": len(times)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["fill", "load"])
    parser.add_argument("port", type=int, nargs="?", default=0)
    parser.add_argument("seconds", type=float, nargs="?", default=1.0)
    parser.add_argument("seed", type=int, nargs="?", default=0)
    given = parser.parse_args()
    if given.what == "fill":
        fill()
    else:
        import uvloop

        sys.stdout.buffer.write(orjson.dumps(uvloop.run(load(given.port, given.seconds, given.seed))))
