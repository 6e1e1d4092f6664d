"""What other rooms may ask, held against sums made by hand; what an administrator sees of registers."""

from dataclasses import replace
from datetime import date
from fractions import Fraction
from random import Random

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.test import RequestFactory

from salus.insurance import interface
from salus.insurance.models import (
    PriceList,
    PriceListItem,
    PriceListState,
    SettlementPool,
    SettlementRun,
)
from salus.insurance.services import claims, funds
from salus.kernel.errors import Invalid, NotAllowed, NotFound
from salus.kernel.ids import uuid7
from salus.kernel.models import AuditRow
from salus.kernel.policy import Principal
from tests.insurance.claims import world
from tests.insurance.claims.world import NOW, SYSTEM

pytestmark = pytest.mark.django_db(databases=["default", "audit"])
OFFICER = Principal(
    name="officer", roles=frozenset({"fund_officer"}), account_id=1, purpose="HPAYMT",
)  # fmt: skip


def test_cover_is_told_to_who_may_know_it_and_each_question_is_in_the_audit_chain() -> None:
    city = world.build()
    person, day = city.persons[0], date(2025, 6, 1)
    told = interface.cover_on(OFFICER, person, day, "inpatient", "H1")
    assert (told.covered, told.scheme, told.category) == (True, "resident", "adult")
    assert not interface.cover_on(OFFICER, person, date(2020, 1, 1), "inpatient", "H1").covered
    with pytest.raises(NotAllowed):
        interface.cover_on(replace(OFFICER, roles=frozenset({"planner"})), person, day, "inpatient", "H1")
    rows = AuditRow.objects.using("audit").filter(resource_type="Coverage", person_id=person)
    assert sorted(rows.values_list("outcome", flat=True)) == ["ok", "ok", "refused"]
    with pytest.raises(NotFound):
        interface.cover_on(OFFICER, uuid7(), day, "inpatient", "H1")
    with pytest.raises(NotFound):
        interface.cover_on(OFFICER, person, day, "inpatient", "H9")
    with pytest.raises(Invalid):
        interface.cover_on(OFFICER, person, day, "dental", "H1")


def test_a_fund_is_told_by_its_last_months() -> None:
    funds.receive(SYSTEM, "resident", "reserve", 1_000, date(2025, 12, 1), "R", now=NOW)
    funds.receive(SYSTEM, "resident", "premium", 300, date(2026, 1, 10), "P1", now=NOW)
    funds.transfer(SYSTEM, "resident", "serious", 100, date(2026, 1, 20), "T1", now=NOW)
    funds.receive(SYSTEM, "resident", "premium", 200, date(2026, 2, 10), "P2", now=NOW)
    funds.transfer(SYSTEM, "resident", "serious", 150, date(2026, 2, 20), "T2", now=NOW)
    told = interface.fund_indicators("resident", date(2026, 2, 3))
    assert [(m.month, m.income, m.payout, m.surplus) for m in told.months] == [
        (date(2026, 1, 1), 300, 100, 1_200), (date(2026, 2, 1), 200, 150, 1_250),
    ]  # fmt: skip
    assert (told.surplus, told.reserve_months) == (1_250, Fraction(1_250 * 2, 250))
    january = interface.fund_indicators("resident", date(2026, 1, 31))
    assert (january.surplus, january.reserve_months) == (1_200, Fraction(1_200, 100))
    assert interface.fund_indicators("resident", date(2026, 2, 3), months=1).reserve_months == Fraction(
        1_250, 150
    )
    assert interface.fund_indicators("aid", date(2026, 2, 3)).reserve_months is None
    with pytest.raises(Invalid):
        interface.fund_indicators("pension", date(2026, 2, 3))


def test_claims_are_told_by_who_pays_them_and_one_taken_back_is_not() -> None:
    city = world.build()
    charged = 0
    for seed in range(8):
        place, asked = world.claim(Random(seed), city, seed)
        made = claims.settle(city.sources[place], city.institutions[place], asked, now=NOW)
        if seed == 2:
            claims.take_back(SYSTEM, city.institutions[place], made.number, "charged twice", now=NOW)
        elif made.standing:
            charged += asked.charge
    told = interface.claim_indicators(date(2025, 1, 1), date(2026, 1, 31))
    assert told.charge == charged == told.funds + told.residents + told.institutions > 0
    assert told.residents_share == Fraction(told.residents, charged)
    assert interface.claim_indicators(date(2020, 1, 1), date(2020, 1, 31)).residents_share is None


def test_prices_and_published_settlements_are_told() -> None:
    listed = PriceList.objects.create(
        number=1, title="2026", made_at=NOW, made_by="x", state=PriceListState.PUBLISHED, decided_at=NOW,
        effective_from=date(2026, 1, 1), decided_by="x",
    )  # fmt: skip
    PriceListItem.objects.bulk_create(
        [PriceListItem(list=listed, item="X1", tier="", name="X", department="", price=1_250)]
    )
    assert interface.price_on("X1", "3", date(2026, 1, 1)) == 1_250
    assert interface.price_on("X1", "3", date(2025, 12, 31)) is None
    common = {
        "year": 2025,
        "parameters": {},
        "parameters_on": date(2025, 1, 1),
        "refused": 0,
        "recorded_at": NOW,
    }
    for version, state in ((1, "withdrawn"), (2, "published")):
        run = SettlementRun.objects.create(
            method="drg",
            version=version,
            state=state,
            result_digest=f"{version}",
            cases=10 * version,
            **common,
        )
        for insured, paid in (("employee", 60), ("resident", 30)):
            SettlementPool.objects.create(
                run=run, insured=insured, budget=100, reserve=0, paid=paid, forfeited=0, reserve_used=0,
                left=100 - paid,
            )  # fmt: skip
    (told,) = interface.settlement_indicators(2025)
    assert (told.method, told.version, told.cases) == ("drg", 2, 20)
    assert (told.budget, told.paid, told.left, told.by_group) == (200, 90, 110, 0)
    assert interface.settlement_indicators(2024) == ()


def test_an_administrator_looks_at_the_registers_and_at_no_resident(rf: RequestFactory) -> None:
    request = rf.get("/")
    request.user = get_user_model().objects.create_superuser("root", password="long enough for this")
    request.session = {}  # type: ignore[assignment]
    world.build(residents=1)
    shown = {
        model: one for model, one in admin.site._registry.items() if model._meta.app_label == "insurance"
    }
    assert len(shown) >= 9
    for model, one in shown.items():
        assert not {field.name for field in model._meta.get_fields()} & {"person_id", "household", "claim"}
        listed = one.get_changelist_instance(request)
        assert listed.queryset.count() == model._default_manager.count()
        assert not (
            one.has_add_permission(request)
            or one.has_change_permission(request)
            or one.has_delete_permission(request)
        )
