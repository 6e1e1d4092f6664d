"""Parts of patient records, and what registers, booking systems, archives and vaccinators tell."""

from typing import Any

import numpy as np
import pyarrow as pa

from salus.city.care import INPATIENT
from salus.city.facts import Ints, rows
from salus.city.people import NEVER
from salus.city.records import charts_of
from salus.city.sheets import texts
from salus.city.systems import BOOKINGS, DOCUMENTS, LABORATORY, ORDERS, VISITS
from salus.city.tables.frame import days, moments
from salus.city.tables.ordering import decimals
from salus.city.tables.patients import Facts
from salus.city.tables.story import FHIR, HL7, MINUTES, TABLE, Parts, Story, coded, hl7_id
from salus.city.tables.visiting import encounters, ward_id
from salus.city.tell_tables import DISABILITIES

_RESIDENT = "urn:oid:2.16.156.10011.1.3"
_KINDS = {  # how each format marks a number: (use, type, system) of the resident's and the newborn's
    "resident_id": (_RESIDENT, "official", "NI"),
    "newborn_number": ("urn:salus:id:newborn-temporary", "temp", "RI"),
    "insured_number": ("urn:salus:id:medical-insurance", "", ""),
    "birth_certificate": ("urn:salus:id:birth-certificate", "", ""),
}


def _zero(count: int) -> "np.ndarray[Any, np.dtype[np.int32]]":
    return np.zeros(count, dtype=np.int32)


def patient_identifier(facts: Facts) -> pa.Table:
    """Return the table `patient_identifier`: the chart's number first, then the others in one order."""
    table, people = Parts("patient_identifier"), facts.patients
    whole, form = people.table(), people.form
    number = np.zeros(len(form), dtype=np.int32)
    for kind, system in ((FHIR, "mr"), (TABLE, "mr"), (HL7, "")):
        i = np.flatnonzero(form == kind)
        here = facts.records.system[i]
        codes = [people.codes[one] for one in here.tolist()]
        authority = [facts.city.catalogue.systems[one].authority for one in here.tolist()]
        ends = [system] * len(i) if system else [f"{c}:{a}" for c, a in zip(codes, authority, strict=True)]
        own = [f"urn:salus:source:{c}:{e}" for c, e in zip(codes, ends, strict=True)]
        table.add(
            len(i), **_keys(whole, i), number=number[i], system=texts(own), value=people.number[i],
            **({"type_code": "MR"} if kind != TABLE else {}),
            **({"use": "usual"} if kind == FHIR else {}),
            **({"assigner": texts(authority)} if kind == HL7 else {}),
        )  # fmt: skip
    number += 1
    for name, (system, use, kind_code) in _KINDS.items():
        told = np.asarray(pa.compute.is_valid(whole[name]).combine_chunks())
        for kind in (FHIR, HL7, TABLE):
            i = np.flatnonzero(told & (form == kind))
            typed = {FHIR: kind_code if name == "resident_id" else "", HL7: kind_code, TABLE: ""}[kind]
            table.add(
                len(i), **_keys(whole, i), number=number[i], system=system,
                value=whole[name].combine_chunks().take(pa.array(i)),
                **({"type_code": typed} if typed else {}), **({"use": use} if use and kind == FHIR else {}),
            )  # fmt: skip
            number[i] += 1
    return table.all()


def _keys(whole: pa.Table, i: Ints) -> dict[str, Any]:
    index = pa.array(i)
    return {
        name: whole[name].combine_chunks().take(index) for name in ("patient_id", "source_system")
    }  # fmt: skip


def _picked(whole: pa.Table, table: str, test: str, names: dict[str, str], **more: Any) -> pa.Table:
    """Return columns of `patient` under other names, where one of them holds something."""
    i = np.flatnonzero(np.asarray(pa.compute.is_valid(whole[test]).combine_chunks()))
    parts, index = Parts(table), pa.array(i)
    columns = {name: whole[own].combine_chunks().take(index) for name, own in names.items()}
    parts.add(len(i), **_keys(whole, i), number=_zero(len(i)), **columns, **more)
    return parts.all()


