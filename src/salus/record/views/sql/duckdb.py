"""DuckDB's SQL: lists with lambdas, structs, and `from_json` with the pruned structure."""

import json
import re
from collections.abc import Callable

from salus.record.views.ir import LOOP_LEVELS
from salus.record.views.plan import Explode, Output
from salus.record.views.shape import Shape
from salus.record.views.sql.duckdb_dates import DateOperations

DECIMAL = "decimal(38,12)"
_LEAVES = {"text": "VARCHAR", "boolean": "BOOLEAN", "integer": "BIGINT", "json": "JSON"}
_SIMPLE = re.compile(r'"?[A-Za-z_][A-Za-z0-9_]*"?|\d+|null|true|false')


def structure(shape: Shape) -> object:
    """Return a shape as the structure that DuckDB's `from_json` takes."""
    inner: object
    if shape.leaf == "decimal":
        inner = "VARCHAR" if shape.digits else DECIMAL.upper()
    elif shape.leaf:
        inner = _LEAVES[shape.leaf]
    elif shape.whole or not shape.children:
        inner = "JSON"
    else:
        inner = properties(shape)
    return [inner] if shape.many else inner


def properties(shape: Shape) -> dict[str, object]:
    """Return the structure of an object's properties."""
    return {name: structure(one) for name, one in shape.children.items()}


