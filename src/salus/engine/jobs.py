"""Jobs: named steps of SQL in one file, the same on either engine.

    -- job: bed_days
    -- Bed days a month and ward, of stays that began in the year.
    -- input: stays (person_id varchar, ward varchar, admitted date, discharged date)
    -- param: year bigint
    -- step: of_year
    select * from stays where year(admitted) = $year
    -- step: months
    select ward, date_trunc('month', admitted) as month, count(*) as stays from of_year group by all

A step is one select over the inputs and the steps before it; the last one is what the job gives. A job
is checked when it is loaded: every construct is portable, every name is known, every type fits.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import pyarrow as pa
from sqlglot import exp

from salus.engine.contract import (
    BadStatement,
    Engine,
    Parameter,
    Parameters,
    Plain,
    Source,
    Typed,
    checked_name,
)
from salus.engine.portable import parsed
from salus.engine.spark_sql import translated
from salus.engine.types import kind, spark_type
from salus.engine.typing import Binder
from salus.kernel.errors import SalusError

Progress = Callable[[str, int, int], None]
"""Called before each step with its name, how many are done, and how many there are."""

_HEADER = re.compile(r"--\s*(job|input|param|step):\s*(.*)")
_INPUT = re.compile(r"([a-z_][a-z0-9_]*)\s*\((.+)\)")
_PARAM = re.compile(r"([a-z_][a-z0-9_]*)\s+([a-zA-Z][a-zA-Z0-9 (),]*)")


class BadJob(BadStatement):
    """A job's file that cannot be run: what it lacks, or the step that does not fit."""


class StepFailed(SalusError):
    """A step that failed over its rows. `step` names it, `inputs` are the tables it read."""

    def __init__(self, job: str, step: str, inputs: Mapping[str, str], error: SalusError) -> None:
        read = "; ".join(f"{name}: {words}" for name, words in inputs.items())
        super().__init__(
            "engine-step-failed",
            f"step {step} of {job} failed: {error.message}",
            where=f"inputs {read}" if read else "",
            fix=error.fix,
        )
        self.step = step
        self.inputs = dict(inputs)


