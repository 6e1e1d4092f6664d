"""Search answers as a plain loop over the resources would, in pages that stay where they are."""

import operator
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cmp_to_key
from typing import Any

import orjson
import pytest
from django.conf import settings as django_settings
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from salus.kernel.ids import uuid7
from salus.kernel.policy import Scope
from salus.record import store
from salus.record.store import SearchError, SearchQuery, Write
from salus.record.store.extract import IndexRows
from salus.record.store.extract.values import Calendar
from salus.record.store.index import extract
from salus.record.store.searching.query import split, unescape
from tests.record.store.naive import Indexed, matches, sort_value
from tests.record.store.strategies import CASES

pytestmark = pytest.mark.django_db(databases=["default"])
NOW = datetime(2026, 3, 1, tzinfo=UTC)
ALL = Scope(everything=True)
SHARED_CURSOR = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]  # each example rolls back


@pytest.fixture
def cursor() -> Iterator[CursorWrapper]:
    with transaction.atomic(), connection.cursor() as cursor:
        yield cursor


def find(cursor: CursorWrapper, type_: str, *parameters: tuple[str, str], **more: Any) -> store.Page:
    return store.search(cursor, type_, SearchQuery(parameters, **more), ALL, now=NOW)


def ids(page: store.Page) -> list[str]:
    return [one.id for one in page.resources]


def stored_and_indexed(cursor: CursorWrapper, type_: str, bodies: list[dict[str, Any]]) -> list[Indexed]:
    store.write(cursor, [Write(type_, f"r{i}", body) for i, body in enumerate(bodies)], now=NOW)
    found = []
    for i, body in enumerate(bodies):
        rows = IndexRows()
        extract(type_, body, 0, rows)
        found.append(Indexed(f"r{i}", type_, rows))
    return found


@settings(max_examples=120, deadline=None, suppress_health_check=SHARED_CURSOR)
@given(case=CASES)
def test_search_finds_what_a_plain_loop_finds(cursor: CursorWrapper, case: Any) -> None:
    type_, bodies, searches = case
    calendar = Calendar(django_settings.TIME_ZONE)
    with transaction.atomic():
        known = stored_and_indexed(cursor, type_, bodies)
        for parameters in searches:
            expected = [one.id for one in known if all(matches(one, n, v, calendar) for n, v in parameters)]
            page = find(cursor, type_, *parameters, ("_total", "accurate"))
            assert (ids(page), page.total) == (expected, len(expected)), parameters
        transaction.set_rollback(True)


SORTS = {
    "Patient": ["birthdate", "-birthdate", "family", "-name", "gender"],
    "Observation": ["date", "-date", "code", "-value-quantity", "status", "subject"],
}


@settings(max_examples=80, deadline=None, suppress_health_check=SHARED_CURSOR)
@given(case=CASES, data=st.data())
def test_pages_in_any_order_hold_everything_once(
    cursor: CursorWrapper, case: Any, data: st.DataObject
) -> None:
    type_, bodies, _ = case
    sorts = st.lists(st.sampled_from(SORTS[type_]), max_size=2, unique_by=lambda key: key.removeprefix("-"))
    keys = data.draw(sorts)

    def order(a: Indexed, b: Indexed) -> int:
        for key in keys:
            x, y = sort_value(a, key), sort_value(b, key)
            if x == y:
                continue
            if x is None or y is None:
                return 1 if x is None else -1
            return (1 if x > y else -1) * (-1 if key.startswith("-") else 1)
        return int(a.id[1:]) - int(b.id[1:])

    with transaction.atomic():
        known = stored_and_indexed(cursor, type_, bodies)
        seen: list[str] = []
        following: str | None = None
        for _ in range(len(bodies) + 1):
            asked = [("_count", "2"), ("_sort", ",".join(keys))] if keys else [("_count", "2")]
            page = find(cursor, type_, *asked, *([("_cursor", following)] if following else []))
            assert 0 < len(page.resources) <= 2
            seen += ids(page)
            following = page.next
            if following is None:
                break
        assert seen == [one.id for one in sorted(known, key=cmp_to_key(order))]
        transaction.set_rollback(True)


