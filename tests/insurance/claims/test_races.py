"""What happens at the same time happens one after the other: tills, payments, months and price lists."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from random import Random
from typing import Any

import pytest
from django.db import connection, connections

from salus.insurance.models import (
    Adjudication,
    Claim,
    JournalEntry,
    MonthClose,
    PaymentBatch,
    PriceList,
    PriceListState,
)
from salus.insurance.queries import fund as asking
from salus.insurance.services import claim_batch, claims, funds, payments, prices
from salus.kernel.errors import SalusError
from salus.kernel.models import Institution
from salus.kernel.policy import Principal
from tests.insurance.claims import world
from tests.insurance.claims.world import NOW, SYSTEM, City

pytestmark = pytest.mark.django_db(databases=["default", "audit"], transaction=True)
OFFICER = Principal(name="officer", roles=frozenset({"fund_officer"}), account_id=1)
COLLEAGUE = Principal(name="colleague", roles=frozenset({"fund_officer"}), account_id=2)


@pytest.fixture(autouse=True)
def only_where_writers_meet(request: pytest.FixtureRequest) -> Iterator[None]:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time; the whole run is made on PostgreSQL too")
    yield


@pytest.fixture
def town(only_where_writers_meet: None, transactional_db: None) -> City:
    return world.build()


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """Run acts in threads that begin together; return what each gave, or the code of its typed error."""
    start, told = threading.Barrier(len(acts)), [None] * len(acts)

    def run(place: int, act: Callable[[], Any]) -> None:
        try:
            start.wait(10)
            told[place] = act()
        except SalusError as error:
            told[place] = error.code  # type: ignore[call-overload]
        except Exception as error:  # noqa: BLE001 - what else it is the test's comparison shows
            told[place] = repr(error)  # type: ignore[call-overload]
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=one) for one in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return told


def drawn(city: City, seed: int, **change: Any) -> tuple[Principal, Institution, Any]:
    place, asked = world.claim(Random(seed), city, seed)
    return city.sources[place], city.institutions[place], replace(asked, **change)


def till(one: tuple[Principal, Institution, Any]) -> Callable[[], Claim]:
    return lambda: claims.settle(*one, now=NOW)


def test_a_claim_sent_four_times_at_once_is_one_claim(town: City) -> None:
    one = drawn(town, 1)
    told = at_once(*[till(one)] * 4)
    assert {getattr(x, "pk", x) for x in told} == {Claim.objects.get().pk}
    assert Adjudication.objects.count() == 1


def test_one_number_for_two_residents_at_once_is_one_claim_and_one_refusal(town: City) -> None:
    both = [drawn(town, 1, person_id=person) for person in town.persons[:2]]
    told = at_once(*map(till, both))
    assert sorted(x if isinstance(x, str) else "claim" for x in told) == ["claim", "claim-number-used"]
    assert Claim.objects.count() == 1


def test_tills_and_a_month_for_one_resident_use_her_year_up_as_if_they_came_in_turn(town: City) -> None:
    """The sums of what is used up are those of the claims in the order in which they were decided on."""
    mine = [drawn(town, seed, person_id=town.persons[0]) for seed in range(2, 8)]
    month = [(place, asked) for _principal, place, asked in mine[3:]]
    told = at_once(*map(till, mine[:3]), lambda: claim_batch.settle_many(SYSTEM, month, now=NOW))
    assert not [x for x in told if isinstance(x, str)]
    at_the_time = [
        (c.number, c.fund_fen, c.resident_fen)
        for c in Claim.objects.filter(adjudications__version=1).order_by("adjudications__id")
    ]
    by_number = {asked.number: (principal, place, asked) for principal, place, asked in mine}
    for claim in Claim.objects.all():
        claims.take_back(SYSTEM, claim.institution, claim.number, "once more in turn", now=NOW)
    for number, fund, resident in at_the_time:
        principal, place, asked = by_number[number]
        again = claims.settle(principal, place, replace(asked, number=f"{number}/2"), now=NOW)
        assert (again.fund_fen, again.resident_fen) == (fund, resident)


def test_a_payment_prepared_approved_and_paid_twice_at_once_is_one_payment(town: City) -> None:
    place = town.institutions[0]
    for seed in range(2, 12):
        principal, _place, asked = drawn(town, seed)
        claims.settle(SYSTEM, place, asked, now=NOW)
    told = at_once(*[lambda: payments.prepare(OFFICER, place, world.TODAY, now=NOW)] * 2)
    assert sorted(x if isinstance(x, str) else "batch" for x in told) == ["batch", "batch-empty"]
    number = PaymentBatch.objects.get().pk
    told = at_once(*[lambda: payments.approve(COLLEAGUE, number, now=NOW)] * 2)
    assert sorted(x if isinstance(x, str) else "batch" for x in told) == ["batch", "batch-state"]
    told = at_once(*[lambda: payments.pay(COLLEAGUE, number, world.TODAY, now=NOW)] * 2)
    assert sorted(x if isinstance(x, str) else "batch" for x in told) == ["batch", "batch-state"]
    assert JournalEntry.objects.filter(kind="payment").count() == len(
        {item.fund for item in PaymentBatch.objects.get().items.all()}
    )
    assert all(asking.balances(fund).get("payable", 0) == 0 for fund in asking.FUNDS)


def test_a_month_that_closes_holds_all_that_was_entered_into_it(town: City) -> None:
    day = date(2026, 2, 10)
    acts: list[Callable[[], Any]] = [
        lambda n=n: funds.receive(OFFICER, "free", "budget", 10 + n, day, f"B{n}", now=NOW)  # type: ignore[misc]
        for n in range(6)
    ]
    at_once(*acts[:3], lambda: funds.close_month(OFFICER, "free", day, now=NOW), *acts[3:])
    closed = MonthClose.objects.get(fund="free")
    assert closed.balances == asking.balances("free", date(2026, 2, 28))


def test_a_voucher_entered_twice_at_once_is_one_entry(town: City) -> None:
    day = date(2026, 2, 10)
    at = [lambda: funds.receive(OFFICER, "free", "budget", 10, day, "B", now=NOW)] * 3
    assert {getattr(x, "pk", x) for x in at_once(*at)} == {JournalEntry.objects.get(fund="free").pk}


def test_of_two_price_lists_published_at_once_one_is_refused(town: City) -> None:
    drafts = [
        PriceList.objects.create(number=n, title=f"{n}", made_at=NOW, made_by="officer") for n in (1, 2)
    ]
    acts = [
        lambda one=one, day=day: prices.publish(
            OFFICER, one, effective_from=date(2026, 4, day), today=world.TODAY, now=NOW
        )
        for one, day in zip(drafts, (1, 2), strict=True)
    ]
    told = at_once(*acts)
    assert sorted(x if isinstance(x, str) else "list" for x in told) == ["list", "price-list-stale"]
    assert PriceList.objects.filter(state=PriceListState.PUBLISHED).count() == 1
