"""What a scheme is, once read: groups in the order they are tried, code sets, exclusions, weights."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Literal, TypeAlias

from salus.insurance.scheme.predicates import TRUE, Predicate
from salus.kernel.errors import Invalid

CodeKind: TypeAlias = Literal["dx", "pr"]
Level: TypeAlias = Literal["mcc", "cc"]


class BadScheme(Invalid):
    """A scheme, or a table of one, that cannot be used: what, in which file and row."""


@dataclass(frozen=True, slots=True)
class CodeSet:
    """A named set of codes of one kind."""

    name: str
    kind: CodeKind
    codes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Mdc:
    """A major category: its place in the order and the gate a case has to pass."""

    mdc: str
    gate: Predicate = TRUE
    name: str = ""


@dataclass(frozen=True, slots=True)
class Split:
    """One DRG of a group: taken when `when` holds and none before did. `severity` is how it was written."""

    drg: str
    when: Predicate
    severity: str = "ANY"
    name: str = ""


@dataclass(frozen=True, slots=True)
class Adrg:
    """A group before severity; `splits` are tried in order. One code may stand in several categories."""

    mdc: str
    adrg: str
    when: Predicate
    splits: tuple[Split, ...]
    name: str = ""


@dataclass(frozen=True, slots=True)
class Counted:
    """A diagnosis that counts as MCC or CC; `excl` is its exclusion group, empty if it has none.

    With `alive` it counts only if the patient left alive.
    """

    level: Level
    excl: str
    alive: bool = False


@dataclass(frozen=True, slots=True)
class Weight:
    """The relative weight of a DRG, and the usual stay in days where the scheme says it."""

    weight: Decimal
    los: Decimal | None = None


@dataclass(frozen=True)
class Scheme:
    """A version of a grouping scheme.

    `mdcs` and `adrgs` are in the order in which they are tried; `counted` gives the diagnoses that count as
    MCC or CC; `exclusions` the exclusion groups that a principal diagnosis stands in; `suppressed` the
    diagnoses that do not count within a group. `no_split` says what becomes of a case whose group has no DRG
    for it: `adrg` gives the group's own code, `next` tries the next group. `died` are the discharge codes of
    patients who died. `mdc_prefix` is written before a category's code.
    """

    code: str
    version: str
    family: str = "CHS-DRG"
    title: str = ""
    title_zh: str = ""
    jurisdiction: str = ""
    valid_from: date | None = None
    valid_to: date | None = None
    source: str = ""
    checked: str = "memory"
    mdc_prefix: str = "MDC"
    no_split: Literal["adrg", "next"] = "adrg"
    ungrouped: tuple[str, str, str] = ("0000", "00", "0000")
    died: tuple[str, ...] = ()
    mdcs: tuple[Mdc, ...] = ()
    adrgs: tuple[Adrg, ...] = ()
    sets: Mapping[str, CodeSet] = field(default_factory=dict)
    sites: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    counted: Mapping[str, tuple[Counted, ...]] = field(default_factory=dict)
    exclusions: Mapping[str, frozenset[str]] = field(default_factory=dict)
    suppressed: Mapping[str, frozenset[str]] = field(default_factory=dict)
    maps: Mapping[CodeKind, Mapping[str, str]] = field(default_factory=dict)
    valid: Mapping[CodeKind, Mapping[str, str]] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    weights: Mapping[str, Weight] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def mdc(self, code: str) -> Mdc:
        """Return a category by its code; raises `BadScheme`."""
        for one in self.mdcs:
            if one.mdc == code:
                return one
        raise BadScheme("scheme-mdc", f"there is no category {code}", fix="See mdc in the scheme's folder.")

    def splits(self) -> Iterator[tuple[int, Adrg, Split]]:
        """Yield each DRG with its group and the group's rank."""
        for rank, adrg in enumerate(self.adrgs):
            for split in adrg.splits:
                yield rank, adrg, split

    def drg_names(self) -> dict[str, str]:
        """Return each DRG's name."""
        return {split.drg: split.name for _, _, split in self.splits()}

    def adrgs_of(self, mdc: str) -> tuple[Adrg, ...]:
        """Return a category's groups in their order."""
        return self._by_mdc.get(mdc, ())

    @cached_property
    def _by_mdc(self) -> dict[str, tuple[Adrg, ...]]:
        found: dict[str, list[Adrg]] = {}
        for adrg in self.adrgs:
            found.setdefault(adrg.mdc, []).append(adrg)
        return {mdc: tuple(listed) for mdc, listed in found.items()}

    def all_codes(self, kind: CodeKind) -> frozenset[str]:
        """Return every code the scheme knows: listed as valid, in a set, or with a severity or exclusion."""
        return self._codes[kind]

    @cached_property
    def _codes(self) -> dict[CodeKind, frozenset[str]]:
        return {"dx": self._codes_of("dx"), "pr": self._codes_of("pr")}

    def _codes_of(self, kind: CodeKind) -> frozenset[str]:
        found = set(self.valid.get(kind, ()))
        for one in self.sets.values():
            if one.kind == kind:
                found |= one.codes
        if kind == "dx":
            found |= set(self.counted) | set(self.exclusions)
        return frozenset(found)

    def in_force(self, day: date) -> bool:
        """Say whether the scheme is in force on a day."""
        return (self.valid_from is None or self.valid_from <= day) and (
            self.valid_to is None or day <= self.valid_to
        )


def site_set(mdc: str, site: str) -> str:
    """Return the name of the set of a category's diagnoses at one site of the body."""
    return f"mdc_{mdc}." + re.sub(r"[^\w.\-/+]", "_", site)


_SEVERITIES: dict[str, str] = {
    "ANY": "true", "": "true", "ALL": "true", "MCC": "mcc", "CC": "cc", "MCC_OR_CC": "mcc or cc",
    "CC_OR_MCC": "mcc or cc", "NONE": "not mcc and not cc", "NO_CC": "not mcc and not cc",
    "NO_MCC": "not mcc",
}  # fmt: skip


def severity_rule(word: str) -> str | None:
    """Return the rule that one of the usual severity words stands for, or None for any other text."""
    return _SEVERITIES.get(word.strip().upper().replace(" ", "_").replace("/", "_OR_"))
