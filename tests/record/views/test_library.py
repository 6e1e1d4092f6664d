"""The library of tables: official ViewDefinitions, described, compiled, and run over public data."""

import json
import os
import re
import runpy
from collections import Counter
from decimal import ROUND_HALF_UP, Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from salus.kernel.errors import Invalid
from salus.record.rules.r4 import kinds
from salus.record.views import compile_view, library
from salus.record.views.compiled import DIALECTS

ROOT = Path(__file__).resolve().parents[3]
TYPES = {
    "id", "string", "code", "uri", "date", "dateTime", "instant", "decimal", "integer", "boolean",
}  # fmt: skip
WANTED = {
    "patient", "patient_identifier", "patient_address", "encounter", "encounter_diagnosis",
    "encounter_location", "condition", "observation", "observation_component", "procedure", "immunization",
    "medication_request", "medication_dispense", "medication_administration", "diagnostic_report",
    "service_request", "specimen", "appointment", "claim", "claim_item", "claim_diagnosis", "coverage",
    "explanation_of_benefit", "allergy_intolerance", "organization", "location", "practitioner",
    "practitioner_role", "document_reference", "consent", "episode_of_care", "care_plan", "related_person",
}  # fmt: skip


def test_the_city_s_tables_are_there() -> None:
    assert set(library.names()) >= WANTED
    assert list(library.names()) == sorted(library.names())


def test_an_unknown_table_is_refused() -> None:
    with pytest.raises(Invalid) as refused:
        library.view("no_such_table")
    assert refused.value.code == "view-unknown"


@pytest.mark.parametrize("name", library.names())
def test_a_definition_is_complete(name: str) -> None:
    """What the official StructureDefinition requires, and what our users need: words for every column."""
    view = library.view(name)
    assert view["resourceType"] == "ViewDefinition"
    assert view["name"] == name and view["url"].endswith(f"/{name}")
    assert re.fullmatch(r"[a-z][a-z0-9_]{0,62}", name)
    assert view["status"] == "active" and view["fhirVersion"] == ["4.0.1"]
    assert view["resource"] in kinds()
    assert view["title"] and view["description"].endswith(".")
    columns = list(library.columns(view))
    names = [column["name"] for column in columns]
    assert len(set(names)) == len(names)
    for column in columns:
        assert re.fullmatch(r"[a-z][a-z0-9_]{0,62}", column["name"])  # sql-name of the specification
        assert column["type"] in TYPES
        assert column["path"] and column["description"]
    told = {constant["name"] for constant in view.get("constant", ())}
    used = set(re.findall(r"%([a-z]\w*)", json.dumps(view["select"]))) - {"rowIndex"}
    assert told == used


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_every_table_compiles_without_a_warning(dialect: str) -> None:
    for name in library.names():
        compiled = compile_view(library.view(name), dialect, strict=True)
        assert not compiled.warnings, name
        columns = [column["name"] for column in library.columns(library.view(name))]
        assert [column.name for column in compiled.columns] == columns


def test_keys_join_by_the_same_name() -> None:
    """A column <table>_id that is a reference means the key of that table."""
    keys = {}
    for name in library.names():
        first = next(library.columns(library.view(name)))
        if first["path"] == "getResourceKey()":
            keys.setdefault(first["name"], set()).add(library.view(name)["resource"])
    assert all(len(resources) == 1 for resources in keys.values())
    for name in library.names():
        for column in library.columns(library.view(name)):
            target = re.search(r"getReferenceKey\((\w+)\)", column["path"])
            if target and column["name"] in keys:
                assert keys[column["name"]] == {target[1]}, f"{name}.{column['name']}"


def test_a_view_is_given_anew_each_time() -> None:
    changed: dict[str, Any] = library.view("patient")
    changed.clear()
    assert library.view("patient")["name"] == "patient"


def test_definitions_are_written_one_way() -> None:
    for name in library.names():
        text = files("salus.record.views.library").joinpath(f"{name}.json").read_text(encoding="utf-8")
        assert text == json.dumps(json.loads(text), indent=2, ensure_ascii=False) + "\n"


def test_the_page_of_tables_is_current() -> None:
    page = runpy.run_path(str(ROOT / "tools/tables_page.py"))["page"]()
    assert (ROOT / "docs/tables.md").read_text(encoding="utf-8") == page, "run python tools/tables_page.py"


SHARED = Path(os.environ.get("SALUS_SHARED_DATA", ROOT.parent / "shared" / "data")) / "record"
Resource = dict[str, Any]


