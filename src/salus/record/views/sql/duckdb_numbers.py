"""DuckDB's SQL of numbers and of conversions between types."""

# ruff: noqa: D102 - each method is the SQL of the operation that it is named after

from salus.record.views.sql.base import Emitter

DECIMAL = "decimal(38,12)"
WIDE = "decimal(38,9)"
_TRUE = "('true', 't', 'yes', 'y', '1', '1.0')"
_FALSE = "('false', 'f', 'no', 'n', '0', '0.0')"
Args = list[str]


class NumberOperations(Emitter):
    """Numbers: exact in decimals of twelve places; roots, powers and logarithms through doubles."""

    def op_to_decimal(self, a: Args, d: str) -> str:
        return f"cast({a[0]} as {DECIMAL})"

    def op_to_integer(self, a: Args, d: str) -> str:
        return f"cast({a[0]} as bigint)"

    def op_negative(self, a: Args, d: str) -> str:
        return f"(-{a[0]})"

    def op_negative_text(self, a: Args, d: str) -> str:
        return self.bind(a[0], lambda x: f"(case when {x} like '-%' then {x}[2:] else '-' || {x} end)")

    def op_integer_plus(self, a: Args, d: str) -> str:
        return f"({a[0]} + {a[1]})"

    def op_integer_minus(self, a: Args, d: str) -> str:
        return f"({a[0]} - {a[1]})"

    def op_integer_times(self, a: Args, d: str) -> str:
        return f"({a[0]} * {a[1]})"

    def op_integer_div(self, a: Args, d: str) -> str:
        return self.bind(a[1], lambda n: f"(case when {n} <> 0 then {a[0]} // {n} end)")

    def op_integer_mod(self, a: Args, d: str) -> str:
        return self.bind(a[1], lambda n: f"(case when {n} <> 0 then {a[0]} % {n} end)")

    op_decimal_plus = op_integer_plus
    op_decimal_minus = op_integer_minus

    def op_decimal_times(self, a: Args, d: str) -> str:
        return f"cast(cast({a[0]} as {WIDE}) * cast({a[1]} as {WIDE}) as {DECIMAL})"

    def _hugeint(self, sql: str) -> str:
        return f"cast(cast({sql} as {WIDE}) * 1000000000 as hugeint)"

    def op_decimal_divided(self, a: Args, d: str) -> str:
        # In whole numbers, so that no binary fraction comes between: twelve places, rounded half away from 0
        def divided(x: str, y: str) -> str:
            up = f"abs({self._hugeint(x)}) * 1000000000000 * 2 + abs({self._hugeint(y)})"
            whole = f"(({up}) // (2 * abs({self._hugeint(y)})))"
            signed = f"(case when ({x} < 0) <> ({y} < 0) then -{whole} else {whole} end)"
            return f"(case when {y} <> 0 then cast({signed} as decimal(38,0)) * 0.000000000001::decimal(13,12) end)"

        made = self.bind(a[0], lambda x: self.bind(a[1], lambda y: divided(x, y)))
        return f"cast({made} as {DECIMAL})"

    def op_decimal_div(self, a: Args, d: str) -> str:
        return f"trunc({self.op_decimal_divided(a, d)})"

    def op_decimal_mod(self, a: Args, d: str) -> str:
        return self.bind(
            a[0],
            lambda x: self.bind(
                a[1],
                lambda y: (
                    f"({x} - cast(cast({self.op_decimal_div([x, y], d)} as {WIDE}) * cast({y} as {WIDE}) as {DECIMAL}))"
                ),
            ),
        )

    def op_abs(self, a: Args, d: str) -> str:
        return f"abs({a[0]})"

    def op_ceiling(self, a: Args, d: str) -> str:
        return f"cast(ceil({a[0]}) as bigint)"

    def op_floor(self, a: Args, d: str) -> str:
        return f"cast(floor({a[0]}) as bigint)"

    def op_truncate(self, a: Args, d: str) -> str:
        return f"cast(trunc({a[0]}) as bigint)"

    def op_round_whole(self, a: Args, d: str) -> str:
        return f"cast(round({a[0]}, 0) as bigint)"

    def op_round(self, a: Args, d: str) -> str:
        return self.rounded(a[0], a[1].removesuffix("::bigint"))

    def _real(self, sql: str) -> str:
        return f"try_cast(round({sql}, 12) as {DECIMAL})"

    def op_sqrt(self, a: Args, d: str) -> str:
        return self.bind(
            f"cast({a[0]} as double)", lambda x: f"(case when {x} >= 0 then {self._real(f'sqrt({x})')} end)"
        )

    def op_exp(self, a: Args, d: str) -> str:
        return self._real(f"exp(cast({a[0]} as double))")

    def op_ln(self, a: Args, d: str) -> str:
        return self.bind(
            f"cast({a[0]} as double)", lambda x: f"(case when {x} > 0 then {self._real(f'ln({x})')} end)"
        )

    def op_log(self, a: Args, d: str) -> str:
        return self.bind(
            f"cast({a[0]} as double)",
            lambda x: self.bind(
                f"cast({a[1]} as double)",
                lambda b: (
                    f"(case when {x} > 0 and {b} > 0 and {b} <> 1 then {self._real(f'ln({x}) / ln({b})')} end)"
                ),
            ),
        )

    def op_power(self, a: Args, d: str) -> str:
        return self.bind(
            f"cast({a[0]} as double)",
            lambda x: self.bind(
                f"cast({a[1]} as double)",
                lambda y: f"(case when {x} >= 0 or {y} = floor({y}) then {self._real(f'pow({x}, {y})')} end)",
            ),
        )

    def op_number_text(self, a: Args, d: str) -> str:
        trimmed = f"regexp_replace(cast({a[0]} as varchar), '(\\.[0-9]*[1-9])0+$|\\.0+$', '\\1')"
        return trimmed

    def op_number_precision(self, a: Args, d: str) -> str:
        return f"length(regexp_extract({a[0]}, '\\.([0-9]*)$', 1))"

    def op_number_boundary(self, a: Args, d: str) -> str:
        side, places = d.split(":")
        fraction = 12 if int(places) > 12 else int(places)

        def edge(text: str) -> str:
            half = f"cast(('1e-' || length(regexp_extract({text}, '\\.([0-9]*)$', 1))) as decimal(38,18)) / 2"
            half = f"cast({half} as decimal(38,18))"
            sign = "-" if side == "low" else "+"
            return f"(try_cast({text} as decimal(38,18)) {sign} {half})"

        def cut(value: str) -> str:
            power = 10**fraction
            scaled = f"cast({value} as decimal(38,16)) * {power}" if fraction <= 12 else value
            whole = f"{'floor' if side == 'low' else 'ceil'}(cast({scaled} as decimal(38,{max(18 - fraction, 0)})))"
            kept = f"cast({whole} as decimal(38,12)) / {power}"
            nought = f"abs({value}) * {power} < 1"
            return f"(case when {value} is not null then case when {nought} then 0 else cast({kept} as {DECIMAL}) end end)"

        return self.bind(a[0], lambda t: self.bind(edge(t), cut))

    # Conversion

    def op_boolean_text(self, a: Args, d: str) -> str:
        return f"cast({a[0]} as varchar)"

    def op_boolean_to_integer(self, a: Args, d: str) -> str:
        return f"cast({a[0]} as bigint)"

    def op_text_to_integer(self, a: Args, d: str) -> str:
        return self.bind(
            a[0], lambda x: f"(case when regexp_full_match({x}, '[+-]?[0-9]{{1,18}}') then {x}::bigint end)"
        )

    def op_text_to_decimal(self, a: Args, d: str) -> str:
        return self.bind(
            a[0],
            lambda x: (
                f"(case when regexp_full_match({x}, '[+-]?[0-9]+(\\.[0-9]+)?') then try_cast({x} as {DECIMAL}) end)"
            ),
        )

    def op_text_to_boolean(self, a: Args, d: str) -> str:
        return self.bind(
            a[0],
            lambda x: (
                f"(case when lower({x}) in {_TRUE} then true when lower({x}) in {_FALSE} then false end)"
            ),
        )

    def op_number_to_boolean(self, a: Args, d: str) -> str:
        return self.bind(a[0], lambda x: f"(case when {x} = 1 then true when {x} = 0 then false end)")

    def op_number_equivalent(self, a: Args, d: str) -> str:
        def made(x: str, y: str, places: str) -> str:
            return f"({self.rounded(x, places)} = {self.rounded(y, places)})"

        least = f"least({self.scale(a[2])}, {self.scale(a[3])})"
        return self.bind(a[0], lambda x: self.bind(a[1], lambda y: self.bind(least, lambda n: made(x, y, n))))

    def scale(self, text: str) -> str:
        """Return how many decimal places a number's text has, trailing zeros not counted."""
        return f"length(regexp_extract(rtrim({text}, '0'), '\\.([0-9]*)$', 1))::integer"

    def rounded(self, number: str, places: str) -> str:
        """Return a number rounded to places that are known only when the view runs."""
        if places.isdigit():
            return f"cast(round({number}, {min(int(places), 12)}) as {DECIMAL})"
        cases = " ".join(f"when {n} then cast(round({number}, {n}) as {DECIMAL})" for n in range(12))
        return f"(case {places} {cases} else cast({number} as {DECIMAL}) end)"
