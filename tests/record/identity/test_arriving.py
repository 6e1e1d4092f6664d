"""Arriving patients: the certain link at once, the likely one soon, nothing joined that must stay apart."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction

from salus.record import identity, store
from salus.record.identity import ledger, scoring
from salus.record.identity.engine import quality
from salus.record.identity.engine.resident import read
from salus.record.identity.engine.resident_id import check_character
from salus.record.models import KeepApart, LinkEvent, PatientLink, Person, Resource, ReviewPair
from tests.record.identity.population import patient, population

pytestmark = pytest.mark.django_db(databases=["default"])
NOW = datetime(2026, 6, 30, 8, tzinfo=UTC)
_count = iter(range(10**9))


def number(first17: str) -> str:
    return first17 + check_character(first17)


ZHANG = number("33010619800203123")


def person_body(
    name: str = "张伟", born: str = "1980-02-03", num: str = ZHANG, **more: Any
) -> dict[str, Any]:
    body = patient(["x", name, born, "male", more.pop("phone", ""), num, more.pop("home", "")])
    return {**body, **more}


def arrive(body: dict[str, Any], key: str = "") -> tuple[int, UUID]:
    with transaction.atomic(), connection.cursor() as cursor:
        write = store.Write("Patient", key or f"p{next(_count)}", body, source_id=1)
        [written] = store.write(cursor, [write], now=NOW)
        link = identity.link_patient(cursor, written, now=NOW)
    return link.patient_rid, link.person_id


def test_the_same_valid_number_is_one_person_and_resources_follow() -> None:
    first, person = arrive(person_body())
    second, same = arrive(person_body("Zhang Wei"))
    assert person == same and first != second
    assert Resource.objects.get(rid=second).person_id == person
    assert LinkEvent.objects.get(patient_rid=second).method == "resident-id"


def test_an_invalid_number_links_nobody_at_once() -> None:
    wrong = ZHANG[:17] + ("0" if ZHANG[17] != "0" else "1")
    assert arrive(person_body(num=wrong))[1] != arrive(person_body(num=wrong))[1]


def test_the_same_number_with_another_name_goes_to_review() -> None:
    first, person = arrive(person_body())
    second, other = arrive(person_body("李静"))
    assert person != other
    pair = ReviewPair.objects.get()
    assert (pair.low_rid, pair.high_rid, pair.reason) == (first, second, "identifier-contradicts")
    # A third record that agrees with one of the two joins that one.
    assert arrive(person_body("李静"))[1] == other


def test_a_repeat_keeps_its_person_and_moves_nothing() -> None:
    rid, person = arrive(person_body(), "same")
    events = LinkEvent.objects.count()
    assert arrive(person_body(phone="13800001111"), "same") == (rid, person)
    assert LinkEvent.objects.count() == events
    identity.link_arriving()
    assert Person.objects.get(id=person).phone == "13800001111"


def test_passports_need_a_name_and_newborns_their_mother() -> None:
    passport = {"identifier": [{"type": {"coding": [{"code": "PPN"}]}, "value": "E12345678"}]}
    one = arrive(person_body("John Smith", num="", **passport))[1]
    assert arrive(person_body("SMITH, John", num="", **passport))[1] == one
    assert arrive(person_body("Maria Lopez", num="", **passport))[1] != one
    extension = [
        {
            "url": "https://salus.health/fhir/StructureDefinition/mother-identifier",
            "valueIdentifier": {"value": number("33010619950203124")},
        }
    ]
    baby = arrive(person_body("李静之子", "2026-06-01", "", extension=extension))[1]
    assert arrive(person_body("李小宝", "2026-06-01", "", extension=extension))[1] == baby
    twin = arrive(person_body("李静之子", "2026-06-01", "", extension=extension, multipleBirthInteger=2))[1]
    assert twin != baby


def test_typos_are_joined_by_the_worker_and_other_people_are_not() -> None:
    home = "西湖区文三路12号3单元402室"
    _, person = arrive(person_body("张伟明", num="", phone="13812345678", home=home))
    arrive(person_body("张伟明", "1980-02-08", num="", phone="13812345678", home=home))
    arrive(person_body("王芳", "1990-01-01", num="", phone="13899998888"))
    brother = arrive(person_body("张伟强", "1984-05-06", num="", phone="13812345678", home=home))[1]
    done = identity.link_arriving()
    assert done.scored == 4
    assert PatientLink.objects.filter(person_id=person).count() == 2
    assert PatientLink.objects.filter(person_id=brother).count() == 1
    assert identity.link_arriving().scored == 0


def test_two_valid_numbers_are_never_joined_however_alike() -> None:
    home, other = "西湖区文三路12号3单元402室", number("33010619800203125")
    arrive(person_body("张伟明", phone="13812345678", home=home))
    arrive(person_body("张伟明", num=other, phone="13812345678", home=home))
    identity.link_arriving()
    assert Person.objects.filter(status="active").count() == 2
    assert ReviewPair.objects.get().reason == "constraint"


def test_a_population_is_linked_within_the_promise() -> None:
    """Precision and recall of pairs against known truth, one record at a time, with the shipped model."""
    truth: dict[int, str] = {}
    rows = population(700, 5)
    with transaction.atomic(), connection.cursor() as cursor:
        writes = [store.Write("Patient", f"q{r[0]}", patient(r), source_id=1) for r in rows]
        written = store.write(cursor, writes, now=NOW)
        identity.link_patients(cursor, written, now=NOW)
    for row, one in zip(rows, written, strict=True):
        truth[one.rid] = row[0].split("-")[0]
    scoring._counted.clear()
    while identity.link_arriving().scored:
        pass
    found = dict(PatientLink.objects.values_list("patient_rid", "person_id"))
    score = quality.pairwise([found[r] for r in truth], list(truth.values()))
    assert score.precision >= 0.999 and score.recall >= 0.95
    in_review = {rid: truth[rid] for p in ReviewPair.objects.all() for rid in (p.low_rid, p.high_rid)}
    best = quality.pairwise([in_review.get(r, str(found[r])) for r in truth], list(truth.values()))
    assert best.recall >= 0.98, "what the machine does not join is offered for review"
    homes = dict(Resource.objects.filter(rid__in=truth).values_list("rid", "person_id"))
    assert homes == found


def test_hl7_merges_are_honoured_reversible_and_stop_at_a_human_decision() -> None:
    kept_rid, kept = arrive(person_body("张伟", num=""), "kept")
    gone_rid, gone = arrive(person_body("李静", "1991-01-01", num=""), "gone")
    with transaction.atomic(), connection.cursor() as cursor:
        event = identity.merge_patients(cursor, "kept", "gone", source_id=1)
        assert event is not None
        assert identity.merge_patients(cursor, "kept", "gone", source_id=1) is None
        assert identity.merge_patients(cursor, "kept", "unknown", source_id=1) is None
    assert PatientLink.objects.get(patient_rid=gone_rid).person_id == kept
    assert Person.objects.get(id=gone).merged_into == kept
    with transaction.atomic(), connection.cursor() as cursor:
        ledger.take_back(cursor, event, by=ledger.By("a", "human"))
    assert PatientLink.objects.get(patient_rid=gone_rid).person_id == gone
    assert Person.objects.get(id=gone).status == "active"
    with transaction.atomic(), connection.cursor() as cursor:
        ledger.move(
            cursor,
            "keep_apart",
            [],
            by=ledger.By("a", "human"),
            person_id=kept,
            separated=[(kept_rid, gone_rid)],
        )
        assert KeepApart.objects.count() == 1
        assert identity.merge_patients(cursor, "kept", "gone", source_id=1) is None
    assert ReviewPair.objects.get().reason == "source-merge"


def test_what_is_not_shaped_as_a_patient_should_be_is_passed_over() -> None:
    odd = {"resourceType": "Patient", "name": "x", "identifier": [1, {"value": 3}], "address": {"a": 1}}
    odd |= {"telecom": [None, {"system": 4}], "extension": {}, "birthDate": 1980, "gender": []}
    found = read(odd, today=NOW.date())
    assert set(found.features.values()) == {None} and not found.strong
    rid, person = arrive({"resourceType": "Patient"})
    assert Person.objects.get(id=person).name == ""
    identity.link_arriving()
    assert PatientLink.objects.get(patient_rid=rid).person_id == person


def test_linking_a_batch_is_cheap() -> None:
    rows = population(600, 9)
    with transaction.atomic(), connection.cursor() as cursor:
        written = store.write(
            cursor, [store.Write("Patient", f"c{r[0]}", patient(r)) for r in rows], now=NOW + timedelta(1)
        )
        started = datetime.now(UTC)
        links = identity.link_patients(cursor, written, now=NOW)
        took = (datetime.now(UTC) - started) / len(links)
    assert len(links) == len(rows)
    assert took < timedelta(milliseconds=5)