def resources() -> list[Resource]:
    """Return what two public generators wrote: a bulk export and transaction bundles, references settled."""
    found: list[Resource] = []
    for path in sorted((SHARED / "bulk-10").glob("[A-Z]*.ndjson")):
        found += [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for path in sorted((SHARED / "synthea-r4-bundles").glob("*.json")):
        bundle = json.loads(path.read_text(encoding="utf-8"))
        text = json.dumps([entry["resource"] for entry in bundle["entry"]])
        for entry in bundle["entry"]:
            one = entry["resource"]
            text = text.replace(f'"{entry["fullUrl"]}"', f'"{one["resourceType"]}/{one["id"]}"')
        found += json.loads(text)
    return found


@pytest.fixture(scope="module")
def given() -> list[Resource]:
    """The resources of the shared reference data."""
    if not (SHARED / "bulk-10").is_dir():
        pytest.skip(f"the reference data are not at {SHARED}")
    return resources()


@pytest.fixture(scope="module")
def engine(given: list[Resource]) -> duckdb.DuckDBPyConnection:
    """A database in which every table of the library is filled from the reference data."""
    made = duckdb.connect()
    made.register("resources", pa.table({"body": [json.dumps(one) for one in given]}))
    for name in library.names():
        made.execute(f"create table {name} as {compile_view(library.view(name)).sql('resources')}")
    return made


def test_every_table_has_the_rows_that_counting_by_hand_gives(
    engine: duckdb.DuckDBPyConnection, given: list[Resource]
) -> None:
    """A row a resource, or a row an element of the list that the view goes through."""
    filled = 0
    for name in library.names():
        view = library.view(name)
        ours = [one for one in given if one["resourceType"] == view["resource"]]
        lists = [select["forEach"] for select in view["select"] if "forEach" in select]
        expected = sum(len(one.get(lists[0], [])) for one in ours) if lists else len(ours)
        assert engine.execute(f"select count(*) from {name}").fetchone() == (expected,), name
        filled += expected > 0
    assert filled >= 25


def _reference(holder: Resource | None, kind: str) -> str | None:
    text = (holder or {}).get("reference", "")
    return text.split("/")[1] if text.startswith(f"{kind}/") else None


def _number(value: float) -> Decimal:
    return Decimal(str(value)).quantize(Decimal("1e-12"), ROUND_HALF_UP)


def _first(value: Any, *path: str) -> Any:
    """Walk down a path, taking the first element of each list that has what follows."""
    for i, step in enumerate(path):
        if isinstance(value, list):
            return next((found for one in value if (found := _first(one, *path[i:])) is not None), None)
        value = value.get(step) if isinstance(value, dict) else None
    return value[0] if isinstance(value, list) and value else value


BY_HAND: dict[str, dict[str, Any]] = {
    "patient": {
        "patient_id": lambda r: r["id"], "sex": lambda r: r.get("gender"),
        "birth_date": lambda r: r.get("birthDate"),
        "family_name": lambda r: _first(r["name"][0], "family"),
        "death_time": lambda r: r.get("deceasedDateTime"),
        "phone": lambda r: next((t["value"] for t in r.get("telecom", []) if t["system"] == "phone"), None),
        "city": lambda r: _first(r["address"][0], "city"),
        "address_line": lambda r: _first(r["address"][0], "line"),
        "marital_status_code": lambda r: _first(r, "maritalStatus", "coding", "code"),
    },
    "encounter": {
        "encounter_id": lambda r: r["id"], "class_code": lambda r: r["class"]["code"],
        "patient_id": lambda r: _reference(r["subject"], "Patient"),
        "start_time": lambda r: r["period"]["start"], "end_time": lambda r: r["period"].get("end"),
        "type_code": lambda r: _first(r["type"][0], "coding", "code"),
        "service_provider_name": lambda r: _first(r, "serviceProvider", "display"),
    },
    "condition": {
        "condition_id": lambda r: r["id"], "code": lambda r: _first(r, "code", "coding", "code"),
        "code_system": lambda r: _first(r, "code", "coding", "system"),
        "text": lambda r: _first(r, "code", "text"), "onset_time": lambda r: r.get("onsetDateTime"),
        "abatement_time": lambda r: r.get("abatementDateTime"),
        "clinical_status": lambda r: _first(r, "clinicalStatus", "coding", "code"),
        "encounter_id": lambda r: _reference(r.get("encounter"), "Encounter"),
    },
    "observation": {
        "observation_id": lambda r: r["id"], "effective_time": lambda r: r.get("effectiveDateTime"),
        "loinc_code": lambda r: next(
            (c["code"] for c in r["code"]["coding"] if c["system"] == "http://loinc.org"), None
        ),
        "value": lambda r: _number(r["valueQuantity"]["value"]) if "valueQuantity" in r else None,
        "unit": lambda r: _first(r, "valueQuantity", "unit"),
        "value_string": lambda r: r.get("valueString"),
        "value_code": lambda r: _first(r, "valueCodeableConcept", "coding", "code"),
    },
    "immunization": {
        "immunization_id": lambda r: r["id"], "occurrence_time": lambda r: r["occurrenceDateTime"],
        "cvx_code": lambda r: _first(r, "vaccineCode", "coding", "code"),
        "patient_id": lambda r: _reference(r["patient"], "Patient"),
    },
    "procedure": {
        "procedure_id": lambda r: r["id"], "code": lambda r: _first(r, "code", "coding", "code"),
        "performed_time": lambda r: r.get("performedDateTime"),
        "performed_start_time": lambda r: _first(r, "performedPeriod", "start"),
    },
    "claim": {
        "claim_id": lambda r: r["id"], "type_code": lambda r: _first(r, "type", "coding", "code"),
        "total": lambda r: _number(r["total"]["value"]),
        "total_currency": lambda r: r["total"]["currency"],
        "medication_request_id": lambda r: _reference(r.get("prescription"), "MedicationRequest"),
        "coverage_name": lambda r: _first(r, "insurance", "coverage", "display"),
    },
    "medication_request": {
        "medication_request_id": lambda r: r["id"], "authored_time": lambda r: r.get("authoredOn"),
        "medication_code": lambda r: _first(r, "medicationCodeableConcept", "coding", "code"),
        "requester_id": lambda r: _reference(r.get("requester"), "Practitioner"),
    },
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(BY_HAND))
def test_columns_hold_what_reading_the_json_by_hand_gives(
    name: str, engine: duckdb.DuckDBPyConnection, given: list[Resource]
) -> None:
    columns = BY_HAND[name]
    kind = library.view(name)["resource"]
    expected = Counter(
        tuple(read(one) for read in columns.values()) for one in given if one["resourceType"] == kind
    )
    found = Counter(engine.execute(f"select {', '.join(columns)} from {name}").fetchall())
    assert expected and found == expected
