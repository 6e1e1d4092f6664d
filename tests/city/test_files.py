"""Every file of a built city is what it says it is, and the platform reads it as the truth says."""

import csv
import json
from pathlib import Path

import hl7
import pyarrow.parquet as pq
import pytest

from salus.record.validate import invalid, validate
from tests.city.reading import Seen, outcomes, profiles, see


@pytest.fixture(scope="module")
def seen(small_city: Path) -> dict[str, Seen]:
    return {profile.code: see(small_city, profile) for profile in profiles(small_city)}


def test_there_are_52_systems_in_four_formats(small_city: Path) -> None:
    found = list(profiles(small_city))
    assert len(found) == 52
    assert {profile.format for profile in found} == {"hl7v2", "fhir", "csv", "excel"}
    assert {profile.charset for profile in found} == {"utf-8", "gb18030"}


def test_counts_are_as_the_truth_expects(small_city: Path, seen: dict[str, Seen]) -> None:
    with (small_city / "truth" / "expected.csv").open(encoding="utf-8", newline="") as file:
        expected = {row["source"]: row for row in csv.DictReader(file)}
    assert set(expected) == set(seen)
    for code, one in seen.items():
        row = expected[code]
        counted = (one.received, one.repeated, one.dead.total())
        assert counted == (int(row["received"]), int(row["repeated"]), int(row["dead"])), (code, one.dead)


def test_every_patient_is_in_the_truth_under_the_id_that_the_translator_gives(
    small_city: Path, seen: dict[str, Seen]
) -> None:
    truth: dict[str, set[str]] = {}
    for row in pq.read_table(small_city / "truth" / "patients.parquet").to_pylist():
        truth.setdefault(row["source"], set()).add(row["patient"])
    for code, one in seen.items():
        assert one.patients == truth.get(code, set()), code


def test_nothing_is_odd_to_the_translators(seen: dict[str, Seen]) -> None:
    assert {code: one.warnings for code, one in seen.items() if one.warnings} == {}


def test_all_the_message_kinds_are_there(seen: dict[str, Seen]) -> None:
    kinds = {kind for one in seen.values() for kind in one.kinds}
    wanted = {
        "ADT^A01",
        "ADT^A02",
        "ADT^A03",
        "ADT^A04",
        "ADT^A11",
        "ADT^A28",
        "ADT^A31",
        "ORU^R01",
        "ORM^O01",
    }
    assert wanted | {"MDM^T02", "SIU^S12", "SIU^S13", "SIU^S15", "VXU^V04", "Bundle transaction"} <= kinds
    types = {kind for one in seen.values() for kind in one.types}
    assert {
        "Encounter",
        "Condition",
        "MedicationRequest",
        "Observation",
        "Immunization",
        "Appointment",
    } <= types


def test_resources_are_valid(small_city: Path) -> None:
    for profile in profiles(small_city):
        checked = 0
        for _, outcome in outcomes(small_city, profile):
            for entry in getattr(outcome, "entries", ()):
                resource = {name: value for name, value in entry.resource.items() if value is not None}
                resource["id"] = "server-given"
                issues = validate(resource)
                assert not invalid(issues), (profile.code, issues)
                checked += 1
            if checked > 60:
                break
        assert checked, profile.code


def test_hl7_messages_parse_by_another_library(small_city: Path) -> None:
    for profile in profiles(small_city):
        if profile.format != "hl7v2":
            continue
        path = next((small_city / "inbox" / profile.code).iterdir())
        text = path.read_bytes().decode(profile.charset).replace("\r\n", "\r").replace("\n", "\r")
        messages = ["MSH" + piece for piece in text.split("\rMSH")]
        messages[0] = messages[0].removeprefix("MSH")
        for message in messages[:20]:
            parsed = hl7.parse(message if message.endswith("\r") else message + "\r")
            assert parsed.segment("MSH")[10][0]


def test_lines_of_json_are_json_and_tables_are_square(small_city: Path) -> None:
    planted = json.loads((small_city / "truth" / "planted.json").read_text(encoding="utf-8"))
    spoiled = {item["source"] for item in planted["malformed"]}
    for profile in profiles(small_city):
        for path in (small_city / "inbox" / profile.code).iterdir():
            if path.suffix == ".ndjson" and profile.code not in spoiled:
                for line in path.read_text(encoding="utf-8").splitlines():
                    assert json.loads(line)["resourceType"]
            elif path.suffix == ".csv":
                text = path.read_bytes().decode(profile.charset).removeprefix("\ufeff")
                widths = {len(row) for row in csv.reader(text.splitlines())}
                assert len(widths) == 1, path


def test_registers_point_at_each_other(small_city: Path) -> None:
    folder = small_city / "registers"

    def read(name: str) -> list[dict[str, str]]:
        with (folder / name).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    features = json.loads((folder / "districts.geojson").read_text(encoding="utf-8"))["features"]
    districts = {feature["properties"]["code"] for feature in features}
    for feature in features:
        ring = feature["geometry"]["coordinates"][0]
        assert ring[0] == ring[-1]
        assert len(ring) >= 4
        assert feature["properties"]["parent"] in districts | {""}
    groups = {row["code"] for row in read("medical_groups.csv")}
    institutions = {row["code"]: row for row in read("institutions.csv")}
    for row in institutions.values():
        assert row["district"] in districts
        assert row["group"] in groups | {""}
    staff = {row["code"] for row in read("staff.csv")}
    assert all(row["institution"] in institutions for row in read("staff.csv"))
    registrations = read("staff_registrations.csv")
    assert {row["staff"] for row in registrations} == staff
    assert len({row["registration_no"] for row in registrations}) == len(registrations)
    covered = {row["district"] for row in institutions.values() if row["tier"] == "community"}
    assert covered == {f["properties"]["code"] for f in features if f["properties"]["level"] == "district"}
    nodes = {row["node"] for row in read("road_nodes.csv")}
    assert all(row["from_node"] in nodes and row["to_node"] in nodes for row in read("road_edges.csv"))
    sources = list(profiles(small_city))
    assert len({source.code for source in sources}) == 52


def test_truth_is_nowhere_in_what_is_sent(small_city: Path) -> None:
    planted = json.loads((small_city / "truth" / "planted.json").read_text(encoding="utf-8"))
    assert planted["outbreak"]["cases"]
    resident = planted["outbreak"]["cases"][0]["resident"].encode()
    for path in (small_city / "inbox").rglob("*"):
        if path.is_file() and path.suffix != ".xlsx":
            assert resident not in path.read_bytes()


def test_most_records_carry_a_valid_number(small_city: Path) -> None:
    errors = pq.read_table(small_city / "truth" / "patients.parquet")["errors"].to_pylist()
    without = sum("id_missing" in e or "id_mistyped" in e or "newborn" in e for e in errors)
    assert without / len(errors) < 0.2
    assert any("name_homophone" in e for e in errors)
    assert any("birth_digit" in e for e in errors)
