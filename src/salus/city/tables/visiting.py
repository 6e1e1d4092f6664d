"""Visits and what is found and done there: encounters and their parts, conditions, procedures."""

from typing import Any

import numpy as np
import pyarrow as pa

from salus.city.care import AMBULATORY, EMERGENCY, INPATIENT
from salus.city.facts import Ints, names_of
from salus.city.identity import day_text
from salus.city.people import Bools
from salus.city.sheets import texts
from salus.city.systems import DOCUMENTS, LABORATORY, PROCEDURES, VISITS
from salus.city.tables.frame import moments
from salus.city.tables.story import FHIR, HL7, TABLE, Parts, Story, coded, hl7_id

CLASSES = ("AMB", "EMER", "IMP")
RECORDED, ARCHIVED, MEASURED = 0, 1, 2
"""Who tells of an encounter: who keeps visits, an archive with its document, a laboratory with its report."""


class Encounters:
    """Who tells of which visit: arrays with one element an encounter."""

    def __init__(self, story: Story) -> None:
        self.story = s = story
        visits, witness = s.visits, s.facts.witness
        every = np.arange(len(visits))
        recorder, archive = witness.serving(VISITS), witness.serving(DOCUMENTS)
        laboratory = witness.serving(LABORATORY)
        knows = np.array([x.dialect == "2.5.1" and not x.careful and x.format == "hl7v2" for x in s.systems])
        parts = [
            (every[recorder >= 0], recorder, RECORDED),
            (every[(visits.kind == INPATIENT) & (archive >= 0)], archive, ARCHIVED),
            (every[s.planner.has_panels & (laboratory >= 0) & knows[laboratory]], laboratory, MEASURED),
        ]
        self.visit = np.concatenate([visit for visit, _, _ in parts])
        self.system = np.concatenate([system[visit] for visit, system, _ in parts])
        self.teller = np.concatenate([np.full(len(visit), teller) for visit, _, teller in parts])
        self.form = s.format[self.system]
        v = self.visit
        self.kind, self.resident = visits.kind[v], visits.resident[v]
        self.start, self.end = visits.start[v], visits.end[v]
        self.cancelled = witness.cancelled[v] & (self.form == HL7) & (self.teller == RECORDED)
        asked = np.where(self.form == HL7, self.start, self.end)
        asked = np.where(self.teller == ARCHIVED, self.end + 240, asked)
        asked = np.where(self.teller == MEASURED, witness.ready()[v], asked)
        self.patients = s.whose(self.system, self.resident, asked)
        self.ids = s.visit_ids(self.system, v)
        self.sources = s.source(self.system)

    def reasons(self) -> Bools:
        """Return which encounters state a reason: HL7 systems that give diagnoses do so only on admission."""
        chronic, lot = self.story.chronic()[self.visit], self.story.lots[self.visit, 0]
        opened = lot < np.where(self.kind == AMBULATORY, 0.05, 0.4)
        final = (self.kind == AMBULATORY) & ~chronic
        stated = (self.kind == INPATIENT) | final | opened | self.cancelled
        return np.asarray((self.teller == RECORDED) & ((self.form != HL7) | stated))

    def diagnosed(self) -> Ints:
        """Return the encounters (by row) on which an HL7 system lists the diagnosis."""
        chronic = self.story.chronic()[self.visit]
        listed = (self.kind != AMBULATORY) | chronic
        own = (self.form == HL7) & (self.teller == RECORDED) & ~self.cancelled
        return np.flatnonzero(own & listed)

    def part(self, rows: Ints) -> dict[str, Any]:
        """Return the key columns of some encounters."""
        index = pa.array(rows)
        return {
            "encounter_id": self.ids[rows], "source_system": self.sources.take(index),
            "patient_id": self.patients.take(index),
        }  # fmt: skip


def encounters(s: Story) -> Encounters:
    """Return the block's encounters, worked out once."""
    if "encounters" not in s.shared:
        s.shared["encounters"] = Encounters(s)
    found: Encounters = s.shared["encounters"]
    return found


