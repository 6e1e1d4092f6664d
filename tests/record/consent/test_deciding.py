"""Consents in the policy: who is denied what, lists as single reads, and what the law allows regardless."""

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from salus.kernel import policy
from salus.kernel.models import Institution, Staff
from salus.kernel.policy import Grant, Principal, Target
from salus.record import consent, identity, sensitive, store
from salus.record.consent import deciding
from salus.record.consent.deciding import allowed, allowed_sql
from salus.record.identity import rows
from salus.record.models import CareRelation, ConsentProvision
from tests.record.consent.evaluator import Ask, denied
from tests.record.identity.population import patient

pytestmark = pytest.mark.django_db(databases=["default"])
NOW = datetime(2026, 6, 30, 8, tzinfo=UTC)
SCOPE = "http://terminology.hl7.org/CodeSystem/consentscope"
REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
TYPES = "http://hl7.org/fhir/resource-types"
ICD, LOINC = "http://hl7.org/fhir/sid/icd-10", "http://loinc.org"


@pytest.fixture(autouse=True)
def at_noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deciding, "moment", lambda: store.stamp.micros(NOW))
    monkeypatch.setattr("salus.record.consent.queries.moment", lambda: store.stamp.micros(NOW))


def put(type: str, id: str, body: dict[str, Any], institution: int | None = None) -> UUID | None:
    with transaction.atomic(), connection.cursor() as cursor:
        made = {"resourceType": type, **body}
        written = store.write(cursor, [store.Write(type, id, made, source_id=1)], now=NOW)
        if type == "Patient":
            [link] = identity.link_patients(cursor, written, institution_id=institution, now=NOW)
            return link.person_id
    return written[0].person_id


def consenting(of: str = "a", **more: Any) -> dict[str, Any]:
    return {
        "status": "active",
        "scope": {"coding": [{"system": SCOPE, "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": ACT, "code": "IDSCL"}]}],
        "patient": {"reference": f"Patient/{of}"},
        **more,
    }


def provision(type: str = "deny", purposes: str = "", actors: str = "", **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"type": type, **more}
    if purposes:
        made["purpose"] = [{"system": REASON, "code": code} for code in purposes.split()]
    if actors:
        made["actor"] = [
            {"role": {"text": "recipient"}, "reference": {"identifier": {"value": code}}}
            for code in actors.split()
        ]
    return made


def instance(name: str) -> list[dict[str, Any]]:
    return [{"meaning": "instance", "reference": {"reference": name}}]


def classes(*types: str) -> list[dict[str, str]]:
    return [{"system": TYPES, "code": one} for one in types]


def typed(*types: str) -> dict[str, Any]:
    return {"class": classes(*types)}


@pytest.fixture
def hospitals() -> tuple[Institution, Institution]:
    one, two = (
        Institution.objects.create(code=f"H{i}", name=f"医院{i}", kind="general_hospital") for i in (1, 2)
    )
    return one, two


@pytest.fixture
def person(hospitals: tuple[Institution, Institution]) -> UUID:
    """Somebody whom both hospitals treat, with a glucose result and two diagnoses, one of them sensitive."""
    row = ["x", "张伟", "1980-01-01", "male", "", "", ""]
    found = put("Patient", "a", {**patient(row), "generalPractitioner": [{"identifier": {"value": "D1"}}]},
                hospitals[0].pk)  # fmt: skip
    rid = rid_of("Patient", "a")
    CareRelation.objects.create(patient_rid=rid, institution_id=hospitals[1].pk)
    subject = {"subject": {"reference": "Patient/a"}}
    put("Observation", "o", {"code": {"coding": [{"system": LOINC, "code": "15074-8"}]}, **subject})
    put("Condition", "k", {"code": {"coding": [{"system": ICD, "code": "J45.0"}]}, **subject})
    security = {"security": [{"system": CONFIDENTIALITY, "code": "N"}]}
    put(
        "Condition",
        "s",
        {"code": {"coding": [{"system": ICD, "code": "B20.1"}]}, "meta": security, **subject},
    )
    assert found is not None
    return found


