"""What each system's patient records say in the end: the last word of every (system, chart)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from salus.city.desks import Desks
from salus.city.facts import Ints
from salus.city.people import NEVER, Bools, Window
from salus.city.sheets import Sheets
from salus.city.sightings import (
    ADDRESS,
    DIED,
    DOCTOR,
    ENSURE,
    FHIR,
    HL7,
    OVERLAY,
    PUT,
    TABLE,
    Sightings,
    Witness,
)
from salus.city.systems import VISITS, Catalogue

MINUTES = 1440


@dataclass(slots=True)
class Records:
    """Patient records of a block: arrays with one element a record, in the order of system and chart.

    `sheets` is what the record says. `doctor` tells whether it names the family doctor, `died` whether it
    tells the death, `merged` the chart into which its system merged it (NEVER: none).
    """

    system: Ints
    chart: Ints
    sheets: Sheets
    doctor: Bools
    died: Bools
    merged: Ints

    def __len__(self) -> int:
        return len(self.system)

    def take(self, chosen: Bools) -> "Records":
        """Return some of the records."""
        return Records(
            self.system[chosen], self.chart[chosen], self.sheets.take(chosen), self.doctor[chosen],
            self.died[chosen], self.merged[chosen],
        )  # fmt: skip


def charts_of(desks: Desks, system: Ints, resident: Ints, asked: Ints) -> Ints:
    """Return under which chart systems name residents at a minute: of two, by turns, never a retired one."""
    table, count = desks.table, len(desks.block)
    first = len(table) - len(table.second)
    key = table.desk[:first] * count + table.resident[:first]
    chart = np.searchsorted(key, desks.of_system[system] * count + resident)
    if table.second:
        doubled = np.zeros(first, dtype=bool)
        doubled[list(table.second)] = True
        for i in np.flatnonzero(doubled[chart]).tolist():
            minute, one = int(asked[i]), int(chart[i])
            usable = [
                c
                for c in (one, table.second[one])
                if table.opened[c] <= minute and (not table.retired_at[c] or minute < table.retired_at[c])
            ]
            chart[i] = usable[minute % len(usable)] if usable else one
    return np.asarray(chart)


class Recorder:
    """Works out the records of one block."""

    def __init__(self, desks: Desks, catalogue: Catalogue, witness: Witness, window: Window) -> None:
        self.desks, self.table, self.witness = desks, desks.table, witness
        self.end = window.end * MINUTES
        self.visiting = np.array([VISITS in system.records for system in catalogue.systems])
        self.community = np.array([system.code[0] == "c" for system in catalogue.systems])

    def records(self, sample: Callable[[int], Bools] | None = None) -> Records:
        """Return every record with what it says in the end.

        `sample` is told how many there are and chooses which are wanted; the others cost little.
        """
        seen = self.witness.all()
        table, form = self.table, self.witness.format
        chart = charts_of(self.desks, seen.system, seen.resident, seen.asked)
        key, where = np.unique(seen.system * len(table) + chart, return_inverse=True)
        carried = np.zeros(len(key), dtype=np.int64)
        for flag in (ADDRESS, DOCTOR, DIED):
            has = np.unique(where[(seen.carries & flag) > 0])
            carried[has] |= flag
        # A merge may name a chart that the system has not named before.
        merging = [
            (int(k) // len(table), int(k) % len(table))
            for k in key[table.kept[key % len(table)] != NEVER].tolist()
            if form[k // len(table)] == HL7 and table.retired_at[k % len(table)] < self.end
        ]
        new = {system * len(table) + int(table.kept[twin]) for system, twin in merging} - set(key.tolist())
        if new:
            at = np.searchsorted(key, sorted(new))
            key = np.insert(key, at, sorted(new))
            carried = np.insert(carried, at, ADDRESS)
            where = where + np.searchsorted(at, where, side="right")
        system, owner = key // len(table), key % len(table)
        sheets = table.sheets.take(owner)
        sheets.address[(carried & ADDRESS) == 0] = ""
        doctor = (carried & DOCTOR) > 0
        block = self.desks.block
        told = (form[system] == FHIR) & self.community[system]
        doctor = np.where(form[system] == FHIR, told & block.contracted[table.resident[owner]], doctor)
        merged = np.full(len(key), NEVER)
        place = {int(k): i for i, k in enumerate(key.tolist())} if merging else {}
        changing = np.zeros(len(table), dtype=bool)
        changing[list(table.changes)] = True
        special = set(np.flatnonzero(changing[owner]).tolist())
        # Rows without an address may outdate those with one, whose file is loaded after theirs.
        both = (form[system] == TABLE) & ((carried & ADDRESS) > 0)
        special |= set(np.unique(where[both[where] & ((seen.carries & ADDRESS) == 0)]).tolist())
        merges: dict[int, list[tuple[int, bool]]] = {}
        for one, twin in merging:
            kept = place[one * len(table) + int(table.kept[twin])]
            retired = place[one * len(table) + twin]
            merged[retired] = table.kept[twin]
            merges.setdefault(kept, []).append((int(table.retired_at[twin]), True))
            merges.setdefault(retired, []).append((int(table.retired_at[twin]), False))
            special |= {kept, retired}
        records = Records(system, owner, sheets, doctor, (carried & DIED) > 0, merged)
        if sample is None:
            self._settle(records, seen, where, sorted(special), merges)
            return records
        wanted = sample(len(records))
        self._settle(records, seen, where, sorted(one for one in special if wanted[one]), merges)
        return records.take(wanted)

    def _settle(
        self,
        records: Records,
        seen: Sightings,
        where: Ints,
        special: list[int],
        merges: dict[int, list[tuple[int, bool]]],
    ) -> None:
        """Work out one by one the records whose charts change or are merged."""
        wanted = np.zeros(len(records), dtype=bool)
        wanted[special] = True
        mine = np.flatnonzero(wanted[where])
        mine = mine[np.lexsort((seen.turn[mine], where[mine]))]
        bounds = np.searchsorted(where[mine], [*special, len(records)]).tolist()
        columns = (seen.turn, seen.stated, seen.way, seen.read, seen.carries)
        every = list(zip(*(column[mine].tolist() for column in columns), strict=True))
        last = np.array(
            [
                self._one(records, record, every[bounds[n] : bounds[n + 1]], merges.get(record, []))
                for n, record in enumerate(special)
            ],
            dtype=object,
        ).reshape(-1, 4)
        where_ = np.array(special, dtype=np.int64)
        records.sheets.put(where_, self.table.sheets.take(last[:, 0].astype(np.int64)))
        records.sheets.phone[where_], records.sheets.address[where_] = last[:, 1], last[:, 2]
        records.doctor[where_] = last[:, 3].astype(bool)

    def _version(self, chart: int, minute: int) -> int:
        row = chart
        for when, changed in self.table.changes.get(chart, ()):
            if when <= minute:
                row = changed
        return row

    def _one(
        self,
        records: Records,
        record: int,
        told: list[tuple[int, int, int, int, int]],
        merges: list[tuple[int, bool]],
    ) -> tuple[int, str, str, bool]:
        """Apply a record's messages in the order of their arrival, older news than known changing nothing.

        Returns the row of the last sheet, phone, address and whether the family doctor is named.
        """
        system, chart = int(records.system[record]), int(records.chart[record])
        form, table = int(self.witness.format[system]), self.table
        told = list(told)
        changes = table.changes.get(chart, [])
        if told and (form == FHIR or (form == HL7 and self.visiting[system])):
            for n, (when, _) in enumerate(changes):
                late = chart in table.late and n == 0
                arrives = changes[1][0] + MINUTES if late else when
                if arrives < self.end:
                    told.append((arrives, when, PUT if form == FHIR else OVERLAY, when, ADDRESS))
        for minute, kept in merges:
            told.append((minute, minute, OVERLAY if kept else ENSURE, minute, ADDRESS))
        opened = int(table.opened[chart])
        phone = address = ""
        doctor = False
        row, known = NEVER, NEVER
        for _, stated, way, read, carries in sorted(told, key=lambda one: one[0]):
            version = self._version(chart, read)
            if way == PUT:
                stated = max([opened, *(when for when, _ in changes if when <= read)])
            if (way == ENSURE and row != NEVER) or (way != ENSURE and stated < known):
                continue
            row = version
            known = known if way == ENSURE else stated
            seen_phone = table.sheets.phone[row]
            seen_address = table.sheets.address[row] if carries & ADDRESS else ""
            phone = seen_phone or (phone if way == OVERLAY else "")
            address = seen_address or (address if way == OVERLAY else "")
            doctor = doctor or carries & DOCTOR > 0
        return row, phone, address, doctor if form != FHIR else bool(records.doctor[record])
