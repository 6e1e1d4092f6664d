"""What a request must look like: routes, bodies, headers, patches. No database."""

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.record.fhir import body, patch
from salus.record.fhir.bundles import in_order, read
from salus.record.fhir.outcome import FhirError
from salus.record.fhir.references import local, references, rewrite
from salus.record.fhir.request import (
    Request,
    check_accept,
    parse_query,
    split_path,
    unchanged_since,
    version_of,
)
from salus.record.fhir.routing import Interaction, route
from salus.record.fhir.types import types

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


def request(**headers: str) -> Request:
    return Request("GET", (), [], headers, b"", "http://h/fhir")


@pytest.mark.parametrize(
    ("method", "path", "interaction"),
    [
        ("GET", "metadata", Interaction.CAPABILITIES),
        ("GET", ".well-known/smart-configuration", Interaction.SMART),
        ("POST", "", Interaction.BATCH),
        ("GET", "Patient/1", Interaction.READ),
        ("HEAD", "Patient/1", Interaction.READ),
        ("GET", "Patient/1/_history/2", Interaction.VREAD),
        ("GET", "Patient/1/_history", Interaction.HISTORY_INSTANCE),
        ("GET", "Patient/_history", Interaction.HISTORY_TYPE),
        ("GET", "Patient", Interaction.SEARCH_TYPE),
        ("POST", "Patient/_search", Interaction.SEARCH_TYPE),
        ("POST", "Patient", Interaction.CREATE),
        ("PUT", "Patient/1", Interaction.UPDATE),
        ("PUT", "Patient", Interaction.CONDITIONAL_UPDATE),
        ("PATCH", "Patient/1", Interaction.PATCH),
        ("PATCH", "Patient", Interaction.CONDITIONAL_PATCH),
        ("DELETE", "Patient/1", Interaction.DELETE),
        ("DELETE", "Patient", Interaction.CONDITIONAL_DELETE),
        ("GET", "Patient/1/$everything", Interaction.OPERATION),
        ("POST", "Patient/$match", Interaction.OPERATION),
        ("GET", "", Interaction.SEARCH_TYPE),
    ],
)
def test_route(method: str, path: str, interaction: Interaction) -> None:
    assert route(method, split_path(b"/fhir/" + path.encode()), types()).interaction is interaction


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", "", 405),
        ("GET", "Nothing", 404),
        ("GET", "AuditEvent", 404),
        ("POST", "metadata", 405),
        ("POST", "Patient/1", 405),
        ("DELETE", "Patient/1/_history", 405),
        ("GET", "Patient/" + "x" * 65, 400),
        ("GET", "Patient/a%20b", 400),
        ("GET", "Patient/%FF", 400),
        ("GET", "Patient/1/_history/zero", 404),
        ("GET", "Patient/1/2/3/4", 404),
        ("BREW", "Patient/1", 405),
    ],
)
def test_no_route(method: str, path: str, status: int) -> None:
    with pytest.raises(FhirError) as refused:
        route(method, split_path(b"/fhir/" + path.encode()), types())
    assert refused.value.status == status
    if status == 405:
        assert dict(refused.value.headers)["allow"]


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[1,2]x", 400),
        (b'{"a":NaN}', 400),
        (b'{"a":"\xff"}', 400),
        (b'{"a":"\\ud800"}', 400),
        (b'{"a":"\\u0000"}', 400),
        (b'{"a":"\\u001f"}', 400),
        (b"[" * 5000 + b"]" * 5000, 400),
        (b'{"a":' * 80 + b"1" + b"}" * 80, 400),
        (b'"' + b"x" * 100 + b'"', 413),
    ],
)
def test_bad_body(raw: bytes, status: int) -> None:
    with pytest.raises(FhirError) as refused:
        body.decode(raw, limit=90 if status == 413 else body.MAX_RESOURCE)
    assert refused.value.status == status


def test_body_keeps_escapes_that_fhir_allows() -> None:
    assert body.decode(b'{"a":"line\\nnext\\ttab \\\\b \\u4e2d"}') == {"a": "line\nnext\ttab \\b 中"}


def test_body_takes_a_byte_order_mark() -> None:
    assert body.decode(b'\xef\xbb\xbf{"a":1}') == {"a": 1}


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_a_refusal(raw: bytes) -> None:
    try:
        body.decode(raw)
    except FhirError as refused:
        assert 400 <= refused.status < 500
        assert refused.outcome()["issue"][0]["diagnostics"]


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.text(max_size=5), ANY_JSON, max_size=4), ANY_JSON | st.lists(ANY_JSON, max_size=3))
def test_any_patch_is_applied_or_refused(resource: dict[str, object], operations: object) -> None:
    try:
        assert isinstance(patch.apply(resource, operations), dict)
    except FhirError as refused:
        assert refused.status in {400, 422}


def test_patch() -> None:
    before = {"resourceType": "Patient", "id": "1", "name": [{"family": "王"}]}
    after = patch.apply(
        before,
        [
            {"op": "test", "path": "/name/0/family", "value": "王"},
            {"op": "replace", "path": "/name/0/family", "value": "李"},
            {"op": "add", "path": "/active", "value": True},
        ],
    )
    assert after == {"resourceType": "Patient", "id": "1", "name": [{"family": "李"}], "active": True}
    assert before["name"] == [{"family": "王"}]


