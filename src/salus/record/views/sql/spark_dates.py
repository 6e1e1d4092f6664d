"""Spark's SQL of dates and times; what a date means is told in `duckdb_dates`."""

# ruff: noqa: D102 - each method is the SQL of the operation that it is named after

from salus.record.views.sql.duckdb_dates import DateOperations

Args = list[str]
_ZONE = "'(T|Z|[+-][0-9]{2}:[0-9]{2})$'"
_SPANS = {4: "'1' year", 7: "'1' month", 10: "'1' day", 13: "'1' hour", 16: "'1' minute"}
_TICK = "interval '0.000001' second"
_CUTS = {4: 4, 6: 7, 8: 10, 10: 13, 12: 16, 14: 19, 17: 23}


class SparkDateOperations(DateOperations):
    """Dates and times."""

    def _span(self, text: str) -> str:
        """Return a struct: beginning, end, length of what is written, whether the zone is known."""
        zone = f"regexp_extract({text}, 'T.*([+-][0-9]{{2}}:[0-9]{{2}})$', 1)"
        offset = (
            f"(case when {zone} = '' then 0 else (case when substring({zone}, 1, 1) = '-' then -1 else 1 end) * "
            f"(cast(substring({zone}, 2, 2) as int) * 60 + cast(substring({zone}, 5, 2) as int)) end)"
        )

        def with_body(written: str) -> str:
            full = f"concat({written}, substring('0000-01-01T00:00:00.000', length({written}) + 1))"
            start = f"(try_cast({full} as timestamp_ntz) - make_dt_interval(0, 0, {offset}))"

            def with_start(begin: str) -> str:
                ends = " ".join(f"when {n} then {begin} + interval {span}" for n, span in _SPANS.items())
                end = f"(case length({written}) {ends} else {begin} + {_TICK} end) - {_TICK}"
                return (
                    f"named_struct('l', {begin}, 'h', {end}, 'p', least(length({written}), 19), "
                    f"'z', {zone} <> '' or {text} like '%Z')"
                )

            return self.bind(start, with_start)

        return self.bind(f"regexp_replace({text}, {_ZONE}, '')", with_body)

    def _order(self, a: Args) -> str:
        """Return -1, 0 or 1, null where the spans overlap."""

        def compared(x: str, y: str) -> str:
            def moved(one: str, end: str, hours: int) -> str:
                shift = f"make_dt_interval(0, case when {x}.z = {y}.z or {one}.z then 0 else {hours} end)"
                return f"({one}.{end} {'-' if end == 'l' else '+'} {shift})"

            return (
                f"(case when {x}.p = {y}.p and {x}.z = {y}.z then (case when {x}.l < {y}.l then -1 "
                f"when {x}.l > {y}.l then 1 when {x}.l = {y}.l then 0 end) "
                f"when {moved(x, 'h', 12)} < {moved(y, 'l', 14)} then -1 "
                f"when {moved(x, 'l', 14)} > {moved(y, 'h', 12)} then 1 end)"
            )

        return self.bind(self._span(a[0]), lambda x: self.bind(self._span(a[1]), lambda y: compared(x, y)))

    def op_datetime_boundary(self, a: Args, d: str) -> str:
        side, digits = d.split(":")
        length = _CUTS[int(digits)]

        def edge(text: str) -> str:
            zone = f"nullif(regexp_extract({text}, 'T.*(Z|[+-][0-9]{{2}}:[0-9]{{2}})$', 1), '')"

            def filled(written: str) -> str:
                if side == "low":
                    made = f"concat({written}, substring('0000-01-01T00:00:00.000', length({written}) + 1))"
                else:
                    month = f"cast(last_day(try_cast(concat({written}, '-01') as date)) as string)"
                    # An hour without minutes counts as the full hour, as in the official tests
                    full = (
                        f"(case length({written}) when 4 then concat({written}, '-12-31') when 7 then {month} "
                        f"when 13 then concat({written}, ':00') else {written} end)"
                    )
                    made = self.bind(
                        full, lambda f: f"concat({f}, substring('0000-12-31T23:59:59.999', length({f}) + 1))"
                    )
                if length <= 10:
                    return f"substring({made}, 1, {length})"
                missing = "+14:00" if side == "low" else "-12:00"
                return f"concat(substring({made}, 1, {length}), coalesce({zone}, '{missing}'))"

            return self.bind(f"regexp_replace({text}, {_ZONE}, '')", filled)

        return self.bind(a[0], edge)
