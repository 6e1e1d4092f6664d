"""Cases that arise from what hospitals send: once, in order, with their deadline, and taken back again."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection, transaction

from salus.kernel.models import OutboxEvent
from salus.prevention.models import Case, CaseFact, FeedCursor
from salus.record import store
from salus.record.store import Write
from tests.prevention.notifiable import world
from tests.prevention.notifiable.world import NOW, World
from tests.prevention.surveillance.test_catalogue import OWN

pytestmark = pytest.mark.django_db(databases=["default", "audit"])


def test_a_diagnosis_makes_a_case_owed_by_the_hospital_of_the_visit(city: World) -> None:
    world.send(
        world.visit("v1", 0, "HE"),
        world.diagnosis("d1", 0, "B05.9", "2026-03-04T10:00:00+08:00", status="provisional", place="v1",
                        onsetDateTime="2026-03-01"),
    )  # fmt: skip
    case = Case.objects.get()
    assert (case.disease, case.status, case.origin) == ("measles", "suspected", "record")
    assert (case.person_id, case.institution_id) == (city.persons[0], city.east.pk)
    assert (case.first_day, case.onset) == (date(2026, 3, 1), date(2026, 3, 1))
    assert case.due_at == datetime(2026, 3, 5, 2, tzinfo=UTC)  # 24 hours after the diagnosis
    assert case.reported_at is None
    assert [one["criterion"] for one in case.evidence] == ["diagnosis"]
    assert case.evidence[0]["facts"][0]["ref"] == "Condition/d1"


@pytest.mark.django_db(databases=["default", "audit"], transaction=True)
def test_the_feed_is_read(city: World) -> None:
    at = "2026-03-04T10:00:00+08:00"
    world.send(world.diagnosis("d1", 0, "B05.9", at))
    world.send(world.diagnosis("d2", 1, "A00.9", at))
    assert sorted(Case.objects.values_list("disease", flat=True)) == ["cholera", "measles"]
    assert FeedCursor.objects.get(name="notifiable").seq > 0


def test_a_test_confirms_the_same_case_and_reading_twice_changes_nothing(city: World) -> None:
    at = "2026-03-04T10:00:00+08:00"
    world.send(world.diagnosis("d1", 0, "B05.9", at, status="provisional"))
    world.send(world.lab("o1", 0, "麻疹病毒IgM", "阳性", "2026-03-05T08:00:00+08:00"))
    case = Case.objects.get()
    assert case.status == "confirmed"
    assert [(e.kind, e.before, e.after) for e in case.events.order_by("id")] == [
        ("arose", "", "suspected"), ("status", "suspected", "confirmed"),
    ]  # fmt: skip
    FeedCursor.objects.all().delete()
    world.arise()
    case.refresh_from_db()
    assert Case.objects.count() == 1
    assert (case.status, case.facts.count(), case.events.count()) == ("confirmed", 2, 2)
    types = list(OutboxEvent.objects.filter(type__startswith="prevention.").values_list("type", flat=True))
    assert types == ["prevention.case-classified"] * 2


def test_a_corrected_diagnosis_takes_its_case_back(city: World) -> None:
    at = "2026-03-04T10:00:00+08:00"
    world.send(world.diagnosis("d1", 0, "B05.9", at))
    world.send(world.diagnosis("d1", 0, "L27.0", at))
    case = Case.objects.get()
    assert (case.status, case.facts.count()) == ("discarded", 0)
    assert case.events.first().reason == "facts-withdrawn"  # type: ignore[union-attr]
    world.send(world.diagnosis("d1", 0, "B05.9", at))
    case.refresh_from_db()
    assert case.status == "probable"


def test_a_deleted_diagnosis_takes_its_case_back(city: World) -> None:
    world.send(world.diagnosis("d1", 0, "A00.9", "2026-03-04T10:00:00+08:00"))
    world.send(Write("Condition", "d1", None, method="delete", source_id=1))
    assert Case.objects.get().status == "discarded"


def test_a_cause_of_death_makes_a_case_that_died(city: World) -> None:
    body = {
        "resourceType": "Observation", "status": "final", "subject": {"reference": "Patient/n1"},
        "code": {"coding": [{"system": world.LOINC, "code": "79378-6"}]},
        "valueCodeableConcept": {"coding": [{"system": world.ICD10, "code": "A82.9"}]},
        "effectiveDateTime": "2026-03-02",
    }  # fmt: skip
    world.send(Write("Observation", "death", body, source_id=1))
    case = Case.objects.get()
    assert (case.disease, case.outcome, case.died_on) == ("rabies", "died", date(2026, 3, 2))


def test_a_new_episode_is_a_new_case(city: World) -> None:
    for n, day in enumerate(("2025-11-01", "2025-11-20", "2026-02-01")):
        world.send(world.diagnosis(f"d{n}", 0, "J10.1", f"{day}T10:00:00+08:00"))
    days = list(Case.objects.order_by("first_day").values_list("first_day", flat=True))
    assert days == [date(2025, 11, 1), date(2026, 2, 1)]  # an episode of influenza is 30 days


def test_what_is_not_notifiable_makes_no_case(city: World) -> None:
    world.send(
        world.diagnosis("d1", 0, "I10", "2026-03-04"),
        world.diagnosis("d2", 1, "U07.1", "2019-12-01"),  # COVID-19 stood on no list yet
        world.lab("o1", 2, "麻疹病毒IgM", "阴性", "2026-03-04"),
    )
    assert not Case.objects.exists()


def test_a_case_follows_its_patient_to_another_person(city: World) -> None:
    world.send(world.diagnosis("d1", 0, "B05.9", "2026-03-04T10:00:00+08:00"))
    with transaction.atomic(), connection.cursor() as cursor:
        found = store.read(cursor, "Patient", "n0")
        assert found is not None
        store.reassign(cursor, found.rid, city.persons[1], now=NOW)
    world.arise()
    counted = Case.objects.exclude(status="discarded")
    assert [case.person_id for case in counted] == [city.persons[1]]
    assert CaseFact.objects.count() == 1


def test_a_disease_of_the_citys_own_is_live_at_once(city: World, own_rules: Path) -> None:
    """One file, in a running process: no restart, no migration."""
    at = "2026-03-04T10:00:00+08:00"
    world.send(world.diagnosis("d1", 0, "A93.8", at))
    assert not Case.objects.exists()
    (own_rules / "sftsv.toml").write_text(OWN, encoding="utf-8")
    world.send(
        world.diagnosis("d2", 1, "A93.8", at),
        world.lab("o2", 1, "SFTSV RNA", "阳性", "2026-03-04T20:00:00+08:00"),
    )
    case = Case.objects.get()
    assert (case.disease, case.status) == ("sftsv", "confirmed")
    assert case.due_at == datetime(2026, 3, 4, 2, tzinfo=UTC) + timedelta(hours=24)


def test_urgent_cases_are_told_to_disease_control(city: World) -> None:
    from salus.kernel.models import Notification
    from tests.web.conftest import make_account

    make_account("epi", "epidemiologist", district_id=world.EAST)
    moment = NOW - timedelta(hours=1)
    world.send(world.diagnosis("d1", 0, "A00.9", moment.isoformat()))
    told = Notification.objects.get()
    assert told.urgent
    assert "李" not in told.text + str(told.params)
