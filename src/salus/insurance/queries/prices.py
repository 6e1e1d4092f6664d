"""What can be asked of prices: the list in force, an item's price on a day, all prices of a day or a time."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db.models import QuerySet

from salus.insurance.models import PriceBasis, PriceList, PriceListItem, PriceListState, PriceStudy
from salus.insurance.queries.cover import parts
from salus.kernel import policy
from salus.kernel.money import Fen
from salus.kernel.policy import Principal, Target

EVERY_TIER = ""
CEILINGS = ("ceiling_1", "ceiling_2", "ceiling_3")


@dataclass(frozen=True, slots=True)
class DatedPrice:
    """A price from a day to a day (both included; `last` None: until further notice), fen."""

    item: str
    tier: str
    price: Fen
    first: date
    last: date | None
    list_number: int


def list_in_force(day: date) -> PriceList | None:
    """Return the published list in force on a day, or None when there is none."""
    published = PriceList.objects.filter(state=PriceListState.PUBLISHED, effective_from__lte=day)
    return published.order_by("-effective_from").first()


def price_on(item: str, tier: str, day: date) -> Fen | None:
    """Return what an item costs in hospitals of a tier on a day, in fen; None when no list has it.

    The tier's own price comes before the one of every tier.
    """
    held = list_in_force(day)
    if held is None:
        return None
    found = dict(
        PriceListItem.objects.filter(list=held, item=item, tier__in=(tier, EVERY_TIER)).values_list(
            "tier", "price"
        )
    )
    return found.get(tier, found.get(EVERY_TIER))


def prices_as_of(day: date) -> "QuerySet[PriceListItem]":
    """Return all prices in force on a day, a row an item and tier ("" is every tier without its own row)."""
    held = list_in_force(day)
    rows = PriceListItem.objects.select_related("list")
    return rows.none() if held is None else rows.filter(list=held)


def prices_between(first: date, last: date) -> Iterator[DatedPrice]:
    """Yield every price that is in force on some day from `first` to `last`, with its own first and last day.

    One row an item, tier and list: what a month of claims is joined with by day.
    """
    lists = list(
        PriceList.objects.filter(state=PriceListState.PUBLISHED, effective_from__lte=last).order_by(
            "effective_from"
        )
    )
    for held, following in zip(lists, [*lists[1:], None], strict=True):
        begins = held.effective_from
        ends = None if following is None or following.effective_from is None else following.effective_from
        if begins is None or (ends is not None and ends <= first):
            continue
        until = None if ends is None else ends - timedelta(days=1)
        rows = PriceListItem.objects.filter(list=held).order_by("item", "tier")
        for item, tier, price in rows.values_list("item", "tier", "price").iterator():
            yield DatedPrice(item, tier, price, begins, until, held.number)


def priced(catalogue: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield rows of the adjudication's catalogue with published prices as the most that is payable.

    A list that changes what is payable while an item's row is in force gives the item a row of its own from
    that day: its ceilings are the list's prices where it has some, else the catalogue's.
    """
    held: dict[str, list[Mapping[str, Any]]] = {}
    for row in catalogue:
        held.setdefault(row["item"], []).append(row)
    published = PriceList.objects.filter(state=PriceListState.PUBLISHED).order_by("effective_from")
    known = [(one.pk, one.effective_from) for one in published if one.effective_from is not None]
    told: dict[tuple[str, int], dict[str, Fen]] = {}
    for part in parts(sorted(held)) if known else ():
        rows = PriceListItem.objects.filter(list__in=[number for number, _ in known], item__in=part)
        for number, item, tier, price in rows.values_list("list_id", "item", "tier", "price"):
            told.setdefault((item, number), {})[tier] = price
    for item, rows_of_item in held.items():
        yield from _dated(
            sorted(rows_of_item, key=lambda row: row["valid_from"]),
            [(first, told.get((item, number), {})) for number, first in known],
        )


def _dated(
    rows: list[Mapping[str, Any]], lists: list[tuple[date, dict[str, Fen]]]
) -> Iterator[dict[str, Any]]:
    """Yield an item's rows, each with the prices of the list in force, and anew from each list's day."""
    for row, following in zip(rows, [*rows[1:], None], strict=True):
        begins, ends = row["valid_from"], following["valid_from"] if following else date.max
        before = [prices for first, prices in lists if first <= begins]
        last = {**row, **_ceilings(before[-1] if before else {})}
        yield last
        for first, prices in lists:
            if begins < first < ends and (row["valid_to"] is None or first <= row["valid_to"]):
                now = {**row, "valid_from": first, **_ceilings(prices)}
                if any(now.get(name) != last.get(name) for name in CEILINGS):
                    last = now
                    yield now


def _ceilings(prices: Mapping[str, Fen]) -> dict[str, Fen]:
    return {
        f"ceiling_{tier}": price
        for tier in (1, 2, 3)
        if (price := prices.get(f"tier{tier}", prices.get(EVERY_TIER))) is not None
    }


def lists(principal: Principal) -> "QuerySet[PriceList]":
    """Return the lists that the principal may see: all, or what is published to who only reads."""
    policy.require(principal, "search", Target("service_price"))
    found = PriceList.objects.select_related("based_on", "restores", "study")
    if not policy.permits(principal, "create", "service_price"):
        found = found.filter(state=PriceListState.PUBLISHED)
    return found


def studies(principal: Principal) -> "QuerySet[PriceStudy]":
    """Return the studies of new prices, for who may ask for one."""
    policy.require(principal, "create", Target("service_price"))
    return PriceStudy.objects.select_related("basis")


def bases(principal: Principal) -> "QuerySet[PriceBasis]":
    """Return the bases, for who may ask for a study."""
    policy.require(principal, "create", Target("service_price"))
    return PriceBasis.objects.all()


def compared(one: PriceList) -> list[dict[str, Any]]:
    """Return a list's prices beside those of the list it is based on: code, tier, name, department, fen."""
    before = {(row.item, row.tier): row.price for row in one.based_on.items.all()} if one.based_on else {}
    rows = []
    for row in one.items.order_by("item", "tier"):
        old = before.get((row.item, row.tier))
        rows.append(
            {
                "id": row.pk,
                "item": row.item,
                "tier": row.tier,
                "name": row.name,
                "department": row.department,
                "price": row.price,
                "old": old,
                "change": None if old is None else row.price - old,
            }
        )
    return rows
