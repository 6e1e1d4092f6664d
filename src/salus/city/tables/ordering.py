"""Medicines, laboratory and other measurements: what was ordered, reported and found."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from salus.city.care import AMBULATORY
from salus.city.facts import Test, names_of, rows, tests_of
from salus.city.layouts import code_list, unit_text
from salus.city.measuring import noises, panel_values
from salus.city.people import cause_of
from salus.city.prevention.readings import KINDS
from salus.city.sheets import texts
from salus.city.systems import LABORATORY, MEDICINES, ORDERS, VISITS
from salus.city.tables.frame import moments
from salus.city.tables.story import FHIR, HL7, MINUTES, TABLE, Parts, Story, coded, hl7_id

_CENT = Decimal(1).scaleb(-12)


def decimals(values: list[str]) -> pa.Array:
    """Return numbers as written; "" is null."""
    return pa.array([Decimal(v).quantize(_CENT) if v else None for v in values], type=pa.decimal128(38, 12))


def medication_request(s: Story) -> pa.Table:
    """Return the table `medication_request`: a row a drug."""
    table, visits = Parts("medication_request"), s.visits
    system = s.facts.witness.serving(MEDICINES)
    keeps = np.array([VISITS in one.records for one in s.systems])
    titles = names_of("medicines", "atc")
    given = [(i, k, drug) for i, drugs in enumerate(s.plan.drugs) for k, drug in enumerate(drugs, 1)]
    visit = np.array([i for i, _, _ in given], dtype=np.int64)
    drug = texts([one for _, _, one in given])
    number = [k for _, k, _ in given]
    days = np.where(s.chronic()[visit], "28", "5")
    for form, mark in ((FHIR, "-m"), (TABLE, "-")):
        i = np.flatnonzero(s.form(system[visit]) == form)
        v, here = visit[i], system[visit[i]]
        local = [f"{key}{mark}{number[n]}" for key, n in zip(s.keys[v].tolist(), i.tolist(), strict=True)]
        inside = keeps[here] & (form == FHIR)
        table.add(
            len(i), medication_request_id=s.ids("MedicationRequest", here, local),
            source_system=s.source(here),
            patient_id=s.whose(here, visits.resident[v], visits.end[v] + 1),
            encounter_id=np.where(inside, s.visit_ids(here, v), ""), status="completed", intent="order",
            **coded("medication_", "atc", drug[i], texts([titles[one][0] for one in drug[i].tolist()])),
            authored_time=moments(visits.start[v] + 12), **s.doctors(here, visits.doctor[v], "requester"),
            supply_days=decimals(days[i].tolist()),
        )  # fmt: skip
    return table.all()


@dataclass(frozen=True, slots=True)
class Asked:
    """One panel asked for at a visit: `order` is the number by which the laboratory knows it."""

    visit: int
    turn: int
    panel: str
    order: str
    loinc: str
    words: str


def asked(s: Story) -> list[Asked]:
    """Return the panels asked for, worked out once."""
    if "asked" not in s.shared:
        panels = {row["panel"]: (row["loinc"], row["zh"]) for row in rows("panels")}
        keys = s.keys
        s.shared["asked"] = [
            Asked(i, k, panel, f"L{keys[i]}{k}", *panels[panel])
            for i, wanted in enumerate(s.plan.panels)
            for k, panel in enumerate(wanted)
        ]
    found: list[Asked] = s.shared["asked"]
    return found


def _reported(s: Story, form: int) -> tuple[list[Asked], np.ndarray[Any, np.dtype[np.int64]]]:
    """Return the panels whose results a laboratory of a format sends, and the laboratories."""
    laboratory = s.facts.witness.serving(LABORATORY)
    made = [one for one in asked(s) if laboratory[one.visit] >= 0 and s.format[laboratory[one.visit]] == form]
    return made, laboratory[[one.visit for one in made]] if made else np.empty(0, dtype=np.int64)


def _visits(made: list[Asked]) -> "np.ndarray[Any, np.dtype[np.int64]]":
    return np.array([one.visit for one in made], dtype=np.int64)


def _knows(s: Story) -> "np.ndarray[Any, np.dtype[np.bool_]]":
    """Return which laboratories name the visit: those of hospitals that send HL7 2.5.1."""
    return np.array([x.dialect == "2.5.1" and not x.careful and x.format == "hl7v2" for x in s.systems])


def _requests(s: Story, system: Any, made: list[Asked]) -> Any:
    return s.ids("ServiceRequest", system, [hl7_id("request", "order", o.order, o.loinc) for o in made])


def report_id(one: Asked) -> str:
    """Return the sender's id of a report."""
    return hl7_id("order", f"R{one.order}", one.loinc)


