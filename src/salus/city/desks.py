"""Registration desks: what each source system wrote down about a resident, errors included.

Systems behind one desk (a hospital's HIS, laboratory and record) share its number and its mistakes.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from salus.city.facts import rate
from salus.city.identity import EPOCH, day_text
from salus.city.naming import homophones
from salus.city.people import NEVER, Population
from salus.city.streams import substream
from salus.city.systems import Catalogue, System

MINUTES = 1440
CAREFUL = 0.1
"""Share of the usual identity errors at desks that see identity documents."""
_LOTS = (
    "id", "id_wrong_holder", "name", "birth", "phone", "address", "sex", "duplicate", "merged", "follow_up",
    "late",
    "pick", "pick2", "pick3", "moment",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sheet:
    """What is written about a resident: empty text means not known. `birth` is YYYYMMDD, `sex` M or F."""

    number: str
    surname: str
    given: str
    pinyin: tuple[str, str]
    romanised: bool
    sex: str
    birth: str
    phone: str
    address: str
    newborn: str = ""

    @property
    def full_name(self) -> str:
        """Return the name as one text."""
        return f"{self.surname} {self.given}" if self.romanised else self.surname + self.given


@dataclass(slots=True)
class Chart:
    """One patient record of one desk: its number, what was written first and what changed when (minutes)."""

    resident: int
    number: str
    opened: int
    sheet: Sheet
    changes: list[tuple[int, Sheet]] = field(default_factory=list)
    retired_at: int = 0
    kept: "Chart | None" = None
    errors: tuple[str, ...] = ()
    late: bool = False

    def at(self, minute: int) -> Sheet:
        """Return what the record said at a time."""
        sheet = self.sheet
        for when, changed in self.changes:
            if when <= minute:
                sheet = changed
        return sheet


def desk_of(system: System) -> str:
    """Return the desk at which a system's patients are registered."""
    return system.code if system.careful and system.subject else system.code.split("-")[0]


