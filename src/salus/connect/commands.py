"""Command line of the room: sources, loads, checks, dead letters, pulls."""

import getpass
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from salus.connect import bulk_commands, terminal
from salus.connect.mllp import commands as mllp
from salus.connect.terminal import notes, show
from salus.kernel.errors import Invalid, SalusError

app = typer.Typer()
mllp.attach(app)
bulk_commands.attach(app)


@app.callback()
def _start() -> None:
    import django

    django.setup()


AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Schema = Annotated[
    bool, typer.Option("--schema", help="Print what is read and the columns given, then stop.")
]
_AHEAD_BYTES = 32 * 1024 * 1024
"""From this much on, a second process that reads ahead is worth starting."""
_FORMATS = ("fhir", "hl7v2", "csv", "excel", "database", "document")


def _source_for_load(code: str, paths: list[Path], form: str | None, mapping: Path | None) -> Any:
    """Return the source, made if it is not registered, with the mapping given."""
    from salus.connect.files import guess_format
    from salus.connect.models import SourceSystem
    from salus.connect.sources import make_source, read_mapping, set_mapping

    if form is not None and form not in _FORMATS:
        raise Invalid("bad-format", f"{form!r} is not a format", fix=f"One of {', '.join(_FORMATS)}.")
    source = SourceSystem.objects.filter(code=code).first()
    if source is None:
        source = make_source(code, form=form or guess_format(paths))
        notes.print(
            f"The source {code!r} was not registered: it has been made with format {source.format}. "
            "Complete it on the page of sources or by import-sources.",
            markup=False,
        )
    elif form is not None and form != source.format:
        source.format = form  # for this load only; the register keeps its own
    if mapping is not None:
        set_mapping(source, read_mapping(mapping), note=f"from {mapping.name}")
    return source


def load(
    paths: list[Path],
    source: str,
    format: str | None = None,
    mapping: Path | None = None,
    preview: bool = False,
    as_json: bool = False,
) -> None:
    """Load files of one source, or show what a load would do; exits with 1 if a file could not be read."""
    from salus.connect.files import find_files

    files, left_out = find_files(paths)
    for path in left_out:
        notes.print(f"Left out: {path.name} is about the files, not one of them.", markup=False)
    if not files:
        raise Invalid("no-file", "there is no file to load", where=", ".join(map(str, paths)))
    if preview:
        _preview(files, source, format, mapping, as_json)
        return
    system = _source_for_load(source, files, format, mapping)
    rows: list[dict[str, Any]] = []
    total: Counter[str] = Counter()
    for path, done in _loads(system, files):
        counts = {
            name: getattr(done, name) for name in ("received", "stored", "repeated", "dead", "resources")
        }
        total.update(counts)
        rows.append({"file": path.name, "state": done.state, **counts, "failure": done.failure})
    failed = [row for row in rows if row["state"] == "failed"]
    if not as_json:
        rows.append({"file": "total", "state": "failed" if failed else "done", **total})
    show(terminal.LOAD_COLUMNS, rows, as_json=as_json, title=f"Loaded into {system.code}")
    if total["received"] != total["stored"] + total["repeated"] + total["dead"]:
        raise SalusError("counts-differ", "received is not stored + repeated + dead", fix="Report this.")
    if failed:
        raise typer.Exit(1)


def _loads(source: Any, files: list[Path]) -> Iterator[tuple[Path, Any]]:
    """Load files, large ones with a second process that reads ahead; yield each file with its load."""
    from salus.connect.ahead import load_files
    from salus.connect.batching import Batcher
    from salus.connect.loading import load_file

    size = sum(path.stat().st_size for path in files)
    if size < _AHEAD_BYTES:
        pace = Batcher()
        for path in files:
            with terminal.byte_progress(path.name, path.stat().st_size) as progress:
                yield path, load_file(source, path, batcher=pace, progress=progress)
        return
    with terminal.byte_progress(f"{len(files)} files", size) as bar:
        loads_of_files = load_files(
            [(source, path) for path in files], progress=lambda _messages, done: bar(done)
        )
        yield from zip(files, loads_of_files, strict=True)


def _preview(files: list[Path], code: str, form: str | None, mapping: Path | None, as_json: bool) -> None:
    from django.db import transaction

    from salus.connect.loading import preview_file

    rows: list[dict[str, Any]] = []
    with transaction.atomic():
        system = _source_for_load(code, files, form, mapping)
        for path in files:
            seen = preview_file(system, path)
            rows.append(
                {
                    "file": path.name,
                    "state": "preview" if seen.complete else "preview (beginning)",
                    "received": sum(seen.counts.values()),
                    **{name: seen.counts[name] for name in ("stored", "repeated", "dead")},
                    "resources": sum(receipt.resources for _, receipt in seen.rows),
                    "failure": ", ".join(f"{code}: {count}" for code, count in seen.reasons.most_common(5)),
                }
            )
        transaction.set_rollback(True)
    show(terminal.LOAD_COLUMNS, rows, as_json=as_json, title="Nothing was stored: what a load would do")