def _panel_codes(made: list[Asked]) -> dict[str, Any]:
    return coded("", "loinc", texts([o.loinc for o in made]), texts([o.words for o in made]))


def service_request(s: Story) -> pa.Table:
    """Return the table `service_request`: requests that HL7 laboratories answer, and the regional orders."""
    table, visits = Parts("service_request"), s.visits
    orders = s.facts.witness.serving(ORDERS)
    wanted = [o for o in asked(s) if s.planner.ordered[o.visit] and orders[o.visit] >= 0]
    v = _visits(wanted)
    system = orders[v]
    placed = moments(visits.start[v] + 5)
    table.add(
        len(wanted), service_request_id=_requests(s, system, wanted), source_system=s.source(system),
        patient_id=s.whose(system, visits.resident[v], visits.start[v] + 5), status="active", intent="order",
        placer_number=texts([o.order for o in wanted]), **_panel_codes(wanted), occurrence_time=placed,
        authored_time=placed, **s.doctors(system, visits.doctor[v], "requester"),
    )  # fmt: skip
    made, system = _reported(s, HL7)
    v = _visits(made)
    seen = np.where(_knows(s)[system], s.visit_ids(system, v), "")
    table.add(
        len(made), service_request_id=_requests(s, system, made), source_system=s.source(system),
        patient_id=s.whose(system, visits.resident[v], s.facts.witness.ready()[v]), encounter_id=seen,
        status="completed", intent="order", placer_number=texts([o.order for o in made]),
        filler_number=texts([f"R{o.order}" for o in made]), **_panel_codes(made),
        **s.doctors(system, visits.doctor[v], "requester"),
    )  # fmt: skip
    return table.all()


def diagnostic_report(s: Story) -> pa.Table:
    """Return the table `diagnostic_report`: what HL7 laboratories report."""
    table, visits = Parts("diagnostic_report"), s.visits
    made, system = _reported(s, HL7)
    v = _visits(made)
    ready = s.facts.witness.ready()[v]
    table.add(
        len(made), diagnostic_report_id=s.ids("DiagnosticReport", system, [report_id(o) for o in made]),
        source_system=s.source(system), patient_id=s.whose(system, visits.resident[v], ready),
        encounter_id=np.where(_knows(s)[system], s.visit_ids(system, v), ""), status="final",
        placer_number=texts([o.order for o in made]), filler_number=texts([f"R{o.order}" for o in made]),
        category_code="LAB", **_panel_codes(made), effective_time=moments(visits.start[v] + 10),
        issued_time=moments(ready), service_request_id=_requests(s, system, made),
    )  # fmt: skip
    return table.all()


def _values(s: Story, made: list[Asked]) -> Iterator[tuple[int, Test, float]]:
    """Yield (place in `made`, test, value) of each result."""
    conditions = chronic_codes(s)
    latent = s.planner.care.latent
    for n, one in enumerate(made):
        resident = int(s.visits.resident[one.visit])
        lots = s.lots[one.visit].tolist()
        known = conditions[resident] | {s.known[s.visits.diagnosis[one.visit]].code}
        noise = noises(lots[one.turn :] + lots[: one.turn])
        for test, value in panel_values(
            s.facts.block, resident, one.panel, latent[resident].tolist(), noise, known
        ):
            yield n, test, value


def chronic_codes(s: Story) -> list[frozenset[str]]:
    """Return the codes of each resident's chronic diseases."""
    if "chronic" not in s.shared:
        codes = [d.code for d in s.known if d.chronic]
        s.shared["chronic"] = [
            frozenset(codes[k] for k in np.flatnonzero(row).tolist()) for row in s.planner.care.conditions
        ]
    found: list[frozenset[str]] = s.shared["chronic"]
    return found


def _result_id(s: Story, system: int, one: Asked, test: Test) -> str:
    local = s.systems[system].dialect == "2.3"
    return hl7_id(report_id(one), test.local if local else test.loinc, "-")


