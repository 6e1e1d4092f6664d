"""One block of households from first draw to written files: everything a worker does."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from salus.city import tell_fhir, tell_hl7, tell_tables
from salus.city.care import EMERGENCY, INPATIENT, care
from salus.city.desks import Chart, desk_of
from salus.city.facts import diagnoses, rows
from salus.city.geography import Ground, ground
from salus.city.identity import day_text
from salus.city.institutions import Registers, registers
from salus.city.measuring import noises, panel_values
from salus.city.outbox import Planted, Sent
from salus.city.outbreak import Outbreak
from salus.city.people import EMPLOYMENT, INSURANCE, NEVER, Population, Window, cause_of, people
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
    System,
    catalogue,
)
from salus.city.telling import MINUTES, Telling

Columns = dict[str, list[object]]
Tell = Callable[[System], None]


@dataclass(frozen=True, slots=True)
class City:
    """What all blocks share."""

    seed: int
    residents: int
    block_size: int
    window: Window
    ground: Ground
    registers: Registers
    catalogue: Catalogue
    outbreak: Outbreak

    @property
    def blocks(self) -> int:
        """Return the number of blocks."""
        return -(-self.residents // self.block_size)

    def quota(self, number: int) -> int:
        """Return how many residents a block starts with."""
        return min(self.block_size, self.residents - number * self.block_size)


def plan_city(seed: int, residents: int, window: Window) -> City:
    """Draw what all blocks share. Blocks hold 2,500 residents, in cities above 200,000 10,000."""
    place = ground(seed, residents)
    institutions = registers(seed, place, residents)
    size = 2_500 if residents <= 200_000 else 10_000
    return City(
        seed,
        residents,
        size,
        window,
        place,
        institutions,
        catalogue(institutions),
        Outbreak.plan(seed, place, window, residents),
    )


@dataclass(slots=True)
class BlockResult:
    """What a worker hands back: counts a system, and the truth's rows as columns."""

    number: int
    residents: int
    sent: list[Sent]
    planted: Planted
    patients: Columns = field(default_factory=dict)
    persons: Columns = field(default_factory=dict)
    outbreak: list[dict[str, str]] = field(default_factory=list)
    prevention: dict[str, pa.Table] = field(default_factory=dict)
    """What prevention would find in a perfect record, by table."""


