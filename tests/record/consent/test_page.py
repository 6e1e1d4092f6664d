"""A resident's page "Who may use my data": to refuse, to see it hold, to take it back."""

import pytest
from django.db import connection
from django.urls import reverse

from salus.kernel.models import AuditRow, Institution
from salus.record import json, store
from salus.record.models import ConsentProvision, Person, Resource
from salus.record.rules.r4 import kind_of
from salus.record.validate import validate
from tests.record.pages.test_residents import hospital, person, signed_in  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db(databases=["default", "audit"])
FORM = {"denies": "yes", "purpose": "TREAT", "institution": "H1", "kind": "", "until": ""}


def said() -> list[store.Stored]:
    rids = Resource.objects.filter(kind=kind_of("Consent")).values_list("rid", flat=True)
    with connection.cursor() as cursor:
        return store.read_rids(cursor, list(rids))


def test_refusing_and_taking_it_back(person: Person, hospital: Institution) -> None:  # noqa: F811
    me, doctor = signed_in("resident", person_id=person.pk), signed_in("clinician", institution=hospital)
    address, record = reverse("record:my-consents"), reverse("record:resident", args=[person.pk])
    assert "第一医院" in me.get(address).content.decode()
    assert doctor.get(record).status_code == 200
    answer = me.post(address, FORM, follow=True)
    assert "in force" in answer.content.decode() and "I do not allow" in answer.content.decode()
    [stored] = said()
    assert not [one for one in validate(json.loads(stored.body)) if one.severity == "error"]
    assert stored.person_id == person.pk and ConsentProvision.objects.count() == 2  # with the base policy
    assert doctor.get(record).status_code == 404
    assert AuditRow.objects.filter(action="read", person_id=person.pk, outcome="refused").count() == 1
    assert me.get(record).status_code == 200
    back = me.post(reverse("record:my-consent-withdraw", args=[stored.id]), follow=True)
    assert "taken back" in back.content.decode() and "History" in back.content.decode()
    assert doctor.get(record).status_code == 200
    assert not ConsentProvision.objects.exists()
    written = AuditRow.objects.filter(resource_type="Consent", resource_id=stored.id)
    assert {row.action for row in written} == {"create", "update"}


def test_a_part_of_the_record(person: Person, hospital: Institution) -> None:  # noqa: F811
    me, doctor = signed_in("resident", person_id=person.pk), signed_in("clinician", institution=hospital)
    me.post(reverse("record:my-consents"), {**FORM, "kind": "results", "institution": ""})
    assert doctor.get(reverse("record:resident", args=[person.pk])).status_code == 200
    assert doctor.get(reverse("record:resource", args=["Observation", "o1"])).status_code == 404
    assert doctor.get(reverse("record:resource", args=["Encounter", "e"])).status_code == 200
    labs = doctor.get(reverse("record:resident-section", args=[person.pk, "labs"])).content.decode()
    assert "血糖" not in labs


@pytest.mark.parametrize(
    "wrong", [{"until": "2001-01-01"}, {"purpose": "FUN"}, {"institution": "H9"}, {"kind": "?"}]
)
def test_what_makes_no_sense_is_said(person: Person, wrong: dict[str, str]) -> None:  # noqa: F811
    me = signed_in("resident", person_id=person.pk)
    answer = me.post(reverse("record:my-consents"), {**FORM, **wrong})
    assert answer.status_code == 200 and not said()
    assert next(iter(wrong)) in answer.context["form"].errors


def test_nobody_speaks_for_another(person: Person, hospital: Institution) -> None:  # noqa: F811
    me = signed_in("resident", person_id=person.pk)
    me.post(reverse("record:my-consents"), FORM)
    [stored] = said()
    other = signed_in("resident", person_id=Person.objects.create(updated=person.updated).pk)
    assert other.post(reverse("record:my-consent-withdraw", args=[stored.id])).status_code == 404
    assert "第一医院" not in other.get(reverse("record:my-consents")).content.decode()
    doctor = signed_in("clinician", institution=hospital)
    assert doctor.post(reverse("record:my-consent-withdraw", args=[stored.id])).status_code == 403
    assert said()[0].version == 1
    assert other.post(reverse("record:my-consents"), {**FORM, "institution": ""}).context["form"].errors
