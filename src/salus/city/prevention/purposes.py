"""Why a visit was made: the programme's visits and notifiable cases, as columns to join with others."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from salus.city.facts import Floats, Ints, diagnosis_index, rows
from salus.city.kinds import AMBULATORY, MINUTES
from salus.city.people import NEVER

ORDINARY, ANTENATAL, POSTPARTUM, NEWBORN, CHILD, HYPERTENSION, DIABETES, SPORADIC = range(8)
PLANTED = 8
"""From here on, a case of the planted outbreak of number (purpose - PLANTED)."""


def value(name: str) -> float:
    """Return one of the programme's rates."""
    return float(next(row for row in rows("programme_rates") if row["rate"] == name)["value"])


@dataclass(slots=True)
class Extra:
    """Visits to be added; one element a visit, times in minutes.

    `detail` is, by purpose: gestational day (antenatal), days since birth (postpartum, newborn, child), turn
    of the follow-up (chronic), day of onset (cases).
    """

    resident: Ints
    start: Ints
    end: Ints
    kind: Ints
    diagnosis: Ints
    place: Ints
    child: Ints
    purpose: Ints
    detail: Ints

    def __len__(self) -> int:
        return len(self.resident)

    def columns(self) -> tuple[Ints, ...]:
        """Return the columns in the order of the fields."""
        return (
            self.resident, self.start, self.end, self.kind, self.diagnosis, self.place, self.child,
            self.purpose, self.detail,
        )  # fmt: skip

    def take(self, chosen: Ints) -> "Extra":
        """Return chosen visits."""
        return Extra(*(column[chosen] for column in self.columns()))


def extra(
    resident: Ints,
    day: Ints,
    lot: Floats,
    code: str,
    place: Ints,
    purpose: int,
    detail: Ints,
    *,
    kind: Ints | int = AMBULATORY,
    length: int = 40,
) -> Extra:
    """Return visits for a diagnosis on given days, at hours that `lot` (0 to 1) says; `length` is minutes."""
    count = len(resident)
    start = day * MINUTES + 490 + (lot * 500).astype(np.int64)

    def full(one: Ints | int) -> Ints:
        return np.broadcast_to(np.asarray(one, dtype=np.int64), (count,)).copy()

    return Extra(
        full(resident), start, start + length, full(kind), full(diagnosis_index(code)), full(place),
        full(NEVER), full(purpose), full(detail),
    )  # fmt: skip


def join(parts: Iterable[Extra]) -> Extra:
    """Return the visits of several parts."""
    columns = [part.columns() for part in parts]
    return Extra(*(np.concatenate([column[k] for column in columns]) for k in range(9)))
