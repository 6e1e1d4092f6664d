"""Decimals keep their digits from every way in to every way out.

Source: https://hl7.org/fhir/R4/datatypes.html#decimal, "implementations SHALL preserve the precision".
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.db.backends.utils import CursorWrapper
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from salus.connect import hl7v2
from salus.connect.errors import Untranslatable
from salus.connect.fhir import translate as fhir
from salus.connect.tabular.values import number
from salus.connect.translation import SourceProfile
from salus.record import correction, json, store
from salus.record.fhir import patch
from salus.record.fhir.body import decode
from salus.record.fhir.outcome import FhirError
from salus.record.store import Write
from salus.record.store.extract.values import number_span
from salus.record.validate import invalid, validate
from tests.record.store.test_search import find, ids

pytestmark = pytest.mark.django_db(databases=["default", "audit"])
NOW = datetime(2026, 5, 1, tzinfo=UTC)
SOURCE = SourceProfile("H01", "hl7v2")
WRITTEN = ("1.10", "0.010", "-0.50", "100.0", "1E-7", "1E+400", "5.0E-300", "123456789.123456789", "0.0",
           "3.14159265358979323846264338327950288", "123456789012345678901234567890")  # fmt: skip
_digits = st.text("0123456789", min_size=1, max_size=40)


@st.composite
def decimals(draw: st.DrawFn) -> str:
    """Return a JSON number with a point, an exponent or both."""
    whole = draw(_digits).lstrip("0") or "0"
    fraction = draw(st.none() | _digits)
    exponent = draw(st.none() | st.integers(-6000, 6000))
    sign = draw(st.sampled_from(["", "-"]))
    if fraction is None and exponent is None:
        fraction = "0"
    after = "" if fraction is None else f".{fraction}"
    return f"{sign}{whole}{after}" + ("" if exponent is None else f"e{exponent}")


def observation(value: str, id: str = "o") -> bytes:
    return (
        f'{{"resourceType":"Observation","id":"{id}","status":"final","code":{{"coding":[{{"code":"x"}}]}},'
        f'"valueQuantity":{{"value":{value},"unit":"mmol/L","system":"http://unitsofmeasure.org","code":"mmol/L"}}}}'
    ).encode()


def shown(body: bytes) -> str:
    """Return the digits that stand in served bytes."""
    found = re.search(rb'"valueQuantity":\s*\{\s*"value":\s*([^,}\s]+)', body)
    assert found is not None
    return found[1].decode()


@pytest.fixture
def cursor() -> Iterator[CursorWrapper]:
    with connection.cursor() as cursor:
        yield cursor


@pytest.mark.parametrize("written", WRITTEN)
def test_a_number_is_read_and_written_with_the_same_digits(written: str) -> None:
    assert json.dumps(json.loads(written)).decode() == written


@given(decimals())
@settings(max_examples=300, deadline=None)
def test_digits_and_exponent_stay(written: str) -> None:
    again = json.dumps(json.loads(written)).decode()
    assert re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?", again)  # FHIR's own pattern
    assert Decimal(again).as_tuple() == Decimal(written).as_tuple()


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "01", "1.", ".5", "+1", "1e", "1_0"])
def test_what_is_no_json_number_is_refused(text: str) -> None:
    with pytest.raises(json.NotJson):
        json.loads(f'{{"a":{text}}}')


@pytest.mark.parametrize(
    "text", ["1e6145", "1e-6145", "1e99999999999999999999", "0." + "1" * 400, "1" * 5000, "0e9999"]
)
def test_numbers_out_of_all_proportion_are_refused_by_name(text: str) -> None:
    with pytest.raises(json.NotJson, match="number"):
        json.loads(text)
    with pytest.raises(FhirError) as refused:
        decode(observation(text))
    assert (refused.value.status, refused.value.issue) == (400, "value") and text not in str(refused.value)
    with pytest.raises(Untranslatable) as kept:
        fhir.translate(observation(text), SOURCE)
    assert kept.value.code == "bad-number"


def test_an_integer_that_no_element_holds_is_not_valid() -> None:
    assert invalid(validate(json.loads(observation("1" * 500))))


def test_values_that_json_cannot_hold_are_refused() -> None:
    for value in ({1, 2}, b"x", "\ud800", Decimal("NaN"), Decimal("Infinity"), object(), [2**70, object()]):
        with pytest.raises(TypeError):
            json.dumps(value)


@pytest.mark.parametrize(("text", "sound"), [("1", True), ("1.0", False), ("1e0", False), ("0", False)])
def test_an_integer_element_takes_no_decimal(text: str, sound: bool) -> None:
    telecom = f'[{{"system":"phone","value":"1","rank":{text}}}]'
    raw = f'{{"resourceType":"Patient","telecom":{telecom}}}'
    assert invalid(validate(json.loads(raw))) is not sound


@given(st.lists(decimals(), min_size=1, max_size=8))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_store_keeps_and_indexes_any_decimal(cursor: CursorWrapper, written: list[str]) -> None:
    names = [f"o{position}" for position in range(len(written))]
    sent = [json.loads(observation(text, name)) for text, name in zip(written, names, strict=True)]
    assert not any(invalid(validate(one)) for one in sent)
    writes = [Write("Observation", one["id"], one) for one in sent]
    store.write(cursor, writes, now=NOW)
    assert {one.outcome for one in store.write(cursor, writes, now=NOW)} == {"unchanged"}
    for text, name in zip(written, names, strict=True):
        stored = store.read(cursor, "Observation", name)
        assert stored is not None
        assert Decimal(shown(stored.body)).as_tuple() == Decimal(text).as_tuple()
    store.write(cursor, [Write("Observation", name, None, "delete") for name in names], now=NOW)


def test_fewer_digits_are_other_content(cursor: CursorWrapper) -> None:
    def put(text: str) -> str:
        return store.write(cursor, [Write("Observation", "o", json.loads(observation(text)))], now=NOW)[
            0
        ].outcome

    assert [put(text) for text in ("1.10", "1.10", "1.1", "1", "1.0", "1.0")] == [
        "created", "unchanged", "updated", "updated", "updated", "unchanged"
    ]  # fmt: skip
    turned = dict(reversed(json.loads(observation("1.0")).items()))
    assert store.write(cursor, [Write("Observation", "o", turned)], now=NOW)[0].outcome == "unchanged"


def test_overlays_leave_the_digits_of_what_was_held(cursor: CursorWrapper) -> None:
    store.write(cursor, [Write("Observation", "o", json.loads(observation("1.10")))], now=NOW)
    laid = {"resourceType": "Observation", "issued": "2026-05-01T00:00:00Z"}
    written = store.write(cursor, [Write("Observation", "o", laid, "overlay")], now=NOW)
    assert written[0].outcome == "updated" and shown(written[0].body) == "1.10"


@pytest.mark.parametrize(
    ("asked", "found"),
    [("1.10", "ab"), ("1.1", "abc"), ("gt1.1", "cde"), ("ge1.10", "abcde"), ("lt1.10", ""), ("1.100", "ab"),
     ("ne1.10", "cde"), ("1e400", "d"), ("gt1e300", "d"), ("123456789.123456789", "e")],
)  # fmt: skip
def test_the_digits_of_a_search_say_how_exact_it_is(cursor: CursorWrapper, asked: str, found: str) -> None:
    values = {"a": "1.10", "b": "1.1", "c": "1.149", "d": "1e400", "e": "123456789.123456789"}
    writes = [Write("Observation", id, json.loads(observation(text, id))) for id, text in values.items()]
    store.write(cursor, writes, now=NOW)
    assert sorted(ids(find(cursor, "Observation", ("value-quantity", asked)))) == list(found)


def test_the_span_of_a_search_has_exact_ends() -> None:
    assert number_span("1.10") == (1.095, 1.105)
    assert number_span("0.3") == (0.25, 0.35)
    for text in ("1e99999", "1" * 500, "1e99999999999999999999"):
        with pytest.raises(ValueError, match="number"):
            number_span(text)


def test_a_patch_changes_only_what_it_names() -> None:
    before = json.loads(observation("1.10"))
    after = patch.apply(
        before, json.loads(b'[{"op":"add","path":"/valueQuantity/extension","value":[2.50]}]')
    )
    assert b'"value":1.10' in json.dumps(after) and b"[2.50]" in json.dumps(after)


@pytest.mark.parametrize("text", ["1.10", "2.50", "7", "0.010", "1E-7"])
def test_a_correction_is_stored_with_the_digits_typed(text: str) -> None:
    assert json.dumps(correction._typed(Decimal("5.4"), text)).decode() == text
    leaf = next(one for one in correction.leaves(json.loads(observation("1.10"))) if "value" in one.pointer)
    assert str(leaf.value) == "1.10"


def test_a_feed_of_fhir_keeps_them() -> None:
    bundle = b'{"resourceType":"Bundle","type":"batch","entry":[{"resource":%s}]}' % observation("0.010")
    for raw in (bundle, observation("0.010")):
        (entry,) = fhir.translate(raw, SOURCE).entries
        assert shown(json.dumps(entry.resource)) == "0.010"


@pytest.mark.parametrize(
    ("kind", "sent", "kept"),
    [("NM", "5.20", "5.20"), ("NM", "+.50", "0.50"), ("NM", "7", "7"), ("SN", "^1.10", "1.10"),
     ("SN", ">^0.010", "0.010"), ("NM", "&lt;0.10", None), ("NM", "<0.10", "0.10")],
)  # fmt: skip
def test_hl7_results_keep_them(kind: str, sent: str, kept: str | None) -> None:
    segments = (
        r"MSH|^~\&|LIS|H|X|Y|20260501080000||ORU^R01|1|P|2.4",
        "PID|1||55^^^H^MR||Li^Ming",
        "OBR|1||F1|GLU^Glucose^L|||20260501080000|||||||||||||||||LAB|F",
        f"OBX|1|{kind}|GLU^Glucose^L||{sent}|mmol/L|3.90 - 6.10||||F|||20260501080000",
    )
    translation = hl7v2.translate("\r".join(segments).encode(), SOURCE)
    (found,) = (e.resource for e in translation.entries if e.resource["resourceType"] == "Observation")
    if kept is None:
        assert "valueQuantity" not in found
        return
    assert json.dumps(found["valueQuantity"]["value"]).decode() == kept
    limits: dict[str, Any] = found["referenceRange"][0]
    assert (str(limits["low"]["value"]), str(limits["high"]["value"])) == ("3.90", "6.10")


@pytest.mark.parametrize(
    ("cell", "kept"), [("1.10", "1.10"), ("1,234.50", "1234.50"), ("７.０", "7.0"), ("12", "12")]
)
def test_the_number_of_a_table_keeps_them(cell: str, kept: str) -> None:
    assert json.dumps(number(cell)).decode() == kept
    for text in ("NaN", "inf", "1e7000", "1_0", "x"):
        with pytest.raises(Untranslatable):
            number(text)