def put(cursor: CursorWrapper, *bodies: dict[str, Any]) -> list[store.Written]:
    return store.write(cursor, [Write(b["resourceType"], b["id"], b) for b in bodies], now=NOW)


def patient(id_: str, **elements: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": id_, **elements}


def encounter(id_: str, patient_id: str, **elements: Any) -> dict[str, Any]:
    return {
        "resourceType": "Encounter",
        "id": id_,
        "status": "finished",
        "class": {"code": "AMB"},
        "subject": {"reference": f"Patient/{patient_id}"},
        **elements,
    }


def test_a_page_stays_where_it_is_when_rows_arrive_and_go(cursor: CursorWrapper) -> None:
    put(cursor, *[patient(f"p{i}", birthDate=f"19{i:02}") for i in range(0, 60, 10)])
    first = find(cursor, "Patient", ("_sort", "birthdate"), ("_count", "3"))
    assert ids(first) == ["p0", "p10", "p20"] and first.next
    put(cursor, patient("early", birthDate="1890"), patient("next", birthDate="1925"))
    store.write(
        cursor, [Write("Patient", "p10", None, "delete"), Write("Patient", "p20", None, "delete")], now=NOW
    )
    second = find(cursor, "Patient", ("_sort", "birthdate"), ("_count", "3"), ("_cursor", first.next))
    assert ids(second) == ["next", "p30", "p40"]


def test_a_cursor_continues_only_its_own_search(cursor: CursorWrapper) -> None:
    put(cursor, patient("a"), patient("b"))
    following = find(cursor, "Patient", ("_count", "1")).next
    assert following
    for asked in [("gender", "male"), ("_sort", "gender")]:
        with pytest.raises(SearchError) as error:
            find(cursor, "Patient", asked, ("_cursor", following))
        assert error.value.code == "bad-cursor"
    for broken in ("", "x", following[:-1], following + "A"):
        if broken:
            with pytest.raises(SearchError):
                find(cursor, "Patient", ("_cursor", broken))


def test_chains_and_their_reverse(cursor: CursorWrapper) -> None:
    put(
        cursor,
        patient("a", name=[{"family": "王"}], gender="male"),
        patient("b", name=[{"family": "李"}], gender="female"),
        encounter("e1", "a"),
        encounter("e2", "b", **{"class": {"code": "IMP"}}),
    )
    assert ids(find(cursor, "Encounter", ("subject:Patient.name", "王"))) == ["e1"]
    assert ids(find(cursor, "Encounter", ("patient.gender", "female"))) == ["e2"]
    assert ids(find(cursor, "Encounter", ("patient.gender:not", "female"))) == ["e1"]
    assert ids(find(cursor, "Encounter", ("patient._id", "b"))) == ["e2"]
    assert ids(find(cursor, "Patient", ("_has:Encounter:patient:class", "IMP"))) == ["b"]
    assert ids(find(cursor, "Patient", ("_has:Encounter:subject:status", "planned"))) == []
    store.write(cursor, [Write("Encounter", "e2", None, "delete")], now=NOW)
    assert ids(find(cursor, "Patient", ("_has:Encounter:patient:class", "IMP"))) == []


def test_includes_come_beside_the_page_once_each(cursor: CursorWrapper) -> None:
    put(cursor, patient("a"), encounter("e1", "a"), encounter("e2", "a"), encounter("e3", "gone"))
    page = find(cursor, "Encounter", ("_include", "Encounter:subject"))
    assert (ids(page), [one.id for one in page.included]) == (["e1", "e2", "e3"], ["a"])
    assert find(cursor, "Encounter", ("_include", "Encounter:subject:Group")).included == []
    page = find(cursor, "Patient", ("_revinclude", "Encounter:patient"))
    assert [one.id for one in page.included] == ["e1", "e2"]
    assert len(find(cursor, "Encounter", ("_include", "Encounter:*"), ("_count", "1")).included) == 1


def organization(id_: str, name: str, part_of: str = "") -> dict[str, Any]:
    body: dict[str, Any] = {"resourceType": "Organization", "id": id_, "name": name}
    if part_of:
        body["partOf"] = {"reference": f"Organization/{part_of}"}
    return body


@pytest.fixture
def linked(cursor: CursorWrapper) -> None:
    """Two patients, each managed by a ward of another hospital; visits and their diagnoses."""
    put(cursor, organization("h1", "First"), organization("h2", "Second"))
    put(cursor, organization("w1", "Ward", "h1"), organization("w2", "Ward", "h2"))
    for name, ward in (("a", "w1"), ("b", "w2")):
        put(cursor, patient(name, gender="male", managingOrganization={"reference": f"Organization/{ward}"}))
        put(cursor, encounter(f"e{name}", name))
        body = {
            "resourceType": "Condition",
            "id": f"c{name}",
            "subject": {"reference": f"Patient/{name}"},
            "encounter": {"reference": f"Encounter/e{name}"},
            "code": {"coding": [{"code": f"D{name}"}]},
        }
        put(cursor, body)


@pytest.mark.parametrize(
    ("type_", "name", "value", "expected"),
    [
        ("Condition", "subject:Patient.organization.name", "Ward", ["ca", "cb"]),
        ("Condition", "subject:Patient.organization.partof.name", "First", ["ca"]),
        ("Condition", "patient.organization:Organization.partof:Organization.name:exact", "Second", ["cb"]),
        ("Condition", "subject.organization.partof.name", "Second", ["cb"]),
        ("Organization", "_has:Patient:organization:gender", "male", ["w1", "w2"]),
        ("Organization", "_has:Patient:organization:_has:Condition:patient:code", "Da", ["w1"]),
        ("Organization", "_has:Patient:organization:_has:Condition:patient:encounter._id", "eb", ["w2"]),
        ("Organization", "_has:Organization:partof:_has:Patient:organization:_id", "b", ["h2"]),
        ("Condition", "patient._has:Encounter:patient:_id", "eb", ["cb"]),
        ("Encounter", "_has:Condition:encounter:patient.organization.partof.name", "First", ["ea"]),
        ("Condition", "subject:Patient._id:not", "a", ["cb"]),
    ],
)
def test_chains_have_several_links(
    cursor: CursorWrapper, linked: None, type_: str, name: str, value: str, expected: list[str]
) -> None:
    assert ids(find(cursor, type_, (name, value))) == expected


def test_a_chain_ends_somewhere(cursor: CursorWrapper, linked: None) -> None:
    with pytest.raises(SearchError) as error:
        find(cursor, "Organization", (".".join(["partof"] * 5 + ["name"]), "x"))
    assert error.value.code == "bad-value"


@pytest.mark.parametrize(
    ("type_", "id_", "includes", "expected"),
    [
        ("Condition", "ca", [("_include", "*")], {"a", "ea"}),
        ("Condition", "ca", [("_include", "Condition:*")], {"a", "ea"}),
        ("Condition", "ca", [("_include", "Condition:patient"), ("_include", "Patient:organization")], {"a"}),
        ("Condition", "ca", [("_include", "Condition:patient"), ("_include:iterate", "Patient:organization")],
         {"a", "w1"}),
        ("Condition", "ca", [("_include", "Condition:patient"), ("_include:iterate", "Patient:organization"),
                             ("_include:iterate", "Organization:partof")], {"a", "w1", "h1"}),
        ("Organization", "w1", [("_include:iterate", "Organization:partof")], {"h1"}),
        ("Organization", "h1", [("_revinclude", "Organization:partof")], {"w1"}),
        ("Organization", "h1", [("_revinclude:iterate", "Organization:partof"),
                                ("_revinclude:iterate", "Patient:organization")], {"w1", "a"}),
        ("Patient", "a", [("_revinclude", "*")], {"ca", "ea"}),
        ("Patient", "a", [("_revinclude", "Condition:*")], {"ca"}),
        ("Patient", "a", [("_revinclude", "Condition:patient"), ("_include:iterate", "Condition:encounter")],
         {"ca", "ea"}),
        ("Patient", "a", [("_include:iterate", "*"), ("_revinclude:iterate", "Encounter:patient")],
         {"w1", "h1", "ea"}),
    ],
)  # fmt: skip
def test_includes_follow_what_they_include_where_asked(
    cursor: CursorWrapper,
    linked: None,
    type_: str,
    id_: str,
    includes: list[tuple[str, str]],
    expected: set[str],
) -> None:
    page = find(cursor, type_, ("_id", id_), *includes)
    assert (ids(page), {one.id for one in page.included}) == ([id_], expected)


def test_several_types_at_once(cursor: CursorWrapper, linked: None) -> None:
    types = ["Condition", "Patient", "Encounter"]
    everything = {"a", "b", "ca", "cb", "ea", "eb"}
    for sort in ((), (("_sort", "_id"),), (("_sort", "-_lastUpdated,_id"),)):
        found: list[str] = []
        after: tuple[tuple[str, str], ...] = ()
        for _ in range(4):
            query = SearchQuery((("_count", "2"), ("_total", "accurate"), *sort, *after))
            page = store.search(cursor, types, query, ALL, now=NOW)
            assert page.total == 6
            found += ids(page)
            if page.next is None:
                break
            after = (("_cursor", page.next),)
        assert len(found) == 6 and set(found) == everything
        assert not sort or found == sorted(everything)
    page = store.search(cursor, types, SearchQuery((("_id", "a,cb"),)), ALL, now=NOW)
    assert set(ids(page)) == {"a", "cb"}
    page = store.search(cursor, ["Condition", "Encounter"], SearchQuery((("patient", "b"),)), ALL, now=NOW)
    assert set(ids(page)) == {"cb", "eb"}
    with pytest.raises(SearchError):
        store.search(cursor, types, SearchQuery((("patient", "b"),)), ALL, now=NOW)


def test_sources_and_lists(cursor: CursorWrapper) -> None:
    for id_, number in (("a", 1), ("b", 2)):
        store.write(cursor, [Write("Patient", id_, {"gender": "male"}, source_id=number)], now=NOW)
    put(cursor, patient("c"))
    entry = [{"item": {"reference": f"Patient/{id}"}} for id in "ac"]
    put(cursor, {"resourceType": "List", "id": "l", "status": "current", "mode": "working", "entry": entry})
    for name, value, expected in (
        ("_source", "urn:salus:source:2", ["b"]),
        ("_source", "urn:salus:source:2,urn:salus:source:1", ["a", "b"]),
        ("_source", "urn:elsewhere", []),
        ("_source:not", "urn:salus:source:2", ["a", "c"]),
        ("_source:missing", "true", ["c"]),
        ("_list", "l", ["a", "c"]),
        ("_list", "List/l,m", ["a", "c"]),
        ("_list", "m", []),
    ):
        assert ids(find(cursor, "Patient", (name, value))) == expected, (name, value)


def test_a_page_that_is_all_there_is_says_how_many(cursor: CursorWrapper) -> None:
    put(cursor, patient("a"), patient("b"), patient("c"))
    assert find(cursor, "Patient").total == 3
    first = find(cursor, "Patient", ("_count", "2"))
    assert (first.total, first.next is None) == (None, False)
    assert find(cursor, "Patient", ("_count", "2"), ("_cursor", first.next or "")).total is None


def test_the_scope_is_part_of_every_answer(cursor: CursorWrapper) -> None:
    mine, theirs = put(cursor, patient("a", gender="male"), patient("b", gender="male"))
    put(cursor, encounter("ea", "a"), encounter("eb", "b"))
    person = uuid7()
    store.reassign(cursor, mine.rid, person)
    store.reassign(cursor, theirs.rid, uuid7())

    class Only:
        def sql(self, column: str = "person_id") -> tuple[str, list[Any]]:
            return f"{column} = %s", [person if connection.vendor == "postgresql" else person.hex]

    def seen(type_: str, *parameters: tuple[str, str]) -> store.Page:
        return store.search(
            cursor, type_, SearchQuery((*parameters, ("_total", "accurate"))), Only(), now=NOW
        )

    assert ids(seen("Patient")) == ids(seen("Patient", ("gender", "male"))) == ["a"]
    assert seen("Patient", ("gender", "male")).total == 1
    assert ids(seen("Patient", ("_id", "b"))) == []
    assert ids(seen("Encounter", ("subject:Patient.gender", "male"))) == ["ea"]
    assert ids(seen("Encounter", ("patient", "b"))) == []
    assert [one.id for one in seen("Patient", ("_revinclude", "Encounter:patient")).included] == ["ea"]
    assert [one.id for one in seen("Encounter", ("_include", "Encounter:patient")).included] == ["a"]
    query = SearchQuery((("_include", "Encounter:patient"),))
    page = store.search(cursor, "Encounter", query, lambda kind: ALL if kind == "Encounter" else Only())
    assert (len(page.resources), [one.id for one in page.included]) == (2, ["a"])


def test_last_updated_profile_and_tag(cursor: CursorWrapper) -> None:
    put(
        cursor,
        patient("a", meta={"profile": ["http://x.org/p"], "tag": [{"system": "urn:t", "code": "new"}]}),
        patient("b", meta={"security": [{"code": "R"}]}),
    )
    assert ids(find(cursor, "Patient", ("_profile", "http://x.org/p"))) == ["a"]
    assert ids(find(cursor, "Patient", ("_profile:below", "http://x.org/"))) == ["a"]
    assert ids(find(cursor, "Patient", ("_tag", "urn:t|new"))) == ["a"]
    assert ids(find(cursor, "Patient", ("_security", "R"))) == ["b"]
    assert ids(find(cursor, "Patient", ("_lastUpdated", "2026-03-01T00:00:00Z"))) == ["a", "b"]
    assert ids(find(cursor, "Patient", ("_lastUpdated", "gt2026-03"))) == []
    assert ids(find(cursor, "Patient", ("_lastUpdated", "ap2026"), ("_sort", "-_lastUpdated,-_id"))) == [
        "b",
        "a",
    ]


def test_approximately(cursor: CursorWrapper) -> None:
    put(cursor, patient("a", birthDate="1980-01-01"), patient("b", birthDate="1960-01-01"))
    assert ids(find(cursor, "Patient", ("birthdate", "ap1983"))) == ["a"]
    put(
        cursor,
        {
            "resourceType": "Observation",
            "id": "o",
            "status": "final",
            "code": {"text": "x"},
            "valueQuantity": {"value": 95},
        },
    )
    assert ids(find(cursor, "Observation", ("value-quantity", "ap100"))) == ["o"]
    assert ids(find(cursor, "Observation", ("value-quantity", "ap200"))) == []


def test_this_server_s_own_address_is_a_local_reference(cursor: CursorWrapper) -> None:
    put(cursor, encounter("e", "a"))
    asked = ("subject", "https://salus.example/fhir/Patient/a")
    assert ids(find(cursor, "Encounter", asked)) == []
    assert ids(find(cursor, "Encounter", asked, base="https://salus.example/fhir")) == ["e"]
    assert ids(find(cursor, "Encounter", ("subject:Patient", "a"))) == ["e"]
    assert ids(find(cursor, "Encounter", ("subject:Group", "a"))) == []


def test_deleted_and_not_yet_arrived_are_not_found(cursor: CursorWrapper) -> None:
    put(cursor, encounter("e", "absent"), patient("a", gender="male"))
    store.write(cursor, [Write("Patient", "a", None, "delete")], now=NOW)
    assert ids(find(cursor, "Patient")) == ids(find(cursor, "Patient", ("gender", "male"))) == []
    assert find(cursor, "Patient", ("_count", "0")).total == 0


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("nickname", "x", "unknown-parameter"),
        ("name:sounds", "x", "unknown-modifier"),
        ("gender:text", "x", "unknown-modifier"),
        ("birthdate", "yesterday", "bad-value"),
        ("birthdate", "1980-02-30", "bad-value"),
        ("birthdate:missing", "perhaps", "bad-value"),
        ("name", "", "bad-value"),
        ("name", "a,,b", "bad-value"),
        ("identifier", "a|b|c", "bad-value"),
        ("identifier", "|", "bad-value"),
        ("_count", "-1", "bad-value"),
        ("_count", "\u0663", "bad-value"),
        ("_sort", "nickname", "unknown-parameter"),
        ("_total", "some", "bad-value"),
        ("_include", "Patient", "bad-value"),
        ("_include", "Patient:nickname", "bad-value"),
        ("_revinclude", "Nobody:patient", "bad-value"),
        ("_has:Encounter:patient", "x", "unknown-parameter"),
        ("_has:Encounter:status:class", "x", "unknown-parameter"),
        ("general-practitioner.nickname", "x", "unknown-parameter"),
        ("name.family", "x", "unknown-parameter"),
        ("_text", "x", "not-served"),
        ("_content", "x", "not-served"),
        ("_filter", "name eq x", "not-served"),
        ("_query", "x", "not-served"),
        ("_contained", "true", "not-served"),
        ("_has:Encounter:patient:nickname", "x", "unknown-parameter"),
        ("_source:above", "x", "unknown-modifier"),
        ("_sort", "_source", "unknown-parameter"),
    ],
)
def test_what_is_not_understood_is_a_typed_error(
    cursor: CursorWrapper, name: str, value: str, code: str
) -> None:
    with pytest.raises(SearchError) as error:
        find(cursor, "Patient", (name, value))
    assert error.value.code == code


