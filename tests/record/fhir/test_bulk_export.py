"""Bulk export: kick-off, status, manifest, files; as of one instant; only what the asker may see."""

import gzip
import hashlib
import random
from typing import Any

import httpx
import orjson
import pytest
from django.conf import settings
from django.db import connection

from salus.kernel.models import AuditRow
from salus.record.fhir import asker
from salus.record.fhir.bulk import places, running
from salus.record.models import ExportFile, ExportJob, ExportState, Resource
from tests.record.fhir.conftest import BASE, DATABASES, Client, World, bearer, observation, patient

# PostgreSQL's feed shows a change only when its transaction has ended
ENDED = settings.DATABASES["default"]["ENGINE"].endswith("postgresql")
pytestmark = pytest.mark.django_db(databases=DATABASES, transaction=ENDED)
ASYNC = {"prefer": "respond-async"}


@pytest.fixture(autouse=True)
def made_up_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    """The register of sources does not know the ones of these tests."""
    monkeypatch.setattr(asker, "_still_trusted", [])


def kick(http: Client, headers: dict[str, str], path: str = "$export", **more: Any) -> ExportJob:
    answer = http.get(path, headers | ASYNC, **more)
    assert answer.status_code == 202, answer.text
    return job_of(answer)


def job_of(answer: httpx.Response) -> ExportJob:
    return ExportJob.objects.get(key=answer.headers["content-location"].rsplit("/", 1)[1])


def finished(http: Client, headers: dict[str, str], job: ExportJob, **more: Any) -> dict[str, Any]:
    assert running.work(job.pk, **more) == ExportState.DONE
    answer = http.get(f"bulk/export/{job.key}", headers)
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


def lines(http: Client, headers: dict[str, str], made: dict[str, Any], part: str = "output") -> list[Any]:
    found = []
    for one in made[part]:
        answer = http.get(one["url"], headers)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/fhir+ndjson"
        rows = [orjson.loads(line) for line in answer.content.splitlines()]
        assert len(rows) == one["count"]
        assert {row["resourceType"] for row in rows} == {one["type"]}
        found += rows
    return found


def exported(http: Client, headers: dict[str, str], path: str = "$export", **more: Any) -> set[str]:
    made = finished(http, headers, kick(http, headers, path), **more)
    return {f"{one['resourceType']}/{one['id']}" for one in lines(http, headers, made)}


@pytest.fixture
def filled(http: Client, world: World, his: dict[str, str]) -> dict[str, str]:
    """Three patients with two observations each, one organization, from his-1; one patient from his-2."""
    for name in "abc":
        http.put(f"Patient/{name}", patient(id=name, birthDate=f"198{ord(name) - 96}-01-01"), his)
        for number in range(2):
            id = f"{name}{number}"
            http.put(f"Observation/{id}", observation(f"Patient/{name}", number + 1.5, id=id), his)
    http.put("Organization/o", {"resourceType": "Organization", "id": "o", "name": "O"}, his)
    other = bearer(world.sources["his-2"].token)
    http.put("Patient/z", patient(id="z", birthDate="1999-09-09"), other)
    return his


EVERYTHING = {f"Patient/{n}" for n in "abc"} | {f"Observation/{n}{i}" for n in "abc" for i in range(2)}


def test_the_whole_course(http: Client, filled: dict[str, str]) -> None:
    answer = http.get("$export", filled | ASYNC)
    assert answer.status_code == 202
    where = answer.headers["content-location"]
    assert where.startswith(f"{BASE}/bulk/export/")
    job = job_of(answer)
    waiting = http.get(where, filled)
    assert (waiting.status_code, waiting.content) == (202, b"")
    assert waiting.headers["x-progress"] and int(waiting.headers["retry-after"]) > 0
    assert http.get(f"bulk/export/{job.key}/x.ndjson", filled).status_code == 404
    made = finished(http, filled, job)
    assert set(made) == {"transactionTime", "request", "requiresAccessToken", "output", "deleted", "error"}
    assert made["requiresAccessToken"] is True
    assert made["request"] == f"{BASE}/$export"
    assert (made["deleted"], made["error"]) == ([], [])
    got = {f"{one['resourceType']}/{one['id']}" for one in lines(http, filled, made)}
    assert got == EVERYTHING | {"Organization/o"}  # what the other source sent is not its to see
    stored = {bytes(one.body) for one in Resource.objects.filter(source_id=1)}
    sent = {line for one in made["output"] for line in http.get(one["url"], filled).content.splitlines()}
    assert sent == stored  # byte for byte what the record holds
    assert http.delete(where, filled).status_code == 202
    assert http.get(where, filled).status_code == 404
    assert http.get(made["output"][0]["url"], filled).status_code == 404
    assert not places.folder_of(job.key).exists()


