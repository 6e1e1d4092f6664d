"""The list of portable constructs: what is refused, and that list, tests and documentation agree."""

import re
from pathlib import Path

import duckdb
import pytest

from salus.engine.constructs import CASTS, CONSTRUCTS
from salus.engine.contract import BadStatement
from salus.engine.portable import NotPortable, parsed
from salus.engine.spark_sql import translated
from salus.engine.spark_text import java_pattern
from salus.engine.types import TYPES, fields_of, spark_type
from salus.engine.typing import TYPE, Binder, annotated
from tests.engine.cases import EXPRESSIONS, STATEMENTS, visits, wards

DOCS = Path(__file__).resolve().parents[2] / "docs" / "engine.md"


@pytest.fixture(scope="module")
def binder() -> Binder:
    """The tables of the cases, declared with DuckDB's types."""
    one = Binder()
    for name, table in (("t", visits()), ("w", wards())):
        rows = duckdb.from_arrow(table)
        one.declare(name, {column: str(type) for column, type in zip(rows.columns, rows.types, strict=True)})
    return one


def test_every_construct_is_tried_on_both_engines() -> None:
    assert {one.name for one in CONSTRUCTS} == set(EXPRESSIONS) | set(STATEMENTS)


def test_the_documentation_lists_what_the_code_lists() -> None:
    text = DOCS.read_text().replace("&#124;", "|")
    rows = re.findall(r"^\| ([A-Z][\w ]+) \| (?:`|<code>)(.+?)(?:`|</code>) \| (.*?) ?\|$", text, re.M)
    assert [(one.group, one.name, one.note) for one in CONSTRUCTS] == rows
    assert all(f"- {cast}\n" in text for cast in CASTS)
    assert all(type in text.replace("\n", " ") for type in TYPES)


@pytest.mark.parametrize(
    ("sql", "construct", "instead"),
    [
        ("select arg_max(s, i) from t", "arg_max", "row_number"),
        ("select * from t asof join w on t.g = w.g and t.i >= w.beds", "asof join", "row_number"),
        ("select * from t pivot (sum(i) for g in ('east'))", "pivot", "filter"),
        ("select * from t limit 3", "limit without order by", "order by"),
        ("select lower(s) from t", "lower", "read"),
        ("select list(i) from t", "list without order by", "order by"),
        ("select list(i order by day) from t", "list that leaves ties", "order by"),
        ("select s::integer from t", "a cast from varchar to integer", "read"),
        ("select f::varchar from t", "a cast from double to varchar", "read"),
        ("select round(f, 2) from t", "round of a double to decimal places", "decimal"),
        ("select quantile_cont(d, 0.5) from t", "decimal where integer or double is portable", "Cast"),
        ("select now()", "now", "parameter"),
        ("select current_date", "current date", "parameter"),
        ("select random()", "random", "seed"),
        ("select distinct on (g) * from t order by g", "distinct on", "qualify"),
        ("with recursive a as (select 1 as n union all select n + 1 from a where n < 3) select * from a",
         "recursive with", "loop"),
        ("select * from 'x.parquet'", "", ""),
        ("select * from read_parquet('x')", "a table function", ""),
        ("select s ilike 'a' from t", "ilike", "like"),
        ("select regexp_matches(s, '\\bx') from t", "'\\\\bx' in a pattern", "docs"),
        ("select regexp_matches(s, '(?i)x') from t", "'(?i)x' in a pattern", "docs"),
        ("select substring(s, -2) from t", "the start of substring that is no constant from 1", "number"),
        ("select i + s from t", "", ""),
        ("select i in (select beds from w) as x from t", "in (select …) as a value", "exists"),
        ("select sum(i) over (order by day range between 3 preceding and current row) from t", "", ""),
        ("select row_number() over () from t", "row_number without order by", "ties"),
        ("select any_value(s) from t", "any_value", "min"),
        ("select i from t union by name select beds from w", "", ""),
        ("select * from t using sample 3", "", ""),
        ("select * from t positional join w", "positional join", ""),
        ("select * from t order by all", "", ""),
        ("select strftime(day, '%A') from t", "%A in strftime", "%Y"),
        ("select epoch(m) from t", "", ""),
        ("select date_diff('week', m, m2) from t", "date_diff in weeks of moments", "dates"),
        ("select hash(s) from t", "hash", ""),
        ("select {'a': 1} = st from t", "", ""),
    ],
)  # fmt: skip
def test_what_differs_is_refused_by_name(binder: Binder, sql: str, construct: str, instead: str) -> None:
    with pytest.raises(BadStatement) as caught:
        translated(sql, binder, where="step s")
    if construct:
        assert isinstance(caught.value, NotPortable), caught.value
        assert caught.value.construct == construct
        assert caught.value.where.startswith("step s")
        assert instead in caught.value.fix


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "select 1; select 2",
        "drop table t",
        "insert into t values (1)",
        "selec 1",
        "select (",
        "copy t to 'x'",
    ],
)
def test_only_one_select_is_taken(sql: str) -> None:
    with pytest.raises(BadStatement):
        parsed(sql)


def test_types_are_those_of_duckdb(binder: Binder) -> None:
    """The types found part by part are those that DuckDB gives the whole."""
    for group in (*EXPRESSIONS.values(),):
        for expression in group:
            if "$" in expression:
                continue
            sql = f"select {expression} as x from t"
            typed = annotated(parsed(sql), binder, {})
            found = typed.selects[0].unalias().meta.get(TYPE)
            assert found == binder.columns(sql)["x"] or found == '"NULL"', expression


def test_names_of_types() -> None:
    assert spark_type("DECIMAL(12,2)[]") == "ARRAY<DECIMAL(12,2)>"
    assert spark_type('STRUCT(a BIGINT, "b c" VARCHAR[])') == "STRUCT<`a`: BIGINT, `b c`: ARRAY<STRING>>"
    assert fields_of('STRUCT("x, y" DECIMAL(4,1), z STRUCT(a DATE))') == [
        ("x, y", "DECIMAL(4,1)"),
        ("z", "STRUCT(a DATE)"),
    ]
    for other in ("UUID", "BLOB", "TIME", "MAP(VARCHAR, BIGINT)", "UTINYINT"):
        with pytest.raises(BadStatement):
            spark_type(other)


def test_patterns() -> None:
    assert java_pattern(r"^a.b$") == r"^a[^\n]b\z"
    assert java_pattern(r"[^\d-]+?(?:x|y){2,3}\.") == r"[^\d-]+?(?:x|y){2,3}\."
    for other in (r"\w", r"\s", r"a++", r"(?=x)", r"(?P<n>x)", r"[[:alpha:]]", r"\p{L}", "[a&&b]", "("):
        with pytest.raises(NotPortable):
            java_pattern(other)
