"""Money in whole fen: one rounding, at the end, and splits that add up exactly."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from fractions import Fraction

from salus.kernel.errors import Invalid

Fen = int


def to_fen(yuan: Decimal | str | int) -> Fen:
    """Return an amount of yuan as fen.

    Raises:
        Invalid: it is not a number, or not a whole number of fen (a float is refused by its type).
    """
    if isinstance(yuan, float):
        raise Invalid("money-float", "An amount of money must not be a float", fix="Give a decimal or text")
    try:
        fen = Decimal(yuan) * 100
    except InvalidOperation:
        raise Invalid("money-malformed", "This is no amount of money") from None
    if not fen.is_finite() or fen != fen.to_integral_value():
        raise Invalid("money-fraction", "An amount of money must be a whole number of fen")
    return int(fen)


def to_yuan(fen: Fen) -> Decimal:
    """Return fen as yuan with two decimals."""
    return Decimal(fen).scaleb(-2).quantize(Decimal("0.01"))


def format_yuan(fen: Fen) -> str:
    """Return an amount as text: ¥1,234.56."""
    sign = "-" if fen < 0 else ""
    return f"{sign}¥{abs(fen) // 100:,}.{abs(fen) % 100:02d}"


def round_fen(amount: Fraction | Decimal) -> Fen:
    """Round an exact amount of fen half away from zero (Chinese commercial rounding: 四舍五入)."""
    exact = Fraction(amount)
    doubled = abs(exact) * 2
    rounded = int((doubled + 1) // 2)
    return rounded if exact >= 0 else -rounded


def share(fen: Fen, ratio: Fraction | Decimal) -> Fen:
    """Return a share of an amount, rounded once."""
    return round_fen(Fraction(fen) * Fraction(ratio))


def split(fen: Fen, weights: Sequence[int | Fraction | Decimal]) -> list[Fen]:
    """Split an amount in proportion to weights so that the parts add up to it exactly.

    Each part is the exact share rounded towards zero; the fen left over go to the largest remainders, the
    first of equals. Source: method of the largest remainder (Hamilton).

    Raises:
        Invalid: there are no weights, one is negative, or all are zero.
    """
    exact = [Fraction(weight) for weight in weights]
    total = sum(exact)
    if not exact or min(exact) < 0 or total == 0:
        raise Invalid("money-weights", "The weights must not be negative and not all zero")
    sign = -1 if fen < 0 else 1
    shares = [abs(fen) * weight / total for weight in exact]
    parts = [int(part) for part in shares]
    left = abs(fen) - sum(parts)
    order = sorted(range(len(parts)), key=lambda place: (parts[place] - shares[place], place))
    for place in order[:left]:
        parts[place] += 1
    return [sign * part for part in parts]


def percent(text: str) -> Fraction:
    """Read a percentage such as "62.5" as an exact ratio; raises Invalid when it is none."""
    try:
        return Fraction(Decimal(text)) / 100
    except (InvalidOperation, ValueError, OverflowError):
        raise Invalid("money-percent", "This is no percentage") from None


def yuan_rounded(amount: Decimal) -> Decimal:
    """Round yuan to fen, half up, for showing."""
    return amount.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)
