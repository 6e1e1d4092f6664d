"""DuckDB's SQL of dates, times and quantities.

A date or dateTime is a span of time: from its first to its last microsecond as far as it is written. Two of
equal precision compare by their beginnings; otherwise one is before another only if it ends before the other
begins, and where they overlap the answer is empty. A date is compared by what both have written. Without a
time zone where the other has one, a time of a day may lie anywhere from +14:00 to -12:00. Source: http://hl7.org/fhirpath/N1/#equality
"""

# ruff: noqa: D102 - each method is the SQL of the operation that it is named after

from salus.record.views.sql.duckdb_text import TextOperations
from salus.record.views.units import conversions

DECIMAL = "decimal(38,12)"
Args = list[str]
_ZONE = "'(T|Z|[+-][0-9]{2}:[0-9]{2})$'"
_SIGNS = {"lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_SPANS = "when 4 then interval 1 year when 7 then interval 1 month when 10 then interval 1 day when 13 then interval 1 hour when 16 then interval 1 minute"
_CUTS = {4: 4, 6: 7, 8: 10, 10: 13, 12: 16, 14: 19, 17: 23}


class DateOperations(TextOperations):
    """Dates, times and quantities."""

    def op_today(self, a: Args, d: str) -> str:
        return "strftime(now() at time zone 'UTC', '%Y-%m-%d')"

    def op_now(self, a: Args, d: str) -> str:
        return "(strftime(now() at time zone 'UTC', '%Y-%m-%dT%H:%M:%S.%g') || 'Z')"

    def op_time_of_day(self, a: Args, d: str) -> str:
        return "strftime(now() at time zone 'UTC', '%H:%M:%S.%g')"

    # Comparison

    def _span(self, text: str) -> str:
        """Return a struct: beginning, end, length of what is written, whether the zone is known."""
        body = f"regexp_replace({text}, {_ZONE}, '')"

        def with_body(written: str) -> str:
            start = f"try_cast({written} || substring('0000-01-01T00:00:00.000', length({written}) + 1) as timestamp)"
            zone = f"regexp_extract({text}, 'T.*([+-][0-9]{{2}}:[0-9]{{2}})$', 1)"
            offset = (
                f"case when {zone} = '' then 0 else (case when {zone}[1] = '-' then -1 else 1 end) * "
                f"(cast({zone}[2:3] as integer) * 60 + cast({zone}[5:6] as integer)) end"
            )

            def with_start(begin: str) -> str:
                end = f"{begin} + (case length({written}) {_SPANS} else interval 1 microsecond end) - interval 1 microsecond"
                return (
                    f"struct_pack(l := {begin}, h := {end}, p := least(length({written}), 19), "
                    f"z := {zone} <> '' or {text} like '%Z')"
                )

            return self.bind(f"({start} - to_minutes({offset}))", with_start)

        return self.bind(body, with_body)

    def _order(self, a: Args) -> str:
        """Return -1, 0 or 1, null where the spans overlap."""

        def compared(x: str, y: str) -> str:
            early = f"interval (case when {x}.z = {y}.z or %s.z then 0 else %s end) hour"
            xl = f"({x}.l - {early % (x, 14)})"
            xh = f"({x}.h + {early % (x, 12)})"
            yl = f"({y}.l - {early % (y, 14)})"
            yh = f"({y}.h + {early % (y, 12)})"
            return (
                f"(case when {x}.p = {y}.p and {x}.z = {y}.z then (case when {x}.l < {y}.l then -1 when {x}.l > {y}.l "
                f"then 1 when {x}.l = {y}.l then 0 end) when {xh} < {yl} then -1 when {xl} > {yh} then 1 end)"
            )

        return self.bind(self._span(a[0]), lambda x: self.bind(self._span(a[1]), lambda y: compared(x, y)))

    def _quick(self, a: Args, sign: str, slow: str) -> str:
        """Return a comparison by what both have written where one is a date, which has no time zone."""
        x, y = a
        shared = f"least(length({x}), length({y}))"
        left, right = f"substring({x}, 1, {shared})", f"substring({y}, 1, {shared})"
        known = f"{left} <> {right} or length({x}) = length({y})"
        written = f"case when {known} then {left} {sign} {right} end"
        return f"(case when {shared} <= 10 then {written} else {slow} end)"

    def op_datetime_compare(self, a: Args, d: str) -> str:
        def made(x: str, y: str) -> str:
            return self._quick([x, y], _SIGNS[d], f"{self._order([x, y])} {_SIGNS[d]} 0")

        return self.bind(a[0], lambda x: self.bind(a[1], lambda y: made(x, y)))

    def op_datetime_equal(self, a: Args, d: str) -> str:
        def made(x: str, y: str) -> str:
            return self._quick([x, y], "=", f"{self._order([x, y])} = 0")

        return self.bind(a[0], lambda x: self.bind(a[1], lambda y: made(x, y)))

    def op_datetime_equivalent(self, a: Args, d: str) -> str:
        return f"coalesce({self.op_datetime_equal(a, d)}, false)"

    def _time_order(self, a: Args) -> str:
        def compared(x: str, y: str) -> str:
            def padded(t: str) -> str:
                return f"({t} || substring('00:00:00.000', length({t}) + 1))"

            shared = f"least(length({x}), length({y}))"
            return (
                f"(case when least(length({x}), 8) = least(length({y}), 8) then (case when {padded(x)} < {padded(y)} then -1 "
                f"when {padded(x)} > {padded(y)} then 1 when {padded(x)} = {padded(y)} then 0 end) "
                f"when substring({x}, 1, {shared}) < substring({y}, 1, {shared}) then -1 "
                f"when substring({x}, 1, {shared}) > substring({y}, 1, {shared}) then 1 end)"
            )

        return self.bind(a[0], lambda x: self.bind(a[1], lambda y: compared(x, y)))

    def op_time_compare(self, a: Args, d: str) -> str:
        return f"({self._time_order(a)} {_SIGNS[d]} 0)"

    def op_time_equal(self, a: Args, d: str) -> str:
        return f"({self._time_order(a)} = 0)"

    def op_time_equivalent(self, a: Args, d: str) -> str:
        return f"coalesce({self._time_order(a)} = 0, false)"

    # Boundaries and precision

    def op_datetime_boundary(self, a: Args, d: str) -> str:
        side, digits = d.split(":")
        length = _CUTS[int(digits)]

        def edge(text: str) -> str:
            body = f"regexp_replace({text}, {_ZONE}, '')"
            zone = f"nullif(regexp_extract({text}, 'T.*(Z|[+-][0-9]{{2}}:[0-9]{{2}})$', 1), '')"

            def filled(written: str) -> str:
                if side == "low":
                    made = f"({written} || substring('0000-01-01T00:00:00.000', length({written}) + 1))"
                else:
                    day = (
                        f"(case when length({written}) = 4 then {written} || '-12-31' when length({written}) = 7 then "
                        f"strftime(last_day(try_cast({written} || '-01' as date)), '%Y-%m-%d') else {written} end)"
                    )
                    # An hour without minutes counts as the full hour, as in the official tests
                    full = f"(case when length({written}) = 13 then {written} || ':00' else {day} end)"
                    made = self.bind(
                        full, lambda f: f"({f} || substring('0000-12-31T23:59:59.999', length({f}) + 1))"
                    )
                if length <= 10:
                    return f"substring({made}, 1, {length})"
                missing = "+14:00" if side == "low" else "-12:00"
                return f"(substring({made}, 1, {length}) || coalesce({zone}, '{missing}'))"

            return self.bind(body, filled)

        return self.bind(a[0], edge)

    def op_time_boundary(self, a: Args, d: str) -> str:
        side, digits = d.split(":")
        length = {2: 2, 4: 5, 6: 8, 9: 12}[int(digits)]
        full = "00:00:00.000" if side == "low" else "23:59:59.999"
        return self.bind(
            a[0], lambda t: f"substring({t} || substring('{full}', length({t}) + 1), 1, {length})"
        )

    def op_datetime_precision(self, a: Args, d: str) -> str:
        return f"length(regexp_replace(regexp_replace({a[0]}, {_ZONE}, ''), '[^0-9]', '', 'g'))"

    # Arithmetic

    def op_datetime_shift(self, a: Args, d: str) -> str:
        amount, unit = d.split(":")
        number = int(amount)
        coarser = {"year": (number, 0), "month": (int(number / 12), number)}
        days = {"week": number * 7, "day": number, "hour": int(number / 24), "minute": int(number / 1440)}
        whole_days = days.get(unit, int(number / 86400) if unit == "second" else int(number / 86_400_000))
        years, months = coarser.get(unit, (int(whole_days / 365), int(whole_days / 30)))
        precise = f"interval ({number}) {unit}"
        if unit == "year":
            months = number * 12

        def moved(text: str) -> str:
            body = f"regexp_replace({text}, {_ZONE}, '')"

            def cut(written: str) -> str:
                start = f"try_cast({written} || substring('0000-01-01T00:00:00.000', length({written}) + 1) as timestamp)"
                by_day = (
                    precise if unit in {"year", "month", "week", "day"} else f"interval ({whole_days}) day"
                )
                step = (
                    f"(case length({written}) when 4 then interval ({years}) year when 7 then interval ({months}) month "
                    f"when 10 then {by_day} else {precise} end)"
                )
                made = f"strftime({start} + {step}, '%Y-%m-%dT%H:%M:%S.%g')"
                return (
                    f"(substring({made}, 1, length({written})) || substring({text}, length({written}) + 1))"
                )

            return self.bind(body, cut)

        return self.bind(a[0], moved)

    def op_time_shift(self, a: Args, d: str) -> str:
        amount, unit = d.split(":")

        def moved(text: str) -> str:
            start = f"try_cast('2000-01-01T' || {text} || substring('00:00:00.000', length({text}) + 1) as timestamp)"
            return (
                f"substring(strftime({start} + interval ({amount}) {unit}, '%H:%M:%S.%g'), 1, length({text}))"
            )

        return self.bind(a[0], moved)

    # Conversion

    def op_text_to_date(self, a: Args, d: str) -> str:
        def made(x: str) -> str:
            days = f"regexp_extract({x}, '^([0-9]{{4}}(-[0-9]{{2}}(-[0-9]{{2}})?)?)(T.*)?$', 1)"
            there = f"try_cast({days} || substring('0000-01-01', length({days}) + 1) as date) is not null"
            return f"(case when {days} <> '' and {there} then {days} end)"

        return self.bind(a[0], made)

    def op_text_to_datetime(self, a: Args, d: str) -> str:
        pattern = "[0-9]{4}(-[0-9]{2}(-[0-9]{2}(T([0-9]{2}(:[0-9]{2}(:[0-9]{2}(\\.[0-9]+)?)?)?(Z|[+-][0-9]{2}:[0-9]{2})?)?)?)?)?"

        def made(x: str) -> str:
            return f"(case when regexp_full_match({x}, '{pattern}') and ({self._span(x)}).l is not null then {x} end)"

        return self.bind(a[0], made)

    def op_text_to_time(self, a: Args, d: str) -> str:
        return self.bind(
            f"ltrim({a[0]}, 'T')",
            lambda x: (
                f"(case when regexp_full_match({x}, '([01][0-9]|2[0-3])(:[0-5][0-9](:[0-5][0-9](\\.[0-9]+)?)?)?') then {x} end)"
            ),
        )

    # Quantities

    def op_calendar(self, a: Args, d: str) -> str:
        return self.literal(d)

    def op_quantity(self, a: Args, d: str) -> str:
        value = f"cast({a[0]} as {DECIMAL})"
        return f"(case when {a[0]} is not null then struct_pack(value := {value}, unit := {a[1]}) end)"

    def op_quantity_value(self, a: Args, d: str) -> str:
        return f"struct_extract({a[0]}, 'value')"

    def op_quantity_unit(self, a: Args, d: str) -> str:
        return f"struct_extract({a[0]}, 'unit')"

    def op_quantity_text(self, a: Args, d: str) -> str:
        words = "('year', 'month', 'week', 'day', 'hour', 'minute', 'second', 'millisecond')"
        return self.bind(
            a[0],
            lambda q: (
                f"({self.op_number_text([f'{q}.value'], '')} || ' ' || (case when {q}.unit in {words} then {q}.unit "
                f"else '''' || {q}.unit || '''' end))"
            ),
        )

    def op_quantity_negative(self, a: Args, d: str) -> str:
        return self.bind(a[0], lambda q: f"struct_pack(value := -{q}.value, unit := {q}.unit)")

    def op_quantity_abs(self, a: Args, d: str) -> str:
        return self.bind(
            a[0], lambda q: f"struct_pack(value := cast(abs({q}.value) as {DECIMAL}), unit := {q}.unit)"
        )

    def _factor(self, unit: str) -> str:
        cases = " ".join(f"when {self.literal(u)} then {factor}" for u, (_, factor) in conversions().items())
        return f"cast((case {unit} {cases} end) as double)"

    def _dimension(self, unit: str) -> str:
        cases = " ".join(
            f"when {self.literal(u)} then {self.literal(kind)}" for u, (kind, _) in conversions().items()
        )
        return f"coalesce((case {unit} {cases} end), {unit})"

    def _against(self, a: Args, same: str, other: str) -> str:
        """Return a comparison of values in one unit, or in another that converts; null where none does."""

        def made(x: str, y: str) -> str:
            left, right = f"{x}.value", f"{y}.value"
            direct = same.format(x=left, y=right)
            known = f"{self._factor(f'{x}.unit')} is not null and {self._factor(f'{y}.unit')} is not null"
            alike = f"{known} and {self._dimension(f'{x}.unit')} = {self._dimension(f'{y}.unit')}"
            there = f"(cast({right} as double) * {self._factor(f'{y}.unit')} / {self._factor(f'{x}.unit')})"
            near = f"round(cast({left} as double), 9)"
            converted = other.format(x=near, y=f"round({there}, 9)")
            return f"(case when {x}.unit = {y}.unit then {direct} when {alike} then {converted} end)"

        return self.bind(a[0], lambda x: self.bind(a[1], lambda y: made(x, y)))

    def op_quantity_compare(self, a: Args, d: str) -> str:
        sign = _SIGNS[d]
        return self._against(a, f"({{x}} {sign} {{y}})", f"({{x}} {sign} {{y}})")

    def op_quantity_equal(self, a: Args, d: str) -> str:
        return self._against(a, "({x} = {y})", "({x} = {y})")

    def op_quantity_equivalent(self, a: Args, d: str) -> str:
        def made(x: str, y: str) -> str:
            left, right = (self.scale(f"cast({one}.value as varchar)") for one in (x, y))
            least = f"least({left}, {right})"
            near = f"{self.rounded('{x}', least)} = {self.rounded('{y}', least)}"
            return f"coalesce({self._against([x, y], near, near)}, false)"

        return self.bind(a[0], lambda x: self.bind(a[1], lambda y: made(x, y)))

    def op_quantity_comparable(self, a: Args, d: str) -> str:
        def made(x: str, y: str) -> str:
            return f"({x}.unit = {y}.unit or {self._dimension(f'{x}.unit')} = {self._dimension(f'{y}.unit')})"

        return self.bind(a[0], lambda x: self.bind(a[1], lambda y: made(x, y)))

    def op_quantity_plus(self, a: Args, d: str) -> str:
        return self._summed(a, "+")

    def op_quantity_minus(self, a: Args, d: str) -> str:
        return self._summed(a, "-")

    def _summed(self, a: Args, sign: str) -> str:
        def made(x: str, y: str) -> str:
            known = f"{self._dimension(f'{x}.unit')} = {self._dimension(f'{y}.unit')}"
            there = f"cast(cast({y}.value as double) * {self._factor(f'{y}.unit')} / {self._factor(f'{x}.unit')} as {DECIMAL})"
            value = f"(case when {x}.unit = {y}.unit then {x}.value {sign} {y}.value when {known} then {x}.value {sign} {there} end)"
            return f"(case when {value} is not null then struct_pack(value := cast({value} as {DECIMAL}), unit := {x}.unit) end)"

        return self.bind(a[0], lambda x: self.bind(a[1], lambda y: made(x, y)))

    def op_text_to_quantity(self, a: Args, d: str) -> str:
        words = "years?|months?|weeks?|days?|hours?|minutes?|seconds?|milliseconds?"
        pattern = f"^([+-]?[0-9]+(?:\\.[0-9]+)?)(?:\\s*(?:''([^'']+)''|({words})))?$"

        def made(x: str) -> str:
            def part(number: int) -> str:
                return f"nullif(regexp_extract({x}, '{pattern}', {number}), '')"

            unit = f"coalesce({part(2)}, rtrim({part(3)}, 's'), '1')"
            return self.op_quantity([f"try_cast({part(1)} as {DECIMAL})", unit], "")

        return self.bind(a[0], made)