def rid_of(type: str, id: str) -> int:
    with connection.cursor() as cursor:
        found = store.read(cursor, type, id)
    assert found is not None
    return found.rid


def target(type: str, id: str) -> Target:
    with connection.cursor() as cursor:
        found = store.read(cursor, type, id)
    assert found is not None
    return Target(
        "resource",
        person_id=found.person_id,
        resource_type=type,
        source_id=found.source_id,
        categories=sensitive.categories(type, found.body),
        rid=found.rid,
    )


def doctor(institution: Institution, role: str = "clinician", **more: Any) -> Principal:
    grant = Grant(role, institution.pk, None, frozenset({"*"}))
    fields: dict[str, Any] = {
        "account_id": 7,
        "roles": frozenset({role}),
        "grants": (grant,),
        "institution_ids": frozenset({institution.pk}),
        "sensitive": frozenset({"*"}),
        **more,
    }
    return Principal(**fields)


# what the resident said; what the clinicians of hospital 1 and of hospital 2 then read of Observation/o
TABLE: list[tuple[str, dict[str, Any], bool, bool]] = [
    ("nothing that restricts", {}, True, True),
    ("all use is denied", {"provision": provision()}, False, False),
    ("opted out of everything", {"policyRule": {"coding": [{"code": "OPTOUT"}]}}, False, False),
    ("opted in", {"policyRule": {"coding": [{"system": ACT, "code": "OPTIN"}]}}, True, True),
    ("treatment is denied", {"provision": provision(purposes="TREAT")}, False, False),
    ("research is denied", {"provision": provision(purposes="HRESCH")}, True, True),
    ("one hospital is denied", {"provision": provision(actors="H2")}, True, False),
    (
        "all but one hospital are denied",
        {"provision": provision(provision=[provision("permit", actors="H1")])},
        True,
        False,
    ),
    ("opted out but for one", {
        "policyRule": {"coding": [{"system": ACT, "code": "OPTOUT"}]},
        "provision": {"provision": [provision("permit", actors="H2")]},
    }, False, True),
    ("results are denied", {"provision": provision(**typed("Observation"))}, False, False),
    ("claims are denied", {"provision": provision(**typed("Claim"))}, True, True),
    ("this code is denied", {
        "provision": provision(code=[{"coding": [{"system": LOINC, "code": "15074-8"}]}])
    }, False, False),
    ("another code is denied", {
        "provision": provision(code=[{"coding": [{"system": LOINC, "code": "718-7"}]}])
    }, True, True),
    ("this resource is denied to one", {
        "provision": provision(actors="H1", data=instance("Observation/o"))
    }, False, True),
    ("what is sensitive is denied", {
        "provision": provision(securityLabel=[{"system": CONFIDENTIALITY, "code": "R"}])
    }, True, True),
    ("denied until yesterday", {"provision": provision(period={"end": "2026-06-29"})}, True, True),
    ("denied from today on", {"provision": provision(period={"start": "2026-06-30"})}, False, False),
    ("denied from tomorrow on", {"provision": provision(period={"start": "2026-07-02"})}, True, True),
    ("withdrawn", {"status": "inactive", "provision": provision()}, True, True),
    ("only proposed", {"status": "proposed", "provision": provision()}, True, True),
    ("about an operation, not about data", {
        "scope": {"coding": [{"system": SCOPE, "code": "treatment"}]}, "provision": provision()
    }, True, True),
    ("a study is refused", {
        "scope": {"coding": [{"system": SCOPE, "code": "research"}]}, "provision": provision()
    }, True, True),
    ("only collecting is denied", {
        "provision": provision(action=[{"coding": [{"code": "collect"}]}])
    }, True, True),
]  # fmt: skip


@pytest.mark.parametrize(("said", "body", "first", "second"), TABLE, ids=[row[0] for row in TABLE])
def test_what_residents_say_holds_for_clinicians(
    person: UUID, hospitals: tuple[Institution, Institution], said: str, body: dict[str, Any],
    first: bool, second: bool,
) -> None:  # fmt: skip
    put("Consent", "c", consenting(**body))
    wanted = target("Observation", "o")
    for institution, expected in zip(hospitals, (first, second), strict=True):
        who = doctor(institution)
        decision = policy.decide(who, "read", wanted)
        assert decision.allowed is expected
        assert expected or decision.rule == "consent"
        assert ("o" in listed(who, "Observation")) is expected