def diagnostic_report_result(s: Story) -> pa.Table:
    """Return the table `diagnostic_report_result`."""
    table, visits = Parts("diagnostic_report_result"), s.visits
    made, system = _reported(s, HL7)
    found = [(n, k, test) for n, one in enumerate(made) for k, test in enumerate(tests_of(one.panel))]
    n = np.array([i for i, _, _ in found], dtype=np.int64)
    here, v = system[n], _visits(made)[n]
    reports = s.ids("DiagnosticReport", here, [report_id(made[i]) for i, _, _ in found])
    local = [_result_id(s, int(one), made[i], test) for one, (i, _, test) in zip(here, found, strict=True)]
    table.add(
        len(found), diagnostic_report_id=reports, source_system=s.source(here),
        patient_id=s.whose(here, visits.resident[v], s.facts.witness.ready()[v]),
        number=np.array([k for _, k, _ in found], dtype=np.int32),
        observation_id=s.ids("Observation", here, local),
    )  # fmt: skip
    return table.all()


def _results(s: Story, table: Parts, form: int) -> None:
    """Add laboratory results to the observations."""
    made, systems = _reported(s, form)
    found = list(_values(s, made))
    n = np.array([i for i, _, _ in found], dtype=np.int64)
    here, v = systems[n], _visits(made)[n]
    tests = [test for _, test, _ in found]
    written = [f"{value:.{test.digits}f}" for _, test, value in found]
    flags = ["H" if value > t.high else "L" if value < t.low else "N" for _, t, value in found]
    low, high = ([f"{getattr(t, end):.{t.digits}f}" for t in tests] for end in ("low", "high"))
    loinc, words = texts([t.loinc for t in tests]), texts([t.zh for t in tests])
    unit = [t.ucum for t in tests]
    columns = coded("", "loinc", loinc, words)
    if form == HL7:
        local = [_result_id(s, int(one), made[i], t) for one, (i, t, _) in zip(here, found, strict=True)]
        own = np.array([x.dialect == "2.3" for x in s.systems])[here]
        columns["code"] = np.where(own, texts([t.local for t in tests]), loinc)
        lists = texts([f"urn:salus:source:{code}:{code}:L" for code in s.codes])[here]
        columns["code_system"] = np.where(own, lists, columns["code_system"])
        columns |= {
            "encounter_id": np.where(_knows(s)[here], s.visit_ids(here, v), ""),
            "issued_time": moments(s.facts.witness.ready()[v]),
            "reference_text": texts([f"{a}-{b}" for a, b in zip(low, high, strict=True)]),
        }
    else:
        items = [code_list(s.systems[one].dialect, "item").local for one in here.tolist()]
        local = [f"{made[i].order}-{codes[t.loinc]}" for codes, (i, t, _) in zip(items, found, strict=True)]
        unit = [unit_text(t.ucum) for t in tests]
    table.add(
        len(found), observation_id=s.ids("Observation", here, local), source_system=s.source(here),
        patient_id=s.whose(here, s.visits.resident[v], s.facts.witness.ready()[v]), status="final",
        category_code="laboratory", **columns, effective_time=moments(s.visits.start[v] + 10),
        value=decimals(written), unit=texts(unit), unit_code=texts([t.ucum for t in tests]),
        interpretation_code=texts(flags), reference_low=decimals(low), reference_high=decimals(high),
    )  # fmt: skip


def _pressures(s: Story) -> tuple[Any, Any, dict[str, Any]]:
    """Return the visits at which a blood pressure is told, the systems, and the measurement's columns."""
    system = s.facts.witness.serving(VISITS)
    v = np.flatnonzero(s.plan.pressure & (s.form(system) == FHIR))
    here = system[v]
    return v, here, {
        "observation_id": s.ids("Observation", here, s.keys[v] + "-bp"), "source_system": s.source(here),
        "patient_id": s.whose(here, s.visits.resident[v], s.visits.end[v]),
        "encounter_id": s.visit_ids(here, v), "effective_time": moments(s.visits.start[v]),
    }  # fmt: skip


def _measured(s: Story, table: Parts) -> None:
    """Add what is measured at visits of the programme besides the blood pressure."""
    told = s.planner.readings
    kept = s.planner.reading[told.visit]
    visit, kind, value = told.visit[kept], told.kind[kept], told.value[kept]
    here = s.facts.witness.serving(VISITS)[visit]
    kinds = [KINDS[k] for k in kind.tolist()]
    local = [f"{key}-{k.suffix}" for key, k in zip(s.keys[visit].tolist(), kinds, strict=True)]
    table.add(
        len(visit), observation_id=s.ids("Observation", here, local), source_system=s.source(here),
        patient_id=s.whose(here, s.visits.resident[visit], s.visits.end[visit]),
        encounter_id=s.visit_ids(here, visit), status="final",
        category_code=texts([k.category for k in kinds]),
        **coded("", "loinc", texts([k.loinc for k in kinds]), texts([k.zh for k in kinds])),
        effective_time=moments(s.visits.start[visit]),
        value=decimals([f"{v:.{k.digits}f}" for v, k in zip(value.tolist(), kinds, strict=True)]),
        unit=texts([k.unit for k in kinds]), unit_code=texts([k.ucum for k in kinds]),
    )  # fmt: skip


