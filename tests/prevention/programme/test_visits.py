"""Visits are judged by the norm's aims, entered once, taken back; tries work the recall list off."""

from datetime import date, timedelta
from uuid import uuid4

import pytest

from salus.kernel.errors import Conflict, Invalid, NotFound
from salus.kernel.models import AuditRow, OutboxEvent
from salus.kernel.policy import system_principal
from salus.prevention.models import DueService, ProgrammeEntry, RecallTry, ServiceGiven
from salus.prevention.queries.programme import control, recall, seeing
from salus.prevention.services.programme import arising, entering, giving, recalling
from salus.prevention.services.programme.giving import Giving
from tests.prevention.programme.world import NOW, TODAY, World, diagnosis, send, village_doctor

pytestmark = pytest.mark.django_db(databases=["default", "audit"])


@pytest.fixture
def entry(city: World) -> ProgrammeEntry:
    send(diagnosis("c1", 0, "I10", "2026-01-02"))
    return ProgrammeEntry.objects.get()


def visited(city: World, entry: ProgrammeEntry, day: date = TODAY, **values: object) -> giving.Given:
    asked = Giving(uuid4(), "hypertension-visit", day, values=values or {"systolic": 128, "diastolic": 80})
    return giving.give(village_doctor(city.east), entry.pk, asked, now=NOW)


def due(service: str = "hypertension-visit") -> DueService:
    return DueService.objects.get(service=service)


# Aims of the norm: hypertension <140/90, from 65 on <150/90; fasting glucose <7.0 mmol/L.
@pytest.mark.parametrize(
    ("programme", "readings", "birth", "expected"),
    [
        ("hypertension", {"systolic": 139, "diastolic": 89}, date(1970, 1, 1), "good"),
        ("hypertension", {"systolic": 140, "diastolic": 80}, date(1970, 1, 1), "poor"),
        ("hypertension", {"systolic": 130, "diastolic": 90}, date(1970, 1, 1), "poor"),
        ("hypertension", {"systolic": 149, "diastolic": 89}, date(1961, 3, 5), "good"),
        ("hypertension", {"systolic": 149, "diastolic": 89}, date(1961, 3, 6), "poor"),
        ("hypertension", {"systolic": 150, "diastolic": 80}, date(1950, 1, 1), "poor"),
        ("hypertension", {"systolic": 120}, date(1970, 1, 1), ""),
        ("diabetes", {"glucose": 6.9}, None, "good"),
        ("diabetes", {"glucose": 7.0}, None, "poor"),
        ("mental-illness", {"glucose": 7.0}, None, ""),
    ],
)
def test_readings_are_judged_by_the_norm(
    programme: str, readings: dict[str, float], birth: date | None, expected: str
) -> None:
    found = control.judge(programme, readings, TODAY, birth=birth, poor_before=0)
    assert (found.control, found.refer) == (expected, False)


@pytest.mark.parametrize(
    "readings", [{"systolic": 180, "diastolic": 85}, {"systolic": 150, "diastolic": 110}, {"glucose": 16.7},
                 {"glucose": 3.9}],
)  # fmt: skip
def test_dangerous_readings_go_to_a_hospital_at_once(readings: dict[str, float]) -> None:
    found = control.judge("diabetes", readings, TODAY, birth=None, poor_before=0)
    assert found.urgent and found.refer


def test_a_visit_moves_what_is_due_a_quarter_on(city: World, entry: ProgrammeEntry) -> None:
    assert due().due_on == date(2026, 1, 2)
    made = visited(city, entry)
    assert made.row.control == "good"
    assert made.row.on_time is False  # overdue since 16 January, a fortnight after the diagnosis
    assert due().due_on == date(2026, 6, 5)
    entry.refresh_from_db()
    assert (entry.control, entry.control_on, entry.poor_run) == ("good", TODAY, 0)


