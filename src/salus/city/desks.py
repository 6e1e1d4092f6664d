"""Registration desks: which charts they keep, and what each says when, errors included.

Systems behind one desk (a hospital's HIS, laboratory and record) share its number and its mistakes.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from salus.city.facts import Floats, Ints, rate
from salus.city.identity import day_text
from salus.city.people import NEVER, Population
from salus.city.sheets import (
    CAREFUL,
    LOT,
    LOTS,
    MINUTES,
    Sheets,
    Texts,
    Writer,
    errors_of,
    joined,
    texts,
)
from salus.city.streams import substream
from salus.city.systems import Catalogue, System

DUPLICATE = 1


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


@dataclass(frozen=True, slots=True)
class FirstSeen:
    """When each desk first sees a resident: arrays with one element a (desk, resident), each pair once."""

    desk: Ints
    resident: Ints
    minute: Ints


@dataclass(slots=True)
class Charts:
    """All charts of a block, as arrays with one element a chart; `sheets` holds a sheet a version.

    The first charts stand in the order of desk and resident, the second ones after them: `second` leads
    from a first chart to its twin, `kept` from a twin to the chart that it is merged into (NEVER: none).
    `changes` holds, for the few charts that change, (minute, row of `sheets`) by time.
    """

    desk: Ints
    resident: Ints
    number: Texts
    opened: Ints
    sheets: Sheets
    retired_at: Ints
    kept: Ints
    late: set[int]
    changes: dict[int, list[tuple[int, int]]]
    second: dict[int, int]

    def __len__(self) -> int:
        return len(self.desk)


class Desks:
    """Opens the charts of one block at every desk, each desk from its own random substream."""

    def __init__(self, seed: int, block: Population, catalogue: Catalogue) -> None:
        self.seed, self.block, self.catalogue = seed, block, catalogue
        self.names = sorted({desk_of(system) for system in catalogue.systems})
        careful = {desk_of(s): s.careful for s in catalogue.systems}
        self._scale = np.array([CAREFUL if careful[name] else 1.0 for name in self.names])
        self._hospital = np.array([name[0] in "ts" for name in self.names])
        self.of_system = np.array([self.names.index(desk_of(s)) for s in catalogue.systems])
        self.writer = Writer(block)

    def open(self, seen: FirstSeen) -> None:
        """Open a chart, sometimes two, for each (desk, resident)."""
        order = np.lexsort((seen.resident, seen.desk))
        desk, resident, minute = (a[order] for a in (seen.desk, seen.resident, seen.minute))
        lots = np.empty((len(desk), len(LOTS)))
        bounds = np.searchsorted(desk, np.arange(len(self.names) + 1))
        for place, name in enumerate(self.names):
            low, high = bounds[place], bounds[place + 1]
            if low < high:
                rng = substream(self.seed, f"desk:{name}", self.block.number)
                lots[low:high] = rng.random((len(self.block), len(LOTS)))[resident[low:high]]
        self.table = self._charts(desk, resident, minute, lots)

    def _charts(self, desk: Ints, resident: Ints, minute: Ints, lots: Floats) -> Charts:
        block, count = self.block, len(desk)
        scale = self._scale[desk]
        born = block.birth[resident] * MINUTES
        newborn = self._hospital[desk] & block.born_here[resident] & (minute < born + 10 * MINUTES)
        sheets = self.writer.write(resident, minute, lots, scale)
        sheets.put(newborn, self.writer.newborns(resident[newborn]))
        parts, rows = [sheets], count
        changes: dict[int, list[tuple[int, int]]] = {}
        late: set[int] = set()

        def change(chart: Ints, when: Ints, written: Sheets) -> None:
            nonlocal rows
            parts.append(written)
            for i, (one, moment) in enumerate(zip(chart.tolist(), when.tolist(), strict=True)):
                changes.setdefault(one, []).append((moment, rows + i))
            rows += len(chart)

        leaves = block.exit[resident] * MINUTES
        follow_up, moment = lots[:, LOT["follow_up"]], lots[:, LOT["moment"]]
        named = newborn & (follow_up < 0.45) & (leaves > born + 70 * MINUTES)
        who = np.flatnonzero(named)
        when = born[who] + ((35 + 30 * moment[who]) * MINUTES).astype(np.int64)
        plain = lots[who]
        plain[:, [LOT["id"], LOT["name"], LOT["birth"]]] = 1.0
        fresh = self.writer.write(resident[who], when, plain, scale[who])
        fresh.newborn = sheets.newborn[who]
        change(who, when, fresh)

        moved = block.move_day[block.household[resident]]
        when = moved * MINUTES + ((5 + 40 * moment) * MINUTES).astype(np.int64)
        told = (moved != NEVER) & (moved * MINUTES > minute) & ~named & (when < leaves)
        who = np.flatnonzero(told & (follow_up < np.where(scale < 1, 0.9, 0.35)))
        tardy = who[lots[who, LOT["late"]] < rate("identity_errors", "message_late") * 12]
        late.update(tardy.tolist())
        stale = sheets.take(tardy)
        stale.phone = self.writer.old_phone[resident[tardy]]
        change(tardy, when[tardy] - 2 * MINUTES, stale)
        fresh = sheets.take(who)
        fresh.address = self.writer.address_of(resident[who], moved[who])
        fresh.phone = np.where(fresh.phone == "", "", self.writer.phone[resident[who]])
        change(who, when[who], fresh)

        twice = np.flatnonzero(
            (lots[:, LOT["duplicate"]] < rate("identity_errors", "duplicate") * scale) & ~newborn
        )
        again = minute[twice] + ((20 + 160 * moment[twice]) * MINUTES).astype(np.int64)
        twice, again = (a[again < leaves[twice]] for a in (twice, again))
        other = lots[twice]
        for name, factor in (("id", 7.3), ("name", 5.1), ("phone", 3.7)):
            other[:, LOT[name]] = (other[:, LOT[name]] * factor) % 1
        twins = self.writer.write(resident[twice], minute[twice], other, scale[twice])
        twins.errors |= DUPLICATE
        merged = lots[twice, LOT["merged"]] < rate("identity_errors", "duplicate_merged")
        retired = np.where(merged, again + ((30 + 90 * follow_up[twice]) * MINUTES).astype(np.int64), 0)
        # Twins stand right after the first charts: their sheets' rows are their own numbers.
        shift = len(twice)
        moved_rows = {chart: [(at, row + shift) for at, row in told_] for chart, told_ in changes.items()}
        return Charts(
            np.concatenate([desk, desk[twice]]), np.concatenate([resident, resident[twice]]),
            self._numbers(desk, resident, twice), np.concatenate([minute, again]),
            joined([parts[0], twins, *parts[1:]]),
            np.concatenate([np.zeros(count, dtype=np.int64), retired]),
            np.concatenate([np.full(count, NEVER), np.where(merged, twice, NEVER)]),
            late, moved_rows, {int(one): count + i for i, one in enumerate(twice.tolist())},
        )  # fmt: skip

    def _numbers(self, desk: Ints, resident: Ints, twice: Ints) -> Texts:
        place = np.concatenate([desk, desk[twice]])
        copy = np.concatenate([np.zeros(len(desk), dtype=np.int64), np.ones(len(twice), dtype=np.int64)])
        counter = 2 * (self.block.base + np.concatenate([resident, resident[twice]])) + copy
        number = (10 + place) * 100_000_000 + (counter * 38_196_601 + place * 12_345_677) % 100_000_000
        return texts([str(value) for value in number.tolist()])

    @cached_property
    def charts(self) -> dict[tuple[str, int], list[Chart]]:
        """The charts of each (desk, resident) as objects, for those who write messages about them."""
        table = self.table
        sheets = [
            Sheet(
                number, surname, given, (a, b), romanised, "F" if female else "M", day_text(birth), phone,
                address, newborn,
            )
            for number, surname, given, a, b, romanised, female, birth, phone, address, newborn in zip(
                *(
                    column.tolist()
                    for column in (
                        table.sheets.number, table.sheets.surname, table.sheets.given,
                        table.sheets.surname_pinyin, table.sheets.given_pinyin, table.sheets.romanised,
                        table.sheets.female, table.sheets.birth, table.sheets.phone, table.sheets.address,
                        table.sheets.newborn,
                    )
                ),
                strict=True,
            )
        ]  # fmt: skip
        made = [
            Chart(resident, number, opened, sheets[i], errors=errors_of(mask), retired_at=retired)
            for i, (resident, number, opened, mask, retired) in enumerate(
                zip(
                    table.resident.tolist(), table.number.tolist(), table.opened.tolist(),
                    table.sheets.errors[: len(table)].tolist(), table.retired_at.tolist(), strict=True,
                )
            )
        ]  # fmt: skip
        for one, told in table.changes.items():
            made[one].changes = [(when, sheets[row]) for when, row in told]
            made[one].late = one in table.late
        found: dict[tuple[str, int], list[Chart]] = {}
        for chart, desk in zip(made, table.desk.tolist(), strict=True):
            found.setdefault((self.names[desk], chart.resident), []).append(chart)
        for twin in np.flatnonzero(table.kept != NEVER).tolist():
            made[twin].kept = made[int(table.kept[twin])]
        return found

    def chart(self, system: System, resident: int, minute: int) -> Chart:
        """Return the chart under which something happens: of two, by turns, never a retired one."""
        charts = self.charts[desk_of(system), resident]
        if len(charts) == 1:
            return charts[0]
        usable = [c for c in charts if c.opened <= minute and (not c.retired_at or minute < c.retired_at)]
        return usable[minute % len(usable)] if usable else charts[0]

    def newborn_number(self, resident: int) -> str:
        """Return the temporary number that a newborn is given in the delivery room."""
        return str(self.writer.newborn_numbers(np.array([resident]))[0])
