"""`./salus bench [ROOM] [--only FIGURE] [--list] [--json] [--quick]`: measure figures and print them."""

import argparse
import importlib
import json
import pkgutil
import statistics
import sys

from rich.console import Console
from rich.table import Table

import bench
from bench import REGISTRY, Figure, Measured


def load_figures() -> None:
    """Import every file of this folder, so that each registers its figures."""
    for module in pkgutil.iter_modules(bench.__path__):
        if not module.name.startswith("_"):
            importlib.import_module(f"bench.{module.name}")


def as_record(figure: Figure, measured: Measured) -> dict[str, object]:
    """Return what `--json` prints of a figure: medians of the runs, and the ratio to the peer."""
    value = statistics.median(measured.values) if measured.values else None
    peer_value = statistics.median(measured.peer_values) if measured.peer_values else None
    ratio = None
    if value and peer_value:
        ratio = value / peer_value if figure.better == "higher" else peer_value / value
    peer = figure.peer
    if measured.peer_missing:
        peer = f"{peer} (not run: {measured.peer_missing})".strip()
    return {
        "figure": figure.name,
        "value": value,
        "unit": figure.unit,
        "target": figure.target,
        "peer": peer,
        "peer_value": peer_value,
        "ratio": ratio,
        "runs": len(measured.values),
        "better": figure.better,
        "note": measured.note,
    }


def met(record: dict[str, object]) -> bool:
    """Say whether a figure reached its target."""
    value, target = record["value"], record["target"]
    if not isinstance(value, int | float) or not isinstance(target, int | float):
        return False
    return value >= target if record["better"] == "higher" else value <= target


def shown(number: object) -> str:
    """Return a number with as many digits as it can be trusted for."""
    return f"{number:,.4g}" if isinstance(number, float) else "" if number is None else str(number)


def main(arguments: list[str]) -> int:
    """Run the figures asked for; 0 when each reached its target."""
    parser = argparse.ArgumentParser(prog="./salus bench", description=__doc__)
    parser.add_argument("room", nargs="?", help="only this room's figures")
    parser.add_argument(
        "--only", action="append", metavar="FIGURE", help="only this figure (may be repeated)"
    )
    parser.add_argument(
        "--list", action="store_true", help="print the figures' names and targets, run nothing"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    parser.add_argument("--quick", action="store_true", help="the short seeded form")
    asked = parser.parse_args(arguments)
    load_figures()
    chosen = [
        figure
        for name, figure in sorted(REGISTRY.items())
        if (not asked.room or figure.room == asked.room) and (not asked.only or name in asked.only)
    ]
    if not chosen:
        parser.error("no such figure; ./salus bench --list prints the names")
    console = Console()
    if asked.list:
        table = Table("figure", "room", "target", "unit", "what it measures")
        for figure in chosen:
            sign = "≥" if figure.better == "higher" else "≤"
            table.add_row(figure.name, figure.room, f"{sign} {figure.target:g}", figure.unit, figure.about)
        console.print(table)
        return 0
    table = Table("figure", "value", "unit", "target", "peer", "peer value", "ratio", "runs", "note")
    missed = 0
    for figure in chosen:
        if not asked.json:
            console.print(f"[dim]{figure.name} …[/dim]")
        record = as_record(figure, figure.run(asked.quick))
        missed += not met(record)
        if asked.json:
            sys.stdout.write(json.dumps(record, ensure_ascii=False) + "\n")
            sys.stdout.flush()
        columns = ("figure", "value", "unit", "target", "peer", "peer_value", "ratio", "runs", "note")
        table.add_row(*(shown(record[key]) for key in columns))
    if not asked.json:
        console.print(table)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
