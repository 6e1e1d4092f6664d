"""What happens around a block's visits, and when each desk first sees each resident: arrays, no writing."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from salus.city.care import AMBULATORY, EMERGENCY, INPATIENT, Care
from salus.city.desks import FirstSeen
from salus.city.facts import Floats, Ints, diagnoses, diagnosis_index, rows
from salus.city.institutions import Registers
from salus.city.people import NEVER, Bools, Population
from salus.city.prevention.readings import PRESSED, Readings, readings
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
)

MINUTES = 1440
DELAYS = {"births": 3, "employee": 12, "resident": 20, "poverty": 25, "disability": 25, "residence": 9}
"""Days until a city-wide register first names a resident; deaths are told two days after."""
SUBJECTS = ("employee", "resident", "births", "deaths", "poverty", "disability", "residence")


@dataclass
class Plan:
    """What happens at each visit beyond the visit itself; one entry a visit.

    `asked` has shape (visits, most panels of a diagnosis).
    """

    diagnosis: Ints
    lots: Floats
    medicated: Bools
    asked: Bools
    booked: Bools
    operated: Bools
    pressure: Bools
    ambulance: Bools

    @cached_property
    def drugs(self) -> list[tuple[str, ...]]:
        """The medicines prescribed at each visit."""
        found: list[tuple[str, ...]] = [()] * len(self.medicated)
        known, what, lots = diagnoses(), self.diagnosis, self.lots
        for i in np.flatnonzero(self.medicated).tolist():
            drugs = known[what[i]].drugs
            first = int(lots[i, 7] * len(drugs))
            count = 1 + (lots[i, 1] < 0.3)
            found[i] = tuple(dict.fromkeys(drugs[(first + k) % len(drugs)] for k in range(count)))
        return found

    @cached_property
    def panels(self) -> list[tuple[str, ...]]:
        """The laboratory panels asked for at each visit."""
        found: list[tuple[str, ...]] = [()] * len(self.asked)
        known, what = diagnoses(), self.diagnosis
        for i in np.flatnonzero(self.asked.any(axis=1)).tolist():
            found[i] = tuple(p for p, yes in zip(known[what[i]].panels, self.asked[i], strict=False) if yes)
        return found


class Planner:
    """Draws the plan of one block from the telling room's substream."""

    def __init__(
        self, seed: int, registers: Registers, catalogue: Catalogue, block: Population, care: Care
    ) -> None:
        self.registers, self.catalogue, self.block, self.care = registers, catalogue, block, care
        self.seed = seed
        self.serving = {record: np.array(places) for record, places in catalogue.serving.items()}
        rng = substream(seed, "telling", block.number)
        self._lots = rng.random((len(care.visits), 12))
        self.plan = self._plan()
        self.contract_resident, self.contract_minute = self._contracts(rng)

    def _plan(self) -> Plan:
        visits, known, lots = self.care.visits, diagnoses(), self._lots
        kind, what, place = visits.kind, visits.diagnosis, visits.place
        chronic = np.array([d.chronic for d in known])[what]
        treated = np.array([bool(d.drugs) for d in known])[what]
        operable = np.array([bool(d.procedure) for d in known])[what]
        more = np.where(kind == INPATIENT, 2.2, np.where(kind == EMERGENCY, 1.4, 1.0))
        wanted = (lots[:, 0] < np.where(chronic, 0.5, 0.28) * more) & treated
        wanted &= self.serving[MEDICINES][place] >= 0
        hospital = np.array([p.tier in {"tertiary", "secondary"} for p in self.registers.places])[place]
        checkup = what == diagnosis_index("Z00.0")
        pressed = np.isin(visits.purpose, PRESSED) & self.reading
        ask = np.where(checkup, 1.6, 1.0) * np.where(hospital, 0.55, 0.25)
        asked = self._asked(more, ask) & (self.serving[LABORATORY][place] >= 0)[:, None]
        return Plan(
            what, lots, wanted, asked,
            (kind == AMBULATORY) & (lots[:, 8] < 0.15) & (self.serving[BOOKINGS][place] >= 0),
            operable & (lots[:, 9] < np.where(kind == INPATIENT, 0.7, 0.05)),
            pressed
            | chronic & (kind == AMBULATORY) & (lots[:, 10] < 0.5) & (self.serving[PRESSURE][place] >= 0),
            (kind == EMERGENCY) & (lots[:, 11] < 0.15),
        )  # fmt: skip

    def _asked(self, more: Floats, ask: Floats) -> Bools:
        """Return which of its diagnosis' panels are asked for at each visit, shape (visits, most panels)."""
        shares = {row["panel"]: float(row["ask_share"]) for row in rows("panels")}
        known = diagnoses()
        most = max(len(d.panels) for d in known)
        share = np.array([[shares[p] for p in d.panels] + [0.0] * (most - len(d.panels)) for d in known])[
            self.care.visits.diagnosis
        ]
        lot = self._lots[:, [2 + k % 5 for k in range(most)]]
        return np.asarray(lot < share * more[:, None] * ask[:, None])

    def _contracts(self, rng: np.random.Generator) -> tuple[Ints, Ints]:
        """Return who registers a family-doctor contract, and the minutes."""
        block = self.block
        lots = rng.random(len(block))
        who = np.flatnonzero(block.contracted)
        minute = (block.entry[who] + 3 + (lots[who] * 90).astype(np.int64)) * MINUTES + 540
        there = minute < block.exit[who] * MINUTES
        return who[there], minute[there]

    @cached_property
    def reading(self) -> Bools:
        """Whether each visit's system tells measurements: those that speak FHIR do."""
        system = self.serving[VISITS][self.care.visits.place]
        speaks = np.array([one.format == "fhir" for one in self.catalogue.systems])
        return np.asarray((system >= 0) & speaks[system])

    @cached_property
    def readings(self) -> Readings:
        """What is measured at visits of the programme, whether told or not."""
        visits, care = self.care.visits, self.care
        return readings(
            self.seed, self.block, visits.resident, visits.purpose, visits.detail,
            care.latent, care.enrolled,
        )  # fmt: skip

    @cached_property
    def has_panels(self) -> Bools:
        """Whether anything is measured in a laboratory at each visit."""
        return np.asarray(self.plan.asked.any(axis=1))

    @cached_property
    def ordered(self) -> Bools:
        """Whether a visit's laboratory request goes through the regional order system."""
        return ordered(np.arange(len(self.care.visits)))

    def vaccinators(self) -> Ints:
        """Return the system that records each dose (-1: none): campaigns centrally, others at the centre."""
        doses = self.care.vaccinations
        campaign = np.array([bool(row["due_group"]) for row in rows("vaccines")])[doses.row]
        centre = self.care.home_places["community"][doses.resident]
        central = self.catalogue.by_subject("campaigns").index
        return np.where(campaign, central, self.serving[VACCINATIONS][centre])

    def subjects(self, subject: str) -> Ints:
        """Return who is in a city-wide register."""
        block = self.block
        chosen = {
            "employee": block.insurance == 0, "resident": block.insurance == 1, "births": block.born_here,
            "deaths": block.death != NEVER,
            "poverty": block.poverty, "disability": block.disability > 0,
            "residence": np.ones(len(block), dtype=bool),
        }[subject]  # fmt: skip
        return np.flatnonzero(chosen)

    def registered(self, subject: str, resident: Ints) -> Ints:
        """Return the minutes at which a city-wide register first names residents."""
        block = self.block
        if subject == "deaths":
            return np.asarray((block.death[resident] + 2) * MINUTES + 600)
        entry, leaves = block.entry[resident], block.exit[resident]
        day = np.minimum(entry + DELAYS[subject] + resident * 37 % 29, np.maximum(leaves - 1, entry))
        return np.asarray(day * MINUTES + 480 + resident * 7 % 540)

    def first_seen(self, desk_of_system: Ints) -> FirstSeen:
        """Return when each desk first sees a resident; `desk_of_system` gives each system's desk."""
        visits, doses, serving = self.care.visits, self.care.vaccinations, self.serving
        parts: list[tuple[Ints, Ints, Ints]] = []

        def see(system: Ints, resident: Ints, minute: Ints) -> None:
            there = system >= 0
            parts.append((desk_of_system[system[there]], resident[there], minute[there]))

        early = visits.start - np.where(self.plan.booked, 12 * MINUTES, 0)
        see(serving[VISITS][visits.place], visits.resident, early)
        for record, chosen in ((LABORATORY, self.has_panels), (ORDERS, self.has_panels & self.ordered)):
            see(serving[record][visits.place[chosen]], visits.resident[chosen], visits.start[chosen])
        called = self.plan.ambulance
        emergency = np.full(int(called.sum()), self.catalogue.by_subject("emergency").index)
        see(emergency, visits.resident[called], visits.start[called] - 60)
        see(self.vaccinators(), doses.resident, doses.told)
        primary = self.care.primary[self.contract_resident]
        see(serving[VISITS][primary], self.contract_resident, self.contract_minute)
        for subject in SUBJECTS:
            who = self.subjects(subject)
            see(
                np.full(len(who), self.catalogue.by_subject(subject).index),
                who,
                self.registered(subject, who),
            )
        desk, resident, minute = (np.concatenate([part[i] for part in parts]) for i in range(3))
        order = np.lexsort((minute, resident, desk))
        desk, resident, minute = desk[order], resident[order], minute[order]
        first = np.ones(len(desk), dtype=bool)
        first[1:] = (desk[1:] != desk[:-1]) | (resident[1:] != resident[:-1])
        return FirstSeen(desk[first], resident[first], minute[first])


def ordered(visit: Ints) -> Bools:
    """Return whether laboratory requests go through the regional order system (two in five visits' do)."""
    return visit % 5 < 2
