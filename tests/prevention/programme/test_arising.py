"""Registers keep themselves: a hospital's diagnosis, ages, deaths, corrections and merges of records."""

from datetime import date, datetime, timedelta

import pytest
from django.db import connection, transaction

from salus.kernel.models import OutboxEvent
from salus.prevention.models import DueService, EntryState, ProgrammeEntry, ServiceGiven
from salus.prevention.services.programme import arising, refreshing
from salus.record import store
from salus.record.registers import projecting
from salus.record.store import Write
from tests.prevention.programme.world import NOW, TODAY, World, diagnosis, patient, send, write

pytestmark = pytest.mark.django_db(databases=["default", "audit"])


def entries(**more: object) -> list[tuple[str, str, date]]:
    rows = ProgrammeEntry.objects.filter(**more).order_by("programme")
    return [(row.programme, row.state, row.anchor_on) for row in rows]


@pytest.mark.parametrize(
    ("code", "programme"),
    [("I10", "hypertension"), ("I11.900", "hypertension"), ("E11.9", "diabetes"), ("F20.0", "mental-illness"),
     ("A15.3", "tuberculosis")],
)  # fmt: skip
def test_a_first_diagnosis_in_a_hospital_puts_her_on_the_communitys_register(
    city: World, code: str, programme: str
) -> None:
    send(diagnosis("c1", 0, code, "2026-03-04T10:00:00+08:00"))
    entry = ProgrammeEntry.objects.get()
    assert (entry.programme, entry.person_id, entry.anchor_on) == (
        programme,
        city.persons[0],
        date(2026, 3, 4),
    )
    assert (entry.institution, entry.doctor, entry.placed_by) == (city.east, city.doctor, "residence")
    assert DueService.objects.filter(entry=entry, institution=city.east).exists()
    assert OutboxEvent.objects.filter(type="prevention.programme-entered").count() == 1


@pytest.mark.parametrize("code", ["I21", "E10.9", "J45", "F41.1"])
def test_other_diagnoses_put_nobody_on_a_register(city: World, code: str) -> None:
    send(diagnosis("c1", 0, code, "2026-03-04T10:00:00+08:00"))
    assert not ProgrammeEntry.objects.exists()


def test_a_suspicion_is_no_diagnosis(city: World) -> None:
    send(diagnosis("c1", 0, "I10", "2026-03-04", status="provisional"))
    assert not ProgrammeEntry.objects.exists()


def test_the_same_diagnosis_again_changes_nothing(city: World) -> None:
    send(diagnosis("c1", 0, "I10", "2026-03-04"))
    send(diagnosis("c1", 0, "I10", "2026-03-04"), diagnosis("c2", 0, "I10", "2026-03-05"))
    arising.nightly(now=NOW)
    arising.nightly(now=NOW)
    assert entries() == [("hypertension", "open", date(2026, 3, 4))]
    assert DueService.objects.count() == 2  # the visit and the yearly check


def test_a_diagnosis_taken_back_closes_the_entry(city: World) -> None:
    send(diagnosis("c1", 0, "I10", "2026-03-04"))
    send(diagnosis("c1", 0, "I10", "2026-03-04", status="entered-in-error"))
    entry = ProgrammeEntry.objects.get()
    assert (entry.state, entry.close_reason) == ("closed", "taken_back")
    assert not DueService.objects.exists()


def test_a_contract_comes_before_the_residence(city: World) -> None:
    named = [{"identifier": {"value": city.west.code}}]
    send(patient(0, generalPractitioner=named), diagnosis("c1", 0, "I10", "2026-03-04"))
    entry = ProgrammeEntry.objects.get()
    assert (entry.institution, entry.placed_by) == (city.west, "contract")


def test_who_turns_65_is_registered_on_that_day(city: World) -> None:
    write(patient(10, birth="1961-03-05"), patient(11, birth="1961-03-06"))
    arising.nightly(now=NOW)
    assert entries(programme="elderly") == [("elderly", "open", date(1961, 3, 5))]
    arising.nightly(now=NOW + timedelta(days=1))
    assert ProgrammeEntry.objects.filter(programme="elderly").count() == 2


def test_a_newborn_is_registered_for_what_children_are_owed(city: World) -> None:
    write(patient(10, birth="2026-03-01"))
    arising.nightly(now=NOW)
    assert [row[0] for row in entries()] == ["child", "immunisation", "newborn"]
    arising.nightly(now=datetime.fromisoformat("2026-03-29T09:00:00+00:00"))
    assert entries(programme="newborn")[0][1] == "closed"


def dose(number: int, code: str, day: str, name: str = "", status: str = "completed") -> Write:
    """Return a dose as an institution sends it."""
    coding = {"system": "http://www.whocc.no/atc", "code": code, "display": name}
    body = {
        "resourceType": "Immunization", "status": status, "vaccineCode": {"coding": [coding]},
        "patient": {"reference": "Patient/n10"}, "occurrenceDateTime": day, "lotNumber": f"L{number}",
    }  # fmt: skip
    return Write("Immunization", f"i{number}", body, source_id=1)