def test_a_poor_visit_is_followed_within_two_weeks_and_two_are_referred(
    city: World, entry: ProgrammeEntry
) -> None:
    first = visited(city, entry, date(2026, 2, 19), systolic=152, diastolic=85)
    assert first.verdict is not None and not first.verdict.refer
    assert (due().due_on, due().overdue_on) == (date(2026, 2, 26), date(2026, 3, 6))
    second = visited(city, entry, TODAY, systolic=150, diastolic=85)
    assert second.verdict is not None and second.verdict.refer
    assert OutboxEvent.objects.filter(type="prevention.referral-advised").count() == 1
    entry.refresh_from_db()
    assert entry.poor_run == 2


def test_an_entry_sent_twice_counts_once_and_two_of_a_day_are_shown(
    city: World, entry: ProgrammeEntry
) -> None:
    doctor, key = village_doctor(city.east), uuid4()
    asked = Giving(key, "hypertension-visit", TODAY, values={"systolic": 128, "diastolic": 80})
    one = giving.give(doctor, entry.pk, asked, now=NOW)
    assert giving.give(doctor, entry.pk, asked, now=NOW).row.pk == one.row.pk
    with pytest.raises(giving.VisitClash) as clash:
        visited(city, entry, systolic=150, diastolic=80)
    assert clash.value.held.pk == one.row.pk
    other = Giving(uuid4(), "hypertension-visit", TODAY, values={"systolic": 150, "diastolic": 80})
    giving.give(doctor, entry.pk, other, now=NOW, replaces=key)
    assert [row.control for row in ServiceGiven.objects.filter(undone_at=None)] == ["poor"]


def test_a_visit_taken_back_leaves_everything_as_before(city: World, entry: ProgrammeEntry) -> None:
    before = (due().due_on, due().overdue_on)
    made = visited(city, entry)
    giving.take_back(village_doctor(city.east), made.row.pk, now=NOW)
    assert (due().due_on, due().overdue_on) == before
    entry.refresh_from_db()
    assert (entry.control, entry.control_on) == ("", None)
    giving.restore(village_doctor(city.east), made.row.pk, now=NOW)
    assert due().due_on == date(2026, 6, 5)
    with pytest.raises(Conflict):
        giving.restore(village_doctor(city.east), made.row.pk, now=NOW)


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"day": TODAY + timedelta(days=1)}, "given-day"),
        ({"day": date(2026, 1, 1)}, "given-early"),
        ({"product": "HepB"}, "given-product"),
        ({"way": "letter"}, "given-way"),
        ({"values": {"systolic": 1280}}, "given-reading"),
        ({"values": {"systolic": 80, "diastolic": 120}}, "given-pressure"),
    ],
)
def test_what_breaks_a_rule_is_refused(
    city: World, entry: ProgrammeEntry, more: dict[str, object], code: str
) -> None:
    asked = Giving(**({"key": uuid4(), "product": "hypertension-visit", "day": TODAY} | more))  # type: ignore[arg-type]
    with pytest.raises(Invalid) as refused:
        giving.give(village_doctor(city.east), entry.pk, asked, now=NOW)
    assert refused.value.code == code


def test_a_doctor_elsewhere_does_not_even_learn_of_the_resident(city: World, entry: ProgrammeEntry) -> None:
    stranger = village_doctor(city.west)
    with pytest.raises(NotFound):
        giving.give(stranger, entry.pk, Giving(uuid4(), "hypertension-visit", TODAY), now=NOW)
    with pytest.raises(NotFound):
        recalling.attempt(stranger, entry.person_id, recalling.Asked(uuid4(), "not_reached", TODAY), now=NOW)
    assert not seeing.due(stranger).exists()
    assert AuditRow.objects.filter(resource_type="ProgrammeEntry", outcome="refused").exists()


