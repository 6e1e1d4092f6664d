"""Decimals over HTTP: what a client writes is served with the same digits, whichever way it is asked for."""

import pytest

from tests.record.fhir.conftest import DATABASES, Client

pytestmark = pytest.mark.django_db(databases=DATABASES)

PATIENT = b'{"resourceType":"Patient","id":"a","identifier":[{"system":"urn:x","value":"1"}]}'
NUMBERS = ("1.10", "0.010", "1E-7", "1E+400", "123456789.123456789", "-0.50", "100.0")


def observation(value: str, id: str = "o") -> bytes:
    return (
        f'{{"resourceType":"Observation","id":"{id}","status":"final","code":{{"text":"x"}},'
        f'"subject":{{"reference":"Patient/a"}},"valueQuantity":{{"value":{value},"unit":"mmol/L"}}}}'
    ).encode()


def send(
    http: Client, his: dict[str, str], method: str, path: str, raw: bytes, kind: str = "fhir+json"
) -> str:
    answer = http.request(method, path, content=raw, headers={**his, "content-type": f"application/{kind}"})
    assert answer.status_code in {200, 201}, answer.text
    return answer.text


@pytest.mark.parametrize("number", NUMBERS)
def test_every_way_out_serves_the_digits_that_were_written(
    http: Client, his: dict[str, str], number: str
) -> None:
    wanted = f'"value":{number},'
    send(http, his, "PUT", "Patient/a", PATIENT)
    assert wanted in send(http, his, "PUT", "Observation/o", observation(number))
    for path in (
        "Observation/o",
        "Observation/o/_history/1",
        "Observation/o/_history",
        "Observation?_id=o",
        "Observation?_id=o&_elements=value",
        "Observation?_id=o&_elements=valueQuantity",
        "Observation?_id=o&_summary=data",
        "Patient/a/$everything",
    ):
        answer = http.get(path, his)
        assert answer.status_code == 200, answer.text
        assert wanted in answer.text or path.endswith("=value"), path


def test_a_patch_and_a_repeat_leave_them(http: Client, his: dict[str, str]) -> None:
    send(http, his, "PUT", "Patient/a", PATIENT)
    send(http, his, "PUT", "Observation/o", observation("1.10"))
    assert '"versionId":"1"' in send(http, his, "PUT", "Observation/o", observation("1.10"))
    added = b'[{"op":"add","path":"/referenceRange","value":[{"high":{"value":6.10}}]}]'
    patched = send(http, his, "PATCH", "Observation/o", added, "json-patch+json")
    assert '"value":1.10,' in patched and '"value":6.10}' in patched and '"versionId":"2"' in patched
    assert '"versionId":"3"' in send(http, his, "PUT", "Observation/o", observation("1.1"))


@pytest.mark.parametrize("kind", ["batch", "transaction"])
def test_bundles_keep_them(http: Client, his: dict[str, str], kind: str) -> None:
    send(http, his, "PUT", "Patient/a", PATIENT)
    entry = b'{"resource":%s,"request":{"method":"PUT","url":"Observation/o"}}' % observation("0.010")
    bundle = b'{"resourceType":"Bundle","type":"%s","entry":[%s]}' % (kind.encode(), entry)
    assert '"value":0.010,' in send(http, his, "POST", "", bundle)


@pytest.mark.parametrize("number", ["1e9999", "1" * 5000, "0." + "3" * 500])
def test_a_number_out_of_all_proportion_is_named(http: Client, his: dict[str, str], number: str) -> None:
    headers = {**his, "content-type": "application/fhir+json"}
    answer = http.request("PUT", "Observation/o", content=observation(number), headers=headers)
    assert answer.status_code == 400 and answer.json()["issue"][0]["code"] == "value"
    assert number not in answer.text


def test_an_integer_element_takes_no_decimal(http: Client, his: dict[str, str]) -> None:
    raw = b'{"resourceType":"Patient","id":"a","telecom":[{"system":"phone","value":"1","rank":1.0}]}'
    headers = {**his, "content-type": "application/fhir+json"}
    assert http.request("PUT", "Patient/a", content=raw, headers=headers).status_code == 422
