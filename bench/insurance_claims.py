"""How fast a claim is settled at the till with everything on, and how fast cover is told."""

import json
import os
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

from bench import Measured, figure

AREA = "440100"
TILL = "till"
_NO_TILL = (
    "openIMIS, the open peer, is a set of services that no package installs; it settles claims in batches"
)


def _fresh() -> None:
    """Set Django up on databases of its own, made new."""
    os.environ["SALUS_DATA_DIR"] = tempfile.mkdtemp(prefix="salus-bench-")
    os.environ["DJANGO_SETTINGS_MODULE"] = "salus.settings"
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    call_command("migrate", database="audit", verbosity=0)


def _city(residents: int) -> list[str]:
    """Insure residents, contract a hospital, fill the catalogue; return the persons' ids."""
    from django.db import connection, transaction

    from salus.insurance.models import CatalogueItem
    from salus.insurance.services import enrolment
    from salus.insurance.services.enrolment import Terms
    from salus.kernel.models import District, Institution
    from salus.kernel.policy import system_principal
    from salus.record import identity, store
    from salus.record.smart import tokens
    from salus.record.smart.tokens import SourceIdentity
    from salus.record.store import Write

    now, system = datetime.now(UTC), system_principal("bench")
    District.objects.create(code=AREA, name="Guangzhou", level="city")
    place = Institution.objects.create(
        code="H3", name="Hospital", kind="general_hospital", district_id=AREA, licence_scope="surgery"
    )
    enrolment.contract(
        system, place, Terms(AREA, 3, ("inpatient", "outpatient", "emergency"), date(2020, 1, 1))
    )
    tokens.register_source_secrets(
        lambda token: SourceIdentity(1, "his", place.pk) if token == TILL else None
    )
    writes = [
        Write(
            "Patient", f"p{n}",
            {
                "resourceType": "Patient", "gender": ("male", "female")[n % 2], "birthDate": "1980-02-03",
                "name": [{"family": f"F{n}", "given": [f"G{n}"]}],
            },
            source_id=1,
        )
        for n in range(residents)
    ]  # fmt: skip
    with transaction.atomic(), connection.cursor() as cursor:
        linked = identity.link_patients(cursor, store.write(cursor, writes, now=now))
    persons = [link.person_id for link in linked]
    for person in persons:
        enrolment.enrol(system, person, "resident", "adult", AREA, date(2024, 1, 1), now=now)
        for year in (2024, 2025, 2026):
            enrolment.pay_year(system, person, year, date(year - 1, 11, 5), now=now)
    CatalogueItem.objects.bulk_create(
        CatalogueItem(
            item=f"X{n}", name=f"Item {n}", kind=("medicine", "service", "material")[n % 3],
            payment_class="AAB"[n % 3], valid_from=date(2020, 1, 1), self_share=1000 if n % 3 == 2 else 0,
        )
        for n in range(2000)
    )  # fmt: skip
    return [str(person) for person in persons]


def _claim(random: Random, number: int, person: str) -> dict[str, Any]:
    """Draw a claim of one to twelve lines."""
    kind = "inpatient" if random.random() < 0.2 else "outpatient"
    first = date(2025, 1, 2) + timedelta(days=random.randrange(330))
    last = first + timedelta(days=5) if kind == "inpatient" else first
    lines = []
    for n in range(1, random.randrange(2, 13)):
        quantity, price = random.choice([1, 2, 3]), random.choice([99, 1_250, 35_000])
        lines.append(
            {
                "line_no": n, "service_date": str(first), "item": f"X{random.randrange(2000)}",
                "quantity": quantity, "unit_price": price, "charge": quantity * price,
            }
        )  # fmt: skip
    return {
        "number": f"N{number}", "person": {"system": "person", "value": person}, "kind": kind,
        "admitted": str(first), "discharged": str(last), "diagnoses": ["J18.900"], "referral": "local",
        "charge": sum(line["charge"] for line in lines), "lines": lines,
    }  # fmt: skip


@figure("till-p99", room="insurance", unit="ms", target=50, better="lower")
def till(quick: bool) -> Measured:
    """The 99th percentile of settling one claim by the API: token, policy, edits, benefits, ledger, audit."""
    _fresh()
    from django.test import Client

    from salus.kernel import audit

    persons = _city(100 if quick else 1_000)
    client = Client(headers={"Authorization": f"Bearer {TILL}"}, SERVER_NAME="localhost")
    random = Random(7)
    values, medians = [], []
    number = 0
    for _run in range(1 if quick else 3):
        taken = []
        for n in range(60 + (400 if quick else 2_000)):
            number += 1
            body = json.dumps(_claim(random, number, random.choice(persons)))
            started = time.perf_counter()
            answer = client.post("/api/insurance/claims", body, content_type="application/json")
            elapsed = time.perf_counter() - started
            if answer.status_code != 200:
                raise RuntimeError(f"a claim of the benchmark was refused: {answer.content[:200]!r}")
            if n >= 60:  # rules are compiled and caches filled by the first ones
                taken.append(elapsed * 1000)
        taken.sort()
        values.append(taken[int(len(taken) * 0.99)])
        medians.append(taken[len(taken) // 2])
    audit.close()
    note = f"median {sorted(medians)[len(medians) // 2]:.1f} ms, {number:,} claims of 1 to 11 lines, SQLite"
    return Measured(values, peer_missing=_NO_TILL, note=note)


@figure("eligibility-many", room="insurance", unit="questions/s", target=50_000)
def eligibility(quick: bool) -> Measured:
    """Questions of cover answered a second, set-wise on DuckDB, each with its reason."""
    import pyarrow as pa

    from salus.engine import duckdb_engine
    from salus.insurance.eligibility import SERVICES, batch, load_rules
    from salus.insurance.eligibility.tables import INPUTS

    count = 200_000 if quick else 1_000_000
    random = Random(11)
    people = [f"p{n}" for n in range(count // 4)]
    spells = [
        {
            "person_id": who, "scheme": "resident", "category": "adult", "area": AREA,
            "start_date": date(year, 1, 1), "end_date": date(year, 12, 31),
            "paid_on": date(year, 1, 1) + timedelta(days=late), "repair_years": 0,
        }
        for who in people
        for year, late in zip((2023, 2024, 2025, 2026), random.choices([-40, 20, 100], k=4), strict=True)
    ]  # fmt: skip
    asked = [
        {
            "ask_id": n, "person_id": people[random.randrange(len(people))],
            "day": date(2023, 1, 1) + timedelta(days=random.randrange(1400)),
            "service": SERVICES[random.randrange(4)], "institution": "H3",
        }
        for n in range(count)
    ]  # fmt: skip
    given: dict[str, pa.Table] = {
        "asked": batch.table_of(INPUTS["asked"], asked), "spells": batch.table_of(INPUTS["spells"], spells),
    }  # fmt: skip
    given["contracts"] = batch.everywhere(given["asked"], given["spells"])
    values = []
    for _run in range(1 if quick else 3):
        with duckdb_engine() as engine:
            started = time.perf_counter()
            answers = batch.run(engine, given, load_rules())
            values.append(count / (time.perf_counter() - started))
        if answers.num_rows != count:
            raise RuntimeError("a question was left without an answer")
    return Measured(values, peer_missing="no package answers this question")