def test_levels(http: Client, filled: dict[str, str]) -> None:
    assert exported(http, filled, "Patient/$export") == EVERYTHING
    group = {
        "resourceType": "Group",
        "id": "g",
        "type": "person",
        "actual": True,
        "member": [
            {"entity": {"reference": "Patient/a"}},
            {"entity": {"reference": "Patient/b"}, "inactive": True},
            {"entity": {"reference": "Patient/z"}},  # another source's
        ],
    }
    assert http.put("Group/g", group, filled).status_code == 201
    assert exported(http, filled, "Group/g/$export") == {
        "Group/g",  # FHIR's compartment of a member holds the Group itself
        "Patient/a",
        "Observation/a0",
        "Observation/a1",
    }
    assert http.get("Group/none/$export", filled | ASYNC).status_code == 404
    assert http.get("Patient/a/$export", filled | ASYNC).status_code == 404
    assert http.get("Observation/$export", filled | ASYNC).status_code == 404


def test_a_group_follows_the_person(http: Client, world: World, filled: dict[str, str]) -> None:
    """Two Patients of one source are one person (equal identity number): a Group of one holds both."""
    number = {"system": "http://www.mohrss.gov.cn/id", "value": "110101199003077213"}
    for id in ("p1", "p2"):
        http.put(f"Patient/{id}", patient(id=id, identifier=[number], birthDate="1990-03-07"), filled)
        http.put(f"Observation/{id}", observation(f"Patient/{id}", id=id), filled)
    persons = set(Resource.objects.filter(id__in=["p1", "p2"]).values_list("person_id", flat=True))
    assert len(persons) == 1
    group = {"resourceType": "Group", "id": "h", "type": "person", "actual": True}
    http.put("Group/h", group | {"member": [{"entity": {"reference": "Patient/p1"}}]}, filled)
    assert exported(http, filled, "Group/h/$export") == {
        "Group/h",
        "Patient/p1",
        "Patient/p2",
        "Observation/p1",
        "Observation/p2",
    }


def test_parameters(http: Client, filled: dict[str, str]) -> None:
    assert exported(http, filled, "$export?_type=Patient") == {f"Patient/{n}" for n in "abc"}
    assert exported(http, filled, "$export?_type=Patient,Organization&_outputFormat=ndjson") == {
        *(f"Patient/{n}" for n in "abc"),
        "Organization/o",
    }
    found = exported(http, filled, "$export?_type=Observation&_typeFilter=Observation?value-quantity=gt2")
    assert found == {f"Observation/{n}1" for n in "abc"}
    both = "_typeFilter=Observation?_id=a0,b1,Patient?_id=c&_type=Observation,Patient"
    assert exported(http, filled, f"$export?{both}") == {"Observation/a0", "Observation/b1", "Patient/c"}
    made = finished(http, filled, kick(http, filled, "$export?_elements=Patient.gender,subject"))
    for one in lines(http, filled, made):
        if one["resourceType"] == "Patient":
            assert set(one) == {"resourceType", "id", "meta", "gender"}
        if one["resourceType"] == "Observation":
            assert set(one) == {"resourceType", "id", "meta", "status", "code", "subject"}
        assert one["meta"]["tag"][-1]["code"] == "SUBSETTED"


