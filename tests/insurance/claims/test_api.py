"""The API for institutions: tokens, claims and cover, and the same in FHIR, kept in the record."""

import json
from collections.abc import Iterator
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from salus.insurance import fhir
from salus.insurance.events import ClaimDecided
from salus.insurance.models import Claim
from salus.insurance.services import claims, fhir_record
from salus.kernel.ids import uuid7
from salus.kernel.models import AuditRow
from salus.kernel.policy import Principal
from salus.record import json as record_json
from salus.record import sensitive
from salus.record.models import Resource
from salus.record.smart import tokens
from salus.record.smart.tokens import SourceIdentity
from salus.record.validate import validate
from tests.insurance.claims import world
from tests.insurance.claims.world import City

pytestmark = pytest.mark.django_db(databases=["default", "audit"])


@pytest.fixture
def client(city: City, monkeypatch: pytest.MonkeyPatch) -> Client:
    """A till of the third institution, which has a token of its own."""
    place = city.institutions[2]
    tokens.forget()
    monkeypatch.setattr(
        tokens, "_secrets",
        [lambda token: SourceIdentity(3, "his-H3", place.pk) if token == "till" else None],
    )  # fmt: skip
    return Client(headers={"Authorization": "Bearer till"})


def body(city: City, seed: int = 3, **change: Any) -> dict[str, Any]:
    _place, asked = world.claim(Random(seed), city, seed)
    number = world.resident_number(city.persons.index(asked.person_id))
    return {
        "number": asked.number, "person": {"system": "resident-id", "value": number}, "kind": asked.kind,
        "admitted": str(asked.admitted), "discharged": str(asked.discharged),
        "diagnoses": list(asked.diagnoses), "referral": asked.referral, "charge": asked.charge,
        "lines": [
            {
                "line_no": x.line_no, "service_date": str(x.service_date), "item": x.item,
                "quantity": str(x.quantity), "unit_price": x.unit_price, "charge": x.charge,
            }
            for x in asked.lines
        ],
    } | change  # fmt: skip


def post(client: Client, path: str, given: Any) -> tuple[int, Any]:
    answer = client.post(f"/api/insurance/{path}", json.dumps(given), content_type="application/json")
    return answer.status_code, json.loads(answer.content)


def test_a_claim_is_settled_shown_and_taken_back(client: Client, city: City) -> None:
    status, told = post(client, "claims", body(city))
    assert status == 200
    assert told["charge"] == sum(told["payers"].values()) == sum(line["charge"] for line in told["lines"])
    for line in told["lines"]:
        assert sum(part["amount"] for part in line["parts"]) == line["charge"] == sum(line["payers"].values())
    assert post(client, "claims", body(city)) == (200, told)
    named = {"institution": "H3", "number": told["number"]}
    assert post(client, "claims/decision", named) == (200, told)
    assert post(client, "claims/decision", {"number": "\u0000"})[0] == 404
    status, gone = post(client, "claims/reversal", named | {"reason": "charged twice"})
    assert (status, gone["outcome"], gone["charge"], gone["version"]) == (200, "reversed", 0, 2)


