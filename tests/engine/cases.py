# ruff: noqa: E501
# A statement a line.
"""What each portable construct is tried on: expressions over one row, and whole statements."""

from datetime import date, datetime, timedelta
from decimal import Decimal as D
from typing import Any

import pyarrow as pa

_DAYS = [
    "2024-01-31", "2024-02-29", "2023-02-28", "2024-12-31", "2025-01-01", "1969-12-31", "1970-01-01", "2024-03-31",
    "2024-04-30", "2000-02-29", "1900-03-01", "2024-12-29", "2021-01-03", "2026-01-04", "2024-07-15", "1923-05-05",
]  # fmt: skip
_TEXTS = [
    "", " ", "a", "A", "abc", "abcabc", "  padded  ", "\u3000全\u00a0\t", "天津市 南开区", "İstanbul straße", "😀 face", "a,b,,c", "x|y",
    "tab\there", "line\nbreak", "quote ' and \" and \\", "100%", "2024-05", "ünï",
]  # fmt: skip
_NUMBERS = [0, 1, -1, 2, -2, 3, 7, -7, 10, 100, -100, 2**31 - 1, -(2**31)]
_DECIMALS = ["0.00", "0.05", "-0.05", "1.25", "1.35", "2.50", "3.50", "-2.50", "999999.99", "-0.01", "10.00"]
_DOUBLES = [0.0, 0.5, 1.5, 2.5, -0.5, -2.5, 0.1, 1e10, -1e-7, 3.75, 1e300, 1234567.891, 0.49999999999999994]


def visits(rows: int = 96) -> pa.Table:
    """The table `t`: every awkward value in a column of its type, nulls at different rows of each."""

    def column(values: list[Any], every: int, step: int = 1) -> list[Any]:
        return [None if n % every == every - 1 else values[(n * step) % len(values)] for n in range(rows)]

    days = [date.fromisoformat(day) for day in _DAYS]
    moments = [
        datetime.combine(day, datetime.min.time())
        + timedelta(hours=n * 7 % 24, minutes=59, microseconds=n * 1001)
        for n, day in enumerate(days)
    ]
    return pa.table(
        {
            "id": pa.array(range(rows), pa.int64()),
            "g": pa.array(column(["east", "west", "Ost", "öst", ""], 9), pa.string()),
            "i": pa.array(column(_NUMBERS, 7, 5), pa.int32()),
            "j": pa.array(column([*_NUMBERS, 2**62, -(2**62)], 11, 4), pa.int64()),
            "k": pa.array(column([1, 2, 3], 13), pa.int16()),
            "d": pa.array([None if x is None else D(x) for x in column(_DECIMALS, 8, 3)], pa.decimal128(12, 2)),
            "e": pa.array([None if x is None else D(x) for x in column(["0.125", "7.000", "-3.333"], 10)],
                          pa.decimal128(9, 3)),
            "f": pa.array(column(_DOUBLES, 6, 5), pa.float64()),
            "h": pa.array(column(_DOUBLES, 12, 2), pa.float64()),
            "s": pa.array(column(_TEXTS, 19), pa.string()),
            "u": pa.array(column(_TEXTS, 14, 5), pa.string()),
            "day": pa.array(column(days, 17), pa.date32()),
            "day2": pa.array(column(days, 15, 3), pa.date32()),
            "m": pa.array(column(moments, 18), pa.timestamp("us")),
            "m2": pa.array(column(moments, 16, 5), pa.timestamp("us")),
            "b": pa.array(column([True, False], 5), pa.bool_()),
            "c": pa.array(column([True, False, False], 7), pa.bool_()),
            "l": pa.array(column([[3, 1, None, 2], [], [5], [None], [1, 1]], 6), pa.list_(pa.int64())),
            "st": pa.array(column([{"a": 1, "b": "x"}, {"a": None, "b": "y"}], 9),
                           pa.struct([("a", pa.int64()), ("b", pa.string())])),
        }
    )  # fmt: skip


