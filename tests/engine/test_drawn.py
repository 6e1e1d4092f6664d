# ruff: noqa: E501
"""Both engines agree on drawn tables: nulls, ties, month ends, decimals, text of any script."""

from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.engine.parity import Both, both, on_spark

__all__ = ["both"]
pytestmark = on_spark

DRAWN = settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
ends = st.sampled_from(
    [
        date(y, m, d)
        for y, m, d in ((2024, 1, 31), (2024, 2, 29), (2023, 2, 28), (2023, 12, 31), (1969, 12, 31))
    ]
)
days = st.one_of(st.none(), ends, st.dates(date(1905, 1, 1), date(2099, 12, 31)))
moments = st.one_of(st.none(), st.datetimes(datetime(1905, 1, 1), datetime(2099, 12, 31)))
letters = st.one_of(st.none(), st.sampled_from(["", "a", "A", "区", "b a"]),
                    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=6))  # fmt: skip
cents = st.one_of(st.none(), st.decimals(Decimal("-99999.99"), Decimal("99999.99"), places=2))
numbers = st.one_of(st.none(), st.integers(-3, 3), st.integers(-(2**31), 2**31 - 1))
doubles = st.one_of(st.none(), st.integers(-20, 20).map(lambda n: n / 4), st.floats(-1e6, 1e6))
rows = st.lists(
    st.tuples(letters, numbers, cents, doubles, days, days, moments, letters), min_size=40, max_size=40
)

COLUMNS = """
    round(c, 1) as a1, round(c) as a2, c::integer as a3, c * 1.5 as a4, c / 3 as a5, c % 0.7 as a6, ceil(c) as a7, floor(c) as a8,
    round(x) as b1, x::integer as b2, ceil(x) as b3, abs(x) as b4, x / n as b5, greatest(x, n, c) as b6,
    n % 7 as c1, n // 5 as c2, n::bigint * n as c3, n / 7 as c4,
    d + interval 1 month as d1, d - interval 11 month as d2, date_sub('month', d, e) as d3, date_sub('year', d, e) as d4,
    date_diff('month', d, e) as d5, date_diff('quarter', d, e) as d6, date_diff('week', d, e) as d7, last_day(d) as d8,
    week(d) as d9, dayofweek(d) as d10, isodow(d) as d11, date_trunc('week', d) as d12, date_trunc('quarter', d) as d13,
    d - e as d14, strftime(d, '%Y%m%d') as d15, dayofyear(d) as d16,
    m + interval 7 hour as e1, m - interval 1 month as e2, date_trunc('hour', m) as e3, date_trunc('month', m) as e4,
    date_diff('hour', m, timestamp '2000-01-01') as e5, date_diff('minute', timestamp '1950-02-28 23:59:59.9', m) as e6,
    date_diff('second', m, timestamp '1970-01-01') as e7, second(m) as e8, m::date as e9,
    s || t as f1, length(s) as f2, substring(s, 2, 2) as f3, lpad(s, 4, '*') as f4, sha256(s) as f5, md5(t) as f6, left(s, 2) as f7,
    right(t, 1) as f8, trim(s) as f9, position('a' in s) as f10, replace(s, 'a', '') as f11, contains(s, t) as f12, s < t as f13,
    regexp_matches(s, '^[^a-z]+$') as f14, regexp_extract(s, '.(.)', 1) as f15, split_part(s, 'a', 2) as f16, concat(s, t) as f17
"""

GROUPS = [
    "select s, count(*) as k, count(distinct d) as q, sum(n) as a, sum(c) as b, avg(c) as e, min(d) as f, max(s) as h,"
    " median(n) as i, list(c order by d, c) as j, string_agg(t, '|' order by t desc) as l, stddev(n) as o from r group by s",
    "select id, row_number() over (partition by n order by c, id) as a, rank() over (order by d desc) as b,"
    " lag(c) over (partition by s order by m, id) as e, sum(c) over (partition by s order by d, id) as f,"
    " ntile(3) over (order by x, id) as h from r",
    "select id, s from r order by s desc, id",
    "select n, d, sum(c) as c, grouping(n) as a from r group by rollup (n, d)",
    "select a.id, b.id as other from r a left join r b on a.n = b.n and a.d < b.e",
    "select d from r except select e from r",
    "select quantile_disc(n, 0.3) as a, quantile_cont(x, 0.7) as b, median(x) as c from r",
]  # fmt: skip


def _table(drawn: list[tuple]) -> pa.Table:
    types = [
        pa.string(),
        pa.int32(),
        pa.decimal128(9, 2),
        pa.float64(),
        pa.date32(),
        pa.date32(),
        pa.timestamp("us"),
        pa.string(),
    ]
    columns = {"id": pa.array(range(len(drawn)), pa.int64())}
    for name, type, values in zip("sncxdemt", types, zip(*drawn, strict=True), strict=True):
        columns[name] = pa.array(values, type)
    return pa.table(columns)


@DRAWN
@given(drawn=rows)
def test_expressions_agree(both: Both, drawn: list[tuple]) -> None:
    both.register("r", _table(drawn))
    both.agree(f"select id, {COLUMNS} from r where n is null or n <> 0")


@pytest.mark.parametrize("sql", GROUPS)
def test_groups_agree(both: Both, sql: str) -> None:
    @settings(DRAWN, max_examples=2)
    @given(drawn=rows)
    def agree(drawn: list[tuple]) -> None:
        both.register("r", _table(drawn))
        both.agree(sql)

    agree()
