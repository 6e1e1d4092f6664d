"""Monthly payment and year-end clearing by institution; every fen of the budget is accounted for.

Source: NHSA, administrative rules for payment by DRG (2021): monthly advance with a quality deposit, yearly
assessment and clearing, surplus kept and reasonable overspending shared. Points: Zhejiang, interim measures
for DRG points (2019): the year's budget over the year's points.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from typing import Any

from salus.insurance.payment.amounts import PARTS
from salus.insurance.payment.parameters import Band, Parameters
from salus.insurance.payment.rates import Budget
from salus.kernel.errors import Invalid
from salus.kernel.money import round_fen, share, split


@dataclass(frozen=True, slots=True)
class MonthlyPayment:
    """What an institution is paid for a month: the fund's amount, what is held back, and what is paid."""

    institution: str
    insured: str
    month: date
    cases: int
    amount: int
    deposit: int

    @property
    def paid(self) -> int:
        """The amount without the deposit."""
        return self.amount - self.deposit


@dataclass(frozen=True, slots=True)
class Line:
    """The year's clearing of one institution and insured group, in fen.

    `by_group` is the fund's amount by weight or points, `by_item` what it would be by item; `kept` is the
    surplus left to the institution, `borne` the overspending taken over by the fund, `cut` what the budget
    did not cover. `entitled` = what the institution is due; `forfeited` the part of the deposit it loses;
    `advance` and `monthly` were paid already; `final` is paid now (or paid back).
    """

    institution: str
    insured: str
    cases: int
    points: int
    by_group: int
    by_item: int
    kept: int
    borne: int
    cut: int
    entitled: int
    deposit: int
    forfeited: int
    advance: int
    monthly: int

    @property
    def paid(self) -> int:
        """What the institution has been paid in all when the final payment is made."""
        return self.entitled - self.forfeited

    @property
    def final(self) -> int:
        """What is paid at the clearing; negative when the institution pays back."""
        return self.paid - self.advance - self.monthly


@dataclass(frozen=True, slots=True)
class Pool:
    """The year's clearing of one insured group's budget, in fen: budget = paid + left."""

    insured: str
    budget: int
    reserve: int
    paid: int
    forfeited: int
    reserve_used: int

    @property
    def left(self) -> int:
        """What stays with the fund: forfeited deposits are in it."""
        return self.budget - self.paid


def monthly(rows: Sequence[Mapping[str, Any]], rule: Parameters) -> list[MonthlyPayment]:
    """Return the payments of each month from rows of the job `months`."""
    held = Fraction(rule.deposit, PARTS)
    return [
        MonthlyPayment(
            row["institution"], row["insured"], row["month"], int(row["cases"]), int(row["fund_pay"]),
            share(int(row["fund_pay"]), held),
        )
        for row in rows
    ]  # fmt: skip


def advances(last_year: Mapping[tuple[str, str], int], rule: Parameters) -> dict[tuple[str, str], int]:
    """Return the advance at the start of the year: so many average months of last year's fund payments."""
    months = Fraction(rule.prepaid_months, PARTS) / 12
    return {key: share(fen, months) for key, fen in last_year.items()}


def close(
    rows: Sequence[Mapping[str, Any]],
    budget: Mapping[str, Budget],
    rule: Parameters,
    *,
    returned: Mapping[str, int] | None = None,
    advance: Mapping[tuple[str, str], int] | None = None,
) -> tuple[list[Line], list[Pool]]:
    """Clear the year from rows of the job `months`.

    With the closing `fixed` each institution is due its amount by group, its surplus and overspending by the
    bands, and all are cut in proportion where the budget with its reserve does not suffice. With `floating`
    the budget without the reserve is shared by points, whole.

    Args:
        rows: of the whole year.
        budget: of each insured group.
        rule: the parameters.
        returned: by institution the share of its deposit that it earns back (ten-thousandths; else all).
        advance: by institution and insured group what was paid at the start of the year, fen.

    Raises:
        Invalid: an insured group has no budget (`budget-missing`), or what is paid by item takes it all
            (`closing-budget`).
    """
    returned, advance = returned or {}, advance or {}
    paid = monthly(rows, rule)
    lines: list[Line] = []
    pools: list[Pool] = []
    for insured in sorted({row["insured"] for row in rows}):
        if insured not in budget:
            raise Invalid(
                "budget-missing", f"There are cases of {insured} and no budget for them", fix="Give one"
            )
        mine = _sums([row for row in rows if row["insured"] == insured])
        due = (_floating if rule.closing == "floating" else _fixed)(mine, budget[insured], rule)
        found = []
        for line in due:
            months = [p for p in paid if p.institution == line.institution and p.insured == insured]
            deposit = sum(p.deposit for p in months)
            earned = share(deposit, Fraction(returned.get(line.institution, PARTS), PARTS))
            found.append(
                replace(
                    line,
                    deposit=deposit,
                    forfeited=min(deposit - earned, line.entitled),
                    advance=advance.get((line.institution, insured), 0),
                    monthly=sum(p.paid for p in months),
                )
            )
        lines.extend(found)
        total = sum(line.paid for line in found)
        due_all = sum(line.entitled for line in found)
        pools.append(
            Pool(
                insured=insured,
                budget=budget[insured].total,
                reserve=budget[insured].reserve,
                paid=total,
                forfeited=sum(line.forfeited for line in found),
                reserve_used=max(0, due_all - budget[insured].payable),
            )
        )
    return lines, pools


