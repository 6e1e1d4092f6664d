"""A copy for research: the same person everywhere, intervals kept, and nothing that says who it is."""

import hashlib
import hmac
import itertools
import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from salus.engine import duckdb_engine
from salus.record.lake import definitions
from salus.record.lake.reading import attach, withheld_patients
from salus.record.lake.refreshing import refresh
from salus.record.lake.research import columns, copying, pseudonyms
from salus.record.lake.research.copying import Settings
from salus.record.lake.research.services import sensitive_rids
from salus.record.store import Write
from tests.record.lake.world import World

pytestmark = pytest.mark.django_db(databases=["default"], transaction=True)
ON = date(2026, 1, 1)
REASONS = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
TABLES = ("encounter", "condition", "observation", "immunization")
GIVEN = ("建国", "秀英", "志强", "桂兰", "海燕")
NAMES = [f"{family}{given}" for family in "赵钱孙李周吴郑王" for given in GIVEN]
SECRETS: list[str] = []


def person(n: int) -> list[Write]:
    """Return a patient's resources, with identifiers wherever a sender can put them."""
    number = f"33010{n % 3 + 1}{1932 + n * 2:04}0{1 + n % 9}1{n % 9}{n:03}{n % 10}"
    phone, name = f"139{n:04}{n * 7:04}", NAMES[n % len(NAMES)] + "甲"
    SECRETS.extend([number, phone, name, f"MRN-{n:06}", f"病历号{n:05}", f"幸福里{n}栋"])
    who = {"reference": f"Patient/hosp-a-{n}"}
    day = f"2025-0{1 + n % 8}-{10 + n % 15}"
    return [
        Write(
            "Patient",
            f"hosp-a-{n}",
            {
                "identifier": [
                    {"system": "urn:oid:2.16.156.10011.1.3", "value": number},
                    {"system": "urn:mrn", "value": f"MRN-{n:06}"},
                ],
                "name": [{"text": name, "family": name[0], "given": [name[1:]]}],
                "gender": ("male", "female")[n % 2],
                "birthDate": f"{1932 + n * 2}-0{1 + n % 9}-1{n % 9}",
                "telecom": [{"system": "phone", "value": phone}],
                "address": [
                    {
                        "use": "home",
                        "text": f"幸福里{n}栋",
                        "line": [f"幸福里{n}栋"],
                        "district": f"33010{n % 3 + 1}",
                    }
                ],
            },
        ),
        Write(
            "Encounter",
            f"visit-{n}",
            {
                "status": "finished",
                "class": {"code": "AMB"},
                "subject": who,
                "identifier": [{"value": f"病历号{n:05}"}],
                "period": {"start": f"{day}T08:30:00+08:00", "end": f"{day}T23:59:59+08:00"},
            },
        ),
        Write(
            "Condition",
            f"cond-{n}",
            {
                "subject": who,
                "encounter": {"reference": f"Encounter/visit-{n}"},
                "code": {
                    "coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": f"E1{n % 5}.9"}],
                    "text": f"{name} 糖尿病",
                },
                "onsetDateTime": day,
                "note": [{"text": f"电话 {phone}"}],
            },
        ),
        Write(
            "Observation",
            f"obs-{n}",
            {
                "status": "final",
                "subject": who,
                "code": {
                    "coding": [{"system": "http://loinc.org", "code": number if n % 4 == 0 else "2345-7"}]
                },
                "effectiveDateTime": f"{day}T10:00:00+08:00",
                "valueQuantity": {"value": 5.5, "unit": "mmol/L"},
            },
        ),
        Write(
            "Immunization",
            f"imm-{n}",
            {
                "status": "completed",
                "patient": who,
                "vaccineCode": {"coding": [{"code": "08"}]},
                "occurrenceDateTime": "2025-03",
                "lotNumber": number,
            },
        ),
    ]


