"""Pregnancies, births, screening, growth, family planning and reviews: what is done and what is refused."""

from dataclasses import replace
from datetime import date, timedelta
from uuid import uuid4

import pytest

from salus.kernel.errors import Conflict, Invalid, NotAllowed, NotFound
from salus.kernel.models import AuditRow, OutboxEvent
from salus.prevention.models import (
    DeathReview,
    Guardianship,
    Pregnancy,
    ProgrammeEntry,
    Screening,
    ServiceGiven,
)
from salus.prevention.queries.maternal import children, seeing
from salus.prevention.services.maternal import deaths, pregnancies, screening
from salus.prevention.services.maternal import family as family_mod
from salus.prevention.services.maternal.pregnancies import Child, Dates, Ending
from salus.prevention.services.programme import entering, giving
from salus.prevention.services.programme.giving import Giving
from salus.record.registers import projecting
from tests.prevention.maternal.world import (
    BORN,
    LMP,
    NOW,
    TODAY,
    Family,
    patient,
    planner,
    resident,
    write,
)

pytestmark = pytest.mark.django_db(databases=["default", "audit"])


def taken_up(one: Family, **more: object) -> Pregnancy:
    asked = Dates(**({"gravidity": 2, "parity": 1, "height": 160.0, "weight": 55.0} | more))  # type: ignore[arg-type]
    return pregnancies.take_up(one.doctor, one.pregnancy.pk, asked, now=NOW)


def test_risk_follows_from_values_and_from_what_is_found(family: Family) -> None:
    held = taken_up(family)
    assert (held.edd, held.colour, held.follow_on) == (date(2026, 6, 8), "green", None)
    number, key = family.pregnancy.pk, uuid4()
    held = pregnancies.assess(family.doctor, number, ["twins", "syphilis"], key=key, now=NOW)
    assert (held.colour, held.infectious, held.follow_on) == ("yellow", True, TODAY + timedelta(days=28))
    pregnancies.assess(family.doctor, number, [], key=key, now=NOW)  # sent twice
    assert held.factors.filter(ended_on=None).count() == 2
    asked = Giving(uuid4(), "antenatal-visit", TODAY, values={"haemoglobin": 55.0})
    pregnancies.visit(family.doctor, number, asked, now=NOW)
    held.refresh_from_db()
    assert (held.colour, held.follow_on) == ("orange", TODAY + timedelta(days=14))
    assert held.report_by == NOW + timedelta(hours=72)
    assert OutboxEvent.objects.filter(type="prevention.pregnancy-at-risk").count() == 2
    pregnancies.act(family.doctor, number, "reported", "sent", key=uuid4(), now=NOW)
    held.refresh_from_db()
    assert held.reported_at == NOW
    row = ServiceGiven.objects.get()
    giving.take_back(family.doctor, row.pk, now=NOW)
    pregnancies.judge_all(now=NOW)
    held.refresh_from_db()
    assert held.colour == "yellow"


def test_what_breaks_a_rule_is_refused_and_strangers_learn_nothing(family: Family) -> None:
    number = family.pregnancy.pk
    with pytest.raises(Conflict):
        pregnancies.assess(family.doctor, number, ["twins"], key=uuid4(), now=NOW)
    with pytest.raises(Invalid):
        taken_up(family, edd=date(2026, 9, 1))
    with pytest.raises(Invalid):
        taken_up(family, parity=2)
    with pytest.raises(NotFound):
        pregnancies.take_up(family.stranger, number, Dates(), now=NOW)
    taken_up(family)
    with pytest.raises(Invalid):
        pregnancies.assess(family.doctor, number, ["nothing"], key=uuid4(), now=NOW)
    for bad in (
        Ending("birth", TODAY), Ending("miscarriage", TODAY, children=[Child()]),
        Ending("birth", TODAY, children=[Child(alive=False)]), Ending("birth", LMP - timedelta(days=1)),
        Ending("stillbirth", TODAY, children=[Child()]),
    ):  # fmt: skip
        with pytest.raises(Invalid):
            pregnancies.end(family.doctor, number, bad, now=NOW)
    assert AuditRow.objects.filter(resource_type="ProgrammeEntry", outcome="refused").exists()