def test_a_lenient_search_reports_what_it_left_out(cursor: CursorWrapper) -> None:
    put(cursor, patient("a", gender="male"), patient("b"))
    page = find(cursor, "Patient", ("nickname", "x"), ("gender", "male"), ("_pretty", "true"), strict=False)
    assert (ids(page), page.ignored, page.used) == (["a"], ("nickname",), (("gender", "male"),))


def test_odd_values_are_answered(cursor: CursorWrapper) -> None:
    put(cursor, patient("a", name=[{"text": "50% off, \\ or | $1"}], identifier=[{"value": "a,b|c"}]))
    assert ids(find(cursor, "Patient", ("name", "50% off\\, \\\\ or \\| \\$1"))) == ["a"]
    assert ids(find(cursor, "Patient", ("identifier", "a\\,b\\|c"))) == ["a"]
    for value in ("'; drop table record_resource; --", "%s", "\U0010ffff", "a" * 5_000, "?"):
        assert ids(find(cursor, "Patient", ("name", value))) == []
        assert ids(find(cursor, "Patient", ("identifier", value))) == []


def test_bodies_come_as_stored(cursor: CursorWrapper) -> None:
    (written,) = put(cursor, patient("a", gender="male"))
    (found,) = find(cursor, "Patient").resources
    assert found.body == written.body and orjson.loads(found.body)["gender"] == "male"


