"""DuckDB's SQL of truth, lists, JSON and text."""

# ruff: noqa: D102 - each method is the SQL of the operation that it is named after

from salus.record.views.sql.duckdb_numbers import DECIMAL, NumberOperations

Args = list[str]


class TextOperations(NumberOperations):
    """Truth, lists, JSON, comparison, text and references."""

    # Truth

    def op_true(self, a: Args, d: str) -> str:
        return "true"

    def op_false(self, a: Args, d: str) -> str:
        return "false"

    def op_present(self, a: Args, d: str) -> str:
        return f"({a[0]} is not null)"

    def op_any_present(self, a: Args, d: str) -> str:
        return "(" + " or ".join(f"{one} is not null" for one in a) + ")"

    def op_true_if_present(self, a: Args, d: str) -> str:
        return f"(case when {a[0]} is not null then true end)"

    def op_is_true(self, a: Args, d: str) -> str:
        return f"coalesce({a[0]}, false)"

    def op_not(self, a: Args, d: str) -> str:
        return f"(not {a[0]})"

    def op_and(self, a: Args, d: str) -> str:
        return "(" + " and ".join(self._boolean(one) for one in a) + ")"

    def op_or(self, a: Args, d: str) -> str:
        return "(" + " or ".join(self._boolean(one) for one in a) + ")"

    def op_xor(self, a: Args, d: str) -> str:
        return f"({self._boolean(a[0])} <> {self._boolean(a[1])})"

    def op_implies(self, a: Args, d: str) -> str:
        return f"((not {self._boolean(a[0])}) or {self._boolean(a[1])})"

    def _boolean(self, sql: str) -> str:
        return "null::boolean" if sql == "null" else sql

    def op_if(self, a: Args, d: str) -> str:
        return f"(case when {a[0]} then {a[1]} else {a[2]} end)"

    def op_coalesce(self, a: Args, d: str) -> str:
        return f"coalesce({', '.join(a)})"

    # Lists

    def op_any_items(self, a: Args, d: str) -> str:
        return f"coalesce(len({a[0]}) > 0, false)"

    def op_count(self, a: Args, d: str) -> str:
        return f"coalesce(len({a[0]}), 0)"

    def op_no_items(self, a: Args, d: str) -> str:
        return "[]"

    def op_no_json(self, a: Args, d: str) -> str:
        return "cast([] as json[])"

    def op_as_list(self, a: Args, d: str) -> str:
        return (
            self.bind(a[0], lambda x: f"(case when {x} is not null then [{x}] else [] end)")
            if (a[1] == f"({a[0]} is not null)")
            else f"(case when {a[1]} then [{a[0]}] else [] end)"
        )

    def op_first(self, a: Args, d: str) -> str:
        return f"{self._listed(a[0])}[1]"

    def op_last(self, a: Args, d: str) -> str:
        return f"{self._listed(a[0])}[-1]"

    def op_at(self, a: Args, d: str) -> str:
        plain = a[1].removesuffix("::bigint")
        if plain.isdigit():
            return f"{self._listed(a[0])}[{int(plain) + 1}]"
        return self.bind(a[1], lambda n: f"(case when {n} >= 0 then {self._listed(a[0])}[{n} + 1] end)")

    def _listed(self, sql: str) -> str:
        return f"({sql})"

    def op_only(self, a: Args, d: str) -> str:
        words = self.literal("There are several values where there may be one; use first() or where()")
        return self.bind(a[0], lambda x: f"(case when len({x}) > 1 then error({words}) else {x}[1] end)")

    def op_only_value(self, a: Args, d: str) -> str:
        name = a[1].strip("'")
        words = self.literal(
            f"The column {name} has several values in one row; use first(), or collection: true"
        )
        return self.bind(a[0], lambda x: f"(case when len({x}) > 1 then error({words}) else {x}[1] end)")

    def op_take(self, a: Args, d: str) -> str:
        return self.bind(a[1], lambda n: f"(case when {n} > 0 then {self._listed(a[0])}[:{n}] else [] end)")

    def op_skip(self, a: Args, d: str) -> str:
        return self.bind(a[1], lambda n: f"{self._listed(a[0])}[greatest({n}, 0) + 1:]")

    def op_concat(self, a: Args, d: str) -> str:
        made = a[0]
        for one in a[1:]:
            made = f"list_concat({made}, {one})"
        return made

    def op_distinct(self, a: Args, d: str) -> str:
        x, i = self.fresh(), self.fresh()
        return self.bind(a[0], lambda v: f"list_filter({v}, lambda {x}, {i}: list_position({v}, {x}) = {i})")

    def op_is_distinct(self, a: Args, d: str) -> str:
        return self.bind(a[0], lambda v: f"coalesce(len({v}) = len(list_distinct({v})), true)")

    def op_has(self, a: Args, d: str) -> str:
        return f"coalesce(list_contains({a[0]}, {a[1]}), false)"

    def op_list_equal(self, a: Args, d: str) -> str:
        return f"(case when coalesce(len({a[0]}), 0) = 0 or coalesce(len({a[1]}), 0) = 0 then null else {a[0]} = {a[1]} end)"

    def op_single_equal(self, a: Args, d: str) -> str:
        return (
            f"(case when coalesce(len({a[0]}), 0) = 0 or {a[1]} is null then null "
            f"when len({a[0]}) > 1 then false else {a[2]} end)"
        )

    def op_same_items(self, a: Args, d: str) -> str:
        return self.bind(
            a[0],
            lambda x: self.bind(
                a[1], lambda y: f"coalesce(list_sort({x}) = list_sort({y}), {x} is null and {y} is null)"
            ),
        )

    def op_sorted(self, a: Args, d: str) -> str:
        return f"list_sort({a[0]})"

    def op_sorted_by(self, a: Args, d: str) -> str:
        # Elements without a key come first going up and last going down
        x = self.fresh()
        order = "'ASC', 'NULLS FIRST'" if d == "up" else "'DESC', 'NULLS FIRST'"
        keyed = f"list_grade_up({a[1]}, {order})"
        return f"list_transform({keyed}, lambda {x}: {a[0]}[{x}])"

    # JSON

    def op_to_json(self, a: Args, d: str) -> str:
        return f"to_json({a[0]})"

    def op_raw(self, a: Args, d: str) -> str:
        return self.field(a[0], "_raw")

    def op_json_items(self, a: Args, d: str) -> str:
        return self.bind(
            a[0],
            lambda j: (
                f"(case json_type({j}) when 'ARRAY' then cast({j} as json[]) when 'NULL' then cast([] as json[]) "
                f"else (case when {j} is not null then [{j}] else cast([] as json[]) end) end)"
            ),
        )

    def op_json_get(self, a: Args, d: str) -> str:
        def named(j: str) -> str:
            got = f"json_extract({j}, '$.\"' || {a[1]} || '\"')"
            if not d:
                return self.op_json_items([got], "")
            k = self.fresh()
            keys = f"list_filter(json_keys({j}), lambda {k}: regexp_full_match({k}, {a[1]} || '({d})'))"
            chosen = f"json_extract({j}, '$.\"' || {keys}[1] || '\"')"
            return self.op_json_items([f"coalesce({got}, {chosen})"], "")

        return self.bind(a[0], named)

    def op_json_children(self, a: Args, d: str) -> str:
        k = self.fresh()
        return self.bind(
            a[0],
            lambda j: (
                f"(case json_type({j}) when 'OBJECT' then flatten(list_transform(list_filter(json_keys({j}), "
                f"lambda {k}: {k} <> 'resourceType' and {k} not like '\\_%' escape '\\'), lambda {k}: "
                f"{self.op_json_get([j, k], '')})) else cast([] as json[]) end)"
            ),
        )

    def op_json_as(self, a: Args, d: str) -> str:
        text = f"({a[0]} ->> '$')"
        kinds = {"boolean": "boolean", "integer": "bigint", "decimal": DECIMAL}
        return f"try_cast({text} as {kinds[d]})" if d in kinds else text

    def op_json_boolean(self, a: Args, d: str) -> str:
        return self.bind(
            a[0],
            lambda j: (
                f"(case when {j} is null then null when json_type({j}) = 'BOOLEAN' then ({j} ->> '$')::boolean "
                "else error('A condition is not true or false') end)"
            ),
        )

    def op_json_is(self, a: Args, d: str) -> str:
        if not d.startswith("system:"):
            return f"coalesce({a[0]} ->> '$.resourceType' = {self.literal(d)}, false)"
        kinds = {
            "Boolean": "('BOOLEAN')",
            "Integer": "('UBIGINT', 'BIGINT')",
            "Decimal": "('DOUBLE', 'UBIGINT', 'BIGINT')",
            "object": "('OBJECT')",
            "Quantity": "('OBJECT')",
        }
        found = kinds.get(d.removeprefix("system:"), "('VARCHAR')")
        return f"coalesce(json_type({a[0]}) in {found}, false)"

    # Comparison

    def op_eq(self, a: Args, d: str) -> str:
        return f"({a[0]} = {a[1]})"

    def op_lt(self, a: Args, d: str) -> str:
        return f"({a[0]} < {a[1]})"

    def op_le(self, a: Args, d: str) -> str:
        return f"({a[0]} <= {a[1]})"

    def op_gt(self, a: Args, d: str) -> str:
        return f"({a[0]} > {a[1]})"

    def op_ge(self, a: Args, d: str) -> str:
        return f"({a[0]} >= {a[1]})"

    def op_equivalent_or_empty(self, a: Args, d: str) -> str:
        return f"(case when {a[0]} is null and {a[1]} is null then true else coalesce({a[2]}, false) end)"

    def op_string_equivalent(self, a: Args, d: str) -> str:
        sides = [f"trim(regexp_replace(lower({one}), '\\s+', ' ', 'g'))" for one in a]
        return f"({sides[0]} = {sides[1]})"

    # Text

    def op_text_concat(self, a: Args, d: str) -> str:
        return f"({a[0]} || {a[1]})"

    def op_starts_with(self, a: Args, d: str) -> str:
        return f"starts_with({a[0]}, {a[1]})"

    def op_ends_with(self, a: Args, d: str) -> str:
        return f"suffix({a[0]}, {a[1]})"

    def op_contains_text(self, a: Args, d: str) -> str:
        return f"contains({a[0]}, {a[1]})"

    def op_matches(self, a: Args, d: str) -> str:
        return f"regexp_matches({a[0]}, {a[1]}, 's')"

    def op_matches_full(self, a: Args, d: str) -> str:
        return f"regexp_full_match({a[0]}, {a[1]}, 's')"

    def op_replace_matches(self, a: Args, d: str) -> str:
        return f"(case when {a[1]} = '' then {a[0]} else regexp_replace({a[0]}, {a[1]}, {a[2]}, 'gs') end)"

    def op_replace(self, a: Args, d: str) -> str:
        letters = f"regexp_replace({a[0]}, '(.)', {a[2]} || '\\1', 'gs') || {a[2]}"
        return f"(case when {a[1]} = '' then {letters} else replace({a[0]}, {a[1]}, {a[2]}) end)"

    def op_length(self, a: Args, d: str) -> str:
        return f"length({a[0]})"

    def op_upper(self, a: Args, d: str) -> str:
        return f"upper({a[0]})"

    def op_lower(self, a: Args, d: str) -> str:
        return f"lower({a[0]})"

    def op_trim(self, a: Args, d: str) -> str:
        return f"regexp_replace({a[0]}, '^\\s+|\\s+$', '', 'g')"

    def op_index_of(self, a: Args, d: str) -> str:
        return f"(case when {a[1]} = '' then 0 else instr({a[0]}, {a[1]}) - 1 end)"

    def op_split(self, a: Args, d: str) -> str:
        return f"string_split({a[0]}, {a[1]})"

    def op_characters(self, a: Args, d: str) -> str:
        return f"regexp_extract_all({a[0]}, '.', 0, 's')"

    def op_substring(self, a: Args, d: str) -> str:
        length = f", greatest({a[2]}, 0)" if len(a) == 3 else ""
        return self.bind(
            a[1],
            lambda n: self.bind(
                a[0],
                lambda s: (
                    f"(case when {n} >= 0 and {n} < length({s}) then substring({s}, {n} + 1{length}) end)"
                ),
            ),
        )

    def op_join(self, a: Args, d: str) -> str:
        return f"coalesce(array_to_string({a[0]}, {a[1]}), '')"

    def op_encode(self, a: Args, d: str) -> str:
        coded = f"base64(encode({a[0]}))"
        if d == "hex":
            return f"lower(hex(encode({a[0]})))"
        return f"translate({coded}, '+/', '-_')" if d == "urlbase64" else coded

    def op_decode(self, a: Args, d: str) -> str:
        if d == "hex":
            return f"decode(unhex({a[0]}))"
        coded = f"translate({a[0]}, '-_', '+/')" if d == "urlbase64" else a[0]
        return f"decode(from_base64({coded}))"

    def op_escape(self, a: Args, d: str) -> str:
        pairs = (
            [("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#39;")]
            if d == "html"
            else [("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")]
        )
        return self._replaced(a[0], pairs)

    def op_unescape(self, a: Args, d: str) -> str:
        pairs = (
            [("&quot;", '"'), ("&#39;", "'"), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")]
            if d == "html"
            else [('\\"', '"'), ("\\n", "\n"), ("\\r", "\r"), ("\\t", "\t"), ("\\\\", "\\")]
        )
        return self._replaced(a[0], pairs)

    def _replaced(self, sql: str, pairs: list[tuple[str, str]]) -> str:
        for old, new in pairs:
            sql = f"replace({sql}, {self.literal(old)}, {self.literal(new)})"
        return sql

    # References

    def op_reference_key(self, a: Args, d: str) -> str:
        # Most references are "Type/id"; only the others are worth a regular expression
        x = a[0]
        ending = "([A-Za-z0-9.\\-]{1,64})(?:/_history/.*)?$"
        key = f"nullif(regexp_extract({x}, '^(?:urn:(?:uuid|oid):|(?:.*/)?[A-Z][A-Za-z]+/){ending}', 1), '')"
        if not d:
            plain = f"length({x}) - length(replace({x}, '/', '')) = 1 and not contains({x}, ':') and {x} not like '#%'"
            return f"(case when {plain} then nullif(split_part({x}, '/', 2), '') else {key} end)"
        start = len(d) + 2
        plain = f"starts_with({x}, {self.literal(d + '/')}) and not contains(substring({x}, {start}), '/')"
        named = f"regexp_extract({x}, '(?:^|/)([A-Z][A-Za-z]+)/{ending}', 1)"
        kind = f"coalesce(nullif({named}, ''), regexp_extract({a[1]}, '[A-Za-z]+$', 0), {self.literal(d)})"
        typed = f"case when {kind} = {self.literal(d)} then {key} end"
        return f"(case when {plain} then nullif(substring({x}, {start}), '') else ({typed}) end)"
