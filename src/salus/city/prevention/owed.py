"""Births, anchors, doses and visits of a block in the columns that `salus prevention schedule` reads."""

import numpy as np
import pyarrow as pa

from salus.city.care import Care
from salus.city.facts import Ints, rows
from salus.city.insurance.tables import DAY, TEXT, days, named, person_id
from salus.city.kinds import INPATIENT, MINUTES
from salus.city.people import NEVER, Population
from salus.city.prevention.purposes import (
    ANTENATAL,
    CHILD,
    DIABETES,
    HYPERTENSION,
    NEWBORN,
    ORDINARY,
    POSTPARTUM,
)

OWED: dict[str, pa.Schema] = {
    "schedule_births": pa.schema([("person", TEXT), ("birth", DAY), ("discharge", DAY)]),
    "schedule_anchors": pa.schema([("person", TEXT), ("anchor", TEXT), ("day", DAY), ("ended", DAY)]),
    "schedule_given": pa.schema([("person", TEXT), ("product", TEXT), ("day", DAY)]),
}
"""The files; the residents are the children born in the window, their mothers and the chronic patients."""
SERVICES = (
    "newborn-visit", "newborn-28-days", "child-check", "antenatal-visit", "postpartum-42-days",
    "hypertension-visit", "diabetes-visit",
)  # fmt: skip
_NEVER = -(1 << 30)


def owed_tables(block: Population, care: Care) -> dict[str, pa.Table]:
    """Return the block's rows of each file."""
    visits, expected, enrolled = care.visits, care.pregnancies, care.enrolled
    born = np.flatnonzero(block.born_here)
    who = np.unique(np.concatenate([born, expected.mother, enrolled.resident]))
    stays = np.flatnonzero(
        (visits.child == visits.resident) & (visits.kind == INPATIENT) & (visits.purpose == ORDINARY)
    )
    discharge = np.full(len(block), _NEVER)
    discharge[visits.resident[stays]] = visits.end[stays] // MINUTES
    births = _table("schedule_births", _people(block, who), days(block.birth[who], _NEVER),
                    days(discharge[who], _NEVER))  # fmt: skip
    chronic = np.where(enrolled.purpose == DIABETES, 3, 2)
    anchored = np.concatenate([expected.mother, expected.mother, enrolled.resident])
    which = np.concatenate([np.zeros(len(expected.mother)), np.ones(len(expected.mother)), chronic])
    first = np.concatenate([expected.last, expected.born, enrolled.since])
    ended = np.concatenate([expected.born, np.full(len(expected.mother) + len(chronic), _NEVER)])
    anchors = _table(
        "schedule_anchors", _people(block, anchored),
        named(("lmp", "delivery", "hypertension", "type2-diabetes"), which.astype(np.int64)),
        days(first, _NEVER), days(ended, _NEVER),
    )  # fmt: skip
    return {
        "schedule_births": births,
        "schedule_anchors": anchors,
        "schedule_given": _given(block, care, who),
    }


def _given(block: Population, care: Care, who: Ints) -> pa.Table:
    """Return the doses and visits of residents."""
    doses, visits = care.vaccinations, care.visits
    products = {row["vaccine"]: row["product"] for row in rows("vaccine_products")}
    names = sorted(set(products.values()))
    number = np.array([
        names.index(products[row["vaccine"]]) if row["vaccine"] in products else NEVER
        for row in rows("vaccines")
    ])  # fmt: skip
    listed = np.zeros(len(block), dtype=bool)
    listed[block.born_here] = True
    dose = np.flatnonzero((number[doses.row] != NEVER) & listed[doses.resident])
    listed[who] = True
    service = np.full(len(visits), NEVER)
    for purpose, place in (
        (CHILD, 2), (ANTENATAL, 3), (POSTPARTUM, 4), (HYPERTENSION, 5), (DIABETES, 6),
    ):  # fmt: skip
        service[visits.purpose == purpose] = place
    early = visits.purpose == NEWBORN
    service[early] = np.where(visits.detail[early] < 21, 0, 1)
    visit = np.flatnonzero((service != NEVER) & listed[visits.resident])
    return _table(
        "schedule_given", _people(block, np.concatenate([doses.resident[dose], visits.resident[visit]])),
        named(
            [*names, *SERVICES], np.concatenate([number[doses.row[dose]], service[visit] + len(names)])
        ),
        days(np.concatenate([doses.minute[dose], visits.start[visit]]) // MINUTES),
    )  # fmt: skip


def _people(block: Population, who: Ints) -> pa.Array:
    return pa.array([person_id(block.base + one) for one in who.tolist()], TEXT)


def _table(name: str, *columns: object) -> pa.Table:
    return pa.table(list(columns), schema=OWED[name])
