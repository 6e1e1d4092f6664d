"""Writes in a process of their own: the same answers, the same guarantees, and what happens when it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from salus.record.fhir.frames import Frames
from tests.record.fhir.conftest import observation, patient
from tests.resilience.installation import ROOT, Installation, temporary

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="children are found under /proc"),
    pytest.mark.xdist_group("apart"),
    pytest.mark.timeout(300),
]
SOURCE = """
import django
django.setup()
from salus.connect.models import SourceSystem
from salus.connect.sources import issue_token
for code in ("his", "lis"):
    source = SourceSystem.objects.create(code=code, name=code, format="fhir")
    print(issue_token(source, scopes="system/*.cruds")[1])
"""
REVOKE = """
import django
django.setup()
from salus.connect.models import SourceSystem
from salus.connect.sources import revoke
source = SourceSystem.objects.get(code="lis")
for credential in source.credentials.all():
    revoke(credential)
"""


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Installation, list[str]]]:
    """A server whose writes have a process of their own, and two source systems' tokens."""
    with temporary() as one:
        tokens = run(one, SOURCE).split()
        one.start("--writes-apart", "--no-worker")
        yield one, tokens


def run(one: Installation, program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=one.environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def client(served: tuple[Installation, list[str]], source: int = 0) -> httpx.Client:
    one, tokens = served
    headers = {"authorization": f"Bearer {tokens[source]}", "content-type": "application/fhir+json"}
    return httpx.Client(base_url=one.url, headers=headers, timeout=60)


def writer(one: Installation) -> int:
    """Return the process that writes: the web process's child."""
    for web in one.children():
        found = Path(f"/proc/{web}/task/{web}/children").read_text().split()
        for pid in map(int, found):
            if b"salus.record.fhir.writer" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return pid
    raise AssertionError("no process writes apart")


def gone(pid: int, seconds: float = 30) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if "Z" in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]:
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.05)
    return False


def test_values_come_whole_however_the_stream_is_cut() -> None:
    class Written:
        sent = b""

        def is_closing(self) -> bool:
            return False

        def write(self, part: bytes) -> None:
            self.sent += part

    there, here, wire = Frames(), Frames(), Written()
    there.transport = wire
    values = [(1, b""), "x" * 70_000, [None, {"a": (2, "汉")}], b"\x00" * 5]
    for value in values:
        there.say(value)
    for size in (1, 3, 4096, len(wire.sent)):
        parts = [wire.sent[at : at + size] for at in range(0, len(wire.sent), size)]
        assert [value for part in parts for value in here.heard(part)] == values


def test_the_answers_are_those_of_one_process(served: tuple[Installation, list[str]]) -> None:
    with client(served) as his, client(served, 1) as lis:
        made = his.put("/Patient/a", content=json.dumps(patient(id="a")))
        assert (made.status_code, made.headers["etag"]) == (201, 'W/"1"')
        body = json.dumps(observation("Patient/a", 5.1))
        first, again = (his.post("/Observation", content=body) for _ in range(2))
        assert first.status_code == again.status_code == 201
        assert first.headers["location"] == again.headers["location"], "the same message twice"
        assert his.get(f"/Observation/{first.json()['id']}").json() == first.json()
        assert his.put("/Patient/a", content="{").status_code == 400
        assert his.put("/Patient/a", content=json.dumps(patient(id="b"))).status_code == 400
        wrong = his.post("/Patient", content=json.dumps({"resourceType": "Patient", "gender": "x"}))
        assert wrong.status_code == 422 and wrong.json()["issue"]
        assert lis.put("/Patient/a", content=json.dumps(patient(id="a"))).status_code == 409
        stale = {"if-match": 'W/"7"'}
        assert his.put("/Patient/a", content=json.dumps(patient(id="a")), headers=stale).status_code == 412
        large = patient(id="large", text={"status": "generated", "div": "<div>" + "x" * 2_000_000 + "</div>"})
        assert his.put("/Patient/large", content=json.dumps(large)).status_code == 201
        assert len(his.get("/Patient/large").content) > 2_000_000
        assert his.delete("/Patient/large").status_code == 204
        assert his.get("/Patient/large").status_code == 410
        bundle = {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [
                {"resource": observation("Patient/a", n), "request": {"method": "POST", "url": "Observation"}}
                for n in range(3)
            ],
        }
        done = his.post("/", content=json.dumps(bundle))
        assert [entry["response"]["status"][:3] for entry in done.json()["entry"]] == ["201"] * 3


def test_each_answered_write_has_its_audit_row_in_a_whole_chain(
    served: tuple[Installation, list[str]],
) -> None:
    one, _ = served
    with client(served) as his:

        def put(number: int) -> int:
            body = json.dumps(observation("Patient/a", number, id=f"n{number}"))
            return his.put(f"/Observation/n{number}", content=body).status_code

        with ThreadPoolExecutor(16) as many:
            assert set(many.map(put, range(64))) == {201}
        rows = one.query("select resource_id from kernel_auditrow where action = 'create'", audit=True)
        assert {f"n{number}" for number in range(64)} <= {row[0] for row in rows}
        assert [put(number) for number in (64, 65)] == [201, 201]
        waiting = one.query("select count(*) from kernel_auditintent")[0][0]
        assert waiting <= 2, "intents that are in the chain are not cleared"
    assert one.salus("audit", "verify").returncode == 0


def test_a_revoked_token_writes_no_more_within_a_second(served: tuple[Installation, list[str]]) -> None:
    one, _ = served
    with client(served, 1) as lis:
        assert lis.put("/Patient/l", content=json.dumps(patient(id="l"))).status_code == 201
        run(one, REVOKE)
        time.sleep(1)
        assert lis.put("/Patient/l", content=json.dumps(patient(id="l", gender="male"))).status_code == 401


def test_a_killed_writer_is_started_again_and_nothing_answered_is_lost(
    served: tuple[Installation, list[str]],
) -> None:
    one, _ = served
    before = writer(one)
    answered: dict[str, int] = {}

    def put(number: int) -> None:
        body: dict[str, Any] = observation("Patient/a", number, id=f"k{number}")
        answered[f"k{number}"] = his.put(f"/Observation/k{number}", content=json.dumps(body)).status_code

    with client(served) as his, ThreadPoolExecutor(8) as many:
        waiting = [many.submit(put, number) for number in range(200)]
        while sum(one.done() for one in waiting) < 50:
            time.sleep(0.005)
        os.kill(before, signal.SIGKILL)
        for each in waiting:
            each.result(timeout=60)
        until = time.monotonic() + 30
        while his.put("/Observation/k0", content=json.dumps(observation("Patient/a", 1, id="k0"))).is_error:
            assert time.monotonic() < until, "no write was answered again"
            time.sleep(0.2)
        assert set(answered.values()) <= {201, 503}
        for name, status in answered.items():
            if status == 201:
                assert his.get(f"/Observation/{name}").status_code == 200
    assert writer(one) != before and gone(before)
    assert one.salus("audit", "verify").returncode == 0


def test_it_ends_with_the_server(served: tuple[Installation, list[str]]) -> None:
    one, _ = served
    last = writer(one)
    one.stop()
    assert gone(last)
