"""Code systems: what ships, what a city loads, and what is asked of both over FHIR."""
# ruff: noqa: F811 - the FHIR tests' fixtures are imported by name

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from salus.kernel.errors import Conflict, Invalid, NotFound
from salus.record.models import TerminologyCode, TerminologyRelease
from salus.record.terminology import queries, reading, services, shipped
from salus.record.terminology.queries import NotLoaded
from salus.record.validate import validate
from tests.record.fhir.conftest import (  # noqa: F401 - fixtures
    DATABASES,
    Client,
    fresh,
    his,
    http,
    runner,
    world,
)

pytestmark = pytest.mark.django_db(databases=DATABASES)
NOW = datetime(2026, 6, 1, tzinfo=UTC)
ICD, LOCAL = "http://hl7.org/fhir/sid/icd-10", "urn:city:insurance-diagnosis"
GENDER = "http://hl7.org/fhir/administrative-gender"
REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
CSV = (
    "code,display,parent\nJ00-J99,呼吸系统疾病,\nJ45,哮喘,J00-J99\nJ45.0,变应性哮喘,J45\nI10,原发性高血压,\n"
)


def load(tmp_path: Path, text: str | dict[str, Any], name: str = "codes.csv", **more: Any) -> services.Loaded:
    path = tmp_path / name
    path.write_bytes(orjson.dumps(text) if isinstance(text, dict) else text.encode())
    replace = more.pop("replace", False)
    return services.load(reading.read(path, **more), now=NOW, replace=replace)


@pytest.fixture
def icd(tmp_path: Path) -> None:
    load(tmp_path, CSV, system=ICD, version="2019")


def concept_map(**more: Any) -> dict[str, Any]:
    elements = [
        {"code": "J45.0", "target": [{"code": "Y1", "equivalence": "wider", "display": "哮喘类"}]},
        {"code": "J45", "target": [{"code": "Y1", "equivalence": "equivalent"}]},
        {"code": "I10", "target": [{"equivalence": "unmatched"}]},
    ]
    group = {"source": ICD, "target": LOCAL, "element": elements}
    made = {"resourceType": "ConceptMap", "url": "urn:city:map", "version": "1", "status": "active"}
    return {**made, "group": [group], **more}


def test_what_ships_is_hl7s() -> None:
    """Values read by eye at hl7.org/fhir/R4/valueset-administrative-gender.html and v3-PurposeOfUse."""
    assert {one.code: one.display for one in shipped.systems()[GENDER].values()} == {
        "male": "Male", "female": "Female", "other": "Other", "unknown": "Unknown",
    }  # fmt: skip
    assert shipped.systems()[REASON]["ETREAT"].parent == "TREAT"
    assert queries.in_value_set("http://hl7.org/fhir/ValueSet/administrative-gender", GENDER, "male")
    for url, members in shipped.value_sets().items():
        for system, codes in members:
            assert set(codes) <= set(shipped.systems()[system]), url
    for concepts in shipped.systems().values():
        assert {one.parent for one in concepts.values()} - {""} <= set(concepts)