# role, purpose stated, purpose denied: allowed?
WITHOUT: list[tuple[str, str, str, bool]] = [
    ("clinician", "", "TREAT", False),
    ("clinician", "TREAT", "TREAT", False),
    ("clinician", "ETREAT", "TREAT", False),  # who says that it is an emergency must break the glass
    ("clinician", "HOPERAT", "TREAT", False),  # another word does not open what treatment may not
    ("clinician", "HOPERAT", "HOPERAT", False),
    ("clinician", "TREAT", "HRESCH", True),
    ("clinician", "HRESCH", "HRESCH", False),
    ("clinician", "TREAT", "PUBHLTH", True),
    ("village_doctor", "TREAT", "TREAT", False),
    ("village_doctor", "TREAT", "HPAYMT", True),
    ("epidemiologist", "PUBHLTH", "PUBHLTH", True),  # by the law on infectious diseases
    ("epidemiologist", "PUBHLTH", "", True),
    ("resident", "PATRQT", "", True),  # the own record
    ("source", "TREAT", "", True),  # what it recorded itself
]


@pytest.mark.parametrize(("role", "stated", "refused", "expected"), WITHOUT)
def test_what_needs_no_consent_is_not_blocked(
    person: UUID,
    hospitals: tuple[Institution, Institution],
    role: str,
    stated: str,
    refused: str,
    expected: bool,
) -> None:
    from salus.record.models import Person

    Staff.objects.create(code="D1", name="y", institution=hospitals[0])
    Person.objects.filter(pk=person).update(district_code="110101")
    more: dict[str, Any] = {"district_codes": frozenset({"110101"}), "purpose": stated}
    if role == "epidemiologist":
        more["grants"] = ()
    if role == "resident":
        more["person_id"] = person
    if role == "source":
        more |= {"kind": "source", "source_id": 1}
    who = doctor(hospitals[0], role, **more)
    assert policy.decide(who, "read", target("Observation", "o")).allowed
    put("Consent", "c", consenting(provision=provision(purposes=refused)))
    assert policy.decide(who, "read", target("Observation", "o")).allowed is expected
    assert ("o" in listed(who, "Observation")) is expected
    assert policy.decide(who, "read", target("Consent", "c")).allowed  # what was said stays to be seen


def test_care_is_recorded_even_where_reading_is_denied(
    person: UUID, hospitals: tuple[Institution, Institution]
) -> None:
    put("Consent", "c", consenting(provision=provision()))
    who, wanted = doctor(hospitals[0]), target("Observation", "o")
    assert policy.decide(
        who, "create", Target("resource", person_id=person, resource_type="Observation")
    ).allowed
    for action in ("read", "search", "history", "update", "correct"):
        assert policy.decide(who, action, wanted).rule == "consent", action


def test_an_emergency_opens_what_was_denied(person: UUID, hospitals: tuple[Institution, Institution]) -> None:
    put("Consent", "c", consenting(provision=provision()))
    who = doctor(hospitals[0], break_glass=frozenset({person}))
    assert policy.decide(who, "read", target("Condition", "s")).flags == {"break_glass", "sensitive"}
    assert listed(who, "Condition") == {"k", "s"}


def test_sensitive_categories_are_closed_by_their_labels(
    person: UUID, hospitals: tuple[Institution, Institution]
) -> None:
    who = doctor(hospitals[0])
    for label, left in (("HIV", {"k"}), ("PSY", {"k", "s"}), ("R", {"k"}), ("N", {"k"})):
        system = ACT if len(label) > 1 else CONFIDENTIALITY
        put(
            "Consent", "c", consenting(provision=provision(securityLabel=[{"system": system, "code": label}]))
        )
        assert listed(who, "Condition") == left, label


