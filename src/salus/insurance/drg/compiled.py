"""A scheme compiled to steps of SQL, in the engine room's portable dialect, the same on DuckDB and Spark."""

# ruff: noqa: S608 - numbers and codes of a scheme are written into SQL, quoted; nothing of a case is

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import groupby

import pyarrow as pa

from salus.insurance.drg.asked import OPERATED, Asked, asked_by
from salus.insurance.drg.conditions import FLAGS, Conditions, flag_sql, quoted
from salus.insurance.drg.dimensions import dimensions
from salus.insurance.drg.leaves import NO_ADRG, NO_MDC, SEVERITIES, Leaves, at_severity
from salus.insurance.drg.scopes import surgical
from salus.insurance.scheme import Scheme
from salus.insurance.scheme.predicates import FALSE, TRUE, all_of, any_of

COLUMNS: Mapping[str, str] = {
    "id": "whole number or text, different in each row", "gender": "1 male, 2 female", "age": "years",
    "age_day": "days", "weight": "grams at birth", "los": "days", "icu_hours": "hours",
    "discharge": "code of the way of leaving", "department": "code",
    "dx": "list of codes, or codes between | or ;, the principal first",
    "pr": "list of codes, or codes between | or ;, the main one first",
}  # fmt: skip
GIVES: Mapping[str, str] = {
    "id": "as in the cases", "mdc": "category", "adrg": "group", "drg": "group with severity",
    "severity": "MCC, CC or empty: the highest that counts", "weight": "of the scheme; null if it has none",
    "reason": "grouped, no-principal, unknown-principal, no-mdc, no-adrg, no-drg",
    "unknown_dx": "diagnoses the scheme does not know", "unknown_pr": "procedures the scheme does not know",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Step:
    """One select, its name, and how many later steps read it."""

    name: str
    sql: str


@dataclass(frozen=True, slots=True)
class Compiled:
    """A scheme ready to group: tables to register, steps to run over `drg_case`; the last gives groups."""

    scheme: Scheme
    tables: Mapping[str, pa.Table]
    steps: tuple[Step, ...]

    def job(self) -> str:
        """Return the whole as the text of a job, which the engine room can check for portability."""
        inputs = {"drg_case": CASE_TYPES, **{name: _types(table) for name, table in self.tables.items()}}
        lines = [f"-- job: {_word(self.scheme.code)}"]
        for name, columns in inputs.items():
            lines.append(f"-- input: {name} ({', '.join(f'{one} {kind}' for one, kind in columns.items())})")
        for step in self.steps:
            lines += [f"-- step: {step.name}", step.sql]
        return "\n".join(lines)


CASE_TYPES: Mapping[str, str] = {
    "id": "bigint", "gender": "bigint", "age": "bigint", "age_day": "bigint", "weight": "bigint",
    "los": "bigint", "icu_hours": "bigint", "discharge": "varchar", "department": "varchar",
    "dx": "varchar[]", "pr": "varchar[]",
}  # fmt: skip


def compile_scheme(scheme: Scheme, *, clinical: bool = False) -> Compiled:
    """Compile a scheme; with `clinical` the cases' codes are mapped to insurance codes first."""
    asked = asked_by(scheme)
    tables, asked, scope = dimensions(scheme, asked, clinical=clinical)
    leaves = Leaves(scheme)
    writer = _Writer(scheme, asked, leaves, tables, scope)
    tables |= {"drg_leaf": leaves.names(), "drg_split": leaves.splits()}
    steps = writer.steps()
    if not scheme.suppressed:
        tables.pop("drg_suppressed")
    return Compiled(scheme, tables, tuple(steps))


class _Writer:
    def __init__(
        self,
        scheme: Scheme,
        asked: Asked,
        leaves: Leaves,
        tables: Mapping[str, pa.Table],
        scope: int,
    ) -> None:
        self.scheme, self.asked, self.leaves = scheme, asked, leaves
        self.rules = Conditions(asked)
        self.alive = any(one.alive for found in scheme.counted.values() for one in found)
        self.flag_words = -(-len(asked.flags) // FLAGS)
        self.masks = [f"w{n}" for n in range(asked.further.words)]
        self.counts = [f"k{n}" for n in range(len(asked.counts))]
        self.flags = [f"f{n}" for n in range(self.flag_words)]
        held = [f"a{n}" for n in range(len(asked.whole))]
        self.kind = ["d", *self.flags, *held, *self.masks, *self.counts]
        self.scope = scope
        self.whole = [f"z{n}" for n in range(len(asked.whole))]
        self.severe_first = scheme.no_split == "next"
        self.suppresses = bool(scheme.suppressed)
        self.mains = tables["drg_first_pr"].num_rows

    def steps(self) -> list[Step]:
        first = [
            Step("drg_first", self.first()),
            Step("drg_dx_code", self.unnested("dx")),
            Step("drg_dx_hit", self.dx_hit()),
            Step("drg_pr_code", self.unnested("pr")),
            Step("drg_pr_hit", self.pr_hit()),
            *self.further(),
        ]
        severity = [
            Step("drg_dx_sum", self.dx_sum()),
            Step("drg_pr_sum", "select id, count(*) as unknown_pr from drg_pr_hit where pr = 0 group by id"),
        ]
        ranked = [
            Step("drg_fact", self.fact()),
            Step("drg_kind", f"select distinct {', '.join(self.kind)} from drg_fact"),
            Step("drg_seen", self.seen()),
            Step("drg_rank", self.rank()),
            Step("drg_placed", self.placed()),
        ]
        if self.severe_first:
            return [*first, *severity, *ranked, Step("drg_group", self.group())]
        within = [Step("drg_within", self.within())] if self.suppresses else []
        return [*first, *ranked, *within, *severity, Step("drg_group", self.group())]

    def first(self) -> str:
        """Each case with what its first diagnosis and its first procedure are asked, and its flags."""
        words = []
        for word in range(self.flag_words):
            terms = [
                f"case when {flag_sql(flag)} then {1 << n} else 0 end"
                for n, flag in enumerate(self.asked.flags[word * FLAGS : (word + 1) * FLAGS])
            ]
            words.append(f"cast({' + '.join(terms)} as bigint) as f{word}")
        died = ""
        if self.alive:
            codes = ", ".join(quoted(code) for code in self.scheme.died) or "''"
            died = f", case when coalesce(c.discharge, '') in ({codes}) then 1 else 0 end as died"
        return (
            "select c.id, c.dx as dx_list, c.pr as pr_list, coalesce(d.dx, 0) as dx, coalesce(d.p, 0) as p,"
            " coalesce(d.x, 0) as x, coalesce(q.pr, 0) as pr, coalesce(q.q, 0) as q,"
            f" coalesce(len(c.dx), 0) as n_dx, coalesce(d.r, {self.scope}) as r"
            f"{''.join(f', coalesce(d.{name}, 0) as {name}' for name in self.whole)}"
            f"{''.join(', ' + word for word in words)}{died}"
            " from drg_case c left join drg_dx d on d.code = c.dx[1] left join drg_pr q on q.code = c.pr[1]"
        )

    def unnested(self, kind: str) -> str:
        kept = ["id", f"{kind} as first_{kind}", "r"]
        if kind == "dx":
            kept += ["x", "died"] if self.alive else ["x"]
        return f"select {', '.join(kept)}, unnest({kind}_list) as code from drg_first"

    def dx_hit(self) -> str:
        """Diagnoses that matter: unknown ones, complications, and those in a set asked of further codes."""
        lost = "coalesce(e.m, d.m)", "coalesce(e.c, d.c)"
        more = ", r.died" if self.alive else ""
        more += "".join(f", coalesce(d.{name}, 0) as {name}" for name in self.whole)
        also = "".join(f" or d.{name} > 0" for name in self.whole)
        return (
            f"select r.id, r.first_dx, coalesce(d.dx, 0) as dx, coalesce(d.o, 0) as o, r.r,"
            f" coalesce({lost[0]}, 0) as m, coalesce({lost[1]}, 0) as c{more}"
            " from drg_dx_code r left join drg_dx d on d.code = r.code"
            " left join drg_excluded e on e.x = r.x and e.s = d.s"
            f" where r.code <> '' and (d.code is null or d.s > 0 or d.o > 0{also})"
        )

    def pr_hit(self) -> str:
        return (
            "select r.id, r.first_pr, coalesce(d.pr, 0) as pr, coalesce(d.o, 0) as o, r.r"
            " from drg_pr_code r left join drg_pr d on d.code = r.code"
            " where r.code <> '' and (d.code is null or d.o > 0)"
        )

    def further(self) -> list[Step]:
        """The sets that a case's further codes hit: distinct bits, added up to words."""
        steps: list[Step] = []
        if self.whole:
            sums = ", ".join(f"cast(sum({name}) as bigint) as {name}" for name in self.whole)
            steps.append(Step("drg_whole", f"select id, {sums} from drg_dx_hit group by id"))
        if not self.masks and not self.counts:
            return steps
        steps += [
            Step(
                "drg_further",
                " union all ".join(
                    "select id, max(o) as o, max(r) as r,"
                    f" case when {kind} = first_{kind} then 1 else 0 end as again"
                    f" from drg_{kind}_hit where o > 0 group by id, {kind}, first_{kind}"
                    f" having {kind} <> first_{kind} or count(*) > 1"
                    for kind in ("dx", "pr")
                ),
            )
        ]
        if self.masks:
            sums = ", ".join(
                f"cast(sum(case when word = {n} then bit else 0 end) as bigint) as w{n}"
                for n in range(len(self.masks))
            )
            steps += [
                Step(
                    "drg_further_bit",
                    "select distinct h.id, b.word, b.bit from drg_further h"
                    " join drg_bit b on b.r = h.r and b.class = h.o",
                ),
                Step("drg_mask", f"select id, {sums} from drg_further_bit group by id"),
            ]
        if self.counts:
            sums = ", ".join(
                f"cast(sum({_once(asked, name)}) as bigint) as {name}"
                for asked, name in zip(self.asked.counts, self.counts, strict=True)
            )
            steps.append(
                Step(
                    "drg_counted",
                    f"select h.id, {sums} from drg_further h join drg_count b on b.class = h.o group by h.id",
                )
            )
        return steps

    def within(self) -> str:
        """Each case's group of suppressed diagnoses, now that its group is known."""
        return (
            "select p.id, n.g from drg_placed p join drg_split n on n.rank = p.rank"
            " where n.sev = 0 and n.g > 0"
        )

    def dx_sum(self) -> str:
        """A case's complications; one that repeats the principal diagnosis counts from the second time on."""
        m, c = "h.m", "h.c"
        joins = ""
        if self.suppresses:
            joins = (
                " left join drg_within v on v.id = h.id"
                " left join drg_suppressed z on z.g = v.g and z.dx = h.dx"
            )
            m, c = (f"case when z.dx is null then {one} else 0 end" for one in (m, c))
        held = "{} = 1 or ({} = 2 and h.died = 0)" if self.alive else "{0} = 1"

        def highest(one: str) -> str:
            counts = held.format(f"({one})", f"({one})")
            plain = f"max(case when h.dx <> h.first_dx and ({counts}) then 1 else 0 end)"
            again = f"sum(case when h.dx = h.first_dx and ({counts}) then 1 else 0 end)"
            return f"case when {plain} = 1 or {again} > 1 then 1 else 0 end"

        return (
            f"select h.id, cast({highest(m)} as bigint) as mcc, cast({highest(c)} as bigint) as cc,"
            " cast(sum(case when h.dx = 0 then 1 else 0 end) as bigint) as unknown_dx"
            f" from drg_dx_hit h{joins} group by h.id"
        )

    def fact(self) -> str:
        """Each case with all that decides its group; `d` holds its first codes (and its severity)."""
        severe = " * 4 + coalesce(s.mcc, 0) * 2 + coalesce(s.cc, 0)" if self.severe_first else ""
        columns = ["f.id", "f.dx", "f.n_dx", f"(f.p * {self.mains} + f.q){severe} as d"]
        columns += [f"f.{name}" for name in self.flags]
        joins = " left join drg_dx_sum s on s.id = f.id" if self.severe_first else ""
        if self.whole:
            columns += [
                f"case when coalesce(z.{name}, 0) - f.{name} >= f.n_dx - 1 then 1 else 0 end as a{n}"
                for n, name in enumerate(self.whole)
            ]
            joins += " left join drg_whole z on z.id = f.id"
        if self.masks:
            columns += [f"coalesce(m.{name}, 0) as {name}" for name in self.masks]
            joins += " left join drg_mask m on m.id = f.id"
        if self.counts:
            columns += [f"coalesce(k.{name}, 0) as {name}" for name in self.counts]
            joins += " left join drg_counted k on k.id = f.id"
        return f"select {', '.join(columns)} from drg_first f{joins}"

    def seen(self) -> str:
        """Each kind of case with the sets of its first codes as words, and its severity if that decides."""
        words = [f"a.p{n}" for n in range(max(self.asked.first_dx.words, 1))]
        words += [f"b.q{n}" for n in range(max(self.asked.first_pr.words, 1))]
        codes = "s.d // 4" if self.severe_first else "s.d"
        severe = ", (s.d // 2) % 2 as mcc, s.d % 2 as cc" if self.severe_first else ""
        return (
            f"select s.*{severe}, {', '.join(words)} from drg_kind s"
            f" join drg_first_dx a on a.p = ({codes}) // {self.mains}"
            f" join drg_first_pr b on b.q = ({codes}) % {self.mains}"
        )

    def rank(self) -> str:
        """Each kind of case with the group it comes to: categories and groups in their order.

        Where a group's splits ask for more than severity, `l0` to `l3` are its ends by severity.
        """
        tried = []
        of_rank = {id(adrg): rank for rank, adrg in enumerate(self.scheme.adrgs)}
        for mdc in self.scheme.mdcs:
            for operated, adrgs in groupby(self.scheme.adrgs_of(mdc.mdc), lambda one: surgical(one.when)):
                whens = []
                for adrg in adrgs:
                    when = adrg.when
                    if self.severe_first:
                        when = all_of(when, any_of(*(split.when for split in adrg.splits)))
                    whens.append(f"when {self.rules.sql(when)} then {of_rank[id(adrg)]}")
                gate = self.rules.sql(all_of(OPERATED, mdc.gate) if operated else mdc.gate)
                lines = "\n    ".join(whens)
                tried.append(f"case when {gate} then case\n    {lines} end end")
        gates = self.rules.sql(any_of(*(mdc.gate for mdc in self.scheme.mdcs)))
        tried.append(f"case when {gates} then {NO_ADRG} else {NO_MDC} end")
        whole = ",\n  ".join(tried)
        kept = ", ".join(self.kind)
        ranked = f"select *, cast(coalesce(\n  {whole}) as bigint) as rank from drg_seen"
        if not self.leaves.special:
            return f"select {kept}, rank from ({ranked}) ranked"
        ends = ", ".join(f"{self.end(n)} as l{n}" for n in range(4))
        return f"select {kept}, rank, {ends} from ({ranked}) ranked"

    def end(self, sev: int) -> str:
        """The end of each special group at one severity."""
        whens = []
        for rank in self.leaves.special:
            tried = []
            adrg = self.scheme.adrgs[rank]
            last = len(adrg.splits)
            for number, split in enumerate(adrg.splits):
                rule = at_severity(split.when, SEVERITIES[sev])
                if rule == TRUE:
                    last = number
                    break
                if rule != FALSE:
                    tried.append(f"when {self.rules.sql(rule)} then {self.leaves.numbers[rank, number]}")
            end = str(self.leaves.numbers[rank, last])
            whens.append(f"when {rank} then " + (f"case {' '.join(tried)} else {end} end" if tried else end))
        return f"cast(case rank {' '.join(whens)} end as bigint)"

    def placed(self) -> str:
        on = " and ".join(f"f.{name} = k.{name}" for name in self.kind)
        ends = "".join(f", k.l{n}" for n in range(4)) if self.leaves.special else ""
        return f"select f.id, f.dx, f.n_dx, k.rank{ends} from drg_fact f join drg_rank k on {on}"

    def group(self) -> str:
        """Each case's end, by its group and its severity."""
        sev = "coalesce(s.mcc, 0) * 2 + coalesce(s.cc, 0)"
        leaf = "e.leaf"
        if self.leaves.special:
            ends = " ".join(f"when {n} then p.l{n}" for n in range(4))
            leaf = f"coalesce(case {sev} {ends} end, e.leaf)"
        return (
            "select p.id, n.mdc, n.adrg, n.drg,"
            " case when s.mcc = 1 then 'MCC' when s.cc = 1 then 'CC' else '' end as severity, n.weight,"
            " case when n.leaf >= 0 then n.reason when p.n_dx = 0 then 'no-principal'"
            " when p.dx = 0 then 'unknown-principal' else n.reason end as reason,"
            " coalesce(s.unknown_dx, 0) as unknown_dx, coalesce(u.unknown_pr, 0) as unknown_pr"
            " from drg_placed p"
            " left join drg_dx_sum s on s.id = p.id left join drg_pr_sum u on u.id = p.id"
            f" join drg_split e on e.rank = p.rank and e.sev = {sev}"
            f" join drg_leaf n on n.leaf = {leaf}"
        )


def _once(asked: str, name: str) -> str:
    """A code that repeats the first one is no further code of the whole list."""
    return f"case when h.again = 1 then 0 else b.{name} end" if ":any:" in asked else f"b.{name}"


def _word(text: str) -> str:
    made: Callable[[str], str] = lambda one: one if one.isascii() and one.isalnum() else "_"  # noqa: E731
    return "drg_" + "".join(map(made, text.lower()))


def _types(table: pa.Table) -> dict[str, str]:
    names = {pa.int64(): "bigint", pa.string(): "varchar", pa.decimal128(12, 4): "decimal(12, 4)"}
    return {field.name: names[field.type] for field in table.schema}
