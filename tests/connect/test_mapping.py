"""The mapping language of docs/connect.md."""

import re
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from salus.connect.errors import Untranslatable
from salus.connect.preparing import prepare
from salus.connect.tabular import times
from salus.connect.tabular.mapping import parse_mapping
from salus.connect.tabular.translate import row_bytes, row_digest, translate, translate_row
from salus.connect.translation import SourceProfile
from salus.kernel.errors import Invalid

DOCS = Path(__file__).resolve().parents[2] / "docs" / "connect.md"
SHANGHAI = ZoneInfo("Asia/Shanghai")
HEAD = """
[codes.sex]
values = { "1" = "male", "2" = "female" }
otherwise = "%s"
[codes.item]
system = "http://loinc.org"
values = { "GLU" = ["14749-6", "Glucose"] }
otherwise = "keep"
[constants]
mrn = "urn:mrn"
[[table]]
name = "t"
dates = ["%%d.%%m.%%Y", "%%Y%%m%%d", "%%Y%%m%%d%%H%%M"]
missing = ["NULL"]
"""


def rows(resource: str, *, otherwise: str = "error", table: str = "") -> Any:
    text = HEAD % otherwise + table + '[[table.resource]]\ntype = "Patient"\nid = "{ID}"\n' + resource
    return parse_mapping(text, "src", "utf-8", "Asia/Shanghai").tables[0]


def made(resource: str, cells: dict[str, str], **options: Any) -> dict[str, Any]:
    found = translate_row(rows(resource, **options), {"ID": "1", **cells}).entries[0].resource
    return {name: value for name, value in found.items() if name not in {"resourceType", "id"}}


@pytest.mark.parametrize(
    ("value", "cells", "expected"),
    [
        ("{A}", {"A": " x "}, "x"),
        ("{A}-{B}", {"A": "x", "B": "y"}, "x-y"),
        ("{A}-{B}", {"A": "x", "B": ""}, None),
        ("{A}-{B?}", {"A": "x", "B": ""}, "x-"),
        ("{A}", {"A": "NULL"}, None),
        ("{{{A}}}", {"A": "x"}, "{x}"),
        ("{A|number}", {"A": "1,234.50"}, 1234.5),
        ("{A|number}", {"A": "12"}, 12),
        ("{A|integer}", {"A": "12.0"}, 12),
        ("{A|boolean}", {"A": "是"}, True),
        ("{A|date}", {"A": "5.3.1980"}, "1980-03-05"),
        ("{A|date}", {"A": "19800305"}, "1980-03-05"),
        ("{A|date}", {"A": "1980-03"}, "1980-03"),
        ("{A|datetime}", {"A": "202603010830"}, "2026-03-01T08:30:00+08:00"),
        ("{A|datetime}", {"A": "2026-03-01T08:30:00Z"}, "2026-03-01T08:30:00+00:00"),
        ("{A|instant}", {"A": "20260301"}, "2026-03-01T00:00:00.000+08:00"),
        ("{A|time}", {"A": "0830"}, "08:30:00"),
        ("{A|code:sex}", {"A": "1"}, "male"),
        (
            "{A|coding:item}",
            {"A": "GLU"},
            {"system": "http://loinc.org", "code": "14749-6", "display": "Glucose"},
        ),
        ("{A|coding:item}", {"A": "ZZZ"}, {"system": "urn:salus:source:src:item", "code": "ZZZ"}),
        ("{A|display:item}", {"A": "GLU"}, "Glucose"),
        ("{A|upper}", {"A": "ab"}, "AB"),
        ("{A|digits|pad:8}", {"A": "no 123"}, "00000123"),
        ("{A|slice:6:14}", {"A": "110101199003078515"}, "19900307"),
        ("{A|split:/:1}", {"A": "120/80"}, "80"),
        ("{A|replace:-:/}", {"A": "1-2"}, "1/2"),
        ("{A|default:none}", {"A": ""}, "none"),
        ("{$mrn}:{A}", {"A": "7"}, "urn:mrn:7"),
        ("{$source}", {}, "src"),
    ],
)
def test_placeholders(value: str, cells: dict[str, str], expected: Any) -> None:
    found = made(f'[table.resource.set]\n"x" = \'{value}\'\n"y" = "always"', cells)
    assert found.get("x") == expected


@pytest.mark.parametrize(
    ("value", "cell", "code"),
    [
        ("{A|number}", "abc", "not-a-number"),
        ("{A|number}", "1e999999", "not-a-number"),
        ("{A|integer}", "1.5", "not-an-integer"),
        ("{A|date}", "31.02.2020", "not-a-date"),
        ("{A|boolean}", "perhaps", "not-a-boolean"),
        ("{A|time}", "25:00", "not-a-time"),
        ("{A|code:sex}", "9", "unknown-code"),
    ],
)
def test_a_value_that_does_not_fit_says_where(value: str, cell: str, code: str) -> None:
    with pytest.raises(Untranslatable) as fault:
        made(f'[table.resource.set]\n"x" = "{value}"', {"A": cell})
    assert fault.value.code == code
    assert fault.value.where == "A → x"


def test_constants_go_with_the_columns_beside_them() -> None:
    resource = """[table.resource.set]
"identifier[0].system" = "urn:a"
"identifier[0].value" = "{A}"
"identifier[1].system" = "urn:b"
"identifier[1].value" = "{B}"
"active" = true
"""
    assert made(resource, {"A": "", "B": "2"}) == {
        "identifier": [{"system": "urn:b", "value": "2"}],
        "active": True,
    }
    assert made(resource, {"A": "", "B": ""}) == {"active": True}


