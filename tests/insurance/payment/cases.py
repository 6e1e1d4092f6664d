"""Grouped cases for tests and benchmarks: small tables by hand, and a drawn year of a city's hospitals."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

_TEXTS = pa.list_(pa.string())
_TYPES = {
    "id": pa.string(), "institution": pa.string(), "tier": pa.string(), "insured": pa.string(),
    "department": pa.string(), "person": pa.string(), "discharged": pa.date32(), "los": pa.int64(),
    "charge": pa.int64(), "fund": pa.int64(), "died": pa.bool_(), "age": pa.int64(), "dx": _TEXTS,
    "pr": _TEXTS,
    "mdc": pa.string(), "adrg": pa.string(), "drg": pa.string(),
}  # fmt: skip
SCHEMA = pa.schema(list(_TYPES.items()))


def case(id: str, charge: int, **more: Any) -> dict[str, Any]:
    """Return a case as a row; the fund pays 70 % unless said otherwise."""
    return {
        "id": id, "institution": "H1", "tier": "tertiary", "insured": "employee", "department": "surgery",
        "person": None, "discharged": date(2025, 3, 15), "los": 7, "charge": charge, "fund": charge * 7 // 10,
        "died": False, "age": 50, "dx": ["K35.800"], "pr": ["47.0100"], "mdc": "G", "adrg": "GD2",
        "drg": "GD25",
    } | more  # fmt: skip


def table(*rows: dict[str, Any]) -> pa.Table:
    """Return rows as a table of cases."""
    return pa.Table.from_pylist(list(rows), SCHEMA)


def drawn(rows: int, seed: int, *, year: int = 2025, years: int = 1, groups: int = 700) -> pa.Table:
    """Draw cases of 60 hospitals: log-normal charges by group, dearer in higher tiers, a few of them wild."""
    rng = np.random.default_rng(seed)
    world = np.random.default_rng(7)  # the groups and hospitals are the same whatever is drawn
    base = np.exp(world.normal(13.4, 0.9, groups))  # fen; about 6,600 yuan in the middle
    often = world.dirichlet(np.full(groups, 0.35))
    sigma = world.uniform(0.25, 0.75, groups)
    beds = world.dirichlet(np.full(60, 1.2))
    tiers = np.array(["tertiary"] * 12 + ["secondary"] * 24 + ["primary"] * 24)
    dearer = np.array([1.15] * 12 + [0.95] * 24 + [0.75] * 24) * world.normal(1, 0.08, 60)
    group = rng.choice(groups, rows, p=often)
    place = rng.choice(60, rows, p=beds)
    charge = base[group] * dearer[place] * np.exp(rng.normal(0, sigma[group]))
    wild = rng.random(rows)
    charge = np.where(wild < 0.01, charge * 6, np.where(wild > 0.985, charge * 0.15, charge))
    charge = np.maximum(charge, 5_000).astype(np.int64)
    employee = rng.random(rows) < 0.45
    paid = (charge * np.where(employee, 0.74, 0.58) * rng.uniform(0.8, 1.1, rows)).astype(np.int64)
    days = rng.integers(0, 365 * years, rows)
    first = date(year - years + 1, 1, 1)
    calendar = [first + timedelta(days=n) for n in range(365 * years)]
    names = [
        f"{chr(65 + g % 20)}{chr(65 + g // 20 % 26)}{g // 520 + 1}{(1, 3, 5, 9)[g % 4]}"
        for g in range(groups)
    ]
    names[3], names[11] = "BQY", "0000"
    codes = [f"{chr(65 + g % 22)}{g // 22 % 100:02d}.{g % 10}00" for g in range(groups)]
    others = [f"{chr(65 + g % 22)}{g * 7 % 100:02d}.{g % 9}00" for g in range(60)]
    operated = world.random(groups) < 0.5
    number = rng.integers(0, 4, rows)
    second = rng.integers(0, 60, (rows, 3))
    pick = rng.integers(0, 3, rows)
    died = rng.random(rows) < 0.006 * (1 + 6 * (base[group] > np.quantile(base, 0.95)))
    person = rng.integers(0, max(1, rows * 3 // 4), rows)
    dx = [
        [codes[g], *(others[s] for s in more[:n])] for g, n, more in zip(group, number, second, strict=True)
    ]
    pr = [
        [f"{g % 85 + 1:02d}.{p}{g % 9}00"] + ([f"{g % 80 + 2:02d}.5100"] if p == 2 else []) if operated[g]
        else ["88.7200"] if p == 1 else []
        for g, p in zip(group.tolist(), pick.tolist(), strict=True)
    ]  # fmt: skip
    return pa.table(
        {
            "id": pa.array([f"C{n}" for n in range(rows)]),
            "institution": pa.array([f"H{p:02d}" for p in place.tolist()]),
            "tier": pa.array(tiers[place].tolist()),
            "insured": pa.array(np.where(employee, "employee", "resident").tolist()),
            "department": pa.array(
                [("internal", "surgery", "paediatrics", "obstetrics")[g % 4] for g in group.tolist()]
            ),
            "person": pa.array([f"P{p}" for p in person.tolist()]),
            "discharged": pa.array([calendar[d] for d in days.tolist()], pa.date32()),
            "los": pa.array(np.minimum(90, rng.gamma(2.2, 3.8, rows)).astype(np.int64)),
            "charge": pa.array(charge),
            "fund": pa.array(np.minimum(paid, charge)),
            "died": pa.array(died),
            "age": pa.array(np.clip(rng.normal(52, 22, rows), 0, 99).astype(np.int64)),
            "dx": pa.array(dx, pa.list_(pa.string())),
            "pr": pa.array(pr, pa.list_(pa.string())),
            "mdc": pa.array([names[g][:1] for g in group.tolist()]),
            "adrg": pa.array([names[g][:3] for g in group.tolist()]),
            "drg": pa.array([names[g] for g in group.tolist()]),
        },
        SCHEMA,
    )
