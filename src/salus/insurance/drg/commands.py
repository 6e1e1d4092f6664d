"""`salus insurance group` and `scheme`: grouping on a user's own files, without the platform."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from salus.engine.terminal import bars, checked_engine, opened
from salus.kernel.errors import Invalid

scheme = typer.Typer(help="Grouping schemes as data: import, lint, diff and explain.", no_args_is_help=True)

_Scheme = Annotated[
    Path | None, typer.Option("--scheme", help="Folder of a scheme; the starter scheme if none.")
]
_Clinical = Annotated[bool, typer.Option("--clinical", help="Map clinical to insurance codes first.")]
_Schema = Annotated[bool, typer.Option("--schema", help="Print input and output columns; stop.")]


def group(
    cases: Annotated[
        Path | None, typer.Argument(help="A Parquet file or folder, or a CSV file, of cases.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where groups go (.parquet, .csv).")
    ] = None,
    scheme_folder: _Scheme = None,
    clinical: _Clinical = False,
    engine: Annotated[str, typer.Option(help="duckdb or spark.")] = "duckdb",
    master: Annotated[str, typer.Option(help="Spark's address.")] = "local[*]",
    memory: Annotated[str, typer.Option(help="The most memory for the engine.")] = "4GB",
    threads: Annotated[int, typer.Option(help="Threads of DuckDB; 0 for all.")] = 0,
    schema: _Schema = False,
) -> None:
    """Group discharges by a scheme: category, group, group with severity, and why a case has none."""
    from salus.insurance.drg.compiled import COLUMNS, GIVES

    if schema:
        _columns("input: one row a case (id, dx and pr are needed)", COLUMNS)
        _columns("output: one row a case, ordered by id", GIVES)
        return
    if cases is None or output is None:
        raise Invalid("drg-arguments", "Give the file of cases and --output", fix="See --help.")
    if not cases.exists():
        raise Invalid("drg-case-file", "The file is not there", where=str(cases))
    checked_engine(engine)
    import pyarrow.csv as pacsv

    from salus.insurance.drg.cases import read_csv
    from salus.insurance.drg.grouping import compiled, write_groups
    from salus.insurance.drg.grouping import group as grouped
    from salus.insurance.scheme import STARTER, load_scheme

    plan = compiled(load_scheme(scheme_folder or STARTER), clinical=clinical)
    source = read_csv(cases) if cases.suffix == ".csv" else str(cases)
    with bars("group") as progress, opened(engine, master, memory, threads=threads or None) as ready:
        if output.suffix == ".csv":
            table = grouped(ready, source, plan, progress=progress)
            with _whole(output) as made:
                pacsv.write_csv(table, made)
            rows = table.num_rows
        else:
            rows = write_groups(ready, source, plan, output, progress=progress)
    Console(stderr=True).print(f"{rows:,} cases grouped by {plan.scheme.code} {plan.scheme.version}")


@scheme.command("import")
def import_scheme(
    source: Annotated[
        Path | None, typer.Argument(help="Folder of published tables, .xlsx, or .json(.xz).")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the scheme to write.")
    ] = None,
    code: Annotated[str, typer.Option(help="The scheme's code; the source's name if none.")] = "",
    version: Annotated[str, typer.Option(help="Its version.")] = "1",
    title: Annotated[str, typer.Option(help="Its name.")] = "",
    jurisdiction: Annotated[str, typer.Option(help="GB/T 2260 code of where it is in force.")] = "",
    valid_from: Annotated[str, typer.Option(help="First day in force, YYYY-MM-DD.")] = "",
    valid_to: Annotated[str, typer.Option(help="Last day in force, YYYY-MM-DD.")] = "",
    base: Annotated[
        Path | None, typer.Option(help="Folder of the national tables, for those that are missing.")
    ] = None,
    by_name: Annotated[
        bool, typer.Option("--by-name", help="Read age, stay and intensive care from the names of DRGs.")
    ] = False,
    no_split: Annotated[
        str, typer.Option(help="A group without a fitting DRG: adrg gives its code, next tries the next.")
    ] = "adrg",
    parquet: Annotated[bool, typer.Option("--parquet", help="Write Parquet, not CSV.")] = False,
    schema: _Schema = False,
) -> None:
    """Read a published scheme and write it in the open format; what had to be assumed is told."""
    from salus.insurance.scheme import folder, save_scheme
    from salus.insurance.scheme.importing import About, import_scheme

    out, console = Console(), Console(stderr=True)
    if schema:
        out.print(
            "input: a folder of mdc, mdc_dx, adrg, adrg_dx, adrg_proc, drg, mcc, cc, cce (CSV or Parquet),"
        )
        out.print("a workbook with those sheets, or MS-DRG definition tables; see docs/drg.md")
        out.print("output: " + (folder.__doc__ or "").split("\n\n", 1)[1].split("\n\nRules")[0], markup=False)
        return
    if source is None or output is None:
        raise Invalid("scheme-arguments", "Give the source and --output", fix="See --help.")
    if no_split not in ("adrg", "next"):
        raise Invalid("scheme-arguments", "--no-split is adrg or next", where=no_split)
    about = About(
        code=code or source.name.split(".")[0], version=version, title=title, jurisdiction=jurisdiction,
        valid_from=_day(valid_from), valid_to=_day(valid_to),
        no_split="adrg" if no_split == "adrg" else "next", by_name=by_name,
    )  # fmt: skip
    made = import_scheme(source, about, base=base)
    save_scheme(made, output, parquet=parquet)
    splits = sum(1 for _ in made.splits())
    console.print(
        f"{made.code} {made.version}: {len(made.mdcs)} categories, {len(made.adrgs)} groups, {splits} DRGs"
    )
    for note in made.notes:
        console.print(f"note: {note}", markup=False)


@scheme.command("lint")
def lint_scheme(
    folder: Annotated[Path | None, typer.Argument(help="Folder of a scheme.")] = None,
    reach: Annotated[bool, typer.Option(help="Search a case for each DRG.")] = True,
    all_notes: Annotated[bool, typer.Option("--notes", help="Show notes too.")] = False,
    schema: _Schema = False,
) -> None:
    """Tell what is wrong or odd in a scheme; ends with 1 if there is an error."""
    from salus.insurance.drg.witness import unreachable_findings
    from salus.insurance.scheme import load_scheme
    from salus.insurance.scheme.lint import KINDS, lint

    if schema:
        _columns("input: a folder of a scheme; output: findings of the kinds",
                 {kind: f"{degree}: {about}" for kind, (degree, about) in KINDS.items()})  # fmt: skip
        return
    read = load_scheme(_given(folder))
    findings = lint(read)
    if reach:
        findings = [*unreachable_findings(read, findings), *findings]
    shown = [one for one in findings if all_notes or one.degree != "note"]
    table = Table("", "kind", "where", "what", "number")
    for one in shown:
        table.add_row(one.degree, one.kind, one.where, one.what, f"{one.number:,}")
    if shown:
        Console().print(table)
    degrees = [one.degree for one in findings]
    Console(stderr=True).print(
        ", ".join(f"{degrees.count(one)} {one}s" for one in ("error", "warning", "note"))
    )
    if "error" in degrees:
        raise typer.Exit(1)


@scheme.command("diff")
def diff_schemes(
    old: Annotated[Path | None, typer.Argument(help="Folder of the older scheme.")] = None,
    new: Annotated[Path | None, typer.Argument(help="Folder of the newer scheme.")] = None,
    cases: Annotated[Path | None, typer.Option(help="Cases: tell which move.")] = None,
    rows: Annotated[int, typer.Option(help="Rows to show of each table; 0 for all.")] = 20,
    schema: _Schema = False,
) -> None:
    """Tell what changed between two versions of a scheme and, given cases, who moves from where to where."""
    from salus.insurance.drg.moves import moves
    from salus.insurance.scheme import load_scheme
    from salus.insurance.scheme.diff import diff

    if schema:
        _columns(
            "output: changes", {"table": "of the scheme", "what": "row", "before": "old", "after": "new"}
        )
        moved_columns = {
            "from": "old DRG",
            "to": "new DRG",
            "cases": "how many",
            "weight": "change of the sum",
        }
        _columns("with --cases: moves", moved_columns)
        return
    if old is None or new is None:
        raise Invalid("scheme-arguments", "Give the two folders", fix="See --help.")
    first, second = load_scheme(old), load_scheme(new)
    changes = diff(first, second)
    table = Table("table", "what", "before", "after")
    shown: dict[str, int] = {}
    for one in changes:
        shown[one.table] = shown.get(one.table, 0) + 1
        if not rows or shown[one.table] <= rows:
            table.add_row(one.table, one.what, one.before[:80], one.after[:80])
    Console().print(table)
    console = Console(stderr=True)
    console.print(", ".join(f"{name} {number:,}" for name, number in shown.items()) or "nothing changed")
    if cases is not None:
        if not cases.exists():
            raise Invalid("drg-case-file", "The file is not there", where=str(cases))
        moved = moves(cases, first, second)
        table = Table("from", "to", "cases", "weight")
        for row in moved.slice(0, rows or moved.num_rows).to_pylist():
            table.add_row(row["before"], row["after"], f"{row['cases']:,}", str(row["weight"] or ""))
        Console().print(table)
        total = sum(row["cases"] for row in moved.to_pylist())
        console.print(f"{total:,} cases move in {moved.num_rows:,} ways")


@scheme.command("explain")
def explain_case(
    dx: Annotated[str, typer.Option(help="Diagnoses, the principal first, between | or ;.")] = "",
    pr: Annotated[str, typer.Option(help="Procedures, the main one first.")] = "",
    gender: Annotated[int | None, typer.Option(help="1 male, 2 female.")] = None,
    age: Annotated[int | None, typer.Option(help="Years.")] = None,
    age_day: Annotated[int | None, typer.Option(help="Days.")] = None,
    weight: Annotated[int | None, typer.Option(help="Grams at birth.")] = None,
    los: Annotated[int | None, typer.Option(help="Days of stay.")] = None,
    icu_hours: Annotated[int | None, typer.Option(help="Hours of intensive care.")] = None,
    discharge: Annotated[str | None, typer.Option(help="Code of the way of leaving.")] = None,
    scheme_folder: _Scheme = None,
    clinical: _Clinical = False,
    what_if: Annotated[
        str,
        typer.Option("--what-if", help="Other principals, between |; `all` for each further one."),
    ] = "",
    schema: _Schema = False,
) -> None:
    """Tell where one case goes and why: each rule tried, and what another principal would have given."""
    from salus.insurance.drg import explain as reading
    from salus.insurance.drg.compiled import COLUMNS
    from salus.insurance.drg.trail import trail
    from salus.insurance.scheme import STARTER, load_scheme

    if schema:
        _columns(
            "input: options of these names", {name: told for name, told in COLUMNS.items() if name != "id"}
        )
        _columns(
            "output", {"step": "category, group or DRG tried", "held": "yes or no", "why": "what decided"}
        )
        return
    if not dx.strip():
        raise Invalid("drg-arguments", "Give diagnoses with --dx", fix="See --help.")
    read = load_scheme(scheme_folder or STARTER)
    case = reading.Case(
        dx=_codes(dx), pr=_codes(pr), gender=gender, age=age, age_day=age_day, weight=weight, los=los,
        icu_hours=icu_hours, discharge=discharge,
    )  # fmt: skip
    told = reading.explain(read, case, clinical=clinical)
    out = Console()
    table = Table("tried", "held", "why")
    for step in trail(told):
        table.add_row(step.what, "yes" if step.held else "no", step.why)
    out.print(table)
    for one in told.complications:
        out.print(f"{one.dx} is {one.level}: {one.outcome}", markup=False)
    for given, mapped in told.mapped:
        out.print(f"{given} was mapped to {mapped}", markup=False)
    for unknown in (*told.unknown_dx, *told.unknown_pr):
        out.print(f"{unknown} is not known to the scheme", markup=False)
    out.print(f"{told.mdc} {told.adrg} {told.drg} {told.name} ({told.reason})", markup=False)
    if what_if:
        tried = () if what_if == "all" else _codes(what_if)
        table = Table("principal", "category", "group", "DRG", "name")
        for other in reading.what_if(read, case, tried, clinical=clinical):
            table.add_row(other.principal, other.mdc, other.adrg, other.drg, other.name)
        out.print(table)


def add_to(app: typer.Typer) -> None:
    """Add grouping and schemes to the room's command line."""
    app.command("group")(group)
    app.add_typer(scheme, name="scheme")


def _codes(text: str) -> tuple[str, ...]:
    return tuple(one.strip() for one in text.replace(";", "|").split("|") if one.strip())


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise Invalid("scheme-arguments", "This is no date", where=text, fix="Write YYYY-MM-DD.") from None


def _given(folder: Path | None) -> Path:
    if folder is None:
        raise Invalid("scheme-arguments", "Give the folder of a scheme", fix="See --help.")
    return folder


def _columns(title: str, columns: Mapping[str, str]) -> None:
    out = Console()
    out.print(title, markup=False)
    for name, meaning in columns.items():
        out.print(f"  {name:18} {meaning}", markup=False)


@contextmanager
def _whole(path: Path) -> Iterator[str]:
    """Give a place beside the file that takes its name at the end."""
    made = path.with_name(f".{path.name}.part")
    try:
        yield str(made)
        made.replace(path)
    finally:
        made.unlink(missing_ok=True)
