"""Normalise a whole table at once in DuckDB: what `LinkSchema.normaliser` does a row, as one query.

Usual values are brought to their normal form in SQL. What has few distinct values (names, dates, sexes)
is normalised once a value, and unusual values go through the very functions of `normalise`, once each,
so that both ways give the same; a property test holds them together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import duckdb
import pyarrow as pa

from salus.record.identity.engine import normalise
from salus.record.identity.engine.resident_id import PROVINCES, WEIGHTS, parse
from salus.record.identity.engine.schema import CLEAN, LinkSchema

_HAN = "\\x{3400}-\\x{4DBF}\\x{4E00}-\\x{9FFF}"  # those that NFKC leaves as they are
_PRINTABLE = "[ -~]"
_DIRECT = ("phone", "identifier", "resident_id", "address")
_TEXT = "varchar"


def _quoted(words: Sequence[str]) -> str:
    return ", ".join("'" + w.replace("'", "''") + "'" for w in sorted(words))


_MISSING = _quoted(sorted(normalise.MISSING))


@dataclass(frozen=True, slots=True)
class _Usual:
    """When SQL alone can bring a value to its normal form, and how, step by step.

    Each step is an expression on `{v}`, the value as the step before left it.
    """

    when: str
    steps: tuple[str, ...]


def _on(step: str, column: str) -> str:
    return step.replace("{v}", column)


def _if_there(word: str, plain: str) -> str:
    return f"case when contains({{v}}, '{word}') then replace({{v}}, '{word}', '{plain}') else {{v}} end"


def _unless_missing(form: str) -> str:
    longest = max(len(w.encode()) for w in normalise.MISSING)
    return (
        "case when case when strlen({v}) <= "
        + str(longest + 10)
        + " then lower(trim({v})) in ("
        + _MISSING
        + ")"
        " else false end then null else " + form + " end"
    )


_KEPT = _unless_missing(
    "case when regexp_full_match({v}, '[0-9A-Z]+') then {v}"
    " else nullif(upper(regexp_replace({v}, '[^0-9A-Za-z]', '', 'g')), '') end"
)
_VARIED = "case when replace({v}, left({v}, 1), '') <> '' then {v} end"
_USUAL: dict[str, _Usual] = {
    "phone": _Usual(
        f"regexp_full_match({{v}}, '{_PRINTABLE}*')",
        (
            "regexp_replace({v}, '[^0-9]', '', 'g')",
            "case when starts_with({v}, '0086') then substr({v}, 5)"
            " when starts_with({v}, '86') and length({v}) = 13 then substr({v}, 3) else {v} end",
            "case when length({v}) >= 6 and not contains('01234567890123456789', {v})"
            " and replace(replace({v}, left({v}, 1), ''), left(replace({v}, left({v}, 1), ''), 1), '') <> ''"
            " then {v} end",
        ),
    ),
    "identifier": _Usual(f"regexp_full_match({{v}}, '{_PRINTABLE}*')", (_KEPT, _VARIED)),
    "resident_id": _Usual(
        f"regexp_full_match({{v}}, '{_PRINTABLE}*') and length({{v}}) < 15"
        " or regexp_full_match({v}, '[0-9Xx]{16,18}')",
        (_KEPT, _VARIED),
    ),
    "address": _Usual(
        f"regexp_full_match({{v}}, '[{_HAN} -~]*')",
        (
            _unless_missing(
                f"case when regexp_full_match({{v}}, '[0-9a-z_{_HAN}]+') then {{v}}"
                f" when regexp_matches({{v}}, '[{_HAN}]')"
                f" then regexp_replace(lower({{v}}), '[^0-9a-z_{_HAN}]', '', 'g')"
                " else nullif(trim(regexp_replace(lower({v}), '[^0-9a-z_]+', ' ', 'g')), '') end"
            ),
            "case when regexp_matches({v}, '[省市]|^中国|自治区') then"
            f" regexp_replace({{v}}, '{normalise.ABOVE_DISTRICT}', '')"
            " else {v} end",
            *(_if_there(w, "号") for w in ("号楼", "幢", "栋", "座", "號")),
            *(_if_there(w, "-") for w in ("单元", "門", "门")),
            "case when strlen({v}) = length({v}) then {v}"
            " when right({v}, 1) in ('室', '房', '户') then left({v}, -1) else {v} end",
            "case when starts_with({v}, '-') or ends_with({v}, '-') then trim({v}, '-') else {v} end",
            "nullif({v}, '')",
        ),
    ),
}  # fmt: skip
_DIGITS = " + ".join(f"({{v}} // {10 ** (16 - i)}) % 10 * {w}" for i, w in enumerate(WEIGHTS))
_YEAR, _MONTH, _DAY = "({v} // 10000000) % 10000", "({v} // 100000) % 100", "({v} // 1000) % 100"
_MONTH_DAYS = (
    f"case {_MONTH} when 2 then 28 + ({_YEAR} % 4 = 0 and ({_YEAR} % 100 <> 0 or {_YEAR} % 400 = 0))::int"
    " when 4 then 30 when 6 then 30 when 9 then 30 when 11 then 30 else 31 end"
)


def _strong_steps(today: date) -> tuple[str, str]:
    """Return the SQL of `resident_id.parse` for a value in capitals: its digits, then whether they hold."""
    first = (
        f"case when left({{v}}, 2) in ({_quoted(sorted(PROVINCES))})"
        " and regexp_full_match({v}, '[0-9]{17}[0-9X]') then cast(left({v}, 17) as bigint) end"
    )
    then = (
        f"case when {_MONTH} between 1 and 12 and {_DAY} between 1 and {_MONTH_DAYS}"
        f" and ({{v}} // 1000) % 100000000 between 18700101 and {today:%Y%m%d}"
        f" and substr('10X98765432', 1 + cast(({_DIGITS}) % 11 as int), 1) = right({{n}}, 1) then {{n}} end"
    )
    return first, then


class SetWise:
    """Normalises the relation `source` (its columns text) by a schema, with the tables it needs for that."""

    def __init__(
        self, con: duckdb.DuckDBPyConnection, schema: LinkSchema, source: str, *, today: date
    ) -> None:
        self._con, self._schema, self._source, self._today = con, schema, source, today
        self._joins: list[str] = []
        self._made = 0

    def query(self, *, also: Sequence[str] = ()) -> str:
        """Return the query of the normal columns, in the schema's order, after the columns `also`."""
        schema = self._schema
        kinds = {f.column: f.kind for f in schema.fields}
        forms = {"unique_id": _cast(schema.id_column), "source_system": "null::varchar"}
        if sources := schema.of("source"):
            forms["source_system"] = _cast(sources[0])
        if schema.has_name:
            forms |= self._names()
        steps: dict[str, list[str]] = {}
        for column in schema.normal_columns():
            if (kind := kinds.get(column)) in CLEAN and column not in forms:
                if kind in _DIRECT:
                    first, *steps[column] = self._direct(column, kind)
                    forms[column] = first
                else:
                    forms[column] = self._mapped(column, kind)
        names = [a.split(" as ")[-1] for a in also]
        listed = [*also, *(f'{form} as "{c}"' for c, form in forms.items())]
        query = f"select {', '.join(listed)} from {self._source} linkage_source {' '.join(self._joins)}"  # noqa: S608 - the schema's own columns
        number = next(iter(schema.of("resident_id")), None)
        columns = [*names, *(f'"{c}"' for c in forms)]
        depth = max((len(s) for s in steps.values()), default=0)
        for level in range(depth):
            now = {f'"{c}"': _on(s[level], f'"{c}"') for c, s in steps.items() if level < len(s)}
            query = (
                f"select {', '.join(f'{now[c]} as {c}' if c in now else c for c in columns)} from ({query})"  # noqa: S608
            )
        if number is None:
            query = f"select *, null::varchar as strong_id from ({query})"  # noqa: S608
        else:
            digits, valid = _strong_steps(self._today)
            held = f'"{number}"'
            query = f"select *, {_on(digits, held)} as linkage_n from ({query})"  # noqa: S608
            query = f"select *, {_on(valid, 'linkage_n').replace('{n}', held)} as strong_id from ({query})"  # noqa: S608
        ordered = ", ".join([*names, *(f'"{c}"' for c in schema.normal_columns())])
        return f"select {ordered} from ({query})"  # noqa: S608

    def _keep(self, rows: pa.Table) -> str:
        self._made += 1
        name = f"linkage_map_{self._made}"
        self._con.register("linkage_incoming", rows)
        self._con.execute(f"create or replace temp table {name} as select * from linkage_incoming")  # noqa: S608
        self._con.unregister("linkage_incoming")
        return name

    def _distinct(self, columns: Sequence[str], where: str = "true") -> list[tuple[str | None, ...]]:
        listed = ", ".join(_cast(c) for c in columns)
        return self._con.execute(
            f"select distinct {listed} from {self._source} linkage_source where {where}"  # noqa: S608
        ).fetchall()

    def _mapped(self, column: str, kind: str) -> str:
        clean = CLEAN[kind]
        values = [v for (v,) in self._distinct([column]) if v]
        name = self._keep(
            pa.table(
                {"k": pa.array(values, pa.string()), "v": pa.array([clean(v) for v in values], pa.string())}
            )
        )
        self._joins.append(f"left join {name} on {name}.k = {_cast(column)}")
        return f"{name}.v"

    def _direct(self, column: str, kind: str) -> list[str]:
        """Return the steps for a column; what is not usual is looked up at once and left by the steps."""
        raw = _cast(column)
        usual = _USUAL[kind]
        clean = self._number if kind == "resident_id" else CLEAN[kind]
        when = _on(usual.when, raw)
        values = [x for (x,) in self._distinct([column], f"not ({when})") if x]
        if not values:
            return [f"nullif({raw}, '')", *usual.steps]
        name = self._keep(
            pa.table(
                {"k": pa.array(values, pa.string()), "v": pa.array([clean(x) for x in values], pa.string())}
            )
        )
        self._joins.append(f"left join {name} on {name}.k = {raw}")
        return [
            f"case when {name}.k is not null then chr(1) || {name}.v else nullif({raw}, '') end",
            *(f"case when starts_with({{v}}, chr(1)) then {{v}} else {step} end" for step in usual.steps),
            "case when starts_with({v}, chr(1)) then substr({v}, 2) else {v} end",
        ]

    def _number(self, value: str | None) -> str | None:
        kept = normalise.identifier(value)
        valid = parse(kept, today=self._today) if kept else None
        return valid.number if valid else kept

    def _names(self) -> dict[str, str]:
        """Split each distinct name once; plain Chinese names in SQL, the rest by `normalise.name`."""
        schema = self._schema
        columns = [c[0] if (c := schema.of(k)) else None for k in ("full_name", "family_name", "given_name")]
        present = [c for c in columns if c]
        parts = ("family", "given", "family_hanzi", "given_hanzi")
        unusual = "true"
        plain = None
        if columns[0] and not columns[1] and not columns[2]:
            plain = f"regexp_full_match({_cast(columns[0])}, '[{_HAN}]{{2,8}}')"
            plain += f" and {_cast(columns[0])} not in ({_MISSING})"
            unusual = f"coalesce(not ({plain}), false)"
        rows = self._distinct(present, unusual)
        found = []
        for row in rows:
            given = dict(zip(present, row, strict=True))
            full, family, first = (given.get(c) if c else None for c in columns)
            found.append(normalise.name(full, family=family, given=first))
        keys = {f"k{i}": pa.array([r[i] or "" for r in rows], pa.string()) for i in range(len(present))}
        name = self._keep(
            pa.table(keys | {p: pa.array([getattr(n, p) for n in found], pa.string()) for p in parts})
        )
        if plain and columns[0]:
            self._plain_names(name, columns[0], plain)
        found_parts = ", ".join(f"any_value({p}) as {p}" for p in parts)
        self._con.execute(
            f"create or replace temp table {name} as select {', '.join(keys)}, {found_parts}"  # noqa: S608
            f" from {name} group by {', '.join(keys)}"
        )
        on = " and ".join(f"{name}.k{i} = coalesce({_cast(c)}, '')" for i, c in enumerate(present))
        self._joins.append(f"left join {name} on {on}")
        return {p: f"{name}.{p}" for p in parts}

    def _plain_names(self, name: str, column: str, plain: str) -> None:
        known = normalise.surname_readings()
        table = self._keep(pa.table({"s": list(known), "p": [normalise.family_pinyin(s) for s in known]}))
        self._con.execute(
            "create or replace temp table linkage_split as with whole as"  # noqa: S608
            f" (select distinct {_cast(column)} as k"
            f" from {self._source} linkage_source where {plain}),"
            " cut as (select k, case when length(k) > 2 and s.s is not null then 2 else 1 end as cut_at"
            " from whole"
            f" left join {table} s on s.s = left(k, 2)),"
            " parts as (select k, left(k, cut_at) as f, substr(k, cut_at + 1) as g from cut)"
            f" select k, case when a.s is null and b.s is not null then g else f end as f,"
            " case when a.s is null and b.s is not null then f else g end as g"
            f" from parts left join {table} a on a.s = f left join {table} b on b.s = g"
        )
        families, givens = (
            [v for (v,) in self._con.execute(f"select distinct {c} from linkage_split").fetchall()]  # noqa: S608
            for c in ("f", "g")
        )
        f = self._keep(pa.table({"k": families, "p": [normalise.family_pinyin(v) for v in families]}))
        g = self._keep(pa.table({"k": givens, "p": [normalise.given_pinyin(v) for v in givens]}))
        self._con.execute(
            f"insert into {name} select linkage_split.k, f.p, g.p, linkage_split.f, linkage_split.g"  # noqa: S608
            f" from linkage_split join {f} f on f.k = linkage_split.f join {g} g on g.k = linkage_split.g"
        )


def _cast(column: str) -> str:
    escaped = column.replace('"', '""')
    return f'cast(linkage_source."{escaped}" as {_TEXT})'
