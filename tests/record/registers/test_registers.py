"""The registers follow the record: persons counted once, under the links that hold now."""

import time
from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.db import connection, transaction

from salus.kernel.models import District
from salus.kernel.policy import Principal
from salus.record import identity, store
from salus.record.identity import golden
from salus.record.models import Birth, Change, Death, RegisterCursor, Residence, SocialStatus
from salus.record.registers import projecting, queries
from salus.record.registers.reading import read

pytestmark = pytest.mark.django_db(databases=["default"], transaction=True)
NOW = datetime(2026, 6, 30, 8, tzinfo=UTC)
SYSTEM = Principal(kind="system", name="system")
PLANNER = Principal(kind="account", account_id=1, name="planner", roles=frozenset({"planner"}))
LOINC, ICD = "http://loinc.org", "http://hl7.org/fhir/sid/icd-10"


@pytest.fixture(autouse=True)
def districts() -> None:
    for code, name in (("990102", "东城区"), ("990103", "西城区")):
        District.objects.get_or_create(code=code, defaults={"name": name})
    golden.forget_districts()


def put(type: str, id: str, **body: Any) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        made = {"resourceType": type, **body}
        written = store.write(cursor, [store.Write(type, id, made, source_id=1)], now=NOW)
        if type == "Patient":
            identity.link_patients(cursor, written, now=NOW)


def patient(
    id: str, born: str = "1980-05-01", sex: str = "male", district: str = "东城区", **more: Any
) -> None:
    address = [{"use": "home", "district": district, "line": ["文三路1号"]}]
    put(
        "Patient",
        id,
        **{"birthDate": born, "gender": sex, "address": address, "name": [{"text": "张伟"}], **more},
    )


def cause(id: str, subject: str, code: str, died: str = "2026-03-01") -> None:
    put(
        "Observation",
        id,
        status="final",
        code={"coding": [{"system": LOINC, "code": "69453-9"}]},
        subject={"reference": f"Patient/{subject}"},
        effectiveDateTime=died,
        valueCodeableConcept={"coding": [{"system": ICD, "code": code}]},
    )


def catch_up() -> int:
    """Follow the feed to its end: PostgreSQL holds back what is younger than any open transaction."""
    done, until = 0, time.monotonic() + 60
    while True:
        done += projecting.catch_up()
        at = RegisterCursor.objects.filter(name=projecting.NAME).first()
        if Change.objects.filter(seq__gt=at.seq if at else 0).count() == 0 or time.monotonic() > until:
            return done
        time.sleep(0.05)


def counts(found: list[queries.Count]) -> dict[tuple[str, ...], int | None]:
    return {c.group: c.persons for c in found}


def test_population_at_risk_counts_the_living_where_they_live() -> None:
    patient("a"), patient("b", "2026-01-10", "female"), patient("c", "2026-06-20", district="西城区")
    patient("d", deceasedDateTime="2026-02-01")
    catch_up()
    assert counts(queries.at_risk(SYSTEM, date(2026, 1, 31))) == {
        ("0", "female", "990102"): 1,
        ("45", "male", "990102"): 2,
    }
    assert counts(queries.at_risk(SYSTEM, date(2026, 6, 30), by=("district",))) == {
        ("990102",): 2,
        ("990103",): 1,
    }


def test_moves_follow_periods_and_departures_end_residence() -> None:
    home = [
        {"use": "old", "district": "东城区", "period": {"start": "2020-01-01", "end": "2026-03-01"}},
        {"use": "home", "district": "西城区", "period": {"start": "2026-03-01"}},
    ]
    hukou = [{"url": "https://salus.health/fhir/StructureDefinition/hukou", "valueCode": "unregistered"}]
    patient("m", address=home, extension=hukou)
    catch_up()
    assert counts(queries.at_risk(SYSTEM, date(2026, 2, 1), by=("district", "hukou"))) == {
        ("990102", "unregistered"): 1
    }
    assert counts(queries.at_risk(SYSTEM, date(2026, 4, 1), by=("district",))) == {("990103",): 1}
    put(
        "Flag",
        "f",
        status="active",
        code={"coding": [{"system": "urn:salus:code:residence", "code": "departed"}]},
        subject={"reference": "Patient/m"},
        period={"start": "2026-05-01"},
    )
    catch_up()
    assert counts(queries.at_risk(SYSTEM, date(2026, 6, 1), by=("district",))) == {}
    assert counts(queries.at_risk(SYSTEM, date(2026, 4, 1), by=("district",))) == {("990103",): 1}


