"""`salus record link`: link any table of people, without the platform."""

import csv
from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from salus.kernel.errors import Invalid


def link(
    records: Annotated[Path | None, typer.Argument(help="A CSV file of people, one record a row.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where clusters go (CSV).")] = None,
    model: Annotated[Path | None, typer.Option(help="The model file: read, or written with --train.")] = None,
    learn: Annotated[bool, typer.Option("--train", help="Learn weights from this file first.")] = False,
    columns: Annotated[Path | None, typer.Option(help="TOML: [columns] with column = kind.")] = None,
    threshold: Annotated[float | None, typer.Option(help="Join from this match weight (bits) up.")] = None,
    one_a_source: Annotated[bool, typer.Option(help="No source has one person twice.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of the random pairs used in training.")] = 1,
    schema: Annotated[bool, typer.Option("--schema", help="Print input and output columns; stop.")] = False,
) -> None:
    """Find which rows are of one person; no labels are needed."""
    from salus.record.identity.engine import batch
    from salus.record.identity.engine import schema as schemas
    from salus.record.identity.engine.weights import Model

    console = Console(stderr=True)
    if schema:
        out = Console()
        out.print("input: one CSV row a record; the kinds a column can have (guessed from its name):")
        for kind, meaning in schemas.KINDS.items():
            out.print(f"  {kind:12} {meaning}")
        out.print("output: record_id, cluster_id (the cluster's first record)")
        return
    if records is None or output is None:
        raise Invalid(
            "link-arguments", "Give the file of records and --output", fix="See salus record link --help"
        )
    if not records.is_file():
        raise Invalid("link-file", "The file of records is not there", where=str(records))
    if columns is not None and not columns.is_file():
        raise Invalid("link-file", "The file that names the columns is not there", where=str(columns))
    layout, rows = schemas.read_csv(records, columns)
    people = batch.table(layout, rows, today=date.today())
    if learn or model is None:
        learned = batch.train(layout, people, seed=seed)
        if model is not None:
            learned.save(model)
    else:
        learned = Model.load(model)
    linked = batch.link_batch(people, learned, threshold=threshold, one_a_source=one_a_source)
    with output.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["record_id", "cluster_id"])
        writer.writerows(zip(linked.ids, linked.clusters, strict=True))
    persons = len(set(linked.clusters))
    console.print(
        f"{len(linked.ids):,} records, {persons:,} persons, {len(linked.refused):,} pairs refused"
        f" (threshold {linked.threshold:.1f} bits)"
    )


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
