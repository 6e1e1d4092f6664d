"""Identity numbers and phones that pass every format check and can belong to nobody.

An identity number's first six digits are a GB/T 2260 code: province, prefecture, county. No province
ever had a prefecture numbered 80 to 89 (real ones stop at 53 and at 90 for counties under a province),
so a number whose third digit is 8 is plainly fictional, yet its province exists, its date is real and
its check digit right. Phones begin with 154, which no carrier gives to persons.
"""

from datetime import date, timedelta
from functools import lru_cache
from operator import mul

from salus.city.geography import CITY_CODE

EPOCH = date(1970, 1, 1)
HOME_PROVINCES = ("32", "33", "34", "35")
OTHER_PROVINCES = ("36", "37", "41", "43", "44")
ORIGINS = 30
"""From how many (fictional) counties the newcomers of one block come."""
RESIDUES = 10
"""Blocks that share a region code take different last digits of the serial, so numbers never meet."""

_WEIGHTS = tuple(pow(2, 17 - i, 11) for i in range(17))


def check_digit(body: str) -> str:
    """Return the 18th character for 17 digits. Source: GB 11643-1999 (ISO 7064, MOD 11-2)."""
    return "10X98765432"[sum(map(mul, map(int, body), _WEIGHTS)) % 11]


@lru_cache(maxsize=65_536)
def day_text(day: int) -> str:
    """Return a day number (days since 1970-01-01) as YYYYMMDD."""
    return (EPOCH + timedelta(days=day)).strftime("%Y%m%d")


def local_region(block: int, district: int) -> str:
    """Return the region code of residents of a block who were registered in the city.

    The first ten blocks use the districts' own codes; a larger city has swallowed neighbouring
    (fictional) prefectures, whose codes its residents keep for life.
    """
    variant = block // RESIDUES
    province, rest = HOME_PROVINCES[variant // 50 % len(HOME_PROVINCES)], variant % 50
    if variant == 0:
        return f"{CITY_CODE[:4]}{district + 2:02d}"
    return f"{province}{80 + rest % 10}{district + 2 + 18 * (rest // 10):02d}"


def migrant_region(block: int, origin: int) -> str:
    """Return the region code of residents of a block who came from elsewhere; `origin` is below ORIGINS."""
    county = (block // RESIDUES) * 6 + origin // len(OTHER_PROVINCES)
    return f"{OTHER_PROVINCES[origin % len(OTHER_PROVINCES)]}{80 + county // 99 % 10}{1 + county % 99:02d}"


class Numbers:
    """Gives out the identity numbers of one block, each once."""

    def __init__(self, block: int) -> None:
        self._block = block
        self._used: set[str] = set()

    def give(self, region: str, birth: int, female: bool, wish: int) -> str:
        """Return a new number; `wish` (0 or more) picks the serial, the next free one is taken."""
        residue = self._block % RESIDUES
        for step in range(50):
            serial = (((wish + step) % 50) * RESIDUES + residue) * 2 + (0 if female else 1)
            body = f"{region}{day_text(birth)}{serial:03d}"
            if body not in self._used:
                self._used.add(body)
                return body + check_digit(body)
        raise ValueError("more than 50 births of one sex on one day in one region and block")


def phone(number: int) -> str:
    """Return the mobile number of a counter (0 to 99,999,999), scattered so that neighbours differ."""
    return f"154{(number * 38_196_601 + 7_654_321) % 100_000_000:08d}"