@pytest.mark.parametrize(
    ("operations", "status"),
    [
        ({"op": "add"}, 400),
        ([{"op": "fly", "path": "/a"}], 400),
        ([{"op": "remove", "path": "/absent"}], 422),
        ([{"op": "test", "path": "/id", "value": "2"}], 422),
        ([{"op": "replace", "path": "/id", "value": "2"}], 422),
        ([{"op": "replace", "path": "/resourceType", "value": "Group"}], 422),
        ([{"op": "replace", "path": "", "value": []}], 422),
        (
            [{"op": "add", "path": "/a", "value": [0]}] + [{"op": "copy", "from": "/a", "path": "/a/-"}] * 40,
            422,
        ),
        ([{"op": "add", "path": "/a", "value": 1}] * 501, 400),
    ],
)
def test_bad_patch(operations: object, status: int) -> None:
    with pytest.raises(FhirError) as refused:
        patch.apply({"resourceType": "Patient", "id": "1"}, operations)
    assert refused.value.status == status


@pytest.mark.parametrize(
    ("accept", "format", "taken"),
    [
        ("", None, True),
        ("*/*", None, True),
        ("application/fhir+json", None, True),
        ("application/fhir+json; fhirVersion=4.0", None, True),
        ("application/fhir+xml", None, False),
        ("application/fhir+xml, application/json;q=0.5", None, True),
        ("application/json;q=0", None, False),
        ("application/fhir+xml", "json", True),
        ("application/json", "xml", False),
        ("text/html", None, False),
    ],
)
def test_accept(accept: str, format: str | None, taken: bool) -> None:
    asked = request(accept=accept)
    if format:
        asked.query.append(("_format", format))
    if taken:
        check_accept(asked)
    else:
        with pytest.raises(FhirError) as refused:
            check_accept(asked)
        assert refused.value.status == 406


def test_conditional_read() -> None:
    at = 1_700_000_000_000_000
    assert unchanged_since(request(**{"if-none-match": 'W/"3"'}), 3, at)
    assert unchanged_since(request(**{"if-none-match": 'W/"2", "3"'}), 3, at)
    assert not unchanged_since(request(**{"if-none-match": 'W/"2"'}), 3, at)
    assert unchanged_since(request(**{"if-modified-since": "Tue, 14 Nov 2023 22:13:20 GMT"}), 3, at)
    assert not unchanged_since(request(**{"if-modified-since": "Tue, 14 Nov 2023 22:13:19 GMT"}), 3, at)
    assert not unchanged_since(request(**{"if-modified-since": "yesterday"}), 3, at)
    # If-None-Match wins
    assert not unchanged_since(
        request(**{"if-none-match": 'W/"2"', "if-modified-since": "Tue, 14 Nov 2023 22:13:20 GMT"}), 3, at
    )


@pytest.mark.parametrize("tag", ["3", 'W/"x"', '"', 'W/"99999999999"', ""])
def test_bad_etag(tag: str) -> None:
    with pytest.raises(FhirError):
        version_of(tag)


def test_queries() -> None:
    assert parse_query("name=王&a=&b=1%2C2".encode()) == [("name", "王"), ("a", ""), ("b", "1,2")]
    for raw in (b"a=%FF", b"a=%00", b"a=1&" * 300, b"a=" + b"x" * 20_000):
        with pytest.raises(FhirError):
            parse_query(raw)


def test_references_are_found_and_rewritten() -> None:
    resource = {
        "subject": {"reference": "urn:uuid:1"},
        "list": [{"reference": "Patient/2"}, "urn:uuid:1", {"uri": "urn:uuid:1", "text": "about urn:uuid:1"}],
    }
    assert list(references(resource)) == ["urn:uuid:1", "Patient/2"]
    change = {"urn:uuid:1": "Patient/9"}
    assert rewrite(resource, change.get, change) == {
        "subject": {"reference": "Patient/9"},
        "list": [{"reference": "Patient/2"}, "Patient/9", {"uri": "Patient/9", "text": "about urn:uuid:1"}],
    }


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("Patient/1", ("Patient", "1")),
        ("http://h/fhir/Patient/1", ("Patient", "1")),
        ("Patient/1/_history/2", ("Patient", "1")),
        ("http://elsewhere/Patient/1", None),
        ("urn:uuid:1", None),
        ("#contained", None),
    ],
)
def test_local_reference(reference: str, found: tuple[str, str] | None) -> None:
    assert local(reference, "http://h/fhir") == found


def test_a_transaction_is_processed_deletes_creates_updates_reads() -> None:
    def entry(method: str, url: str, type: str = "") -> dict[str, object]:
        made: dict[str, object] = {"request": {"method": method, "url": url}}
        return made | ({"resource": {"resourceType": type}} if type else {})

    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            entry("GET", "Patient/1"),
            entry("PUT", "Group/1", "Group"),
            entry("POST", "Observation", "Observation"),
            entry("POST", "Patient", "Patient"),
            entry("DELETE", "Group/2"),
        ],
    }
    kind, entries = read(bundle, "http://h/fhir")
    assert kind == "transaction"
    assert [(one.method, one.type) for one in in_order(entries)] == [
        ("DELETE", "Group"),
        ("POST", "Patient"),
        ("POST", "Observation"),
        ("PUT", "Group"),
        ("GET", "Patient"),
    ]


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(["resourceType", "type", "entry", "x"]), ANY_JSON, max_size=4))
def test_any_bundle_is_read_or_refused(bundle: dict[str, object]) -> None:
    bundle = {"resourceType": "Bundle", "type": "batch"} | {k: v for k, v in bundle.items() if k == "entry"}
    try:
        read(orjson.loads(orjson.dumps(bundle, option=orjson.OPT_NON_STR_KEYS)), "http://h/fhir")
    except FhirError as refused:
        assert 400 <= refused.status < 500
    except orjson.JSONEncodeError:  # integers that JSON cannot carry here
        pass
