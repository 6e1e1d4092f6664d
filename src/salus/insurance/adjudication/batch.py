"""Adjudication of many claims at once, as one job of set-wise steps on DuckDB or Spark."""

import functools
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa

from salus.engine import duckdb_engine
from salus.engine.contract import Engine, Parameter, Source
from salus.engine.jobs import Job, Progress, StepFailed, read_job
from salus.insurance.adjudication.edits import UNITS, Edit
from salus.insurance.adjudication.row_facts import FORM
from salus.insurance.adjudication.rules import GENERAL, Rules
from salus.insurance.adjudication.tables import INPUTS, MOST, OUTPUTS, UNLIMITED
from salus.kernel.errors import Invalid, SalusError

_FILES = ("screening.sql", "limits.sql", "benefits.sql", "results.sql")
_COMPILED = (
    "deductibles", "year_deductibles", "rates", "stay_ceilings", "year_ceilings", "quotas", "plans",
    "serious", "serious_bands", "aid", "aid_bands", "free", "classes", "illnesses", "edits",
)  # fmt: skip
_LINE_LEVEL = ("claim", "person", "institution", "cover", "as_of")


@dataclass(frozen=True, slots=True)
class Results:
    """What a batch decided: the tables of `tables.OUTPUTS`, ordered by claim, line and their other keys."""

    claims: pa.Table
    lines: pa.Table
    parts: pa.Table
    findings: pa.Table
    events: pa.Table


def adjudicate_batch(
    tables: Mapping[str, Source],
    rules: Rules,
    *,
    as_of: date,
    engine: Engine | None = None,
    progress: Progress | None = None,
    scratch: Path | None = None,
) -> Results:
    """Adjudicate claims by their rules and return who pays what and why.

    `tables` has those of `tables.INPUTS` by name, as Arrow tables or files; optional ones may be left out.
    `as_of` is the day of adjudication: later days are an error of the claim. Without `engine` DuckDB is used;
    Spark keeps steps in files under `scratch` (default: the system's place), which every worker must see.
    Raises `Invalid` for tables that are not what they should be, `StepFailed` for a step that fails.
    """
    with nullcontext(engine) if engine is not None else duckdb_engine() as one:
        with _Run(one, tables, rules, as_of, progress, scratch) as run:
            return Results(*(run.result(name) for name in ("claims", "lines", "parts", "findings", "events")))


def write_batch(
    tables: Mapping[str, Source],
    rules: Rules,
    folder: Path,
    *,
    as_of: date,
    engine: Engine | None = None,
    progress: Progress | None = None,
    scratch: Path | None = None,
) -> dict[str, int]:
    """Adjudicate as `adjudicate_batch` does, write each result into a folder, and return their rows."""
    with nullcontext(engine) if engine is not None else duckdb_engine() as one:
        with _Run(one, tables, rules, as_of, progress, scratch) as run:
            return {
                name: one.write(run.select(name), folder / f"{name}.parquet")
                for name in OUTPUTS
            }  # fmt: skip


