"""Patient records: the table `patient`, and beside it who each record truly is."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from salus.city.blocks import City
from salus.city.desks import Desks
from salus.city.facts import Ints
from salus.city.people import NEVER, Bools, Population
from salus.city.records import Records
from salus.city.sheets import Texts, errors_of, texts
from salus.city.sightings import FHIR, HL7, TABLE, Witness
from salus.city.tables.frame import chosen, days, frame, moments, server_ids, told

if TYPE_CHECKING:
    from salus.city.tables.story import Story

MINUTES = 1440
CITY = "临澜市"


@dataclass
class Facts:
    """What one block's tables are made from."""

    city: City
    block: Population
    witness: Witness
    desks: Desks
    records: Records

    @cached_property
    def story(self) -> "Story":
        """What tables of care share."""
        from salus.city.tables.story import Story

        return Story(self)

    @cached_property
    def patients(self) -> "Patients":
        """The patient records as columns."""
        return Patients(self)


class Patients:
    """The patient records of one block as columns."""

    def __init__(self, facts: Facts) -> None:
        self.facts, self.records = facts, facts.records
        self.codes = [system.code for system in facts.city.catalogue.systems]
        self.form = facts.witness.format[self.records.system]
        self.resident: Ints = facts.desks.table.resident[self.records.chart]
        self.number: Texts = facts.desks.table.number[self.records.chart]

    @cached_property
    def local(self) -> list[str]:
        """The Patient ids that the formats' translators give."""
        heads = texts([f"{system.authority}." for system in self.facts.city.catalogue.systems])
        named = heads[self.records.system] + self.number
        return list(np.where(self.form == HL7, named, self.number))

    @cached_property
    def ids(self) -> pa.Array:
        """The record's ids of the Patients."""
        return pa.array(server_ids(self.codes, "Patient", self.local, self.records.system))

    def _of(self, *codes: str) -> Bools:
        """Return which records are of some city-wide systems, by subject."""
        systems = [self.facts.city.catalogue.by_subject(code).index for code in codes]
        return np.isin(self.records.system, systems)

    def table(self) -> pa.Table:
        """Return the table `patient`."""
        facts, sheets, form = self.facts, self.records.sheets, self.form
        block, rows = facts.block, len(self.records)
        resident = self.resident
        hl7, listed = form == HL7, form == TABLE
        birth = self._of("births")
        number = np.where(birth, facts.desks.writer.identity[resident], sheets.number)
        newborn = np.where(listed, "", sheets.newborn).astype(object)
        newborn[birth] = facts.desks.writer.newborn_numbers(resident[birth])
        certificate = np.full(rows, "", dtype=object)
        certificate[birth] = [f"LL{block.base + r:09d}" for r in resident[birth].tolist()]
        first, last = (np.where(sheets.romanised & hl7, a, b) for a, b in (
            (sheets.given, sheets.surname), (sheets.surname, sheets.given)))  # fmt: skip
        name = np.where(sheets.romanised, first + " ", first) + last
        address, city, district, street, hukou = self._addresses()
        doctors = self._doctors()
        sources = [f"urn:salus:source:{code}" for code in self.codes]
        columns: dict[str, Any] = {
            "patient_id": self.ids,
            "source_system": chosen(sources, self.records.system),
            "active": pa.array(np.ones(rows, dtype=bool), mask=form != FHIR),
            "resident_id": told(number),
            "insured_number": told(np.where(self._of("employee", "resident"), self.number, "")),
            "newborn_number": told(newborn),
            "birth_certificate": told(certificate),
            "name": told(name),
            "family_name": told(np.where(listed, "", sheets.surname)),
            "given_name": told(np.where(listed, "", sheets.given)),
            "sex": chosen(("male", "female"), sheets.female.astype(np.int64)),
            "birth_date": days(sheets.birth),
            "death_time": self._deaths(),
            "phone": told(sheets.phone),
            "address_text": told(np.where(hl7, "", address)),
            "address_line": told(np.where(hl7, address, "")),
            "city": told(city),
            "district": told(district),
            "street_code": told(street),
            "household_registration": told(hukou),
            **doctors,
        }
        return frame("patient", columns, rows)

    def _addresses(self) -> tuple[Texts, ...]:
        """Return address, city, district, street's code and household registration."""
        facts, resident = self.facts, self.resident
        address = np.array(self.records.sheets.address)
        known = address != ""
        city = np.where(known & (self.form != TABLE), CITY, "")
        district, street, hukou = (np.full(len(resident), "", dtype=object) for _ in range(3))
        registered = self._of("residence")
        if registered.any():
            block, ground = facts.block, facts.city.ground
            who, minute, kind = facts.witness.residence()
            last = np.zeros(len(block), dtype=np.int64)
            last[who[np.lexsort((kind, minute))]] = minute[np.lexsort((kind, minute))]
            mine = resident[registered]
            day = last[mine] // MINUTES
            home = block.household[mine]
            moved = (block.move_day[home] != NEVER) & (day >= block.move_day[home])
            where = np.where(moved, block.new_street[home], block.home_street[home])
            codes = texts([area.code for area in ground.streets])
            names = texts([ground.districts[d].name for d in ground.street_district.tolist()])
            address[registered] = facts.desks.writer.address_of(mine, day)
            city[registered], district[registered], street[registered] = CITY, names[where], codes[where]
            hukou[registered] = np.where(block.local[mine], "registered", "unregistered")
        return address, city, district, street, hukou

    def _deaths(self) -> pa.Array:
        """Return the times of death as told: at the end of a stay, or as the certificate says."""
        block, resident, died = self.facts.block, self.resident, self.records.died
        certificate = self._of("deaths")
        minute = np.where(certificate, block.death[resident] * MINUTES + 1380, block.exit[resident] * MINUTES)
        values = pa.nulls(len(resident), pa.string()).to_pylist()
        for i in np.flatnonzero(died).tolist():
            values[i] = moments(minute[i : i + 1])[0].as_py()
        return pa.array(values, type=pa.string())

    def _doctors(self) -> dict[str, Any]:
        """Return the family doctor's columns."""
        facts, records, resident = self.facts, self.records, self.resident
        named = np.flatnonzero(records.doctor)
        heads: dict[int, list[int]] = {}
        for n, member in enumerate(facts.city.registers.staff):
            if member.profession != "nurse":
                heads.setdefault(member.place, []).append(n)
        primary = facts.witness.planner.care.primary[resident[named]].tolist()
        home = facts.block.household[resident[named]].tolist()
        staff = [
            facts.city.registers.staff[heads[place][one % len(heads[place])]]
            for place, one in zip(primary, home, strict=True)
        ]
        hl7 = self.form[named] == HL7
        code, name, key = (np.full(len(records), "", dtype=object) for _ in range(3))
        code[named] = np.where(hl7, "", texts([member.code for member in staff]))
        name[named] = [member.name for member in staff]
        told_ids = server_ids(
            self.codes, "Practitioner", [f"STAFF.{m.code}" for m in staff], records.system[named]
        )
        key[named] = np.where(hl7, texts(told_ids), "")
        return {
            "family_doctor_id": told(key), "family_doctor_code": told(code), "family_doctor_name": told(name),
        }  # fmt: skip

    def truth(self) -> pa.Table:
        """Return who each record truly is, in the rows' order."""
        facts, records = self.facts, self.records
        table, block = facts.desks.table, facts.block
        masks, index = np.unique(table.sheets.errors[records.chart], return_inverse=True)
        merged = np.full(len(records), "", dtype=object)
        gone = np.flatnonzero(records.merged != NEVER)
        for i in gone.tolist():
            system = facts.city.catalogue.systems[int(records.system[i])]
            merged[i] = f"{system.authority}.{table.number[records.merged[i]]}"
        return pa.table({
            "patient_id": self.ids,
            "source": chosen(self.codes, records.system),
            "patient": pa.array(self.local),
            "resident": pa.array([f"R{block.base + r:09d}" for r in self.resident.tolist()]),
            "desk": chosen(facts.desks.names, table.desk[records.chart]),
            "errors": pa.array([" ".join(errors_of(int(m))) for m in masks]).take(pa.array(index)),
            "merged_into": pa.array(merged, type=pa.string()),
        })  # fmt: skip
