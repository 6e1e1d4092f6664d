"""Spark's SQL: arrays with lambdas, structs, and `from_json` with the pruned structure.

What it has covers the official tests and every table of the library; an operation outside is refused by
name when the view is compiled for Spark, never answered otherwise than DuckDB would.
"""

# ruff: noqa: D102 - each method is the SQL of the operation that it is named after

import re
from collections.abc import Callable

from salus.record.views.errors import ViewError
from salus.record.views.ir import LOOP_LEVELS, Op
from salus.record.views.plan import Explode, Output
from salus.record.views.shape import Shape
from salus.record.views.sql.spark_dates import SparkDateOperations

DECIMAL = "decimal(38,12)"
WIDE = "decimal(38,9)"
Args = list[str]
_LEAVES = {"text": "string", "boolean": "boolean", "integer": "bigint", "json": "string"}
_SIMPLE = re.compile(r"`?[A-Za-z_][A-Za-z0-9_]*`?|\d+|null|true|false")
_TYPES = {
    "varchar": "string",
    "text": "string",
    "string": "string",
    "int": "int",
    "integer": "int",
    "bigint": "bigint",
    "smallint": "smallint",
    "tinyint": "tinyint",
    "boolean": "boolean",
    "real": "float",
    "float": "float",
    "double": "double",
    "double precision": "double",
    "date": "date",
    "timestamp": "timestamp_ntz",
    "timestamp with time zone": "timestamp",
}
# Operations whose words in DuckDB are Spark's too
_SHARED = frozenset(
    "true false present any_present true_if_present is_true not and or xor implies if coalesce compact"
    " eq lt le gt ge equivalent_or_empty text_concat integer_plus integer_minus integer_times decimal_plus"
    " decimal_minus decimal_times to_decimal negative datetime_compare datetime_equal datetime_equivalent"
    " time_compare time_equal time_equivalent time_boundary length to_integer".split()
)


def structure(shape: Shape) -> str:
    """Return a shape as the type that Spark's `from_json` takes."""
    if shape.leaf == "decimal":
        inner = "string" if shape.digits else DECIMAL
    elif shape.leaf:
        inner = _LEAVES[shape.leaf]
    elif shape.whole or not shape.children:
        inner = "string"  # the JSON as it is written
    else:
        inner = properties(shape)
    return f"array<{inner}>" if shape.many else inner


def properties(shape: Shape) -> str:
    """Return the type of an object's properties."""
    return "struct<" + ", ".join(f"`{name}`: {structure(one)}" for name, one in shape.children.items()) + ">"


