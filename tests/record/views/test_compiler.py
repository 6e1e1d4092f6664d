"""What the compiler promises beyond the official tests: exact digits, versions, errors, one parse."""

import json
from decimal import Context, Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from salus.record.views import ViewError, compile_view


def rows(
    view: dict[str, Any], *bodies: str | dict[str, Any], keep: tuple[str, ...] = ()
) -> list[tuple[Any, ...]]:
    """Return what a view gives over bodies, in their order."""
    texts = [one if isinstance(one, str) else json.dumps(one) for one in bodies]
    with duckdb.connect() as database:
        database.execute("create table stored (rid bigint, body varchar)")
        database.executemany("insert into stored values (?, ?)", list(enumerate(texts)))
        return database.execute(compile_view(view).sql("stored", keep)).fetchall()


def column(path: str, resource: str = "Patient", **more: Any) -> dict[str, Any]:
    """Return a view of one column `c`."""
    return {"resource": resource, "select": [{"column": [{"name": "c", "path": path, **more}]}]}


def one(path: str, body: str | dict[str, Any], **more: Any) -> Any:
    """Return the only value that a path gives over one resource."""
    kind = (json.loads(body) if isinstance(body, str) else body)["resourceType"]
    ((found,),) = rows(column(path, kind, **more), body)
    return found


def weight(written: str) -> str:
    """Return an Observation whose value is written so."""
    quantity = '{"value": ' + written + ', "unit": "kg", "code": "kg"}'
    return '{"resourceType": "Observation", "valueQuantity": ' + quantity + "}"


VALUE = "value.ofType(Quantity).value"


@pytest.mark.parametrize(
    "written", ["1.10", "0.1234567890123", "5", "-3.00", "12345678901234567890.12", "1e3"]
)
def test_decimals_keep_their_digits(written: str) -> None:
    assert one(VALUE, weight(written), type="string") == written
    assert one(f"{VALUE}.toString()", weight(written)) == written
    assert one(VALUE, weight(written)) == Decimal(written).quantize(
        Decimal("1e-12"), context=Context(prec=60)
    )


@settings(deadline=None, max_examples=40)
@given(st.decimals(min_value=-(10**15), max_value=10**15, places=6))
def test_any_decimal_comes_out_as_it_went_in(value: Decimal) -> None:
    written = f"{value:f}"
    assert one(VALUE, weight(written)) == value
    assert one(f"{VALUE} = {written.lstrip('-')}", weight(written.lstrip("-"))) is True


def test_text_that_looks_like_a_number_stays_as_it_is() -> None:
    body = json.dumps(
        {
            "resourceType": "Observation",
            "note": [{"text": '{"value": 1.50} and "value":2.50'}],
            "valueQuantity": {"value": 1.0},
        }
    )
    view = {
        "resource": "Observation",
        "select": [
            {"column": [{"name": "n", "path": "note.text"}, {"name": "v", "path": VALUE, "type": "string"}]}
        ],
    }
    assert rows(view, body) == [('{"value": 1.50} and "value":2.50', "1.0")]


@pytest.mark.parametrize(
    ("reference", "of_any", "of_patient"),
    [
        ("Patient/1", "1", "1"),
        ("Patient/1/_history/2", "1", "1"),
        ("https://a.example/fhir/Patient/1", "1", "1"),
        ("urn:uuid:0f3a", "0f3a", "0f3a"),
        ("Group/1", "1", None),
        ("https://a.example/fhir/Group/1", "1", None),
        ("#contained", None, None),
        ("PatientGroup/1", "1", None),
    ],
)
def test_reference_keys(reference: str, of_any: str | None, of_patient: str | None) -> None:
    body = {"resourceType": "Observation", "subject": {"reference": reference}}
    assert one("subject.getReferenceKey()", body) == of_any
    assert one("subject.getReferenceKey(Patient)", body) == of_patient


