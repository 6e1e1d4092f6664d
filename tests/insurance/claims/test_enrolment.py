"""Members in the platform: joining, paying, moving, leaving, and the answer whether they are covered."""

from datetime import date

import pytest

from salus.insurance.models import Contribution, Enrolment, HouseholdMember
from salus.insurance.queries import cover, cover_many
from salus.insurance.queries import fund as asking
from salus.insurance.services import enrolment
from salus.kernel.errors import Conflict, Invalid, NotAllowed, NotFound
from salus.kernel.models import AuditRow
from salus.kernel.policy import Principal
from tests.insurance.claims.world import AREA, NOW, SYSTEM, City, source_of

pytestmark = pytest.mark.django_db(databases=["default", "audit"])
DAY = date(2025, 6, 1)


def test_the_premium_of_the_poor_comes_from_aid_and_all_of_it_reaches_the_fund(city: City) -> None:
    plain = Contribution.objects.get(person_id=city.persons[0], start_date=date(2025, 1, 1))
    poor = Contribution.objects.get(person_id=city.poor, start_date=date(2025, 1, 1))
    assert (plain.own_fen, plain.aid_fen, plain.finance_fen) == (40_000, 0, 70_000)
    assert (poor.own_fen, poor.aid_fen, poor.aid_status) == (10_000, 30_000, "low_income")
    total = sum(c.total_fen for c in Contribution.objects.all())
    assert asking.surplus("resident") == total


def test_paying_a_year_twice_enters_it_once_and_paying_back_takes_cover_and_money_back(city: City) -> None:
    person, before = city.persons[0], asking.surplus("resident")
    paid = enrolment.pay_year(SYSTEM, person, 2025, date(2024, 12, 1), now=NOW)
    assert asking.surplus("resident") == before
    enrolment.pay_back(SYSTEM, paid.pk, date(2026, 3, 1), now=NOW)
    assert asking.surplus("resident") == before - 110_000
    answer = cover.covered(SYSTEM, person, DAY, "inpatient", city.institutions[0])
    assert answer.reason == "lapsed"
    with pytest.raises(Conflict):
        enrolment.pay_back(SYSTEM, paid.pk, date(2026, 3, 1), now=NOW)


def test_one_and_many_ask_alike(city: City) -> None:
    questions = [
        cover_many.Question(n, person, day, service, place.code)
        for n, (person, day, service, place) in enumerate(
            (person, day, service, place)
            for person in city.persons
            for day in (date(2023, 5, 1), DAY, date(2027, 1, 1))
            for service in ("inpatient", "pharmacy")
            for place in city.institutions[:2]
        )
    ]
    places = {place.code: place for place in city.institutions}
    many = cover_many.covered_many(questions).to_pylist()
    for question, row in zip(questions, many, strict=True):
        one = cover.covered(
            SYSTEM, question.person_id, question.day, question.service, places[question.institution]
        )
        assert (one.reason, one.scheme, one.statuses) == (
            row["reason"], row["scheme"], tuple(row["statuses"].split())
        )  # fmt: skip
    assert {row["reason"] for row in many} == {"covered", "not-enrolled", "lapsed", "service-not-covered"}


def test_a_transfer_ends_the_old_membership_the_day_before(city: City) -> None:
    person = city.persons[1]
    new = enrolment.transfer(SYSTEM, person, "employee", "worker", AREA, date(2025, 7, 1), now=NOW)
    assert new.previous is not None and new.previous.end_date == date(2025, 6, 30)
    paid = enrolment.pay_month(SYSTEM, person, date(2025, 7, 1), 1_000_000, date(2025, 7, 15), now=NOW)
    assert (paid.own_fen, paid.employer_fen) == (20_000, 80_000)
    assert (
        cover.covered(SYSTEM, person, date(2025, 7, 3), "inpatient", city.institutions[0]).scheme
        == "employee"
    )
    with pytest.raises(Invalid):
        enrolment.transfer(SYSTEM, person, "resident", "adult", AREA, date(2025, 7, 1), now=NOW)


def test_nobody_is_a_member_or_in_a_household_twice(city: City) -> None:
    with pytest.raises(Conflict):
        enrolment.enrol(SYSTEM, city.persons[0], "employee", "worker", AREA, DAY, now=NOW)
    enrolment.leave(SYSTEM, city.persons[0], DAY, "left", now=NOW)
    enrolment.enrol(
        SYSTEM, city.persons[0], "resident", "adult", AREA, date(2025, 7, 1), now=NOW, household="F9"
    )
    assert HouseholdMember.objects.filter(person_id=city.persons[0], valid_to=None).count() == 1
    assert Enrolment.objects.filter(person_id=city.persons[0], end_date=None).count() == 1
    with pytest.raises(NotFound):
        enrolment.pay_month(SYSTEM, city.persons[0], DAY, 1, DAY, now=NOW)
    with pytest.raises(Invalid):
        enrolment.enrol(SYSTEM, city.persons[0], "resident", "worker", AREA, DAY, now=NOW)


def test_the_register_of_poor_households_follows_the_record(city: City) -> None:
    found = list(cover.poor_households(DAY))
    assert [(number, held) for _id, number, held in found] == [("F1", [(city.poor, "low_income")])]
    assert list(cover.poor_households(date(2022, 6, 1))) == []


def test_a_read_of_cover_is_decided_and_audited(city: City) -> None:
    officer = Principal(name="officer", roles=frozenset({"fund_officer"}), purpose="HPAYMT")
    assert cover.covered(officer, city.persons[0], DAY, "inpatient", city.institutions[0]).covered
    other = Principal(name="clerk", roles=frozenset({"clinician"}))
    with pytest.raises(NotAllowed):
        cover.covered(other, city.persons[0], DAY, "inpatient", city.institutions[0])
    rows = AuditRow.objects.using("audit").filter(actor__in=["officer", "clerk"], resource_type="Coverage")
    assert sorted(rows.values_list("actor", "outcome")) == [("clerk", "refused"), ("officer", "ok")]


def test_a_source_system_enrols_nobody(city: City) -> None:
    with pytest.raises(NotAllowed):
        enrolment.leave(source_of(1, city.institutions[0]), city.persons[0], DAY, "left", now=NOW)