def test_addresses_above_and_below(cursor: CursorWrapper) -> None:
    for id_, url in (
        ("a", "http://x.org/fhir"),
        ("b", "http://x.org/fhir/ValueSet/1"),
        ("c", "http://x.org/fhirs"),
    ):
        put(cursor, {"resourceType": "ValueSet", "id": id_, "url": url, "status": "active"})
    for modifier, value, expected in (
        ("", "http://x.org/fhir", ["a"]),
        (":below", "http://x.org/fhir/", ["b"]),
        (":above", "http://x.org/fhir/ValueSet/1/_history/5", ["a", "b"]),
        (":above", "http://x.org/fhirs/x", ["c"]),
        (":above", "http://x.org", []),
    ):
        assert ids(find(cursor, "ValueSet", (f"url{modifier}", value))) == expected, (modifier, value)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a,b", ["a", "b"]),
        (r"a\,b", [r"a\,b"]),
        (r"a\\,b", [r"a\\", "b"]),
        (r"a\\\,b", [r"a\\\,b"]),
        ("", [""]),
        (",", ["", ""]),
        ("a\\", ["a\\"]),
        (r"\,,\,", [r"\,", r"\,"]),
    ],
)
def test_commas_that_are_escaped_separate_nothing(text: str, parts: list[str]) -> None:
    assert split(text, ",") == parts