def wards() -> pa.Table:
    """The table `w`: some of `t`'s groups, one twice, one null, one that `t` has not."""
    return pa.table(
        {
            "g": pa.array(["east", "east", "west", None, "north"], pa.string()),
            "beds": pa.array([1, 2, None, 4, 5], pa.int64()),
        }
    )


EXPRESSIONS: dict[str, list[str]] = {
    "constants": ["1", "-1", "1.50", "1e3", "'it''s \\ %'", "true", "null::integer", "12345678901", "-k", "-d", "-f"],
    "+ - *": [
        "i::bigint + j % 1000", "k + 1", "k * k", "d + e", "d - e", "d * e", "d * 3", "d + k", "k - d", "f + h", "f * 2",
        "f - d", "i::bigint * k", "day + 1", "day - 3", "day + k", "1 + day", "day - day2", "1.005 * k", "d * 0.1",
    ],
    "/": ["i / 3", "d / 3", "d / e", "f / h", "1 / k", "i / nullif(k, 2)", "k / nullif(i, 0)", "k / nullif(i, 1)", "k / 0", "-k / 0", "(k - k) / (k - k)",
          "sum(i) over () / 7"],
    "//": ["i // 3", "j // 7", "i // -2", "k // 2", "(-7) // 2"],
    "%": ["i % 3", "j % -7", "d % 0.3", "(-7) % 2", "k % 2"],
    "= <> < <= > >=": ["i = k", "i <> k", "d < e", "f <= d", "s > u", "day >= day2", "m < m2", "b = c", "i = d",
                       "day < m", "k > 1.5", "st.a = 1"],
    "is distinct from": ["i is distinct from k", "g is not distinct from s", "d is distinct from null"],
    "and or not": ["b and c", "b or c", "not b", "(b and not c) or c is null"],
    "is null": ["s is null", "day is not null", "l is null"],
    "in, exists": ["i in (1, 2, null)", "g in ('east', 'west')", "i not in (1, 2)", "i not in (1, null)", "d in (1.25, 2)",
                   "exists (select 1 from w where w.g = t.g)", "not exists (select 1 from w where w.g = t.g and beds > 1)"],
    "between": ["i between -2 and 7", "day between date '2024-01-01' and day2", "s not between 'a' and 'b'"],
    "like": ["s like 'a%'", "s like '%b_'", "s not like '%区'", "s like '100%'"],
    "||": ["s || u", "g || '-' || s", "s || null"],
    "case, if": ["case when b then i when c then k else d end", "case i when 1 then 'one' when 2 then 'two' end",
                 "if(b, f, d)", "case when i > 0 then day end", "if(c, 'yes', null)"],
    "coalesce": ["coalesce(i, k, 0)", "coalesce(s, u, '-')", "coalesce(d, e)", "coalesce(day, day2)"],
    "nullif": ["nullif(i, 1)", "nullif(s, '')", "nullif(d, 2.5)"],
    "cast, try_cast": [
        "d::integer", "e::bigint", "k::double",
        "try_cast(f as integer)", "try_cast(j as integer)", "try_cast(i as smallint)",
        "try_cast(d as tinyint)", "d::double", "i::decimal(14,4)", "d::decimal(12,1)", "e::decimal(9,1)", "d::varchar",
        "i::varchar", "b::varchar", "day::varchar", "day::timestamp", "m::date", "b::integer", "'2024-02-29'::date",
        "timestamp '2024-02-29 12:00:00.5'", "date '2024-01-01'", "s::varchar", "try_cast(d * 1000 as smallint)",
        "e::decimal(6,2)", "k::bigint", "try_cast(d as decimal(3,2))", "0.0000001::decimal(9,7)::varchar",
    ],
    "abs": ["abs(i::bigint)", "abs(d)", "abs(f)"],
    "ceil, floor": ["ceil(d)", "floor(d)", "ceil(f)", "floor(f)", "ceil(e)", "floor(-e)"],
    "round": ["round(d)", "round(d, 1)", "round(e, 2)", "round(f)", "round(d, 5)", "round(i / 4)", "round(d * e, 2)"],
    "sign": ["sign(i)", "sign(d)", "sign(f)"],
    "sqrt, exp, ln, power": ["sqrt(abs(f))", "exp(k)", "ln(k)", "power(k, 2)", "k ^ 0.5", "exp(e)", "ln(abs(d) + 1)"],
    "greatest, least": ["greatest(i, k)", "least(d, e, 1)", "greatest(s, u)", "greatest(day, day2)", "least(f, h)",
                        "greatest(i, null)"],
    "length": ["length(s)", "length(g)"],
    "trim, ltrim, rtrim": ["trim(s)", "ltrim(s)", "rtrim(s)"],
    "substring": ["substring(s, 1, 2)", "substring(s, 3)", "substring(s, 2, 0)", "substr(s, 40, 2)"],
    "left, right": ["left(s, 2)", "right(s, 2)", "left(s, 0)", "right(s, 0)", "right(s, 100)"],
    "position": ["position('b' in s)", "strpos(s, u)", "position('' in s)", "position('区' in s)"],
    "replace": ["replace(s, 'a', 'xx')", "replace(s, '\\', '/')", "replace(s, ' ', '')"],
    "concat, concat_ws": ["concat(s, u)", "concat(g, '-', s)", "concat_ws(',', s, u, g)"],
    "lpad, rpad": ["lpad(s, 5, '0')", "rpad(s, 5, 'xy')", "lpad(s, 0, '0')", "lpad(k::varchar, 3, '0')"],
    "starts_with, ends_with, contains": ["starts_with(s, 'a')", "ends_with(s, 'c')", "contains(s, '%')", "contains(s, u)",
                                         "starts_with(s, '')"],
    "split_part": ["split_part(s, ',', 1)", "split_part(s, ',', 3)", "split_part(s, ',', 9)", "split_part(s, '|', 2)"],
    "string_split": ["string_split(s, ',')", "string_split(s, '|')", "string_split(s, 'abc')", "string_split(s, ' ')"],
    "repeat": ["repeat(s, 2)", "repeat(s, 0)"],
    "regexp_matches, regexp_full_match": [
        r"regexp_matches(s, '^a.c')", r"regexp_matches(s, '\d+-\d+')", r"regexp_full_match(s, '[a-z]*')",
        r"regexp_matches(s, 'break$')", r"regexp_matches(s, 'line.break')", r"regexp_full_match(s, '\d{4}-\d{2}')",
        r"regexp_matches(s, '(abc){2}')", r"regexp_matches(s, '[^a-z ]')", r"regexp_matches(s, '\\')", r"regexp_matches(s, '天|市')",
        r"regexp_full_match(s, '.*\.?.*')", r"regexp_matches(s, '^$')",
    ],
    "regexp_extract": [r"regexp_extract(s, '(\d+)-(\d+)', 2)", r"regexp_extract(s, '[a-c]+')", r"regexp_extract(s, '(a)|(b)', 2)",
                       r"regexp_extract(s, 'a.*?c', 0)"],
    "regexp_replace": [r"regexp_replace(s, '[a-c]+', '<$1>', 'g')", r"regexp_replace(s, '\d', '', 'g')",
                       r"regexp_replace(s, ' +', ' ', 'g')"],
    "sha256, md5": ["sha256(s)", "md5(s)", "sha256(g || 'salt')"],
    "interval": ["day + interval 1 month", "day - interval 1 month", "day + interval 1 year", "m + interval 3 hour",
                 "m - interval 1 quarter", "m + interval 2 week", "day + interval 13 month", "m - interval 90 minute",
                 "m + interval 1 second", "day - interval 4 year", "day + interval 10 day"],
    "year, quarter, month, day": ["year(day)", "quarter(day)", "month(m)", "day(m)"],
    "week, dayofweek, isodow, dayofyear": ["week(day)", "dayofweek(day)", "isodow(day)", "dayofyear(m)", "weekofyear(m)"],
    "hour, minute, second": ["hour(m)", "minute(m)", "second(m)"],
    "extract": ["extract(year from day)", "extract(dow from m)", "extract(week from day)", "extract(hour from m)",
                "extract(isodow from day)", "extract(doy from day)"],
    "date_trunc": ["date_trunc('year', day)", "date_trunc('quarter', m)", "date_trunc('month', day)", "date_trunc('week', day)",
                   "date_trunc('day', m)", "date_trunc('hour', m)", "date_trunc('minute', m)", "date_trunc('month', day)::date"],
    "date_diff": [f"date_diff('{u}', {a}, {b})" for u in ("year", "quarter", "month", "day") for a, b in (("day", "day2"), ("m", "m2"))]
                 + [f"date_diff('{u}', m, m2)" for u in ("hour", "minute", "second")] + ["date_diff('week', day, day2)", "date_diff('day', day, m)", "datediff('month', day2, day)"],
    "date_sub": [f"date_sub('{u}', day, day2)" for u in ("year", "quarter", "month", "week", "day")]
                + ["date_sub('year', day, date '2025-02-28')", "date_sub('month', date '2024-01-31', day)"],
    "last_day": ["last_day(day)", "last_day(m)"],
    "make_date": ["make_date(2024, month(day), 1)", "make_date(year(day), 1, k)"],
    "strftime": ["strftime(day, '%Y-%m')", "strftime(m, '%Y%m%d %H:%M:%S')", "strftime(day, '%Y年%m月')", "strftime(day, 'W%d')"],
    "list value": ["[i, k, null]", "[s, 'x']", "list_value(1, 2)"],
    "list[n]": ["l[1]", "l[3]", "l[9]", "[i, k][2]"],
    "len": ["len(l)", "array_length(l)"],
    "list_contains": ["list_contains(l, 1)", "list_contains(l, 9)", "list_contains(l, null)", "list_contains(l, k)"],
    "struct value": ["{'a': i, 'b': s}", "struct_pack(x := d, y := [1, 2])"],
    "struct.field": ["st.a", "st.b", "st.a + 1"],
    "parameter $name": ["$whole + k", "$words || s", "$day > day", "$money * d", "$moment < m", "$share * f", "$yes and b",
                        "$nothing"],
}  # fmt: skip

