"""Exact arithmetic of the payment engines: ratios as whole ten-thousandths, one rounding, half up."""

from decimal import Decimal, InvalidOperation
from fractions import Fraction

from salus.kernel.errors import Invalid
from salus.kernel.money import round_fen

PARTS = 10_000
"""Weights, factors and ratios are whole numbers of these parts of one (four decimals)."""


def parts(value: str | Decimal | Fraction | int, *, where: str = "") -> int:
    """Return a ratio such as "0.4" as whole ten-thousandths (4000).

    Raises:
        Invalid: it is no number, a float, negative, or has more than four decimals.
    """
    if isinstance(value, float):
        raise Invalid("payment-float", "A ratio must not be a float", where=where, fix="Write it as text")
    try:
        exact = Fraction(value) if isinstance(value, Fraction) else Fraction(Decimal(value))
    except (InvalidOperation, ValueError, OverflowError, TypeError):
        raise Invalid("payment-ratio", "This is no ratio", where=where, fix='Write it as "0.4"') from None
    whole = exact * PARTS
    if whole < 0 or whole.denominator != 1:
        raise Invalid("payment-ratio", "A ratio is not negative and has at most four decimals", where=where)
    return int(whole)


def rounded(numerator: int, denominator: int) -> int:
    """Return a quotient of whole numbers rounded half away from zero."""
    return round_fen(Fraction(numerator, denominator))