def test_a_withdrawal_takes_effect_at_once(person: UUID, hospitals: tuple[Institution, Institution]) -> None:
    who, wanted = doctor(hospitals[0]), target("Observation", "o")
    for status, expected in (("active", False), ("inactive", True), ("active", False)):
        put("Consent", "c", consenting(status=status, provision=provision()))
        assert policy.decide(who, "read", wanted).allowed is expected
    with transaction.atomic(), connection.cursor() as cursor:
        store.write(cursor, [store.Write("Consent", "c", None, method="delete")], now=NOW)
    assert policy.decide(who, "read", wanted).allowed
    assert not ConsentProvision.objects.exists()


def test_a_consent_follows_the_person(hospitals: tuple[Institution, Institution]) -> None:
    """Given under one record it holds for all that are linked, also after a merge and after a split."""
    for id, day in (("a", "01"), ("b", "02")):
        put("Patient", id, patient(["x", "张伟", f"1980-01-{day}", "male", "", "", ""]), hospitals[0].pk)
        put("Observation", f"o{id}", {"subject": {"reference": f"Patient/{id}"}})
    put("Consent", "c", consenting("a", provision=provision()))
    who = doctor(hospitals[0])
    assert listed(who, "Observation") == {"ob"}
    together = target("Patient", "a").person_id
    with transaction.atomic(), connection.cursor() as cursor:
        apart = target("Patient", "b").person_id
        rid = rid_of("Patient", "b")
        store.reassign(cursor, rid, together)
        cursor.execute(
            "update record_patientlink set person_id = %s where patient_rid = %s",
            [rows.key(cursor, together), rid],
        )
        assert consent.withdrawn(cursor, "TREAT") == {rid_of("Patient", "a"), rid}
    assert listed(who, "Observation") == set()
    with transaction.atomic(), connection.cursor() as cursor:
        store.reassign(cursor, rid, apart)
        cursor.execute(
            "update record_patientlink set person_id = %s where patient_rid = %s",
            [rows.key(cursor, apart), rid],
        )
        assert consent.withdrawn(cursor, "TREAT") == {rid_of("Patient", "a")}
    assert listed(who, "Observation") == {"ob"}


@pytest.mark.parametrize(
    ("body", "withdrawn", "given"),
    [
        ({"provision": provision()}, "TREAT HRESCH CLINTRCH", ""),
        ({"provision": provision(purposes="HRESCH")}, "HRESCH CLINTRCH", ""),
        ({"provision": provision(purposes="CLINTRCH")}, "CLINTRCH", ""),
        ({"provision": provision("permit", "HRESCH")}, "", "HRESCH CLINTRCH"),
        ({"provision": provision("permit")}, "", ""),
        ({"provision": provision(actors="H2")}, "", ""),
        ({"provision": provision(provision=[provision("permit", "HRESCH")])}, "TREAT", "HRESCH CLINTRCH"),
        ({"provision": provision(purposes="HRESCH", **typed("Condition"))},
         "HRESCH CLINTRCH", ""),
        ({"provision": provision("permit", "HRESCH", provision=[provision(purposes="CLINTRCH")])},
         "CLINTRCH", "HRESCH"),
        ({"status": "inactive", "provision": provision()}, "", ""),
        ({"scope": {"coding": [{"code": "research"}]}, "policyRule": {"coding": [{"code": "OPTOUT"}]}},
         "HRESCH CLINTRCH", ""),
        ({"provision": provision(period={"end": "2026-06-01"})}, "", ""),
    ],
)  # fmt: skip
def test_who_withdrew_from_a_purpose(person: UUID, body: dict[str, Any], withdrawn: str, given: str) -> None:
    put("Consent", "c", consenting(**body))
    rid = rid_of("Patient", "a")
    with connection.cursor() as cursor:
        for purpose in ("TREAT", "HRESCH", "CLINTRCH"):
            assert consent.withdrawn(cursor, purpose) == ({rid} if purpose in withdrawn.split() else set())
            assert consent.given(cursor, purpose) == ({rid} if purpose in given.split() else set())
        if "class" in str(body):
            assert not consent.withdrawn(cursor, "HRESCH", "Observation")