def test_post_names_patients(http: Client, filled: dict[str, str]) -> None:
    def ask(*ids: str, path: str = "Patient/$export") -> httpx.Response:
        given: list[dict[str, Any]] = [
            {"name": "patient", "valueReference": {"reference": f"Patient/{id}"}} for id in ids
        ]
        body = {
            "resourceType": "Parameters",
            "parameter": [*given, {"name": "_type", "valueString": "Patient"}],
        }
        return http.post(path, body, filled | ASYNC)

    answer = ask("a", "c")
    assert answer.status_code == 202, answer.text
    made = finished(http, filled, job_of(answer))
    assert {one["id"] for one in lines(http, filled, made)} == {"a", "c"}
    assert ask("a", "z").status_code == 404  # not his to export, and no word about whether it exists
    assert ask("a", "nobody").json() == ask("a", "z").json()
    assert ask("a", path="$export").status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        "_type=Nonsense",
        "_outputFormat=csv",
        "_since=yesterday",
        "_since=2026-01-01",
        "_typeFilter=nonsense",
        "_type=Patient&_typeFilter=Observation?code=x",
        "_typeFilter=Patient?nonsense=1",
        "_typeFilter=Patient?_count=1",
        "includeAssociatedData=LatestProvenanceResources",
        "unknown=1",
        "_elements=Patient.name.family",
        "_since=2026-02-01T00:00:00Z&_until=2026-01-01T00:00:00Z",
    ],
)
def test_what_is_not_understood(http: Client, filled: dict[str, str], query: str) -> None:
    answer = http.get(f"$export?{query}", filled | ASYNC)
    assert answer.status_code == 400
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert not ExportJob.objects.exists()


def test_lenient_leaves_out_and_says_so(http: Client, filled: dict[str, str]) -> None:
    headers = filled | {"prefer": "respond-async, handling=lenient"}
    answer = http.get("$export?includeAssociatedData=LatestProvenanceResources&_type=Patient&odd=1", headers)
    assert answer.status_code == 202
    made = finished(http, filled, job_of(answer))
    assert {one["id"] for one in lines(http, filled, made)} == set("abc")
    said = lines(http, filled, made, "error")
    assert [one["issue"][0]["severity"] for one in said] == ["warning", "warning"]


def test_it_needs_the_prefer_header(http: Client, filled: dict[str, str]) -> None:
    assert http.get("$export", filled).status_code == 400


def test_only_who_asked_may_look(http: Client, world: World, filled: dict[str, str]) -> None:
    job = kick(http, filled)
    made = finished(http, filled, job)
    other = bearer(world.sources["his-2"].token)
    for path in (f"bulk/export/{job.key}", made["output"][0]["url"]):
        assert http.get(path, other).status_code == 404
        assert http.get(path, {}).status_code == 401
    assert http.delete(f"bulk/export/{job.key}", other).status_code == 404
    assert http.get(f"bulk/export/{job.key}", filled).status_code == 200


def test_who_may_not_export(http: Client, world: World, filled: dict[str, str]) -> None:
    """A clinician reads his patients one by one; no rule lets him export them."""
    clinician = world.account("clinician", institution=world.hospital)
    answer = http.get("$export?_type=Patient", bearer(world.token(clinician)) | ASYNC)
    assert answer.status_code == 403
    assert AuditRow.objects.filter(actor=clinician.username, action="export", outcome="refused").exists()


def test_state_as_of_the_kick_off(http: Client, filled: dict[str, str]) -> None:
    """What is changed, deleted or created after the kick-off is as it was then."""
    job = kick(http, filled)
    http.put("Patient/a", patient(id="a", gender="female"), filled)
    http.put("Patient/a", patient(id="a", gender="other"), filled)
    http.delete("Observation/a0", filled)
    http.put("Patient/new", patient(id="new", birthDate="2001-01-01"), filled)
    http.delete("Patient/c", filled)
    http.put("Patient/c", patient(id="c", gender="unknown"), filled)
    made = finished(http, filled, job)
    found = {f"{one['resourceType']}/{one['id']}": one for one in lines(http, filled, made)}
    assert set(found) == EVERYTHING | {"Organization/o"}
    assert found["Patient/a"]["gender"] == "male"
    assert found["Patient/a"]["meta"]["versionId"] == "1"
    assert found["Patient/c"]["gender"] == "male"


