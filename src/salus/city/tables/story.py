"""What all tables of a block need of its facts: keys, names, codes and whose record a row belongs to."""

import re
from collections.abc import Sequence
from functools import cached_property, lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa

from salus.city.facts import Diagnosis, Ints, diagnoses
from salus.city.people import Bools
from salus.city.records import charts_of
from salus.city.sheets import Texts, texts
from salus.city.sightings import FHIR, HL7, TABLE
from salus.city.tables.frame import chosen, frame, server_ids
from salus.city.tables.patients import Facts

MINUTES = 1440
_PLAIN = re.compile(r"[A-Za-z0-9-]+")


@lru_cache(maxsize=4_096)
def hl7_id(*parts: str) -> str:
    """Return the sender's id that an HL7 v2 message gives a resource known by several parts.

    Short parts of letters, digits and dashes alone are joined by dots; others are hashed together.
    Source: docs/hl7v2.md.
    """
    joined = ".".join(parts)
    if len(joined) <= 64 and all(_PLAIN.fullmatch(part) for part in parts) and not joined.startswith("h-"):
        return joined
    return "h-" + blake2b("\x1f".join(parts).encode(), digest_size=16).hexdigest()


class Story:
    """The facts of one block as its tables tell them."""

    def __init__(self, facts: Facts) -> None:
        self.facts, self.city = facts, facts.city
        self.planner, self.visits = facts.witness.planner, facts.witness.planner.care.visits
        self.plan, self.lots = self.planner.plan, facts.witness.lots
        self.systems = facts.city.catalogue.systems
        self.codes = [system.code for system in self.systems]
        self.authority = [system.authority for system in self.systems]
        self.format = facts.witness.format
        places = facts.city.registers.places
        self.place_code, self.place_name = [p.code for p in places], [p.name for p in places]
        staff = facts.city.registers.staff
        self.staff_code, self.staff_name = [m.code for m in staff], [m.name for m in staff]
        self.shared: dict[str, Any] = {}
        """What several tables need, worked out once."""

    @cached_property
    def known(self) -> tuple[Diagnosis, ...]:
        """The diagnoses, by the numbers that visits bear."""
        return diagnoses()

    @cached_property
    def keys(self) -> Texts:
        """Each visit's own key."""
        block = self.facts.block.number
        return texts([
            f"{place:03d}{block:04d}{i:06d}" for i, place in enumerate(self.visits.place.tolist())
        ])  # fmt: skip

    def chronic(self) -> Bools:
        """Return whether each visit is for a chronic disease."""
        return np.array([d.chronic for d in self.known])[self.visits.diagnosis]

    def form(self, system: Ints) -> Ints:
        """Return the format of systems; -1 where there is none."""
        return np.where(system >= 0, self.format[system], -1)

    def source(self, system: Ints) -> pa.Array:
        """Return systems as `source_system`."""
        return chosen([f"urn:salus:source:{code}" for code in self.codes], system)

    def ids(self, kind: str, system: Ints, local: Sequence[str] | Texts) -> Texts:
        """Return the record's ids of resources."""
        return texts(server_ids(self.codes, kind, local, system))

    def whose(self, system: Ints, resident: Ints, asked: Ints) -> pa.Array:
        """Return the Patient under which each system names each resident at a minute."""
        desks, records = self.facts.desks, self.facts.records
        chart = charts_of(desks, system, resident, asked)
        count = len(desks.table)
        key = records.system * count + records.chart
        return self.facts.patients.ids.take(pa.array(np.searchsorted(key, system * count + chart)))

    def visit_ids(self, system: Ints, visit: Ints) -> Texts:
        """Return the Encounters of visits in systems."""
        local = [
            f"{self.authority[s]}.{key}" if form == HL7 else key
            for s, form, key in zip(
                system.tolist(), self.format[system].tolist(), self.keys[visit].tolist(), strict=True
            )
        ]  # fmt: skip
        return self.ids("Encounter", system, local)

    def doctors(self, system: Ints, doctor: Ints, name: str) -> dict[str, Any]:
        """Return a clinician's id, code and name as systems write them: by reference, code or name alone."""
        form = self.format[system]
        code, words = texts(self.staff_code)[doctor], texts(self.staff_name)[doctor]
        key = np.full(len(system), "", dtype=object)
        i = form == HL7
        key[i] = self.ids("Practitioner", system[i], [hl7_id("STAFF", one) for one in code[i].tolist()])
        return {f"{name}_id": key, f"{name}_code": np.where(form == FHIR, code, ""), f"{name}_name": words}

    def institutions(self, system: Ints, place: Ints, name: str) -> dict[str, Any]:
        """Return an institution's id, code and name as systems write them: by reference or by code."""
        form = self.format[system]
        code, words = texts(self.place_code)[place], texts(self.place_name)[place]
        key = np.full(len(system), "", dtype=object)
        i = form == HL7
        local = [hl7_id("organization", "INSTITUTION", one) for one in code[i].tolist()]
        key[i] = self.ids("Organization", system[i], local)
        return {f"{name}_id": key, f"{name}_code": np.where(form == HL7, "", code), f"{name}_name": words}

    def diagnosis(self, prefix: str, what: Ints, told: Bools | None = None) -> dict[str, Any]:
        """Return a diagnosis' columns."""
        code = texts([d.code for d in self.known])[what]
        words = texts([d.zh for d in self.known])[what]
        return coded(prefix, "icd10", code, words, told)


SYSTEMS = {
    "icd10": "http://hl7.org/fhir/sid/icd-10", "icd9cm3": "http://hl7.org/fhir/sid/icd-9-cm",
    "loinc": "http://loinc.org", "atc": "http://www.whocc.no/atc",
}  # fmt: skip


def coded(
    prefix: str, system: str, code: Texts, words: Texts, told: Bools | None = None, text: bool = True
) -> dict[str, Any]:
    """Return the columns of a code of a standard system with what it is called; empty where not `told`."""
    if told is not None:
        code, words = np.where(told, code, ""), np.where(told, words, "")
    columns = {
        f"{prefix}{system}_code": code, f"{prefix}code": code,
        f"{prefix}code_system": np.where(code == "", "", SYSTEMS[system]), f"{prefix}display": words,
    }  # fmt: skip
    return columns | ({f"{prefix}text": words} if text else {})


class Parts:
    """A table gathered from parts, each with its own columns."""

    def __init__(self, table: str) -> None:
        self.table = table
        self._parts: list[pa.Table] = []

    def add(self, rows: int, **columns: Any) -> None:
        """Add rows; a text stands for the same text in each of them."""
        made = {
            name: pa.repeat(pa.scalar(value), rows) if isinstance(value, str) else value
            for name, value in columns.items()
        }
        if rows:
            self._parts.append(frame(self.table, made, rows))

    def all(self) -> pa.Table:
        """Return the table."""
        return pa.concat_tables(self._parts) if self._parts else frame(self.table, {}, 0)


__all__ = ["FHIR", "HL7", "MINUTES", "TABLE", "Parts", "Story", "coded", "hl7_id"]