@given(parts=st.lists(st.text(alphabet="a,|$\\", max_size=4), min_size=1, max_size=4))
def test_what_is_escaped_comes_back(parts: list[str]) -> None:
    escaped = [re.sub(r"([,|$\\])", r"\\\1", part) for part in parts]
    assert [unescape(part) for part in split(",".join(escaped), ",")] == parts


PAIRS: list[dict[str, Any]] = [
    {"code": "8480-6", "value": 150, "unit": "mm[Hg]"},
    {"code": "8462-4", "value": 95, "unit": "mm[Hg]"},
    {"code": "8462-4", "value": 70, "unit": "kPa", "system": "urn:b"},
]


def pressure(id_: str, *parts: dict[str, Any], concept: str = "") -> dict[str, Any]:
    """Return an Observation of components, the first of them also as its own code and value."""
    made: list[dict[str, Any]] = []
    for part in parts:
        code = {"coding": [{"system": part.get("system", "http://loinc.org"), "code": part["code"]}]}
        quantity = {"value": part["value"], "code": part["unit"], "system": "http://unitsofmeasure.org"}
        made.append({"code": code, "valueQuantity": quantity})
    if concept:
        coding = {"coding": [{"system": "urn:c", "code": concept}]}
        made.append({"code": {"coding": [{"code": "pos"}]}, "valueCodeableConcept": coding})
    return {"resourceType": "Observation", "id": id_, "status": "final", **made[0], "component": made[1:]}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("code-value-quantity", "8480-6$150", ["a"]),
        ("code-value-quantity", "8480-6$gt140", ["a"]),
        ("code-value-quantity", "http://loinc.org|8480-6$gt140||mm[Hg]", ["a"]),
        ("code-value-quantity", "http://loinc.org|8480-6$gt140||kPa", []),
        ("code-value-quantity", "8462-4$gt60", ["b"]),
        ("component-code-value-quantity", "8462-4$gt90", ["a"]),
        ("component-code-value-quantity", "8462-4$gt60", ["a"]),  # 150 is the other component's
        ("component-code-value-quantity", "8462-4$gt100", []),
        ("component-code-value-quantity", "8480-6$gt60", ["b"]),
        (
            "component-code-value-quantity",
            "http://loinc.org|8480-6$150|http://unitsofmeasure.org|mm[Hg]",
            ["b"],
        ),
        ("component-code-value-quantity", "urn:b|8462-4$lt100||kPa", ["a"]),
        ("component-code-value-quantity", "|8462-4$lt100", []),
        ("component-code-value-quantity", "8462-4$lt100||kPa", ["a"]),
        ("component-code-value-quantity", "8462-4$lt100||mg", []),
        ("component-code-value-quantity", "8462-4$gt100,8480-6$150", ["b"]),
        ("combo-code-value-quantity", "8480-6$150", ["a", "b"]),
        ("combo-code-value-quantity", "8462-4$95", ["a"]),
        ("component-code-value-concept", "pos$sitting", ["a"]),
        ("component-code-value-concept", "pos$urn:c|sitting", ["a"]),
        ("component-code-value-concept", "pos$urn:d|sitting", []),
        ("component-code-value-concept", "8480-6$sitting", []),
        ("combo-code-value-concept", "|pos$sitting", ["a"]),
    ],
)
def test_values_that_belong_together(
    cursor: CursorWrapper, name: str, value: str, expected: list[str]
) -> None:
    high, low, odd = PAIRS
    put(cursor, pressure("a", high, low, odd, concept="sitting"), pressure("b", odd, high))
    assert ids(find(cursor, "Observation", (name, value))) == expected
    store.write(cursor, [Write("Observation", "a", None, "delete")], now=NOW)
    assert ids(find(cursor, "Observation", (name, value))) == [one for one in expected if one != "a"]


