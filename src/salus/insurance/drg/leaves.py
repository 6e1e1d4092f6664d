"""The ends of the decision: each a group with its split, by rank and severity."""

from collections.abc import Mapping

import pyarrow as pa

from salus.insurance.scheme import Scheme
from salus.insurance.scheme.model import Adrg
from salus.insurance.scheme.predicates import (
    FALSE,
    TRUE,
    And,
    Const,
    Not,
    Or,
    Predicate,
    Severity,
    all_of,
    any_of,
    atoms,
    negated,
)

NO_MDC, NO_ADRG = -1, -2
SEVERITIES = ((False, False), (False, True), (True, False), (True, True))
"""MCC and CC: the number of a pair is MCC * 2 + CC."""


class Leaves:
    """Numbers each end; `special` are the ranks whose splits ask for more than severity."""

    def __init__(self, scheme: Scheme) -> None:
        self.scheme = scheme
        self.rows: list[tuple[int, str, str, str, str]] = []
        mdc, adrg, drg = scheme.ungrouped
        self.rows += [(NO_MDC, mdc, adrg, drg, "no-mdc"), (NO_ADRG, mdc, adrg, drg, "no-adrg")]
        self.numbers: dict[tuple[int, int], int] = {}
        for rank, one in enumerate(scheme.adrgs):
            for number, split in enumerate(one.splits):
                self._add(rank, number, one, split.drg, "grouped")
            self._add(rank, len(one.splits), one, one.adrg, "no-drg")
        self.special = [
            rank
            for rank, one in enumerate(scheme.adrgs)
            if any(not isinstance(atom, Severity) for split in one.splits for atom in atoms(split.when))
        ]

    def _add(self, rank: int, number: int, one: Adrg, drg: str, reason: str) -> None:
        leaf = len(self.numbers)
        self.numbers[rank, number] = leaf
        self.rows.append((leaf, self.scheme.mdc_prefix + one.mdc, one.adrg, drg, reason))

    def names(self) -> pa.Table:
        """Return what each end is called, with its weight."""
        columns = list(zip(*self.rows, strict=True))
        weights = [
            self.scheme.weights[drg].weight if drg in self.scheme.weights else None for drg in columns[3]
        ]
        texts = ("mdc", "adrg", "drg", "reason")
        return pa.table(
            {
                "leaf": pa.array(columns[0], pa.int64()),
                **{name: pa.array(columns[n], pa.string()) for n, name in enumerate(texts, 1)},
                "weight": pa.array(weights, pa.decimal128(12, 4)),
            }
        )

    def splits(self) -> pa.Table:
        """Return the end of each rank and severity, and the group of diagnoses that it suppresses."""
        rows = [(rank, sev, rank, 0) for rank in (NO_MDC, NO_ADRG) for sev in range(4)]
        groups: Mapping[str, int] = {
            name: number for number, name in enumerate(sorted(self.scheme.suppressed), 1)
        }
        special = set(self.special)
        for rank, one in enumerate(self.scheme.adrgs):
            for sev, severity in enumerate(SEVERITIES):
                number = len(one.splits)
                if rank not in special:
                    number = next(
                        (
                            n
                            for n, split in enumerate(one.splits)
                            if at_severity(split.when, severity) == TRUE
                        ),
                        number,
                    )
                rows.append((rank, sev, self.numbers[rank, number], groups.get(one.adrg, 0)))
        names = ("rank", "sev", "leaf", "g")
        return pa.table(
            {name: pa.array([row[n] for row in rows], pa.int64()) for n, name in enumerate(names)}
        )


def at_severity(rule: Predicate, severity: tuple[bool, bool]) -> Predicate:
    """Return what is left of a rule once MCC and CC are known."""
    match rule:
        case Severity(level):
            return TRUE if severity[0 if level == "mcc" else 1] else FALSE
        case And(parts):
            return all_of(*(at_severity(part, severity) for part in parts))
        case Or(parts):
            return any_of(*(at_severity(part, severity) for part in parts))
        case Not(part):
            return negated(at_severity(part, severity))
        case Const():
            return rule
    return rule
