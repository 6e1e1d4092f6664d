"""Which system names which resident when, and how: what its patient record says in the end follows from that.

Nothing here reads a message or writes one. It is the second account of the same facts that `tell_hl7`,
`tell_fhir` and `tell_tables` put into messages; tests hold the two against each other.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from salus.city.care import EMERGENCY, INPATIENT
from salus.city.desks import Desks
from salus.city.facts import Floats, Ints
from salus.city.people import NEVER, Bools, Window
from salus.city.planning import SUBJECTS, Planner
from salus.city.streams import substream
from salus.city.systems import (
    BOOKINGS,
    DOCUMENTS,
    LABORATORY,
    MEDICINES,
    ORDERS,
    PROCEDURES,
    VISITS,
    Catalogue,
)

MINUTES = 1440
HL7, FHIR, TABLE = 0, 1, 2
PUT, OVERLAY, ENSURE = 0, 1, 2
ADDRESS, DOCTOR, DIED = 1, 2, 4
"""What a sighting carries besides name, birth, sex, numbers and phone."""
NOBODY = -1
_FILES = (MEDICINES, PROCEDURES, VISITS)
"""The tables that one system may send, in the order in which their files are loaded."""


@dataclass(frozen=True, slots=True)
class Sightings:
    """Arrays with one element a naming of a resident by a system; times are minutes.

    `asked` decides which of two charts is meant, `read` which of its sheets is copied; `turn` orders the
    messages as they are loaded and `stated` is when the sender says that it held. `way` is PUT, OVERLAY or
    ENSURE.
    """

    system: Ints
    resident: Ints
    asked: Ints
    read: Ints
    turn: Ints
    stated: Ints
    way: Ints
    carries: Ints

    def __len__(self) -> int:
        return len(self.system)


def formats(catalogue: Catalogue) -> Ints:
    """Return each system's format: HL7, FHIR or TABLE."""
    return np.array([{"hl7v2": HL7, "fhir": FHIR}.get(system.format, TABLE) for system in catalogue.systems])