def test_a_delivery_links_mother_and_child_and_begins_what_follows(family: Family) -> None:
    taken_up(family)
    number = family.pregnancy.pk
    ended = Ending("birth", TODAY, "vaginal", children=[Child(sex="female", weight=3200, apgar_1=9)])
    held = pregnancies.end(family.doctor, number, ended, now=NOW)
    after = ProgrammeEntry.objects.get(programme="postpartum")
    assert {row.service for row in after.due.all()} == {"postpartum-visit", "postpartum-42-days"}
    family.pregnancy.refresh_from_db()
    assert (family.pregnancy.state, family.pregnancy.ended_on) == ("closed", TODAY)
    newborn = held.newborns.get()
    with pytest.raises(Invalid):  # born on another day
        pregnancies.link_child(family.doctor, number, newborn.pk, family.child.pk, now=NOW)
    baby = write(patient(44, birth=TODAY.isoformat()))[0]
    entry = entering.open_entry(family.doctor, entering.Entering(baby, "child", TODAY), now=NOW)
    pregnancies.link_child(family.doctor, number, newborn.pk, entry.pk, now=NOW)
    mother = resident(family.mother)
    assert [one.child_id for one in seeing.children_of(mother, TODAY)] == [entry.pk]
    assert seeing.open_own_child(mother, entry.pk, TODAY) == entry
    with pytest.raises(NotFound):
        seeing.open_own_child(mother, family.child.pk, TODAY)
    assert AuditRow.objects.filter(person_id=baby, action="read", actor=mother.name).exists()
    with pytest.raises(Conflict):
        pregnancies.end(family.doctor, number, ended, now=NOW)
    pregnancies.unlink_child(family.doctor, number, newborn.pk, now=NOW)
    assert not Guardianship.objects.exists()


def test_screening_recalls_the_positive_and_repeats_the_invalid(family: Family) -> None:
    number, doctor = family.child.pk, family.doctor
    with pytest.raises(Invalid):
        screening.take(doctor, number, "PKU", BORN + timedelta(days=1), now=NOW)
    day = BORN + timedelta(days=3)
    one = screening.take(doctor, number, "CH", day, now=NOW)
    one = screening.settle(doctor, one.pk, "invalid", day, now=NOW)
    again = screening.take(doctor, number, "CH", day + timedelta(days=4), now=NOW)
    assert again.attempt == 2
    again = screening.settle(doctor, again.pk, "positive", day + timedelta(days=6), value="TSH 45", now=NOW)
    assert again.recall_by == day + timedelta(days=20)
    with pytest.raises(Invalid):
        screening.settle(doctor, again.pk, "confirmed", TODAY, now=NOW)
    screening.settle(doctor, again.pk, "recalled", TODAY, now=NOW)
    assert screening.settle(doctor, again.pk, "confirmed", TODAY, now=NOW).closed_on == TODAY
    with pytest.raises(Conflict):
        screening.take(doctor, number, "CH", TODAY, now=NOW)
    with pytest.raises(NotFound):
        screening.take(family.stranger, number, "PKU", TODAY, now=NOW)
    assert Screening.objects.count() == 2


def test_a_childs_record_scores_growth_blood_and_doses(family: Family) -> None:
    for day, values in (
        (BORN + timedelta(days=182), {"weight": 7.3, "height": 65.7}),
        (BORN + timedelta(days=250), {"weight": 6.0, "height": 66.0, "haemoglobin": 98}),
    ):
        giving.give(
            family.doctor, family.child.pk, Giving(uuid4(), "child-check", day, values=values), now=NOW
        )
    giving.give(family.doctor, family.immunisation.pk, Giving(uuid4(), "HepB", BORN), now=NOW)
    found = children.record(family.child, TODAY)
    assert found is not None
    first, second = found.measured
    # WHO medians of girls of 182 days: 7.3 kg and 65.7 cm.
    assert abs(first.scores["weight-for-age"][0]) < 0.05
    assert abs(first.scores["height-for-age"][0]) < 0.05
    assert second.scores["weight-for-age"][1] == "underweight"
    assert [one.anaemia for one in found.blood] == ["moderate"]
    doses = {one.finding.service: one.finding for one in found.doses}
    assert (doses["HepB"].step, doses["HepB"].counted, doses["HepB"].due_on) == (2, 1, date(2025, 7, 10))
    assert doses["BCG"].status == "overdue"


