"""What desks write down about residents, errors included: arrays with one element a sheet.

The rates of the errors stand in `rules/identity_errors.csv`; each sheet's errors come from its own row of
lots, so that a sheet is the same in whatever company it is written.
"""

from dataclasses import dataclass, fields
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salus.city.facts import Floats, Ints, rate
from salus.city.identity import EPOCH, day_text
from salus.city.naming import homophones
from salus.city.people import NEVER, Bools, Population

MINUTES = 1440
CAREFUL = 0.1
"""Share of the usual identity errors at desks that see identity documents."""
LOTS = (
    "id", "id_wrong_holder", "name", "birth", "phone", "address", "sex", "duplicate", "merged", "follow_up",
    "late",
    "pick", "pick2", "pick3", "moment",
)  # fmt: skip
LOT = {name: column for column, name in enumerate(LOTS)}
ERRORS = (
    "duplicate", "newborn", "id_missing", "id_mistyped", "id_wrong_holder", "name_homophone", "name_pinyin",
    "name_swapped", "birth_digit", "birth_transposed", "phone_changed", "phone_missing", "phone_relative",
    "address_missing", "address_old", "sex_wrong",
)  # fmt: skip
_BIT = {name: 1 << place for place, name in enumerate(ERRORS)}
Texts = NDArray[Any]
"""An array of Python texts (dtype object)."""


@lru_cache(maxsize=4_096)
def errors_of(mask: int) -> tuple[str, ...]:
    """Return the names of the errors in a mask, in the order in which a desk makes them."""
    return tuple(name for name, bit in _BIT.items() if mask & bit)