@app.command("load")
def load_command(
    paths: Annotated[list[Path] | None, typer.Argument(help="Files, folders or globs.")] = None,
    source: Annotated[str, typer.Option(help="The source system's code.")] = "",
    format: Annotated[str | None, typer.Option(help="Only when the content does not tell.")] = None,
    mapping: Annotated[Path | None, typer.Option(help="A TOML mapping for CSV and Excel.")] = None,
    preview: Annotated[bool, typer.Option(help="Show what would happen; store nothing.")] = False,
    as_json: AsJson = False,
    schema: Schema = False,
) -> None:
    """Load files of one source: FHIR, NDJSON, HL7 v2, CSV, Excel, CDA, zip and gzip of these."""
    if schema:
        terminal.print_schema(
            [("PATH", "FHIR JSON, NDJSON, HL7 v2, CSV or .xlsx with a mapping, CDA, .zip, .gz")],
            terminal.LOAD_COLUMNS,
        )
        return
    if not paths or not source:
        raise Invalid("no-file", "name the files and their source", fix="salus load PATH… --source CODE")
    load(paths, source, format, mapping, preview, as_json)


@app.command()
def check(
    path: Annotated[Path | None, typer.Argument(help="A file of the source.")] = None,
    source: Annotated[str, typer.Option(help="A registered source: repeats are seen too.")] = "",
    mapping: Annotated[
        Path | None, typer.Option(help="A TOML mapping to try; needs no registered source.")
    ] = None,
    format: Annotated[str | None, typer.Option(help="Only when the content does not tell.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many messages.")] = 2000,
    only: Annotated[
        str | None, typer.Option(help="Only rows that would be stored, repeated or dead.")
    ] = None,
    as_json: AsJson = False,
    schema: Schema = False,
) -> None:
    """Show row by row what loading a file would do; nothing is stored."""
    if schema:
        terminal.print_schema([("PATH", "any file that `load` takes")], terminal.CHECK_COLUMNS)
        return
    if path is None or not (source or mapping):
        raise Invalid(
            "no-file", "name a file and its source or mapping", fix="salus connect check FILE --source CODE"
        )
    from salus.connect.checking import check_file

    rows, counts = check_file(path, source=source, mapping=mapping, form=format, limit=limit)
    shown = [row for row in rows if only is None or row["would"] == only]
    show(terminal.CHECK_COLUMNS, shown, as_json=as_json, title=path.name)
    notes.print(", ".join(f"{name} {count}" for name, count in counts.items()), markup=False)
    if counts.get("dead"):
        raise typer.Exit(1)


@app.command()
def sources(as_json: AsJson = False, schema: Schema = False) -> None:
    """List the source systems with what came from each."""
    if schema:
        terminal.print_schema([], terminal.SOURCE_COLUMNS)
        return
    from salus.connect.queries import source_rows

    show(terminal.SOURCE_COLUMNS, source_rows(), as_json=as_json, title="Sources")


@app.command("import-sources")
def import_sources(
    path: Annotated[Path, typer.Argument(help="A sources.toml; see docs/connect.md.")],
) -> None:
    """Register the source systems of a file, with their mappings."""
    from salus.connect.sources import import_sources as run

    report = run(path)
    notes.print(
        f"{len(report.created)} made, {len(report.updated)} changed, {len(report.unchanged)} as they were",
        markup=False,
    )
    for warning in report.warnings:
        notes.print(warning, markup=False)


@app.command("dead-letters")
def dead_letters(
    source: Annotated[str, typer.Option(help="Only of this source.")] = "",
    reason: Annotated[str, typer.Option(help="Only with this reason code.")] = "",
    limit: Annotated[int, typer.Option(help="At most so many.")] = 50,
    as_json: AsJson = False,
    schema: Schema = False,
) -> None:
    """List what could not be understood and waits for somebody."""
    if schema:
        terminal.print_schema([], terminal.DEAD_COLUMNS)
        return
    from salus.connect.dead_letters import open_letters

    letters = open_letters(source=source, reason=reason)
    rows = [
        {
            "id": letter.pk,
            "source": letter.source.code,
            "received_at": f"{letter.received_at:%Y-%m-%d %H:%M:%S}",
            "kind": letter.kind,
            "control_id": letter.control_id,
            "reason_code": letter.reason_code,
            "reason": letter.reason,
            "where": letter.reason_where,
            "attempts": letter.attempts,
        }
        for letter in letters[:limit]
    ]
    show(terminal.DEAD_COLUMNS, rows, as_json=as_json, title="Dead letters")
    if (count := letters.count()) > len(rows):
        notes.print(f"{count - len(rows)} more; use --limit", markup=False)