def _same(loinc: str, words: str, count: int) -> dict[str, Any]:
    """Return the columns of the same LOINC code in every row."""
    return coded("", "loinc", texts([loinc] * count), texts([words] * count), text=False)


def observation(s: Story) -> pa.Table:
    """Return the table `observation`: results, blood pressures, birth weights, causes of death."""
    table, block = Parts("observation"), s.facts.block
    for form in (HL7, TABLE):
        _results(s, table, form)
    v, _, columns = _pressures(s)
    count = len(v)
    table.add(
        count, **columns, status="final", category_code="vital-signs",
        **coded("", "loinc", texts(["85354-9"] * count), texts(["血压"] * count)),
    )  # fmt: skip
    _measured(s, table)
    delivered = births(s)
    child = s.planner.subjects("births")
    here = np.full(len(child), s.city.catalogue.by_subject("births").index)
    usual = block.birth[child] * MINUTES + 600
    minute = np.array(
        [delivered.get(c, (m, 0))[0] for c, m in zip(child.tolist(), usual.tolist(), strict=True)],
        dtype=np.int64,
    )
    certificates = [f"LL{block.base + c:09d}-w" for c in child.tolist()]
    table.add(
        len(child), observation_id=s.ids("Observation", here, certificates), source_system=s.source(here),
        patient_id=s.whose(here, child, s.planner.registered("births", child)),
        status="final",
        **_same("8339-4", "Birth weight", len(child)), effective_time=moments(minute),
        value=decimals([str(2450 + (c * 7919) % 1500) for c in child.tolist()]), unit="g", unit_code="g",
    )  # fmt: skip
    dead = s.planner.subjects("deaths")
    here = np.full(len(dead), s.city.catalogue.by_subject("deaths").index)
    causes = [cause_of(int(block.cause[r])) for r in dead.tolist()]
    certificates = [f"SW{block.base + r:09d}" for r in dead.tolist()]
    table.add(
        len(dead), observation_id=s.ids("Observation", here, certificates), source_system=s.source(here),
        patient_id=s.whose(here, dead, s.planner.registered("deaths", dead)),
        status="final",
        **_same("69453-9", "Cause of death", len(dead)),
        effective_time=moments(block.death[dead] * MINUTES + 1380),
        **coded("value_", "icd10", texts([c for c, _, _ in causes]), texts([zh for _, zh, _ in causes])),
    )  # fmt: skip
    return table.all()


def births(s: Story) -> dict[int, tuple[int, int]]:
    """Return when and where each child of the block was delivered."""
    visits = s.visits
    own = np.flatnonzero((visits.child == visits.resident) & (visits.kind != AMBULATORY))
    return {int(visits.resident[i]): (int(visits.start[i]), int(visits.place[i])) for i in own.tolist()}


def observation_component(s: Story) -> pa.Table:
    """Return the table `observation_component`: systolic and diastolic pressure."""
    table = Parts("observation_component")
    v, _, columns = _pressures(s)
    conditions, latent = chronic_codes(s), s.planner.care.latent
    values = []
    for i in v.tolist():
        resident = int(s.visits.resident[i])
        known = conditions[resident] | {s.known[s.visits.diagnosis[i]].code}
        taken = panel_values(
            s.facts.block, resident, "VITAL", latent[resident].tolist(), noises(s.lots[i].tolist()), known
        )
        pressure = (round(taken[0][1]), round(taken[1][1]))
        if upper := int(s.planner.readings.systolic[i]):
            pressure = (upper, int(s.planner.readings.diastolic[i]))
        values.append(pressure)
    for number, test in enumerate(tests_of("VITAL")[:2]):
        table.add(
            len(v), **columns, status="final", number=np.full(len(v), number, dtype=np.int32),
            **_same(test.loinc, test.en, len(v)),
            value=decimals([str(pair[number]) for pair in values]), unit="mmHg", unit_code=test.ucum,
        )  # fmt: skip
    return table.all()
