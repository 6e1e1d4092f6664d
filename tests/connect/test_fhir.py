"""FHIR messages: Bundles of every type, references of every kind."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from django.db import connection
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from salus.connect.errors import Untranslatable
from salus.connect.fhir.translate import instant, translate
from salus.connect.models import SourceSystem
from salus.connect.services import Incoming, receive
from salus.connect.translation import SourceProfile, Translation
from salus.kernel.ids import server_id
from salus.record import store
from tests.connect.conftest import BOTH

PROFILE = SourceProfile("src", "fhir")
Sources = Callable[..., SourceSystem]
database = pytest.mark.django_db(databases=BOTH)


def bundle(kind: str, *entries: dict[str, Any], **elements: Any) -> bytes:
    return orjson.dumps({"resourceType": "Bundle", "type": kind, "entry": list(entries), **elements})


def read(raw: bytes) -> Translation:
    return translate(raw, PROFILE)


def note(subject: str, **elements: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": subject},
        **elements,
    }


def test_urn_absolute_and_relative_references_meet() -> None:
    found = read(
        bundle(
            "transaction",
            {"fullUrl": "urn:uuid:1", "resource": {"resourceType": "Patient"}, "request": {"method": "POST"}},
            {"fullUrl": "http://his/fhir/Patient/7", "resource": {"resourceType": "Patient", "id": "7"}},
            {"fullUrl": "urn:uuid:2", "resource": note("urn:uuid:1")},
            {"resource": note("http://his/fhir/Patient/8/_history/2", id="b")},
            {"resource": note("Patient/7", id="c")},
            {"resource": note("http://elsewhere/Patient/7", id="d")},
        )
    )
    entries = [entry.resource for entry in found.entries]
    assert [one["id"] for one in entries] == ["1", "7", "2", "b", "c", "d"]
    subjects = [one["subject"]["reference"] for one in entries[2:]]
    assert subjects == ["Patient/1", "Patient/8", "Patient/7", "http://elsewhere/Patient/7"]


def test_deletes_history_order_and_times() -> None:
    stated = "2026-03-01T00:00:00Z"
    found = read(
        bundle(
            "history",
            {"request": {"method": "DELETE", "url": "Patient/9"}},
            {
                "resource": {
                    "resourceType": "Patient",
                    "id": "1",
                    "meta": {"lastUpdated": "2026-02-01T00:00:00Z"},
                }
            },
            {"resource": {"resourceType": "Patient", "id": "2"}},
            timestamp=stated,
        )
    )
    assert [(e.method, e.resource["id"]) for e in found.entries] == [
        ("put", "2"),
        ("put", "1"),
        ("delete", "9"),
    ]
    assert found.entries[0].source_time == instant(stated)
    assert found.entries[1].source_time == instant("2026-02-01T00:00:00Z")


def test_ids_for_resources_without_one() -> None:
    named = {"resourceType": "Patient", "identifier": [{"system": "s", "value": "v"}]}
    assert read(orjson.dumps(named)).entries[0].resource["id"] == "identifier:s|v"
    bare = orjson.dumps({"resourceType": "Patient", "gender": "male"})
    first, second = read(bare).entries[0].resource["id"], read(bare).entries[0].resource["id"]
    assert first == second
    assert first.startswith("content:")


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"{", "not-json"),
        (b"{}", "not-fhir"),
        (b"[1]", "not-fhir"),
        (bundle("wish"), "bundle-type"),
        (b'{"resourceType":"Bundle","type":"batch","entry":1}', "not-fhir"),
        (bundle("batch", {"resource": 3}), "not-fhir"),
        (bundle("batch", {"resource": {"resourceType": "Patient", "id": 3}}), "bad-id"),
        (bundle("transaction", {"request": {"method": "DELETE", "url": "?"}}), "bad-request-url"),
        (bundle("transaction", {"request": {"method": "PATCH", "url": "Patient/1"}}), "patch-not-taken"),
        (b"<patient xmlns='http://hl7.org/fhir'/>", "not-fhir"),
        (b'{"resourceType":"Patient","x":' + b"[" * 2000 + b"]" * 2000 + b"}", "not-json"),
    ],
)
def test_faults_are_named(raw: bytes, code: str) -> None:
    with pytest.raises(Untranslatable) as fault:
        read(raw)
    assert fault.value.code == code


def current(kind: str, local: str) -> store.Stored | None:
    with connection.cursor() as cursor:
        return store.read(cursor, kind, server_id("his", kind, local))


@database
def test_a_repeated_bundle_with_other_bytes_changes_nothing(source: Sources) -> None:
    his = source()
    entries = [
        {"fullUrl": "urn:uuid:1", "resource": {"resourceType": "Patient"}},
        {"resource": note("urn:uuid:1", id="o")},
    ]
    assert receive(his, [Incoming(bundle("collection", *entries))])[0].resources == 2
    again = receive(his, [Incoming(bundle("collection", *entries, id="another"))])[0]
    assert (again.status, again.resources) == ("stored", 0)


@database
def test_conditional_creates_updates_and_deletes(source: Sources) -> None:
    his = source()
    doctor = {"resourceType": "Practitioner", "identifier": [{"system": "npi", "value": "1"}]}

    def send(**request: str) -> Any:
        method = request.pop("method")
        entry = {
            "fullUrl": f"urn:uuid:{request.pop('url_id', 'x')}",
            "resource": {**doctor, "active": request.pop("active", "") == "yes"},
            "request": {"method": method, **request},
        }
        user = {"resource": note("Patient/p", id="o", performer=[{"reference": entry["fullUrl"]}])}
        return receive(his, [Incoming(bundle("transaction", entry, user))])[0]

    send(method="POST", ifNoneExist="identifier=npi|1", url="Practitioner", url_id="first")
    first = current("Practitioner", "first")
    assert first is not None
    send(method="POST", ifNoneExist="identifier=npi|1", url="Practitioner", url_id="second")
    assert current("Practitioner", "second") is None
    found = current("Observation", "o")
    assert found is not None
    wanted = f"Practitioner/{server_id('his', 'Practitioner', 'first')}"
    assert orjson.loads(found.body)["performer"] == [{"reference": wanted}]
    send(method="PUT", url="Practitioner?identifier=npi|1", url_id="third", active="yes")
    again = current("Practitioner", "first")
    assert again is not None
    assert orjson.loads(again.body)["active"] is True
    gone = bundle("transaction", {"request": {"method": "DELETE", "url": "Practitioner?identifier=npi|1"}})
    receive(his, [Incoming(gone)])
    last = current("Practitioner", "first")
    assert last is not None
    assert last.deleted


@database
def test_an_invalid_entry_refuses_its_bundle_whole(source: Sources) -> None:
    entries = [
        {"resource": {"resourceType": "Patient", "id": "a"}},
        {"resource": {"resourceType": "Patient", "id": "b", "gender": "telex"}},
    ]
    receipt = receive(source(), [Incoming(bundle("batch", *entries))])[0]
    assert (receipt.status, receipt.code) == ("dead", "invalid-fhir")
    assert receipt.where == "entry[1].resource → Patient.gender"
    assert current("Patient", "a") is None


@database
def test_ids_with_odd_characters_keep_their_references(source: Sources) -> None:
    his = source()
    odd = "住院 2026/001|a?b"
    raw = [orjson.dumps({"resourceType": "Patient", "id": odd}), orjson.dumps(note(f"Patient/{odd}", id="o"))]
    assert [one.status for one in receive(his, [Incoming(one) for one in raw])] == ["stored", "stored"]
    found = current("Observation", "o")
    assert found is not None
    assert orjson.loads(found.body)["subject"]["reference"] == f"Patient/{server_id('his', 'Patient', odd)}"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["resourceType", "entry", "resource", "request", "method", "url", "id", "reference", "x"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@hypothesis_settings(max_examples=150, deadline=None)
@given(content=JSON, kind=st.sampled_from(["transaction", "history", "collection"]))
def test_any_json_is_entries_or_a_stated_fault(content: Any, kind: str) -> None:
    for raw in (
        orjson.dumps(content),
        orjson.dumps({"resourceType": "Bundle", "type": kind, "entry": content}),
        orjson.dumps({"resourceType": "Bundle", "type": kind, "entry": [content]}),
    ):
        try:
            read(raw)
        except Untranslatable as fault:
            assert fault.code