@pytest.fixture
def world() -> World:
    SECRETS.clear()
    world = World()
    world.write(*[write for n in range(60) for write in person(n)])
    world.step()
    world.merge(0, 1)
    world.write(
        Write(
            "Consent",
            "refusal",
            {
                "status": "active",
                "scope": {"coding": [{"code": "research"}]},
                "category": [{"coding": [{"code": "research"}]}],
                "patient": {"reference": "Patient/hosp-a-5"},
                "provision": {
                    "type": "deny",
                    "purpose": [{"system": REASONS, "code": "HRESCH"}],
                },
            },
        ),
        Write(
            "Condition",
            "hiv",
            {
                "subject": {"reference": "Patient/hosp-a-7"},
                "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "B20.9"}]},
            },
        ),
    )
    return world


def copied(
    root: Path, target: Path, key: bytes = b"one" * 11, k: int = 3
) -> tuple[copying.Report, dict[str, Any]]:
    manifest = refresh(root, definitions.library())
    with duckdb_engine(threads=1) as engine:
        lake = attach(
            engine,
            root,
            manifest,
            [manifest.tables[name] for name in ("patient", *TABLES)],
            withheld=withheld_patients("HRESCH"),
            sensitive=sensitive_rids(),
        )
        report = copying.copy(lake, target, Settings(key, k, ON, TABLES))
    return report, {path.stem: pq.read_table(path).to_pylist() for path in target.glob("*.parquet")}


def original(root: Path, sql: str) -> list[dict[str, Any]]:
    manifest = refresh(root, definitions.library())
    with duckdb_engine(threads=1) as engine:
        return attach(engine, root, manifest, manifest.tables.values()).run(sql).to_pylist()


def test_nothing_says_who_it_is(world: World, tmp_path: Path) -> None:
    report, tables = copied(tmp_path / "lake", tmp_path / "copy")
    raw = b"".join(path.read_bytes() for path in (tmp_path / "copy").iterdir())
    said = json.dumps(tables, ensure_ascii=False, default=str)
    persons = [str(row["person_id"]) for row in original(tmp_path / "lake", "select person_id from patient")]
    for secret in {*SECRETS, *persons}:
        assert secret not in said and secret.encode() not in raw
    for name in {name[1:3] for name in NAMES}:
        assert name not in said
    assert not re.search(r"hosp-a|visit-|cond-|obs-|imm-", said)
    assert report.withheld_values == {
        key: value for key, value in report.withheld_values.items() if value
    } and any(key.startswith("observation.") for key in report.withheld_values)


def test_the_refusing_and_the_sensitive_are_left_out(world: World, tmp_path: Path) -> None:
    _, tables = copied(tmp_path / "lake", tmp_path / "copy", k=2)
    assert not any(row["icd10_code"] == "B20.9" for row in tables["condition"])
    refused = original(tmp_path / "lake", "select person_id from patient where patient_id = 'hosp-a-5'")[0][
        "person_id"
    ]
    hidden = pseudonyms.pseudonym(b"one" * 11, "person", refused)
    assert all(row["person"] != hidden for rows in tables.values() for row in rows)
    assert len({row["person"] for row in tables["patient"]}) > 20


def test_one_pseudonym_a_person_and_study(world: World, tmp_path: Path) -> None:
    _, tables = copied(tmp_path / "lake", tmp_path / "copy")
    people = {row["person"] for row in tables["patient"]}
    for name in TABLES:
        assert {row["person"] for row in tables[name]} <= people
    visits = {row["encounter_id"] for row in tables["encounter"]}
    assert {row["encounter_id"] for row in tables["condition"] if row["encounter_id"]} <= visits
    of_two = [row["person"] for row in tables["patient"]]
    merged = [p for p in people if of_two.count(p) == 2]
    links = world.links()
    twice = next(p for p in links.values() if list(links.values()).count(p) == 2)
    kept = {pseudonyms.pseudonym(b"one" * 11, "person", str(twice))} & people
    assert set(merged) == kept
    again_report, again = copied(tmp_path / "lake", tmp_path / "again")
    assert again == tables
    _, other = copied(tmp_path / "lake", tmp_path / "other", key=b"two" * 11)
    assert not {row["person"] for row in other["patient"]} & people
    assert not {row["encounter_id"] for row in other["encounter"]} & visits


