"""What is published as a service's price is the most that claims of its days are paid for it."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from random import Random

import pytest

from salus.insurance.models import CatalogueItem, Claim, PriceList, PriceListItem, PriceListState
from salus.insurance.queries import prices
from salus.insurance.services import claim_batch, claim_storing, claims
from tests.insurance.claims import world
from tests.insurance.claims.world import NOW, SYSTEM, City

pytestmark = pytest.mark.django_db(databases=["default", "audit"])
ITEM, CHARGED = "X1", 90_000


def published(number: int, first: date, **by_tier: int) -> PriceList:
    """Publish a list with prices of one item; `every` is every tier's."""
    made = PriceList.objects.create(
        number=number, title=f"List {number}", state=PriceListState.PUBLISHED, effective_from=first,
        made_at=NOW, made_by="test",
    )  # fmt: skip
    PriceListItem.objects.bulk_create(
        PriceListItem(list=made, item=ITEM, tier="" if tier == "every" else tier, price=price)
        for tier, price in by_tier.items()
    )
    return made


def asked(city: City, number: int, day: date) -> world.AskedClaim:
    _place, one = world.claim(Random(5), city, number, city.persons[0], day)
    line = replace(
        one.lines[0], item=ITEM, quantity=Decimal(1), unit_price=CHARGED, charge=CHARGED, service_date=day
    )
    return replace(
        one, kind="outpatient", admitted=day, discharged=day, lines=[line], charge=CHARGED,
        submitted=day + timedelta(days=5),
    )  # fmt: skip


def over(claim: Claim) -> int:
    """Return how much of the claim was found to be over the price."""
    found = claim_storing.latest(claim).findings.filter(code="service-price")
    return sum(one.amount_fen for one in found)


@pytest.mark.parametrize("way", ["till", "batch"])
def test_a_claim_is_paid_to_the_price_in_force_on_its_day_at_its_tier(city: City, way: str) -> None:
    published(1, date(2025, 3, 1), every=50_000, tier3=60_000)
    published(2, date(2025, 9, 1), every=95_000)
    days = [date(2025, 2, 28), date(2025, 3, 1), date(2025, 8, 31), date(2025, 9, 1)]
    for tier, most in ((1, 50_000), (3, 60_000)):
        place = city.institutions[tier - 1]
        rows = [asked(city, 10 * tier + n, day) for n, day in enumerate(days)]
        if way == "till":
            made = [claims.settle(SYSTEM, place, one, now=NOW) for one in rows]
        else:
            outcomes = claim_batch.settle_many(SYSTEM, [(place, one) for one in rows], now=NOW)
            made = [one.claim for one in outcomes if one.claim]
        assert [over(one) for one in made] == [0, CHARGED - most, CHARGED - most, 0]


def test_a_list_that_is_rolled_back_by_another_leaves_its_own_days_as_they_were(city: City) -> None:
    published(1, date(2025, 3, 1), every=50_000)
    published(2, date(2025, 4, 1))  # a whole list without the item: the catalogue's ceiling counts again
    place = city.institutions[0]
    made = [
        claims.settle(SYSTEM, place, asked(city, n, day), now=NOW)
        for n, day in enumerate([date(2025, 3, 31), date(2025, 4, 1)])
    ]
    assert [over(one) for one in made] == [40_000, 0]


def test_prices_and_changes_of_the_catalogue_meet(city: City) -> None:
    base = CatalogueItem.objects.filter(item=ITEM).values().get()
    changed = {"valid_from": date(2025, 5, 1), "valid_to": date(2025, 6, 30), "ceiling_3": 70_000}
    CatalogueItem.objects.create(**{k: v for k, v in base.items() if k != "id"} | changed)
    published(1, date(2025, 3, 1), tier3=60_000)
    published(2, date(2025, 6, 1), tier1=40_000)
    published(3, date(2025, 8, 1), every=30_000)
    rows = [
        dict(row)
        for row in CatalogueItem.objects.filter(item=ITEM).values(
            "item", "valid_from", "valid_to", "ceiling_1", "ceiling_3"
        )
    ]
    found = [(row["valid_from"], row["ceiling_1"], row["ceiling_3"]) for row in prices.priced(rows)]
    assert found == [
        (date(2020, 1, 1), None, None), (date(2025, 3, 1), None, 60_000), (date(2025, 5, 1), None, 60_000),
        (date(2025, 6, 1), 40_000, 70_000),
    ]  # fmt: skip


def test_a_withdrawn_list_and_no_list_change_nothing(city: City) -> None:
    PriceList.objects.filter(pk=published(1, date(2025, 3, 1), every=50_000).pk).update(
        state=PriceListState.WITHDRAWN
    )
    claim = claims.settle(SYSTEM, city.institutions[0], asked(city, 1, date(2025, 4, 1)), now=NOW)
    assert over(claim) == 0


def test_a_list_without_an_item_leaves_its_decisions_as_they_are(city: City) -> None:
    CatalogueItem.objects.filter(item=ITEM).update(payment_class="B", self_share=1000)
    place = city.institutions[0]
    claims.settle(SYSTEM, place, asked(city, 1, date(2025, 4, 1)), now=NOW)
    published(1, date(2025, 3, 1))
    assert claims.decide_again(SYSTEM, city.persons[0], 2025, "a new list", now=NOW) == []
    published(2, date(2025, 3, 2), every=50_000)
    assert len(claims.decide_again(SYSTEM, city.persons[0], 2025, "a new list", now=NOW)) == 1
