"""`salus record link`: link any table of people, without the platform."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import progress as bars
from rich.console import Console

from salus.kernel.errors import Invalid

if TYPE_CHECKING:
    from salus.record.identity.engine.bulk import Progress, Weigher


def link(
    records: Annotated[
        Path | None, typer.Argument(help="A CSV file, Parquet file or folder of Parquet files of people.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where clusters go (.csv or .parquet).")
    ] = None,
    model: Annotated[Path | None, typer.Option(help="The model file: read, or written with --train.")] = None,
    learn: Annotated[bool, typer.Option("--train", help="Learn weights from this file first.")] = False,
    columns: Annotated[Path | None, typer.Option(help="TOML: [columns] with column = kind.")] = None,
    threshold: Annotated[float | None, typer.Option(help="Join from this match weight (bits) up.")] = None,
    one_a_source: Annotated[bool, typer.Option(help="No source has one person twice.")] = False,
    truth: Annotated[
        str | None,
        typer.Option(help="COLUMN or PATH:COLUMN with the true persons: report precision and recall."),
    ] = None,
    engine: Annotated[str, typer.Option(help="Where pairs are weighed: duckdb or spark.")] = "duckdb",
    master: Annotated[str, typer.Option(help="Spark's address.")] = "local[*]",
    memory: Annotated[str, typer.Option(help="The most memory for the database.")] = "4GB",
    threads: Annotated[int, typer.Option(help="Threads; 0 for all.")] = 0,
    spill: Annotated[Path | None, typer.Option(help="Folder for what does not fit in memory.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the random pairs used in training.")] = 1,
    schema: Annotated[bool, typer.Option("--schema", help="Print input and output columns; stop.")] = False,
) -> None:
    """Find which rows are of one person; no labels are needed. From a handful to tens of millions of rows."""
    from salus.record.identity.engine import files
    from salus.record.identity.engine import schema as schemas
    from salus.record.identity.engine.bulk import Limits
    from salus.record.identity.engine.weights import Model

    console = Console(stderr=True)
    if schema:
        out = Console()
        out.print("input: one row a record; the kinds a column can have (guessed from its name):")
        for kind, meaning in schemas.KINDS.items():
            out.print(f"  {kind:12} {meaning}")
        out.print("or the lake's patient table (docs/tables.md), read as the record reads patients")
        out.print("output: record_id, cluster_id (the cluster's first record), in the order of the input")
        return
    if records is None or output is None:
        raise Invalid(
            "link-arguments", "Give the file of records and --output", fix="See salus record link --help"
        )
    for path in (records, columns):
        if path is not None and not path.exists():
            raise Invalid("link-file", "The file is not there", where=str(path))
    if engine not in ("duckdb", "spark"):
        raise Invalid("link-engine", "There is no such engine", where=engine, fix="Take duckdb or spark")
    known = None if learn or model is None else Model.load(model)
    with _bars(console) as progress, _weigher(engine, master, memory) as weigher:
        done = files.link(
            records, output, known, today=date.today(), columns=columns,
            limits=Limits(memory=memory, threads=threads, spill=spill),
            threshold=threshold, one_a_source=one_a_source, weigher=weigher, truth=truth,
            learned=model if known is None else None, seed=seed, progress=progress,
        )  # fmt: skip
    console.print(
        f"{done.records:,} records, {done.bulk.persons:,} persons, {len(done.bulk.refused):,} pairs refused"
        f" (threshold {done.bulk.threshold:.1f} bits)"
    )
    if done.bulk.left_out:
        console.print(f"{done.bulk.left_out:,} values that too many records share were not compared by")
    if done.quality:
        console.print(f"precision {done.quality.precision:.5f}, recall {done.quality.recall:.5f}")


@contextmanager
def _bars(console: Console) -> Iterator["Progress"]:
    """Show a bar for the stage that runs."""
    with bars.Progress(
        bars.TextColumn("{task.description}"), bars.BarColumn(), bars.MofNCompleteColumn(),
        bars.TimeElapsedColumn(), console=console, transient=True,
    ) as shown:  # fmt: skip
        tasks: dict[str, bars.TaskID] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = shown.add_task(stage, total=total)
            shown.update(tasks[stage], completed=done, total=total)

        yield show


@contextmanager
def _weigher(engine: str, master: str, memory: str) -> Iterator["Weigher | None"]:
    if engine == "duckdb":
        yield None
        return
    from salus.record.identity.engine.spark import SparkWeigher

    with SparkWeigher(url=master, memory=memory) as weigher:
        yield weigher


def train(
    seed: Annotated[int, typer.Option(help="Seed of the random pairs used in training.")] = 1,
) -> None:
    """Train the weights for arriving records on this installation's own patients, without labels."""
    import django

    django.setup()
    from salus.record.identity import training

    training.train_from_records(today=date.today(), seed=seed)
    Console(stderr=True).print("The new weights are in force for records that arrive from now on.")


def add_to(app: typer.Typer) -> None:
    """Add the room's identity commands to its command line."""
    app.command("link")(link)
    app.command("train")(train)
