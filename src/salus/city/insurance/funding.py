"""The fund's income: what each member, public finance, medical aid and employers paid in each year."""

from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from salus.city.facts import Ints
from salus.city.identity import EPOCH
from salus.city.insurance.enrolment import CATEGORIES, SCHEMES, STATUSES, Enrolment
from salus.city.insurance.tables import SCHEMAS, Numbering, days, named
from salus.city.people import NEVER
from salus.insurance.eligibility.premiums import Premium, employee_contribution, resident_premium
from salus.insurance.eligibility.rules import Rules, load_rules

WAGE_STEP = 20_000
"""Wages count in steps of 200 yuan, in fen."""


def premiums(names: Numbering, enrolled: Enrolment) -> pa.Table:
    """Return one row a member and year of the claims' period; who lapsed is named with nothing paid."""
    rules, period = load_rules(), names.plan.period
    first, last = (EPOCH + timedelta(days=day) for day in (period.start, period.end - 1))
    tables = [_year(names, enrolled, rules, year) for year in range(first.year, last.year + 1)]
    return pa.concat_tables(tables)


def _year(names: Numbering, enrolled: Enrolment, rules: Rules, year: int) -> pa.Table:
    begin, end = ((date(y, 1, 1) - EPOCH).days for y in (year, year + 1))
    there = (enrolled.scheme != NEVER) & (names.block.entry < end) & (names.block.exit > begin)
    who = np.flatnonzero(there)
    held = _statuses(enrolled, begin)
    months = _months(names, enrolled, who, begin, end)
    lapsed = enrolled.lapsed[who] & (enrolled.ends[who] < begin + 2)
    known: dict[tuple[int, ...], Premium] = {}
    paid = np.zeros((len(who), 4), dtype=np.int64)
    wages = np.rint(enrolled.wage[who] * 100 / WAGE_STEP).astype(np.int64)
    columns = (who.tolist(), enrolled.scheme[who].tolist(), enrolled.category[who].tolist(), wages.tolist())
    for n, (person, scheme, category, wage) in enumerate(zip(*columns, strict=True)):
        if lapsed[n]:
            continue
        statuses = held.get(person, ())
        key = (scheme, category, *(statuses if scheme else (wage,)))
        if key not in known:
            known[key] = (
                resident_premium(rules, CATEGORIES[category], year, [STATUSES[s] for s in statuses])
                if scheme
                else employee_contribution(rules, CATEGORIES[category], date(year, 1, 1), wage * WAGE_STEP)
            )
        one, times = known[key], 1 if scheme else int(months[n])
        paid[n] = [part * times for part in (one.own, one.aid, one.finance, one.employer)]
    when = np.where(enrolled.scheme[who] == 0, np.maximum(begin, enrolled.starts[who]) + 14,
                    np.maximum(enrolled.starts[who], begin - 60))  # fmt: skip
    homes = [names.households[home] for home in names.block.household[who].tolist()]
    columns_ = {
        "person_id": names.person(who), "household": pa.array(homes, pa.string()),
        "scheme": named(SCHEMES, enrolled.scheme[who]), "category": named(CATEGORIES, enrolled.category[who]),
        "year": pa.array(np.full(len(who), year)), "months": pa.array(months),
        "paid_on": days(np.where(lapsed, NEVER, when)),
        **{name: pa.array(paid[:, n]) for n, name in enumerate(("own", "aid", "finance", "employer"))},
        "lapsed": pa.array(lapsed),
    }  # fmt: skip
    schema = SCHEMAS["premiums"]
    return pa.table([columns_[field.name] for field in schema], schema=schema)


def _statuses(enrolled: Enrolment, day: int) -> dict[int, tuple[int, ...]]:
    """Return each person's statuses on a day."""
    person, status, first, last = enrolled.status
    held: dict[int, list[int]] = {}
    for i in np.flatnonzero((first <= day) & (last >= day)).tolist():
        held.setdefault(int(person[i]), []).append(int(status[i]))
    return {one: tuple(sorted(found)) for one, found in held.items()}


def _months(names: Numbering, enrolled: Enrolment, who: Ints, begin: int, end: int) -> Ints:
    """Return for how many months of the year employees paid; residents pay for the year at once."""
    there = np.minimum(names.block.exit[who], end) - np.maximum(names.block.entry[who], begin)
    months = np.clip(np.rint(there / 30.44), 1, 12).astype(np.int64)
    return np.where(enrolled.scheme[who] == 0, months, 12)
