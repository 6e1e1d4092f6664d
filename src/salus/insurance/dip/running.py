"""DIP from files to files: build groups, group cases, settle a year."""

from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from salus.engine.contract import Engine
from salus.engine.jobs import Progress
from salus.insurance.dip import grouping, settling
from salus.insurance.dip.parameters import Catalogues, DipParameters
from salus.insurance.payment import output, rates
from salus.insurance.payment.reading import Fault
from salus.insurance.payment.running import Asked, Done, clear, finish, read
from salus.kernel.errors import Invalid


def build(
    engine: Engine,
    cases: Path,
    out: Path,
    rule: DipParameters,
    catalogues: Catalogues,
    on: date,
    *,
    skip_bad: bool = False,
    progress: Progress | None = None,
) -> tuple[grouping.Built, list[Fault]]:
    """Build a catalogue from history and write the folder `out`: groups.parquet and means.parquet."""
    with output.folder(out) as staged:
        faults = read(engine, cases, ("dx", "pr"), skip_bad=skip_bad)
        built = grouping.build(engine, rule, catalogues, progress=progress)
        output.write(staged / "groups.parquet", built.groups)
        output.write(staged / "means.parquet", built.means)
        finish(staged, Asked(cases, out, {}), "dip-catalogue", rule, on, built.cases, faults)
    return built, faults


def read_catalogue(folder: Path) -> tuple[pa.Table, pa.Table]:
    """Read what `build` wrote: groups and means.

    Raises:
        Invalid: the folder is not one that `build` wrote.
    """
    try:
        groups = pq.read_table(folder / "groups.parquet").select(grouping.SCHEMA.names).cast(grouping.SCHEMA)
        means = pq.read_table(folder / "means.parquet").select(["dip", "tier", "mean"])
    except (OSError, KeyError, pa.ArrowInvalid):
        raise Invalid(
            "dip-catalogue-folder", "This is no catalogue of DIP groups", where=folder.name,
            fix="Make one: salus insurance dip build",
        ) from None  # fmt: skip
    return groups, means


def group(
    engine: Engine,
    cases: Path,
    catalogue: Path,
    out: Path,
    rule: DipParameters,
    catalogues: Catalogues,
    *,
    skip_bad: bool = False,
    progress: Progress | None = None,
) -> tuple[int, int, list[Fault]]:
    """Group cases by a catalogue into Parquet; returns cases, those without a group, and faults."""
    groups, _ = read_catalogue(catalogue)
    faults = read(engine, cases, ("dx", "pr"), skip_bad=skip_bad)
    found = grouping.assign(engine, groups, rule, catalogues, progress=progress)
    count = engine.write("select id, dip, level, dx4, ops, treatment from assigned", out)
    return count, found["dip"].null_count, faults


def settle(
    engine: Engine,
    asked: Asked,
    catalogue: Path,
    rule: DipParameters,
    catalogues: Catalogues,
    on: date,
    *,
    progress: Progress | None = None,
) -> Done:
    """Settle a year of cases by DIP points and write the folder `asked.out`.

    Raises:
        BadRows: rows have faults and are not to be left out; nothing is written.
        Invalid, Conflict: as for reading, points, clearing and the place of the result.
    """
    groups, means = read_catalogue(catalogue)
    budget = rates.budgets(asked.budget, rule.payment)
    with output.folder(asked.out) as staged:
        faults = read(engine, asked.cases, ("dx", "pr"), skip_bad=asked.skip_bad)
        grouping.assign(engine, groups, rule, catalogues, progress=progress)
        settling.count_points(engine, groups, means, rule, catalogues, progress=progress)
        values = settling.point_values(engine, budget, rule)
        count = settling.settle_cases(engine, values, rule, out=staged / "settled.parquet", progress=progress)
        pools = clear(engine, staged, asked, rule.payment, budget)
        output.write(staged / "values.parquet", values)
        finish(staged, asked, "dip", rule, on, count, faults)
    return Done(count, faults, pools)