@dataclass(slots=True)
class Sheets:
    """Arrays with one element a sheet: empty text means not known, `birth` is a day number."""

    number: Texts
    surname: Texts
    given: Texts
    surname_pinyin: Texts
    given_pinyin: Texts
    romanised: Bools
    female: Bools
    birth: Ints
    phone: Texts
    address: Texts
    newborn: Texts
    errors: Ints

    def __len__(self) -> int:
        return len(self.number)

    def take(self, chosen: Ints | Bools) -> "Sheets":
        """Return some of the sheets."""
        return Sheets(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def put(self, chosen: Ints | Bools, others: "Sheets") -> None:
        """Overwrite some of the sheets."""
        for field in fields(self):
            getattr(self, field.name)[chosen] = getattr(others, field.name)


def joined(parts: list[Sheets]) -> Sheets:
    """Return the sheets of several one after another."""
    return Sheets(*(np.concatenate([getattr(p, field.name) for p in parts]) for field in fields(Sheets)))


def texts(values: list[str]) -> Texts:
    """Return texts as an array of objects."""
    made = np.empty(len(values), dtype=object)
    made[:] = values
    return made


class Writer:
    """Writes sheets about the residents of one block."""

    def __init__(self, block: Population) -> None:
        self.block = block
        self.identity, self.phone, self.old_phone = (
            texts(block.identity), texts(block.phone), texts(block.old_phone),
        )  # fmt: skip
        self.surname, self.given = texts(block.surname), texts(block.given)
        self.pinyin = texts(block.surname_pinyin), texts(block.given_pinyin)
        self._home = texts(block.address), texts(block.new_address)
        self._members: dict[int, list[int]] = {}
        for person, home in enumerate(block.household.tolist()):
            self._members.setdefault(home, []).append(person)

    def address_of(self, resident: Ints, day: Ints) -> Texts:
        """Return where residents live on a day."""
        home = self.block.household[resident]
        move = self.block.move_day[home]
        moved = (move != NEVER) & (day >= move)
        return np.where(moved, self._home[1][home], self._home[0][home])

    def newborn_numbers(self, resident: Ints) -> Texts:
        """Return the temporary numbers that newborns are given in the delivery room."""
        base, birth = self.block.base, self.block.birth
        return texts(
            [f"XSE{day_text(int(birth[r]))}{(base + r) % 1_000_000_007:09d}" for r in resident.tolist()]
        )

    def write(self, resident: Ints, minute: Ints, lots: Floats, scale: Floats) -> Sheets:
        """Return what is written about each resident at a minute.

        `lots` has a row a sheet and the columns of `LOTS`; `scale` multiplies the rates of errors.
        """
        block = self.block
        mask = np.zeros(len(resident), dtype=np.int64)

        def hits(lot: str, *names: str, among: Bools | None = None) -> list[Bools]:
            """Return where each error falls; the rates of one lot add up, the first that is met counts."""
            bar = np.zeros(len(resident))
            free = np.ones(len(resident), dtype=bool) if among is None else among.copy()
            found = []
            for name in names:
                bar = bar + rate("identity_errors", name) * scale
                hit = free & (lots[:, LOT[lot]] < bar)
                mask[hit] |= _BIT[name]
                free &= ~hit
                found.append(hit)
            return found

        day = minute // MINUTES
        age_days = day - block.birth[resident]
        pick, pick2, pick3 = (lots[:, LOT[name]] for name in ("pick", "pick2", "pick3"))

        number = self.identity[resident]
        missing, mistyped = hits("id", "id_missing", "id_mistyped")
        young = (age_days < 60) & (scale == 1.0) & (pick < 0.6)
        mask[young & ~missing & ~mistyped] |= _BIT["id_missing"]
        empty = missing | young
        number[empty] = ""
        for i in np.flatnonzero(mistyped & ~empty).tolist():
            number[i] = _mistyped(number[i], pick[i])
        (wrong,) = hits("id_wrong_holder", "id_wrong_holder", among=~empty & ~mistyped)
        for i in np.flatnonzero(wrong).tolist():
            number[i] = block.identity[self._relative(int(resident[i]), pick[i])]

        surname, given = self.surname[resident], self.given[resident]
        family_sound, given_sound = (sounds[resident] for sounds in self.pinyin)
        homophone, romanised, swapped = hits("name", "name_homophone", "name_pinyin", "name_swapped")
        for i in np.flatnonzero(homophone).tolist():
            given[i] = _homophone(given[i], pick2[i])
        surname[romanised], given[romanised] = family_sound[romanised], given_sound[romanised]
        surname[swapped], given[swapped] = given[swapped], surname[swapped]

        birth = block.birth[resident]
        digit, transposed = hits("birth", "birth_digit", "birth_transposed")
        for i in np.flatnonzero(digit).tolist():
            birth[i] = _digit_wrong(int(birth[i]), pick3[i])
        for i in np.flatnonzero(transposed).tolist():
            birth[i] = _transposed(int(birth[i]))

        guardian = self._guardians(resident, age_days, pick2)
        phone = self.phone[guardian]
        changed, missing, relative = hits("phone", "phone_changed", "phone_missing", "phone_relative")
        phone[changed] = self.old_phone[guardian[changed]]
        phone[missing] = ""
        for i in np.flatnonzero(relative).tolist():
            phone[i] = block.phone[self._relative(int(resident[i]), pick3[i])]

        address = self.address_of(resident, day)
        missing, old = hits("address", "address_missing", "address_old")
        address[missing] = ""
        address[old] = self.address_of(resident[old], np.zeros(int(old.sum()), dtype=np.int64))
        (wrong,) = hits("sex", "sex_wrong")
        return Sheets(
            number, surname, given, family_sound, given_sound, romanised, (block.sex[resident] != 0) != wrong,
            birth, phone, address, np.full(len(resident), "", dtype=object), mask,
        )  # fmt: skip

    def newborns(self, resident: Ints) -> Sheets:
        """Write newborns as hospitals do: the mother's name, no identity number, a temporary one."""
        block = self.block
        mother = block.mother[resident]
        female = block.sex[resident] != 0
        ends = [
            ("之女" if female[i] else "之子") + self._turn(child) for i, child in enumerate(resident.tolist())
        ]
        day = block.birth[resident]
        return Sheets(
            np.full(len(resident), "", dtype=object), self.surname[mother], self.given[mother] + texts(ends),
            self.pinyin[0][mother], self.pinyin[1][mother], np.zeros(len(resident), dtype=bool), female, day,
            self.phone[mother], self.address_of(mother, day), self.newborn_numbers(resident),
            np.full(len(resident), _BIT["newborn"], dtype=np.int64),
        )  # fmt: skip

    def _turn(self, child: int) -> str:
        """Return which of several children of one sex born together this is; "" for the only one."""
        block = self.block
        same = [
            other
            for other in self._members[int(block.household[child])]
            if block.mother[other] == block.mother[child]
            and block.birth[other] == block.birth[child]
            and block.sex[other] == block.sex[child]
        ]
        return "甲乙丙丁"[same.index(child)] if len(same) > 1 else ""

    def _guardians(self, resident: Ints, age_days: Ints, lot: Floats) -> Ints:
        """Return whose phone is given: a parent's for those under 16, else one's own."""
        mother, father = self.block.mother[resident], self.block.father[resident]
        known = (mother != NEVER).astype(np.int64) + (father != NEVER)
        second = (lot * known * 0.999).astype(np.int64) == 1
        parent = np.where(second | (mother == NEVER), father, mother)
        return np.where((age_days < 16 * 365) & (known > 0), parent, resident)

    def _relative(self, resident: int, lot: float) -> int:
        others = [other for other in self._members[int(self.block.household[resident])] if other != resident]
        return others[int(lot * len(others) * 0.999)] if others else resident


def _mistyped(number: str, lot: float) -> str:
    place = 6 + int(lot * 10.99)
    digit = str((int(number[place]) + 1 + int(lot * 1000) % 9) % 10)
    return number[:place] + digit + number[place + 1 :]


def _homophone(given: str, lot: float) -> str:
    sounds = homophones()
    place = int(lot * len(given) * 0.999)
    options = sounds.get(given[place], ())
    if not options:
        place = len(given) - 1 - place
        options = sounds.get(given[place], ())
    if not options:
        return given
    return given[:place] + options[int(lot * 997) % len(options)] + given[place + 1 :]


def _digit_wrong(birth: int, lot: float) -> int:
    day = EPOCH + timedelta(days=birth)
    if lot < 0.4:
        return birth + (1 if lot < 0.2 else -1)
    if lot < 0.7:
        return (day.replace(day=min(day.day, 28), month=day.month % 12 + 1) - EPOCH).days
    shifted = day.year - 10 if lot < 0.85 and day.year >= 1940 else day.year - 1
    return (day.replace(year=shifted, day=min(day.day, 28)) - EPOCH).days


def _transposed(birth: int) -> int:
    day = EPOCH + timedelta(days=birth)
    if day.day <= 12 and day.day != day.month:
        return (date(day.year, day.day, day.month) - EPOCH).days
    digits = f"{day.day:02d}"[::-1]
    if 1 <= int(digits) <= 28:
        return (day.replace(day=int(digits)) - EPOCH).days
    return birth
