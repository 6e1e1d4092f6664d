"""Who gets what over FHIR: every role, own and other scope, each way of reading, and writes."""

import time
from typing import Any

import pytest
from django.utils import timezone
from oauth2_provider.models import AccessToken

from salus.kernel import policy
from salus.kernel.models import AuditRow, BreakGlass, RoleGrant
from salus.record.models import Person
from tests.record.fhir.conftest import DATABASES, OF_ROLE, Client, World, bearer, observation, patient

pytestmark = pytest.mark.django_db(databases=DATABASES)

SECRET_WORDS = ("王小明", "1001", "1980-02-03")
ROUTES = {
    "read": "Observation/{id}",
    "vread": "Observation/{id}/_history/1",
    "history": "Observation/{id}/_history",
    "search": "Observation?_id={id}",
    "include": "Observation?_id={id}&_include=Observation:subject",
    "revinclude": "Patient?_id={patient}&_revinclude=Observation:subject",
    "everything": "Patient/{patient}/$everything",
    "type-history": "Observation/_history",
}
OPEN_TO = {
    ("resident", "own"),
    ("clinician", "own"),
    ("village_doctor", "own"),
    ("epidemiologist", "own"),
}
"""Roles that see clinical resources, and whose: everybody else gets nothing, of anybody."""


@pytest.fixture
def records(http: Client, world: World, his: dict[str, str]) -> dict[str, dict[str, str]]:
    """One patient in the first hospital's care and one in the second's, each with an observation."""
    found: dict[str, dict[str, str]] = {}
    for whose, code, id in (("own", "his-1", "a"), ("other", "his-2", "b")):
        headers = bearer(world.sources[code].token)
        body = patient(id=id, generalPractitioner=[{"identifier": {"value": f"GP-{id}"}}])
        body["identifier"][0]["value"] = f"1001-{id}"
        assert http.put(f"Patient/{id}", body, headers).status_code == 201
        assert (
            http.put(f"Observation/o{id}", observation(f"Patient/{id}", id=f"o{id}"), headers).status_code
            == 201
        )
        found[whose] = {"patient": id, "id": f"o{id}"}
    Person.objects.filter(pk=person_of("a")).update(district_code="110101")
    Person.objects.filter(pk=person_of("b")).update(district_code="220202")
    return found


def person_of(id: str) -> Any:
    from salus.record.models import Resource
    from salus.record.rules.r4 import kind_of

    return Resource.objects.get(kind=kind_of("Patient"), id=id).person_id


def asker(world: World, role: str) -> dict[str, str]:
    fields: dict[str, Any] = {"institution": world.hospital, "district": world.district}
    if role == "resident":
        fields = {"person_id": person_of("a")}
    if role == "village_doctor":
        from salus.kernel.models import Staff

        Staff.objects.get_or_create(code="GP-a", defaults={"name": "GP", "institution": world.hospital})
    token = world.token(world.account(role, **fields))
    purpose = {"x-purpose-of-use": "PUBHLTH"} if role == "epidemiologist" else {}
    return bearer(token, **purpose)


def seen(answer: Any) -> set[str]:
    """Return the ids of the resources that an answer shows."""
    if answer.status_code != 200:
        assert answer.status_code in {403, 404}, answer.text
        assert answer.json()["resourceType"] == "OperationOutcome"
        assert not any(word in answer.text for word in SECRET_WORDS)
        return set()
    body = answer.json()
    if body["resourceType"] != "Bundle":
        return {body["id"]}
    return {one["resource"]["id"] for one in body.get("entry", ())}


@pytest.mark.parametrize("role", OF_ROLE)
def test_each_role_on_each_route(
    http: Client, world: World, records: dict[str, dict[str, str]], role: str
) -> None:
    headers = asker(world, role)
    for whose, names in records.items():
        mine = set(names.values())
        allowed = (role, whose) in OPEN_TO
        for route, address in ROUTES.items():
            shown = seen(http.get(address.format(**names), headers))
            where = f"{role} {whose} {route}"
            if not allowed and route != "type-history":
                assert not shown, where
            elif route != "type-history":
                assert shown and shown <= mine, where
                if route in {"include", "revinclude", "everything"}:
                    assert shown == mine, where
            others = {id for other, n in records.items() if other != whose for id in n.values()}
            assert not shown & others or (route == "type-history" and (role, "own") in OPEN_TO), where


@pytest.mark.parametrize("role", OF_ROLE)
def test_who_may_write(http: Client, world: World, records: dict[str, dict[str, str]], role: str) -> None:
    headers = asker(world, role)
    may = role in {"clinician", "village_doctor"}
    made = http.post("Observation", observation("Patient/a"), headers)
    assert made.status_code == (201 if may else 403), made.text
    assert http.post("Observation", observation("Patient/b"), headers).status_code == 403
    changed = http.put("Observation/oa", observation("Patient/a", 7.7, id="oa"), headers)
    assert changed.status_code == (200 if may else 403 if role == "resident" else changed.status_code)
    assert may or changed.status_code in {403, 404}
    moved = http.put("Observation/oa", observation("Patient/b", 7.7, id="oa"), headers)
    assert moved.status_code in {403, 404}
    assert http.delete("Observation/oa", headers).status_code in {403, 404}
    if may:  # a person's correction leaves the resource with its source
        assert (
            http.get("Observation/oa", bearer(world.sources["his-1"].token)).json()["valueQuantity"]["value"]
            == 7.7
        )