def patient_name(facts: Facts) -> pa.Table:
    """Return the table `patient_name`."""
    names = {"text": "name", "family_name": "family_name", "given_name": "given_name"}
    return _picked(facts.patients.table(), "patient_name", "name", names, use="official")


def patient_telecom(facts: Facts) -> pa.Table:
    """Return the table `patient_telecom`."""
    return _picked(
        facts.patients.table(), "patient_telecom", "phone", {"value": "phone"}, system="phone", use="mobile"
    )


def patient_address(facts: Facts) -> pa.Table:
    """Return the table `patient_address`."""
    whole = facts.patients.table()
    text = {"text": "address_text", "city": "city", "district": "district"}
    line = {"line": "address_line", "city": "city"}
    made = _picked(whole, "patient_address", "address_text", text, use="home")
    hl7 = _picked(whole, "patient_address", "address_line", line, use="home", country="CHN")
    return pa.concat_tables([made, hl7])


def immunization(s: Story) -> pa.Table:
    """Return the table `immunization`."""
    table, doses = Parts("immunization"), s.planner.care.vaccinations
    system, facts = s.planner.vaccinators(), rows("vaccines")
    centre = s.planner.care.home_places["community"]
    block = s.facts.block.number
    heads = _heads(s)
    for form in (HL7, TABLE):
        i = np.flatnonzero(s.form(system) == form)
        here, resident, minute, row = system[i], doses.resident[i], doses.minute[i], doses.row[i]
        atc = texts([fact["atc"] for fact in facts])[row]
        key = [f"D{block:04d}{k:06d}" for k in i.tolist()]
        lots = [
            f"{facts[n]['vaccine']}{m // MINUTES // 90:04d}"
            for n, m in zip(row.tolist(), minute.tolist(), strict=True)
        ]
        place = centre[resident]
        if form == HL7:
            key = [hl7_id("vaccination", "order", k, a) for k, a in zip(key, atc.tolist(), strict=True)]
            nurse = np.array([heads[p][0] for p in place.tolist()], dtype=np.int64)
            more = s.doctors(here, nurse, "performer") | {
                "dose_value": decimals(["0.5"] * len(i)), "dose_unit": "mL", "dose_unit_code": "mL",
                "route_code": "IM", "route_text": "肌内注射", "site_code": "LA", "site_text": "左上臂",
            }  # fmt: skip
        else:
            more = {
                "dose_number": np.array([int(facts[n]["dose"]) for n in row.tolist()], dtype=np.int32),
                "performer_code": texts(s.place_code)[place], "performer_name": texts(s.place_name)[place],
            }  # fmt: skip
        table.add(
            len(i), immunization_id=s.ids("Immunization", here, key), source_system=s.source(here),
            patient_id=s.whose(here, resident, doses.told[i]), status="completed",
            **coded("vaccine_", "atc", atc, texts([fact["zh"] for fact in facts])[row]),
            occurrence_time=moments(minute), lot_number=texts(lots), **more,
        )  # fmt: skip
    return table.all()


def _heads(s: Story) -> dict[int, list[int]]:
    """Return the doctors of each institution, by their numbers."""
    heads: dict[int, list[int]] = {}
    for number, member in enumerate(s.city.registers.staff):
        if member.profession != "nurse":
            heads.setdefault(member.place, []).append(number)
    return heads