@dataclass(frozen=True, slots=True)
class Step:
    """One select of a job: its name, its text, the tables it reads, and the columns it gives."""

    name: str
    sql: str
    reads: tuple[str, ...]
    columns: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Job:
    """A checked job; `inputs` and each step's `columns` are names and types as DuckDB writes them."""

    name: str
    about: str
    inputs: Mapping[str, Mapping[str, str]]
    params: Mapping[str, str]
    steps: tuple[Step, ...]

    @property
    def columns(self) -> Mapping[str, str]:
        """What the job gives."""
        return self.steps[-1].columns

    def run(
        self,
        engine: Engine,
        inputs: Mapping[str, Source] | None = None,
        params: Parameters | None = None,
        *,
        progress: Progress | None = None,
    ) -> pa.Table:
        """Run the steps and return the last one's rows.

        `inputs` are registered under their names; those left out must be registered already. Their
        columns may be more than the job declares. Raises `BadJob` for an input or a parameter that is
        missing or does not fit, and `StepFailed`, which names the step and what it read but no row.
        """
        bound = self._begin(engine, inputs or {}, params or {})
        return self._through(engine, bound, progress, lambda step: engine.run(step.sql, bound[step.name]))

    def write(
        self,
        engine: Engine,
        path: str | Path,
        inputs: Mapping[str, Source] | None = None,
        params: Parameters | None = None,
        *,
        partition_by: tuple[str, ...] = (),
        progress: Progress | None = None,
    ) -> int:
        """Run the steps, write the last one's rows as `Engine.write` does, and return how many they were."""
        bound = self._begin(engine, inputs or {}, params or {})
        rows: int = self._through(
            engine,
            bound,
            progress,
            lambda step: engine.write(step.sql, path, partition_by=partition_by, params=bound[step.name]),
        )
        return rows

    def explain(
        self,
        engine: Engine,
        inputs: Mapping[str, Source] | None = None,
        params: Parameters | None = None,
    ) -> str:
        """Return each step's plan; the steps before the last are run for it."""
        bound = self._begin(engine, inputs or {}, params or {})
        plans = []

        def last(step: Step) -> str:
            plans.append(f"-- step: {step.name}\n{engine.explain(step.sql, bound[step.name])}")
            return "\n\n".join(plans)

        def kept(step: Step) -> None:
            plans.append(f"-- step: {step.name}\n{engine.explain(step.sql, bound[step.name])}")

        return str(self._through(engine, bound, None, last, kept))

    def _begin(
        self, engine: Engine, inputs: Mapping[str, Source], params: Parameters
    ) -> dict[str, dict[str, Parameter]]:
        """Register the inputs and return each step's parameters."""
        if unknown := [name for name in inputs if name not in self.inputs]:
            raise BadJob("job-input", f"{self.name} has no input {unknown[0]}", fix=_of(self.inputs))
        for name, source in inputs.items():
            engine.register(name, source)
        for name, columns in self.inputs.items():
            _fits(self.name, name, columns, engine)
        if unknown := [name for name in params if name not in self.params]:
            raise BadJob("job-param", f"{self.name} has no parameter {unknown[0]}", fix=_of(self.params))
        if missing := [name for name in self.params if name not in params]:
            raise BadJob("job-param", f"{self.name} lacks its parameter {missing[0]}", fix="Give it a value.")
        values = {name: _fitted(name, value, self.params[name]) for name, value in params.items()}
        return {
            step.name: {name: values[name] for name in values if re.search(rf"\${name}\b", step.sql)}
            for step in self.steps
        }

    def _through(
        self,
        engine: Engine,
        bound: Mapping[str, Parameters],
        progress: Progress | None,
        last: Callable[[Step], Any],
        before: Callable[[Step], None] | None = None,
    ) -> Any:
        made: list[str] = []
        *firsts, final = self.steps
        try:
            for number, step in enumerate(self.steps):
                if progress:
                    progress(step.name, number, len(self.steps))
                try:
                    if step is final:
                        result = last(step)
                        break
                    if before:
                        before(step)
                    engine.keep(step.name, step.sql, bound[step.name], reused=self._readers(step.name) > 1)
                except BadStatement:
                    raise
                except SalusError as error:
                    raise self._located(engine, number, bound, error) from None
                made.append(step.name)
            if progress:
                progress("", len(self.steps), len(self.steps))
            return result
        finally:
            for name in reversed(made):
                engine.drop(name)

    def _readers(self, name: str) -> int:
        return sum(step.reads.count(name) for step in self.steps)

    def _located(
        self, engine: Engine, number: int, bound: Mapping[str, Parameters], error: SalusError
    ) -> StepFailed:
        """Return the first step that fails: an engine that computes late may only show it in a later one."""
        for step in self.steps[: number + 1]:
            read: dict[str, str] = {}
            for name in step.reads:
                try:
                    rows = engine.run(f'select count(*) as n from "{name}"').column(0)[0].as_py()  # noqa: S608
                    read[name] = f"{rows:,} rows ({', '.join(engine.schema(name).names)})"
                except SalusError:
                    read[name] = "unread"
            try:
                if step is not self.steps[number]:
                    counts = ", ".join(f'count("{name}") as c{n}' for n, name in enumerate(step.columns))
                    engine.run(f'select {counts} from "{step.name}"')  # noqa: S608 - counting computes each
            except SalusError as first:
                return StepFailed(self.name, step.name, read, first)
        return StepFailed(self.name, step.name, read, error)


def load_job(path: str | Path) -> Job:
    """Read and check a job's file; raises `BadJob`, `NotPortable` and `OSError`."""
    return read_job(Path(path).read_text(encoding="utf-8"), default=Path(path).stem)


def read_job(words: str, *, default: str = "job") -> Job:
    """Check a job's text, as `load_job` does a file's; `default` is its name where it has none."""
    name, about, inputs, params, texts = _sections(words, default)
    if not texts:
        raise BadJob("job-steps", f"{name} has no step", fix="Begin each with `-- step: name`.")
    binder = Binder()
    try:
        for table, columns in inputs.items():
            binder.declare(table, columns)
        steps: list[Step] = []
        for step, sql in texts.items():
            where = f"{name}, step {step}"
            if step in inputs or any(step == one.name for one in steps):
                raise BadJob("job-steps", f"two tables are named {step}", where=where)
            reads = _reads(sql, where)
            if unknown := [table for table in reads if table not in binder.tables]:
                raise BadJob(
                    "job-steps",
                    f"there is no input or earlier step {unknown[0]}",
                    where=where,
                    fix=_of(binder.tables),
                )
            try:
                _, columns = translated(sql, binder, params, where)
            except BadStatement as error:
                if type(error) is not BadStatement:
                    raise
                raise BadJob(error.code, error.message, where=where, fix=error.fix) from None
            binder.declare(step, columns)
            steps.append(Step(step, sql, reads, columns))
    finally:
        binder.close()
    return Job(name, about, inputs, params, tuple(steps))