def test_other_pairs(cursor: CursorWrapper) -> None:
    replaced = [{"code": "replaces", "target": {"reference": "DocumentReference/old"}}]
    put(cursor, {"resourceType": "DocumentReference", "id": "d", "status": "current", "relatesTo": replaced})
    for value, expected in (
        ("replaces$DocumentReference/old", ["d"]),
        ("replaces$old", ["d"]),
        ("appends$old", []),
        ("replaces$DocumentReference/new", []),
    ):
        assert ids(find(cursor, "DocumentReference", ("relationship", value))) == expected, value
    dated = {"status": "final", "code": {"coding": [{"code": "x"}]}, "valueDateTime": "2026-03-01"}
    put(cursor, {"resourceType": "Observation", "id": "o", **dated})
    assert ids(find(cursor, "Observation", ("code-value-date", "x$ge2026-02"))) == ["o"]
    assert ids(find(cursor, "Observation", ("code-value-date", "x$lt2026-02"))) == []
    for wrong in ("x", "x$", "$1", "a$b$c", "a|b|c$1", "x$soon"):
        with pytest.raises(SearchError) as error:
            find(cursor, "Observation", ("code-value-quantity", wrong))
        assert error.value.code == "bad-value", wrong


def component() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "code": st.sampled_from(["8480-6", "8462-4"]),
            "system": st.sampled_from(["http://loinc.org", "urn:b"]),
            "value": st.sampled_from([1, 2, 3]),
            "unit": st.sampled_from(["mg", "g"]),
        }
    )


