"""An installation as the first ones were is upgraded with its data, and goes on."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.postgres import Cluster
from tests.resilience.installation import ROOT, Installation, running
from tests.resilience.trials import SOURCES

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("resilience"), pytest.mark.timeout(900)]

FIRST = {"kernel": "0002", "record": "0003", "connect": "0001", "web": "0001"}
"""The tables that the first installations had: rooms and their last migration."""
PATIENT, OBSERVATION = 103, 96
"""The numbers of resource types, as they stand in the store's rows."""
MIGRATE = """
import sys, django
from django.core.management import call_command
django.setup()
for room in sys.argv[1:]:
    call_command("migrate", *room.split(), verbosity=0)
"""
SOURCE = 2
"""The number that the second of the sources gets."""
PERSON = "9f1c2f3a4b5c4d5e8f90a1b2c3d4e5f6"
AT = 1_795_420_800_000_000  # microseconds since 1970: 2026-11-23T08:00:00Z

WOMAN = (
    '{"resourceType":"Patient","id":"p1","meta":{"versionId":"%d",'
    '"lastUpdated":"2026-11-23T08:00:0%d.000000Z"},"identifier":[{"system":"urn:mrn","value":"M-1"}],'
    '"name":[{"text":"%s"}],"birthDate":"1980-02-29"}'
)
RESULT = (
    '{"resourceType":"Observation","id":"o1","meta":{"versionId":"1",'
    '"lastUpdated":"2026-11-23T08:00:03.000000Z"},"status":"final",'
    '"code":{"coding":[{"system":"http://loinc.org","code":"718-7"}]},"subject":{"reference":"Patient/p1"},'
    '"effectiveDateTime":"2026-11-22","valueQuantity":{"value":135.0,"unit":"g/L"}}'
)


def as_first_installed(one: Installation) -> None:
    """Make the first tables, and in them a patient of two versions and her result, with nothing indexed."""
    command = [sys.executable, "-c", MIGRATE, *(f"{room} {last}" for room, last in FIRST.items())]
    done = subprocess.run(command, env=one.environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    literal = r"'\x{}'" if one.database_url else "x'{}'"

    def body(text: str) -> str:
        return literal.format(text.encode().hex())

    first, second = body(WOMAN % (1, 1, "王方")), body(WOMAN % (2, 2, "王芳"))

    one.change(
        "insert into record_resource"
        " (rid, kind, id, version, person_id, patient_rid, source_id, updated, deleted, body)"
        f" values (1, {PATIENT}, 'p1', 2, '{PERSON}', 1, {SOURCE}, {AT + 2_000_000}, false, {second}),"
        f" (2, {OBSERVATION}, 'o1', 1, '{PERSON}', 1, {SOURCE}, {AT + 3_000_000}, false, {body(RESULT)})",
        "insert into record_history (rid, version, source_id, updated, deleted, body)"
        f" values (1, 1, {SOURCE}, {AT + 1_000_000}, false, {first})",
        "insert into record_change (rid, kind, version, person_id, op)"
        f" values (1, {PATIENT}, 1, '{PERSON}', 1), (1, {PATIENT}, 2, '{PERSON}', 2),"
        f" (2, {OBSERVATION}, 1, '{PERSON}', 1)",
        "insert into record_store_state (name, value) values ('index', 'the rules of then')",
    )


def ask(one: Installation, token: str, path: str, body: Any = None) -> Any:
    """Send a request to the FHIR API and return the answer."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/fhir+json"}
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(
        f"{one.url}/{path}", data, headers, method="PUT" if data is not None else "GET"
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_the_first_installation_is_upgraded_with_what_it_holds(
    database: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = ""
    if database == "postgresql":
        cluster: Cluster = request.getfixturevalue("own_cluster")
        url = cluster.database("salus_first")
        with psycopg.connect(cluster.database("postgres"), autocommit=True) as server:
            server.execute("create database salus_first")
            server.execute("create database salus_first_audit")
    with running(Installation(tmp_path, url)) as one:
        as_first_installed(one)
        one.salus("migrate")
        (tmp_path / "sources.toml").write_text(SOURCES, encoding="utf-8")
        one.salus("connect", "import-sources", str(tmp_path / "sources.toml"))
        token = one.salus("connect", "issue-token", "APP").stdout.strip()
        one.start()
        found = ask(one, token, "Patient?identifier=urn:mrn|M-1&birthdate=1980-02-29")
        assert found["total"] == 1
        assert found["entry"][0]["resource"] == json.loads(WOMAN % (2, 2, "王芳"))
        results = ask(one, token, "Observation?subject=Patient/p1&code=http://loinc.org|718-7")
        assert [entry["resource"] for entry in results["entry"]] == [json.loads(RESULT)]
        names = [
            entry["resource"]["name"][0]["text"] for entry in ask(one, token, "Patient/p1/_history")["entry"]
        ]
        assert names == ["王芳", "王方"]
        changed = {**json.loads(RESULT), "status": "amended"}
        del changed["meta"]
        assert ask(one, token, "Observation/o1", changed)["meta"]["versionId"] == "2"
        one.stop()
        seen = one.query("select version, op from record_change where rid = 2 order by seq")
        assert [tuple(row) for row in seen] == [(1, 1), (2, 2)]
        assert one.query("select person_id from record_resource where rid = 2") != [(None,)]