def _sums(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the year's sums by institution, in order."""
    found: dict[str, dict[str, Any]] = defaultdict(lambda: defaultdict(int))
    for row in rows:
        for name in ("cases", "own", "fund", "points", "fixed", "fund_pay"):
            found[row["institution"]][name] += int(row[name])
    insured = rows[0]["insured"]
    return [{"institution": code, "insured": insured, **found[code]} for code in sorted(found)]


def _line(row: Mapping[str, Any], by_group: int, kept: int, borne: int) -> Line:
    by_item = row["fund"]
    entitled = by_item + kept if by_group >= by_item else by_group + borne
    return Line(
        row["institution"], row["insured"], row["cases"], row["points"], by_group, by_item, kept, borne,
        0, entitled, 0, 0, 0, 0,
    )  # fmt: skip


def _fixed(rows: Sequence[Mapping[str, Any]], budget: Budget, rule: Parameters) -> list[Line]:
    lines = []
    for row in rows:
        by_group, by_item = row["fund_pay"], row["fund"]
        kept = in_bands(by_group - by_item, by_group, rule.surplus) if by_group > by_item else 0
        borne = in_bands(by_item - by_group, by_group, rule.overspend) if by_item > by_group else 0
        lines.append(_line(row, by_group, kept, borne))
    return _within(lines, budget.total)


def in_bands(difference: int, base: int, bands: Sequence[Band]) -> int:
    """Return the share of a difference (fen) over bands of its ratio to a base, rounded once."""
    total = Fraction(0)
    begun = Fraction(0)
    for end, part in bands:
        stop = Fraction(difference) if end is None else min(Fraction(difference), Fraction(base * end, PARTS))
        if stop > begun:
            total += (stop - begun) * part / PARTS
            begun = stop
    return round_fen(total)


def _floating(rows: Sequence[Mapping[str, Any]], budget: Budget, rule: Parameters) -> list[Line]:
    """Share the budget by points, after what is paid by item; institutions' amounts add up to it exactly."""
    charges = budget.payable + sum(row["own"] for row in rows)
    by_points = charges - sum(row["fixed"] for row in rows)
    if by_points <= 0 or not any(row["points"] for row in rows):
        raise Invalid(
            "closing-budget", "What is paid by item takes the whole budget", where=budget.insured,
            fix="Give a larger budget, or check the weights",
        )  # fmt: skip
    amounts = split(by_points, [row["points"] for row in rows])
    due = [amount + row["fixed"] - row["own"] for amount, row in zip(amounts, rows, strict=True)]
    if min(due) < 0:  # patients paid more than the points are worth: that institution is due nothing
        due = split(budget.payable, [max(0, one) for one in due])
    lines = []
    for row, entitled in zip(rows, due, strict=True):
        surplus = entitled - row["fund"]
        lines.append(_line(row, entitled, max(0, surplus), 0))
    return lines


def _within(lines: Sequence[Line], total: int) -> list[Line]:
    """Cut what institutions are due in proportion where it is more than there is."""
    due = [line.entitled for line in lines]
    if sum(due) <= total:
        return list(lines)
    parts = split(total, due)
    return [
        replace(line, entitled=part, cut=line.entitled - part)
        for line, part in zip(lines, parts, strict=True)
    ]
