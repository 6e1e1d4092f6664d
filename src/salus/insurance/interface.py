"""What other rooms may ask of the insurance: who is covered, what an item costs, how the funds stand.

Answers are frozen dataclasses of plain values; money is fen. Only `cover_on` concerns a resident: it asks the
policy and leaves its audit row. The indicators are the city's sums and name nobody.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from uuid import UUID

from django.utils.translation import gettext_noop as _

from salus.kernel.errors import Invalid, NotFound
from salus.kernel.money import Fen
from salus.kernel.policy import Principal


@dataclass(frozen=True, slots=True)
class Cover:
    """Whether a person is covered, by which scheme as which kind of member, and why (or why not)."""

    covered: bool
    reason: str
    scheme: str | None
    category: str | None


@dataclass(frozen=True, slots=True)
class FundMonth:
    """What a fund received, decided to pay out, and had left at the end of a month, in fen."""

    month: date
    income: Fen
    payout: Fen
    surplus: Fen


@dataclass(frozen=True, slots=True)
class FundIndicators:
    """A fund over some months, and for how many months its surplus lasts; None without payouts."""

    fund: str
    months: Sequence[FundMonth]
    surplus: Fen
    reserve_months: Fraction | None


@dataclass(frozen=True, slots=True)
class ClaimIndicators:
    """Claims that stand, by the day of discharge: charge = funds + residents + institutions, in fen."""

    first: date
    last: date
    claims: int
    charge: Fen
    funds: Fen
    residents: Fen
    institutions: Fen

    @property
    def residents_share(self) -> Fraction | None:
        """Which part of the charges residents pay themselves; None without charges."""
        return Fraction(self.residents, self.charge) if self.charge else None


@dataclass(frozen=True, slots=True)
class SettlementIndicators:
    """A published settlement by group: budget = paid + left; by group and by item what was due, in fen."""

    year: int
    method: str
    version: int
    cases: int
    budget: Fen
    paid: Fen
    left: Fen
    by_group: Fen
    by_item: Fen


def cover_on(principal: Principal, person_id: UUID, day: date, service: str, institution: str) -> Cover:
    """Say whether a person is covered on a day for a service at an institution (its code).

    It is a read of her data: the policy decides and an audit row is left.

    Raises:
        NotAllowed: the principal may not read her coverage.
        NotFound: there is no such person or institution.
        Invalid: there is no such service.
    """
    from salus.insurance.eligibility import SERVICES
    from salus.insurance.queries import cover
    from salus.kernel.models import Institution

    if service not in SERVICES:
        raise Invalid("service-unknown", _("There is no such service"), where="service")
    place = Institution.objects.filter(code=institution).first()
    if place is None:
        raise NotFound("institution-unknown", _("The institution is not known"), where="institution")
    found = cover.covered(principal, person_id, day, service, place)
    return Cover(found.covered, found.reason, found.scheme, found.category)


def price_on(item: str, tier: str, day: date) -> Fen | None:
    """Return what an item costs in hospitals of a tier on a day, in fen; None when no list has it."""
    from salus.insurance.queries import prices

    return prices.price_on(item, tier, day)


def fund_indicators(fund: str, until: date, *, months: int = 12) -> FundIndicators:
    """Return a fund's last months with entries up to the end of the month of a day, and its reserve then.

    Raises:
        Invalid: there is no such fund.
    """
    from calendar import monthrange

    from salus.insurance.models import Fund
    from salus.insurance.queries import fund as asking

    if fund not in Fund.values:
        raise Invalid("fund-unknown", _("There is no such fund"), where="fund")
    last = until.replace(day=monthrange(until.year, until.month)[1])
    recent = [one for one in asking.months(fund) if one.month <= last][-months:]
    left, paid = asking.surplus(fund, last), sum(one.payout for one in recent)
    return FundIndicators(
        fund,
        tuple(FundMonth(one.month, one.total, one.payout, one.surplus) for one in recent),
        left,
        Fraction(left * len(recent), paid) if paid > 0 else None,
    )


def claim_indicators(first: date, last: date) -> ClaimIndicators:
    """Return what claims discharged from a day to a day came to, without what was denied or taken back."""
    from django.db.models import Count, Sum

    from salus.insurance.models import Claim

    found = Claim.objects.filter(standing=True, discharged__range=(first, last)).aggregate(
        claims=Count("id"), funds=Sum("fund_fen"), residents=Sum("resident_fen"), others=Sum("withheld_fen")
    )
    funds, residents, others = (found[name] or 0 for name in ("funds", "residents", "others"))
    return ClaimIndicators(first, last, found["claims"], funds + residents + others, funds, residents, others)


def settlement_indicators(year: int) -> Sequence[SettlementIndicators]:
    """Return the published settlements of a year, one a method, by its name."""
    from django.db.models import Sum

    from salus.insurance.models import PublicationState, SettlementRun

    rows = []
    for run in SettlementRun.objects.filter(year=year, state=PublicationState.PUBLISHED).order_by("method"):
        pools = run.pools.aggregate(budget=Sum("budget"), paid=Sum("paid"), left=Sum("left"))
        due = run.lines.aggregate(group=Sum("by_group"), item=Sum("by_item"))
        rows.append(
            SettlementIndicators(
                run.year, str(run.method), run.version, run.cases, pools["budget"] or 0, pools["paid"] or 0,
                pools["left"] or 0, due["group"] or 0, due["item"] or 0,
            )
        )  # fmt: skip
    return tuple(rows)
