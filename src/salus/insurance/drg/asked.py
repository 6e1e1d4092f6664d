"""What the rules of a scheme ask of a case, numbered: sets as bits of words, other questions as flags."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from salus.insurance.scheme import Scheme
from salus.insurance.scheme.predicates import (
    Atom,
    Compare,
    Count,
    In,
    Known,
    OneOf,
    Place,
    Predicate,
    Sets,
    atoms,
)

BITS = 60
"""Bits of a word: sums of them stay exact in a signed 64-bit number."""


OPERATED = Compare("n_pr", ">=", 1)
"""A case with a procedure: those without need not be asked for surgical groups."""


@dataclass(frozen=True, slots=True)
class Bits:
    """Names numbered from 0, each a bit of a word."""

    names: tuple[str, ...]
    at: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, names: Iterable[str]) -> "Bits":
        """Number names in the order in which they first come."""
        unique = tuple(dict.fromkeys(names))
        return cls(unique, {name: number for number, name in enumerate(unique)})

    @property
    def words(self) -> int:
        """How many words hold them."""
        return -(-(max(self.at.values(), default=-1) + 1) // BITS)

    def place(self, name: str) -> tuple[int, int]:
        """Return a name's word and its bit as a number."""
        number = self.at[name]
        return number // BITS, 1 << (number % BITS)


@dataclass(frozen=True, slots=True)
class Asked:
    """Everything that rules ask.

    `first_dx` and `first_pr` are sets asked of the first code; `further` those asked of further codes,
    written `dx:SET` or `pr:SET`; `whole` the sets that all further diagnoses shall be in; `counts` the
    counted sets of further codes; `flags` the questions of a case's numbers and words.
    """

    first_dx: Bits
    first_pr: Bits
    further: Bits
    whole: tuple[str, ...]
    counts: tuple[str, ...]
    flags: tuple[Compare | OneOf | Known, ...]


def rules(scheme: Scheme) -> Iterable[Predicate]:
    """Yield every rule of a scheme."""
    for mdc in scheme.mdcs:
        yield mdc.gate
    for adrg in scheme.adrgs:
        yield adrg.when
        for split in adrg.splits:
            yield split.when


def asked_by(scheme: Scheme) -> Asked:
    """Collect what a scheme's rules ask, in the order in which they do."""
    first_dx: dict[str, None] = {}
    first_pr: dict[str, None] = {}
    further: dict[str, None] = {}
    whole: dict[str, None] = {}
    counts: dict[str, None] = {}
    flags: dict[Compare | OneOf | Known, None] = {OPERATED: None}
    for rule in rules(scheme):
        for atom in atoms(rule):
            if isinstance(atom, Compare | OneOf | Known):
                flags[atom] = None
                continue
            for place, name in _sets_of(atom):
                if place == "all_other_dx":
                    whole[name] = None
                    continue
                if place in ("pdx", "any_dx"):
                    first_dx[name] = None
                if place in ("main_pr", "any_pr"):
                    first_pr[name] = None
                if isinstance(atom, Count):
                    if place in ("pdx", "main_pr"):
                        continue
                    counts[counted_name(place, name)] = None
                elif place not in ("pdx", "main_pr"):
                    further[further_name(place, name)] = None
    return Asked(
        Bits.of(first_dx), Bits.of(first_pr), Bits.of(further), tuple(whole), tuple(counts), tuple(flags)
    )


def further_name(place: Place, name: str) -> str:
    """Return how a set asked of further codes is written."""
    return f"{place[-2:]}:{name}"


def counted_name(place: Place, name: str) -> str:
    """Return how a counted set is written, with `any` where the first code is counted too."""
    return f"{place[-2:]}:{'any' if place.startswith('any') else 'other'}:{name}"


def _sets_of(atom: Atom) -> Iterable[tuple[Place, str]]:
    if isinstance(atom, In | Count):
        yield atom.place, atom.name
    elif isinstance(atom, Sets):
        for name in atom.names:
            yield atom.place, name
