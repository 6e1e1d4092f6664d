"""The CapabilityStatement says what the code does: each claim is tried."""

import orjson
import pytest

from salus.record.fhir import capability
from salus.record.fhir.types import types
from tests.record.fhir.conftest import BASE, DATABASES, Client, World, bearer, observation, patient

PAIRS = {"code-value-date": "x$2026"}
pytestmark = pytest.mark.django_db(databases=DATABASES)


def statement() -> dict[str, object]:
    made: dict[str, object] = orjson.loads(capability.statement(BASE))
    return made


def test_it_is_itself_valid(http: Client, world: World, his: dict[str, str]) -> None:
    made = http.get("metadata", {})
    assert made.status_code == 200
    said = http.post("CapabilityStatement/$validate", made.json(), his).json()["issue"]
    assert [one for one in said if one["severity"] == "error"] == []


def test_each_claim(http: Client, world: World, his: dict[str, str]) -> None:
    rest = statement()["rest"][0]  # type: ignore[index]
    assert {one["type"] for one in rest["resource"]} == types()
    http.put("Patient/a", patient(id="a"), his)
    http.put("Observation/a", observation("Patient/a", id="a"), his)
    refused: list[str] = []

    def tried(method: str, path: str, *fine: int, **more: object) -> None:
        answer = http.request(method, path, headers=his | dict(more.pop("headers", {})), **more)  # type: ignore[call-overload]
        if answer.status_code not in fine:
            refused.append(f"{method} {path}: {answer.status_code} {answer.text[:200]}")

    for claim in rest["resource"]:
        if claim["type"] not in {"Patient", "Observation"}:
            continue
        type = claim["type"]
        body = patient(id="a") if type == "Patient" else observation("Patient/a", id="a")
        codes = {one["code"] for one in claim["interaction"]}
        assert codes == {
            "read",
            "vread",
            "history-instance",
            "history-type",
            "search-type",
            "create",
            "update",
            "patch",
            "delete",
        }
        tried("GET", f"{type}/a", 200)
        tried("GET", f"{type}/a/_history/1", 200)
        tried("GET", f"{type}/a/_history", 200)
        tried("GET", f"{type}/_history", 200)
        tried("POST", type, 201, json={k: v for k, v in body.items() if k != "id"})
        tried("PUT", f"{type}/b", 201, json=body | {"id": "b"})
        patched = {"content-type": "application/json-patch+json"}
        change = b'[{"op":"add","path":"/language","value":"zh"}]'
        tried("PATCH", f"{type}/b", 200, content=change, headers=patched)
        tried("DELETE", f"{type}/b", 204)
        tried("PUT", f"{type}?_id=a", 200, json=body)
        tried("DELETE", f"{type}?_id=none", 204)
        tried("GET", f"{type}/a", 304, headers={"if-none-match": 'W/"1"'})
        values = {
            "token": "x",
            "string": "x",
            "date": "2026",
            "reference": "Patient/a",
            "quantity": "1",
            "number": "1",
            "uri": "urn:x",
            "composite": "x$1",
        }
        for parameter in claim["searchParam"]:
            value = PAIRS.get(parameter["name"], values[parameter["type"]])
            tried("GET", f"{type}?{parameter['name']}={value}", 200)
        for include in claim["searchInclude"]:
            tried("GET", f"{type}?_id=a&_include={include}", 200)
        for include in claim["searchRevInclude"][:5]:
            tried("GET", f"{type}?_id=a&_revinclude={include}", 200)
        for operation in claim["operation"]:
            name = operation["name"]
            if name == "everything":
                tried("GET", f"{type}/a/$everything", 200)
            elif name == "summary":
                tried("GET", f"{type}/a/$summary", 200)
            elif name == "export":
                tried("GET", f"{type}/$export", 202, headers={"prefer": "respond-async"})
            else:
                tried("POST", f"{type}/${name}", 200, json=body)
    for one in rest["interaction"]:
        if one["code"] == "search-system":
            tried("GET", "?_type=Patient,Observation", 200)
            continue
        tried("POST", "", 200, json={"resourceType": "Bundle", "type": one["code"]})
    assert refused == []


def test_every_parameter_of_every_type_is_answered(http: Client, his: dict[str, str]) -> None:
    values = {
        "token": "x",
        "string": "x",
        "date": "2026",
        "reference": "x",
        "quantity": "1",
        "number": "1",
        "uri": "urn:x",
        "composite": "x$1",
    }
    for claim in statement()["rest"][0]["resource"]:  # type: ignore[index]
        asked = "&".join(
            f"{one['name']}={PAIRS.get(one['name'], values[one['type']])}"
            for one in claim.get("searchParam", ())[:40]
        )
        if not asked:
            continue
        answer = http.get(f"{claim['type']}?{asked}", his)
        assert answer.status_code in {200, 403}, f"{claim['type']}: {answer.text[:300]}"


def test_smart_configuration(http: Client, world: World) -> None:
    made = http.get(".well-known/smart-configuration", {}).json()
    assert made["token_endpoint"].endswith("/oauth/token/")
    assert made["code_challenge_methods_supported"] == ["S256"]


def test_clients_that_nobody_here_wrote(http: Client, world: World, his: dict[str, str]) -> None:
    from fhirclient.models.bundle import Bundle
    from fhirclient.models.capabilitystatement import CapabilityStatement
    from fhirclient.models.patient import Patient

    made = CapabilityStatement(http.get("metadata", {}).json())
    assert made.fhirVersion == "4.0.1"
    http.put("Patient/a", patient(id="a"), his)
    assert Patient(http.get("Patient/a", his).json()).name[0].family == "王"
    found = Bundle(http.get("Patient?_total=accurate", bearer(world.sources["his-1"].token)).json())
    assert found.total == 1