class Bookings:
    """Appointments: arrays with one element an appointment."""

    def __init__(self, s: Story) -> None:
        visits, lot = s.visits, s.lots[:, 5]
        system = s.facts.witness.serving(BOOKINGS)
        made = visits.start - ((1 + s.lots[:, 4] * 10) * MINUTES).astype(np.int64)
        last = np.where(lot < 0.14, made + 300, np.where((lot >= 0.14) & (lot < 0.22), made + 200, made))
        kept = np.flatnonzero(s.plan.booked & (system >= 0))
        gone = kept[lot[kept] > 0.9]
        self.visit = np.concatenate([kept, gone])
        self.cancelled = np.arange(len(self.visit)) >= len(kept)
        self.system = system[self.visit]
        self.number = np.where(self.cancelled, s.keys[self.visit] + "BX", s.keys[self.visit] + "B")
        self.start = visits.start[self.visit] + np.where(self.cancelled, 2880, 0)
        asked = np.where(self.cancelled, made[self.visit] + 60, last[self.visit])
        self.patients = s.whose(self.system, visits.resident[self.visit], asked)
        local = [hl7_id("appointment", "filler", one) for one in self.number.tolist()]
        self.ids = s.ids("Appointment", self.system, local)
        self.department = texts([d.department for d in s.known])[visits.diagnosis[self.visit]]
        self.doctor = s.doctors(self.system, visits.doctor[self.visit], "practitioner")


def _bookings(s: Story) -> Bookings:
    if "bookings" not in s.shared:
        s.shared["bookings"] = Bookings(s)
    found: Bookings = s.shared["bookings"]
    return found


def appointment(s: Story) -> pa.Table:
    """Return the table `appointment`."""
    b, table = _bookings(s), Parts("appointment")
    count = len(b.visit)
    table.add(
        count, appointment_id=b.ids, source_system=s.source(b.system), patient_id=b.patients,
        status=np.where(b.cancelled, "cancelled", "booked"), placer_number=b.number, filler_number=b.number,
        service_type_code=b.department, service_type_text=b.department, reason_code="ROUTINE",
        reason_text=b.department + "门诊", start_time=moments(b.start), end_time=moments(b.start + 30),
        minutes=np.full(count, 30, dtype=np.int32), practitioner_id=b.doctor["practitioner_id"],
    )  # fmt: skip
    return table.all()


def appointment_participant(s: Story) -> pa.Table:
    """Return the table `appointment_participant`: the patient, then the doctor."""
    b, table = _bookings(s), Parts("appointment_participant")
    count = len(b.visit)
    keys = {"appointment_id": b.ids, "source_system": s.source(b.system), "status": "accepted"}
    table.add(count, **keys, number=_zero(count), patient_id=b.patients)
    table.add(
        count, **keys, number=_zero(count) + 1, practitioner_id=b.doctor["practitioner_id"],
        actor_name=b.doctor["practitioner_name"], type_code="D", type_text=b.department,
    )  # fmt: skip
    return table.all()


def document_reference(s: Story) -> pa.Table:
    """Return the table `document_reference`: discharge summaries."""
    table, visits = Parts("document_reference"), s.visits
    system = s.facts.witness.serving(DOCUMENTS)
    v = np.flatnonzero((visits.kind == INPATIENT) & (system >= 0))
    here, minute = system[v], visits.end[v] + 240
    number = s.keys[v] + "S"
    local = [hl7_id("document", "document", one) for one in number.tolist()]
    table.add(
        len(v), document_reference_id=s.ids("DocumentReference", here, local), source_system=s.source(here),
        patient_id=s.whose(here, visits.resident[v], minute), encounter_id=s.visit_ids(here, v),
        status="current", document_status="final", document_number=number, type_code="DS",
        type_code_system="http://terminology.hl7.org/CodeSystem/v2-0270", type_display="Discharge summary",
        type_text="出院小结", document_time=moments(minute), **s.doctors(here, visits.doctor[v], "author"),
        content_type="text/plain; charset=utf-8", content_title="出院小结",
    )  # fmt: skip
    return table.all()


