"""Emergencies: proposed by rules with evidence, decided by persons, worked off, reported, ended."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from salus.kernel.errors import Conflict, Invalid, NotAllowed, NotFound
from salus.kernel.models import Notification, OutboxEvent, RoleGrant
from salus.kernel.policy import Grant, Principal
from salus.prevention.events import CaseClassified
from salus.prevention.models import (
    Case,
    Emergency,
    EmergencyTask,
    GradingProposal,
    SituationReport,
)
from salus.prevention.services.emergencies import (
    deciding,
    ending,
    entering,
    evaluating,
    reporting,
    watching,
    working,
)
from salus.prevention.services.emergencies.entering import AskedCount, AskedEvent
from salus.prevention.services.notifiable import outbreaks
from tests.prevention.notifiable.world import EAST, WEST, World, build
from tests.web.conftest import make_account

pytestmark = pytest.mark.django_db(databases=["default", "audit"])
NOW = datetime(2026, 3, 10, 1, tzinfo=UTC)  # 09:00 in the city
TODAY = date(2026, 3, 10)


def of(role: str, district: str | None = None) -> Principal:
    return Principal(
        name=role, roles=frozenset({role}), account_id=900,
        district_codes=frozenset({district}) if district else frozenset(),
        grants=(Grant(role, None, district),),
    )  # fmt: skip


EPI, PLANNER = of("epidemiologist"), of("planner")


@pytest.fixture
def city(db: None) -> Iterator[World]:
    yield build(1)


def case(disease: str, day: date, *, district: str = EAST, status: str = "confirmed", **more: Any) -> Case:
    at = datetime.combine(day, datetime.min.time(), UTC)
    return Case.objects.create(
        **{
            "disease": disease, "status": status, "origin": "report", "district_code": district,
            "diagnosed_at": at, "first_day": day, "created": at, "updated": at,
        } | more
    )  # fmt: skip


def poisoning(**more: Any) -> Emergency:
    asked: dict[str, Any] = {
        "title": "Lunch at the East School", "kind": "food_poisoning", "district_code": EAST,
        "began_on": TODAY, "noticed_at": NOW - timedelta(hours=1), "place": "East School", "cases": 32,
        "severe": 2, "in_hospital": 6, "unit": "East School",
    } | more  # fmt: skip
    return entering.open_event(EPI, AskedEvent(**asked), now=NOW)


def waiting(one: Emergency) -> GradingProposal:
    return one.proposals.get(state="waiting")


def told(kind: str) -> list[dict[str, Any]]:
    import json

    rows = OutboxEvent.objects.filter(type=f"prevention.{kind}").order_by("seq")
    return [json.loads(r.payload) if isinstance(r.payload, str) else r.payload for r in rows]


def test_an_entered_food_poisoning_is_proposed_with_its_evidence(city: World) -> None:
    one = poisoning()
    held = waiting(one)
    assert (held.act, held.grade, one.state, one.grade) == ("open", 4, "proposed", None)
    met = {row["rule"]: row for row in held.evidence["met"]}
    assert met["IV-3"]["cases"] == 32 and met["IV-3"]["clause"] == "IV(3)" and met["IV-3"]["source"]
    assert held.version and held.day == TODAY
    assert one.report_due_at == NOW + timedelta(hours=1)  # two hours after the news
    assert told("food-poisoning")[0] | {"units": None} == {
        "emergency_id": one.pk, "district_code": EAST, "place": "East School", "units": None,
        "began_on": "2026-03-10", "cases": 32, "deaths": 0,
    }  # fmt: skip
    assert told("casualties")[0]["in_hospital"] == 6


def test_a_person_confirms_and_the_plan_begins(city: World) -> None:
    one = poisoning()
    deciding.decide(EPI, waiting(one).pk, "seen on the spot", now=NOW)
    one.refresh_from_db()
    assert (one.state, one.grade, one.opened_at) == ("open", 4, NOW)
    tasks = {task.code: task for task in one.tasks.all()}
    assert tasks["seal-food"].role == "inspector"
    assert tasks["seal-food"].due_at == NOW + timedelta(hours=2)
    assert "isolate" not in tasks and "command" not in tasks  # of infectious disease; of grades I and II
    assert told("emergency-declared") == [
        {"emergency_id": one.pk, "kind": "food_poisoning", "disease": "", "district_code": EAST, "grade": 4}
    ]
    with pytest.raises(Conflict):
        deciding.decide(EPI, one.proposals.get().pk, "again", now=NOW)
    assert [act.kind for act in one.acts.order_by("pk")][:3] == ["entered", "proposed", "confirmed"]


def test_grades_i_and_ii_are_approved_by_the_planner(city: World) -> None:
    one = poisoning(cases=120, deaths=1)
    held = waiting(one)
    assert held.grade == 2
    choices: list[dict[str, Any]] = [{}, {"reject": True}, {"grade": 3}]
    for asked in choices:
        with pytest.raises(NotAllowed):
            deciding.decide(EPI, held.pk, "too high", now=NOW, **asked)
    with pytest.raises(NotFound):
        deciding.decide(of("inspector"), held.pk, "because", now=NOW)
    with pytest.raises(Invalid):
        deciding.decide(PLANNER, held.pk, " ", now=NOW)
    deciding.decide(PLANNER, held.pk, "one death was of another cause", now=NOW, grade=3)
    held.refresh_from_db()
    one.refresh_from_db()
    assert (held.state, held.grade, held.decided_grade, one.grade) == ("changed", 2, 3, 3)


def test_a_rejected_proposal_comes_again_only_with_new_evidence(city: World) -> None:
    one = poisoning()
    deciding.decide(EPI, waiting(one).pk, "a drill", now=NOW, reject=True)
    one.refresh_from_db()
    assert (one.state, one.tasks.count()) == ("rejected", 0)
    with pytest.raises(Conflict):
        entering.enter_counts(EPI, one.pk, [AskedCount(TODAY, 50)], now=NOW)


def test_more_evidence_escalates_and_adds_only_new_tasks(city: World) -> None:
    one = poisoning()
    deciding.decide(EPI, waiting(one).pk, "confirmed", now=NOW)
    first = set(one.tasks.values_list("code", flat=True))
    later = NOW + timedelta(hours=3)
    entering.enter_counts(
        EPI, one.pk, [AskedCount(TODAY, 40, unit="West School", district_code=WEST)], now=later
    )
    assert not one.proposals.filter(state="waiting").exists()  # 72 persons: still IV
    entering.enter_counts(EPI, one.pk, [AskedCount(TODAY, 40, deaths=1, unit="West School")], now=later)
    held = waiting(one)
    assert (held.act, held.grade) == ("escalate", 2)  # 112 persons and a death
    deciding.decide(PLANNER, held.pk, "a death", now=later)
    one.refresh_from_db()
    assert one.grade == 2
    codes = list(one.tasks.exclude(code="").values_list("code", flat=True))
    assert len(codes) == len(set(codes)) and set(codes) > first and "command" in codes
    assert told("emergency-regraded")[0]["before"] == 4
    assert told("casualties")[-1]["deaths"] == 1


def test_counts_are_corrected_not_added_and_taken_back(city: World) -> None:
    one = poisoning()
    where: dict[str, Any] = {"unit": "East School", "district_code": EAST}
    entering.enter_counts(EPI, one.pk, [AskedCount(TODAY, 35, **where)], now=NOW)
    assert [row.cases for row in one.counts.all()] == [35]
    entering.enter_counts(EPI, one.pk, [AskedCount(TODAY, 0, **where)], now=NOW)
    assert not one.counts.exists()
    for wrong in (
        AskedCount(TODAY, 3, severe=4),
        AskedCount(TODAY + timedelta(days=1), 3),
        AskedCount(TODAY, -1),
    ):
        with pytest.raises(Invalid):
            entering.enter_counts(EPI, one.pk, [wrong], now=NOW)


def test_new_cases_in_a_county_propose_an_emergency_once(city: World) -> None:
    for n in (0, 1, 2):
        case("cholera", TODAY - timedelta(days=2 - n))
        evaluating.scan("cholera", EAST, now=NOW)
    held = Emergency.objects.get()
    assert (held.origin, held.began_on, waiting(held).grade) == ("cases", date(2026, 3, 8), 4)
    assert held.title == "越秀区 霍乱 2026-03-08"
    for _n in range(8):
        case("cholera", TODAY)
    evaluating.scan("cholera", EAST, now=NOW)
    assert waiting(held).grade == 3  # 11 in a week
    assert held.proposals.filter(state="overtaken").count() == 3  # of 1, 2 and 3 cases
    evaluating.scan("cholera", EAST, now=NOW)
    assert held.proposals.count() == 4  # the same evidence says nothing new
    deciding.decide(EPI, waiting(held).pk, "imported seafood, over", now=NOW, reject=True)
    evaluating.scan("cholera", EAST, now=NOW + timedelta(days=1))
    assert Emergency.objects.count() == 1  # rests
    for _n in range(25):
        case("cholera", TODAY)
    evaluating.scan("cholera", EAST, now=NOW + timedelta(days=1))
    assert waiting(Emergency.objects.latest("pk")).grade == 2  # graver than what was rejected


def test_the_form_of_the_disease_comes_from_the_diagnosis(city: World) -> None:
    one = case("plague", TODAY)
    one.facts.create(kind="diagnosis", code="A20.2")
    made = evaluating.scan("plague", EAST, now=NOW)
    assert made is not None and waiting(made).grade == 3
    entering.state_facts(EPI, made.pk, ["urban", "spreading"], now=NOW)
    assert waiting(made).grade == 1
    with pytest.raises(Invalid):
        entering.state_facts(EPI, made.pk, ["rumour"], now=NOW)


def test_class_c_against_five_known_years(city: World) -> None:
    case("mumps", date(2020, 1, 1))  # the register begins: five years are known
    for year in range(2021, 2026):
        for n in range(4):
            case("influenza", date(year, 3, 10 - n))  # mean 4
    for n in range(7):
        case("influenza", date(2026, 3, 10 - n % 3))
    assert evaluating.scan("influenza", EAST, now=NOW) is None
    case("influenza", TODAY)
    made = evaluating.scan("influenza", EAST, now=NOW)
    assert made is not None
    held = waiting(made)
    met = held.evidence["met"][0]
    assert (held.grade, met["rule"], met["mean"], met["cases"]) == (3, "III-4", 4.0, 8)


def test_an_outbreak_in_a_school_is_reported_below_the_grades(city: World) -> None:
    numbers = [case("measles", TODAY - timedelta(days=n % 5)).pk for n in range(10)]
    made = outbreaks.open_outbreak(
        EPI, "Measles in the East School", "measles", TODAY, now=NOW, district_code=EAST, place="East School",
        cases=numbers,
    )  # fmt: skip
    evaluating.from_outbreak(made.pk, now=NOW)
    one = Emergency.objects.get()
    assert (one.outbreak_id, waiting(one).grade) == (made.pk, 5)
    assert "R-measles" in {row["rule"] for row in waiting(one).evidence["met"]}
    evaluating.from_outbreak(made.pk, now=NOW)
    assert Emergency.objects.count() == 1


def test_a_case_event_leads_to_a_scan(city: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("salus.prevention.services.emergencies.watching.timezone.now", lambda: NOW)
    one = case("cholera", TODAY)
    watching.case_changed(CaseClassified(one.pk, "cholera", EAST, "", "confirmed"))
    watching.case_changed(CaseClassified(one.pk, "cholera", EAST, "", "confirmed"))
    assert Emergency.objects.count() == 1


def test_a_past_day_is_judged_by_what_was_known_then(city: World) -> None:
    one = poisoning(kind="infectious", disease="cholera", cases=0, severe=0, in_hospital=0, unit="")
    Emergency.objects.filter(pk=one.pk).update(began_on=date(2026, 3, 1))
    one.refresh_from_db()
    for n in range(10):
        case("cholera", date(2026, 3, 4), created=NOW - timedelta(days=4 if n < 5 else 1))
    assert evaluating.assess(one, TODAY).grade == 3
    assert evaluating.assess(one, date(2026, 3, 7), known_by=date(2026, 3, 7)).grade == 4


def test_tasks_are_taken_done_and_dropped(city: World) -> None:
    one = poisoning()
    deciding.decide(EPI, waiting(one).pk, "confirmed", now=NOW)
    seal = one.tasks.get(code="seal-food")
    inspector = make_account("ins", "inspector")
    asker = Principal(
        name="ins", roles=frozenset({"inspector"}), account_id=inspector.pk, grants=(Grant("inspector"),)
    )
    working.take(asker, seal.pk, now=NOW)
    working.take(asker, seal.pk, now=NOW)
    with pytest.raises(NotFound):
        working.finish(of("clinician"), seal.pk, "not mine", now=NOW)
    with pytest.raises(NotFound):
        working.drop(asker, seal.pk, "no need", now=NOW)
    done = working.finish(asker, seal.pk, "14 samples kept", now=NOW + timedelta(hours=3))
    assert (done.state, done.done_by, done.note) == ("done", "ins", "14 samples kept")
    working.finish(asker, seal.pk, "again", now=NOW)
    assert one.acts.filter(kind="done").count() == 1
    assert one.acts.get(kind="done").params["late"] is True
    treat = one.tasks.get(code="treat")
    with pytest.raises(Invalid):
        working.drop(EPI, treat.pk, "", now=NOW)
    working.drop(EPI, treat.pk, "nobody in hospital", now=NOW)
    with pytest.raises(Conflict):
        working.finish(EPI, treat.pk, "", now=NOW)
    working.take(EPI, one.tasks.get(code="samples").pk, now=NOW, account=inspector)
    assert Notification.objects.filter(account=inspector, kind="emergency-task").count() == 1


def test_overdue_tasks_and_late_reports_are_called_to_mind_once(city: World) -> None:
    make_account("epi", "epidemiologist")
    make_account("ins", "inspector")
    RoleGrant.objects.create(account=make_account("far"), role="epidemiologist", district_id=WEST)
    RoleGrant.objects.update(valid_from=NOW - timedelta(days=1))
    one = poisoning()
    deciding.decide(EPI, waiting(one).pk, "confirmed", now=NOW)
    EmergencyTask.objects.exclude(code="seal-food").update(state="done")
    late = NOW + timedelta(hours=2, minutes=1)
    assert watching.call_to_mind(now=late) == 3  # the task: inspector and epidemiologist; the report
    assert watching.call_to_mind(now=late) == 3 - 3
    assert not Notification.objects.filter(account__username="far").exists()
    entering.reported(EPI, one.pk, now=late)
    assert one.acts.get(kind="reported").params["late"] is True
    with pytest.raises(Conflict):
        entering.reported(EPI, one.pk, now=late)


def test_resources_go_their_way(city: World) -> None:
    one = poisoning()
    row = working.ask_for(EPI, one.pk, "Activated charcoal", 40, NOW + timedelta(hours=4), now=NOW, unit="g")
    with pytest.raises(Conflict):
        working.answer(PLANNER, row.pk, "arrived", now=NOW)
    working.answer(PLANNER, row.pk, "granted", now=NOW)
    working.answer(PLANNER, row.pk, "sent", now=NOW, given=30)
    with pytest.raises(Invalid):
        working.answer(PLANNER, row.pk, "arrived", now=NOW, given=41)
    assert working.answer(PLANNER, row.pk, "arrived", now=NOW).given == 40
    with pytest.raises(Invalid):
        working.ask_for(EPI, one.pk, "", 1, NOW, now=NOW)


def test_a_report_is_frozen_once_issued_and_corrected_by_a_version(city: World) -> None:
    one = poisoning()
    with pytest.raises(Conflict):
        reporting.draft(EPI, one.pk, now=NOW)
    deciding.decide(EPI, waiting(one).pk, "confirmed", now=NOW)
    made = reporting.draft(EPI, one.pk, now=NOW)
    assert made.figures["total"]["cases"] == 32 and made.figures["tasks"]["open"] > 3
    with pytest.raises(Invalid):
        reporting.issue(EPI, made.pk, now=NOW)
    reporting.edit(EPI, made.pk, reporting.Words("", "Kitchen sealed", "", ""), now=NOW)
    reporting.issue(EPI, made.pk, now=NOW)
    frozen = SituationReport.objects.get(pk=made.pk)
    entering.enter_counts(EPI, one.pk, [AskedCount(TODAY, 8, unit="Canteen")], now=NOW)
    with pytest.raises(Conflict):
        reporting.edit(EPI, made.pk, reporting.Words("", "other", "", ""), now=NOW)
    better = reporting.correct(EPI, made.pk, now=NOW)
    assert (better.number, better.version, better.figures["total"]["cases"]) == (1, 2, 40)
    assert better.measures == "Kitchen sealed"
    reporting.issue(EPI, better.pk, now=NOW)
    kept = SituationReport.objects.get(pk=made.pk)
    assert (kept.state, kept.figures) == ("replaced", frozen.figures)
    assert reporting.draft(EPI, one.pk, now=NOW).number == 2


def test_each_morning_drafts_one_report(city: World) -> None:
    one = poisoning()
    deciding.decide(EPI, waiting(one).pk, "confirmed", now=NOW)
    dawn = datetime(2026, 3, 10, 22, 30, tzinfo=UTC)  # 06:30 on the 11th in the city
    assert reporting.morning(now=dawn) == 0
    seven = dawn + timedelta(minutes=30)
    assert reporting.morning(now=seven) == 1
    assert reporting.morning(now=seven + timedelta(hours=1)) == 0
    held = one.reports.get()
    assert (held.day, held.figures["new"]["cases"]) == (TODAY, 32)


def test_the_end_is_proposed_by_its_rule_and_confirmed(city: World) -> None:
    one = poisoning(kind="infectious", disease="cholera", cases=1, severe=0, in_hospital=0)
    deciding.decide(EPI, waiting(one).pk, "confirmed", now=NOW)
    assert ending.look(one.pk, now=NOW + timedelta(days=5)) is None
    made = ending.look(one.pk, now=NOW + timedelta(days=6))  # cholera: 5 days, the 11th to the 15th
    assert made is not None and (made.act, made.evidence["clear_days"]) == ("stand-down", 5)
    later = NOW + timedelta(days=6)
    entering.enter_counts(EPI, one.pk, [AskedCount(date(2026, 3, 11), 1)], now=later)
    made.refresh_from_db()
    assert made.state == "overtaken"  # a case that became known late
    entering.enter_counts(EPI, one.pk, [AskedCount(date(2026, 3, 11), 0)], now=later)
    made = ending.look(one.pk, now=later)
    assert made is not None
    deciding.decide(EPI, made.pk, "a traveller is abroad", now=later, reject=True)
    assert ending.look(one.pk, now=later) is None
    one.refresh_from_db()
    assert one.state == "open"
    asked = ending.ask_end(EPI, one.pk, "nobody ill any more", now=later)
    deciding.decide(EPI, asked.pk, "agreed", now=later)
    one.refresh_from_db()
    assert (one.state, one.closed_at) == ("closed", later)
    assert not one.tasks.filter(state="open").exists()
    assert told("emergency-ended")[0]["grade"] == 4
    assert reporting.draft(EPI, one.pk, now=later).final


def test_a_poisoning_ends_only_when_the_danger_is_removed(city: World) -> None:
    one = poisoning()
    deciding.decide(EPI, waiting(one).pk, "confirmed", now=NOW)
    later = NOW + timedelta(days=5)
    assert ending.look(one.pk, now=later) is None
    ending.state_removed(EPI, one.pk, TODAY, "food destroyed", now=later)
    assert waiting(one).act == "stand-down"


def test_a_person_may_grade_without_the_rules(city: World) -> None:
    one = poisoning(cases=3, severe=0, in_hospital=0, unit="")
    assert not one.proposals.exists()
    with pytest.raises(NotAllowed):
        deciding.grade_by_hand(EPI, one.pk, 2, "the mayor's guests", now=NOW)
    deciding.grade_by_hand(EPI, one.pk, 4, "during the games", now=NOW)
    deciding.grade_by_hand(PLANNER, one.pk, 2, "recognised by the province", now=NOW)
    with pytest.raises(NotAllowed):
        deciding.grade_by_hand(EPI, one.pk, 4, "calmer", now=NOW)
    deciding.grade_by_hand(PLANNER, one.pk, 3, "calmer", now=NOW)
    one.refresh_from_db()
    assert one.grade == 3
    assert [row.act for row in one.proposals.order_by("pk")] == ["open", "escalate", "lower"]


def test_another_districts_epidemiologist_does_not_learn_of_it(city: World) -> None:
    one = poisoning()
    with pytest.raises(NotFound):
        entering.enter_counts(of("epidemiologist", WEST), one.pk, [AskedCount(TODAY, 1)], now=NOW)
    with pytest.raises(NotAllowed):
        entering.open_event(
            of("epidemiologist", WEST), AskedEvent("x", "radiation", EAST, TODAY, NOW), now=NOW
        )
