"""The demonstration: a synthetic city's institutions send messages; every resident has one record."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from salus.composition import installation, serving
from salus.kernel.errors import Conflict

console = Console(stderr=True)


@dataclass(slots=True)
class State:
    """What the demonstration has done so far, kept beside the databases so that a second run reuses it."""

    path: Path
    residents: int
    seed: int
    done: list[str]
    seconds: float

    @classmethod
    def of(cls, data_dir: Path, residents: int, seed: int) -> "State":
        """Read the state of a data folder; raises Conflict if it holds another city."""
        path = data_dir / "demo.json"
        if not path.exists():
            return cls(path, residents, seed, [], 0.0)
        held = json.loads(path.read_text())
        if (held["residents"], held["seed"]) != (residents, seed):
            raise Conflict(
                "demo-other-city",
                f"{data_dir} holds a city of {held['residents']:,} residents with seed {held['seed']}",
                fix="Name another folder with --data-dir, or the same --residents and --seed.",
            )
        return cls(path, residents, seed, held["done"], held["seconds"])

    @contextmanager
    def step(self, name: str) -> Iterator[bool]:
        """Yield whether the step is still to do; note it as done, with its time, when it ends well."""
        begun = time.monotonic()
        wanted = name not in self.done
        yield wanted
        if wanted:
            self.done.append(name)
            self.seconds += time.monotonic() - begun
            kept = {
                "residents": self.residents,
                "seed": self.seed,
                "done": self.done,
                "seconds": self.seconds,
            }
            self.path.write_text(json.dumps(kept))


def run(*, residents: int, seed: int, port: int | None) -> None:
    """Build, load, link, report and, if a port is given, serve."""
    with console.status("Preparing the databases …"):
        installation.ensure()
    from django.conf import settings

    from salus import subscriptions

    data_dir = Path(settings.DATA_DIR)
    state = State.of(data_dir, residents, seed)
    subscriptions.register()
    columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        with state.step("city") as wanted:
            if wanted:
                _build_city(data_dir / "city", residents, seed, progress)
        with state.step("registers") as wanted:
            if wanted:
                _import_registers(data_dir / "city")
        with state.step("load") as wanted:
            if wanted:
                _load(data_dir / "city", progress)
        drawing = None if "insurance" in state.done else _drawn_apart(data_dir / "city" / "insurance", state)
        with state.step("link") as wanted:
            if wanted:
                _link(progress)
        with state.step("derive") as wanted:
            if wanted:
                _derive(progress)
        with state.step("insurance") as wanted:
            if wanted:
                if drawing is not None:
                    drawing.join()
                _insure(data_dir / "city" / "insurance", residents, seed, progress)
        with state.step("prevention") as wanted:
            if wanted:
                _prevent(data_dir / "city", progress)
    from salus.composition import demonstration_accounts

    accounts = demonstration_accounts.ensure(data_dir)
    _report(state, data_dir / "city")
    if port is not None:
        demonstration_accounts.show(console, accounts)
        raise SystemExit(serving.run(host="127.0.0.1", port=port, mllp_port=None, worker=True))


def _build_city(folder: Path, residents: int, seed: int, progress: Progress) -> None:
    import shutil

    from salus import city

    shutil.rmtree(folder, ignore_errors=True)  # what an interrupted run left
    task = progress.add_task("Building the city", total=residents)
    city.build(
        folder,
        residents,
        seed,
        lambda _stage, done, _all: progress.update(task, completed=done),
        workers=min(2, os.cpu_count() or 1),
    )
    progress.update(task, completed=residents)


def _import_registers(folder: Path) -> None:
    from salus.connect.sources import import_sources
    from salus.kernel.policy import system_principal
    from salus.kernel.services.registers import import_registers

    import_registers(system_principal("demonstration"), folder / "registers")
    import_sources(folder / "sources.toml")


def _load(folder: Path, progress: Progress) -> None:
    """Send every source's files through its connector, in the order of their names."""
    from salus.connect.ahead import load_files
    from salus.connect.sources import source_named

    task = progress.add_task("Sending messages", total=sum(_expected(folder).values()))
    inboxes = sorted((folder / "inbox").iterdir())
    files = [(source_named(inbox.name), path) for inbox in inboxes for path in sorted(inbox.iterdir())]
    # Nobody waits for the database yet, so a transaction may be long.
    for _ in load_files(
        files, target=0.5, start=400, progress=lambda done, _bytes: progress.update(task, advance=done)
    ):
        pass


def _expected(folder: Path) -> dict[str, int]:
    """Return how many messages the city says that each source sends."""
    import csv

    with (folder / "truth" / "expected.csv").open(newline="", encoding="utf-8") as file:
        return {row["source"]: int(row["received"]) for row in csv.DictReader(file)}


def _link(progress: Progress) -> None:
    """Compare the records that no certain identifier settled, as the worker does all day."""
    from salus.record import identity
    from salus.record.models import LinkQueue

    waiting = LinkQueue.objects.count()
    task = progress.add_task("Linking identities", total=waiting)
    while (linked := identity.link_arriving(500, batch=500)).scored:  # nobody waits yet
        progress.update(task, advance=linked.scored)
    progress.update(task, completed=waiting)


def _drawn_apart(folder: Path, state: State) -> BaseProcess:
    """Start a process that works out what of the insurance needs no database; linking leaves it a processor.

    What it leaves undone is done when the insurance is filled.
    """
    from salus.composition import demonstration_money

    process = get_context("spawn").Process(
        target=demonstration_money.work_out, args=(folder, state.residents, state.seed), daemon=True
    )
    process.start()
    return process


def _derive(progress: Progress) -> None:
    """Let the registers of persons and the event handlers catch up."""
    from salus.kernel import events
    from salus.record.registers import projecting

    task = progress.add_task("Births, deaths, residence", total=None)
    projecting.catch_up()
    events.dispatch_pending()
    progress.update(task, completed=1, total=1)


def _insure(folder: Path, residents: int, seed: int, progress: Progress) -> None:
    """Let the city's insurance live: members, claims, payments, a settlement, tenders and prices."""
    from salus.composition import demonstration_insurance, demonstration_money

    demonstration_money.work_out(folder, residents, seed)
    procurement = demonstration_money.Procurement(seed)
    procurement.begin()  # the first deadline passes while the rest is entered
    year = demonstration_insurance.insure(folder, progress)
    demonstration_money.fill(folder, seed, year, progress)
    procurement.finish()


def _prevent(folder: Path, progress: Progress) -> None:
    """Let prevention read the record: cases, registers, and the weeks of the city's outbreaks judged."""
    from salus.composition import demonstration_prevention

    demonstration_prevention.keep(folder, progress)


def _report(state: State, folder: Path) -> None:
    from salus.composition import demonstration_report

    figures = demonstration_report.measure(folder)
    out = Console()
    table = Table(title=f"A city of {state.residents:,} residents, seed {state.seed}", show_header=False)
    for name, value in (*figures.rows(), ("Time", f"{state.seconds:.0f} s")):
        table.add_row(name, value)
    out.print(table)
    if figures.by_group:
        groups = Table("Group", "Pairs", "Precision", "Recall", title="Linkage against the known truth")
        for row in sorted(figures.by_group):
            groups.add_row(*row)
        out.print(groups)
    if not figures.balanced:
        raise SystemExit("The counts do not add up: see the page of sources.")


def plain(value: Any) -> str:
    """Return a number as people write it."""
    return f"{value:,}" if isinstance(value, int) else str(value)