_OVER = "over (partition by g order by i, id)"

STATEMENTS: dict[str, list[str]] = {
    "select": ["select * from t", "from t", "select 1 as one", "select id as a, a + 1 as b from t"],
    "select distinct": ["select distinct g, b from t", "select distinct s from t order by s desc"],
    "with": ["with a as (select i, k from t), b(x) as (select i from a) select x, count(*) as n from b group by x"],
    "subquery": ["select * from (select g, max(i) as top from t group by g) where top > 1",
                 "select id, (select max(beds) from w) as most, (select sum(beds) from w where w.g = t.g) as beds from t"],
    "table, alias, star": ["select * exclude (l, st) from t", "select * replace (k + 1 as i) from t as x", "select x.id, x.g as \"Group\" from t x"],
    "join": ["select t.id, w.beds from t join w on t.g = w.g", "select t.id, w.beds from t left join w on t.g = w.g and w.beds > 1",
             "select t.id, w.beds from t right join w on t.g = w.g", "select t.id, w.beds from t full join w on t.g = w.g",
             "select t.id, w.beds from t cross join w", "select id, g, beds from t join w using (g)", "select id, g, beds from t full join w using (g)",
             "select id from t semi join w on t.g = w.g", "select id from t anti join w on t.g = w.g", "select t.id, w.beds from t, w where t.g = w.g",
             "select id, g, beds from t left join w using (g)", "select a.id, b.id as other from t a join t b on a.day = b.day2 and a.id < b.id"],
    "values": ["select * from (values (1, 'a'), (2, null)) as v(n, s)", "select t.id, v.n from t join (values ('east', 1), ('west', 2)) as v(g, n) on v.g = t.g"],
    "where, having": ["select id from t where b and i > 0", "select g, count(*) as n from t where c group by g having count(*) > 2", "select id as x from t where x > 3",
                      "select id from t where g in (select g from w)", "select id from t where b and (c or g in (select g from w))", "select id from t where g not in (select g from w)",
                      "select id from t where b and g not in (select g from w where g is not null)"],
    "group by": ["select g, b, count(*) as n from t group by all", "select year(day) as y, count(*) as n from t group by y", "select g, sum(i) as n from t group by 1",
                 "select g, b, count(*) as n from t group by grouping sets ((g, b), (g), ())", "select g, b, sum(d) as n from t group by rollup (g, b)",
                 "select g, b, sum(k) as n from t group by cube (g, b)", "select g || '!' as x, max(s) as m from t group by g || '!'",
                 "select count(*) as n, sum(i) as s, max(day) as m, avg(f) as a from t where 1 = 2", "select g, count(*) as n from t where 1 = 2 group by g"],
    "qualify": ["select id, g from t qualify row_number() over (partition by g order by i desc, id) = 1",
                "select id, sum(i) over (partition by g) as total from t where b qualify total > 10"],
    "order by, limit, offset": ["select id, i, s from t order by i, id", "select id, i from t order by i desc, id desc", "select id, s from t order by s, id",
                                "select id, day from t order by day nulls first, id limit 7", "select id, f from t order by f desc nulls last, id limit 5 offset 3",
                                "select id, d as x from t order by x desc nulls first, id", "select g, count(*) as n from t group by g order by n desc, g", "select id, u from t order by u desc, id"],
    "union, except, intersect": ["select i from t union select k from t", "select i from t union all select j from t", "select d from t union all select i from t",
                                 "select g from t except select g from w", "select g from t except all select g from w", "select g from t intersect select g from w",
                                 "select g from t intersect all select g from w", "select id as x from t union all select beds from w order by x",
                                 "select g, null as n from t union all select g, beds from w"],
    "unnest": ["select id, unnest(l) as x from t", "select t.id, e.x from t, unnest(t.l) as e(x)", "select t.id, x from t cross join unnest(string_split(s, ',')) as e(x)",
               "select unnest([1, 2, null]) as x", "select id, unnest(range(0, k)) as n from t"],
    "range": ["select unnest(range(1, 4)) as n", "select id, len(range(i // 1000000, k)) as n from t where abs(i::bigint) < 1000", "select day + n::integer as on_day from (select day, unnest(range(0, 3)) as n from t)"],
    "count": ["select g, count(*) as a, count(i) as b, count(distinct k) as c, count(distinct s) as d from t group by g", "select count(distinct day) as n, count(distinct d) as m from t"],
    "sum, avg": ["select g, sum(i) as a, sum(j) as b, sum(d) as c, sum(k) as e, avg(i) as h, avg(d) as x, avg(k) as y from t group by g",
                 "select sum(k / 4) as s, avg(k / 4) as a from t", "select sum(d * e) as s, sum(d) / count(*) as a from t", "select sum(case when b then 1 else 0 end) as n from t",
                 "select sum(n) as n from (select g, sum(i) as n from t group by g)"],
    "min, max": ["select g, min(i) as a, max(s) as b, min(day) as c, max(m) as d, min(f) as e, max(d) as h, min(b) as x from t group by g", "select min(u) as a, max(u) as b from t"],
    "bool_and, bool_or": ["select g, bool_and(b) as a, bool_or(c) as o from t group by g", "select bool_and(b) as a from t where 1 = 2"],
    "stddev, stddev_pop, variance, var_pop": ["select g, stddev(k) as a, stddev_pop(d) as b, variance(e) as c, var_pop(k) as d, stddev_samp(d) as x, var_samp(e) as y from t group by g",
                                              "select stddev(k) as a, variance(k) as b, stddev_pop(k) as c from t where id = 1", "select stddev(k) as a from t where id < 0"],
    "median, quantile_cont, quantile_disc": ["select g, median(i) as m, quantile_cont(k, 0.9) as q, quantile_disc(i, 0.5) as x, quantile_disc(k, 0.25) as y from t group by g", "select quantile_cont(h, 0.1) as a, median(f) as m, quantile_disc(f, 0.9) as z from t where abs(f) < 1e6",
                                             "select quantile_cont(i, 0) as a, quantile_cont(i, 1) as b, median(i) as c from t where id < 0", "select quantile_disc(id, 0.1) as a, quantile_disc(id, 0.333) as b, quantile_disc(id, 1) as c from t where id < 10"],
    "list": ["select g, list(i order by i) as a, list(s order by s desc) as b, list(k order by day, k) as c from t group by g", "select list(i order by i) as a from t where 1 = 2", "select g, list(d order by d) filter (where b) as a from t group by g",
             "select g, len(list(f order by id, f)) as n, list(day order by day)[1] as first_day from t group by g"],
    "string_agg": ["select g, string_agg(s, ',' order by s) as a, string_agg(u, '' order by id desc, u desc) as b from t group by g", "select string_agg(s, '|' order by s) as a from t where s is null"],
    "grouping": ["select g, b, grouping(g) as x, grouping(b) as y, count(*) as n from t group by rollup (g, b)"],
    "filter (where …)": ["select g, count(*) filter (where b) as a, sum(i) filter (where i > 0) as s, max(day) filter (where c) as m, avg(d) filter (where false) as e from t group by g"],
    "over": [f"select id, sum(i) {_OVER} as a, count(*) over (partition by g) as n, avg(d) over () as m, max(s) {_OVER} as x from t",
             "select id, sum(d) over (partition by g order by id rows between 2 preceding and current row) as a, min(i) over (order by id rows between unbounded preceding and 1 following) as b from t",
             "select id, sum(k) over (order by day) as a from t", "select id, sum(i) over w as a, row_number() over w as n from t window w as (partition by g order by id)",
             "select g, sum(count(*)) over (order by g) as running from t group by g", "select id, count(i) over (partition by g order by id rows between 1 following and 3 following) as n from t",
             "select id, sum(i) filter (where b) over (partition by g) as n from t"],
    "row_number, rank, dense_rank, ntile": [f"select id, row_number() {_OVER} as a, rank() over (order by i) as b, dense_rank() over (order by s desc) as c, ntile(4) over (order by id) as n from t"],
    "percent_rank, cume_dist": ["select id, percent_rank() over (partition by g order by i) as a, cume_dist() over (order by day desc) as b from t"],
    "lag, lead": [f"select id, lag(i) {_OVER} as a, lead(s, 2) {_OVER} as b, lag(d, 1, 0) {_OVER} as c, lead(day, 1, date '2000-01-01') {_OVER} as x from t"],
    "first_value, last_value": [f"select id, first_value(s) {_OVER} as a, last_value(i) {_OVER} as b, last_value(k) over (partition by g order by id rows between unbounded preceding and unbounded following) as c from t"],
}  # fmt: skip

PARAMETERS = {
    "whole": 3,
    "words": "it's \\ $1",
    "day": date(2024, 2, 29),
    "money": D("12.50"),
    "moment": datetime(2024, 2, 29, 23, 59, 59, 999999),
    "share": 0.1,
    "yes": True,
}
