# ruff: noqa: E501
"""The edges of values: text of any script, doubles that are no number, names that need quotes."""

import pyarrow as pa

from tests.engine.parity import Both, both, on_spark

__all__ = ["both"]
pytestmark = on_spark

TEXTS = [
    "\tx\n",
    "\u3000全\u3000",
    " \u00a0x ",
    "e\u0301",
    "👨‍👩‍👧",
    "ß",
    "\\d",
    "a\u2028b",
    "{0}",
    "}",
    "x\x01",
    "  ",
    "a`b",
    "é",
    "e",
    "É",
    "z",
    "Z",
    "𝒳",
    "\uffee",
    "\U0001f600",
]
DOUBLES = [
    0.0,
    -0.0,
    float("nan"),
    float("inf"),
    -float("inf"),
    1e-320,
    5e-324,
    1.7976931348623157e308,
    0.1,
    None,
    2.5,
    -2.5,
    1e15 + 0.5,
    4503599627370497.5,
    9007199254740993.0,
    -0.5,
    0.5,
    1.5,
]
EDGES = pa.table(
    {
        "id": list(range(len(TEXTS))),
        "s": TEXTS,
        "f": [DOUBLES[i % len(DOUBLES)] for i in range(len(TEXTS))],
        "k": [i % 3 for i in range(len(TEXTS))],
        "d": pa.array([None if i % 5 == 4 else i - 7 for i in range(len(TEXTS))])
        .cast(pa.decimal128(30, 0))
        .cast(pa.decimal128(38, 4)),
        "weird name`.x": [1] * len(TEXTS),
        "order": [2] * len(TEXTS),
    }
)
STATEMENTS = [
    "select id, trim(s) a, ltrim(s) b, rtrim(s) c, length(s) d, left(s,1) e, right(s,1) f, lpad(s,4,'·') g, substring(s,2,1) h, position('x' in s) i, s||s j, md5(s) k, sha256(s) l, repeat(s,2) m, replace(s,'\\','/') n, contains(s,'{0}') o, s like '%x%' p, s like 'a_b' q, concat_ws('{', s, s) r, split_part(s,'x',1) t, starts_with(s,'\\') u from x",
    "select id, s from x order by s, id",
    "select min(s) a, max(s) b from x",
    "select id, f from x order by f, id",
    "select id, f from x order by f desc, id",
    "select f, count(*) n from x group by f",
    "select distinct f from x",
    "select count(distinct f) n from x",
    "select min(f) a, max(f) b from x",
    "select id, round(f) a, ceil(f) b, floor(f) c, abs(f) d, f*2 e, f=f g, f>0 h, sign(f) i, -f j, greatest(f, 1) k, least(f,1) l, f/0 m, f/k o from x",
    "select id, f in (1.5, 2.5) a from x",
    "select a.id, b.id as o from x a join x b on a.f=b.f",
    "select id, d*2 a, d+d b, d-1 c, round(d,2) e, d/3 g, d % 3 h, d::bigint i, abs(d) j, sum(d) over (order by id) k from x where k<3",
    "select sum(d) a, avg(d) b, max(d) c from x",
    'select "weird name`.x" as y, "order", "weird name`.x" from x',
    "select '{0}' a, '}' || s b, 'new\nline' c, '\\n' d, 'tab\t' e, 'it''s' g, '$x' h, ':p' i, '`' j from x",
    "select {'a b': 1, 'C': s} st, [s] l from x",
    "select st.\"a b\" q from (select {'a b': k} as st from x)",
    "select k, list(s order by s) l, string_agg(s, '|' order by s desc) g, list(f order by f) ff from x group by k",
    "select regexp_matches(s,'^.$') a, regexp_matches(s,'a.b') b, regexp_full_match(s,'[^x]*') c, regexp_replace(s,'[^a-z]+','$0{1}','g') d, regexp_extract(s,'[a-z](.?)',1) e from x",
    "select K, ID, S from X",
    "select t.id from x as t where T.ID > 3 order by T.id",
    "select id, case when f > 1 then 'a{' else '}b' end c from x",
    "select sum(f) a, avg(f) b from x where f < 10 and f > -10",
    "select stddev(k) a, variance(k) b from x",
    "select id, f::integer a from x where abs(f) < 100",
    "select id, try_cast(f as bigint) a, try_cast(f as smallint) b from x",
    "select id, try_cast(d as decimal(6,2)) a, d::varchar b, try_cast(d*1000 as tinyint) c from x",
    "select exp(f) a, ln(abs(f)+1) b, sqrt(abs(f)) c, power(f,2) d from x where abs(f)<1e6",
    "select count(*) n from x where s not in (select s from x where id > 3)",
    "select k, count(*) filter (where s in ('e','é')) n from x group by k having count(*) > 1",
    "select (select count(*) from x b where b.k = a.k and b.id < a.id) n, a.id from x a",
    "with a as (select k, count(*) n from x group by k), b as (select * from a where n > 1) select a.k, b.n from a left join b using (k) order by 1",
    "select a.k, sum(a.f) filter (where a.f<5 and a.f>-5) s from x a group by a.k order by s desc nulls first, a.k",
    "select id from x where id between 2 and 5 union all select k from x order by id limit 4",
    "select * from (select id, k from x order by id limit 3) order by id desc",
    "select row_number() over (partition by k order by f desc, id) r, id from x",
    "select id, sum(f) over (partition by k order by id rows between 1 preceding and 1 following) r from x where f between -100 and 100",
    "select id, count(*) over (order by k) c, max(s) over (partition by k order by id) m from x",
    "select 1 as a where 1=0",
    "select max(id) m from x where false",
    "select k from x group by k having sum(id) > 1000",
    "select date '2024-02-29' + interval 12 month a, date '2024-01-31' + k::integer b, timestamp '2024-03-31 01:02:03.000001' - interval 1 month c from x",
]


def test_edges(both: Both) -> None:
    both.register("x", EDGES)
    for sql in STATEMENTS:
        both.agree(sql)