class Desks:
    """Opens the charts of one block at every desk, in a fixed order, from its own random substream."""

    def __init__(self, seed: int, block: Population, catalogue: Catalogue) -> None:
        self.block = block
        self.catalogue = catalogue
        self.names = sorted({desk_of(system) for system in catalogue.systems})
        self.careful = {desk_of(s): s.careful for s in catalogue.systems}
        self.seed = seed
        self._members: dict[int, list[int]] = {}
        for person, home in enumerate(block.household.tolist()):
            self._members.setdefault(home, []).append(person)
        self.charts: dict[tuple[str, int], list[Chart]] = {}

    def open(self, first_seen: Iterable[tuple[str, int, int]]) -> None:
        """Open a chart for each (desk, resident, first minute); each pair once."""
        wanted: dict[str, list[tuple[int, int]]] = {}
        for desk, resident, minute in first_seen:
            wanted.setdefault(desk, []).append((resident, minute))
        for place, desk in enumerate(self.names):
            rng = substream(self.seed, f"desk:{desk}", self.block.number)
            lots = rng.random((len(self.block), len(_LOTS)))
            for resident, minute in sorted(wanted.get(desk, ())):
                lot = dict(zip(_LOTS, lots[resident].tolist(), strict=True))
                self.charts[desk, resident] = self._charts(desk, place, resident, minute, lot)

    def chart(self, system: System, resident: int, minute: int) -> Chart:
        """Return the chart under which something happens: of two, by turns, never a retired one."""
        charts = self.charts[desk_of(system), resident]
        usable = [c for c in charts if c.opened <= minute and (not c.retired_at or minute < c.retired_at)]
        return usable[minute % len(usable)] if usable else charts[0]

    def _number(self, place: int, resident: int, copy: int) -> str:
        counter = 2 * (self.block.base + resident) + copy
        return f"{10 + place}{(counter * 38_196_601 + place * 12_345_677) % 100_000_000:08d}"

    def _charts(
        self, desk: str, place: int, resident: int, minute: int, lot: dict[str, float]
    ) -> list[Chart]:
        scale = CAREFUL if self.careful[desk] else 1.0
        block = self.block
        born = int(block.birth[resident]) * MINUTES
        newborn = desk[0] in "ts" and block.born_here[resident] and minute < born + 10 * MINUTES
        sheet, errors = (
            self._newborn(resident, place) if newborn else self._sheet(resident, minute, lot, scale)
        )
        chart = Chart(resident, self._number(place, resident, 0), minute, sheet, errors=errors)
        moved = int(block.move_day[block.household[resident]])
        if newborn and lot["follow_up"] < 0.45 and int(block.exit[resident]) * MINUTES > born + 70 * MINUTES:
            when = born + int((35 + 30 * lot["moment"]) * MINUTES)
            named, _ = self._sheet(resident, when, {**lot, "id": 1.0, "name": 1.0, "birth": 1.0}, scale)
            chart.changes.append((when, replace(named, newborn=sheet.newborn)))
        elif moved != NEVER and moved * MINUTES > minute and lot["follow_up"] < (0.9 if scale < 1 else 0.35):
            when = moved * MINUTES + int((5 + 40 * lot["moment"]) * MINUTES)
            if when < int(block.exit[resident]) * MINUTES:
                fresh = replace(
                    sheet,
                    address=block.address_of(resident, moved),
                    phone=sheet.phone and block.phone[resident],
                )
                if lot["late"] < rate("identity_errors", "message_late") * 12:
                    chart.late = True
                    chart.changes.append(
                        (when - 2 * MINUTES, replace(sheet, phone=block.old_phone[resident]))
                    )
                chart.changes.append((when, fresh))
        charts = [chart]
        if lot["duplicate"] < rate("identity_errors", "duplicate") * scale and not newborn:
            second_lot = {
                **lot,
                "id": (lot["id"] * 7.3) % 1,
                "name": (lot["name"] * 5.1) % 1,
                "phone": (lot["phone"] * 3.7) % 1,
            }
            second, second_errors = self._sheet(resident, minute, second_lot, scale)
            again = minute + int((20 + 160 * lot["moment"]) * MINUTES)
            if again < int(block.exit[resident]) * MINUTES:
                twin = Chart(
                    resident,
                    self._number(place, resident, 1),
                    again,
                    second,
                    errors=("duplicate", *second_errors),
                )
                charts.append(twin)
                if lot["merged"] < rate("identity_errors", "duplicate_merged"):
                    twin.retired_at = again + int((30 + 90 * lot["follow_up"]) * MINUTES)
                    twin.kept = chart
        return charts

    def _newborn(self, resident: int, place: int) -> tuple[Sheet, tuple[str, ...]]:
        """Write a newborn as hospitals do: its mother's name, no identity number, a temporary one."""
        block = self.block
        mother = int(block.mother[resident])
        same = [
            other
            for other in self._members[int(block.household[resident])]
            if int(block.mother[other]) == mother
            and block.birth[other] == block.birth[resident]
            and block.sex[other] == block.sex[resident]
        ]
        suffix = "之女" if block.sex[resident] else "之子"
        turn = "甲乙丙丁"[same.index(resident)] if len(same) > 1 else ""
        day = int(block.birth[resident])
        sheet = Sheet(
            "", block.surname[mother], block.given[mother] + suffix + turn,
            (block.surname_pinyin[mother], block.given_pinyin[mother]), False,
            "F" if block.sex[resident] else "M", day_text(day),
            block.phone[mother], block.address_of(mother, day), self.newborn_number(resident),
        )  # fmt: skip
        return sheet, ("newborn",)

    def newborn_number(self, resident: int) -> str:
        """Return the temporary number that a newborn is given in the delivery room."""
        day = day_text(int(self.block.birth[resident]))
        return f"XSE{day}{(self.block.base + resident) % 1_000_000_007:09d}"

    def _sheet(
        self, resident: int, minute: int, lot: dict[str, float], scale: float
    ) -> tuple[Sheet, tuple[str, ...]]:
        block = self.block
        errors: list[str] = []
        day = minute // MINUTES
        age_days = day - int(block.birth[resident])

        def hits(lot_name: str, *names: str) -> str:
            bar = 0.0
            for name in names:
                bar += rate("identity_errors", name) * scale
                if lot[lot_name] < bar:
                    errors.append(name)
                    return name
            return ""

        number = block.identity[resident]
        trouble = hits("id", "id_missing", "id_mistyped")
        if trouble == "id_missing" or (age_days < 60 and scale == 1.0 and lot["pick"] < 0.6):
            number = ""
            errors.extend(["id_missing"] if not trouble else [])
        elif trouble == "id_mistyped":
            number = _mistyped(number, lot["pick"])
        elif hits("id_wrong_holder", "id_wrong_holder"):
            number = block.identity[self._relative(resident, lot["pick"])]

        surname, given = block.surname[resident], block.given[resident]
        pinyin = (block.surname_pinyin[resident], block.given_pinyin[resident])
        romanised = False
        match hits("name", "name_homophone", "name_pinyin", "name_swapped"):
            case "name_homophone":
                given = _homophone(given, lot["pick2"])
            case "name_pinyin":
                surname, given, romanised = pinyin[0], pinyin[1], True
            case "name_swapped":
                surname, given = given, surname

        birth = int(block.birth[resident])
        match hits("birth", "birth_digit", "birth_transposed"):
            case "birth_digit":
                birth = _digit_wrong(birth, lot["pick3"])
            case "birth_transposed":
                birth = _transposed(birth)

        guardian = resident
        if age_days < 16 * 365:
            parents = [p for p in (int(block.mother[resident]), int(block.father[resident])) if p != NEVER]
            guardian = parents[int(lot["pick2"] * len(parents) * 0.999)] if parents else resident
        phone = block.phone[guardian]
        match hits("phone", "phone_changed", "phone_missing", "phone_relative"):
            case "phone_changed":
                phone = block.old_phone[guardian]
            case "phone_missing":
                phone = ""
            case "phone_relative":
                phone = block.phone[self._relative(resident, lot["pick3"])]

        address = block.address_of(resident, day)
        match hits("address", "address_missing", "address_old"):
            case "address_missing":
                address = ""
            case "address_old":
                address = block.address_of(resident, 0)
        female = bool(block.sex[resident]) != bool(hits("sex", "sex_wrong"))
        return Sheet(
            number, surname, given, pinyin, romanised, "F" if female else "M", day_text(birth), phone, address
        ), tuple(errors)

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