def filed(minute: Ints, table: int) -> Ints:
    """Return the turns of rows: files are loaded a quarter after the other, in a quarter by table."""
    month = minute.astype("datetime64[m]").astype("datetime64[M]").astype(np.int64)
    return np.asarray(((month // 3) << 34) + (table << 30) + minute)


class Witness:
    """Collects the sightings of one block."""

    def __init__(self, planner: Planner, desks: Desks, window: Window) -> None:
        self.planner, self.desks, self.window = planner, desks, window
        self.format = formats(planner.catalogue)
        block, visits = planner.block, planner.care.visits
        self.lots: Floats = substream(desks.seed, "telling-visits", block.number).random((len(visits), 10))
        self._parts: list[tuple[Ints, ...]] = []

    @cached_property
    def died(self) -> Bools:
        """Whether each stay ends with the resident's death."""
        block, visits = self.planner.block, self.planner.care.visits
        gone = block.death[visits.resident] != NEVER
        last = visits.end == block.exit[visits.resident] * MINUTES
        return np.asarray((visits.kind == INPATIENT) & gone & last)

    @cached_property
    def cancelled(self) -> Bools:
        """Whether an HL7 system takes a visit back (A11)."""
        return np.asarray((self.planner.care.visits.kind != INPATIENT) & (self.lots[:, 3] < 0.002))

    def serving(self, record: str) -> Ints:
        """Return the system that records something at each visit, or NOBODY."""
        return self.planner.serving[record][self.planner.care.visits.place]

    def ready(self) -> Ints:
        """Return when the laboratory has the results of each visit."""
        return self.planner.care.visits.start + 60 + (self.lots[:, 6] * 400).astype(np.int64)

    def _see(
        self,
        system: Ints,
        resident: Ints,
        asked: Ints,
        *,
        read: Ints | None = None,
        arrives: Ints | None = None,
        stated: Ints | None = None,
        way: int = OVERLAY,
        carries: int | Ints = 0,
        table: str = "",
    ) -> None:
        arrives = asked if arrives is None else arrives
        stated = arrives if stated is None else stated
        turn = filed(arrives, _FILES.index(table)) if table else arrives
        self._parts.append((
            system, resident, asked, asked if read is None else read, turn, stated,
            np.full(len(system), way), np.broadcast_to(np.asarray(carries, dtype=np.int64), len(system)),
        ))  # fmt: skip

    def all(self) -> Sightings:
        """Return every sighting of the block but those of changes and merges."""
        self._parts = []
        self._visits()
        self._visits_more()
        self._contracts()
        self._doses()
        self._registers()
        return Sightings(*(np.concatenate([part[i] for part in self._parts]) for i in range(8)))

    def _visits(self) -> None:
        planner, visits = self.planner, self.planner.care.visits
        resident, start, end = visits.resident, visits.start, visits.end
        system = self.serving(VISITS)
        form = np.where(system >= 0, self.format[system], NOBODY)
        i = form == HL7
        stay = i & (visits.kind == INPATIENT)
        self._see(system[stay], resident[stay], start[stay], carries=ADDRESS)
        final = np.where(self.cancelled, start + 5, end)
        dies = self.died[i]
        self._see(
            system[i], resident[i], start[i], read=np.where(dies, end[i], start[i]), arrives=final[i],
            carries=ADDRESS + DIED * dies,
        )  # fmt: skip
        i = form == FHIR
        self._see(system[i], resident[i], end[i], way=PUT, carries=ADDRESS)
        i = form == TABLE  # one file a quarter and table: the medicines of a quarter come before its visits
        community = np.array([p.tier == "community" for p in planner.registers.places])[visits.place[i]]
        doctor = DOCTOR * (community & planner.block.contracted[resident[i]])
        self._see(system[i], resident[i], end[i], carries=ADDRESS + doctor, table=VISITS)

    def _visits_more(self) -> None:
        planner, visits, lots = self.planner, self.planner.care.visits, self.lots
        plan, resident, start, end = planner.plan, visits.resident, visits.start, visits.end

        def record(name: str, chosen: Bools, minute: Ints) -> None:
            """See those of whom something is recorded; tables of records carry no address."""
            system = self.serving(name)
            for form, way, carries in ((HL7, ENSURE, ADDRESS), (FHIR, PUT, ADDRESS), (TABLE, OVERLAY, 0)):
                i = chosen & (system >= 0) & (self.format[system] == form)
                if not (form == HL7 and name == PROCEDURES):  # there it is part of the visit's message
                    table = name if form == TABLE and name in _FILES else ""
                    self._see(system[i], resident[i], minute[i], way=way, carries=carries, table=table)

        record(MEDICINES, plan.medicated, end + 1)
        record(PROCEDURES, plan.operated, end + 2)
        record(ORDERS, planner.has_panels & planner.ordered, start + 5)
        record(LABORATORY, planner.has_panels, self.ready())
        record(DOCUMENTS, visits.kind == INPATIENT, end + 240)
        made = start - ((1 + lots[:, 4] * 10) * MINUTES).astype(np.int64)
        moved, changed, given_up = (
            lots[:, 5] < 0.14,
            (lots[:, 5] >= 0.14) & (lots[:, 5] < 0.22),
            lots[:, 5] > 0.9,
        )
        for chosen, minute in (
            (plan.booked, made), (plan.booked & moved, made + 300), (plan.booked & changed, made + 200),
            (plan.booked & given_up, made - 30), (plan.booked & given_up, made + 60),
        ):  # fmt: skip
            record(BOOKINGS, chosen, minute)
        i = plan.ambulance & (visits.kind == EMERGENCY)
        dispatch = np.full(int(i.sum()), planner.catalogue.by_subject("emergency").index)
        self._see(dispatch, resident[i], start[i] - 55, arrives=start[i] - 5, stated=start[i] - 55)

    def _contracts(self) -> None:
        planner = self.planner
        resident, minute = planner.contract_resident, planner.contract_minute
        system = planner.serving[VISITS][planner.care.primary[resident]]
        form = np.where(system >= 0, self.format[system], NOBODY)
        for one, way, table in ((FHIR, PUT, ""), (HL7, OVERLAY, ""), (TABLE, OVERLAY, VISITS)):
            i = form == one
            self._see(system[i], resident[i], minute[i], way=way, carries=ADDRESS | DOCTOR, table=table)

    def _doses(self) -> None:
        doses, system = self.planner.care.vaccinations, self.planner.vaccinators()
        form = np.where(system >= 0, self.format[system], NOBODY)
        i = form == HL7
        self._see(
            system[i],
            doses.resident[i],
            doses.told[i],
            arrives=doses.told[i] + 4,
            way=ENSURE,
            carries=ADDRESS,
        )
        i = form == TABLE
        self._see(system[i], doses.resident[i], doses.told[i], carries=ADDRESS)

    def _registers(self) -> None:
        planner = self.planner
        for subject in SUBJECTS:
            who = planner.subjects(subject)
            system = planner.catalogue.by_subject(subject).index
            carries = ADDRESS + (DIED if subject == "deaths" else 0)
            if subject == "residence":
                who, minute, _ = self.residence()
            else:
                minute = planner.registered(subject, who)
            self._see(np.full(len(who), system), who, minute, carries=carries)

    def residence(self) -> tuple[Ints, Ints, Ints]:
        """Return the residence register's entries: who, minute and kind (0 entered, 1 moved, 2 left)."""
        block, planner = self.planner.block, self.planner
        who = np.arange(len(block))
        first = planner.registered("residence", who)
        moved, leaves = block.move_day[block.household], block.exit
        moves = (moved != NEVER) & (first < moved * MINUTES) & (moved * MINUTES < (leaves - 21) * MINUTES)
        goes = (block.death == NEVER) & (leaves < self.window.end) & (leaves * MINUTES > first)
        parts = [
            (who, first, np.zeros(len(who), dtype=np.int64)),
            (who[moves], moved[moves] * MINUTES + 20 * MINUTES, np.ones(int(moves.sum()), dtype=np.int64)),
            (who[goes], leaves[goes] * MINUTES + 600, np.full(int(goes.sum()), 2)),
        ]
        resident, minute, kind = (np.concatenate([part[i] for part in parts]) for i in range(3))
        return resident, minute, kind
