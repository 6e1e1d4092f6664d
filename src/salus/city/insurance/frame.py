"""Claims and lines while they are drawn: columns side by side, and the codes they hold."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np

from salus.city.facts import Ints, diagnoses, rows
from salus.city.people import NEVER

Frame = dict[str, Ints]
"""Columns of one length; the second axis of `secondary` and `claimed_secondary` is the rank."""

STAY, OUTPATIENT, CHRONIC = 0, 1, 2
KINDS = ("inpatient", "outpatient", "chronic")
REFERRALS = ("referred", "emergency", "local", "bypassed")
TIERS = {"tertiary": 3, "secondary": 2, "community": 1, "township": 1, "village": 0}
MOST_SECONDARY = 4
CLAIM_COLUMNS = (
    "person", "kind", "place", "admitted", "discharged", "principal", "secondary", "operation",
    "claimed_principal", "claimed_secondary", "referral", "department", "died", "start", "support", "bare",
    "continued",
)  # fmt: skip
"""What is known of a claim while it is drawn. `start` orders a day's claims; `support` is a false secondary
diagnosis for which something is billed after all; `bare` a stay without need (percent of the usual cost);
`continued` by how
much less than usual is done at admission (percent), where a stay carries on another."""
LINE_COLUMNS = ("claim", "item", "quantity", "price", "day", "department")
"""`quantity` is thousandths, `price` fen a unit, `day` days since 1970-01-01."""


def take(frame: Frame, index: Ints) -> Frame:
    """Return chosen rows of a frame."""
    return {name: column[index] for name, column in frame.items()}


def join(frames: Iterable[Frame]) -> Frame:
    """Return the rows of several frames of the same columns, one after another."""
    parts = list(frames)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def length(frame: Frame) -> int:
    """Return the number of rows."""
    return len(next(iter(frame.values())))


def charges(lines: Frame) -> Ints:
    """Return each line's charge in fen: quantity times price, half a fen up."""
    return np.asarray((lines["quantity"] * lines["price"] + 500) // 1000)


@dataclass(frozen=True, slots=True)
class Codes:
    """All diagnoses that claims can hold: the city's own, then the secondary ones."""

    codes: tuple[str, ...]
    number: dict[str, int]
    departments: tuple[str, ...]
    department: Ints
    """The department of each of the city's diagnoses; for others the first."""
    severity: Ints
    """0 none, 1 CC, 2 MCC, by the rules of this city."""
    illness: tuple[str, ...]
    """The listed chronic illness that a diagnosis belongs to, or ""."""


@cache
def codes() -> Codes:
    """Return the diagnoses in one numbering."""
    known = diagnoses()
    listed = list(
        dict.fromkeys([d.code for d in known] + [row["code"] for row in rows("insurance_secondary")])
    )
    number = {code: n for n, code in enumerate(listed)}
    departments = tuple(dict.fromkeys(d.department for d in known))
    department = np.zeros(len(listed), dtype=np.int64)
    for d in known:
        department[number[d.code]] = departments.index(d.department)
    severity = np.zeros(len(listed), dtype=np.int64)
    for row in rows("insurance_secondary"):
        severity[number[row["code"]]] = {"none": 0, "CC": 1, "MCC": 2}[row["severity"]]
    return Codes(
        tuple(listed), number, departments, department, severity, tuple(_illness(code) for code in listed)
    )


def _illness(code: str) -> str:
    for row in rows("insurance_illnesses"):
        if any(code.startswith(prefix) for prefix in row["prefixes"].split(";")):
            return row["illness"]
    return ""


def empty_secondary(count: int) -> Ints:
    """Return no secondary diagnoses for a number of claims."""
    return np.full((count, MOST_SECONDARY), NEVER, dtype=np.int64)