class DuckdbEmitter(DateOperations):
    """Writes DuckDB SQL."""

    def quote(self, name: str) -> str:
        return '"' + name.replace('"', '""') + '"'

    def literal(self, value: str) -> str:
        return "'" + value.replace("'", "''") + "'"

    def constant(self, kind: str, value: str) -> str:
        match kind:
            case "null":
                return "null"
            case "boolean" | "integer":
                return value if kind == "boolean" else f"{value}::bigint"
            case "decimal":
                return f"cast({self.literal(value)} as {DECIMAL})"
        return self.literal(value)

    def transform(self, items: str, var: str, body: str, index: str = "") -> str:
        if index:
            counted = re.sub(re.escape(index), f"({index} - 1)", body)
            return f"list_transform({items}, lambda {var}, {index}: {counted})"
        return f"list_transform({items}, lambda {var}: {body})"

    def filter(self, items: str, var: str, condition: str, index: str = "") -> str:
        if index:
            counted = re.sub(re.escape(index), f"({index} - 1)", condition)
            return f"list_filter({items}, lambda {var}, {index}: {counted})"
        return f"list_filter({items}, lambda {var}: {condition})"

    def flatten(self, items: str) -> str:
        return f"flatten({items})"

    def bind(self, value: str, body: Callable[[str], str]) -> str:
        if _SIMPLE.fullmatch(value) or re.fullmatch(
            r"'[^']*'|cast\('[^']*' as [^)]*\)\)?|\d+::bigint", value
        ):
            return body(value)
        var = self.fresh()
        return f"list_transform([{value}], lambda {var}: {body(var)})[1]"

    def let(self, value: str, var: str, body: str) -> str:
        return f"list_transform([{value}], lambda {var}: {body})[1]"

    def field(self, base: str, name: str) -> str:
        return (
            f"{base}.{self.quote(name)}" if _dotted(base) else f"struct_extract({base}, {self.literal(name)})"
        )

    def number(self, text: str) -> str:
        return f"try_cast({text} as {DECIMAL})"

    def parse(self, json_text: str, shape: Shape) -> str:
        inner: object = properties(shape) if shape.children else "JSON"
        if shape.many:
            return f"list_transform({json_text}, lambda j: from_json(j, {self._structure(inner)}))"
        return f"from_json({json_text}, {self._structure(inner)})"

    def _structure(self, inner: object) -> str:
        return self.literal(json.dumps(inner, separators=(",", ":")))

    def whole(self, json_text: str, shape: Shape) -> str:
        def one(value: str) -> str:
            if not shape.children:
                return f"case when {value} is not null then struct_pack(_raw := {value}) end"
            read = f"from_json({value}, {self._structure(properties(shape))})"
            return f"case when {value} is not null then struct_insert({read}, _raw := {value}) end"

        var = self.fresh()
        if shape.many:
            return f"list_transform({json_text}, lambda {var}: {one(var)})"
        return self.bind(json_text, one)

    def fold(self, items: str, total: str, var: str, start: str, body: str, kind: str) -> str:
        sort = {"integer": "bigint", "decimal": DECIMAL, "boolean": "boolean"}.get(kind, "varchar")
        folded = (
            f"list_reduce({items}, lambda {total}, {var}: cast({body} as {sort}), cast({start} as {sort}))"
        )
        return self.bind(
            items, lambda _: f"case when coalesce(len({items}), 0) = 0 then {start} else {folded} end"
        )

    def loop(self, start: str, var: str, body: Callable[[str], str], distinct: bool) -> str:
        """Levels are gathered one after another; an element's place in the document is a list of numbers."""
        acc, front = self.fresh(), self.fresh()
        place = self.fresh()
        child = self.fresh()
        nested = (
            f"list_transform({acc}.f, lambda {front}: list_transform(list_transform([{front}.j], lambda {var}: "
            f"{body(var)})[1], lambda {child}, {place}: struct_pack(p := list_append({front}.p, {place}), j := {child})))"
        )
        following = f"flatten({nested})"
        if distinct:
            seen, x = self.fresh(), self.fresh()
            following = (
                f"list_filter({following}, lambda {seen}: not list_contains(list_transform(list_concat({acc}.d, {acc}.f), "
                f"lambda {x}: {x}.j), {seen}.j))"
            )
        first = self.fresh()
        number = self.fresh()
        begin = (
            f"list_transform({start}, lambda {first}, {number}: struct_pack(p := [{number}], j := {first}))"
        )
        kind = "struct(p bigint[], j json)[]"
        initial = f"struct_pack(d := cast([] as {kind}), f := cast(coalesce({begin}, []) as {kind}))"
        count = self.fresh()
        rolled = (
            f"list_reduce(range({LOOP_LEVELS}), lambda {acc}, {count}: struct_pack(d := list_concat({acc}.d, {acc}.f), "
            f"f := cast({following} as {kind})), {initial})"
        )
        out = self.fresh()

        def ending(end: str) -> str:
            return (
                f"case when len({end}.f) > 0 then error('The resource repeats more than {LOOP_LEVELS} levels deep') "
                f"else list_transform(list_sort({end}.d), lambda {out}: {out}.j) end"
            )

        return self.bind(rolled, ending)

    # Steps

    def parsed(self) -> str:
        shape = self.plan.shape
        shape.child("resourceType", "text", False)
        body = "body"
        written = sorted(shape.written_decimals())
        if written:
            names = "|".join(re.escape(name) for name in written)
            pattern = rf'("(?:{names})"\s*:\s*)(-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)'
            body = rf"regexp_replace(body, {self.literal(pattern)}, '\1" + r'"\2"' + "', 'g')"
        kept = [*map(self.quote, self.keep)]
        if shape.whole:
            read = self.whole(f"{body}::json", shape)
        else:
            read = f"from_json({body}, {self._structure(properties(shape))})"
        inner = f"select {self.list_of([*kept, f'{read} as _p'])} from {self.source}"
        # An unnest of one or none filters without being pushed below the parsing, which would then run twice
        one = f'unnest(case when _p."resourceType" = {self.literal(self.plan.resource)} then [_p] else [] end) as "_r"'
        return f"select {self.list_of([*kept, one])} from ({inner})"

    def materialised(self) -> str:
        return "materialized "

    def explode(self, previous: str, columns: list[str], step: Explode) -> str:
        items = self.emit(step.items)
        var, index = self.quote(step.var), self.quote(step.index)
        listed = f"(select *, {items} as _l from {previous})"
        if step.outer:
            rows = "unnest(case when len(_l) > 0 then _l else [null] end)"
            numbers = "unnest(case when len(_l) > 0 then range(len(_l)) else [0] end)"
        else:
            rows, numbers = "unnest(_l)", "unnest(range(len(_l)))"
        return f"select {self.list_of([*columns, f'{rows} as {var}', f'{numbers} as {index}'])} from {listed}"

    def cast(self, sql: str, output: Output) -> str:
        if output.collection:
            sql = f"coalesce({sql}, [])"
        if output.leaf == "json" and not output.cast:
            return f"cast({sql} as {'varchar[]' if output.collection else 'varchar'})"
        if not output.cast:
            return sql
        return f"cast({sql} as {output.cast}{'[]' if output.collection else ''})"


def _dotted(base: str) -> bool:
    return bool(re.fullmatch(r'[A-Za-z_"][A-Za-z0-9_".]*', base))
