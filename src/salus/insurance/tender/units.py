"""Strengths and packs: conversion of volumes and prices between them, exact by rational arithmetic."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm

from salus.kernel.errors import Invalid

_UNITS: dict[str, tuple[Fraction, str]] = {
    "ng": (Fraction(1, 10**6), "mg"),
    "ug": (Fraction(1, 1000), "mg"),
    "µg": (Fraction(1, 1000), "mg"),
    "μg": (Fraction(1, 1000), "mg"),
    "mcg": (Fraction(1, 1000), "mg"),
    "mg": (Fraction(1), "mg"),
    "g": (Fraction(1000), "mg"),
    "ml": (Fraction(1), "ml"),
    "l": (Fraction(1000), "ml"),
    "iu": (Fraction(1), "iu"),
    "u": (Fraction(1), "iu"),
    "miu": (Fraction(10**6), "iu"),
    "mmol": (Fraction(1), "mmol"),
    "%": (Fraction(1), "%"),
}
_PART = re.compile(r"\s*([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*([a-zµμ%]{1,4})\s*", re.IGNORECASE)
_PARTS_MOST = 8


@dataclass(frozen=True, slots=True)
class Strength:
    """The amount of each active substance in one unit (tablet, vial): 5 mg, 80 mg/12.5 mg."""

    parts: tuple[tuple[Fraction, str], ...]

    @classmethod
    def parse(cls, text: str) -> Strength:
        """Read a strength such as "0.25 g" or "80mg/12.5mg".

        Raises:
            Invalid: it is none, or a part is zero.
        """
        parts = []
        for piece in text.split("/")[: _PARTS_MOST + 1]:
            match = _PART.fullmatch(piece)
            unit = _UNITS.get(match[2].lower()) if match else None
            if match is None or unit is None or not (amount := Fraction(match[1])):
                raise Invalid(
                    "strength-malformed",
                    "This is no strength",
                    where="strength",
                    fix="Write 5 mg or 80mg/12.5mg",
                )
            parts.append((amount * unit[0], unit[1]))
        if len(parts) > _PARTS_MOST:
            raise Invalid("strength-malformed", "The strength has too many parts", where="strength")
        return cls(tuple(parts))

    def over(self, other: Strength) -> Fraction:
        """Return how many times the other strength this one is.

        Raises:
            Invalid: the two are of other substances or mix them in another proportion.
        """
        if [unit for _, unit in self.parts] != [unit for _, unit in other.parts]:
            raise Invalid("strength-incomparable", "The strengths are not of one kind", where="strength")
        ratios = {mine / its for (mine, _), (its, _) in zip(self.parts, other.parts, strict=True)}
        if len(ratios) != 1:
            raise Invalid(
                "strength-incomparable", "The strengths mix their substances differently", where="strength"
            )
        return ratios.pop()

    def times(self, factor: Fraction) -> Strength:
        """Return the strength multiplied."""
        return Strength(tuple((amount * factor, unit) for amount, unit in self.parts))

    def __str__(self) -> str:
        return "/".join(f"{_decimal(amount)} {unit}" for amount, unit in self.parts)


def _decimal(value: Fraction) -> str:
    """Return a fraction as a decimal where it is one, else as a fraction."""
    for places in range(10):
        scaled = value * 10**places
        if scaled.denominator == 1:
            digits = f"{scaled.numerator:0{places + 1}d}"
            return f"{digits[:-places]}.{digits[-places:]}" if places else digits
    return str(value)


def common_reference(strengths: Iterable[Strength]) -> Strength:
    """Return the largest strength of which all given are whole multiples, so that volumes stay whole.

    Raises:
        Invalid: there is none, or the strengths cannot be compared.
    """
    given = list(strengths)
    if not given:
        raise Invalid("strength-none", "There is no strength to compare")
    ratios = [one.over(given[0]) for one in given]
    numerator = gcd(*(ratio.numerator for ratio in ratios))
    denominator = lcm(*(ratio.denominator for ratio in ratios))
    return given[0].times(Fraction(numerator, denominator))


def reference_units(strength: Strength, pack: int, packs: int, reference: Strength) -> int:
    """Return a volume of packs in whole reference units.

    Args:
        strength: of one unit in the pack.
        pack: units a pack.
        packs: how many packs.
        reference: the strength of the group's reference unit.

    Raises:
        Invalid: the volume is not whole in the reference (take a smaller one: `common_reference`).
    """
    if pack < 1 or packs < 0:
        raise Invalid(
            "volume-range", "A pack holds at least one unit, and packs are not negative", where="packs"
        )
    units = strength.over(reference) * pack * packs
    if units.denominator != 1:
        raise Invalid(
            "volume-not-whole",
            "The volume is not a whole number of reference units",
            where="strength",
            fix="Take a smaller reference strength",
        )
    return units.numerator
