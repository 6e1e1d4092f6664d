"""Identity numbers and phones that pass every format check and can belong to nobody.

An identity number's first six digits are a GB/T 2260 code. Provinces 29, 38, 39, 49, 59 and 69 were
never given out, so a number that begins with one of them is fictional, yet has a real date and a
right check digit. Phones begin with 154, which no carrier gives to persons.
"""

from datetime import date, timedelta

from salus.city.geography import CITY_CODE

EPOCH = date(1970, 1, 1)
OTHER_PROVINCES = ("29", "38", "49", "59", "69")
RESIDUES = 10
"""Blocks that share a region code take different last digits of the serial, so numbers never meet."""

_WEIGHTS = tuple(pow(2, 17 - i, 11) for i in range(17))


def check_digit(body: str) -> str:
    """Return the 18th character for 17 digits. Source: GB 11643-1999 (ISO 7064, MOD 11-2)."""
    return "10X98765432"[sum(int(c) * w for c, w in zip(body, _WEIGHTS, strict=True)) % 11]


def day_text(day: int) -> str:
    """Return a day number (days since 1970-01-01) as YYYYMMDD."""
    return (EPOCH + timedelta(days=day)).strftime("%Y%m%d")


def local_region(block: int, district: int) -> str:
    """Return the region code of residents of a block who were registered in the city.

    The first ten blocks use the districts' own codes; a larger city has swallowed neighbouring
    (fictional) counties of province 39, whose codes its residents keep for life.
    """
    variant = block // RESIDUES
    if variant == 0:
        return f"{CITY_CODE[:4]}{district + 2:02d}"
    return f"39{1 + (variant - 1) % 98 + 1:02d}{district + 2 + 18 * ((variant - 1) // 98 + 1):02d}"


def migrant_region(block: int, origin: int) -> str:
    """Return the region code of residents of a block who came from elsewhere; `origin` is 0 to 34."""
    return f"{OTHER_PROVINCES[origin % 5]}{1 + (block * 37 + origin // 5) % 9998:04d}"


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