def test_a_death_reported_by_two_sources_is_one_death_once_they_are_one_person() -> None:
    patient("x"), patient("y", sex="male", name=[{"text": "李静"}], birthDate="1950-01-01")
    cause("o1", "x", "I21.9"), cause("o2", "y", "I21.9", "2026-03-02")
    catch_up()
    period = date(2026, 1, 1), date(2027, 1, 1)
    assert counts(queries.deaths(SYSTEM, *period)) == {("I21",): 2}
    with transaction.atomic(), connection.cursor() as cursor:
        identity.merge_patients(cursor, "x", "y", source_id=1)
    catch_up()
    assert counts(queries.deaths(SYSTEM, *period)) == {("I21",): 1}
    cause("o1", "x", "C34.9"), cause("o2", "y", "C34.9", "2026-03-02")
    catch_up()
    assert counts(queries.deaths(SYSTEM, *period, by=("cause", "district"))) == {("C34", "990102"): 1}


def test_births_with_weight_and_social_status_with_validity() -> None:
    patient("n", "2026-04-01", "female")
    for id, code, value, unit in (("w", "8339-4", 2.4, "kg"), ("g", "11884-4", 36, "wk")):
        put(
            "Observation",
            id,
            status="final",
            code={"coding": [{"system": LOINC, "code": code}]},
            subject={"reference": "Patient/n"},
            valueQuantity={"value": value, "code": unit},
        )
    for id, code, end in (("s1", "poverty", None), ("s2", "disability", "2026-05-01")):
        period = {"start": "2026-01-01"} | ({"end": end} if end else {})
        put(
            "Flag",
            id,
            status="active",
            code={"coding": [{"system": "urn:salus:code:social-status", "code": code}]},
            subject={"reference": "Patient/n"},
            period=period,
        )
    catch_up()
    assert set(Birth.objects.values_list("weight", "gestation")) == {(None, None), (2400, None), (None, 252)}
    assert counts(queries.births(SYSTEM, date(2026, 1, 1), date(2027, 1, 1), by=("sex", "weight"))) == {
        ("female", "low"): 1
    }
    assert counts(queries.with_status(SYSTEM, date(2026, 4, 1))) == {("disability",): 1, ("poverty",): 1}
    assert counts(queries.with_status(SYSTEM, date(2026, 6, 1))) == {("poverty",): 1}


def test_reading_twice_or_from_the_start_gives_the_same_rows() -> None:
    patient("a"), cause("o", "a", "I21.9")
    catch_up()

    def state() -> list[Any]:
        return [list(m.objects.order_by("rid").values()) for m in (Birth, Death, Residence, SocialStatus)]

    before = state()
    assert catch_up() == 0
    RegisterCursor.objects.all().delete()
    assert catch_up() > 0 and state() == before
    with transaction.atomic(), connection.cursor() as cursor:
        store.write(cursor, [store.Write("Observation", "o", None, "delete")], now=NOW)
    catch_up()
    assert not Death.objects.exists()


def test_planners_do_not_see_small_cells() -> None:
    for i in range(12):
        patient(f"p{i}", name=[{"text": "张伟"}], birthDate=f"19{50 + i}-05-01", district="东城区")
    patient("q", district="西城区")
    catch_up()
    found = counts(queries.at_risk(PLANNER, date(2026, 6, 30), by=("district",)))
    assert found[("990103",)] is None


@pytest.mark.parametrize(
    "body",
    [
        {"birthDate": 5, "address": "x", "extension": {}},
        {"status": "final", "code": [], "valueQuantity": {"value": True}},
        {"status": "active", "code": {"coding": [None, {"code": 4}]}, "period": "x"},
    ],
)
def test_odd_shapes_give_nothing(body: dict[str, Any]) -> None:
    assert [r for t in ("Patient", "Observation", "Flag") for r in read(t, body)] == []
