"""Members: enrolled from a file, found, paid for, transferred, ended; and all of it taken back."""

from collections.abc import Iterator
from datetime import date

import pytest
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser

from salus.insurance.eligibility import employee_contribution, load_rules
from salus.insurance.models import Contribution, Enrolment
from salus.insurance.pages import member_import, payroll_import
from salus.insurance.services import claims, enrolment
from salus.kernel.errors import Conflict
from salus.kernel.models import AuditRow
from salus.kernel.policy import Principal
from salus.record import identity, store
from salus.web import translation
from tests.insurance.claims import world
from tests.insurance.claims.world import City, resident_number
from tests.web.browser import LANGUAGES, browser, reading, served
from tests.web.conftest import PASSWORD, make_account

pytestmark = [
    pytest.mark.django_db(databases=["default", "audit"], transaction=True),
    pytest.mark.timeout(300),
]
OFFICER = Principal(name="officer", roles=frozenset({"fund_officer"}))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    translation.compile_catalogues()
    with browser() as started:
        yield started


@pytest.fixture
def city(db: None) -> City:
    """Four members (numbers 0 to 3) and one resident who is none yet (number 9)."""
    made = world.build()
    with transaction.atomic(), connection.cursor() as cursor:
        identity.link_patients(cursor, store.write(cursor, [world.patient(9)], now=world.NOW))
    make_account("officer", "fund_officer")
    make_account("planner", "planner")
    return made


def row(number: int, **changed: str) -> dict[str, str]:
    base = {
        "identity": resident_number(number), "scheme": "resident", "category": "adult",
        "area": world.AREA, "start": "2026-01-01", "paid_year": "2026", "household": "F9", "relation": "head",
    }  # fmt: skip
    return base | changed


def test_each_row_of_a_file_is_judged_by_itself(city: City) -> None:
    rows = [
        row(9), row(9), row(0), row(8), row(9, category="worker"), row(9, area="999999"),
        row(9, start="1.1.26"), row(9, scheme="employee", category="worker"),
    ]  # fmt: skip
    states = [one.state for one in member_import.check(OFFICER, rows)]
    assert states == ["ready", "wrong", "same", "wrong", "wrong", "wrong", "wrong", "wrong"]
    assert [one.state for one in member_import.check(OFFICER, rows[4:])] == ["wrong"] * 4


def test_a_row_is_enrolled_and_paid_and_can_be_taken_back(city: City) -> None:
    before = Contribution.objects.count()
    way_back = member_import.apply(OFFICER, row(9))
    held = Enrolment.objects.get(pk=way_back["enrolment"])
    paid = held.contributions.get()
    assert (paid.start_date, paid.end_date) == (date(2026, 1, 1), date(2026, 12, 31))
    assert paid.total_fen > 0 and held.household is not None and held.household.number == "F9"
    member_import.undo(OFFICER, way_back)
    held.refresh_from_db()
    assert (held.end_date, held.end_reason) == (date(2026, 1, 1), "error")
    assert not held.contributions.filter(cancelled_on=None).exists()
    assert Contribution.objects.filter(cancelled_on=None).count() == before
    with pytest.raises(Conflict):
        member_import.undo(OFFICER, way_back)


def test_what_paid_a_claim_is_not_taken_back(city: City) -> None:
    from random import Random

    held = Enrolment.objects.get(person_id=city.persons[0])
    random = Random(1)
    for number in range(6):
        place, asked = world.claim(random, city, number, city.persons[0])
        claims.settle(city.sources[place], city.institutions[place], asked, now=world.NOW)
    with pytest.raises(Conflict) as caught:
        member_import.undo(OFFICER, {"enrolment": held.pk})
    assert caught.value.code == "membership-used"
    held.refresh_from_db()
    assert held.end_date is None and held.contributions.filter(cancelled_on=None).count() == 3


def employed(city: City, number: int) -> Enrolment:
    """Move a member to the employees' insurance from 2025 on."""
    return enrolment.transfer(
        OFFICER, city.persons[number], "employee", "worker", world.AREA, date(2025, 1, 1), now=world.NOW
    )


def test_each_wage_of_a_file_is_judged_by_itself(city: City) -> None:
    employed(city, 1)
    good = {"identity": resident_number(1), "month": "2025-03", "wage": "8500.00"}
    rows = [
        good, good, good | {"month": "202504"}, good | {"identity": resident_number(2)},
        good | {"identity": resident_number(8)}, good | {"month": "2025-13"}, good | {"month": "2999-01"},
        good | {"month": "2025-05", "wage": "much"}, good | {"month": "2025-05", "wage": "-1"},
        good | {"month": "2025-05", "wage": "1.001"}, good | {"month": "2025-05", "wage": "NaN"},
        good | {"month": "2025-05", "wage": "8,50"}, good | {"month": "2025/06", "wage": "12,000"},
        good | {"month": "2025-07-01"}, good | {"month": "2025年8月"}, good | {"month": "2025-9"},
    ]  # fmt: skip
    states = [one.state for one in payroll_import.check(OFFICER, rows)]
    assert states == ["ready", "wrong", "ready", *["wrong"] * 9, *["ready"] * 4]