@app.command()
def replay(
    ids: Annotated[
        list[int] | None, typer.Argument(help="Message numbers; none: all that fit the options.")
    ] = None,
    source: Annotated[str, typer.Option(help="Only of this source.")] = "",
    reason: Annotated[str, typer.Option(help="Only with this reason code.")] = "",
) -> None:
    """Try dead letters again, after a mapping or a message was corrected."""
    from salus.connect.dead_letters import open_letters
    from salus.connect.dead_letters import replay as run

    letters = open_letters(source=source, reason=reason)
    if ids:
        letters = letters.filter(pk__in=ids)
    with terminal.count_progress("replay") as progress:
        result = run(letters, actor=f"console:{getpass.getuser()}", progress=progress)
    why = "".join(f", {code} {count}" for code, count in result.failed.most_common())
    notes.print(f"{result.tried} tried, {result.stored} stored{why}", markup=False)


@app.command()
def undo(
    load_id: Annotated[int, typer.Argument(help="The load's number; see `salus connect loads`.")],
) -> None:
    """Take back a whole load; what later messages changed stays and is listed."""
    from salus.connect.models import Load
    from salus.connect.undoing import undo_load
    from salus.kernel.errors import NotFound

    found = Load.objects.filter(pk=load_id).first()
    if found is None:
        raise NotFound("no-load", "there is no load of that number", fix="Look at `salus connect loads`.")
    with terminal.count_progress("undo") as progress:
        report = undo_load(found, actor=f"console:{getpass.getuser()}", progress=progress)
    notes.print(
        f"{report.messages} messages undone: {report.restored} resources put back, "
        f"{report.removed} taken away, "
        f"{len(report.kept)} left because something later changed them",
        markup=False,
    )
    for name in report.kept[:20]:
        notes.print(f"  left: {name}", markup=False)


@app.command()
def loads(
    limit: Annotated[int, typer.Option(help="At most so many.")] = 30,
    as_json: AsJson = False,
    schema: Schema = False,
) -> None:
    """List the loads, newest first."""
    columns = ("id", "source", *terminal.LOAD_COLUMNS)
    if schema:
        terminal.print_schema([], columns)
        return
    from salus.connect.models import Load

    rows = [
        {
            "id": one.pk,
            "source": one.source.code,
            "file": one.name,
            **{name: getattr(one, name) for name in terminal.LOAD_COLUMNS[1:]},
        }
        for one in Load.objects.select_related("source")[:limit]
    ]
    show(columns, rows, as_json=as_json, title="Loads")


@app.command()
def pull(
    source: Annotated[str, typer.Option(help="Only of this source.")] = "",
    name: Annotated[str, typer.Option(help="Only the pull of this name.")] = "",
) -> None:
    """Run database pulls now."""
    from salus.connect.models import PullSchedule
    from salus.connect.pulling import run_pull

    schedules = PullSchedule.objects.filter(enabled=True).select_related("source")
    if source:
        schedules = schedules.filter(source__code=source)
    if name:
        schedules = schedules.filter(name=name)
    failed = False
    for schedule in schedules:
        done = run_pull(schedule)
        failed = failed or bool(done.failure)
        notes.print(
            f"{schedule.source.code} {schedule.name}: {done.received} rows, {done.stored} stored, "
            f"{done.repeated} repeated, {done.dead} dead {done.failure}",
            markup=False,
        )
    if failed:
        raise typer.Exit(1)


@app.command("issue-token")
def issue_token(
    source: Annotated[str, typer.Argument(help="The source's code.")],
    label: Annotated[str, typer.Option(help="What it is for.")] = "",
) -> None:
    """Make a bearer token for a source; it is shown once."""
    from salus.connect.sources import issue_token as run
    from salus.connect.sources import source_named

    _, secret = run(source_named(source), label=label, scopes="system/*.cruds")
    typer.echo(secret)


def _mount_mllp() -> None:
    """Add the HL7 v2 listener and sender to the room's commands."""
    from salus.connect.mllp.commands import attach

    attach(app)


_mount_mllp()