def test_who_shows_no_token_or_another_institutions_is_refused(client: Client, city: City) -> None:
    answer = Client().post("/api/insurance/claims", "{}", content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (401, "token-unknown")
    status, told = post(client, "claims", body(city, institution="H1"))
    assert (status, told["code"].startswith("not-allowed")) == (403, True)
    assert not Claim.objects.exists()


def test_what_is_wrong_is_named(client: Client, city: City) -> None:
    line = body(city)["lines"][0]
    cases: list[tuple[dict[str, Any], int, str, str]] = [
        ({"charge": 1.5}, 422, "body-invalid", "charge"),
        ({"admitted": 1_700_000_000}, 422, "body-invalid", "admitted"),
        ({"admitted": "0001-01-01"}, 422, "body-invalid", "admitted"),
        ({"lines": [line | {"line_no": True}]}, 422, "body-invalid", "lines.0.line_no"),
        ({"kind": "dental"}, 422, "body-invalid", "kind"),
        ({"lines": [line | {"quantity": "0"}]}, 422, "body-invalid", "lines.0.quantity"),
        ({"lines": [line, line]}, 422, "claim-line-numbers", "lines"),
        (
            {"person": {"system": "resident-id", "value": "110101198002039999"}},
            404,
            "person-unknown",
            "person",
        ),
        ({"institution": "H99"}, 404, "institution-unknown", "institution"),
    ]
    for change, status, code, where in cases:
        found, told = post(client, "claims", body(city, **change))
        assert (found, told["code"]) == (status, code), told
        assert told["where"].endswith(where)
    post(client, "claims", body(city))
    status, told = post(client, "claims", body(city, charge=1))
    assert (status, told["code"]) == (409, "claim-number-used")


def test_a_month_is_settled_with_each_bad_claim_named(client: Client, city: City) -> None:
    nobody = {"system": "resident-id", "value": "110101198002039999"}
    given = [
        body(city, 3), body(city, 4), body(city, 5, person=nobody), body(city, 3, charge=1),
        body(city, 6, institution="H99"),
    ]  # fmt: skip
    status, told = post(client, "claims/month", {"claims": given})
    assert status == 200
    assert [one["error"]["code"] if one["error"] else None for one in told] == [
        None, None, "person-unknown", "claim-repeated", "institution-unknown",
    ]  # fmt: skip
    assert Claim.objects.count() == 2


ODD: list[Any] = [
    None, True, -1, 0, 2**31, 10**30, 1.5, float("nan"), float("inf"), "", "x", "\u0000", "\ud800",
    "9" * 5_000, [], {}, [None], {"a": 1}, "0001-01-01", "9999-12-31", "2025-02-30", "NaN",
    "1e999999", "-0.001",
]  # fmt: skip


def leaves(given: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value of a body, the whole first."""
    yield path
    inner = given.items() if isinstance(given, dict) else enumerate(given) if isinstance(given, list) else ()
    for key, value in inner:
        if not (isinstance(given, list) and key > 0):
            yield from leaves(value, (*path, key))


def changed(given: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    copy = dict(given) if isinstance(given, dict) else list(given)
    copy[path[0]] = changed(copy[path[0]], path[1:], value)
    return copy


def bodies(city: City) -> dict[str, dict[str, Any]]:
    person = {"system": "resident-id", "value": world.resident_number(0)}
    cover = {"institution": "H3", "person": person, "day": "2025-06-01", "service": "inpatient"}
    question = {
        "resourceType": "CoverageEligibilityRequest", "status": "active", "purpose": ["validation"],
        "patient": {"identifier": {"system": fhir.RESIDENT, "value": world.resident_number(1)}},
        "created": "2026-01-02", "servicedDate": "2025-06-01", "insurer": {"display": "agency"},
        "provider": {"identifier": {"value": "H3"}},
        "item": [{"category": {"coding": [{"system": fhir.SERVICE, "code": "inpatient"}]}}],
    }  # fmt: skip
    return {
        "claims": body(city, 3, institution="H3", illness="x"),
        "claims/month": {"claims": [body(city, 4)]},
        "claims/decision": {"institution": "H3", "number": "N"},
        "claims/reversal": {"institution": "H3", "number": "N", "reason": "charged twice"},
        "eligibility": cover, "fhir/Claim": fhir_claim(city, 5), "fhir/CoverageEligibilityRequest": question,
    }  # fmt: skip


def test_whatever_is_sent_the_answer_is_a_decision_or_a_typed_error(client: Client, city: City) -> None:
    chance = Random(5)
    for path, good in bodies(city).items():
        for leaf in leaves(good):
            # A bare NaN is what a careless sender's JSON says; the parser's answer must be typed as well.
            for odd in ODD if len(leaf) < 2 else chance.sample(ODD, 6):
                with transaction.atomic():
                    status, told = post(client, path, changed(good, leaf, odd))
                    transaction.set_rollback(True)
                assert status in (200, 400, 403, 404, 409, 422), (path, leaf, odd)
                assert status == 200 or told["code"], (path, leaf, odd, told)
    answer = client.post("/api/insurance/claims", "{", content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, "body-invalid")
    answer = client.post("/api/insurance/fhir/Claim", b"[" * 3_000_000, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (422, "body-too-large")


def test_who_may_not_claim_is_not_told_who_is_known(
    client: Client, city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    planner = Principal(name="planner", roles=frozenset({"planner"}), account_id=9)
    monkeypatch.setattr(tokens, "verify", lambda token, *, purpose: planner)
    for value in (world.resident_number(0), "110101198002039999"):
        person = {"system": "resident-id", "value": value}
        assert post(client, "claims", body(city, institution="H3", person=person))[0] == 403
        asked = {"institution": "H3", "person": person, "day": "2025-06-01", "service": "inpatient"}
        assert post(client, "eligibility", asked)[0] == 403


def test_each_answer_about_a_resident_is_in_the_audit_chain(client: Client, city: City) -> None:
    given = body(city)
    asked = {"person": given["person"], "day": "2025-06-01", "service": "inpatient"}
    named = {"number": given["number"]}
    nobody = {"system": "person", "value": str(uuid7())}
    steps: list[tuple[str, Any, int, str]] = [
        ("claims", given, 200, "create"), ("claims", given, 200, "read"),
        ("claims/month", {"claims": [given]}, 200, "read"), ("claims/decision", named, 200, "read"),
        ("claims/reversal", named | {"reason": "charged twice"}, 200, "update"),
        ("claims/reversal", named | {"reason": "charged twice"}, 200, "read"),
        ("eligibility", asked, 200, "read"), ("eligibility", asked | {"institution": "H1"}, 403, "read"),
        ("claims", body(city, 4, person=nobody), 404, "search"),
    ]  # fmt: skip
    for path, sent, status, action in steps:
        before = AuditRow.objects.using("audit").count()
        assert post(client, path, sent)[0] == status, path
        rows = list(AuditRow.objects.using("audit").order_by("pk"))[before:]
        assert [row.action for row in rows] == [action], path


def test_cover_is_answered_with_its_reason(client: Client, city: City) -> None:
    person = {"system": "resident-id", "value": world.resident_number(0)}
    asked = {"person": person, "day": "2025-06-01", "service": "inpatient"}
    status, told = post(client, "eligibility", asked)
    assert (status, told["covered"], told["scheme"]) == (200, True, "resident")
    _status, told = post(client, "eligibility", asked | {"day": "2020-06-01"})
    assert (told["covered"], told["reason"]) == (False, "not-enrolled")


def fhir_claim(city: City, seed: int = 3) -> dict[str, Any]:
    given = body(city, seed)
    return {
        "resourceType": "Claim", "status": "active", "use": "claim", "created": "2026-01-02",
        "type": {"coding": [{"system": f"{fhir.HL7}claim-type", "code": "institutional"}]},
        "subType": {"coding": [{"system": fhir.KIND, "code": given["kind"]}]},
        "identifier": [{"system": fhir.NUMBER, "value": given["number"]}],
        "extension": [{"url": fhir.REFERRAL, "valueCode": given["referral"]}],
        "patient": {"identifier": {"system": fhir.RESIDENT, "value": given["person"]["value"]}},
        "provider": {"identifier": {"value": "H3"}}, "priority": {"text": "normal"},
        "billablePeriod": {"start": given["admitted"], "end": given["discharged"]},
        "insurance": [{"sequence": 1, "focal": True, "coverage": {"display": "basic"}}],
        "diagnosis": [
            {"sequence": 1, "diagnosisCodeableConcept": {"coding": [{"code": given["diagnoses"][0]}]}}
        ],
        "item": [
            {
                "sequence": x["line_no"], "productOrService": {"coding": [{"code": x["item"]}]},
                "servicedDate": x["service_date"], "quantity": {"value": int(x["quantity"])},
                "unitPrice": {"value": x["unit_price"] / 100, "currency": "CNY"},
                "net": {"value": x["charge"] / 100, "currency": "CNY"},
            }
            for x in given["lines"]
        ],
        "total": {"value": given["charge"] / 100, "currency": "CNY"},
    }  # fmt: skip


def test_a_fhir_claim_is_the_same_claim_and_its_results_are_kept_in_the_record(
    client: Client, city: City
) -> None:
    status, told = post(client, "fhir/Claim", fhir_claim(city))
    assert (status, told["resourceType"], told["outcome"]) == (200, "ClaimResponse", "complete")
    assert post(client, "claims", body(city))[0] == 200
    claim = Claim.objects.get()
    fhir_record.keep(ClaimDecided(claim.pk, claim.version))
    fhir_record.keep(ClaimDecided(claim.pk, claim.version))
    kept = {r.rid: record_json.loads(bytes(r.body)) for r in Resource.objects.exclude(version=0)}
    mine = {
        b["resourceType"]: b
        for b in kept.values()
        if b["resourceType"] in ("Claim", "ClaimResponse", "ExplanationOfBenefit")
    }
    assert len(mine) == 3
    rows = Resource.objects.filter(rid__in=[rid for rid, b in kept.items() if b in list(mine.values())])
    assert {row.person_id for row in rows} == {claim.person_id} and {row.version for row in rows} == {1}
    for one in mine.values():
        assert not [x for x in validate(one) if x.severity == "error"]
    total = {
        x["category"]["coding"][0]["code"]: x["amount"]["value"]
        for x in mine["ExplanationOfBenefit"]["total"]
    }
    charged = total.pop("submitted")
    assert sum(total.values()) == charged and int(charged * 100) == claim.charge_fen
    again = fhir.read_claim(mine["Claim"] | {"patient": fhir_claim(city)["patient"]})
    asked = claims.asked_of(claim)
    assert (again.number, again.charge, again.referral) == (asked.number, asked.charge, asked.referral)
    assert [(x.item, x.charge, x.quantity) for x in again.items] == [
        (x.item, x.charge, x.quantity) for x in asked.lines
    ]


def test_results_of_a_sensitive_claim_are_as_sensitive_as_the_claim(client: Client, city: City) -> None:
    """A response names no diagnosis: a label says what it is about, so that lists withhold it too."""
    asked = body(city) | {"diagnoses": ["B20.100"]}
    assert post(client, "claims", asked)[0] == 200
    claim = Claim.objects.get()
    fhir_record.keep(ClaimDecided(claim.pk, claim.version))
    kept = [
        (record_json.loads(bytes(row.body))["resourceType"], row.rid, bytes(row.body))
        for row in Resource.objects.exclude(version=0)
    ]
    mine = [one for one in kept if one[0] in ("Claim", "ClaimResponse", "ExplanationOfBenefit")]
    assert len(mine) == 3
    for name, rid, raw in mine:
        assert sensitive.categories(name, raw) == {"hiv"}, name
        with connection.cursor() as cursor:
            cursor.execute("select category from record_sensitive where rid = %s", [rid])
            assert cursor.fetchall() == [("hiv",)], name


def test_a_fhir_question_of_cover_is_answered_in_fhir(client: Client, city: City) -> None:
    asked = {
        "resourceType": "CoverageEligibilityRequest", "status": "active", "purpose": ["validation"],
        "patient": {"identifier": {"system": fhir.RESIDENT, "value": world.resident_number(1)}},
        "created": "2026-01-02", "servicedDate": "2025-06-01", "insurer": {"display": "agency"},
        "provider": {"identifier": {"value": "H3"}},
        "item": [{"category": {"coding": [{"system": fhir.SERVICE, "code": "inpatient"}]}}],
    }  # fmt: skip
    status, told = post(client, "fhir/CoverageEligibilityRequest", asked)
    assert status == 200 and told["insurance"][0]["inforce"] is True
    assert not [one for one in validate(told) if one.severity == "error"]
    status, told = post(client, "fhir/Claim", asked)
    assert (status, told["code"], told["where"]) == (422, "fhir-type", "resourceType")
    status, told = post(client, "fhir/Claim", {"resourceType": "Claim"})
    assert (status, told["code"]) == (422, "fhir-invalid")


def test_a_membership_becomes_a_coverage_of_the_record(city: City) -> None:
    from salus.insurance.models import Enrolment

    held = Enrolment.objects.get(person_id=city.persons[0])
    fhir_record.keep_coverage(held, now=timezone.now() + timedelta(seconds=1))
    found = [record_json.loads(bytes(r.body)) for r in Resource.objects.filter(person_id=city.persons[0])]
    cover = next(b for b in found if b["resourceType"] == "Coverage")
    assert cover["period"] == {"start": "2024-01-01", "end": "2026-12-31"}


def test_the_api_describes_itself(client: Client) -> None:
    told = json.loads(client.get("/api/insurance/openapi.json").content)
    paths = {path.removeprefix("/api/insurance") for path in told["paths"]}
    assert paths == {
        "/eligibility", "/claims", "/claims/month", "/claims/decision", "/claims/reversal", "/fhir/Claim",
        "/fhir/CoverageEligibilityRequest",
    }  # fmt: skip