@pytest.mark.parametrize(
    ("scope", "read", "search", "write"),
    [
        ("user/*.cruds", 200, 200, 201),
        ("user/Observation.r", 200, 403, 403),
        ("user/Observation.s", 404, 200, 403),
        ("user/Observation.rs", 200, 200, 403),
        ("user/Observation.read", 200, 200, 403),
        ("user/Patient.cruds", 403, 403, 403),
        ("system/*.cruds", 403, 403, 403),
        ("user/Observation.rs?category=laboratory", 403, 403, 403),
        ("openid", 403, 403, 403),
        ("", 403, 403, 403),
    ],
)
def test_scopes_narrow_a_role(
    http: Client,
    world: World,
    records: dict[str, dict[str, str]],
    scope: str,
    read: int,
    search: int,
    write: int,
) -> None:
    headers = bearer(world.token(world.account("clinician", institution=world.hospital), scope))
    found = http.get("Observation/oa", headers).status_code
    assert found == read or {found, read} <= {403, 404}
    assert http.get("Observation?_id=oa", headers).status_code == search
    assert http.post("Observation", observation("Patient/a"), headers).status_code == write


def test_a_refusal_does_not_tell_what_exists(
    http: Client, world: World, records: dict[str, dict[str, str]]
) -> None:
    headers = asker(world, "clinician")
    hidden, absent = (http.get(f"Observation/{id}", headers) for id in ("ob", "nothing"))
    assert hidden.status_code == absent.status_code == 404
    assert hidden.content == absent.content


def test_revocation_holds_within_a_second(
    http: Client, world: World, records: dict[str, dict[str, str]]
) -> None:
    account = world.account("clinician", institution=world.hospital)
    headers = bearer(world.token(account))
    assert http.get("Observation/oa", headers).status_code == 200
    RoleGrant.objects.get(account=account).delete()
    time.sleep(1)
    assert http.get("Observation/oa", headers).status_code in {403, 404}
    RoleGrant.objects.create(account=account, role="clinician", institution=world.hospital)
    time.sleep(1)
    assert http.get("Observation/oa", headers).status_code == 200
    AccessToken.objects.filter(user=account).delete()
    time.sleep(1)
    assert http.get("Observation/oa", headers).status_code == 401


def test_an_expired_token_is_refused(http: Client, world: World) -> None:
    token = world.token(world.account("clinician", institution=world.hospital))
    AccessToken.objects.update(expires=timezone.now())
    assert http.get("Observation/oa", bearer(token)).status_code == 401


def test_sensitive_resources_are_left_out(
    http: Client, world: World, records: dict[str, dict[str, str]]
) -> None:
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "HIV"}
    body = observation("Patient/a", id="hiv", meta={"security": [label]})
    assert http.put("Observation/hiv", body, bearer(world.sources["his-1"].token)).status_code == 201
    account = world.account("clinician", institution=world.hospital)
    headers = bearer(world.token(account))
    assert http.get("Observation/hiv", headers).status_code == 404
    assert seen(http.get("Observation", headers)) == {"oa"}
    assert "hiv" not in seen(http.get("Patient/a/$everything", headers))
    assert "hiv" not in seen(http.get("Observation/_history", headers))
    RoleGrant.objects.filter(account=account).update(sensitive="hiv")
    policy.bump_epoch()
    policy.forget()
    assert http.get("Observation/hiv", headers).status_code == 200
    assert seen(http.get("Observation", headers)) == {"oa", "hiv"}


def test_emergency_access_is_flagged(http: Client, world: World, records: dict[str, dict[str, str]]) -> None:
    account = world.account("clinician", institution=world.hospital)
    headers = bearer(world.token(account))
    assert http.get("Observation/ob", headers).status_code == 404
    BreakGlass.objects.create(
        account=account,
        person_id=person_of("b"),
        reason="unconscious in the emergency room",
        expires=timezone.now() + timezone.timedelta(hours=1),
    )
    policy.bump_epoch()
    policy.forget()
    assert http.get("Observation/ob", headers).status_code == 200
    row = AuditRow.objects.order_by("-id").first()
    assert row is not None and row.break_glass and row.person_id == person_of("b")


def test_every_access_leaves_an_audit_row(
    http: Client, world: World, records: dict[str, dict[str, str]]
) -> None:
    headers = asker(world, "clinician")
    AuditRow.objects.all().delete()
    http.get("Observation/oa", headers)
    http.get("Observation/ob", headers)
    http.get("Patient?family=王小明&birthdate=1980-02-03", headers)
    http.put("Observation/oa", observation("Patient/a", 9.9, id="oa"), headers)
    rows = list(AuditRow.objects.order_by("id").values_list("action", "outcome", "person_id", "detail"))
    assert [(action, outcome, person) for action, outcome, person, _ in rows] == [
        ("read", "ok", person_of("a")),
        ("read", "refused", person_of("b")),
        ("search", "ok", person_of("a")) if rows[2][2] else ("search", "ok", None),
        ("update", "ok", person_of("a")),
    ]
    assert "birthdate" in rows[2][3]
    assert not any(word in detail for *_, detail in rows for word in SECRET_WORDS)


def test_what_cannot_be_audited_is_not_shown(
    http: Client, world: World, records: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from salus.kernel import audit

    def broken(entries: object, done: audit.Done) -> None:
        done(audit.AuditUnavailable("audit", "The disk is full"))

    headers = asker(world, "clinician")
    monkeypatch.setattr(audit, "record_then", broken)
    answer = http.get("Observation/oa", headers)
    assert answer.status_code == 503
    assert "valueQuantity" not in answer.text
