"""From care to messages: which system learns of what, when, and what it writes."""

from dataclasses import dataclass, field

import numpy as np

from salus.city.care import AMBULATORY, EMERGENCY, INPATIENT, Care
from salus.city.desks import Chart, Desks, Sheet, desk_of
from salus.city.facts import diagnoses, diagnosis_index, rows
from salus.city.geography import Ground
from salus.city.institutions import Place, Registers
from salus.city.outbox import Outbox
from salus.city.people import NEVER, Population, Window
from salus.city.streams import substream
from salus.city.systems import (
    BOOKINGS,
    LABORATORY,
    MEDICINES,
    ORDERS,
    PRESSURE,
    VACCINATIONS,
    VISITS,
    Catalogue,
    System,
)

MINUTES = 1440


@dataclass(slots=True)
class Plan:
    """What happens at each visit beyond the visit itself; one entry a visit."""

    drugs: list[tuple[str, ...]] = field(default_factory=list)
    panels: list[tuple[str, ...]] = field(default_factory=list)
    booked: list[bool] = field(default_factory=list)
    operated: list[bool] = field(default_factory=list)
    pressure: list[bool] = field(default_factory=list)
    ambulance: list[bool] = field(default_factory=list)


class Telling:
    """Writes one block's messages into an outbox. `used` collects the charts that each system has named."""

    def __init__(
        self,
        seed: int,
        ground: Ground,
        registers: Registers,
        catalogue: Catalogue,
        block: Population,
        care: Care,
        window: Window,
    ) -> None:
        self.ground, self.registers, self.catalogue = ground, registers, catalogue
        self.block, self.care, self.window = block, care, window
        self.outbox = Outbox(catalogue, block.number)
        self.desks = Desks(seed, block, catalogue)
        self.rng = substream(seed, "telling", block.number)
        self.used: dict[tuple[int, str], Chart] = {}
        self.late: list[dict[str, str]] = []
        self.doctors = [(m.code, m.name) for m in registers.staff]
        self.heads: dict[int, list[int]] = {}
        for number, member in enumerate(registers.staff):
            if member.profession != "nurse":
                self.heads.setdefault(member.place, []).append(number)
        self.plan = self._plan()
        self.contracts: list[tuple[int, int]] = self._contracts()
        self.desks.open(self._first_seen())

    # Planning

    def system(self, record: str, place: int) -> System | None:
        """Return the system that records something at an institution, if any does."""
        index = self.catalogue.serving[record][place]
        return self.catalogue.systems[index] if index >= 0 else None

    def _plan(self) -> Plan:
        visits, known = self.care.visits, diagnoses()
        lots = self.rng.random((len(visits), 12)).tolist()
        shares = {row["panel"]: float(row["ask_share"]) for row in rows("panels")}
        checkup = diagnosis_index("Z00.0")
        plan = Plan()
        for i, (kind, what, place) in enumerate(
            zip(visits.kind.tolist(), visits.diagnosis.tolist(), visits.place.tolist(), strict=True)
        ):
            lot, diagnosis = lots[i], known[what]
            more = 2.2 if kind == INPATIENT else 1.4 if kind == EMERGENCY else 1.0
            wanted = lot[0] < (0.5 if diagnosis.chronic else 0.28) * more and diagnosis.drugs
            count = 1 + (lot[1] < 0.3)
            hospital = self.registers.places[place].tier in {"tertiary", "secondary"}
            ask = (1.6 if what == checkup else 1.0) * (0.55 if hospital else 0.25)
            first = int(lot[7] * len(diagnosis.drugs)) if wanted else 0
            plan.drugs.append(
                tuple(
                    dict.fromkeys(diagnosis.drugs[(first + k) % len(diagnosis.drugs)] for k in range(count))
                )
                if wanted and self.catalogue.serving[MEDICINES][place] >= 0
                else ()
            )
            plan.panels.append(
                tuple(p for k, p in enumerate(diagnosis.panels) if lot[2 + k % 5] < shares[p] * more * ask)
                if self.catalogue.serving[LABORATORY][place] >= 0
                else ()
            )
            plan.booked.append(
                kind == AMBULATORY and lot[8] < 0.15 and self.catalogue.serving[BOOKINGS][place] >= 0
            )
            plan.operated.append(bool(diagnosis.procedure) and lot[9] < (0.7 if kind == INPATIENT else 0.05))
            plan.pressure.append(
                diagnosis.chronic
                and kind == AMBULATORY
                and lot[10] < 0.5
                and self.catalogue.serving[PRESSURE][place] >= 0
            )
            plan.ambulance.append(kind == EMERGENCY and lot[11] < 0.15)
        return plan

    def _contracts(self) -> list[tuple[int, int]]:
        """Return (resident, minute) at which each family-doctor contract is registered."""
        found = []
        lots = self.rng.random(len(self.block)).tolist()
        for resident in np.flatnonzero(self.block.contracted).tolist():
            minute = (int(self.block.entry[resident]) + 3 + int(lots[resident] * 90)) * MINUTES + 540
            if minute < int(self.block.exit[resident]) * MINUTES:
                found.append((resident, minute))
        return found

    def doctor_of(self, resident: int) -> tuple[str, str] | None:
        """Return the family doctor's code and name, if the resident has one."""
        if not self.block.contracted[resident]:
            return None
        heads = self.heads[int(self.care.primary[resident])]
        return self.doctors[heads[int(self.block.household[resident]) % len(heads)]]

    def _first_seen(self) -> list[tuple[str, int, int]]:
        seen: dict[tuple[str, int], int] = {}

        def see(system: System | None, resident: int, minute: int) -> None:
            if system is not None:
                key = (desk_of(system), resident)
                if minute < seen.get(key, 1 << 60):
                    seen[key] = minute

        visits, vaccinations = self.care.visits, self.care.vaccinations
        for i, (resident, start, place) in enumerate(
            zip(visits.resident.tolist(), visits.start.tolist(), visits.place.tolist(), strict=True)
        ):
            see(self.system(VISITS, place), resident, start - 12 * MINUTES if self.plan.booked[i] else start)
            if self.plan.panels[i]:
                see(self.system(LABORATORY, place), resident, start)
                if ordered(i):
                    see(self.system(ORDERS, place), resident, start)
            if self.plan.ambulance[i]:
                see(self.catalogue.by_subject("emergency"), resident, start - 60)
        for resident, minute, row in zip(
            vaccinations.resident.tolist(),
            vaccinations.minute.tolist(),
            vaccinations.row.tolist(),
            strict=True,
        ):
            see(self.vaccinator(resident, row), resident, minute)
        for resident, minute in self.contracts:
            see(self.system(VISITS, int(self.care.primary[resident])), resident, minute)
        for subject in ("employee", "resident", "births", "deaths", "poverty", "disability", "residence"):
            for resident in self.subjects(subject):
                see(self.catalogue.by_subject(subject), resident, self.registered(subject, resident))
        return [(desk, resident, minute) for (desk, resident), minute in sorted(seen.items())]

    def vaccinator(self, resident: int, row: int) -> System | None:
        """Return where a dose is recorded: campaigns centrally, the schedule's at the community centre."""
        if rows("vaccines")[row]["due_group"]:
            return self.catalogue.by_subject("campaigns")
        return self.system(VACCINATIONS, self.vaccination_place(resident))

    def vaccination_place(self, resident: int) -> int:
        """Return the community centre that vaccinates a resident."""
        return int(self.care.home_places["community"][resident])

    def subjects(self, subject: str) -> list[int]:
        """Return who is in a city-wide register."""
        block = self.block
        chosen = {
            "employee": block.insurance == 0, "resident": block.insurance == 1, "births": block.born_here,
            "deaths": block.death != NEVER,
            "poverty": block.poverty, "disability": block.disability > 0,
            "residence": np.ones(len(block), dtype=bool),
        }[subject]  # fmt: skip
        return np.flatnonzero(chosen).tolist()

    def registered(self, subject: str, resident: int) -> int:
        """Return the minute at which a city-wide register first names a resident."""
        entry, exit_ = int(self.block.entry[resident]), int(self.block.exit[resident])
        if subject == "deaths":
            return (int(self.block.death[resident]) + 2) * MINUTES + 600
        delay = {
            "births": 3,
            "employee": 12,
            "resident": 20,
            "poverty": 25,
            "disability": 25,
            "residence": 9,
        }[subject]
        scatter = resident * 37 % 29
        day = min(entry + delay + scatter, max(exit_ - 1, entry))
        return day * MINUTES + 480 + resident * 7 % 540

    # Writing

    def charted(self, system: System, resident: int, minute: int) -> tuple[Chart, Sheet]:
        """Return the chart under which a system names a resident now, and what it says."""
        chart = self.desks.chart(system, resident, minute)
        self.used[system.index, chart.number] = chart
        return chart, chart.at(minute)

    def stated(self, chart: Chart, minute: int) -> int:
        """Return since when a chart has said what it says at a minute."""
        return max([chart.opened, *(when for when, _ in chart.changes if when <= minute)])

    def place(self, index: int) -> Place:
        """Return an institution."""
        return self.registers.places[index]


def ordered(visit: int) -> bool:
    """Return whether a visit's laboratory request goes through the regional order system (two in five do)."""
    return visit % 5 < 2
