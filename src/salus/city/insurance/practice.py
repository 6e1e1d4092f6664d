"""What is done for each diagnosis: services, medicines, operations with their consumables, usual costs."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from salus.city.facts import Floats, Ints, diagnoses, rows
from salus.city.insurance.catalogue import catalogue
from salus.city.insurance.frame import codes
from salus.city.people import NEVER


@dataclass(frozen=True, slots=True)
class Practice:
    """What is done for each diagnosis, as padded arrays (NEVER fills); molecules are numbers."""

    cost: Floats
    medicine_share: Floats
    test_share: Floats
    days: Floats
    services: Ints
    panels: Ints
    molecules: Ints
    operation: Ints
    anaesthesia: Ints
    materials: Ints
    operation_cost: Floats
    secondary_services: Ints
    """By number of diagnosis, as the next."""
    secondary_molecules: Ints
    molecule_items: Ints
    """Shape (molecules, most items)."""
    molecule_count: Ints
    material_items: Ints
    material_count: Ints


def _padded(lists: list[list[int]]) -> Ints:
    wide = max(1, max(len(one) for one in lists))
    return np.array([one + [NEVER] * (wide - len(one)) for one in lists], dtype=np.int64)


def _split(text: str) -> list[str]:
    return [part for part in text.split(";") if part]


@cache
def practice() -> Practice:
    """Return what is done for each diagnosis."""
    items, known = catalogue(), diagnoses()
    molecules, kinds = list(items.by_molecule), list(items.materials)
    number = {name: n for n, name in enumerate(molecules)}
    costs = {row["code"]: row for row in rows("insurance_costs")}
    operations = {row["code"]: row for row in rows("insurance_operations")}
    panel = {row["panel"]: items.key(row["service"]) for row in rows("insurance_panel_services")}
    secondary = {row["code"]: row for row in rows("insurance_secondary")}
    done = [operations.get(d.procedure) for d in known]

    def treated(code: str, column: str) -> list[str]:
        return _split(secondary[code][column]) if code in secondary else []

    return Practice(
        np.array([float(costs[d.code]["cost"]) for d in known]),
        np.array([float(costs[d.code]["medicine_share"]) for d in known]),
        np.array([float(costs[d.code]["test_share"]) for d in known]),
        np.array([d.stay_days for d in known]),
        _padded([[items.key(s) for s in _split(costs[d.code]["services"])] for d in known]),
        _padded([[panel[p] for p in d.panels] for d in known]),
        _padded([
            [number[m] for m in dict.fromkeys([*d.drugs, *_split(costs[d.code]["medicines"])])] for d in known
        ]),
        np.array([items.key(one["service"]) if one else NEVER for one in done]),
        np.array([items.key(one["anaesthesia"]) if one and one["anaesthesia"] else NEVER for one in done]),
        _padded([[kinds.index(m) for m in _split(one["materials"])] if one else [] for one in done]),
        np.array([float(one["cost"]) if one else 0.0 for one in done]),
        _padded([[items.key(s) for s in treated(c, "services")] for c in codes().codes]),
        _padded([[number[m] for m in treated(c, "medicines")] for c in codes().codes]),
        _padded([items.by_molecule[m].tolist() for m in molecules]),
        np.array([len(items.by_molecule[m]) for m in molecules]),
        _padded([items.materials[m].tolist() for m in kinds]),
        np.array([len(items.materials[m]) for m in kinds]),
    )  # fmt: skip
