"""The engine on the command line: `salus engine`. Works on a user's own files, without the platform."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from salus.engine.terminal import bars, opened
from salus.kernel.errors import Invalid

app = typer.Typer(help="Batch SQL on DuckDB or Spark.")
_SHOWN = 50

Inputs = Annotated[
    list[str] | None, typer.Option("--input", help="name=path: Parquet, CSV, NDJSON, a glob or a folder.")
]
Params = Annotated[list[str] | None, typer.Option("--param", help="name=value.")]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="A .parquet file or a folder to write.")]
Partition = Annotated[list[str] | None, typer.Option("--partition-by", help="A column that becomes folders.")]
Which = Annotated[str, typer.Option("--engine", help="duckdb or spark.")]
Master = Annotated[str, typer.Option("--master", help="Spark's address.")]
Memory = Annotated[str | None, typer.Option("--memory", help="What the engine may take, such as 4GB.")]
Spill = Annotated[Path | None, typer.Option("--spill", help="A folder for what does not fit in memory.")]
JobFile = Annotated[Path, typer.Argument(help="A job: named steps of SQL.")]
Schema = Annotated[bool, typer.Option("--schema", help="Print what the job reads and gives, and stop.")]


@app.callback()
def engine() -> None:
    """Batch SQL on DuckDB or Spark, over your own files."""


@app.command()
def run(
    job: JobFile,
    input: Inputs = None,
    param: Params = None,
    out: Out = None,
    partition_by: Partition = None,
    engine: Which = "duckdb",
    master: Master = "local[2]",
    memory: Memory = None,
    spill: Spill = None,
    schema: Schema = False,
) -> None:
    """Run a job and show or write what it gives."""
    from salus.engine.jobs import load_job

    loaded = load_job(job)
    if schema:
        _print_schema(loaded)
        return
    sources, params = _pairs(input, "--input"), _pairs(param, "--param")
    with opened(engine, master, memory, spill=spill) as one, bars() as progress:
        if out is None:
            _show(loaded.run(one, sources, params, progress=progress))
            return
        rows = loaded.write(
            one, out, sources, params, partition_by=tuple(partition_by or ()), progress=progress
        )
    Console().print(f"{rows:,} rows in {out}", highlight=False)


@app.command()
def sql(
    statement: Annotated[str, typer.Argument(help="One select in DuckDB's dialect.")],
    input: Inputs = None,
    param: Params = None,
    out: Out = None,
    partition_by: Partition = None,
    engine: Which = "duckdb",
    master: Master = "local[2]",
    memory: Memory = None,
    spill: Spill = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the columns it gives, and stop.")] = False,
) -> None:
    """Run one select over files and show or write what it gives."""
    params = _pairs(param, "--param")
    with opened(engine, master, memory, spill=spill) as one:
        for name, path in _pairs(input, "--input").items():
            one.register(name, path)
        if schema:
            for field in one.run(f"select * from ({statement}) as asked where false", params).schema:  # noqa: S608
                Console().print(f"  {field.name}: {field.type}", highlight=False, markup=False)
        elif out is None:
            _show(one.run(statement, params))
        else:
            rows = one.write(statement, out, partition_by=tuple(partition_by or ()), params=params)
            Console().print(f"{rows:,} rows in {out}", highlight=False)


@app.command()
def check(job: JobFile, schema: Schema = False) -> None:
    """Say whether a job is sound and portable: needs neither rows nor Java."""
    from salus.engine.jobs import load_job

    loaded = load_job(job)
    if schema:
        _print_schema(loaded)
        return
    steps = ", ".join(step.name for step in loaded.steps)
    Console().print(f"{loaded.name}: portable. Steps: {steps}.", highlight=False, markup=False)


@app.command()
def explain(
    job: JobFile,
    input: Inputs = None,
    param: Params = None,
    engine: Which = "duckdb",
    master: Master = "local[2]",
) -> None:
    """Show each step's plan; the steps before the last are run for it."""
    from salus.engine.jobs import load_job

    loaded = load_job(job)
    with opened(engine, master) as one:
        plan = loaded.explain(one, _pairs(input, "--input"), _pairs(param, "--param"))
    Console(soft_wrap=True).print(plan, highlight=False, markup=False)


def _pairs(given: list[str] | None, option: str) -> dict[str, str]:
    pairs = {}
    for one in given or []:
        name, equals, value = one.partition("=")
        if not name or not equals:
            raise Invalid(
                "engine-option", f"{option} {one!r} is no name=value", fix=f"Write {option} name=value."
            )
        pairs[name] = value
    return pairs


def _show(rows: Any) -> None:
    """Print the first rows; say how many there are, so that none goes missing unseen."""
    table = Table(*(f"{field.name}" for field in rows.schema))
    for row in rows.slice(0, _SHOWN).to_pylist():
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    console = Console()
    console.print(table)
    left = rows.num_rows - _SHOWN
    console.print(
        f"{rows.num_rows:,} rows" + (f", {left:,} not shown; write them with --out" if left > 0 else "")
    )


def _print_schema(job: Any) -> None:
    console = Console(soft_wrap=True)
    for title, tables in (
        ("reads", job.inputs),
        ("takes", {"parameters": job.params}),
        ("gives", {job.name: job.columns}),
    ):
        for name, columns in tables.items():
            console.print(f"{title} {name}", highlight=False, markup=False)
            for column, type in columns.items():
                console.print(f"  {column}: {type.lower()}", highlight=False, markup=False)
