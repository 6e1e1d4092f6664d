"""What the policy asks of identity: the check of one person and the filter of a list agree."""

from datetime import UTC, datetime
from itertools import product
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction

from salus.kernel.models import District, Institution, Staff
from salus.kernel.policy import Principal, Target
from salus.record import identity, sensitive, store
from salus.record.identity import golden, relations
from salus.record.models import Person, SensitiveResource
from tests.record.identity.population import patient

pytestmark = pytest.mark.django_db(databases=["default"])
NOW = datetime(2026, 6, 30, 8, tzinfo=UTC)


def put(type: str, id: str, body: dict[str, Any], institution: int | None = None) -> UUID | None:
    with transaction.atomic(), connection.cursor() as cursor:
        made = {"resourceType": type, **body}
        written = store.write(cursor, [store.Write(type, id, made, source_id=1)], now=NOW)
        if type == "Patient":
            [link] = identity.link_patients(cursor, written, institution_id=institution, now=NOW)
            return link.person_id
    return written[0].person_id


def test_checks_and_filters_agree() -> None:
    for code in ("990102", "990103"):
        District.objects.create(code=code, name=f"区{code}")
    golden.forget_districts()
    one, two = (Institution.objects.create(code=f"H{i}", name="x") for i in (1, 2))
    doctor = Staff.objects.create(code="D1", name="y", institution=two)
    row = ["x", "张伟", "1980-01-01", "male", "", "", ""]
    put("Patient", "a", {**patient(row), "address": [{"district": "990102"}]}, one.id)
    general = [{"identifier": {"value": "D1"}}]
    put("Patient", "b", {**patient(row), "birthDate": "1981-01-01", "generalPractitioner": general}, two.id)
    put("Patient", "c", {**patient(row), "birthDate": "1982-01-01", "address": [{"district": "990103"}]})
    persons = list(Person.objects.values_list("id", flat=True))
    principals = [
        Principal(institution_ids=frozenset({one.id})),
        Principal(institution_ids=frozenset({two.id}), staff_id=doctor.pk),
        Principal(institution_ids=frozenset({one.id, two.id}), staff_id=doctor.pk),
        Principal(district_codes=frozenset({"990102"})),
        Principal(district_codes=frozenset({"99"})),
        Principal(),
    ]
    builds = (relations.care_sql, relations.contract_sql, relations.residence_sql)
    seen = 0
    for build, principal in product(builds, principals):
        text, values = build(principal, "p.id")
        with connection.cursor() as cursor:
            cursor.execute(f"select p.id from record_person p where {text}", values)  # noqa: S608
            listed = {UUID(str(row[0])) for row in cursor.fetchall()}
        check = relations._check(build)
        assert listed == {p for p in persons if check(principal, Target("person", person_id=p))}
        seen += len(listed)
    assert seen == 1 + 1 + 2 + 1 + 1 + 1 + 2


@pytest.mark.parametrize("kind", relations.KEEPERS)
def test_who_only_keeps_a_register_of_people_has_nobody_in_its_care(kind: str) -> None:
    office = Institution.objects.create(code="O1", name="x", kind=kind)
    person = put("Patient", "a", patient(["x", "张伟", "1980-01-01", "male", "", "", ""]), office.id)
    clerk = Principal(institution_ids=frozenset({office.id}))
    check = relations._check(relations.care_sql)
    assert not check(clerk, Target("person", person_id=person))
    Institution.objects.filter(pk=office.pk).update(kind="general_hospital")
    assert check(clerk, Target("person", person_id=person))


@pytest.mark.parametrize(
    ("system", "code", "found"),
    [
        ("http://hl7.org/fhir/sid/icd-10", "B20.1", {"hiv"}),
        ("http://hl7.org/fhir/sid/icd-10-cn", "F32.1", {"mental"}),
        ("http://hl7.org/fhir/sid/icd-10", "O04.9", {"reproductive"}),
        ("http://hl7.org/fhir/sid/icd-10", "J45.0", set()),
        ("http://www.whocc.no/atc", "N06AB03", {"mental"}),
        ("http://snomed.info/sct", "B20", set()),
        ("", "B20", {"hiv"}),
    ],
)
def test_sensitive_categories_are_kept_when_written(system: str, code: str, found: set[str]) -> None:
    put("Patient", "s", {})
    coding = {"code": code} | ({"system": system} if system else {})
    body = {"code": {"coding": [coding]}, "subject": {"reference": "Patient/s"}}
    put("Condition", "k", body)
    with connection.cursor() as cursor:
        stored = store.read(cursor, "Condition", "k")
        assert stored is not None
        assert sensitive.categories("Condition", stored.body) == found
        kept = set(SensitiveResource.objects.filter(rid=stored.rid).values_list("category", flat=True))
        assert kept == found
        for opened in (frozenset[str](), frozenset(found), frozenset({"hiv", "mental", "reproductive"})):
            text, values = sensitive.filter_sql(Principal(sensitive=opened), "r.person_id")
            cursor.execute(
                f"select count(*) from record_resource r where r.rid = %s and {text}", [stored.rid, *values]
            )  # noqa: S608
            allowed = sensitive.check(
                Principal(sensitive=opened), Target("resource", categories=frozenset(found))
            )
            assert cursor.fetchone()[0] == int(allowed)
    put("Condition", "k", {"code": {"text": "nothing"}, "subject": {"reference": "Patient/s"}})
    assert not SensitiveResource.objects.exists()