def test_kept_columns_stand_in_front_and_other_types_are_left_out() -> None:
    patient, group = {"resourceType": "Patient", "id": "p"}, {"resourceType": "Group", "id": "g"}
    assert rows(column("id"), group, patient, keep=("rid",)) == [(1, "p")]
    with pytest.raises(ViewError, match="kept"):
        compile_view(column("id")).sql("stored", ("C",))


def test_each_body_is_parsed_once() -> None:
    view = {
        "resource": "Patient",
        "where": [{"path": "active"}],
        "select": [
            {"column": [{"name": "id", "path": "id"}, {"name": "n", "path": "name.count()"}]},
            {"forEach": "name", "column": [{"name": "family", "path": "family"}]},
        ],
    }
    sql = compile_view(view).sql()
    assert sql.count("from_json") == 1
    with duckdb.connect() as database:
        database.execute("create table resources (body varchar)")
        ((_, plan),) = database.execute("explain " + sql).fetchall()
    assert plan.count("from_json(body") <= 1


def test_columns_say_what_comes_out() -> None:
    view = {
        "resource": "Observation",
        "select": [
            {
                "column": [
                    {"name": "id", "path": "id", "type": "id", "description": "Its id"},
                    {"name": "value", "path": VALUE},
                    {"name": "codes", "path": "code.coding.code", "collection": True},
                    {"name": "there", "path": "value.exists()"},
                    {
                        "name": "day",
                        "path": "effective.ofType(dateTime)",
                        "tag": [{"name": "ansi/type", "value": "DATE"}],
                    },
                ]
            }
        ],
    }
    found = [
        (c.name, c.fhir_type, c.sql_type, c.collection, c.description) for c in compile_view(view).columns
    ]
    assert found == [
        ("id", "id", "varchar", False, "Its id"),
        ("value", "decimal", "decimal(38,12)", False, ""),
        ("codes", "code", "varchar[]", True, ""),
        ("there", "boolean", "boolean", False, ""),
        ("day", "dateTime", "date", False, ""),
    ]


def test_elements_of_other_versions_are_read_as_they_come() -> None:
    body = {
        "resourceType": "Encounter",
        "class": [{"coding": [{"code": "AMB"}]}],
        "actualPeriod": {"start": "2026-01-01"},
        "subjectStatus": {"text": "here"},
    }
    assert one("actualPeriod.start", body) == "2026-01-01"
    assert "actualPeriod" in compile_view(column("actualPeriod.start", "Encounter")).warnings[0]
    with pytest.raises(ViewError, match="no element actualPeriod"):
        compile_view(column("actualPeriod.start", "Encounter"), strict=True)
    view = {**column("class.coding.code", "Encounter"), "fhirVersion": ["5.0.0"]}
    assert rows(view, body) == [("AMB",)]


def test_choice_elements_of_other_versions() -> None:
    body = {
        "resourceType": "Observation",
        "valueAttachment": {"url": "http://x"},
        "component": [{"valueString": "y"}],
    }
    assert one("value.ofType(Attachment).url", body) == "http://x"
    view = {
        "resource": "Observation",
        "fhirVersion": ["5.0.0"],
        "select": [
            {
                "column": [
                    {"name": "a", "path": "value.ofType(Attachment).url"},
                    {"name": "b", "path": "component.value.ofType(string)"},
                    {"name": "c", "path": "component.value.ofType(Quantity).exists()"},
                ]
            }
        ],
    }
    assert rows(view, body) == [("http://x", "y", False)]


