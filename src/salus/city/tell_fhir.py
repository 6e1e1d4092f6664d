"""What the FHIR systems send: lines of resources, or a transaction Bundle for everything at one time."""

from collections.abc import Callable, Sequence

from salus.city import fhir
from salus.city.care import AMBULATORY
from salus.city.desks import Chart, Sheet
from salus.city.facts import names_of
from salus.city.fhir import Resource
from salus.city.prevention.readings import Kind
from salus.city.systems import VISITS, System
from salus.city.tell_hl7 import Happening
from salus.city.telling import Telling


class FhirSender:
    """Sends resources for one block; remembers what each system has already said of a patient."""

    def __init__(self, t: Telling) -> None:
        self.t = t
        self._stated: dict[tuple[int, str], int] = {}
        self._said: set[tuple[int, str, int]] = set()

    def _patient(self, system: System, resident: int, minute: int) -> tuple[str, list[Resource]]:
        """Return the patient's id and, when it is new or changed (always in a Bundle), the resource."""
        chart, sheet = self.t.charted(system, resident, minute)
        stated = self.t.stated(chart, minute)
        if system.dialect == "ndjson":
            if self._stated.get((system.index, chart.number), -1) >= stated:
                return chart.number, []
            self._stated[system.index, chart.number] = stated
        self._said.add((system.index, chart.number, stated))
        doctor = self.t.doctor_of(resident) if system.code[0] == "c" else None
        return chart.number, [fhir.patient(system, chart.number, sheet, stated, doctor)]

    def send(
        self, system: System, resident: int, minute: int, key: str, make: Callable[[str], list[Resource]]
    ) -> None:
        """Send the resources that `make(number)` returns, with the patient."""
        number, resources = self._patient(system, resident, minute)
        resources += make(number)
        if system.dialect == "bundle":
            self.t.outbox.send(system, minute, fhir.line(fhir.bundle(key, resources, minute)))
            return
        for resource in resources:
            self.t.outbox.send(system, minute, fhir.line(resource))

    def visit(
        self,
        system: System,
        visit: Happening,
        pressure: tuple[float, float] | None,
        measured: Sequence[tuple[Kind, float]] = (),
    ) -> None:
        """Send Encounter, Condition (unless a passing outpatient complaint) and what was measured."""
        place = self.t.place(visit.place)

        def make(number: str) -> list[Resource]:
            doctor = fhir.practitioner(*visit.doctor)
            made = [
                fhir.encounter(
                    visit.key,
                    number,
                    visit.kind,
                    visit.start,
                    visit.end,
                    fhir.institution(place.code, place.name),
                    doctor,
                    visit.known,
                )
            ]
            if visit.kind != AMBULATORY or visit.known.chronic:
                made.append(fhir.condition(visit.key, number, visit.known, visit.start))
            if pressure:
                made.append(fhir.blood_pressure(f"{visit.key}-bp", number, visit.key, pressure, visit.start))
            for kind, value in measured:
                made.append(fhir.reading(kind, number, visit.key, value, visit.start))
            return made

        self.send(system, visit.resident, visit.end, visit.key, make)

    def medicines(self, system: System, visit: Happening, drugs: tuple[str, ...]) -> None:
        """Send a MedicationRequest a drug."""
        names = names_of("medicines", "atc")
        inside = visit.key if VISITS in system.records else None

        def make(number: str) -> list[Resource]:
            doctor = fhir.practitioner(*visit.doctor)
            days = 28 if visit.known.chronic else 5
            return [
                fhir.medication(
                    f"{visit.key}-m{k}",
                    number,
                    inside,
                    (drug, names[drug][0]),
                    visit.start + 12,
                    doctor,
                    days,
                )
                for k, drug in enumerate(drugs, 1)
            ]

        self.send(system, visit.resident, visit.end + 1, f"{visit.key}-rx", make)

    def procedure(self, system: System, visit: Happening) -> None:
        """Send Procedure."""
        done = (visit.known.procedure, names_of("procedures", "code")[visit.known.procedure][0])
        inside = visit.key if VISITS in system.records else None
        when = min(visit.start + 1000, visit.end)
        self.send(
            system, visit.resident, visit.end + 2, f"{visit.key}-op",
            lambda number: [fhir.procedure(f"{visit.key}-p", number, inside, done, when,
            fhir.practitioner(*visit.doctor))],
        )  # fmt: skip

    def contract(self, system: System, resident: int, minute: int) -> None:
        """Send the patient with the family doctor."""
        self.send(system, resident, minute, f"gp-{self.t.block.base + resident}", lambda number: [])

    def change(self, system: System, chart: Chart, when: int, sheet: Sheet, arrives: int) -> None:
        """Send the patient as changed, unless a visit has told it; `arrives` may be later than newer news."""
        if (system.index, chart.number, when) in self._said:
            return
        self.t.used[system.index, chart.number] = chart
        doctor = self.t.doctor_of(chart.resident) if system.code[0] == "c" else None
        changed = fhir.patient(system, chart.number, sheet, when, doctor)
        if system.dialect == "bundle":
            changed = fhir.bundle(f"ch-{chart.number}-{when}", [changed], when)
        self.t.outbox.send(system, arrives, fhir.line(changed))
        if arrives != when:
            self.t.late.append(
                {"source": system.code, "message": f"Patient/{chart.number} {fhir.moment(when)}"}
            )
