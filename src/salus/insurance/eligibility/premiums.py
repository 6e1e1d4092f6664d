"""What members pay: the residents' yearly premium with its subsidies, the employees' monthly contribution."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from salus.insurance.eligibility.rules import Rules
from salus.kernel.errors import Invalid, NotFound
from salus.kernel.money import Fen, round_fen


@dataclass(frozen=True, slots=True)
class Premium:
    """The parts of a premium in fen: the member's, medical aid's, public finance's, the employer's.

    `status` is the one for which aid pays, empty if none does.
    """

    own: Fen
    aid: Fen = 0
    finance: Fen = 0
    employer: Fen = 0
    status: str = ""

    @property
    def total(self) -> Fen:
        """The income of the fund."""
        return self.own + self.aid + self.finance + self.employer


def resident_premium(
    rules: Rules, category: str, year: int, statuses: Sequence[str], *, day: date | None = None
) -> Premium:
    """Return the parts of a resident's premium for a year, for somebody with these statuses.

    Aid takes over a share of what the member would pay: the largest to which a status entitles her.
    `day` is the day by which the subsidy is judged (the year's first day if left out).

    Raises:
        NotFound: no premium is published for the category and the year.
    """
    first = date(year, 1, 1)
    found = [p for p in rules.premiums if p.category == category and p.start <= first <= p.end]
    if not found:
        raise NotFound("premium-unknown", "There is no premium for this category and year", where=str(year))
    own, finance = found[0].own, found[0].finance
    on = day or first
    best = max(
        (s for s in rules.subsidies if s.status in statuses and s.start <= on <= s.end),
        key=lambda s: (s.percent, s.status),
        default=None,
    )
    aid = 0 if best is None else round_fen(Fraction(own * best.percent, 100))
    return Premium(own - aid, aid, finance, status=best.status if best else "")


def employee_contribution(rules: Rules, category: str, month: date, wage: Fen) -> Premium:
    """Return the parts of a month's contribution on a monthly wage, its base held within the bounds.

    Raises:
        Invalid: the wage is negative.
        NotFound: no rate or no average wage is known for the month.
    """
    if wage < 0:
        raise Invalid("wage-negative", "A wage must not be negative", where="wage")
    rates = [r for r in rules.rates if r.category == category and r.start <= month]
    averages = [fen for start, fen in rules.wages if start <= month]
    if not rates or not averages:
        raise NotFound("rate-unknown", "There is no rate or no average wage for this month", where=str(month))
    rate, average = max(rates, key=lambda r: r.start), averages[-1]
    low, high = average * rate.floor_percent // 100, average * rate.ceiling_percent // 100
    base = min(max(wage, low), high)
    return Premium(
        round_fen(Fraction(base * rate.own, 10_000)),
        employer=round_fen(Fraction(base * rate.employer, 10_000)),
    )