def build_block(city: City, number: int, inbox: Path) -> BlockResult:
    """Draw a block, write its messages under `inbox`, and return its truth."""
    from salus.city.prevention.tables import block_tables  # it names its columns as the insurance does

    block = people(city.seed, city.ground, number, city.quota(number), city.window)
    drawn = care(city.seed, city.ground, city.registers, block, city.window, city.outbreak)
    telling = Telling(city.seed, city.ground, city.registers, city.catalogue, block, drawn, city.window)
    _tell(telling)
    sent, planted = telling.outbox.write(city.seed, inbox)
    planted.late = telling.late
    result = BlockResult(number, city.quota(number), sent, planted, _patients(telling), persons(city, block))
    result.prevention = block_tables(city, block, drawn, telling.planner)
    visits = drawn.visits
    for i in np.flatnonzero(visits.planted).tolist():
        resident = int(visits.resident[i])
        result.outbreak.append(
            {
                "resident": block.code(resident),
                "day": _iso(int(visits.start[i]) // MINUTES),
                "institution": telling.place(int(visits.place[i])).code,
            }
        )
    return result


def _iso(day: int) -> str:
    text = day_text(day)
    return f"{text[:4]}-{text[4:6]}-{text[6:]}"


def _tell(t: Telling) -> None:
    """Send everything that happened to the block's residents."""
    sender = tell_fhir.FhirSender(t)
    visits, known = t.care.visits, diagnoses()
    lots = substream_lots(t, len(visits), 10)
    chronic = [d.code for d in known if d.chronic]
    conditions = [frozenset(chronic[k] for k in np.flatnonzero(row).tolist()) for row in t.care.conditions]
    latent = t.care.latent.tolist()
    death, exits = t.block.death.tolist(), t.block.exit.tolist()
    columns = (
        visits.resident,
        visits.start,
        visits.end,
        visits.kind,
        visits.diagnosis,
        visits.place,
        visits.doctor,
        visits.child,
    )
    for i, (resident, start, end, kind, what, place, doctor, child) in enumerate(
        zip(*(c.tolist() for c in columns), strict=True)
    ):
        died = (
            end if kind == INPATIENT and death[resident] != NEVER and end == exits[resident] * MINUTES else 0
        )
        visit = tell_hl7.Happening(
            f"{place:03d}{t.block.number:04d}{i:06d}", resident, start, end, kind, known[what], place,
            t.doctors[doctor], lots[i], died,
            t.plan.operated[i], child,
        )  # fmt: skip
        _tell_visit(t, sender, visit, i, conditions[resident] | {known[what].code}, latent[resident])
    for resident, minute in t.contracts:
        _tell_contract(t, sender, resident, minute)
    _tell_doses(t)
    tell_tables.tell_registers(t)
    _tell_changes(t, sender)


def substream_lots(t: Telling, count: int, width: int) -> list[list[float]]:
    """Return uniform lots for the visits, from the telling room's own substream."""
    lots: list[list[float]] = (
        substream(t.desks.seed, "telling-visits", t.block.number).random((count, width)).tolist()
    )
    return lots


def _by_format(system: System, hl7: Tell, fhir: Tell, table: Tell) -> None:
    (hl7 if system.format == "hl7v2" else fhir if system.format == "fhir" else table)(system)


def _tell_visit(
    t: Telling,
    sender: tell_fhir.FhirSender,
    visit: tell_hl7.Happening,
    i: int,
    conditions: frozenset[str],
    levels: list[float],
) -> None:
    system = t.system(VISITS, visit.place)
    if system is not None:
        pressure = None
        if t.plan.pressure[i]:
            values = panel_values(t.block, visit.resident, "VITAL", levels, noises(visit.lots), conditions)
            pressure = (values[0][1], values[1][1])
            if taken := int(t.planner.readings.systolic[i]):
                pressure = (taken, int(t.planner.readings.diastolic[i]))
        _by_format(
            system, lambda s: tell_hl7.tell_visit(t, s, visit),
            lambda s: sender.visit(s, visit, pressure, t.measured.get(i, ())),
            lambda s: tell_tables.tell_visit(t, s, visit),
        )  # fmt: skip
    if t.plan.booked[i] and (system := t.system(BOOKINGS, visit.place)):
        tell_hl7.tell_booking(t, system, visit)
    if visit.kind == INPATIENT and (system := t.system(DOCUMENTS, visit.place)):
        tell_hl7.tell_document(t, system, visit)
    if t.plan.ambulance[i] and visit.kind == EMERGENCY:
        tell_tables.tell_ambulance(t, t.catalogue.by_subject("emergency"), visit)
    drugs = t.plan.drugs[i]
    if drugs and (system := t.system(MEDICINES, visit.place)):
        if system.format == "fhir":
            sender.medicines(system, visit, drugs)
        else:
            tell_tables.tell_medicines(t, system, visit, drugs)
    if visit.operated and (system := t.system(PROCEDURES, visit.place)):
        if system.format == "fhir":
            sender.procedure(system, visit)
        elif system.format == "csv":
            tell_tables.tell_procedure(t, system, visit)
    panels = {row["panel"]: (row["loinc"], row["zh"]) for row in rows("panels")} if t.plan.panels[i] else {}
    for k, panel in enumerate(t.plan.panels[i]):
        values = panel_values(
            t.block, visit.resident, panel, levels, noises(visit.lots[k:] + visit.lots[:k]), conditions
        )
        order = f"L{visit.key}{k}"
        ready = visit.start + 60 + int(visit.lots[6] * 400)
        if t.planner.ordered[i] and (system := t.system(ORDERS, visit.place)):
            tell_hl7.tell_order(t, system, visit, order, panels[panel])
        if system := t.system(LABORATORY, visit.place):
            if system.format == "hl7v2":
                tell_hl7.tell_panel(t, system, visit, order, panels[panel], values, ready)
            else:
                tell_tables.tell_panel(t, system, visit, order, values, ready)


def _tell_contract(t: Telling, sender: tell_fhir.FhirSender, resident: int, minute: int) -> None:
    system = t.system(VISITS, int(t.care.primary[resident]))
    if system is not None:
        _by_format(
            system,
            lambda s: tell_hl7.tell_contract(t, s, resident, minute),
            lambda s: sender.contract(s, resident, minute),
            lambda s: tell_tables.tell_contract(t, s, resident, minute),
        )


def _tell_doses(t: Telling) -> None:
    doses, facts = t.care.vaccinations, rows("vaccines")
    for k, (resident, minute, told, row) in enumerate(
        zip(
            doses.resident.tolist(), doses.minute.tolist(), doses.told.tolist(), doses.row.tolist(),
            strict=True,
        )
    ):  # fmt: skip
        system = t.vaccinator(resident, row)
        if system is None:
            continue
        fact = facts[row]
        tell = tell_hl7.tell_dose if system.format == "hl7v2" else tell_tables.tell_dose
        lot = f"{fact['vaccine']}{minute // MINUTES // 90:04d}"
        tell(
            t,
            system,
            resident,
            minute,
            told,
            f"D{t.block.number:04d}{k:06d}",
            int(fact["dose"]),
            (fact["atc"], fact["zh"]),
            lot,
        )


def _tell_changes(t: Telling, sender: tell_fhir.FhirSender) -> None:
    """Send what changed in charts, and merges, from every system that has named the chart."""
    for (index, _), chart in sorted(t.used.items(), key=lambda entry: entry[0]):
        system = t.catalogue.systems[index]
        told: list[tuple[int, int]] = [(n, when) for n, (when, _) in enumerate(chart.changes)]
        for n, when in told:
            late = chart.late and n == 0
            arrives = chart.changes[1][0] + MINUTES if late else when
            if arrives >= t.window.end * MINUTES:
                continue
            if system.format == "fhir":
                sender.change(system, chart, when, chart.changes[n][1], arrives)
            elif system.format == "hl7v2" and VISITS in system.records:
                tell_hl7.tell_change(t, system, chart, when, chart.changes[n][1], arrives)
        if chart.retired_at and system.format == "hl7v2" and chart.retired_at < t.window.end * MINUTES:
            tell_hl7.tell_merge(t, system, chart)


def local_patient_id(system: System, number: str) -> str:
    """Return the Patient id that the translator of the system's format gives a chart number."""
    return f"{system.authority}.{number}" if system.format == "hl7v2" else number


def _patients(t: Telling) -> Columns:
    columns: Columns = {
        name: [] for name in ("source", "patient", "resident", "desk", "errors", "merged_into")
    }
    for (index, number), chart in sorted(t.used.items(), key=lambda entry: entry[0]):
        system = t.catalogue.systems[index]
        columns["source"].append(system.code)
        columns["patient"].append(local_patient_id(system, number))
        columns["resident"].append(t.block.code(chart.resident))
        columns["desk"].append(desk_of(system))
        columns["errors"].append(" ".join(chart.errors))
        columns["merged_into"].append(_merged_into(t, system, chart))
    return columns


def _merged_into(t: Telling, system: System, chart: Chart) -> str:
    merged = chart.kept is not None and system.format == "hl7v2" and chart.retired_at < t.window.end * MINUTES
    return local_patient_id(system, chart.kept.number) if merged and chart.kept else ""


AGE_GROUPS = ((0, "0-4"), (5, "5-14"), (15, "15-44"), (45, "45-64"), (65, "65+"))


def persons(city: City, block: Population) -> Columns:
    """Return the truth about the residents of a block, a column a trait."""
    days = {day: _iso(day) for column in (block.birth, block.entry, block.exit, block.death)
            for day in np.unique(column).tolist()}  # fmt: skip
    end, never = city.window.end, block.death == NEVER
    age = (end - block.birth) / 365.25
    band = np.searchsorted([low for low, _ in AGE_GROUPS[1:]], age, side="right").tolist()
    street = block.home_street[block.household].tolist()
    areas = city.ground.streets
    codes = [block.code(i) for i in range(len(block))]
    dead = never.tolist()
    return {
        "resident": list(codes),
        "identity": list(block.identity),
        "name": [a + b for a, b in zip(block.surname, block.given, strict=True)],
        "pinyin": [f"{a} {b}" for a, b in zip(block.surname_pinyin, block.given_pinyin, strict=True)],
        "sex": ["female" if sex else "male" for sex in block.sex.tolist()],
        "birth": [days[day] for day in block.birth.tolist()],
        "age_group": [AGE_GROUPS[one][1] for one in band],
        "stratum": block.stratum.tolist(),
        "district": [areas[one].parent for one in street],
        "street": [areas[one].code for one in street],
        "household": [f"H{block.number:05d}{home:05d}" for home in block.household.tolist()],
        "local": block.local.tolist(),
        "employment": [EMPLOYMENT[one] for one in block.employment.tolist()],
        "insurance": [INSURANCE[one] for one in block.insurance.tolist()],
        "poverty": block.poverty.tolist(),
        "disability": block.disability.tolist(),
        "entry": [days[day] for day in block.entry.tolist()],
        "exit": [days[day] if day < end else "" for day in block.exit.tolist()],
        "death": ["" if alive else days[day] for day, alive in zip(block.death.tolist(), dead, strict=True)],
        "cause": [
            "" if alive else cause_of(cause)[0]
            for cause, alive in zip(block.cause.tolist(), dead, strict=True)
        ],
        "born_here": block.born_here.tolist(),
        "mother": [codes[one] if one != NEVER else "" for one in block.mother.tolist()],
    }
