"""Price lists: what a day's price is, what publishing and rolling back do, and that nothing is rewritten."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from salus.insurance.models import (
    PriceBasis,
    PriceList,
    PriceListItem,
    PriceListState,
    PriceStudy,
    StudyState,
)
from salus.insurance.queries.prices import list_in_force, price_on, prices_as_of, prices_between
from salus.insurance.repricing import reprice
from salus.insurance.repricing.rules import rules_from
from salus.insurance.repricing.tables import read_basis
from salus.insurance.services import prices
from salus.kernel.errors import Conflict, Invalid, NotAllowed
from salus.kernel.models import AuditRow
from salus.kernel.policy import Principal
from tests.insurance.repricing.conftest import NOW

pytestmark = pytest.mark.django_db(databases=["default", "audit"])
TODAY = date(2026, 3, 2)
Person = Callable[[str], Principal]


@pytest.fixture
def first(person: Person, recorded: PriceBasis) -> PriceList:
    """The city's first list, in force since New Year."""
    made = prices.draft_from_basis(person("planner"), recorded, title="2025", now=NOW)
    return prices.publish(
        person("planner"), made, effective_from=date(2026, 1, 1), today=TODAY, now=NOW
    )  # fmt: skip


def asked(person: Person, recorded: PriceBasis, **choices: str | int) -> PriceStudy:
    study = prices.ask(person("planner"), recorded, choices, title="Reform", now=NOW)
    prices.run_study(study.pk)
    study.refresh_from_db()
    return study


def test_a_basis_is_read_back_as_it_was(recorded: PriceBasis, city_files: list[Path]) -> None:
    given, held = read_basis(*city_files), prices.load_basis(recorded)
    for name in ("price", "cost", "labour", "rank", "lowest", "target", "volumes", "freed"):
        assert np.array_equal(getattr(given, name), getattr(held, name)), name
    for name in ("codes", "names", "departments", "family", "hospitals", "hospital_tiers", "groups"):
        assert getattr(given, name) == getattr(held, name), name


def test_the_same_files_are_recorded_once(
    person: Person, recorded: PriceBasis, city_files: list[Path]
) -> None:
    with pytest.raises(Conflict):
        prices.record_basis(person("planner"), *city_files, title="again", year=2025, now=NOW)
    assert PriceBasis.objects.count() == 1


def test_a_study_gives_the_engines_answer(person: Person, recorded: PriceBasis) -> None:
    study = asked(person, recorded, closeness=30)
    assert (study.state, study.failure) == (StudyState.DONE, "")
    answer = reprice(prices.load_basis(recorded), rules_from(study.rules))
    new = {move.code: move.new for move in study.moves.all()}
    assert [new[code] for code in answer.basis.codes] == answer.prices.tolist()
    assert abs(answer.fund_left) <= 100 and study.summary["fund_off_fen"] == str(answer.fund_left)
    assert [one["closeness"] for one in study.curve] == [0, 100]
    # A study that is done is not worked out again.
    prices.run_study(study.pk)
    assert PriceStudy.objects.get(pk=study.pk).finished_at == study.finished_at


def test_a_study_without_an_answer_says_which_limits_conflict(
    person: Person, recorded: PriceBasis, fixed_files: list[Path]
) -> None:
    fixed = prices.record_basis(person("planner"), *fixed_files, title="fixed", year=2025, now=NOW)
    study = asked(person, fixed)
    assert (study.state, study.failure_code) == (StudyState.FAILED, "reprice-infeasible")
    (one,) = study.conflicts
    freed = sum(int(fen) for row in fixed.freed for fen in row)
    assert (one["kind"], one["low"], one["high"]) == ("revenue", -100, 100)
    # Revenue is short of all that was freed; hospitals and groups are out of balance with it.
    assert one["alone"] in (None, freed - 100)
    with pytest.raises(Conflict):
        prices.draft_from_study(person("planner"), study, title="x", now=NOW)