def test_tries_put_her_off_and_after_three_a_home_visit_is_asked_for(
    city: World, entry: ProgrammeEntry
) -> None:
    doctor = village_doctor(city.east)
    for n in range(3):
        asked = recalling.Asked(uuid4(), "not_reached", TODAY)
        recalling.attempt(doctor, entry.person_id, asked, now=NOW)
        assert (due().tries, due().level) == (n + 1, int(n == 2))
        assert due().call_on == TODAY + timedelta(days=2)
    for _n in range(3):
        recalling.attempt(
            doctor, entry.person_id, recalling.Asked(uuid4(), "not_reached", TODAY, "visit"), now=NOW
        )
    arising.nightly(now=NOW)
    assert due().level == 2
    last = RecallTry.objects.first()
    assert last is not None
    recalling.take_back(doctor, last.pk, now=NOW)
    assert due().tries == 5


def test_an_appointment_stands_on_its_day_and_a_visit_ends_the_tries(
    city: World, entry: ProgrammeEntry
) -> None:
    day = TODAY + timedelta(days=5)
    asked = recalling.Asked(uuid4(), "appointment", TODAY, appointment=day)
    recalling.attempt(village_doctor(city.east), entry.person_id, asked, now=NOW)
    assert (due().call_on, due().planned_on) == (day, day)
    visited(city, entry)
    assert (due().tries, due().planned_on, due().last_outcome) == (0, None, "")


def test_who_moved_is_closed_and_that_can_be_taken_back(city: World, entry: ProgrammeEntry) -> None:
    doctor = village_doctor(city.east)
    made = recalling.attempt(doctor, entry.person_id, recalling.Asked(uuid4(), "moved", TODAY), now=NOW)
    entry.refresh_from_db()
    assert (entry.state, entry.close_reason) == ("closed", "moved")
    assert not DueService.objects.exists()
    recalling.take_back(doctor, made.pk, now=NOW)
    entry.refresh_from_db()
    assert entry.state == "open" and DueService.objects.count() == 2


def test_by_hand_she_is_registered_once_handed_over_closed_and_opened_again(city: World) -> None:
    doctor = village_doctor(city.east)
    asked = entering.Entering(city.persons[1], "diabetes", TODAY)
    made = entering.open_entry(doctor, asked, now=NOW)
    with pytest.raises(Conflict):
        entering.open_entry(doctor, asked, now=NOW)
    entering.close_entry(doctor, made.pk, "not_affected", TODAY, now=NOW)
    assert not DueService.objects.exists()
    entering.reopen_entry(doctor, made.pk, now=NOW)
    entering.hand_over(doctor, made.pk, city.west, None, now=NOW)
    assert {row.institution for row in DueService.objects.all()} == {city.west}
    with pytest.raises(NotFound):
        entering.close_entry(doctor, made.pk, "moved", TODAY, now=NOW)


@pytest.mark.parametrize("everybody", [False, True])
def test_a_day_and_the_citys_list_hold_who_is_due_longest_overdue_first(city: World, everybody: bool) -> None:
    send(diagnosis("c0", 0, "I10", "2026-02-02"), diagnosis("c1", 1, "I10", "2026-01-02"))
    doctor = village_doctor(city.east, city.doctor)
    asked = recalling.Asked(uuid4(), "appointment", TODAY, appointment=TODAY + timedelta(days=1))
    send(diagnosis("c2", 2, "I10", "2026-01-02"))
    recalling.attempt(doctor, city.persons[2], asked, now=NOW)
    found = recall.day(doctor, TODAY, everybody=everybody)
    assert [one.person_id for one in found.residents] == [city.persons[1], city.persons[0]]
    # The visit of 2 January was overdue from the 16th on, a fortnight later: the 49th day on 5 March.
    assert found.residents[0].days_over == 49
    assert found.counts == {"due": 2, "planned": 1, "later": 1}
    planned = recall.day(doctor, TODAY, which="planned", everybody=everybody)
    assert [one.person_id for one in planned.residents] == [city.persons[2]]
    table = recall.city_list(system_principal("test"), TODAY)
    visits = [row for row in table.to_pylist() if row["service"] == "hypertension-visit"]
    assert [row["overdue_on"] for row in visits] == [date(2026, 1, 16), date(2026, 2, 16)]
    assert {row["doctor_id"] for row in visits} == {city.doctor.pk}