@settings(max_examples=40, deadline=None, suppress_health_check=SHARED_CURSOR)
@given(
    bodies=st.lists(st.lists(component(), min_size=1, max_size=3), min_size=1, max_size=4),
    asked=st.lists(st.tuples(component(), st.sampled_from(["", "gt", "le", "ne"])), min_size=4, max_size=6),
)
def test_pairs_are_found_as_a_plain_loop_finds_them(
    cursor: CursorWrapper, bodies: list[list[dict[str, Any]]], asked: list[tuple[dict[str, Any], str]]
) -> None:
    compare = {"": operator.eq, "gt": operator.gt, "le": operator.le, "ne": operator.ne}
    with transaction.atomic():
        put(cursor, *[pressure(f"r{n}", *parts) for n, parts in enumerate(bodies)])
        for wanted, prefix in asked:
            value = f"{wanted['system']}|{wanted['code']}${prefix}{wanted['value']}||{wanted['unit']}"

            def meets(part: dict[str, Any], wanted: dict[str, Any] = wanted, prefix: str = prefix) -> bool:
                same = all(part[name] == wanted[name] for name in ("code", "system", "unit"))
                return same and bool(compare[prefix](part["value"], wanted["value"]))

            for name, parts in (
                ("combo-code-value-quantity", slice(None)),
                ("component-code-value-quantity", slice(1, None)),
                ("code-value-quantity", slice(1)),
            ):
                expected = [f"r{n}" for n, body in enumerate(bodies) if any(meets(p) for p in body[parts])]
                assert ids(find(cursor, "Observation", (name, value))) == expected, (name, value)
        transaction.set_rollback(True)
