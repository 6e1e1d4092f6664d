"""`salus insurance reprice`: new prices from a user's own files, without the platform."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import progress as bars
from rich.console import Console

from salus.kernel.errors import Invalid
from salus.kernel.money import format_yuan

if TYPE_CHECKING:
    from salus.insurance.repricing.explaining import Move
    from salus.insurance.repricing.solving import Outcome, Point, Progress

_SHOWN = 20


def reprice(
    services: Annotated[Path | None, typer.Argument(help="CSV of services.")] = None,
    volumes: Annotated[
        Path | None, typer.Argument(help="CSV of volumes by service, hospital and group.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder for the answer.")] = None,
    freed: Annotated[Path | None, typer.Option(help="CSV of the money freed by hospital.")] = None,
    rules: Annotated[Path | None, typer.Option(help="TOML of bounds, steps, limits, rates and goal.")] = None,
    closeness: Annotated[
        int | None, typer.Option(min=0, max=100, help="0 changes least, 100 comes nearest to the targets.")
    ] = None,
    curve: Annotated[bool, typer.Option("--curve", help="Also trade change off against targets.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print input and output columns; stop.")] = False,
) -> None:
    """Re-price services, neutral for fund and revenue, with every step, bound and limit kept."""
    from salus.insurance.repricing import default_rules, read_rules
    from salus.insurance.repricing.solving import Study, point, trade_off
    from salus.insurance.repricing.tables import BadRows, read_basis

    console = Console(stderr=True)
    if schema:
        _print_schema(Console())
        return
    if services is None or volumes is None or output is None:
        raise Invalid(
            "reprice-arguments", "Give the services, the volumes and --output",
            fix="See salus insurance reprice --help",
        )  # fmt: skip
    chosen = default_rules() if rules is None else read_rules(rules)
    chosen = chosen if closeness is None else chosen.at(closeness)
    with _bars(console) as progress:
        try:
            basis = read_basis(services, volumes, freed, lambda done: progress("reading", done, done))
        except BadRows as bad:
            for fault in bad.faults[:_SHOWN]:
                console.print(f"{fault.code}: {fault}", highlight=False, markup=False, soft_wrap=True)
            if len(bad.faults) > _SHOWN:
                console.print(f"… and {len(bad.faults) - _SHOWN:,} more")
            raise
        outcome = Study(basis, chosen, progress).at(chosen.closeness)
        points = trade_off(basis, chosen, progress=progress) if curve else [point(outcome)]
    write(outcome, points, output)
    console.print(
        f"{len(basis.codes):,} services: {_raised(outcome):,} raised, {_cut(outcome):,} cut;"
        f" revenue off by {format_yuan(round(outcome.revenue_left))},"
        f" fund off by {format_yuan(round(outcome.fund_left))};"
        f" at most {100 * outcome.gap:.4f} % above the best there is",
        highlight=False,
    )


def _raised(outcome: "Outcome") -> int:
    return int((outcome.prices > outcome.basis.price).sum())


def _cut(outcome: "Outcome") -> int:
    return int((outcome.prices < outcome.basis.price).sum())


def write(outcome: "Outcome", points: "list[Point]", folder: Path) -> None:
    """Write prices.csv, impact.csv, curve.csv and summary.json into a folder.

    Raises:
        Invalid: the folder cannot be written.
    """
    from salus.insurance.repricing import tables
    from salus.insurance.repricing.explaining import explain
    from salus.insurance.repricing.impact import impact
    from salus.insurance.repricing.tables import yuan

    try:
        folder.mkdir(parents=True, exist_ok=True)
        moves = explain(outcome)
        names = outcome.basis.names, outcome.basis.departments
        rows = [_row(move, name, department) for move, name, department in zip(moves, *names, strict=True)]
        tables.write_table(folder / "prices.csv", tables.PRICES, rows)
        touched = impact(outcome.basis, outcome.rules, outcome.prices)
        amounts = tables.IMPACTS[2:]
        tables.write_table(
            folder / "impact.csv",
            tables.IMPACTS,
            [(one.kind, one.key, *(yuan(getattr(one, name)) for name in amounts)) for one in touched],
        )
        curve = [
            (p.closeness, yuan(p.change), yuan(p.distance), yuan(p.burden), p.raised, p.cut, f"{p.gap:.8f}")
            for p in points
        ]
        tables.write_table(folder / "curve.csv", tables.CURVE, curve)
        (folder / "summary.json").write_text(json.dumps(summary(outcome), indent=2) + "\n", encoding="utf-8")
    except OSError as fault:
        raise Invalid(
            "reprice-output", f"The folder cannot be written: {fault.strerror}", where=str(folder)
        ) from None


def _row(move: "Move", name: str, department: str) -> tuple[object, ...]:
    """Return a service's row of prices.csv."""
    from salus.insurance.repricing.tables import PULLS, yuan

    prices = (yuan(one) for one in (move.old, move.new))
    ends = (yuan(one) for one in (move.target, move.lowest, move.highest))
    pulls = (f"{move.pulls.get(pull, 0.0):.2f}" for pull in PULLS)
    share = f"{float(move.share * 100):.2f}"
    return (move.code, move.tier, name, department, *prices, share, *ends, move.volume, move.reason, *pulls)


def summary(outcome: "Outcome") -> dict[str, object]:
    """Return what is to be known of an outcome as a whole: neutrality in fen, cost, bound and gap."""
    return {
        "services": len(outcome.basis.codes),
        "raised": _raised(outcome),
        "cut": _cut(outcome),
        "closeness": outcome.rules.closeness,
        "revenue_off_fen": str(outcome.revenue_left),
        "fund_off_fen": str(outcome.fund_left),
        "tolerance_fen": outcome.rules.tolerance,
        "cost": outcome.cost,
        "bound": outcome.bound,
        "gap": outcome.gap,
        "labour_factor": str(outcome.factor.limit_denominator(10**6)),
    }


def _print_schema(out: Console) -> None:
    from salus.insurance.repricing import tables

    for name, columns in (
        ("SERVICES", tables.SERVICES),
        ("VOLUMES", tables.VOLUMES),
        ("--freed", tables.FREED),
    ):
        out.print(f"{name}: CSV in UTF-8, one row each; columns:")
        for column, meaning in columns.items():
            out.print(f"  {column:14} {meaning}", highlight=False)
    for name, given in (("prices", tables.PRICES), ("impact", tables.IMPACTS), ("curve", tables.CURVE)):
        out.print(f"output {name}.csv: {', '.join(given)}", highlight=False, soft_wrap=True)
    out.print("output summary.json: neutrality in fen, cost, bound and gap. Amounts are yuan.")


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


def add_to(app: typer.Typer) -> None:
    """Add the command to the room's command line."""
    app.command("reprice")(reprice)
