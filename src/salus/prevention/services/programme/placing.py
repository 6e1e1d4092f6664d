"""Which institution and doctor answer for a resident: by contract, else by care, else by residence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from salus.kernel.models import Institution, InstitutionKind, Staff
from salus.prevention.queries.notifiable.diseases import district_within, registered_districts
from salus.record.models import CareRelation, Contract, PatientLink, Person

CENTRES = (InstitutionKind.COMMUNITY_CENTRE.value, InstitutionKind.TOWNSHIP_CENTRE.value)
STATIONS = (InstitutionKind.COMMUNITY_STATION.value, InstitutionKind.VILLAGE_CLINIC.value)
"""Primary care: centres answer for a district; stations where there is no centre, or by contract or care."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a resident belongs, how that was found (contract, care, residence, empty), her patient record."""

    institution_id: int | None
    doctor_id: int | None
    placed_by: str
    district_code: str
    patient_rid: int | None


def place(persons: Mapping[UUID, Person]) -> dict[UUID, Placement]:
    """Return where each resident belongs.

    Her family doctor's contract decides; without one the primary-care institution that has her in its care,
    a centre before a station; without one the centre of the smallest district around her home. Where one
    district has several centres, the first by code is taken, and staff may move her.
    """
    links = _links(persons)
    records = [rid for rids in links.values() for rid in rids]
    contracts = _contracts(records)
    cared = _cared(records)
    by_district, sole = _primary()
    districts = registered_districts()
    found = {}
    for number, person in persons.items():
        rids = links.get(number, ())
        institution: int | None = None
        doctor: int | None = None
        how = ""
        for rid in rids:
            if rid in contracts:
                institution, doctor = contracts[rid]
                how = "contract"
                break
        if institution is None:
            near = sorted({one for rid in rids for one in cared.get(rid, ())})
            if near:
                institution, how = near[0][1], "care"
        if institution is None:
            institution = _around(person.district_code, by_district)
            how = "residence" if institution is not None else ""
        if doctor is None and institution is not None:
            doctor = sole.get(institution)
        code = district_within(person.district_code, districts) if person.district_code else ""
        found[number] = Placement(institution, doctor, how, code, min(rids, default=None))
    return found


def people(ids: Iterable[UUID]) -> dict[UUID, Person]:
    """Return residents by number."""
    ordered = sorted(set(ids))
    found: dict[UUID, Person] = {}
    for start in range(0, len(ordered), 500):
        found |= {one.pk: one for one in Person.objects.filter(pk__in=ordered[start : start + 500])}
    return found


def _links(persons: Iterable[UUID]) -> dict[UUID, list[int]]:
    ordered = sorted(persons)
    found: dict[UUID, list[int]] = defaultdict(list)
    for start in range(0, len(ordered), 500):
        rows = PatientLink.objects.filter(person_id__in=ordered[start : start + 500])
        for person, rid in rows.values_list("person_id", "patient_rid"):
            found[person].append(rid)
    return {person: sorted(rids) for person, rids in found.items()}


def _contracts(records: Sequence[int]) -> dict[int, tuple[int, int | None]]:
    named: dict[int, list[str]] = defaultdict(list)
    for start in range(0, len(records), 500):
        rows = Contract.objects.filter(patient_rid__in=records[start : start + 500])
        for rid, code in rows.values_list("patient_rid", "code"):
            named[rid].append(code)
    codes = sorted({code for several in named.values() for code in several})
    staff: dict[str, tuple[int, int]] = {}
    places: dict[str, int] = {}
    for start in range(0, len(codes), 500):
        some = codes[start : start + 500]
        rows_ = Staff.objects.filter(code__in=some).values_list("code", "pk", "institution_id")
        staff |= {code: (pk, institution) for code, pk, institution in rows_}
        places |= dict(Institution.objects.filter(code__in=some).values_list("code", "pk"))
    found: dict[int, tuple[int, int | None]] = {}
    for rid, several in named.items():
        for code in sorted(several):
            if code in staff:
                found[rid] = (staff[code][1], staff[code][0])
                break
            if code in places:
                found.setdefault(rid, (places[code], None))
    return found


def _cared(records: Sequence[int]) -> dict[int, list[tuple[int, int]]]:
    found: dict[int, list[tuple[int, int]]] = defaultdict(list)
    rank = dict.fromkeys(CENTRES, 0) | dict.fromkeys(STATIONS, 1)
    ranks = {
        pk: rank[kind]
        for pk, kind in Institution.objects.filter(kind__in=rank, active=True).values_list("pk", "kind")
    }
    for start in range(0, len(records), 500):
        rows = CareRelation.objects.filter(patient_rid__in=records[start : start + 500])
        for rid, institution in rows.values_list("patient_rid", "institution_id"):
            if institution in ranks:
                found[rid].append((ranks[institution], institution))
    return found


def _primary() -> tuple[dict[str, int], dict[int, int]]:
    """Return the first centre (else station) of each district, and the only doctor of those that have one."""
    by_district: dict[str, int] = {}
    rows = list(
        Institution.objects.filter(kind__in=(*CENTRES, *STATIONS), active=True)
        .order_by("code")
        .values_list("pk", "kind", "district_id")
    )
    for kinds in (CENTRES, STATIONS):
        for pk, kind, district in rows:
            if kind in kinds and district:
                by_district.setdefault(district, pk)
    staff: dict[int, list[int]] = defaultdict(list)
    for pk, institution in Staff.objects.filter(institution__kind__in=(*CENTRES, *STATIONS)).values_list(
        "pk", "institution_id"
    ):
        staff[institution].append(pk)
    return by_district, {place: several[0] for place, several in staff.items() if len(several) == 1}


def _around(code: str, by_district: Mapping[str, int]) -> int | None:
    for length in range(len(code), 1, -1):
        if code[:length] in by_district:
            return by_district[code[:length]]
    return None