def encounter(s: Story) -> pa.Table:
    """Return the table `encounter`."""
    e, table = encounters(s), Parts("encounter")
    hl7, rows = e.form == HL7, len(e.visit)
    department = texts([d.department for d in s.known])[s.visits.diagnosis[e.visit]]
    status = np.where(e.cancelled, "cancelled", np.where(e.teller == MEASURED, "unknown", "finished"))
    leaves = hl7 & (e.kind == INPATIENT) & (e.teller != MEASURED)
    died = s.facts.witness.died[e.visit]
    table.add(
        rows, encounter_id=e.ids, source_system=e.sources, patient_id=e.patients, status=status,
        class_code=texts(list(CLASSES))[e.kind], visit_number=np.where(hl7, s.keys[e.visit], ""),
        service_type_code=np.where(hl7, department, ""), service_type_text=department,
        start_time=moments(e.start), end_time=moments(e.end, ~e.cancelled & (e.teller != MEASURED)),
        **s.diagnosis("reason_", s.visits.diagnosis[e.visit], e.reasons()),
        **s.doctors(e.system, s.visits.doctor[e.visit], "participant"),
        **s.institutions(e.system, s.visits.place[e.visit], "service_provider"),
        discharge_disposition_code=np.where(leaves, np.where(died, "exp", "home"), ""),
    )  # fmt: skip
    called = np.flatnonzero(s.plan.ambulance & (s.visits.kind == EMERGENCY))
    system = np.full(len(called), s.city.catalogue.by_subject("emergency").index)
    start = s.visits.start[called]
    place = s.institutions(system, s.visits.place[called], "destination")
    table.add(
        len(called), encounter_id=s.ids("Encounter", system, s.keys[called] + "-E"),
        source_system=s.source(system),
        patient_id=s.whose(system, s.visits.resident[called], start - 55), status="finished",
        class_code="FLD", start_time=moments(start - 60), end_time=moments(start - 5),
        **s.diagnosis("reason_", s.visits.diagnosis[called]), **place,
    )  # fmt: skip
    return table.all()


def encounter_reason(s: Story) -> pa.Table:
    """Return the table `encounter_reason`: at most one a visit."""
    whole, table = encounter(s), Parts("encounter_reason")
    stated = whole.filter(pa.compute.is_valid(whole["reason_code"]))
    columns = {
        name: stated[f"reason_{name}"].combine_chunks()
        for name in ("icd10_code", "code", "code_system", "display", "text")
    }
    keys = {name: stated[name].combine_chunks() for name in ("encounter_id", "source_system", "patient_id")}
    table.add(stated.num_rows, **keys, number=np.zeros(stated.num_rows, dtype=np.int32), **columns)
    return table.all()


def encounter_participant(s: Story) -> pa.Table:
    """Return the table `encounter_participant`."""
    e, table = encounters(s), Parts("encounter_participant")
    rows = np.arange(len(e.visit))
    doctor = s.doctors(e.system, s.visits.doctor[e.visit], "practitioner")
    role = np.where(e.form == HL7, "ATND", "")
    table.add(len(rows), **e.part(rows), number=np.zeros(len(rows), dtype=np.int32), type_code=role, **doctor)
    return table.all()


def ward_id(place: str, department: str) -> str:
    """Return the sender's id of a ward."""
    return hl7_id("location", place, department)


def encounter_location(s: Story) -> pa.Table:
    """Return the table `encounter_location`: the wards of stays that HL7 systems tell of."""
    e, table = encounters(s), Parts("encounter_location")
    rows = np.flatnonzero((e.form == HL7) & (e.kind == INPATIENT))
    v = e.visit[rows]
    department = [s.known[d].department for d in s.visits.diagnosis[v].tolist()]
    local = [ward_id(s.place_code[p], d) for p, d in zip(s.visits.place[v].tolist(), department, strict=True)]
    status = np.where(e.teller[rows] == MEASURED, "active", "completed")
    table.add(
        len(rows), **e.part(rows), number=np.zeros(len(rows), dtype=np.int32),
        location_id=s.ids("Location", e.system[rows], local), location_name=texts(department), status=status,
    )  # fmt: skip
    return table.all()