def test_a_wage_is_entered_as_the_service_would_and_can_be_taken_back(city: City) -> None:
    held = employed(city, 1)
    row = {"identity": resident_number(1), "month": "2025-03", "wage": "8500.00"}
    way_back = payroll_import.apply(OFFICER, row)
    assert way_back is not None
    paid = held.contributions.get()
    rate = employee_contribution(load_rules(), "worker", date(2025, 3, 1), 850_000)
    assert (paid.start_date, paid.end_date) == (date(2025, 3, 1), date(2025, 3, 31))
    assert (paid.own_fen, paid.employer_fen) == (rate.own, rate.employer) and rate.own > 0
    assert payroll_import.check(OFFICER, [row])[0].state == "same"
    assert payroll_import.apply(OFFICER, row) is None, "another file's contribution is not this one's to undo"
    payroll_import.undo(OFFICER, way_back)
    assert not held.contributions.filter(cancelled_on=None).exists()
    with pytest.raises(Conflict):
        payroll_import.undo(OFFICER, way_back)


def test_a_member_is_found_by_number_transferred_and_ended_and_each_look_is_audited(city: City) -> None:
    client = Client()
    assert client.login(username="officer", password=PASSWORD)
    held = Enrolment.objects.get(person_id=city.persons[1])
    found = client.post("/insurance/members/find/", {"identity": resident_number(1)})
    here = found.headers["Location"]
    assert here == f"/insurance/members/{held.pk}/"
    assert (
        "The resident is not a member"
        in client.post(
            "/insurance/members/find/", {"identity": resident_number(9)}, follow=True
        ).content.decode()
    )
    page = client.get(here).content.decode()
    assert page.count("Pay it back") >= 3 and resident_number(1) not in page
    start = timezone.localdate().isoformat()
    moved = client.post(
        here,
        {"do": "transfer", "scheme": "employee", "category": "worker", "area": world.AREA, "start": start},
    )
    after = Enrolment.objects.get(person_id=city.persons[1], end_date=None)
    assert moved.headers["Location"] == f"/insurance/members/{after.pk}/" and after.previous_id == held.pk
    asked = client.post(moved.headers["Location"], {"do": "leave", "last": start, "reason": "moved"})
    assert "End this membership?" in asked.content.decode()
    client.post(
        moved.headers["Location"], {"do": "leave", "last": start, "reason": "moved", "confirmed": "1"}
    )
    after.refresh_from_db()
    assert after.end_reason == "moved"
    rows = AuditRow.objects.using("audit").filter(action="read", resource_type="Enrolment")
    assert set(rows.values_list("person_id", flat=True)) == {city.persons[1]}


def test_a_year_is_paid_once_and_paid_back(city: City) -> None:
    client = Client()
    assert client.login(username="officer", password=PASSWORD)
    held = Enrolment.objects.get(person_id=city.persons[2])
    here = f"/insurance/members/{held.pk}/"
    client.post(here, {"do": "pay", "year": "2026"})
    assert held.contributions.count() == 3  # it was paid already
    paid = held.contributions.get(start_date=date(2026, 1, 1))
    client.post(f"/insurance/contributions/{paid.pk}/pay-back/", {"confirmed": "1"})
    paid.refresh_from_db()
    assert paid.cancelled_on == timezone.localdate()
    client.post(here, {"do": "pay", "year": "2026"})
    assert held.contributions.filter(start_date=date(2026, 1, 1)).count() == 2
    assert "There is no" in client.post(here, {"do": "pay", "year": "2099"}).content.decode() or (
        held.contributions.filter(start_date=date(2099, 1, 1)).exists()
    )


def test_who_is_no_officer_sees_no_members(city: City) -> None:
    client = Client()
    assert client.login(username="planner", password=PASSWORD)
    held = Enrolment.objects.first()
    assert held is not None
    for path in (
        "/insurance/members/",
        f"/insurance/members/{held.pk}/",
        "/import/members",
        "/import/payroll",
    ):
        assert client.get(path).status_code in (403, 404), path


@pytest.mark.browser
@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_are_clean(chromium: Browser, city: City, language: str) -> None:
    held = Enrolment.objects.get(person_id=city.persons[3])
    with served() as base, reading(chromium, base, language=language) as reader:
        reader.sign_in("officer", PASSWORD)
        for path in (
            "/insurance/members/",
            f"/insurance/members/{held.pk}/",
            "/import/members",
            "/import/payroll",
        ):
            reader.check(path)
        assert not reader.faults, reader.faults