class _Run:
    """The job's steps kept in an engine while results are read."""

    def __init__(
        self,
        engine: Engine,
        tables: Mapping[str, Source],
        rules: Rules,
        as_of: date,
        progress: Progress | None,
        scratch: Path | None,
    ) -> None:
        self.engine = engine
        self.rules = rules
        self.as_of = as_of
        self.progress = progress
        self.names: list[str] = []
        self.scratch = scratch
        self.workspace: str | None = None
        if unknown := [name for name in tables if name not in INPUTS]:
            raise Invalid(
                "adjudication-table",
                f"there is no table {unknown[0]}",
                fix=f"There are: {', '.join(INPUTS)}.",
            )
        self.tables = tables

    def __enter__(self) -> "_Run":
        try:
            self._register()
            self._keep(job_for(self.rules.edits))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for name in reversed(self.names):
            self.engine.drop(name)
        if self.workspace is not None:
            shutil.rmtree(self.workspace, ignore_errors=True)

    def select(self, name: str) -> str:
        """Return the select that gives a result, in its order."""
        table = OUTPUTS[name]
        columns = ", ".join(f'cast("{column}" as {type}) as "{column}"' for column, type, _ in table.columns)
        return f"select {columns} from out_{name} order by {_ORDERS[name]}"  # noqa: S608 - names of this file

    def result(self, name: str) -> pa.Table:
        """Return a result."""
        return OUTPUTS[name].conform(self.engine.run(self.select(name)))

    def _register(self) -> None:
        for name, table in INPUTS.items():
            source = self.tables.get(name)
            if source is None:
                if not table.optional:
                    raise Invalid("adjudication-table", f"the table {name} is missing", fix=table.about)
                source = table.empty()
            elif isinstance(source, pa.RecordBatchReader):
                source = source.read_all()
            if isinstance(source, pa.Table):
                source = table.conform(source)
            self.engine.register(name, source)
            self.names.append(name)
        for name in _COMPILED:
            self.engine.register(name, self.rules.arrow(name))
            self.names.append(name)
        _checked(self.engine)

    def _keep(self, job: Job) -> None:
        known = self.engine.run("select count(*) as n from diagnoses").column(0)[0].as_py()
        values: dict[str, Parameter] = {
            "as_of": self.as_of, "known_codes": int(known), "most_stays": self.rules.most_stays,
        }  # fmt: skip
        for number, step in enumerate(job.steps):
            if self.progress:
                self.progress(step.name, number, len(job.steps))
            used = {name: value for name, value in values.items() if f"${name}" in step.sql}
            readers = sum(one.reads.count(step.name) for one in job.steps) + step.name.startswith("out_")
            try:
                self._step(step.name, step.sql, used, reused=readers > 1)
            except SalusError as error:
                raise StepFailed(job.name, step.name, {}, error) from None
            self.names.append(step.name)
        if self.progress:
            self.progress("", len(job.steps), len(job.steps))

    def _step(self, name: str, sql: str, used: dict[str, Parameter], *, reused: bool) -> None:
        """Keep a step's rows; on Spark in files, for its planner takes minutes over plans of this depth."""
        if self.engine.name != "spark" or not reused:
            self.engine.keep(name, sql, used, reused=reused)
            return
        if self.workspace is None:
            self.workspace = tempfile.mkdtemp(prefix="salus-adjudication-", dir=self.scratch)
        place = Path(self.workspace) / name
        self.engine.write(sql, place, params=used)
        self.engine.register(name, place, format="parquet")


_ORDERS = {
    "claims": "claim_id",
    "lines": "claim_id, line_no, item, charge",
    "parts": "claim_id, line_no, payer, reason, rule, amount",
    "findings": "claim_id, line_no, code, rule, amount",
    "events": "claim_id, account, key",
}


def job_for(edits: tuple[Edit, ...]) -> Job:
    """Return the job for a set of edits, checked: its steps are the SQL files with the edits written in."""
    home = Path(__file__).parent
    text = "\n".join((home / name).read_text(encoding="utf-8") for name in _FILES)
    on_lines = [edit for edit in edits if edit.predicate and edit.level == "line"]
    on_claims = [edit for edit in edits if edit.predicate and edit.level == "claim" and edit.kind != "count"]
    counts = [edit for edit in edits if edit.kind == "count"]
    wanted = {
        name.replace(".", "_")
        for edit in on_lines
        if edit.predicate
        for name in edit.predicate.fields
        if name.partition(".")[0] in _LINE_LEVEL
    }
    wanted |= {f"{name}_text" for name in wanted if name in ("claim_diagnoses", "claim_procedures")}
    values = {
        "most": str(MOST), "units": str(UNITS), "unlimited": str(UNLIMITED), "general": GENERAL, "form": FORM,
        "line_columns": "".join(f", f.{column}" for column in sorted(wanted)),
        "claim_edits": _numbers(on_claims, edits, "day"),
        "line_edits": _numbers(on_lines, edits, "day"),
        "count_edits": _numbers(counts, edits, "make_date(year, 1, 1)"),
    }  # fmt: skip
    for name, value in values.items():
        text = text.replace("{" + name + "}", value)
    return _checked_job("\n".join([*_header(), text]))


