"""Bulk import: files pulled from allowed addresses; every line stored, or kept with its reason."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from django.conf import settings

from salus.connect import bulk_import_work as working
from salus.connect.bulk_import_models import ImportJob, ImportState
from salus.connect.models import Load, Message, SourceSystem
from salus.connect.sources import issue_token
from salus.record.fhir import outbound
from salus.record.models import AllowedOrigin, Resource
from salus.record.smart import tokens
from tests.record.fhir.conftest import BASE, DATABASES, Client, World, bearer, observation, patient
from tests.record.fhir.serving import Elsewhere, elsewhere, now_and_then

pytestmark = pytest.mark.django_db(databases=DATABASES)
ASYNC = {"prefer": "respond-async"}


@pytest.fixture
def there() -> Iterator[Elsewhere]:
    with elsewhere() as found:
        yield found


@pytest.fixture
def source(there: Elsewhere, monkeypatch: pytest.MonkeyPatch) -> SourceSystem:
    from salus.connect.registration import _by_token

    monkeypatch.setattr(tokens, "_secrets", [_by_token])
    made = SourceSystem.objects.create(code="lab-9", name="Lab", format="fhir")
    outbound.allow(made.pk, AllowedOrigin.Use.IMPORT, there.address)
    return made


@pytest.fixture
def lab(source: SourceSystem) -> dict[str, str]:
    return bearer(issue_token(source)[1])


def ndjson(*resources: dict[str, Any]) -> bytes:
    return b"".join(orjson.dumps(one) + b"\n" for one in resources)


def parameters(*inputs: tuple[str, str]) -> dict[str, Any]:
    return {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "inputFormat", "valueCode": "application/fhir+ndjson"},
            {"name": "inputSource", "valueUri": "http://lab.example"},
            {"name": "storageDetail", "part": [{"name": "type", "valueCode": "https"}]},
            *(
                {
                    "name": "input",
                    "part": [{"name": "type", "valueCode": type}, {"name": "url", "valueUrl": url}],
                }
                for type, url in inputs
            ),
        ],
    }


def kick(http: Client, headers: dict[str, str], *inputs: tuple[str, str]) -> ImportJob:
    answer = http.post("$import", parameters(*inputs), headers | ASYNC)
    assert answer.status_code == 202, answer.text
    where = answer.headers["content-location"]
    assert where.startswith(f"{BASE}/bulk/import/")
    return ImportJob.objects.get(key=where.rsplit("/", 1)[1])


def finished(http: Client, headers: dict[str, str], job: ImportJob) -> dict[str, Any]:
    while (state := working.work(job.pk, seconds=0.0, most=3)) == ImportState.RUNNING:
        pass
    assert state == ImportState.DONE
    answer = http.get(f"bulk/import/{job.key}", headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_the_whole_course(http: Client, there: Elsewhere, lab: dict[str, str]) -> None:
    there.files["/Patient.ndjson"] = ndjson(
        *(patient(id=f"p{n}", birthDate=f"19{n:02}-01-01") for n in range(1, 9))
    )
    there.files["/Observation.ndjson"] = (
        ndjson(*(observation(f"Patient/p{n}", n, id=f"o{n}") for n in range(1, 9)))
        + b"not json\n\n"
        + ndjson({"resourceType": "Observation", "id": "bad", "status": 7})
        + ndjson(patient(id="stray"))
    )
    inputs = [
        ("Patient", f"{there.address}/Patient.ndjson"),
        ("Observation", f"{there.address}/Observation.ndjson"),
    ]
    job = kick(http, lab, *inputs)
    assert http.get(f"bulk/import/{job.key}", lab).status_code == 202
    made = finished(http, lab, job)
    assert [(one["type"], one["count"]) for one in made["output"]] == [("Patient", 8), ("Observation", 8)]
    (errors,) = made["error"]
    assert (errors["type"], errors["count"], errors["inputUrl"]) == ("OperationOutcome", 3, inputs[1][1])
    answer = http.get(errors["url"], lab)
    said = [orjson.loads(line)["issue"][0]["diagnostics"] for line in answer.content.splitlines()]
    assert [text.split(":")[0] for text in said] == ["Line 9", "Line 11", "Line 12"]
    assert Resource.objects.filter(deleted=False, version__gt=0).count() >= 16
    assert Message.objects.filter(load__in=Load.objects.filter(source__code="lab-9")).count() == 19
    for load in Load.objects.all():
        assert load.received == load.stored + load.repeated + load.dead
        assert load.state == Load.State.DONE


def test_again_changes_nothing(http: Client, there: Elsewhere, lab: dict[str, str]) -> None:
    there.files["/p"] = ndjson(*(patient(id=f"p{n}") for n in range(5)))
    finished(http, lab, kick(http, lab, ("Patient", f"{there.address}/p")))
    before = list(Resource.objects.order_by("rid").values_list("rid", "version"))
    made = finished(http, lab, kick(http, lab, ("Patient", f"{there.address}/p")))
    assert made["output"][0]["count"] == 5
    assert list(Resource.objects.order_by("rid").values_list("rid", "version")) == before


def test_a_file_that_is_cut_off_is_pulled_on(http: Client, there: Elsewhere, lab: dict[str, str]) -> None:
    there.files["/p"] = ndjson(*(patient(id=f"p{n}") for n in range(40)))
    there.cut = now_and_then(3, 0.6)
    made = finished(http, lab, kick(http, lab, ("Patient", f"{there.address}/p")))
    assert made["output"][0]["count"] == 40
    assert any("range" in call.headers for call in there.calls)


def test_the_smart_drafts_body(http: Client, there: Elsewhere, lab: dict[str, str]) -> None:
    there.files["/p"] = ndjson(patient(id="p1"))
    body = {
        "inputFormat": "application/fhir+ndjson",
        "inputSource": "https://lab.example",
        "storageDetail": {"type": "https"},
        "input": [{"type": "Patient", "url": f"{there.address}/p"}],
    }
    answer = http.request(
        "POST",
        "$import",
        content=orjson.dumps(body),
        headers={**lab, **ASYNC, "content-type": "application/json"},
    )
    assert answer.status_code == 202, answer.text


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/x",
        "http://169.254.169.254/latest/meta-data",
        "http://localhost/x",
        "https://example.org/x",
        "http://[::1]/x",
        "http://127.0.0.1.nip.io/x",
        "http://2130706433/x",
    ],
)
def test_no_other_address_is_called(http: Client, there: Elsewhere, lab: dict[str, str], url: str) -> None:
    answer = http.post("$import", parameters(("Patient", url)), lab | ASYNC)
    assert answer.status_code == 403
    assert not there.calls and not ImportJob.objects.exists()


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://x/y",
        "nonsense",
        "upload:../../salus.sqlite3",
        "upload:none",
        "http://a@b/c",
    ],
)
def test_what_is_no_address(http: Client, lab: dict[str, str], url: str) -> None:
    assert http.post("$import", parameters(("Patient", url)), lab | ASYNC).status_code == 400


def test_a_name_that_stands_for_this_machine(there: Elsewhere, source: SourceSystem) -> None:
    port = there.address.rsplit(":", 1)[1]
    outbound.allow(source.pk, AllowedOrigin.Use.IMPORT, f"http://localhost:{port}")
    address = outbound.check(source.pk, AllowedOrigin.Use.IMPORT, f"http://localhost:{port}/p")
    with pytest.raises(outbound.Unreachable):
        outbound.connect(address)


def test_redirects_are_not_followed(
    http: Client, there: Elsewhere, lab: dict[str, str], monkeypatch: Any
) -> None:
    monkeypatch.setattr(working, "ATTEMPTS", 1)
    there.answer = lambda call: 302
    made = finished(http, lab, kick(http, lab, ("Patient", f"{there.address}/gone")))
    assert made["output"][0]["count"] == 0
    assert made["error"][0]["count"] == 1
    assert {call.path for call in there.calls} == {"/gone"}


def test_an_upload_folder(http: Client, source: SourceSystem, lab: dict[str, str]) -> None:
    folder = Path(settings.DATA_DIR) / "bulk" / "uploads" / source.code
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / "p.ndjson"
    place.write_bytes(ndjson(patient(id="p1"), patient(id="p2", birthDate="1990-01-01")))
    made = finished(http, lab, kick(http, lab, ("Patient", "upload:p.ndjson")))
    assert made["output"][0]["count"] == 2
    assert place.exists()  # the sender's file is the sender's
    place.unlink()


def test_who_may(http: Client, world: World, there: Elsewhere, lab: dict[str, str]) -> None:
    there.files["/p"] = ndjson(patient(id="p1"))
    inputs = parameters(("Patient", f"{there.address}/p"))
    clinician = bearer(world.token(world.account("clinician", institution=world.hospital)))
    assert http.post("$import", inputs, clinician | ASYNC).status_code == 403
    assert http.post("$import", inputs, lab).status_code == 400  # without Prefer: respond-async
    assert http.post("$import", inputs, ASYNC).status_code == 401
    job = kick(http, lab, ("Patient", f"{there.address}/p"))
    other = SourceSystem.objects.create(code="lab-10", name="Other", format="fhir")
    strange = bearer(issue_token(other)[1])
    assert http.get(f"bulk/import/{job.key}", strange).status_code == 404
    assert http.post("$import", inputs, strange | ASYNC).status_code == 403  # the address is lab-9's only
    assert http.delete(f"bulk/import/{job.key}", lab).status_code == 202
    assert http.get(f"bulk/import/{job.key}", lab).status_code == 404
    assert working.work(job.pk) == ImportState.CANCELLED
    assert not Message.objects.exists()


def test_a_source_out_of_service(
    http: Client, there: Elsewhere, source: SourceSystem, lab: dict[str, str]
) -> None:
    there.files["/p"] = ndjson(patient(id="p1"))
    job = kick(http, lab, ("Patient", f"{there.address}/p"))
    SourceSystem.objects.filter(pk=source.pk).update(active=False)
    assert working.work(job.pk) == ImportState.FAILED
    assert not Message.objects.exists() and not there.calls
    assert isinstance(http.get("metadata", {}), httpx.Response)
