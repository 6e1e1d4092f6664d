"""From care to messages: which system learns of what, when, and what it writes."""

import numpy as np

from salus.city.care import Care
from salus.city.desks import Chart, Desks, Sheet
from salus.city.facts import rows
from salus.city.geography import Ground
from salus.city.institutions import Place, Registers
from salus.city.outbox import Outbox
from salus.city.people import Population, Window
from salus.city.planning import Planner
from salus.city.prevention.readings import KINDS, Kind
from salus.city.systems import VACCINATIONS, Catalogue, System

MINUTES = 1440


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
        self.planner = Planner(seed, registers, catalogue, block, care)
        self.plan = self.planner.plan
        self.used: dict[tuple[int, str], Chart] = {}
        self.late: list[dict[str, str]] = []
        self.doctors = [(m.code, m.name) for m in registers.staff]
        self.heads: dict[int, list[int]] = {}
        for number, member in enumerate(registers.staff):
            if member.profession != "nurse":
                self.heads.setdefault(member.place, []).append(number)
        self.contracts: list[tuple[int, int]] = list(
            zip(self.planner.contract_resident.tolist(), self.planner.contract_minute.tolist(), strict=True)
        )
        self.desks.open(self.planner.first_seen(self.desks.of_system))
        self.measured: dict[int, list[tuple[Kind, float]]] = {}
        """By visit, what is measured there besides the blood pressure."""
        told = self.planner.readings
        for visit, kind, value in zip(
            told.visit.tolist(), told.kind.tolist(), told.value.tolist(), strict=True
        ):
            self.measured.setdefault(visit, []).append((KINDS[kind], value))

    # Planning

    def system(self, record: str, place: int) -> System | None:
        """Return the system that records something at an institution, if any does."""
        index = self.catalogue.serving[record][place]
        return self.catalogue.systems[index] if index >= 0 else None

    def doctor_of(self, resident: int) -> tuple[str, str] | None:
        """Return the family doctor's code and name, if the resident has one."""
        if not self.block.contracted[resident]:
            return None
        heads = self.heads[int(self.care.primary[resident])]
        return self.doctors[heads[int(self.block.household[resident]) % len(heads)]]

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
        return [int(resident) for resident in self.planner.subjects(subject)]

    def registered(self, subject: str, resident: int) -> int:
        """Return the minute at which a city-wide register first names a resident."""
        return int(self.planner.registered(subject, np.array([resident]))[0])

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