def test_doses_of_the_record_count_and_are_taken_back_with_it(city: World) -> None:
    write(patient(10, birth="2025-12-01"))
    arising.nightly(now=NOW)

    def due() -> dict[str, tuple[int, date]]:
        rows = DueService.objects.filter(programme="immunisation")
        return {
            service: (counted, on)
            for service, counted, on in rows.values_list("service", "counted", "due_on")
        }

    assert due()["HepB"] == (0, date(2025, 12, 1))
    sent = [
        dose(1, "J07BC01", "2025-12-01T09:00:00+08:00"),
        dose(2, "J07BC01", "2026-01-02"),
        dose(3, "J07AN01", "2025-12-01"),
        dose(4, "J07BB02", "2026-01-02"),  # influenza: in no schedule
        dose(5, "J07BC02", "2026-01-02", "甲型肝炎减毒活疫苗"),
        dose(6, "J07BF03", "2026-02-02", status="not-done"),
    ]
    send(*sent)
    assert due()["HepB"] == (2, date(2026, 6, 1)) and "BCG" not in due()  # the third at six months
    held = ServiceGiven.objects.order_by("rid").values_list("product", "day", "values")
    assert list(held) == [
        ("HepB", date(2025, 12, 1), {"batch": "L1"}),
        ("HepB", date(2026, 1, 2), {"batch": "L2"}),
        ("BCG", date(2025, 12, 1), {"batch": "L3"}),
        ("HepA-L", date(2026, 1, 2), {"batch": "L5"}),
    ]
    send(*sent)
    assert ServiceGiven.objects.count() == 4
    send(dose(2, "J07BC01", "2026-01-02", status="entered-in-error"))
    assert due()["HepB"] == (1, date(2026, 1, 1))
    send(dose(2, "J07BC01", "2026-01-03"))
    assert due()["HepB"] == (2, date(2026, 6, 1))
    assert ServiceGiven.objects.filter(undone_at=None).count() == 4


def test_death_closes_everything(city: World) -> None:
    send(diagnosis("c1", 0, "I10", "2026-03-04"), diagnosis("c2", 0, "E11.9", "2026-03-04"))
    write(patient(0, deceasedDateTime="2026-03-05"))
    projecting.catch_up()
    arising.nightly(now=NOW)
    assert {row[1] for row in entries()} == {"closed"}
    assert not DueService.objects.exists()
    send(diagnosis("c3", 0, "I10", "2026-03-06"), now=NOW + timedelta(days=2))
    assert not ProgrammeEntry.objects.filter(state=EntryState.OPEN).exists()


def test_entries_follow_a_record_to_the_resident_whose_it_is_and_back(city: World) -> None:
    send(diagnosis("c1", 0, "I10", "2026-03-01"), diagnosis("c2", 1, "I10", "2026-03-04"))
    first, second = ProgrammeEntry.objects.order_by("anchor_on")

    def move(rid: int, person: object) -> None:
        from salus.record.models import PatientLink

        with transaction.atomic(), connection.cursor() as cursor:
            PatientLink.objects.filter(patient_rid=rid).update(person_id=person)
            store.reassign(cursor, rid, person, now=NOW)  # type: ignore[arg-type]
        arising.catch_up(now=NOW)

    assert second.patient_rid is not None
    move(second.patient_rid, first.person_id)
    second.refresh_from_db()
    assert (second.person_id, second.state, second.close_reason) == (first.person_id, "closed", "merged")
    assert {row.person_id for row in DueService.objects.all()} == {city.persons[0]}
    move(second.patient_rid, city.persons[1])
    second.refresh_from_db()
    assert (second.person_id, second.state) == (city.persons[1], "open")
    assert {row.person_id for row in DueService.objects.all()} == set(city.persons[:2])


def test_a_pregnancy_is_registered_by_its_last_menstrual_period(city: World) -> None:
    body = {
        "resourceType": "Observation", "status": "final", "subject": {"reference": "Patient/n0"},
        "code": {"coding": [{"system": "http://loinc.org", "code": "8665-2"}]},
        "valueDateTime": "2026-01-10", "issued": "2026-03-04T08:00:00+08:00",
    }  # fmt: skip
    send(Write("Observation", "o1", body, source_id=1))
    assert entries() == [("pregnancy", "open", date(2026, 1, 10))]
    due = DueService.objects.get()
    assert (due.service, due.due_on) == ("antenatal-visit", date(2026, 2, 21))  # six weeks
    assert due.overdue_on == date(2026, 4, 4)  # twelve weeks


def test_a_nights_run_writes_nothing_when_nothing_changed(city: World) -> None:
    send(*(diagnosis(f"c{n}", n, "I10", "2026-03-04") for n in range(4)))
    arising.nightly(now=NOW)
    before = list(DueService.objects.order_by("pk").values_list("pk", "due_on", "call_on"))
    assert refreshing.refresh_all(TODAY) == 0
    assert list(DueService.objects.order_by("pk").values_list("pk", "due_on", "call_on")) == before