def test_an_actor_may_be_a_reference(person: UUID, hospitals: tuple[Institution, Institution]) -> None:
    put("Organization", "org", {"identifier": [{"system": "urn:x", "value": "H2"}]})
    body = provision(actor=[{"role": {"text": "x"}, "reference": {"reference": "Organization/org"}}])
    put("Consent", "c", consenting(provision=body))
    assert [("o" in listed(doctor(one), "Observation")) for one in hospitals] == [True, False]


def test_odd_consents_are_stored_and_harm_nobody(person: UUID) -> None:
    """Whatever a source sends as a Consent, writing it never fails."""
    for odd in (
        {"provision": {"type": "deny", "actor": [{"reference": {}}], "class": [{"code": "X"}]}},
        {"provision": {"type": "deny", "purpose": [{}], "provision": [{}]}},
        {"provision": {"type": "maybe"}},
        {"policyRule": {"text": "as always"}},
    ):
        put("Consent", "c", consenting(**odd))
    many = [{"system": REASON, "code": f"P{n}"} for n in range(60)]
    types = classes(*("Observation", "Condition", "Procedure", "Claim", "Coverage") * 4)
    put("Consent", "c", consenting(provision={"type": "deny", "purpose": many, "class": types}))
    assert list(ConsentProvision.objects.values_list("purpose", "kind")) == [("", 0)]  # kept whole


def test_rebuilding_gives_the_same(person: UUID) -> None:
    put("Consent", "c", consenting(provision=provision(purposes="TREAT HRESCH", actors="H1 H2")))
    columns = ("rid", "place", "denies", "purpose", "actor", "kind", "valid_from", "valid_to")
    before = sorted(ConsentProvision.objects.values_list(*columns))
    with transaction.atomic(), connection.cursor() as cursor:
        assert consent.rebuild(cursor) == 1
    assert sorted(ConsentProvision.objects.values_list(*columns)) == before != []


def test_a_list_looks_for_the_persons_consents_first(person: UUID) -> None:
    """From the provisions instead, every row of a list would read all that anybody ever said."""
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL plans by its statistics")
    text, values = allowed_sql(
        Principal(institution_ids=frozenset({1})), ("TREAT",), "Observation", "r.person_id"
    )
    with connection.cursor() as cursor:
        cursor.execute(f"explain query plan select 1 from record_resource r where {text}", values)
        steps = [row[3] for row in cursor.fetchall()]
    people = next(n for n, step in enumerate(steps) if "cr USING" in step and "person_id=?" in step)
    provisions = next(n for n, step in enumerate(steps) if step.startswith("SEARCH d USING"))
    assert people < provisions and "record_consent_rid" in steps[provisions], steps


def listed(who: Principal, type: str) -> set[str]:
    """Return the ids of a type that the principal's search shows."""
    from salus.record.store import SearchQuery

    with connection.cursor() as cursor:
        page = store.search(cursor, type, SearchQuery(), lambda t: policy.scope(who, "search", t), now=NOW)
    return {one.id for one in page.resources}


PURPOSES = ["TREAT", "COC", "HRESCH", "CLINTRCH", "HOPERAT"]
DAYS = [NOW + timedelta(days=n) for n in (-2, -1, 1, 2)]