def test_contraceptives_are_followed_up_and_support_is_granted_once(family: Family) -> None:
    doctor, mother = family.doctor, family.mother
    asked = family_act(mother, "supply", "pill", quantity=3)
    made = family_mod.enter(doctor, asked, now=NOW)
    assert family_mod.enter(doctor, asked, now=NOW).pk == made.pk
    assert made.next_on == TODAY + timedelta(days=84)
    with pytest.raises(Invalid):
        family_mod.enter(doctor, family_act(mother, "supply", "charm", quantity=1), now=NOW)
    with pytest.raises(Invalid):
        family_mod.enter(doctor, allowance(family), now=NOW)
    Guardianship.objects.create(
        person_id=mother, child=family.child, relation="mother", basis="test", start=BORN, recorded_by="x",
        recorded_at=NOW,
    )  # fmt: skip
    granted = family_mod.enter(doctor, allowance(family), now=NOW)
    assert granted.amount == 360_000  # 3,600 yuan a year
    with pytest.raises(Conflict):
        family_mod.enter(doctor, allowance(family), now=NOW)
    family_mod.take_back(doctor, granted.pk, now=NOW)
    family_mod.enter(doctor, allowance(family), now=NOW)
    with pytest.raises(NotFound):
        family_mod.take_back(family.stranger, made.pk, now=NOW)


def allowance(family: Family) -> family_mod.Asked:
    return family_act(family.mother, "support", "child-allowance", child=family.child.pk)


def family_act(person: object, kind: str, code: str, **more: object) -> family_mod.Asked:
    return family_mod.Asked(uuid4(), person, kind, code, TODAY, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("birth", "died", "spells", "expected"),
    [
        (date(2026, 1, 1), date(2026, 2, 1), [], "infant"), (date(2025, 1, 1), date(2026, 1, 1), [], "child"),
        (date(2020, 1, 1), date(2026, 1, 1), [], ""), (date(1996, 1, 1), date(2026, 1, 1), [], ""),
        (date(1996, 1, 1), date(2026, 1, 1), [(date(2025, 3, 1), date(2025, 11, 20))], "maternal"),  # 42 days
        (date(1996, 1, 1), date(2026, 1, 2), [(date(2025, 3, 1), date(2025, 11, 20))], ""),
        (date(1996, 1, 1), date(2026, 1, 2), [(date(2025, 9, 1), None)], "maternal"),
    ],
)  # fmt: skip
def test_whose_death_is_reviewed(
    birth: date, died: date, spells: list[tuple[date, date | None]], expected: str
) -> None:
    assert deaths.kind_of(birth, died, spells, TODAY) == expected


def test_a_death_is_found_investigated_and_concluded_without_a_name(family: Family) -> None:
    told = patient(40, birth="1996-02-03")
    assert told.body is not None
    write(replace(told, body=told.body | {"deceasedDateTime": "2026-03-01"}))
    projecting.catch_up()
    assert deaths.find(now=NOW) == 1
    assert deaths.find(now=NOW) == 0
    row = DeathReview.objects.get()
    assert (row.kind, row.due_on) == ("maternal", date(2026, 5, 30))
    with pytest.raises(NotFound):
        deaths.conclude(planner(), row.pk, "avoidable", "transport", now=NOW)
    items = {"far": (True, "40 km"), "no-blood": (False, "")}
    with pytest.raises(Invalid):
        deaths.investigate(family.doctor, row.pk, "", items, ready=True, now=NOW)
    deaths.investigate(family.doctor, row.pk, "Bled after delivery.", items, ready=True, now=NOW)
    with pytest.raises(NotAllowed):
        deaths.conclude(family.doctor, row.pk, "avoidable", "transport", now=NOW)
    with pytest.raises(Invalid):
        deaths.conclude(planner(), row.pk, "avoidable", "", now=NOW)
    done = deaths.conclude(planner(), row.pk, "avoidable", "An ambulance in the township", now=NOW)
    assert (done.state, done.conclusion) == ("closed", "avoidable")
    with pytest.raises(Conflict):
        deaths.investigate(family.doctor, row.pk, "Other", {}, ready=False, now=NOW)