@pytest.mark.parametrize(("otherwise", "expected"), [("drop", None), ("keep", "7"), ("unknown", "unknown")])
def test_unlisted_codes(otherwise: str, expected: str | None) -> None:
    found = made('[table.resource.set]\n"x" = "{A|code:sex}"', {"A": "7"}, otherwise=otherwise)
    assert found.get("x") == expected


def test_conditions_required_columns_and_row_time() -> None:
    table = rows(
        'when = [{ column = "S", in = ["F", "C"] }, { column = "D", present = false }]\n'
        '[table.resource.set]\n"x" = "{A}"',
        table='required = ["A"]\ntime = "T"\nkey = ["ID", "A"]\n',
    )
    cells = {"ID": "1", "A": "x", "S": "F", "D": "", "T": "20260301"}
    found = translate_row(table, cells)
    assert found.control_id == "1|x"
    assert found.occurred is not None
    assert found.occurred.isoformat() == "2026-03-01T00:00:00+08:00"
    assert len(found.entries) == 1
    assert not translate_row(table, {**cells, "S": "P"}).entries
    assert not translate_row(table, {**cells, "D": "1"}).entries
    with pytest.raises(Untranslatable, match="required"):
        translate_row(table, {**cells, "A": " "})


@pytest.mark.parametrize(
    "text",
    [
        "version = ",
        "colour = 1",
        '[[table]]\nname = "t"',
        '[[table]]\nname = "t"\n[[table.resource]]\ntype = "Patient"\nid = "{A|nothing}"',
        '[[table]]\nname = "t"\n[[table.resource]]\ntype = "Patient"\nid = "{A|code:none}"',
        '[[table]]\nname = "t"\n[[table.resource]]\ntype = "Patient"\nid = "{A"',
        '[[table]]\nname = "t"\n[[table.resource]]\ntype = "Patient"\nid = "{$none}"',
        '[[table]]\nname = "t"\n[[table.resource]]\ntype = "Patient"\nid = "1"\nmethod = "merge"',
        '[[table]]\nname = "t"\n[[table.resource]]\ntype = "Patient"\nid = "1"\n'
        '[table.resource.set]\n"a-b" = "1"',
        '[[table]]\nname = "t"\n[[table.resource]]\ntype = "Patient"\nid = "1"\n'
        '[table.resource.set]\n"a" = "1"\n"a.b" = "1"',
        '[[table]]\nname = "t"\nencoding = "klingon"\n[[table.resource]]\ntype = "Patient"\nid = "1"',
        '[[table]]\nname = "t"\ntime_from_file = "("\n[[table.resource]]\ntype = "Patient"\nid = "1"',
    ],
)
def test_a_faulty_mapping_is_refused_with_words(text: str) -> None:
    with pytest.raises(Invalid) as fault:
        parse_mapping(text, "src", "utf-8", "Asia/Shanghai")
    assert fault.value.code == "mapping"


def test_the_example_of_the_documentation_works() -> None:
    blocks = re.findall(r"```toml\n(.*?)```", DOCS.read_text("utf-8"), re.S)
    text = next(block for block in blocks if "[[table]]" in block)
    mapping = parse_mapping(text, "dongcheng-lis", "utf-8", "Asia/Shanghai")
    cells = dict.fromkeys(mapping.tables[0].columns, "1") | {
        "BIRTH": "19800102",
        "SAMPLED": "2026-03-01 08:00:00",
        "SEX": "1",
        "UPDATED": "20260301",
        "ITEM": "GLU",
        "STATE": "F",
        "FLAG": "↑",
    }
    found = prepare("dongcheng-lis", translate_row(mapping.tables[0], cells))
    assert [write.type for write in found.writes] == ["Patient", "Observation"]


def test_a_kept_row_is_translated_again_under_the_present_mapping() -> None:
    tree = {
        "table": [{"name": "t", "resource": [{"type": "Patient", "id": "{ID}", "set": {"gender": "{SEX}"}}]}]
    }
    raw = row_bytes("t", {"ID": "1", "SEX": "male"}, "f.csv", 7)
    profile = SourceProfile("src", "csv", mapping=tree)
    assert translate(raw, profile).entries[0].resource["gender"] == "male"
    with pytest.raises(Untranslatable):
        translate(b'{"table":"t","cells":[1]}', profile)


def test_the_file_date_makes_equal_rows_different_statements() -> None:
    table = rows('[table.resource.set]\n"x" = "{A}"', table='time_from_file = "_(\\\\d{8})"\n')
    monday = times.aware(times.read_moment("20260302", table.dates, SHANGHAI) or "", SHANGHAI)
    assert row_digest(table, {"A": "1"}, monday) != row_digest(table, {"A": "1"}, None)


@hypothesis_settings(max_examples=60, deadline=None)
@given(cells=st.dictionaries(st.sampled_from(["ID", "A", "B"]), st.text(max_size=20), min_size=3))
def test_any_text_is_a_value_or_a_stated_fault(cells: dict[str, str]) -> None:
    table = rows(
        '[table.resource.set]\n"a" = "{A|date}"\n"b" = "{B|number}"\n"c" = "{A|split:-:1}{B|slice:1:2}"'
    )
    try:
        translate_row(table, cells)
    except Untranslatable as fault:
        assert fault.code and fault.message
