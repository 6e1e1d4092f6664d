"""A district with a hospital and a community centre, a doctor there, and what the hospital sends."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID

from django.db import connection, transaction

from salus.kernel.models import District, Institution, Staff
from salus.kernel.policy import Grant, Principal
from salus.prevention.services.programme import arising
from salus.record import identity, store
from salus.record.store import Write
from tests.insurance.claims.world import resident_number
from tests.prevention.notifiable.world import CITY, EAST, WEST, diagnosis

NOW = datetime(2026, 3, 5, 9, tzinfo=UTC)
TODAY = date(2026, 3, 5)
GIVEN = "梅兰竹菊松柏桂荷莲杏桃枫"


@dataclass
class World:
    """A hospital, the community centres of two districts, a doctor, and residents of the eastern one."""

    hospital: Institution
    east: Institution
    west: Institution
    doctor: Staff
    persons: list[UUID]


def patient(number: int, *, birth: str = "1970-02-03", district: str = EAST, **more: object) -> Write:
    """Return a resident as the hospital sends her."""
    body = {
        "resourceType": "Patient",
        "identifier": [{"system": "urn:oid:2.16.156.10011.1.3", "value": resident_number(number)}],
        "name": [{"text": f"李{GIVEN[number]}", "family": "李", "given": [GIVEN[number]]}],
        "gender": "female", "birthDate": birth,
        "telecom": [{"system": "phone", "value": f"1380000{number:04d}"}],
        "address": [{"use": "home", "text": f"东山街{number}号", "district": district,
                     "extension": [{"url": "urn:salus:extension:district", "valueCode": district}]}],
    } | more  # fmt: skip
    return Write("Patient", f"n{number}", body, source_id=1)


def write(*writes: Write, now: datetime = NOW) -> list[UUID]:
    """Store what a hospital sends and link its patients; return their persons."""
    with transaction.atomic(), connection.cursor() as cursor:
        written = store.write(cursor, list(writes), now=now)
        links = identity.link_patients(cursor, [one for one in written if one.type == "Patient"])
    return [link.person_id for link in links]


def send(*writes: Write, now: datetime = NOW) -> None:
    """Store what a hospital sends, and let the registers follow."""
    write(*writes, now=now)
    arising.catch_up(now=now)


def build(residents: int = 4) -> World:
    """Build the district."""
    for code, name in ((CITY, "广州市"), (EAST, "越秀区"), (WEST, "海珠区")):
        District.objects.get_or_create(code=code, defaults={"name": name, "level": "district"})
    hospital, east, west = (
        Institution.objects.create(code=code, name=name, name_en=english, kind=kind, district_id=district)
        for code, name, english, kind, district in (
            ("HE", "东医院", "East Hospital", "general_hospital", EAST),
            ("CE", "东社区卫生服务中心", "East Community Health Centre", "community_centre", EAST),
            ("CW", "西社区卫生服务中心", "West Community Health Centre", "community_centre", WEST),
        )
    )
    doctor = Staff.objects.create(code="D1", name="陈医生", institution=east)
    persons = write(*(patient(n) for n in range(residents)))
    return World(hospital, east, west, doctor, persons)


def village_doctor(institution: Institution, staff: Staff | None = None) -> Principal:
    """Return a doctor of a community centre."""
    return Principal(
        name=f"doctor-{institution.code}", roles=frozenset({"village_doctor"}), account_id=3,
        institution_ids=frozenset({institution.pk}), staff_id=staff.pk if staff else None,
        grants=(Grant("village_doctor", institution.pk, None),),
    )  # fmt: skip


__all__ = [
    "EAST", "NOW", "TODAY", "WEST", "World", "build", "diagnosis", "patient", "send", "village_doctor",
    "write",
]  # fmt: skip