def test_loading_twice_changes_nothing(tmp_path: Path) -> None:
    first = load(tmp_path, CSV, system=ICD, version="2019")
    assert (first.outcome, first.release.size) == ("loaded", 4)
    again = load(tmp_path, CSV, system=ICD, version="2019")
    assert (again.outcome, again.release.pk) == ("unchanged", first.release.pk)
    with pytest.raises(Conflict):
        load(tmp_path, CSV + "E11,糖尿病,\n", system=ICD, version="2019")
    newer = load(tmp_path, CSV + "E11,糖尿病,\n", system=ICD, version="2026")
    assert queries.system(ICD).version == "2026" and queries.lookup(ICD, "E11")[1].display == "糖尿病"
    with pytest.raises(NotFound):
        queries.lookup(ICD, "E11", "2019")
    assert queries.lookup(ICD, "J45", "2019")[1].parent == "J00-J99"
    replaced = load(tmp_path, CSV, system=ICD, version="2026", replace=True)
    assert replaced.release.pk != newer.release.pk
    assert (
        TerminologyCode.objects.count() == 8 and TerminologyRelease.objects.filter(current=True).count() == 1
    )
    back = load(tmp_path, CSV, system=ICD, version="2019")
    assert back.outcome == "unchanged" and queries.system(ICD).version == "2019"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("code,name\nA,b\n", "terminology-columns"),
        ("code,display\nA,b\nA,c\n", "terminology-code"),
        ("code,display\n,b\n", "terminology-code"),
        (f"code,display\n{'A' * 201},b\n", "terminology-code"),
        ("code,display,parent\nA,b,Z\n", "terminology-parent"),
        ("{", "terminology-json"),
        ('{"resourceType": "Patient"}', "terminology-type"),
        (
            '{"resourceType": "CodeSystem", "concept": [{"display": "x"}], "url": "urn:x"}',
            "terminology-structure",
        ),
    ],
)
def test_a_bad_file_is_refused_whole(tmp_path: Path, text: str, code: str) -> None:
    with pytest.raises(Invalid) as error:
        load(tmp_path, text, system="urn:x")
    assert error.value.code == code
    assert not TerminologyRelease.objects.exists()


def test_a_code_system_in_fhirs_own_form(tmp_path: Path) -> None:
    body = {
        "resourceType": "CodeSystem", "url": "urn:tree", "version": "7", "content": "fragment",
        "concept": [
            {"code": "a", "display": "A", "concept": [{"code": "a1", "concept": [{"code": "a11"}]}]},
            {"code": "b", "property": [{"code": "parent", "valueCode": "a1"}]},
        ],
    }  # fmt: skip
    load(tmp_path, body, "tree.json")
    assert list(queries.system("urn:tree").above("a11")) == ["a1", "a"]
    assert list(queries.system("urn:tree").above("b")) == ["a1", "a"]
    assert not queries.system("urn:tree").complete


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parents=st.lists(st.integers(0, 5), min_size=1, max_size=6))
def test_subsumption_is_reachability(tmp_path: Path, parents: list[int]) -> None:
    """Held against a plain walk over a random forest: a node's parent has a smaller number, 0 for none."""
    edges = {n: parent % n if n else 0 for n, parent in enumerate(parents)}
    rows = "".join(f"c{n},x,{f'c{up - 1}' if up else ''}\n" for n, up in edges.items())
    load(tmp_path, f"code,display,parent\n{rows}", system="urn:forest", version="1", replace=True)

    def above(n: int) -> set[int]:
        return {edges[n] - 1} | above(edges[n] - 1) if edges[n] else set()

    for a in edges:
        for b in edges:
            said = queries.subsumes("urn:forest", f"c{a}", f"c{b}")
            expected = (
                "equivalent" if a == b else "subsumes" if a in above(b)
                else "subsumed-by" if b in above(a) else "not-subsumed"
            )  # fmt: skip
            assert said == expected


def test_translations(tmp_path: Path, icd: None) -> None:
    with pytest.raises(NotLoaded):
        queries.translate(ICD, "J45.0", target=LOCAL)
    load(tmp_path, concept_map(), "map.json")
    [one] = queries.translate(ICD, "J45.0", target=LOCAL)
    assert (one.system, one.code, one.equivalence, one.display, one.map) == (
        LOCAL, "Y1", "wider", "哮喘类", "urn:city:map",
    )  # fmt: skip
    assert queries.translate(ICD, "I10") == [] == queries.translate(ICD, "E11")
    back = queries.translate(LOCAL, "Y1", reverse=True)
    assert {(one.code, one.equivalence) for one in back} == {("J45.0", "narrower"), ("J45", "equivalent")}
    with pytest.raises(NotLoaded):
        queries.translate(ICD, "J45", map_url="urn:other")


