"""`salus prevention classify`: case definitions on a user's own line list, without the platform."""

import csv
import sys
from collections import Counter
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from salus.kernel.errors import Invalid
from salus.prevention.surveillance import grading_commands

_OUT = {
    "line": "the row's number in the file, from 1",
    "id": "the case's number, as the file has it",
    "disease": "the disease's code",
    "day": "onset, diagnosis or report: the day by whose definition the case is classified",
    "status": "none, suspected, probable, confirmed, discarded; wrong where the row cannot be read",
    "criteria": "the definition's criteria that are met, with blanks between",
    "formula": "the criteria that decided",
    "missing": "the criteria that the next level lacks",
    "defined": "the first day of the definition that was used",
    "problem": "what is wrong with the row",
}


def classify(
    linelist: Annotated[Path | None, typer.Argument(help="A CSV file, one case a row.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where the answers go (CSV); the screen if none.")
    ] = None,
    disease: Annotated[str, typer.Option(help="The disease of every row, where no column names it.")] = "",
    rules: Annotated[
        Path | None, typer.Option(help="A folder of diseases of your own; its files win.")
    ] = None,
    on: Annotated[
        str, typer.Option(help="Classify by the definitions of this day, not each case's own.")
    ] = "",
    schema: Annotated[bool, typer.Option("--schema", help="Print input and output columns; stop.")] = False,
) -> None:
    """Classify the cases of a line list by their diseases' definitions, with the evidence."""
    from salus.prevention import surveillance as s
    from salus.prevention.surveillance import linelists

    if schema:
        _print_schema(linelists.headings())
        return
    if linelist is None:
        raise Invalid("linelist-missing", "Give the file of cases", fix="See --help.")
    if not linelist.is_file():
        raise Invalid("linelist-file", "The file is not there", where=str(linelist))
    fixed = date.fromisoformat(on) if on else None
    catalogue = s.Catalogue((s.STANDARD, *([rules] if rules else [])))
    names = s.spellings(catalogue)
    tally: Counter[str] = Counter()
    with linelist.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        held = linelists.columns(reader.fieldnames or [])
        if "disease" not in held and not disease:
            raise Invalid("line-disease", "No disease is named", fix="Give --disease", where=str(linelist))
        if disease and disease not in catalogue:
            raise Invalid("disease-unknown", "There is no such disease", where=disease)
        target = output.open("w", encoding="utf-8", newline="") if output else sys.stdout
        try:
            writer = csv.writer(target)
            writer.writerow(_OUT)
            for number, row in enumerate(reader, 1):
                try:
                    line = linelists.read_line(row, held, disease=disease, diseases=names)
                    day = fixed or line.day
                    if day is None:
                        raise Invalid("line-undated", "No onset, diagnosis or report day is given")
                except Invalid as fault:
                    problem = f"{fault.message}{f' ({fault.where})' if fault.where else ''}"
                    writer.writerow([number, "", "", "", "wrong", "", "", "", "", problem])
                    tally["wrong"] += 1
                    continue
                found = s.classify(
                    linelists.facts_of_line(line, catalogue[line.disease]), catalogue[line.disease], day
                )
                tally[found.status.value] += 1
                writer.writerow(
                    [
                        number, line.number, line.disease, day.isoformat(), found.status.value,
                        " ".join(one.criterion for one in found.evidence), " ".join(found.formula),
                        " ".join(found.missing), found.defined.isoformat() if found.defined else "", "",
                    ]
                )  # fmt: skip
        finally:
            if output:
                target.close()
    said = ", ".join(f"{count:,} {status}" for status, count in sorted(tally.items())) or "no rows"
    typer.echo(f"{sum(tally.values()):,} rows: {said}", err=True)


def _print_schema(headings: Mapping[str, str]) -> None:
    fields: dict[str, list[str]] = {}
    for heading, field in headings.items():
        fields.setdefault(field, []).append(heading)
    typer.echo("input (CSV, one case a row; any of these headings, `caseData.` may stand before them):")
    for field, known in fields.items():
        typer.echo(f"  {field:16} {', '.join(known)}")
    typer.echo("  tests hold name=result;name=result, symptoms and exposures their codes with ; between")
    typer.echo("output (CSV):")
    for name, words in _OUT.items():
        typer.echo(f"  {name:16} {words}")


def add_to(app: typer.Typer) -> None:
    """Hang the engine's commands into the room's command line."""
    app.command("classify")(classify)
    app.command("grade")(grading_commands.grade)
