"""Whom the new prices touch: hospitals, tiers, departments and insured groups, to the fen."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import Any

import numpy as np

from salus.insurance.repricing.basis import WHOLE, Basis, Integers
from salus.insurance.repricing.lines import freed_fund, rates_of
from salus.insurance.repricing.rules import Rules
from salus.kernel.money import round_fen


@dataclass(frozen=True, slots=True)
class Impact:
    """What changes for one of a kind, in fen a year.

    Attributes:
        kind, key: hospital, tier, department, group or total, and which one.
        services: what services bring in at today's prices.
        change: how much more they bring in at the new prices; `fund` and `own` are its two parts, what the
            fund and what patients pay.
        returned: what of the money freed is given back; `returned_fund` and `returned_own` are its two
            parts. None where it is not known by department.
    """

    kind: str
    key: str
    services: int
    change: int
    fund: int
    own: int
    returned: int | None
    returned_fund: int | None
    returned_own: int | None

    @property
    def net(self) -> int | None:
        """What remains of the change after what was lost."""
        return None if self.returned is None else self.change - self.returned

    @property
    def own_net(self) -> int | None:
        """How much more patients pay in all."""
        return None if self.returned_own is None else self.own - self.returned_own


def impact(basis: Basis, rules: Rules, prices: Integers) -> list[Impact]:
    """Return the impact in total and by tier, group, department and hospital.

    Each kind's rows add up to the total in every column: fractions of a fen go to the largest remainders.
    """
    rates = rates_of(basis, rules)
    change = prices - basis.price
    services = np.einsum("ihg,i->hg", basis.volumes, basis.price)
    more = np.einsum("ihg,i->hg", basis.volumes, change)
    returned = [[int(one) * rules.returned for one in row] for row in basis.freed.tolist()]
    fund_part = freed_fund(basis, rates).tolist()
    returned_fund = [[int(one) * rules.returned / WHOLE for one in row] for row in fund_part]
    given = (np.array(returned, dtype=object), np.array(returned_fund, dtype=object))
    cells = (services, more, more * rates, *given)
    tiers = sorted(set(basis.hospital_tiers))
    departments = sorted(set(basis.departments))
    in_tier = [np.array([one == tier for one in basis.hospital_tiers]) for tier in tiers]
    every = np.ones(len(basis.hospitals), dtype=bool)
    found = _rows("total", [""], [[cell.sum()] for cell in cells])
    found += _rows("tier", tiers, [[cell[inside].sum() for inside in in_tier] for cell in cells])
    found += _rows("group", basis.groups, [list(cell[every].sum(axis=0)) for cell in cells])
    inside = [np.array([one == name for one in basis.departments]) for name in departments]
    paid = np.einsum("ihg,hg->i", basis.volumes, rates)
    by_service = (basis.totals * basis.price, basis.totals * change, paid * change)
    found += _rows("department", departments, [[cell[one].sum() for one in inside] for cell in by_service])
    found += _rows("hospital", basis.hospitals, [list(cell.sum(axis=1)) for cell in cells])
    return found


def _rows(kind: str, keys: Sequence[str], columns: Sequence[Sequence[Any]]) -> list[Impact]:
    """Make the rows of a kind; the columns: services, change, fund in ten-thousandths, what is returned."""
    services, more = ([int(one) for one in column] for column in columns[:2])
    fund = whole([(int(one), WHOLE) for one in columns[2]])
    rows = []
    returned: Sequence[int | None] = [None] * len(keys)
    back_fund: Sequence[int | None] = returned
    if len(columns) > 3:
        returned, back_fund = (
            whole([(one.numerator, one.denominator) for one in column]) for column in columns[3:5]
        )
    for place, key in enumerate(keys):
        lost, lost_fund = returned[place], back_fund[place]
        own = None if lost is None or lost_fund is None else lost - lost_fund
        rows.append(
            Impact(
                kind,
                key,
                services[place],
                more[place],
                fund[place],
                more[place] - fund[place],
                lost,
                lost_fund,
                own,
            )
        )
    return rows


def whole(amounts: Sequence[tuple[int, int]]) -> list[int]:
    """Round fractions of a fen so that they add up to their rounded sum; the largest remainders are rounded
    up.

    `amounts` are pairs of a numerator and a denominator. Source: method of the largest remainder (Hamilton).
    """
    exact = [Fraction(*amount) for amount in amounts]
    parts = [floor(one) for one in exact]
    left = round_fen(sum(exact, Fraction(0))) - sum(parts)
    order = sorted(range(len(exact)), key=lambda place: (parts[place] - exact[place], place))
    for place in order[:left]:
        parts[place] += 1
    return parts
