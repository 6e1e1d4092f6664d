"""The institutions that bill the fund, with tier, district, licences and contracts."""

from datetime import date

import pyarrow as pa

from salus.city.insurance.frame import TIERS
from salus.city.insurance.plan import Plan

DESIGNATED = (
    "lung_cancer", "stomach_cancer", "breast_cancer", "kidney_failure", "cataract", "myocardial_infarction",
    "stroke", "aids_infection",
)  # fmt: skip
"""Illnesses of free treatment for which every other tertiary hospital is designated."""
SCHEMA = pa.schema(
    [
        ("institution", pa.string()), ("tier", pa.int64()), ("district", pa.string()),
        ("licences", pa.list_(pa.string())), ("designated", pa.list_(pa.string())),
        ("valid_from", pa.date32()), ("valid_to", pa.date32()), ("name", pa.string()),
        ("name_en", pa.string()), ("kind", pa.string()), ("level", pa.string()),
    ]
)  # fmt: skip


def institutions(plan: Plan) -> pa.Table:
    """Return the city's institutions that treat patients."""
    city, rows = plan.city, []
    for place in city.registers.places:
        if place.tier not in TIERS:
            continue
        designated = place.tier == "tertiary" and place.index % 2 == 0
        rows.append(
            {
                "institution": place.code, "tier": TIERS[place.tier],
                "district": city.ground.districts[place.district].code,
                "licences": [one for one in place.scope.split(";") if one],
                "designated": list(DESIGNATED) if designated else [],
                "valid_from": date(2020, 1, 1), "valid_to": None, "name": place.name,
                "name_en": place.name_en, "kind": place.kind, "level": place.tier,
            }
        )  # fmt: skip
    return pa.Table.from_pylist(rows, schema=SCHEMA)