def _sections(
    words: str, name: str
) -> tuple[str, str, dict[str, dict[str, str]], dict[str, str], dict[str, str]]:
    """Return a file's name, description, inputs, parameters, and steps' texts."""
    about: list[str] = []
    inputs: dict[str, dict[str, str]] = {}
    params: dict[str, str] = {}
    texts: dict[str, list[str]] = {}
    step = ""
    for number, line in enumerate(words.splitlines(), 1):
        found = _HEADER.fullmatch(line.strip())
        if not found:
            if step:
                texts[step].append(line)
            elif line.strip().startswith("--"):
                about.append(line.strip().lstrip("-").strip())
            elif line.strip():
                raise BadJob("job-syntax", "SQL before the first step", where=f"line {number}")
            continue
        what, rest = found.group(1), found.group(2).strip()
        if what == "job":
            name = checked_name(rest)
        elif what == "step":
            step = checked_name(rest)
            if step in texts:
                raise BadJob("job-steps", f"two steps are named {step}", where=f"line {number}")
            texts[step] = []
        elif step:
            raise BadJob("job-syntax", f"an {what} after the first step", where=f"line {number}")
        elif what == "input" and (said := _INPUT.fullmatch(rest)):
            inputs[said.group(1)] = dict(_column(one, number) for one in _split(said.group(2)))
        elif what == "param" and (said := _PARAM.fullmatch(rest)):
            params[said.group(1)] = _type(said.group(2), number)
        else:
            raise BadJob(
                "job-syntax",
                f"this {what} cannot be read",
                where=f"line {number}",
                fix="Write `-- input: name (column type, …)` or `-- param: name type`.",
            )
    return (
        name,
        " ".join(about),
        inputs,
        params,
        {key: "\n".join(text).strip() for key, text in texts.items()},
    )


def _split(columns: str) -> list[str]:
    return [one.strip() for one in re.split(r",(?![^(]*\))", columns)]


def _column(words: str, line: int) -> tuple[str, str]:
    name, _, type = words.partition(" ")
    if not name or not type.strip():
        raise BadJob("job-syntax", f"{words!r} is no column with its type", where=f"line {line}")
    return name.strip('"'), _type(type, line)


def _type(words: str, line: int) -> str:
    type = " ".join(words.split()).upper()
    try:
        spark_type(type)
    except BadStatement as error:
        raise BadJob(error.code, error.message, where=f"line {line}", fix=error.fix) from None
    return type


def _reads(sql: str, where: str) -> tuple[str, ...]:
    """Return the tables a select reads that are not its own."""
    tree = parsed(sql, where)
    own = {one.alias for one in tree.find_all(exp.CTE)}
    return tuple(table.name for table in tree.find_all(exp.Table) if table.name not in own)


def _of(names: Mapping[str, object]) -> str:
    return "There are: " + (", ".join(names) or "none") + "."


def _fits(job: str, name: str, columns: Mapping[str, str], engine: Engine) -> None:
    """Refuse an input without the columns that the job declares, or with other kinds of values."""
    binder = Binder()
    try:
        binder.declare(name, columns)
        declared = binder.arrow(f'select * from "{name}"')  # noqa: S608 - a checked name
    finally:
        binder.close()
    try:
        found = engine.schema(name)
    except BadStatement:
        raise BadJob(
            "job-input", f"{job} lacks its input {name}", fix="Register it, or give a path."
        ) from None
    for field in declared:
        at = found.get_field_index(field.name)
        if at < 0:
            raise BadJob(
                "job-input",
                f"the input {name} has no column {field.name}",
                fix=_of(dict.fromkeys(found.names)),
            )
        if not found.field(at).type.equals(field.type):
            raise BadJob(
                "job-input",
                f"the column {field.name} of {name} is {found.field(at).type}, not {field.type}",
                fix=f"Cast it to {columns[field.name].lower()} where it is made.",
            )


def _fitted(name: str, value: Parameter, type: str) -> Typed:
    """Return a parameter at its declared type; text is read as the type says."""
    plain: Plain = value.value if isinstance(value, Typed) else value
    try:
        if isinstance(plain, str) and kind(type) != "text":
            plain = _read(plain, type)
    except (ValueError, InvalidOperation):
        raise BadJob(
            "job-param", f"the parameter {name} is no {type.lower()}", fix="Dates are YYYY-MM-DD."
        ) from None
    return Typed(plain, type)


def _read(words: str, type: str) -> Plain:
    of = kind(type)
    if of == "integer":
        return int(words)
    if of == "decimal":
        return Decimal(words)
    if of == "double":
        return float(words)
    if of == "date":
        return date.fromisoformat(words)
    if of in ("timestamp", "instant"):
        return datetime.fromisoformat(words)
    if of == "boolean" and words.lower() in ("true", "false"):
        return words.lower() == "true"
    raise ValueError(type)