def _hl7_conditions(s: Story, rows: Ints) -> list[str]:
    e = encounters(s)
    return [
        hl7_id(f"{s.authority[system]}.{key}", "dg1", s.known[what].code, "F")
        for system, key, what in zip(
            e.system[rows].tolist(), s.keys[e.visit[rows]].tolist(),
            s.visits.diagnosis[e.visit[rows]].tolist(), strict=True,
        )
    ]  # fmt: skip


def encounter_diagnosis(s: Story) -> pa.Table:
    """Return the table `encounter_diagnosis`: the final diagnosis that HL7 systems list."""
    e, table = encounters(s), Parts("encounter_diagnosis")
    rows = e.diagnosed()
    keys = s.ids("Condition", e.system[rows], _hl7_conditions(s, rows))
    zero = np.zeros(len(rows), dtype=np.int32)
    table.add(len(rows), **e.part(rows), number=zero, condition_id=keys, use_code="DD")
    return table.all()


def condition(s: Story) -> pa.Table:
    """Return the table `condition`: the diagnoses of stays, emergencies and chronic diseases."""
    e, table = encounters(s), Parts("condition")
    rows = e.diagnosed()
    what = s.visits.diagnosis[e.visit]
    table.add(
        len(rows), condition_id=s.ids("Condition", e.system[rows], _hl7_conditions(s, rows)), **e.part(rows),
        verification_status="confirmed", category_code="encounter-diagnosis",
        **s.diagnosis("", what[rows]), onset_time=moments(e.start[rows]),
    )  # fmt: skip
    chronic = s.chronic()[e.visit]
    for form, kept in ((FHIR, (e.kind != AMBULATORY) | chronic), (TABLE, e.kind != AMBULATORY)):
        rows = np.flatnonzero((e.form == form) & kept)
        sure = "confirmed" if form == FHIR else ""
        table.add(
            len(rows), condition_id=s.ids("Condition", e.system[rows], s.keys[e.visit[rows]] + "-d"),
            **e.part(rows), clinical_status="active", **({"verification_status": sure} if sure else {}),
            category_code="encounter-diagnosis", **s.diagnosis("", what[rows]),
            recorded_time=moments(e.start[rows]),
        )  # fmt: skip
    return table.all()


def procedure(s: Story) -> pa.Table:
    """Return the table `procedure`."""
    table, visits, witness = Parts("procedure"), s.visits, s.facts.witness
    system = witness.serving(PROCEDURES)
    code = texts([d.procedure for d in s.known])[visits.diagnosis]
    titles = names_of("procedures", "code")
    keeps = np.array([VISITS in one.records for one in s.systems])
    for form, end in ((HL7, ""), (FHIR, "-p"), (TABLE, "-P")):
        i = s.plan.operated & (s.form(system) == form)
        if form == HL7:  # part of the discharge message of a stay
            i &= visits.kind == INPATIENT
        i = np.flatnonzero(i)
        start, last, here = visits.start[i], visits.end[i], system[i]
        when = start + 1000 if form == HL7 else np.minimum(start + 1000, last)
        asked = start if form == HL7 else last + 2
        columns: dict[str, Any] = {"status": "completed"}
        if form == HL7:
            local = [
                hl7_id(f"{s.authority[one]}.{key}", "pr1", what, stamp(minute))
                for one, key, what, minute in zip(
                    here.tolist(), s.keys[i].tolist(), code[i].tolist(), when.tolist(), strict=True
                )
            ]  # fmt: skip
            columns["status"] = np.where(when <= last, "completed", "preparation")
        else:
            local = list(s.keys[i] + end)
            columns |= s.doctors(here, visits.doctor[i], "performer")
        inside = keeps[here] & (form != TABLE)
        table.add(
            len(i), procedure_id=s.ids("Procedure", here, local), source_system=s.source(here),
            patient_id=s.whose(here, visits.resident[i], asked),
            encounter_id=np.where(inside, s.visit_ids(here, i), ""),
            **coded("", "icd9cm3", code[i], texts([titles[one][0] for one in code[i].tolist()])),
            performed_time=moments(when), **columns,
        )  # fmt: skip
    return table.all()


def stamp(minute: int) -> str:
    """Return a minute as an HL7 time to the second."""
    day, rest = divmod(minute, 1440)
    return f"{day_text(day)}{rest // 60:02d}{rest % 60:02d}00"