def test_since_is_exact(http: Client, filled: dict[str, str]) -> None:
    """Exports that begin where the last one ended hold every change once, deletions named."""
    first = finished(http, filled, kick(http, filled))
    http.put("Patient/b", patient(id="b", gender="other"), filled)
    http.delete("Observation/b0", filled)
    second = finished(http, filled, kick(http, filled, f"$export?_since={first['transactionTime']}"))
    assert [one["id"] for one in lines(http, filled, second)] == ["b"]
    (bundle,) = lines(http, filled, second, "deleted")
    assert bundle["type"] == "transaction"
    assert bundle["entry"] == [{"request": {"method": "DELETE", "url": "Observation/b0"}}]
    third = finished(http, filled, kick(http, filled, f"$export?_since={second['transactionTime']}"))
    assert (third["output"], third["deleted"]) == ([], [])
    old = finished(http, filled, kick(http, filled, "$export?_since=2020-01-01T00:00:00%2B08:00"))
    assert len(lines(http, filled, old)) == len(EVERYTHING) + 1 - 1
    assert len(lines(http, filled, old, "deleted")) == 1
    until = finished(http, filled, kick(http, filled, f"$export?_until={first['transactionTime']}"))
    assert {one["id"] for one in lines(http, filled, until) if one["resourceType"] == "Patient"} == {"a", "c"}