def _named(s: Story, subject: str, who: Ints, minute: Ints, kind: str, end: str) -> dict[str, Any]:
    """Return id, source and patient of resources whose ids begin with the register's number of a person."""
    here = np.full(len(who), s.city.catalogue.by_subject(subject).index)
    desks = s.facts.desks
    number = desks.table.number[charts_of(desks, here, who, minute)]
    return {
        f"{'flag' if kind == 'Flag' else 'coverage'}_id": s.ids(kind, here, number + end),
        "source_system": s.source(here), "patient_id": s.whose(here, who, minute),
    }  # fmt: skip


def coverage(s: Story) -> pa.Table:
    """Return the table `coverage`: the two basic medical insurances."""
    table, block = Parts("coverage"), s.facts.block
    for subject, name in (("employee", "职工基本医疗保险"), ("resident", "城乡居民基本医疗保险")):
        who = s.planner.subjects(subject)
        minute = s.planner.registered(subject, who)
        keys = _named(s, subject, who, minute, "Coverage", "")
        here = np.full(len(who), s.city.catalogue.by_subject(subject).index)
        number = s.facts.desks.table.number[charts_of(s.facts.desks, here, who, minute)]
        start = block.entry[who] - np.where(block.born_here[who], 0, 700)
        table.add(
            len(who), **keys, status="active", type_text=name, subscriber_number=number,
            start_time=days(start), payor_name="临澜市医疗保障服务中心",
        )  # fmt: skip
    return table.all()


def flag(s: Story) -> pa.Table:
    """Return the table `flag`: low income, disability, departure."""
    table, block = Parts("flag"), s.facts.block
    status = "urn:salus:code:social-status"
    for subject, words, since in (("poverty", "低收入人口", 300), ("disability", "残疾", 900)):
        who = s.planner.subjects(subject)
        keys = _named(s, subject, who, s.planner.registered(subject, who), "Flag", f"-{subject}")
        kind = (
            texts(["最低生活保障"] * len(who)) if subject == "poverty"
            else texts([
                f"{DISABILITIES[r % 4]}{'一二三四'[block.disability[r] - 1]}级" for r in who.tolist()
            ])
        )  # fmt: skip
        granted = np.maximum(block.entry[who] - since, block.birth[who])
        table.add(
            len(who), **keys, status="active", category_text=words, code=subject, code_system=status,
            display=words, text=kind, start_time=days(granted),
        )  # fmt: skip
    who, minute, kind = s.facts.witness.residence()
    who, minute = who[kind == 2], minute[kind == 2]
    keys = _named(s, "residence", who, minute, "Flag", "-departed")
    table.add(
        len(who), **keys, status="active", code="departed", code_system="urn:salus:code:residence",
        display="迁出", start_time=days(block.exit[who]),
    )  # fmt: skip
    return table.all()


def related_person(s: Story) -> pa.Table:
    """Return the table `related_person`: newborns' parents."""
    table, block = Parts("related_person"), s.facts.block
    child = s.planner.subjects("births")
    for mark, role, parent in (("m", "MTH", block.mother), ("f", "FTH", block.father)):
        who = child[parent[child] != NEVER]
        one = parent[who]
        here = np.full(len(who), s.city.catalogue.by_subject("births").index)
        local = [f"LL{block.base + c:09d}-{mark}" for c in who.tolist()]
        writer = s.facts.desks.writer
        table.add(
            len(who), related_person_id=s.ids("RelatedPerson", here, local), source_system=s.source(here),
            patient_id=s.whose(here, who, s.planner.registered("births", who)), relationship_code=role,
            resident_id=writer.identity[one], name=writer.surname[one] + writer.given[one],
        )  # fmt: skip
    return table.all()


