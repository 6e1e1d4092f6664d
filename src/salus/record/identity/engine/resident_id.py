"""Resident identity numbers of China: what a valid one says of its holder.

Source: GB 11643-1999 (18 digits: region 6, birth date 8, sequence 3, check character by ISO 7064
MOD 11-2) and the 15-digit form it replaced (region 6, birth date 6 of the 1900s, sequence 3).
"""

from dataclasses import dataclass
from datetime import date
from typing import Literal

WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK = "10X98765432"
# GB/T 2260, first two digits: provinces, regions and municipalities, Taiwan (71, and 83 on residence
# permits), Hong Kong (81), Macau (82); 9x is used on permanent residence permits of foreigners.
PROVINCES = frozenset(
    "11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65"
    " 71 81 82 83 91".split()
)
_EARLIEST = date(1870, 1, 1)


@dataclass(frozen=True, slots=True)
class ResidentId:
    """A valid number: its 18-character form, its region of first issue, the birth date and the sex."""

    number: str
    region: str
    birth_date: date
    sex: Literal["male", "female"]


def check_character(first17: str) -> str:
    """Return the check character of the first 17 digits (ISO 7064 MOD 11-2)."""
    return _CHECK[sum(int(d) * w for d, w in zip(first17, WEIGHTS, strict=True)) % 11]


def parse(value: str, *, today: date) -> ResidentId | None:
    """Read a number of 18 characters, or of 15 digits which is converted; None if it is not valid.

    Spaces, hyphens and full-width digits are forgiven. A birth after `today`, before 1870, or a date
    that the calendar does not have makes the number invalid.
    """
    number = value.strip().translate(_FORGIVEN).upper()
    if len(number) == 15 and number.isascii() and number.isdigit():
        first17 = number[:6] + "19" + number[6:]
        number = first17 + check_character(first17)
    if len(number) != 18 or not number.isascii() or not number[:17].isdigit():
        return None
    if number[:2] not in PROVINCES or number[17] != check_character(number[:17]):
        return None
    try:
        born = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return None
    if not _EARLIEST <= born <= today:
        return None
    return ResidentId(number, number[:6], born, "male" if int(number[16]) % 2 else "female")


_FORGIVEN = str.maketrans("０１２３４５６７８９Ｘｘ", "0123456789XX", " -\u3000\t")
