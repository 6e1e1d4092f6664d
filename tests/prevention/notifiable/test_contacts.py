"""Contacts: followed up daily, alerts at 38.0 °C, exactly once, until released or ill; outbreaks."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from salus.kernel.errors import Conflict, Invalid, NotFound
from salus.kernel.models import Institution, OutboxEvent
from salus.prevention.models import Case, Contact, ContactVisit
from salus.prevention.services.notifiable import contacts, investigating, outbreaks, reporting
from salus.prevention.services.notifiable.contacts import AskedContact, AskedVisit, VisitClash
from salus.prevention.services.notifiable.investigating import AskedExposure
from salus.prevention.services.notifiable.reporting import Report
from tests.prevention.notifiable.world import EAST, NOW, SYSTEM, WEST, World, epidemiologist, village_doctor

pytestmark = pytest.mark.django_db(databases=["default", "audit"])
LAST = date(2026, 3, 1)


def measles(name: str, place: Institution, **more: object) -> Case:
    asked = {"disease": "measles", "diagnosed": datetime(2026, 3, 4, tzinfo=UTC), "name": name} | more
    return reporting.report(SYSTEM, Report(**asked), place, now=NOW).case  # type: ignore[arg-type]


@pytest.fixture
def contact(city: World) -> Contact:
    case = measles("张三", city.east, certainty="probable")
    return contacts.add_contact(
        epidemiologist(), case.pk, AskedContact("王五", "household", LAST, phone="1380000"), now=NOW
    )


def visited(contact: Contact, day: date, **more: object) -> ContactVisit:
    asked = AskedVisit(**({"key": uuid4(), "day": day} | more))  # type: ignore[arg-type]
    return contacts.visit(village_doctor(EAST), contact.pk, asked, now=NOW)


def test_a_contact_is_followed_for_as_long_as_the_disease_asks(contact: Contact) -> None:
    assert contact.follow_until == date(2026, 3, 22)  # measles: 21 days
    assert contact.district_code == EAST
    with pytest.raises(Conflict):
        contacts.add_contact(
            epidemiologist(), contact.case_id, AskedContact("王五", "school", LAST, phone="1380000"), now=NOW
        )
    with pytest.raises(Invalid):
        contacts.add_contact(
            epidemiologist(), contact.case_id, AskedContact("x", "household", date(2026, 3, 6)), now=NOW
        )


@pytest.mark.parametrize(
    ("temperature", "symptoms", "alert"),
    [("37.9", [], False), ("38.0", [], True), (None, [], False), ("36.5", ["rash"], True),
     ("36.5", ["joint_pain"], False)],
)  # fmt: skip
def test_fever_from_38_degrees_or_a_symptom_of_the_disease_is_an_alert(
    contact: Contact, temperature: str | None, symptoms: list[str], alert: bool
) -> None:
    warm = Decimal(temperature) if temperature else None
    made = visited(contact, LAST + timedelta(days=2), temperature=warm, symptoms=symptoms)
    assert made.alert is alert
    events = OutboxEvent.objects.filter(type="prevention.contact-alert").count()
    contact.refresh_from_db()
    assert (events, contact.alert_on is not None) == (int(alert), alert)


def test_an_entry_sent_twice_counts_once_and_two_for_a_day_are_shown(contact: Contact) -> None:
    day, key = LAST + timedelta(days=1), uuid4()
    one = visited(contact, day, key=key, temperature=Decimal("36.6"))
    again = visited(contact, day, key=key, temperature=Decimal("36.6"))
    assert one.pk == again.pk
    with pytest.raises(VisitClash) as clash:
        visited(contact, day, temperature=Decimal("39.1"))
    assert clash.value.held.temperature == Decimal("36.6")
    asked = AskedVisit(uuid4(), day, temperature=Decimal("39.1"))
    contacts.visit(village_doctor(EAST), contact.pk, asked, now=NOW, replaces=key)
    assert [v.temperature for v in contact.visits.all()] == [Decimal("39.1")]


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"day": LAST - timedelta(days=1)}, "visit-day"),
        ({"day": date(2026, 3, 6)}, "visit-day"),
        ({"temperature": Decimal("29.9")}, "visit-temperature"),
        ({"temperature": Decimal("45.1")}, "visit-temperature"),
        ({"way": "letter"}, "visit-way"),
        ({"symptoms": ["itching"]}, "report-symptom"),
    ],
)
def test_what_breaks_a_rule_is_refused(contact: Contact, more: dict[str, object], code: str) -> None:
    with pytest.raises(Invalid) as refused:
        visited(contact, **({"day": LAST} | more))  # type: ignore[arg-type]
    assert refused.value.code == code


def test_a_doctor_of_another_district_does_not_even_learn_of_the_contact(contact: Contact) -> None:
    with pytest.raises(NotFound):
        contacts.visit(village_doctor(WEST), contact.pk, AskedVisit(uuid4(), LAST), now=NOW)


def test_follow_up_ends_with_its_last_day(contact: Contact) -> None:
    late = datetime(2026, 3, 23, 3, tzinfo=UTC)
    for day in (20, 22):
        asked = AskedVisit(uuid4(), date(2026, 3, day), temperature=Decimal("36.5"))
        contacts.visit(village_doctor(EAST), contact.pk, asked, now=late)
    contact.refresh_from_db()
    assert (contact.state, contact.last_visit) == ("done", date(2026, 3, 22))


def test_a_contact_that_falls_ill_becomes_a_linked_case(contact: Contact) -> None:
    visited(contact, date(2026, 3, 4), temperature=Decimal("38.6"), symptoms=["rash", "cough"])
    case = contacts.became_case(epidemiologist(), contact.pk, now=NOW)
    assert (case.onset, case.status) == (date(2026, 3, 4), "probable")  # 3 symptoms and a link
    assert [one.source_id for one in case.sources.all()] == [contact.case_id]
    contact.refresh_from_db()
    assert (contact.state, contact.became_id) == ("case", case.pk)
    with pytest.raises(Conflict):
        contacts.became_case(epidemiologist(), contact.pk, now=NOW)


def test_a_link_taken_back_takes_its_weight_back(city: World) -> None:
    source = measles("张三", city.east, certainty="probable")
    case = measles("李四", city.east, symptoms=["fever", "rash", "cough"])
    made = investigating.link(epidemiologist(), case.pk, source.pk, "same class", now=NOW)
    case.refresh_from_db()
    assert case.status == "probable"
    investigating.unlink(epidemiologist(), case.pk, made.pk, now=NOW)
    case.refresh_from_db()
    assert case.status == "suspected"
    with pytest.raises(Invalid):
        investigating.link(epidemiologist(), case.pk, case.pk, "", now=NOW)


def test_an_exposure_of_the_definition_counts(city: World) -> None:
    asked = Report("novel_influenza", datetime(2026, 3, 4, tzinfo=UTC), name="赵六")
    case = reporting.report(SYSTEM, asked, city.east, now=NOW).case
    asked_exposure = AskedExposure("poultry", "东市场", LAST, LAST, source=True)
    investigating.add_exposure(epidemiologist(), case.pk, asked_exposure, now=NOW)
    case.refresh_from_db()
    assert "exposure" in [one["criterion"] for one in case.evidence]


def test_an_outbreak_holds_cases_of_its_disease_until_it_is_closed(city: World) -> None:
    cases = [measles(name, city.east).pk for name in "甲乙丙"]
    flu = reporting.report(
        SYSTEM, Report("influenza", datetime(2026, 3, 4, tzinfo=UTC), name="丁"), city.east, now=NOW
    ).case
    epi = epidemiologist(EAST)
    made = outbreaks.open_outbreak(
        epi, "Measles in a school", "measles", LAST, now=NOW, district_code=EAST, cases=cases[:2], signal_id=9
    )
    assert outbreaks.put(epi, made.pk, cases[2:], now=NOW) == 1
    with pytest.raises(NotFound):
        outbreaks.put(epi, made.pk, [flu.pk], now=NOW)
    outbreaks.take_out(epi, made.pk, cases[0], now=NOW)
    assert made.cases.count() == 2
    with pytest.raises(NotFound):
        outbreaks.close(epidemiologist(WEST), made.pk, LAST, "", now=NOW)
    outbreaks.close(epi, made.pk, date(2026, 3, 5), "contained", now=NOW)
    with pytest.raises(Conflict):
        outbreaks.put(epi, made.pk, cases[:1], now=NOW)
    assert [e.type for e in OutboxEvent.objects.filter(type__contains="outbreak")] == [
        "prevention.outbreak-opened", "prevention.outbreak-closed",
    ]  # fmt: skip
