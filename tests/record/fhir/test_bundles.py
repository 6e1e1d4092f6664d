"""Batch and transaction Bundles over HTTP."""

import base64
from pathlib import Path
from typing import Any

import orjson
import pytest

from salus.record.models import Resource
from tests.record.fhir.conftest import DATABASES, Client, World, bearer, observation, patient

pytestmark = pytest.mark.django_db(databases=DATABASES)


def entry(method: str, url: str, resource: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    full_url = more.pop("fullUrl", None)
    made: dict[str, Any] = {"request": {"method": method, "url": url, **more}}
    if resource is not None:
        made["resource"] = resource
    if full_url:
        made["fullUrl"] = full_url
    return made


def bundle(kind: str, *entries: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def statuses(answer: Any) -> list[str]:
    return [one["response"]["status"] for one in answer.json()["entry"]]


def test_transaction(http: Client, his: dict[str, str]) -> None:
    http.put("Patient/old", patient(id="old"), his)
    http.put("Patient/kept", patient(id="kept", birthDate="1970-01-01"), his)
    answer = http.post(
        "",
        bundle(
            "transaction",
            entry("POST", "Observation", observation("urn:uuid:11111111-1111-4111-8111-111111111111")),
            entry("GET", "Patient/kept"),
            entry("PUT", "Patient/kept", patient(id="kept", active=True)),
            entry(
                "POST",
                "Patient",
                patient(birthDate="1990-01-01"),
                fullUrl="urn:uuid:11111111-1111-4111-8111-111111111111",
            ),
            entry("DELETE", "Patient/old"),
        ),
        his,
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["type"] == "transaction-response"
    assert statuses(answer) == ["201", "200", "200", "201", "204"]
    made = answer.json()["entry"]
    patient_id = made[3]["resource"]["id"]
    assert made[0]["resource"]["subject"]["reference"] == f"Patient/{patient_id}"
    assert made[1]["resource"]["active"] is True  # reads come last
    assert made[3]["response"]["location"].endswith(f"/Patient/{patient_id}/_history/1")
    assert http.get("Patient/old", his).status_code == 410


def test_transaction_is_all_or_nothing(http: Client, his: dict[str, str]) -> None:
    answer = http.post(
        "",
        bundle(
            "transaction",
            entry("PUT", "Patient/a", patient(id="a")),
            entry("POST", "Observation", observation("Patient/a") | {"status": "no such status"}),
        ),
        his,
    )
    assert answer.status_code == 422
    assert answer.json()["issue"][0]["expression"][0].startswith("Bundle.entry[1]")
    assert not Resource.objects.filter(version__gt=0).exists()


def test_batch_entries_stand_alone(http: Client, his: dict[str, str]) -> None:
    answer = http.post(
        "",
        bundle(
            "batch",
            entry("PUT", "Patient/a", patient(id="a")),
            entry("PUT", "Patient/b", patient(id="b", gender="blue")),
            entry("GET", "Patient/a"),
            entry("GET", "Patient/none"),
            entry("PATCH", "Patient/none", {"resourceType": "Binary", "contentType": "x", "data": "!"}),
        ),
        his,
    )
    assert answer.status_code == 200
    assert statuses(answer) == ["201", "422", "200", "404", "400"]
    assert answer.json()["entry"][1]["response"]["outcome"]["resourceType"] == "OperationOutcome"


def test_patch_in_a_transaction(http: Client, his: dict[str, str]) -> None:
    http.put("Patient/a", patient(id="a"), his)
    change = base64.b64encode(b'[{"op":"replace","path":"/gender","value":"female"}]').decode()
    binary = {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": change}
    answer = http.post("", bundle("transaction", entry("PATCH", "Patient/a", binary)), his)
    assert answer.status_code == 200, answer.text
    assert http.get("Patient/a", his).json()["gender"] == "female"


@pytest.mark.parametrize(
    ("made", "status"),
    [
        ({"resourceType": "Patient"}, 400),
        ({"resourceType": "Bundle", "type": "collection"}, 400),
        ({"resourceType": "Bundle", "type": "transaction", "entry": {}}, 400),
        (bundle("transaction", {}), 400),
        (bundle("transaction", entry("BREW", "Patient")), 400),
        (bundle("transaction", entry("POST", "Patient")), 400),
        (bundle("transaction", entry("POST", "Observation", patient())), 400),
        (bundle("transaction", entry("PUT", "Patient/a", patient(id="b"))), 400),
        (
            bundle("transaction", entry("PUT", "Patient/a", patient()), entry("PUT", "Patient/a", patient())),
            400,
        ),
        (bundle("transaction", entry("POST", "Observation", observation("urn:uuid:none"))), 400),
        (bundle("transaction", entry("POST", "http://elsewhere/Patient", patient())), 400),
        (bundle("transaction", entry("DELETE", "Patient/none")), 404),
        (bundle("transaction", entry("POST", "", bundle("batch"))), 400),
    ],
)
def test_refused_bundles(http: Client, his: dict[str, str], made: dict[str, Any], status: int) -> None:
    answer = http.post("", made, his)
    assert answer.status_code == status, answer.text
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert not Resource.objects.filter(version__gt=0).exists()


def test_a_clinician_may_not_write_a_bundle_for_a_stranger(
    http: Client, world: World, his: dict[str, str]
) -> None:
    http.put("Patient/a", patient(id="a"), his)
    clinician = world.account("clinician", institution=world.other)
    answer = http.post(
        "",
        bundle("transaction", entry("POST", "Observation", observation("Patient/a"))),
        bearer(world.token(clinician)),
    )
    assert answer.status_code == 403


@pytest.mark.slow
def test_synthea_transactions(http: Client, his: dict[str, str], shared: Path) -> None:
    files = sorted(
        (shared / "record" / "synthea-r4-bundles").rglob("*.json"), key=lambda path: path.stat().st_size
    )
    if not files:
        pytest.skip("no Synthea bundles in the reference data")
    done = 0
    for path in files[:3]:
        sent = orjson.loads(path.read_bytes())
        if sent.get("type") != "transaction":
            continue
        answer = http.request(
            "POST", "", content=path.read_bytes(), headers=his | {"content-type": "application/fhir+json"}
        )
        if answer.status_code == 412:  # a conditional reference to a register that this file does not bring
            continue
        assert answer.status_code == 200, answer.text[:500]
        assert len(answer.json()["entry"]) == len(sent["entry"])
        done += 1