def _named_staff(s: Story) -> list[tuple[int, int]]:
    """Return the (system, member of staff) that HL7 messages of the block name, each once."""
    visits, witness, e = s.visits, s.facts.witness, encounters(s)
    pairs = [(e.system, visits.doctor[e.visit])]
    panels = s.planner.has_panels
    for record, chosen in (
        (LABORATORY, panels), (ORDERS, panels & s.planner.ordered), (BOOKINGS, s.plan.booked),
        (DOCUMENTS, visits.kind == INPATIENT),
    ):  # fmt: skip
        system = witness.serving(record)
        i = np.flatnonzero(chosen & (system >= 0))
        pairs.append((system[i], visits.doctor[i]))
    heads = _heads(s)
    doses, vaccinator = s.planner.care.vaccinations, s.planner.vaccinators()
    i = np.flatnonzero(vaccinator >= 0)
    centre = s.planner.care.home_places["community"][doses.resident[i]]
    pairs.append((vaccinator[i], np.array([heads[p][0] for p in centre.tolist()], dtype=np.int64)))
    who = s.planner.contract_resident
    primary = s.planner.care.primary[who]
    system, home = s.planner.serving[VISITS][primary], s.facts.block.household[who]
    family = np.array(
        [heads[p][h % len(heads[p])] for p, h in zip(primary.tolist(), home.tolist(), strict=True)],
        dtype=np.int64,
    )
    pairs.append((system[system >= 0], family[system >= 0]))
    system, staff = (np.concatenate([pair[n] for pair in pairs]) for n in range(2))
    hl7 = s.format[system] == HL7
    return sorted(set(zip(system[hl7].tolist(), staff[hl7].tolist(), strict=True)))


def practitioner(s: Story) -> pa.Table:
    """Return the table `practitioner`: the doctors and nurses whom HL7 systems name."""
    table, found = Parts("practitioner"), _named_staff(s)
    here = np.array([system for system, _ in found], dtype=np.int64)
    code = [s.staff_code[member] for _, member in found]
    name = [s.staff_name[member] for _, member in found]
    table.add(
        len(found), practitioner_id=s.ids("Practitioner", here, [hl7_id("STAFF", one) for one in code]),
        source_system=s.source(here), staff_code=texts(code),
        staff_code_system=_lists(s, here, "STAFF"), name=texts(name),
        family_name=texts([one[:1] for one in name]), given_name=texts([one[1:] for one in name]),
    )  # fmt: skip
    return table.all()


def _lists(s: Story, system: Ints, name: str) -> Any:
    return texts([f"urn:salus:source:{s.codes[one]}:{s.codes[one]}:{name}" for one in system.tolist()])


def organization(s: Story) -> pa.Table:
    """Return the table `organization`: the institutions that HL7 systems name."""
    e, table = encounters(s), Parts("organization")
    hl7 = e.form == HL7
    found = sorted(set(zip(e.system[hl7].tolist(), s.visits.place[e.visit[hl7]].tolist(), strict=True)))
    here = np.array([system for system, _ in found], dtype=np.int64)
    code = [s.place_code[place] for _, place in found]
    local = [hl7_id("organization", "INSTITUTION", one) for one in code]
    table.add(
        len(found), organization_id=s.ids("Organization", here, local), source_system=s.source(here),
        organization_code=texts(code), organization_code_system=_lists(s, here, "INSTITUTION"),
        name=texts([s.place_name[place] for _, place in found]),
    )  # fmt: skip
    return table.all()


def location(s: Story) -> pa.Table:
    """Return the table `location`: the wards that HL7 systems name."""
    e, table = encounters(s), Parts("location")
    stays = np.flatnonzero((e.form == HL7) & (e.kind == INPATIENT))
    v = e.visit[stays]
    department = [s.known[d].department for d in s.visits.diagnosis[v].tolist()]
    found = sorted(set(zip(e.system[stays].tolist(), s.visits.place[v].tolist(), department, strict=True)))
    here = np.array([system for system, _, _ in found], dtype=np.int64)
    local = [ward_id(s.place_code[place], ward) for _, place, ward in found]
    table.add(
        len(found), location_id=s.ids("Location", here, local), source_system=s.source(here),
        status="active", name=texts([ward for _, _, ward in found]), physical_type_code="wa",
    )  # fmt: skip
    return table.all()
