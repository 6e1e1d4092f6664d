"""Bad requests of any shape get a 4xx OperationOutcome: never a 500, never a traceback."""

from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.record.fhir.conftest import DATABASES, Client, World, observation, patient

pytestmark = pytest.mark.django_db(databases=DATABASES)

WILD = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
VALUE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "id",
                    "reference",
                    "resourceType",
                    "identifier",
                    "value",
                    "system",
                    "code",
                    "coding",
                    "meta",
                    "name",
                    "x",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def fine(answer: Any) -> None:
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.json()["resourceType"] == "OperationOutcome"
        assert answer.json()["issue"][0]["diagnostics"]
        assert "Traceback" not in answer.text


@WILD
@given(
    VALUE,
    st.sampled_from(["subject", "valueQuantity", "effectiveDateTime", "identifier", "meta", "id", "code"]),
)
def test_wild_resources(http: Client, his: dict[str, str], value: Any, place: str) -> None:
    fine(
        http.request(
            "POST",
            "Observation",
            content=orjson.dumps(observation("Patient/a") | {place: value}),
            headers=his | {"content-type": "application/fhir+json"},
        )
    )


@WILD
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                [
                    "_id",
                    "name",
                    "birthdate",
                    "identifier",
                    "_sort",
                    "_count",
                    "_include",
                    "_has:Observation:x",
                    "general-practitioner",
                    "_lastUpdated",
                    "_elements",
                    "_summary",
                    "_total",
                    "_cursor",
                    "x",
                ]
            ),
            st.text(st.characters(codec="utf-8"), max_size=15),
        ),
        max_size=3,
    )
)
def test_wild_searches(http: Client, his: dict[str, str], query: list[tuple[str, str]]) -> None:
    fine(http.get("Patient", his, params=query))


@WILD
@given(st.lists(VALUE, max_size=3), st.sampled_from(["batch", "transaction"]))
def test_wild_bundles(http: Client, his: dict[str, str], entries: list[Any], kind: str) -> None:
    made = [
        {"request": {"method": "POST", "url": "Patient"}, "resource": patient() | one}
        if isinstance(one, dict)
        else one
        for one in entries
    ]
    fine(http.post("", {"resourceType": "Bundle", "type": kind, "entry": made}, his))


@WILD
@given(st.binary(max_size=60), st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE"]))
def test_wild_addresses(http: Client, his: dict[str, str], raw: bytes, method: str) -> None:
    from urllib.parse import quote

    fine(http.request(method, "Patient/" + quote(raw, safe="/$_?=&"), content=raw, headers=his))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"accept": "application/fhir+xml"}, 406),
        ({"if-match": "x" * 500}, 200),
        ({"prefer": "=;=,,=" * 50}, 200),
        ({"if-modified-since": "\x7f"}, 200),
        ({"x-purpose-of-use": "'; drop table"}, 200),
    ],
)
def test_odd_headers(
    http: Client, world: World, his: dict[str, str], headers: dict[str, str], status: int
) -> None:
    http.put("Patient/a", patient(id="a"), his)
    assert http.get("Patient/a", his | headers).status_code == status


def test_bodies_that_are_too_big(http: Client, his: dict[str, str]) -> None:
    headers = his | {"content-type": "application/fhir+json"}
    answer = http.request("POST", "Patient", content=b" " * (17 * 1024 * 1024), headers=headers)
    assert answer.status_code == 413
    zipped = http.request("POST", "Patient", content=b"x", headers=headers | {"content-encoding": "gzip"})
    assert zipped.status_code == 415