def test_changes_while_it_runs(http: Client, filled: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever happens between two reads of the worker, the files are the state of the kick-off."""
    rng = random.Random(7)
    for seed in range(4):
        before = sorted(bytes(one.body) for one in Resource.objects.filter(source_id=1, deleted=False))
        job = kick(http, filled)
        follow = running.Scratch.follow

        def meddle(self: Any, cursor: Any, follow: Any = follow) -> None:
            for _ in range(2):
                name = rng.choice("abc")
                number = rng.randrange(2)
                match rng.randrange(4):
                    case 0:
                        body = patient(id=name, gender=rng.choice(["male", "female", "other"]))
                        http.put(f"Patient/{name}", body, filled)
                    case 1:
                        http.delete(f"Observation/{name}{number}", filled)
                    case 2:
                        value = rng.randrange(100) / 4
                        body = observation(f"Patient/{name}", value, id=f"{name}{number}")
                        http.put(f"Observation/{name}{number}", body, filled)
                    case _:
                        id = f"n{rng.randrange(10**6)}"
                        http.put(f"Observation/{id}", observation(f"Patient/{name}", id=id), filled)
            follow(self, cursor)

        monkeypatch.setattr(running.Scratch, "follow", meddle)
        made = finished(http, filled, job, file_resources=2)
        monkeypatch.setattr(running.Scratch, "follow", follow)
        got = [line for one in made["output"] for line in http.get(one["url"], filled).content.splitlines()]
        assert sorted(got) == before, seed


def test_many_files_and_a_worker_that_stops(http: Client, filled: dict[str, str]) -> None:
    job = kick(http, filled)
    states = [running.work(job.pk, seconds=0.0, file_resources=2) for _ in range(3)]
    assert states == [ExportState.RUNNING] * 3
    while running.work(job.pk, seconds=1e-9, file_resources=2) == ExportState.RUNNING:
        pass
    made = http.get(f"bulk/export/{job.key}", filled).json()
    found = [f"{one['resourceType']}/{one['id']}" for one in lines(http, filled, made)]
    assert sorted(found) == sorted(EVERYTHING | {"Organization/o"})
    assert all(one["count"] <= 2 for one in made["output"])


def test_files_in_parts_and_packed(http: Client, filled: dict[str, str]) -> None:
    made = finished(http, filled, kick(http, filled, "$export?_type=Patient"))
    address = made["output"][0]["url"]
    whole = http.get(address, filled | {"accept-encoding": "identity"})
    assert "content-encoding" not in whole.headers
    row = ExportFile.objects.get(name=address.rsplit("/", 1)[1])
    assert hashlib.sha256(whole.content).hexdigest() == row.digest
    head = http.request("HEAD", address, headers=filled | {"accept-encoding": "identity"})
    assert (head.headers["content-length"], head.content) == (str(len(whole.content)), b"")
    plain = filled | {"accept-encoding": "identity"}
    first = http.get(address, plain | {"range": "bytes=0-99"})
    rest = http.get(address, plain | {"range": "bytes=100-", "if-range": first.headers["etag"]})
    assert (first.status_code, rest.status_code) == (206, 206)
    assert first.headers["content-range"] == f"bytes 0-99/{len(whole.content)}"
    assert first.content + rest.content == whole.content
    assert http.get(address, plain | {"range": "bytes=-10"}).content == whole.content[-10:]
    assert http.get(address, plain | {"range": "bytes=0-9", "if-range": '"other"'}).status_code == 200
    assert http.get(address, plain | {"range": "bytes=999999-"}).status_code == 416
    packed = http.get(address, filled | {"accept-encoding": "gzip", "range": "bytes=0-"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["etag"] != whole.headers["etag"]
    assert packed.content == whole.content  # httpx unpacked it
    name = places.folder_of(address.rsplit("/", 2)[1]) / address.rsplit("/", 1)[1]
    assert gzip.decompress(name.with_name(name.name + ".gz").read_bytes()) == whole.content


def test_the_audit_and_the_residents_view(http: Client, filled: dict[str, str]) -> None:
    job = kick(http, filled, "$export?_type=Patient")
    made = finished(http, filled, job)
    lines(http, filled, made)
    rows = list(AuditRow.objects.filter(action="export", resource_id=str(job.key)).order_by("at"))
    assert [("started" in r.detail, "sha256" in r.detail, "fetched" in r.detail) for r in rows] == [
        (True, False, False),
        (False, True, False),
        (False, False, True),
    ]
    mine = set(Resource.objects.filter(id__in=list("abc")).values_list("person_id", flat=True))
    assert running.persons_in(job) == mine
    http.delete(f"bulk/export/{job.key}", filled)
    assert running.persons_in(job) == mine  # she may ask when the files are long gone


def test_expiry(http: Client, filled: dict[str, str]) -> None:
    from datetime import timedelta

    from django.utils import timezone

    job = kick(http, filled)
    made = finished(http, filled, job)
    assert http.get(f"bulk/export/{job.key}", filled).headers["expires"].endswith("GMT")
    ExportJob.objects.filter(pk=job.pk).update(expires=timezone.now() - timedelta(seconds=1))
    assert http.get(made["output"][0]["url"], filled).status_code == 404
    assert running.remove_expired() == 1
    assert not places.folder_of(job.key).exists()
    assert http.get(f"bulk/export/{job.key}", filled).status_code == 404


def test_too_many_at_once(http: Client, filled: dict[str, str]) -> None:
    for _ in range(5):
        kick(http, filled)
    answer = http.get("$export", filled | ASYNC)
    assert answer.status_code == 429
    assert answer.headers["retry-after"]


def test_a_role_taken_away_ends_it(http: Client, world: World, filled: dict[str, str]) -> None:
    account = world.account("fund_officer")
    http.put("Coverage/c", {
        "resourceType": "Coverage", "id": "c", "status": "active",
        "beneficiary": {"reference": "Patient/a"}, "payor": [{"reference": "Organization/o"}],
    }, filled)  # fmt: skip
    headers = bearer(world.token(account, "user/*.rs"))
    job = kick(http, headers, "$export?_type=Coverage")
    account.locked = True
    account.save()
    from salus.kernel import policy

    policy.forget()
    assert running.work(job.pk) == ExportState.FAILED
    assert not ExportFile.objects.filter(job=job).exists()


def test_it_reads_by_the_index(http: Client, filled: dict[str, str]) -> None:
    """The statement that reads the next part walks the index of kind and number, and sorts nothing."""
    if connection.vendor != "sqlite":
        pytest.skip("SQLite's plan")
    with connection.cursor() as cursor:
        cursor.execute(
            "explain query plan select r.rid from record_resource r where r.kind = 5 and r.rid > 0"
            " and r.rid <= 100 and r.version > 0 and not r.deleted and r.source_id = 1 order by r.rid limit 5"
        )
        plan = " ".join(row[3] for row in cursor.fetchall())
    assert "TEMP B-TREE" not in plan and "record_resource_kind" in plan