@functools.lru_cache(maxsize=8)
def _checked_job(text: str) -> Job:
    """Check a job once: that takes seconds, and rules that are loaded again mostly say the same."""
    return read_job(text, default="adjudication")


def _header() -> list[str]:
    lines = ["-- job: adjudication", "-- Who pays what of each claim line, by which rule, and why."]
    for table in INPUTS.values():
        columns = ", ".join(f"{name} {type}" for name, type, _ in table.columns)
        lines.append(f"-- input: {table.name} ({columns})")
    compiled = Rules.columns()
    lines += [f"-- input: {name} ({compiled[name]})" for name in _COMPILED]
    return [*lines, "-- param: as_of date", "-- param: known_codes bigint", "-- param: most_stays bigint"]


def _numbers(chosen: list[Edit], edits: tuple[Edit, ...], day: str) -> str:
    """Return a text, in SQL, of the numbers of those edits that a row fails, commas between them."""
    number = {edit: str(place) for place, edit in enumerate(edits)}
    cases = []
    for edit in chosen:
        when = edit.predicate.sql if edit.predicate else "false"
        if edit.kind != "builtin":
            when = f"{day} between date '{edit.valid_from}' and date '{edit.valid_to}' and {when}"
        cases.append(f"case when {when} then '{number[edit]}' end")
    return "concat_ws(',', " + ",\n  ".join(cases or ["cast(null as varchar)"]) + ")"


_KEYS = {
    "claims": "claim_id is null",
    "claim_lines": "claim_id is null or line_no is null",
    "catalogue": "item is null or valid_from is null or self_share < 0 or self_share > 10000"
    " or (class is not null and class not in ('A', 'B', 'C'))"
    f" or max_day < 0 or max_stay < 0 or max_year < 0 or ceiling_1 < 0 or ceiling_1 > {MOST}"
    f" or ceiling_2 < 0 or ceiling_2 > {MOST} or ceiling_3 < 0 or ceiling_3 > {MOST}",
    "institutions": "institution is null or tier is null or tier < 0 or tier > 3 or valid_from is null",
    "persons": "person_id is null",
    "coverage": "person_id is null or scheme is null or starts is null",
    "statuses": "person_id is null or status is null or starts is null",
    "registrations": "person_id is null or illness is null or starts is null",
    "diagnoses": "code is null",
    "earlier": "claim_id is null or person_id is null or kind is null or admitted is null"
    " or discharged is null",
    "balances": "person_id is null or year is null or account is null or key is null or amount is null",
}
_UNIQUE = {
    "catalogue": "item, valid_from",
    "institutions": "institution",
    "persons": "person_id",
    "diagnoses": "code",
    "balances": "person_id, year, account, key",
}


def _checked(engine: Engine) -> None:
    """Refuse tables whose rows cannot be told apart or joined: what no edit of a claim could say."""
    for name, wrong in _KEYS.items():
        rows = engine.run(f"select count(*) as n from {name} where {wrong}").column(0)[0].as_py()  # noqa: S608
        if rows:
            raise Invalid(
                "adjudication-rows",
                f"{rows:,} rows of {name} lack a key or hold a value that cannot be",
                where=name,
                fix=f"None may hold: {wrong}.",
            )
    for name, key in _UNIQUE.items():
        repeated = engine.run(
            f"select count(*) as n from (select {key} from {name} group by {key} having count(*) > 1) as r"  # noqa: S608
        )
        if rows := repeated.column(0)[0].as_py():
            raise Invalid(
                "adjudication-repeated",
                f"{rows:,} keys of {name} stand in several rows",
                where=name,
                fix=f"One row for each {key}.",
            )
