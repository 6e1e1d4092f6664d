"""Benefits of one claim: the row-wise twin of `benefits.sql`, as the sequence of a year's claims is in law.

Each account of the year stands where earlier claims left it; a claim moves it forward. What the batch writes
as differences of running sums is written here as the step itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from salus.insurance.adjudication.row_edits import Payable
from salus.insurance.adjudication.rules import Record, Rules
from salus.insurance.adjudication.tables import UNLIMITED

Balances = Mapping[tuple[int, str, str], int]
Event = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Settled:
    """What a claim is paid as a whole: the columns of the table claims, and what it used up."""

    claim: dict[str, Any]
    events: list[Event]
    own: int
    serious_sum: int
    free_base: int
    class_b_counts: bool
    free_outside: bool


def portions(line: Payable) -> tuple[int, int, int]:
    """Return what of a line is eligible, the first share of class B, and what lies outside the catalogue."""
    kind, amount = line.facts["item_class"], line.amount
    if kind not in ("A", "B"):
        return 0, 0, amount
    share = (amount * (line.facts["self_share"] or 0) + 5000) // 10000 if kind == "B" else 0
    return amount - share, share, 0


def settle(facts: Mapping[str, Any], lines: Sequence[Payable], balances: Balances, rules: Rules) -> Settled:
    """Return what each fund pays of a claim: basic, serious-illness, medical aid, free treatment."""
    year, scheme, kind, group = (
        facts["year"],
        facts["cover_scheme"],
        facts["claim_kind"],
        facts["person_class"],
    )
    tier, day, illness = facts["institution_tier"], facts["claim_discharged"], facts["claim_illness"]
    parts = [portions(line) for line in lines]
    eligible, class_b, outside = (sum(part[n] for part in parts) for n in range(3))
    events: list[Event] = []

    def used(account: str, key: str) -> int:
        return balances.get((year, account, key), 0)

    def note(account: str, key: str, amount: int) -> int:
        if amount:
            events.append((account, key, amount))
        return amount

    stay = None
    if kind == "inpatient":
        stay = used("stays", scheme) + note("stays", scheme, 1)
    quota = rules.yearly("quotas", scheme, kind, illness if kind == "chronic" else "", year)
    rated = rules.dated("rates", day, scheme, kind, group, tier, facts["claim_referral"])
    if quota and quota["rate"] is not None:
        rated = quota
    rate = None if rated is None or (kind == "chronic" and quota is None) else rated["rate"]
    base = 0 if rate is None else eligible

    yearly = rules.yearly("year_deductibles", scheme, kind, year)
    by_stay = rules.dated("deductibles", day, scheme, kind, group, tier, min(stay or 1, rules.most_stays))
    deducted = yearly or by_stay
    if rate is None or deducted is None:
        deductible = 0
    elif yearly:
        key = f"{scheme}:{kind}"
        deductible = min(base, max(yearly["amount"] - used("deductible", key), 0))
        note("deductible", key, deductible)
    else:
        deductible = min(base, deducted["amount"])

    full_pay = ((base - deductible) * (rate or 0) + 5000) // 10000
    ceiling, rule = None, None
    per_stay = rules.dated("stay_ceilings", day, scheme, kind, group)
    pay = full_pay
    if per_stay and pay > per_stay["amount"]:
        pay, ceiling, rule = per_stay["amount"], "stay", per_stay
    if quota:
        key = f"{scheme}:{kind}:{quota['illness']}:{_period(quota['period'], day)}"
        left = max(quota["amount"] - used("quota", key), 0)
        if pay > left:
            pay, ceiling, rule = left, "quota", quota
        note("quota", key, pay)
    per_year = rules.yearly("year_ceilings", scheme, year)
    left = max((per_year["amount"] if per_year else UNLIMITED) - used("basic", scheme), 0)
    if pay > left:
        pay, ceiling, rule = left, "year", per_year
    basic = note("basic", scheme, pay)

    plan = rules.yearly("plans", scheme, year)
    counts = bool(plan and plan["class_b_counts"])
    own = 0 if rate is None else base - basic + (class_b if counts else 0)
    cover = rules.yearly("serious", scheme, kind, group, year)
    serious_base = note("serious", scheme, own if cover else 0)
    serious_sum = used("serious", scheme) + serious_base
    serious = _ladder("serious", cover, serious_sum, serious_base, rules)
    help = rules.yearly("aid", scheme, kind, group, year)
    aid_base = note("aid", "", own - serious if help else 0)
    aid = _ladder("aid", help, used("aid", "") + aid_base, aid_base, rules)

    free_rule = None
    if facts["claim_illness_fits"] and illness in (facts["institution_designated"] or ()):
        free_rule = rules.yearly("free", illness, group, year)
    free = free_base = 0
    if free_rule and rate is not None:
        free_base = own - serious - aid
        if free_rule["outside"]:
            free_base += outside + (0 if counts else class_b)
        asked = (free_base * free_rule["share"] + 5000) // 10000
        free = note("free", illness, min(asked, max(free_rule["cap"] - used("free", illness), 0)))
    claim = {
        "scheme": scheme, "class": group, "stay": stay, "basic": basic, "serious": serious, "aid": aid,
        "free": free, "eligible": eligible, "class_b": class_b, "deductible": deductible,
        "copayment": base - deductible - full_pay, "over_ceiling": full_pay - basic, "rate": rate,
        "serious_base": serious_base, "ceiling": ceiling,
        **_named("deductible", deducted if rate is not None else None), **_named("rate", rated),
        **_named("ceiling", rule), **_named("serious", cover), **_named("aid", help),
        **_named("free", free_rule),
    }  # fmt: skip
    outward = bool(free_rule and free_rule["outside"])
    return Settled(claim, events, own, serious_sum, free_base, counts, outward)


def _named(name: str, row: Record | None) -> dict[str, Any]:
    return {f"{name}_rule": row and row["rule"], f"{name}_version": row and row["version"]}


def _period(period: str, day: date) -> date:
    month = {"year": 1, "quarter": (day.month - 1) // 3 * 3 + 1}.get(period, day.month)
    return date(day.year, month, 1)


def _ladder(name: str, rule: Record | None, total: int, base: int, rules: Rules) -> int:
    """Return what bands pay for the last `base` of a running total."""
    if rule is None or base <= 0:
        return 0
    bands = rules.bands(name, rule)

    def paid(amount: int) -> int:
        exact: int = sum(band["rate"] * max(min(amount, band["high"]) - band["low"], 0) for band in bands)
        return min(int(rule["cap"]), (exact + 5000) // 10000)

    return paid(total) - paid(total - base)


def divide(total: int, weights: Sequence[int]) -> list[int]:
    """Return a total divided over weights by running differences: each gets what the running total adds."""
    whole, running, shares = sum(weights), 0, []
    for weight in weights:
        before, running = running, running + weight
        shares.append(total * running // whole - total * before // whole if whole else 0)
    return shares


def share_out(settled: Settled, lines: Sequence[Payable]) -> list[dict[str, int]]:
    """Return for each line what every payer bears of it and what is left to the resident, by cause."""
    claim, paid = settled.claim, settled.claim["rate"] is not None
    portioned = [portions(line) for line in lines]
    weights = [eligible if paid else 0 for eligible, _, _ in portioned]
    counted = [share if paid and settled.class_b_counts else 0 for _, share, _ in portioned]
    deductible = divide(claim["deductible"], weights)
    covered = [a - b for a, b in zip(weights, deductible, strict=True)]
    basic = divide(claim["basic"], covered)
    rest = [a - b for a, b in zip(covered, basic, strict=True)]
    over = divide(claim["over_ceiling"], rest)
    own = [d + r + b for d, r, b in zip(deductible, rest, counted, strict=True)]
    serious = divide(claim["serious"], own)
    own_1 = [a - b for a, b in zip(own, serious, strict=True)]
    aid = divide(claim["aid"], own_1)
    own_2 = [a - b for a, b in zip(own_1, aid, strict=True)]
    wider = [
        left + (outside + share - b if settled.free_outside else 0)
        for left, (_, share, outside), b in zip(own_2, portioned, counted, strict=True)
    ]
    free = divide(claim["free"], wider if settled.free_base else [0] * len(wider))
    shares = []
    for n, (eligible, class_b, outside) in enumerate(portioned):
        uncounted = class_b - counted[n]
        free_in = min(free[n], own_2[n])
        free_b = min(free[n] - free_in, uncounted)
        left = own_2[n] - free_in
        keep_deductible = min(deductible[n], left)
        keep_b = min(counted[n], left - keep_deductible)
        keep_copayment = min(rest[n] - over[n], left - keep_deductible - keep_b)
        shares.append(
            {
                "basic": basic[n], "serious": serious[n], "aid": aid[n], "free": free[n],
                "unpaid": 0 if paid else eligible, "keep_deductible": keep_deductible,
                "keep_b": keep_b + uncounted - free_b, "keep_copayment": keep_copayment,
                "keep_over": left - keep_deductible - keep_b - keep_copayment,
                "self_outside": outside - (free[n] - free_in - free_b),
            }
        )  # fmt: skip
    return shares
