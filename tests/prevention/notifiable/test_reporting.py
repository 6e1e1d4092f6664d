"""Reports: exactly one case each, in time or late, found again without identity; decisions and joins."""

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest

from salus.kernel.errors import Conflict, Invalid, NotAllowed, NotFound, SalusError
from salus.kernel.models import AuditRow
from salus.prevention import interface
from salus.prevention.models import Case
from salus.prevention.queries.notifiable import quality, seeing
from salus.prevention.services.notifiable import deciding, investigating, reporting
from salus.prevention.services.notifiable.investigating import AskedSample
from salus.prevention.services.notifiable.reporting import Report
from tests.prevention.notifiable import world
from tests.prevention.notifiable.world import EAST, NOW, SYSTEM, WEST, World, clinician, epidemiologist

pytestmark = pytest.mark.django_db(databases=["default", "audit"])
DIAGNOSED = datetime(2026, 3, 4, 2, tzinfo=UTC)


def asked(**more: object) -> Report:
    return Report(**({"disease": "measles", "diagnosed": DIAGNOSED, "name": "张三"} | more))  # type: ignore[arg-type]


def test_a_report_stops_the_clock_of_the_case_that_arose(city: World) -> None:
    world.send(
        world.visit("v1", 0, "HE"), world.diagnosis("d1", 0, "B05.9", DIAGNOSED.isoformat(), place="v1")
    )
    made = reporting.report(
        clinician(city.east), asked(person_id=city.persons[0], symptoms=["rash"]), city.east, now=NOW
    )
    assert not made.new
    case = Case.objects.get()
    assert (case.reported_at, case.late) == (NOW, True)  # 31 hours after the diagnosis; 24 are allowed
    assert case.facts.filter(kind="symptom").count() == 1
    assert AuditRow.objects.filter(resource_type="NotifiableCase", action="update").exists()


def test_the_same_report_comes_once_by_its_number_person_or_name_and_birth(city: World) -> None:
    born = date(2019, 5, 6)
    for more in (
        {"external_id": "R1"}, {"external_id": "R1", "name": "张 三"},
        {"person_id": city.persons[1]}, {"person_id": city.persons[1]},
        {"name": "李四", "birth_date": born}, {"name": "李 四", "birth_date": born},
    ):  # fmt: skip
        reporting.report(SYSTEM, asked(**more), city.east, now=NOW)
    assert Case.objects.count() == 3
    likely = reporting.report(SYSTEM, asked(name="李四", age=6.8), city.west, now=NOW)
    assert likely.new
    assert [one.agrees for one in likely.likely] == [("name", "age")]


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"diagnosed": NOW + timedelta(hours=1)}, "report-future"),
        ({"onset": date(2026, 3, 5)}, "report-onset"),
        ({"icd10": "A00"}, "report-icd10"),
        ({"name": " "}, "report-name"),
        ({"age": 131}, "report-age"),
        ({"sex": "m"}, "report-sex"),
        ({"certainty": "sure"}, "report-certainty"),
        ({"symptoms": ["itching"]}, "report-symptom"),
        ({"exposures": ["moon"]}, "report-exposure"),
        ({"birth_date": date(2027, 1, 1)}, "report-birth"),
        ({"disease": "hpai"}, "disease-not-listed"),
        ({"disease": "flu"}, "disease-unknown"),
        ({"person_id": uuid4()}, "person-unknown"),
    ],
)
def test_what_breaks_a_rule_is_refused_by_name(city: World, more: dict[str, object], code: str) -> None:
    with pytest.raises(SalusError) as refused:
        reporting.report(SYSTEM, asked(**more), city.east, now=NOW)
    assert refused.value.code == code
    assert not Case.objects.exists()


def test_who_may_report_and_see(city: World) -> None:
    made = reporting.report(clinician(city.east), asked(), city.east, now=NOW).case
    assert made.district_code == EAST
    with pytest.raises(NotAllowed):
        reporting.report(clinician(city.east), asked(), city.west, now=NOW)
    with pytest.raises(NotAllowed):
        reporting.report(epidemiologist(WEST), asked(), city.east, now=NOW)
    for principal, sees in (
        (epidemiologist(), True), (epidemiologist(EAST), True), (epidemiologist(WEST), False),
        (clinician(city.east), True), (clinician(city.west), False), (world.village_doctor(EAST), False),
    ):  # fmt: skip
        assert seeing.cases(principal).filter(pk=made.pk).exists() is sees
        if sees:
            assert seeing.open_case(principal, made.pk).pk == made.pk
        else:
            with pytest.raises(NotFound):
                seeing.open_case(principal, made.pk)
    assert AuditRow.objects.filter(resource_id=str(made.pk), outcome="refused").count() == 3


def test_sensitive_diseases_are_seen_only_with_their_category(city: World) -> None:
    made = reporting.report(clinician(city.east), asked(disease="aids"), city.east, now=NOW).case
    assert made.categories == "hiv"
    assert not seeing.cases(epidemiologist()).exists()
    assert not seeing.cases(clinician(city.east)).exists()
    assert seeing.cases(epidemiologist(None, "hiv")).exists()
    with pytest.raises(NotFound):
        seeing.open_case(epidemiologist(), made.pk)