@pytest.mark.parametrize(
    ("view", "code"),
    [
        (None, "structure"),
        ([], "structure"),
        ({"resource": "Patient"}, "structure"),
        ({"resource": "patient; drop", "select": [{}]}, "structure"),
        (column("nmae.family", "Patient") | {"resourceType": "Patient"}, "structure"),
        (column("name.given.first("), "syntax"),
        (column("nosuch()"), "unknown-function"),
        (column("first(1)"), "wrong-arguments"),
        (column("%nosuch"), "unknown-constant"),
        (column("valueQuantity.unit", "Observation"), "unknown-element"),
        (column("name.given + 1"), "wrong-type"),
        (column("birthDate < 5"), "wrong-type"),
        (column("value", "Observation"), "wrong-type"),
        (column("id", name="1; drop table x"), "structure"),
        (column("id", tag=[{"name": "ansi/type", "value": "int); drop table x"}]), "structure"),
        (column("'a'.matches('(?=a)')"), "unsupported"),
        (column("'a'.matches('(')"), "wrong-arguments"),
        (column("name.resolve()"), "unsupported"),
        (column("@2020-13-01"), "syntax"),
        (column("(" * 500 + "1" + ")" * 500), "syntax"),
    ],
)
def test_what_cannot_be_compiled_is_said(view: Any, code: str) -> None:
    with pytest.raises(ViewError) as caught:
        compile_view(view)
    assert caught.value.code == code


def test_an_error_says_where_and_what_to_do() -> None:
    with pytest.raises(ViewError) as caught:
        compile_view(column("name.famly"), strict=True)
    assert "select[0].column[0].path" in caught.value.where
    assert "family" in caught.value.fix


def test_quotes_in_a_view_stay_text() -> None:
    body = {"resourceType": "Patient", "name": [{"family": 'O\'Neil "x"'}]}
    assert one("name.where(family = 'O\\'Neil \"x\"').family", body) == 'O\'Neil "x"'
    assert one("'a\\'; drop table stored; --'", body) == "a'; drop table stored; --"


MOMENTS = st.builds(
    lambda year, month, day, hour, parts: f"{year:04}-{month:02}-{day:02}T{hour:02}:30:00Z"[
        : (4, 7, 10, 20)[parts]
    ],
    st.integers(2019, 2021),
    st.integers(1, 12),
    st.integers(1, 28),
    st.integers(0, 23),
    st.integers(0, 3),
)


@settings(deadline=None, max_examples=60)
@given(MOMENTS, MOMENTS)
@example("2019-01", "2019-02-01T00:30:00Z")
@example("2019-01-31", "2019-02-01T00:30:00Z")
def test_dates_of_different_precision_compare_only_where_they_differ(left: str, right: str) -> None:
    # What is shared decides; where one is written further than the other and they agree so far, nobody knows
    shared = min(len(left), len(right))
    a, b = left[:shared], right[:shared]
    wanted = a < b if a != b else (None if len(left) != len(right) else False)
    body = {"resourceType": "Patient", "active": True}
    assert one(f"@{left} < @{right}", body) is wanted


def test_a_repeat_that_never_ends_is_stopped() -> None:
    item: dict[str, Any] = {"linkId": "0"}
    for number in range(1, 70):
        item = {"linkId": str(number), "item": [item]}
    view = {
        "resource": "QuestionnaireResponse",
        "select": [{"repeat": ["item"], "column": [{"name": "linkId", "path": "linkId"}]}],
    }
    with pytest.raises(duckdb.InvalidInputException, match="levels deep"):
        rows(view, {"resourceType": "QuestionnaireResponse", "item": [item]})
    inner = item["item"][0]["item"][0]["item"][0]["item"][0]["item"][0]["item"][0]["item"][0]
    assert len(rows(view, {"resourceType": "QuestionnaireResponse", "item": [inner]})) == 63


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Asia/Shanghai", "UTC", "Pacific/Pago_Pago"])
def test_today_is_the_day_of_now_wherever_the_database_stands(zone: str) -> None:
    made = compile_view(column("now().toString().startsWith(today().toString())"))
    with duckdb.connect() as database:
        database.execute(f"set TimeZone = '{zone}'")
        database.execute("create table stored (body varchar)")
        database.execute("""insert into stored values ('{"resourceType": "Patient"}')""")
        assert database.execute(made.sql("stored")).fetchall() == [(True,)]