class SparkEmitter(SparkDateOperations):
    """Writes Spark SQL."""

    def operation(self, ir: Op) -> str:
        """Return an operation's SQL; refuses one that is DuckDB's alone."""
        own = any(f"op_{ir.name}" in vars(kind) for kind in (SparkEmitter, SparkDateOperations))
        if not own and ir.name not in _SHARED:
            raise ViewError(
                "unsupported",
                f"{ir.name.replace('_', ' ')} is not supported on Spark",
                fix="Run the view on DuckDB.",
            )
        return super().operation(ir)

    def quote(self, name: str) -> str:
        return "`" + name.replace("`", "``") + "`"

    def literal(self, value: str) -> str:
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"

    def constant(self, kind: str, value: str) -> str:
        match kind:
            case "null" | "boolean":
                return value if kind == "boolean" else "null"
            case "integer":
                return f"cast({value} as bigint)"
            case "decimal":
                return f"cast({self.literal(value)} as {DECIMAL})"
        return self.literal(value)

    def transform(self, items: str, var: str, body: str, index: str = "") -> str:
        return f"transform({items}, {f'({var}, {index})' if index else var} -> {body})"

    def filter(self, items: str, var: str, condition: str, index: str = "") -> str:
        return f"filter({items}, {f'({var}, {index})' if index else var} -> {condition})"

    def flatten(self, items: str) -> str:
        # Spark's flatten is null if one of the lists is
        x = self.fresh()
        return f"flatten(filter({items}, {x} -> {x} is not null))"

    def bind(self, value: str, body: Callable[[str], str]) -> str:
        if _SIMPLE.fullmatch(value) or re.fullmatch(r"'[^']*'|cast\('?[^']*'? as [^)]*\)\)?", value):
            return body(value)
        var = self.fresh()
        return f"get(transform(array({value}), {var} -> {body(var)}), 0)"

    def let(self, value: str, var: str, body: str) -> str:
        return f"get(transform(array({value}), {var} -> {body}), 0)"

    def field(self, base: str, name: str) -> str:
        return f"{base}.{self.quote(name)}"

    def number(self, text: str) -> str:
        return f"try_cast({text} as {DECIMAL})"

    def parse(self, json_text: str, shape: Shape) -> str:
        if not shape.children:
            return json_text
        inner = self.literal(properties(shape))
        if shape.many:
            x = self.fresh()
            return f"transform({json_text}, {x} -> from_json({x}, {inner}))"
        return f"from_json({json_text}, {inner})"

    def whole(self, json_text: str, shape: Shape) -> str:
        def one(value: str) -> str:
            if not shape.children:
                return f"(case when {value} is not null then named_struct('_raw', {value}) end)"

            def joined(read: str) -> str:
                fields = ", ".join(
                    f"{self.literal(name)}, {self.field(read, name)}" for name in shape.children
                )
                return f"(case when {value} is not null then named_struct({fields}, '_raw', {value}) end)"

            return self.bind(f"from_json({value}, {self.literal(properties(shape))})", joined)

        if shape.many:
            var = self.fresh()
            return f"transform({json_text}, {var} -> {one(var)})"
        return self.bind(json_text, one)

    def fold(self, items: str, total: str, var: str, start: str, body: str, kind: str) -> str:
        sort = {"integer": "bigint", "decimal": DECIMAL, "boolean": "boolean"}.get(kind, "string")
        return (
            f"coalesce(aggregate({items}, cast({start} as {sort}), ({total}, {var}) -> cast({body} as {sort})), "
            f"cast({start} as {sort}))"
        )

    def loop(self, start: str, var: str, body: Callable[[str], str], distinct: bool) -> str:
        """Levels are gathered one after another; an element's place in the document is a list of numbers."""
        acc, count, front, child, place = (self.fresh() for _ in range(5))
        kind = "array<struct<p: array<bigint>, j: string>>"
        led = f"coalesce(get(transform(array({front}.j), {var} -> {body(var)}), 0), array())"
        following = (
            f"flatten(transform({acc}.f, {front} -> transform({led}, ({child}, {place}) -> "
            f"named_struct('p', concat({front}.p, array(cast({place} as bigint))), 'j', {child}))))"
        )
        if distinct:
            seen, x = self.fresh(), self.fresh()
            before = f"transform(concat({acc}.d, {acc}.f), {x} -> {x}.j)"
            following = f"filter({following}, {seen} -> not array_contains({before}, {seen}.j))"
        first, number = self.fresh(), self.fresh()
        begin = (
            f"transform({start}, ({first}, {number}) -> "
            f"named_struct('p', array(cast({number} as bigint)), 'j', {first}))"
        )
        state = f"struct<d: {kind}, f: {kind}>"
        initial = f"cast(named_struct('d', array(), 'f', coalesce({begin}, array())) as {state})"
        rolled = (
            f"aggregate(sequence(1, {LOOP_LEVELS}), {initial}, ({acc}, {count}) -> "
            f"cast(named_struct('d', concat({acc}.d, {acc}.f), 'f', {following}) as {state}))"
        )
        out = self.fresh()
        words = self.literal(f"The resource repeats more than {LOOP_LEVELS} levels deep")
        return self.bind(
            rolled,
            lambda end: (
                f"(case when size({end}.f) > 0 then raise_error({words}) "
                f"else transform(array_sort({end}.d), {out} -> {out}.j) end)"
            ),
        )

    # Steps

    def parsed(self) -> str:
        shape = self.plan.shape
        shape.child("resourceType", "text", False)
        read = (
            self.whole("body", shape)
            if shape.whole
            else f"from_json(body, {self.literal(properties(shape))})"
        )
        columns = self.list_of([*map(self.quote, self.keep), f"{read} as `_r`"])
        inner = f"select {columns} from {self.source}"
        return f"select * from ({inner}) where `_r`.`resourceType` = {self.literal(self.plan.resource)}"

    def explode(self, previous: str, columns: list[str], step: Explode) -> str:
        outer = "outer " if step.outer else ""
        var, index = self.quote(step.var), self.quote(step.index)
        listed = f"(select *, {self.emit(step.items)} as _l from {previous})"
        taken = [*columns, f"_v as {var}", f"cast(coalesce(_i, 0) as bigint) as {index}"]
        return f"select {self.list_of(taken)} from {listed} lateral view {outer}posexplode(_l) _p as _i, _v"

    def cast(self, sql: str, output: Output) -> str:
        if output.collection:
            sql = f"coalesce({sql}, array())"
        if output.leaf == "json" and not output.cast:
            return f"cast({sql} as {'array<string>' if output.collection else 'string'})"
        if not output.cast:
            return sql
        type = spark_type(output.cast)
        return f"cast({sql} as {f'array<{type}>' if output.collection else type})"

    # Truth, lists

    def _boolean(self, sql: str) -> str:
        return "cast(null as boolean)" if sql == "null" else sql

    def op_any_items(self, a: Args, d: str) -> str:
        return f"coalesce(size({a[0]}) > 0, false)"

    def op_count(self, a: Args, d: str) -> str:
        return f"cast(coalesce(size({a[0]}), 0) as bigint)"

    def op_no_items(self, a: Args, d: str) -> str:
        return "array()"

    def op_no_json(self, a: Args, d: str) -> str:
        return "cast(array() as array<string>)"

    def op_as_list(self, a: Args, d: str) -> str:
        return f"(case when {a[1]} then array({a[0]}) else array() end)"

    def op_first(self, a: Args, d: str) -> str:
        return f"get({a[0]}, 0)"

    def op_last(self, a: Args, d: str) -> str:
        return self.bind(a[0], lambda x: f"get({x}, size({x}) - 1)")

    def op_at(self, a: Args, d: str) -> str:
        return f"get({a[0]}, cast({a[1]} as int))"

    def op_only(self, a: Args, d: str) -> str:
        return self._one(a[0], "There are several values where there may be one; use first() or where()")

    def op_only_value(self, a: Args, d: str) -> str:
        name = a[1].strip("'")
        return self._one(
            a[0], f"The column {name} has several values in one row; use first(), or collection: true"
        )

    def _one(self, items: str, words: str) -> str:
        said = f"raise_error({self.literal(words)})"
        return self.bind(items, lambda x: f"(case when size({x}) > 1 then {said} else get({x}, 0) end)")

    def op_take(self, a: Args, d: str) -> str:
        return f"slice({a[0]}, 1, cast(greatest({a[1]}, 0) as int))"

    def op_skip(self, a: Args, d: str) -> str:
        return self.bind(
            a[0], lambda x: f"slice({x}, cast(greatest({a[1]}, 0) + 1 as int), greatest(size({x}), 1))"
        )

    def op_concat(self, a: Args, d: str) -> str:
        return "concat(" + ", ".join(f"coalesce({one}, array())" for one in a) + ")"

    def op_distinct(self, a: Args, d: str) -> str:
        return f"array_distinct({a[0]})"

    def op_is_distinct(self, a: Args, d: str) -> str:
        return self.bind(a[0], lambda v: f"coalesce(size({v}) = size(array_distinct({v})), true)")

    def op_has(self, a: Args, d: str) -> str:
        return f"coalesce(array_contains({a[0]}, {a[1]}), false)"

    def op_single_equal(self, a: Args, d: str) -> str:
        return (
            f"(case when coalesce(size({a[0]}), 0) = 0 or {a[1]} is null then null "
            f"when size({a[0]}) > 1 then false else {a[2]} end)"
        )

    def op_list_equal(self, a: Args, d: str) -> str:
        empty = " or ".join(f"coalesce(size({one}), 0) = 0" for one in a[:2])
        return f"(case when {empty} then null else {a[0]} = {a[1]} end)"

    def op_join(self, a: Args, d: str) -> str:
        return f"coalesce(array_join({a[0]}, {a[1]}), '')"

    def op_raw(self, a: Args, d: str) -> str:
        return self.field(a[0], "_raw")

    # Text and numbers

    def op_starts_with(self, a: Args, d: str) -> str:
        return f"startswith({a[0]}, {a[1]})"

    def op_ends_with(self, a: Args, d: str) -> str:
        return f"endswith({a[0]}, {a[1]})"

    def op_contains_text(self, a: Args, d: str) -> str:
        return f"contains({a[0]}, {a[1]})"

    def op_decimal_divided(self, a: Args, d: str) -> str:
        def divided(x: str, y: str) -> str:
            sides = [f"cast({one} as decimal(20,9))" for one in (x, y)]
            return f"(case when {y} <> 0 then cast(round({sides[0]} / nullif({sides[1]}, 0), 12) as {DECIMAL}) end)"

        return self.bind(a[0], lambda x: self.bind(a[1], lambda y: divided(x, y)))

    def op_number_boundary(self, a: Args, d: str) -> str:
        side, places = d.split(":")
        fraction = min(int(places), 12)
        sign, whole = ("-", "floor") if side == "low" else ("+", "ceil")

        def edge(text: str) -> str:
            digits = f"length(regexp_extract({text}, '[.]([0-9]*)$', 1))"
            half = f"cast(concat('5e-', cast({digits} + 1 as string)) as decimal(38,18))"
            return f"(try_cast({text} as decimal(38,18)) {sign} {half})"

        def cut(value: str) -> str:
            nought = f"abs({value}) < cast('1e-{fraction}' as decimal(38,18))"
            return f"cast(case when {nought} then 0 else {whole}({value}, {fraction}) end as {DECIMAL})"

        return self.bind(a[0], lambda t: self.bind(edge(t), cut))

    # References

    def op_reference_key(self, a: Args, d: str) -> str:
        x = a[0]
        ending = "([A-Za-z0-9.-]{1,64})(?:/_history/.*)?$"
        found = f"'^(?:urn:(?:uuid|oid):|(?:.*/)?[A-Z][A-Za-z]+/){ending}'"
        key = f"nullif(regexp_extract({x}, {found}, 1), '')"
        if not d:
            return key if x == "null" else f"(case when {x} not like '#%' then {key} end)"
        named = f"regexp_extract({x}, '(?:^|/)([A-Z][A-Za-z]+)/{ending}', 1)"
        kind = f"coalesce(nullif({named}, ''), nullif(regexp_extract({a[1]}, '[A-Za-z]+$', 0), ''), {self.literal(d)})"
        return f"(case when {kind} = {self.literal(d)} then {key} end)"


def spark_type(type: str) -> str:
    """Return Spark's name of a column's SQL type; raises `ViewError` for one that it has not."""
    plain, _, rest = " ".join(type.lower().split()).partition("(")
    plain = plain.strip()
    if plain in ("decimal", "numeric"):
        return f"decimal({rest}" if rest else "decimal(18,3)"
    if plain in ("char", "character", "character varying"):
        return "string"
    if plain not in _TYPES:
        raise ViewError("unsupported", f"Spark has no type {type}", fix="Run the view on DuckDB.")
    return _TYPES[plain]