@st.composite
def provisions(draw: st.DrawFn, depth: int = 0) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if kind := draw(st.sampled_from(["deny", "permit"] if depth else ["", "deny", "permit"])):
        made["type"] = kind
    some = st.booleans
    if draw(some()):
        made |= provision(kind, " ".join(draw(st.lists(st.sampled_from(PURPOSES), min_size=1, max_size=2))))
        made["type"] = kind
    if draw(st.integers(0, 2)) == 0:
        made["actor"] = provision(
            actors=" ".join(draw(st.sets(st.sampled_from(["H1", "H2", "D1"]), min_size=1)))
        )["actor"]
    if draw(st.integers(0, 2)) == 0:
        made["class"] = classes(*draw(st.sets(st.sampled_from(["Observation", "Condition"]), min_size=1)))
        if draw(some()):
            made["class"].append({"system": LOINC, "code": "15074-8"})
    if draw(st.integers(0, 3)) == 0:
        code = draw(st.sampled_from([(ICD, "B20.1"), (ICD, "J45.0"), (LOINC, "15074-8")]))
        made["code"] = [{"coding": [{"system": code[0], "code": code[1]}]}]
    if draw(st.integers(0, 3)) == 0:
        label = draw(
            st.sampled_from([(ACT, "HIV"), (ACT, "PSY"), (CONFIDENTIALITY, "R"), (CONFIDENTIALITY, "N")])
        )
        made["securityLabel"] = [{"system": label[0], "code": label[1]}]
    if draw(st.integers(0, 4)) == 0:
        name = draw(st.sampled_from(["Observation/o", "Condition/k", "Condition/s"]))
        made["data"] = instance(name)
    if draw(st.integers(0, 4)) == 0:
        ends = draw(st.lists(st.sampled_from(DAYS), min_size=2, max_size=2).map(sorted))
        made["period"] = {"start": ends[0].isoformat(), "end": ends[1].isoformat()}
    if draw(st.integers(0, 6)) == 0:
        made["action"] = [{"coding": [{"code": draw(st.sampled_from(["access", "collect"]))}]}]
    if draw(st.integers(0, 6)) == 0:
        made["dataPeriod"] = {"start": "2020"}
    if depth < 2 and draw(some()):
        made["provision"] = draw(st.lists(provisions(depth + 1), min_size=1, max_size=2))
    if not made.get("type"):
        made.pop("type", None)
    return made


@st.composite
def consents(draw: st.DrawFn) -> dict[str, Any]:
    made = consenting(status=draw(st.sampled_from(["active", "active", "active", "inactive"])))
    made["scope"] = {
        "coding": [{"code": draw(st.sampled_from(["patient-privacy"] * 4 + ["research", "adr"]))}]
    }
    if draw(st.integers(0, 2)) == 0:
        made["policyRule"] = {"coding": [{"system": ACT, "code": draw(st.sampled_from(["OPTIN", "OPTOUT"]))}]}
    if draw(st.integers(0, 5)):
        made["provision"] = draw(provisions())
    return made


RESOURCES = {
    ("Observation", "o"): Ask("", frozenset(), "Observation", "o", frozenset({(LOINC, "15074-8")})),
    ("Condition", "k"): Ask("", frozenset(), "Condition", "k", frozenset({(ICD, "J45.0")})),
    ("Condition", "s"): Ask(
        "",
        frozenset(),
        "Condition",
        "s",
        frozenset({(ICD, "B20.1")}),
        frozenset({(CONFIDENTIALITY, "N")}),
        frozenset({"hiv"}),
    ),  # fmt: skip
}


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=st.lists(consents(), min_size=1, max_size=2))
def test_the_decision_is_what_the_resource_says(
    person: UUID, hospitals: tuple[Institution, Institution], said: list[dict[str, Any]]
) -> None:
    """Single decisions and lists alike are what a walk through the Consents themselves gives."""
    from dataclasses import replace

    staff, _ = Staff.objects.get_or_create(code="D1", defaults={"name": "y", "institution": hospitals[0]})
    for number in range(2):
        body = said[number] if number < len(said) else consenting(status="inactive")
        put("Consent", f"c{number}", body)
    who = {
        frozenset({"H1"}): Principal(institution_ids=frozenset({hospitals[0].pk})),
        frozenset({"H2", "D1"}): Principal(institution_ids=frozenset({hospitals[1].pk}), staff_id=staff.pk),
        frozenset[str](): Principal(),
    }
    for (codes, principal), purpose in product(who.items(), ("TREAT", "COC", "CLINTRCH", "HOPERAT")):
        for (type, id), ask in RESOURCES.items():
            asked = replace(ask, purpose=purpose, actors=codes)
            expected = not any(denied(one, asked, NOW) for one in said)
            assert allowed(principal, (purpose,), target(type, id)) is expected, (purpose, codes, type, id)
            text, values = allowed_sql(principal, (purpose,), type, "r.person_id")
            with connection.cursor() as cursor:
                cursor.execute(
                    f"select 1 from record_resource r where r.rid = %s and {text}",
                    [rid_of(type, id), *values],
                )
                assert bool(cursor.fetchone()) is expected
