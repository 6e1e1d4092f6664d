"""Which tables the city fills, and with what."""

from collections.abc import Callable

import pyarrow as pa

from salus.city.tables import ordering, registering, visiting
from salus.city.tables.patients import Facts
from salus.city.tables.story import Story


def _of(make: Callable[[Story], pa.Table]) -> Callable[[Facts], pa.Table]:
    return lambda facts: make(facts.story)


MAKERS: dict[str, Callable[[Facts], pa.Table]] = {
    "patient": lambda facts: facts.patients.table(),
    "patient_identifier": registering.patient_identifier,
    "patient_name": registering.patient_name,
    "patient_address": registering.patient_address,
    "patient_telecom": registering.patient_telecom,
    "encounter": _of(visiting.encounter),
    "encounter_reason": _of(visiting.encounter_reason),
    "encounter_participant": _of(visiting.encounter_participant),
    "encounter_location": _of(visiting.encounter_location),
    "encounter_diagnosis": _of(visiting.encounter_diagnosis),
    "condition": _of(visiting.condition),
    "procedure": _of(visiting.procedure),
    "medication_request": _of(ordering.medication_request),
    "service_request": _of(ordering.service_request),
    "diagnostic_report": _of(ordering.diagnostic_report),
    "diagnostic_report_result": _of(ordering.diagnostic_report_result),
    "observation": _of(ordering.observation),
    "observation_component": _of(ordering.observation_component),
    "immunization": _of(registering.immunization),
    "appointment": _of(registering.appointment),
    "appointment_participant": _of(registering.appointment_participant),
    "document_reference": _of(registering.document_reference),
    "coverage": _of(registering.coverage),
    "flag": _of(registering.flag),
    "related_person": _of(registering.related_person),
    "practitioner": _of(registering.practitioner),
    "organization": _of(registering.organization),
    "location": _of(registering.location),
}
RECORDS_ALONE = frozenset(name for name in MAKERS if name.startswith("patient"))
"""Tables that hold nothing but patient records, which may be drawn from."""
SHARED = frozenset({"practitioner", "organization", "location"})
"""Tables whose rows blocks have in common: each is written once for the city."""