def said(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert [one for one in validate(body) if one.severity == "error"] == []
    return {one["name"]: next((v for k, v in one.items() if k.startswith("value")), one.get("part"))
            for one in body["parameter"]}  # fmt: skip


def test_lookup_over_fhir(http: Client, his: dict[str, str], icd: None) -> None:
    found = said(http.get(f"CodeSystem/$lookup?system={ICD}&code=J45", his))
    assert (found["display"], found["version"]) == ("哮喘", "2019")
    coding = {"name": "coding", "valueCoding": {"system": GENDER, "code": "female"}}
    body = {"resourceType": "Parameters", "parameter": [coding]}
    assert said(http.post("CodeSystem/$lookup", body, his))["display"] == "Female"
    listed = http.get(f"CodeSystem/$lookup?system={ICD}&code=J45", his).json()["parameter"]
    near = {tuple(p["valueCode"] for p in one["part"]) for one in listed if one["name"] == "property"}
    assert near == {("parent", "J00-J99"), ("child", "J45.0")}
    for query, reason in (
        (f"system={ICD}&code=X99", "no such code"),
        ("system=http://snomed.info/sct&code=1", "not loaded"),
        (f"system={ICD}&code=J45&version=1900", "not loaded"),
    ):
        answer = http.get(f"CodeSystem/$lookup?{query}", his)
        assert answer.status_code == 404 and reason in answer.text, query
    assert http.get("CodeSystem/$lookup?code=x", his).status_code == 400
    assert http.get(f"CodeSystem/$lookup?system={ICD}&code=J45", {}).status_code == 401


@pytest.mark.parametrize(
    ("query", "result"),
    [
        (f"CodeSystem/$validate-code?url={ICD}&code=J45", True),
        (f"CodeSystem/$validate-code?url={ICD}&code=J45&display=哮喘", True),
        (f"CodeSystem/$validate-code?url={ICD}&code=J45&display=糖尿病", False),
        (f"CodeSystem/$validate-code?url={ICD}&code=J99", False),
        (f"ValueSet/$validate-code?url={ICD}?fhir_vs&code=J45&system={ICD}", True),
        ("ValueSet/$validate-code?url=http://hl7.org/fhir/ValueSet/administrative-gender&code=male", True),
        ("ValueSet/$validate-code?url=http://hl7.org/fhir/ValueSet/administrative-gender&code=m", False),
        (f"ValueSet/$validate-code?url=http://hl7.org/fhir/ValueSet/administrative-gender&code=male&system={ICD}",
         False),
    ],
)  # fmt: skip
def test_validation_over_fhir(
    http: Client,
    his: dict[str, str],
    icd: None,
    query: str,
    result: bool,
) -> None:
    found = said(http.get(query, his))
    assert found["result"] is result
    assert result or found["message"]


def test_what_is_not_loaded_is_never_called_wrong(http: Client, his: dict[str, str], tmp_path: Path) -> None:
    for query in (
        "CodeSystem/$validate-code?url=http://loinc.org&code=718-7",
        "ValueSet/$validate-code?url=http://hl7.org/fhir/ValueSet/observation-codes&code=718-7",
        "ValueSet/$expand?url=http://loinc.org/vs",
        "CodeSystem/$subsumes?system=http://snomed.info/sct&codeA=1&codeB=2",
        f"ConceptMap/$translate?system={ICD}&code=J45&targetsystem={LOCAL}",
    ):
        answer = http.get(query, his)
        assert answer.status_code == 404 and "loaded here" in answer.text, query
    load(tmp_path, {"resourceType": "CodeSystem", "url": "urn:part", "content": "fragment",
                    "concept": [{"code": "a"}]}, "part.json")  # fmt: skip
    assert said(http.get("CodeSystem/$validate-code?url=urn:part&code=a", his))["result"] is True
    assert http.get("CodeSystem/$validate-code?url=urn:part&code=b", his).status_code == 404


def test_the_rest_over_fhir(http: Client, his: dict[str, str], icd: None, tmp_path: Path) -> None:
    tree = f"CodeSystem/$subsumes?system={ICD}"
    assert said(http.get(f"{tree}&codeA=J00-J99&codeB=J45.0", his))["outcome"] == "subsumes"
    assert said(http.get(f"{tree}&codeA=J45.0&codeB=J45", his))["outcome"] == "subsumed-by"
    whole = http.get("ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/administrative-gender", his).json()
    assert [one for one in validate(whole) if one.severity == "error"] == []
    assert {one["code"] for one in whole["expansion"]["contains"]} == {"male", "female", "other", "unknown"}
    part = http.get(f"ValueSet/$expand?url={ICD}?fhir_vs&filter=J45&count=1&offset=1", his).json()[
        "expansion"
    ]
    assert (part["total"], [one["code"] for one in part["contains"]]) == (2, ["J45.0"])
    load(tmp_path, concept_map(), "map.json")
    answer = http.get(f"ConceptMap/$translate?system={ICD}&code=J45.0&targetsystem={LOCAL}", his)
    assert said(answer)["result"] is True
    [match] = [one["part"] for one in answer.json()["parameter"] if one["name"] == "match"]
    assert match[0] == {"name": "equivalence", "valueCode": "wider"}
    assert match[1]["valueCoding"]["code"] == "Y1"
    assert said(http.get(f"ConceptMap/$translate?system={ICD}&code=I10", his))["result"] is False


def test_a_large_code_system(tmp_path: Path) -> None:
    rows = "".join(f"C{n},code {n},{f'C{n // 10}' if n else ''}\n" for n in range(20_000))
    loaded = load(tmp_path, f"code,display,parent\n{rows}", system="urn:large")
    assert loaded.release.size == 20_000
    assert queries.subsumes("urn:large", "C1", "C19999") == "subsumes"
    with pytest.raises(Invalid) as error:
        queries.expand("urn:large?fhir_vs")
    assert error.value.code == "too-costly"
    found, total = queries.expand("urn:large?fhir_vs", "C1999", count=5)
    assert total == 11 and len(found) == 5


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("code:below", f"{ICD}|J00-J99", ["a", "b"]),
        ("code:below", f"{ICD}|J45", ["a", "b"]),
        ("code:below", f"{ICD}|J45.0", ["b"]),
        ("code:above", f"{ICD}|J45.0", ["a", "b"]),
        ("code:above", f"{ICD}|J45", ["a"]),
        ("code:in", f"{ICD}?fhir_vs", ["a", "b", "c"]),
        ("code:not-in", f"{ICD}?fhir_vs", ["d"]),
        ("subject:Patient.gender:in", "http://hl7.org/fhir/ValueSet/administrative-gender", ["a"]),
    ],
)
def test_searches_by_what_a_code_is_under(
    http: Client, his: dict[str, str], icd: None, name: str, value: str, expected: list[str]
) -> None:
    http.put("Patient/p", {"resourceType": "Patient", "id": "p", "gender": "male"}, his)
    for id, system, code in (("a", ICD, "J45"), ("b", ICD, "J45.0"), ("c", ICD, "I10"), ("d", LOCAL, "J45")):
        body = {"resourceType": "Condition", "id": id, "code": {"coding": [{"system": system, "code": code}]}}
        subject = {"subject": {"reference": "Patient/p" if id == "a" else "Patient/q"}}
        assert http.put(f"Condition/{id}", {**body, **subject}, his).status_code == 201
    answer = http.get("Condition", his, params={name: value})
    assert sorted(one["resource"]["id"] for one in answer.json().get("entry", ())) == expected
    for unknown in ("http://loinc.org|1", "urn:nothing"):
        assert http.get("Condition", his, params={"code:below": unknown}).status_code == 400
    assert http.get("Condition", his, params={"code:in": "http://snomed.info/sct?fhir_vs"}).status_code == 400