def test_intervals_are_kept_and_dates_are_not(world: World, tmp_path: Path) -> None:
    _, tables = copied(tmp_path / "lake", tmp_path / "copy")
    sql = (
        "select p.person_id, e.start_time, e.end_time, o.effective_time from patient p"
        " join encounter e on e.patient_rid = p.patient_rid"
        " join observation o on o.patient_rid = p.patient_rid"
    )
    moved = 0
    for row in original(tmp_path / "lake", sql):
        name = pseudonyms.pseudonym(b"one" * 11, "person", row["person_id"])
        there = [r for r in tables["encounter"] if r["person"] == name]
        if len(there) != 1:
            continue
        result = next(r for r in tables["observation"] if r["person"] == name)
        before = [date.fromisoformat(row[c][:10]) for c in ("start_time", "end_time", "effective_time")]
        after = [
            date.fromisoformat(v[:10])
            for v in (there[0]["start_time"], there[0]["end_time"], result["effective_time"])
        ]
        offsets = {(b - a).days for a, b in zip(before, after, strict=True)}
        assert len(offsets) == 1 and 0 < abs(offsets.pop()) <= copying.SHIFT_DAYS
        assert there[0]["start_time"][10:] == "T08:30:00+08:00"
        moved += 1
    assert moved > 20
    assert all(re.fullmatch(r"\d{4}-\d{2}", row["occurrence_time"]) for row in tables["immunization"])


def test_groups_are_of_k_and_the_oldest_are_one(world: World, tmp_path: Path) -> None:
    report, tables = copied(tmp_path / "lake", tmp_path / "copy", k=5)
    group = ("sex", "born_from", "born_to", "district")
    people = {row["person"]: tuple(row[c] for c in group) for row in tables["patient"]}
    sizes = [len(list(same)) for _, same in itertools.groupby(sorted(people.values(), key=repr))]
    assert min(sizes) >= 5 and report.smallest_group >= 5
    assert len(people) == report.persons and report.persons + report.suppressed_persons == 58
    assert all(row["born_to"] == 1936 for row in tables["patient"] if row["born_from"] is None)
    assert all(row["born_from"] > 1920 for row in tables["patient"] if row["born_from"] is not None)
    assert report.suppressed_rows == 59 * 5 - sum(report.rows.values())


def test_the_hash_is_hmac_and_every_column_has_a_rule() -> None:
    key = b"k" * 32
    assert (
        pseudonyms.pseudonym(key, "person", "张")
        == hmac.new(key, "person:张".encode(), hashlib.sha256).hexdigest()[:32]
    )
    with duckdb_engine() as engine:
        inner, outer = pseudonyms.pads(key)
        sql = f"select {pseudonyms.sql('key', 'v')} as p from (select '张' as v)"
        found = engine.run(sql, {"inner": inner, "outer": outer}).to_pylist()
    assert found == [{"p": pseudonyms.pseudonym(key, "key", "张")}]
    by_name = {d.name: d for d in definitions.library()}
    treated = {
        (name, c.name): columns.rule_of(name, c).treatment
        for name in columns.tables()
        for c in by_name[name].columns
    }
    for (name, column), treatment in treated.items():
        if column.endswith(("_name", "_text", "name", "text", "display", "phone", "address_line")):
            assert treatment == "drop", (name, column)
        if column.endswith(("_time", "_date")):
            assert treatment in ("shift", "birth"), (name, column)
    assert treated["condition", "icd10_code"] == treated["observation", "value"] == "keep"
