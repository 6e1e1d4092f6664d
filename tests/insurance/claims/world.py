"""A small insured city in the database, and claims drawn for it."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from uuid import UUID

from django.db import connection, transaction

from salus.insurance.models import CatalogueItem
from salus.insurance.services import enrolment
from salus.insurance.services.claim_asked import AskedClaim, AskedLine
from salus.insurance.services.enrolment import Terms
from salus.kernel.models import District, Institution
from salus.kernel.policy import Principal, system_principal
from salus.record import identity, store
from salus.record.registers import projecting
from salus.record.store import Write

NOW = datetime(2026, 3, 5, 9, tzinfo=UTC)
TODAY = date(2026, 3, 5)
AREA = "440100"
SYSTEM = system_principal("test")
CHECK = "10X98765432"
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def resident_number(order: int) -> str:
    """Return a sound resident number (GB 11643) of somebody born on 3 February 1980."""
    body = f"11010119800203{order:03d}"
    return body + CHECK[sum(int(c) * w for c, w in zip(body, WEIGHTS, strict=True)) % 11]


@dataclass
class City:
    """Three institutions of tiers 1 to 3 and their residents."""

    institutions: list[Institution]
    persons: list[UUID]
    poor: UUID
    sources: list[Principal]


def source_of(number: int, institution: Institution) -> Principal:
    """Return the principal of an institution's own system."""
    return Principal(
        kind="source", name=f"his-{institution.code}", roles=frozenset({"source"}), source_id=number,
        institution_ids=frozenset({institution.pk}), purpose="HPAYMT",
    )  # fmt: skip


def patient(number: int, sex: str = "male") -> Write:
    """Return a resident as an institution's system sends her."""
    body = {
        "resourceType": "Patient",
        "identifier": [{"system": "urn:oid:2.16.156.10011.1.3", "value": resident_number(number)}],
        "name": [{"text": f"王小{number}", "family": "王", "given": [f"小{number}"]}],
        "gender": sex, "birthDate": "1980-02-03",
    }  # fmt: skip
    return Write("Patient", f"p{number}", body, source_id=1)


def build(residents: int = 4) -> City:
    """Build the city: everybody insured since 2024, the last one poor."""
    District.objects.get_or_create(code=AREA, defaults={"name": "广州市", "level": "city"})
    tiers = ((1, "community_centre"), (2, "general_hospital"), (3, "general_hospital"))
    institutions = [
        Institution.objects.create(
            code=f"H{tier}", name=f"医院{tier}", name_en=f"Hospital {tier}", kind=kind, district_id=AREA,
            licence_scope="surgery imaging",
        )
        for tier, kind in tiers
    ]  # fmt: skip
    writes = [patient(n) for n in range(residents)]
    writes.append(
        Write(
            "Flag", "poor",
            {
                "resourceType": "Flag", "status": "active",
                "code": {
                    "coding": [{"system": "urn:salus:code:social-status", "code": "poverty"}],
                    "text": "最低生活保障",
                },
                "subject": {"reference": f"Patient/p{residents - 1}"}, "period": {"start": "2023-01-01"},
            },
            source_id=1,
        )
    )  # fmt: skip
    with transaction.atomic(), connection.cursor() as cursor:
        written = store.write(cursor, writes[:-1], now=NOW)
        linked = identity.link_patients(cursor, written)
        status = store.write(cursor, writes[-1:], now=NOW)
        projecting.project(cursor, [one.rid for one in (*written, *status)])
    persons = [link.person_id for link in linked]
    for institution, (tier, _kind) in zip(institutions, tiers, strict=True):
        services = ("inpatient", "outpatient", "chronic", "emergency", "maternity")
        enrolment.contract(SYSTEM, institution, Terms(AREA, tier, services, date(2020, 1, 1)))
    for n, person in enumerate(persons):
        enrolment.enrol(
            SYSTEM, person, "resident", "adult", AREA, date(2024, 1, 1), now=NOW, household=f"F{n // 2}"
        )
        for year in (2024, 2025, 2026):
            enrolment.pay_year(SYSTEM, person, year, date(year - 1, 11, 5), now=NOW)
    CatalogueItem.objects.bulk_create(
        CatalogueItem(
            item=f"X{n}", name=f"项目{n}", kind=("medicine", "service", "material")[n % 3],
            payment_class="AAB" [n % 3] if n % 7 else "C", valid_from=date(2020, 1, 1),
            self_share=1000 if n % 3 == 2 else 0, ceiling_3=30_000 if n % 5 == 0 else None,
            max_day=Decimal(5) if n % 4 == 0 else None, max_year=Decimal(40) if n == 3 else None,
        )
        for n in range(12)
    )  # fmt: skip
    sources = [source_of(n + 1, institution) for n, institution in enumerate(institutions)]
    return City(institutions, persons, persons[-1], sources)


def claim(
    random: Random, city: City, number: int, person: UUID | None = None, start: date | None = None
) -> tuple[int, AskedClaim]:
    """Draw a claim: which institution's, and what it asks. Some have an edit to fail."""
    place = random.randrange(3)
    kind = "inpatient" if random.random() < 0.4 else "outpatient"
    first = start or date(2025, 1, 2) + timedelta(days=random.randrange(330))
    last = first + timedelta(days=random.randrange(1, 12)) if kind == "inpatient" else first
    lines = []
    for n in range(1, random.randrange(2, 7)):
        quantity = Decimal(random.choice([1, 1, 2, 3, 7]))
        price = random.choice([99, 1_250, 35_000, 480_000 if kind == "inpatient" else 20_000])
        item = f"X{random.randrange(12)}" if random.random() < 0.97 else "UNKNOWN"
        lines.append(AskedLine(n, first, item, quantity, price, int(quantity) * price))
    charge = sum(line.charge for line in lines) + (1 if random.random() < 0.03 else 0)
    return place, AskedClaim(
        f"N{number:06d}", person or random.choice(city.persons), kind, first, last,
        [random.choice(["J18.900", "I10.x00", "K35.900", "E11.900"])], charge, lines,
        referral=random.choice(["referred", "local", "bypassed", "emergency"]),
        submitted=last + timedelta(days=5),
    )  # fmt: skip