def test_from_study_to_claims_and_back(person: Person, recorded: PriceBasis, first: PriceList) -> None:
    """Draft, publish, in force from its day on; rolled back by a third list; each day's price stays."""
    planner = person("planner")
    study = asked(person, recorded)
    draft = prices.draft_from_study(planner, study, title="Reform", now=NOW)
    begins = date(2026, 4, 1)
    moved = study.moves.exclude(change=0).first()
    assert moved is not None
    assert price_on(moved.code, "tier3", begins) == moved.old, "a draft is no price"
    second = prices.publish(planner, draft, effective_from=begins, today=TODAY, now=NOW)
    days = [date(2026, 1, 1), begins - timedelta(days=1), begins, date(2027, 1, 1)]
    assert [price_on(moved.code, "tier3", day) for day in days] == [
        moved.old,
        moved.old,
        moved.new,
        moved.new,
    ]
    assert price_on(moved.code, "tier1", date(2025, 12, 31)) is None
    assert price_on("no such", "tier1", begins) is None

    before = {(row.list_id, row.item, row.tier): row.price for row in PriceListItem.objects.all()}
    third = prices.roll_back(
        planner, first, effective_from=date(2026, 5, 1), reason="the court", today=begins, now=NOW
    )
    assert (third.number, third.restores_id, third.based_on_id) == (3, first.pk, second.pk)
    days = [date(2026, 3, 31), begins, date(2026, 4, 30), date(2026, 5, 1)]
    found = [price_on(moved.code, "tier3", day) for day in days]
    assert found == [moved.old, moved.new, moved.new, moved.old]
    after = {(row.list_id, row.item, row.tier): row.price for row in PriceListItem.objects.all()}
    assert before.items() <= after.items(), "nothing was rewritten"
    restored = {(row.item, row.tier): row.price for row in prices_as_of(date(2026, 5, 1))}
    assert restored == {(row.item, row.tier): row.price for row in first.items.all()}

    ranges = [
        (one.first, one.last, one.price) for one in prices_between(date(2026, 3, 1), date(2026, 12, 31))
        if one.item == moved.code
    ]  # fmt: skip
    assert ranges == [
        (date(2026, 1, 1), date(2026, 3, 31), moved.old),
        (begins, date(2026, 4, 30), moved.new),
        (date(2026, 5, 1), None, moved.old),
    ]
    rows = AuditRow.objects.using("audit").filter(resource_type="PriceList", action="publish")
    assert sorted(row.resource_id for row in rows) == ["1", "2", "3"]


def test_a_tiers_own_price_comes_first(person: Person, first: PriceList) -> None:
    item = first.items.order_by("item").first()
    assert item is not None
    PriceListItem.objects.bulk_create([PriceListItem(list=first, item=item.item, tier="tier1", price=7)])
    assert price_on(item.item, "tier1", TODAY) == 7
    assert price_on(item.item, "tier2", TODAY) == item.price


def test_days_that_were_stay(person: Person, recorded: PriceBasis, first: PriceList) -> None:
    planner = person("planner")
    draft = prices.draft_from_basis(planner, recorded, title="next", now=NOW)
    for day in (TODAY, TODAY - timedelta(days=40)):
        with pytest.raises(Invalid) as raised:
            prices.publish(planner, draft, effective_from=day, today=TODAY, now=NOW)
        assert raised.value.code == "price-list-day"
    assert list_in_force(TODAY) == first


def test_a_list_is_withdrawn_only_before_its_day(
    person: Person, recorded: PriceBasis, first: PriceList
) -> None:
    planner, begins = person("planner"), date(2026, 4, 1)
    draft = prices.draft_from_basis(planner, recorded, title="next", now=NOW)
    stale = prices.draft_from_basis(planner, recorded, title="other", now=NOW)
    second = prices.publish(planner, draft, effective_from=begins, today=TODAY, now=NOW)
    with pytest.raises(Conflict) as raised:
        prices.publish(planner, stale, effective_from=date(2026, 5, 1), today=TODAY, now=NOW)
    assert raised.value.code == "price-list-stale"
    with pytest.raises(Conflict):
        prices.roll_back(planner, first, effective_from=begins, reason="x", today=TODAY, now=NOW)
    with pytest.raises(Conflict):
        prices.withdraw(planner, second, reason="late", today=begins, now=NOW)
    with pytest.raises(Invalid):
        prices.withdraw(planner, second, reason=" ", today=TODAY, now=NOW)
    prices.withdraw(planner, second, reason="an error in it", today=TODAY, now=NOW)
    assert list_in_force(begins) == first
    with pytest.raises(Conflict):
        prices.publish(planner, second, effective_from=begins, today=TODAY, now=NOW)
    prices.discard(planner, stale, now=NOW)
    assert [one.state for one in PriceList.objects.order_by("number")] == [
        PriceListState.PUBLISHED, PriceListState.WITHDRAWN, PriceListState.DISCARDED,
    ]  # fmt: skip


def test_a_price_of_a_list_does_not_change(first: PriceList) -> None:
    item = first.items.first()
    assert item is not None
    item.price += 1
    with pytest.raises(Conflict):
        item.save()


@pytest.mark.parametrize("role", ["manager", "auditor", "clinician", "resident"])
def test_others_decide_nothing(person: Person, recorded: PriceBasis, first: PriceList, role: str) -> None:
    who = person(role)
    for attempt in (
        lambda: prices.ask(who, recorded, {}, title="x", now=NOW),
        lambda: prices.draft_from_basis(who, recorded, title="x", now=NOW),
        lambda: prices.roll_back(who, first, effective_from=TODAY, reason="x", today=TODAY, now=NOW),
        lambda: prices.withdraw(who, first, reason="x", today=TODAY, now=NOW),
    ):
        with pytest.raises(NotAllowed):
            attempt()