def test_an_institutions_reports_are_timely_late_missed_or_open(city: World) -> None:
    """Worked by hand: due 24 h after the diagnosis."""
    for hours, name in ((1, "a"), (24, "b"), (25, "c")):
        reporting.report(SYSTEM, asked(name=name), city.east, now=DIAGNOSED + timedelta(hours=hours))
    world.send(
        world.visit("v1", 0, "HE"),
        world.diagnosis("d1", 0, "B05", DIAGNOSED.isoformat(), place="v1"),
        world.visit("v2", 1, "HW"),
        world.diagnosis("d2", 1, "B05", (NOW - timedelta(hours=2)).isoformat(), place="v2"),
    )
    found = quality.timeliness_for(epidemiologist(), date(2026, 3, 1), date(2026, 3, 31), now=NOW)
    assert [(t.institution, t.owed, t.timely, t.late, t.missed, t.open) for t in found] == [
        ("HE", 4, 2, 1, 1, 0), ("HW", 1, 0, 0, 0, 1),
    ]  # fmt: skip
    assert found[0].share_timely == 0.5
    own = quality.timeliness_for(clinician(city.west), date(2026, 3, 1), date(2026, 3, 31), now=NOW)
    assert [t.institution for t in own] == ["HW"]
    sums = interface.reporting_indicators(date(2026, 3, 1), date(2026, 3, 31), now=NOW)
    assert (sums.owed, sums.timely, sums.late, sums.missed, sums.open) == (5, 2, 1, 1, 1)
    overdue = Case.objects.get(disease="measles", reported_at=None, institution=city.east)
    assert list(quality.overdue(seeing.cases(epidemiologist()), NOW)) == [overdue]
    reporting.report_arisen(clinician(city.east), overdue.pk, now=NOW)
    assert not quality.overdue(seeing.cases(epidemiologist()), NOW).exists()
    with pytest.raises(Conflict):
        reporting.report_arisen(clinician(city.east), overdue.pk, now=NOW)


def test_weekly_counts_leave_out_duplicates_and_discarded_and_can_be_replayed(city: World) -> None:
    first = reporting.report(SYSTEM, asked(name="a", onset=date(2026, 3, 1)), city.east, now=NOW).case
    second = reporting.report(SYSTEM, asked(name="b", onset=date(2026, 3, 2)), city.east, now=NOW).case
    third = reporting.report(SYSTEM, asked(name="c"), city.west, now=NOW + timedelta(days=3)).case
    rows = interface.weekly_case_rows(date(2026, 3, 1), date(2026, 3, 8))
    # 1 March 2026 is a Sunday: its ISO week began on 23 February.
    assert [(r.disease, r.district, r.institution, r.week.isoformat(), r.cases) for r in rows] == [
        ("measles", EAST, "HE", "2026-02-23", 1),
        ("measles", EAST, "HE", "2026-03-02", 1),
        ("measles", WEST, "HW", "2026-03-02", 1),
    ]
    known = interface.weekly_cases(date(2026, 3, 1), date(2026, 3, 8), known_by=date(2026, 3, 6))
    assert sum(known["cases"].to_pylist()) == 2
    deciding.decide(epidemiologist(), third.pk, "discarded", "another rash", now=NOW)
    deciding.join(epidemiologist(), second.pk, first.pk, now=NOW)
    assert [r.cases for r in interface.weekly_case_rows(date(2026, 3, 1), date(2026, 3, 8))] == [1]
    deciding.part(epidemiologist(), second.pk, now=NOW)
    assert [r.cases for r in interface.weekly_case_rows(date(2026, 3, 1), date(2026, 3, 8))] == [1, 1]


def test_a_persons_decision_holds_until_it_is_taken_back(city: World) -> None:
    case = reporting.report(SYSTEM, asked(), city.east, now=NOW).case
    assert case.status == "suspected"
    deciding.decide(epidemiologist(), case.pk, "discarded", "vaccine rash", now=NOW)
    sample = AskedSample("S1", "throat swab", date(2026, 3, 4), test="麻疹病毒核酸", result="阳性")
    investigating.keep_sample(epidemiologist(), case.pk, sample, now=NOW)
    case.refresh_from_db()
    assert (case.status, case.decided) == ("discarded", True)
    assert "specific" in [one["criterion"] for one in case.evidence]
    deciding.leave_to_definition(epidemiologist(), case.pk, now=NOW)
    case.refresh_from_db()
    assert (case.status, case.decided) == ("confirmed", False)
    with pytest.raises(NotFound):
        deciding.decide(clinician(city.east), case.pk, "discarded", "no", now=NOW)
    with pytest.raises(Invalid):
        deciding.decide(epidemiologist(), case.pk, "perhaps", "why not", now=NOW)


def test_joins_never_cross_diseases_or_residents(city: World) -> None:
    one = reporting.report(SYSTEM, asked(person_id=city.persons[0]), city.east, now=NOW).case
    two = reporting.report(SYSTEM, asked(person_id=city.persons[1]), city.east, now=NOW).case
    flu = reporting.report(SYSTEM, asked(disease="influenza"), city.east, now=NOW).case
    for other, error in ((one, Invalid), (flu, Invalid), (two, Conflict)):
        with pytest.raises(error):
            deciding.join(epidemiologist(), one.pk, other.pk, now=NOW)


def test_an_overdue_report_is_reminded_of_once(city: World) -> None:
    from salus.kernel.models import Notification, RoleGrant
    from salus.prevention.services.notifiable import reminding
    from tests.web.conftest import make_account

    RoleGrant.objects.create(account=make_account("east"), role="clinician", institution=city.east)
    world.send(
        world.visit("v1", 0, "HE"),
        world.diagnosis("d1", 0, "B05", (NOW - timedelta(hours=25)).isoformat(), place="v1"),
        world.diagnosis("d2", 1, "B05", (NOW - timedelta(hours=1)).isoformat()),
        world.diagnosis("d3", 2, "B05", (NOW - timedelta(days=30)).isoformat()),
    )
    assert [reminding.remind(NOW), reminding.remind(NOW)] == [1, 0]
    assert Notification.objects.get().account.username == "east"
