"""`salus insurance dip build|group|settle`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from salus.engine.terminal import bars, opened
from salus.insurance.payment.commands import (
    BudgetOption,
    Cases,
    Master,
    Memory,
    On,
    Out,
    Schema,
    SkipBad,
    Which,
    budgets,
    day,
    dip_app,
    given,
    listed_faults,
    print_schema,
    say,
    tell_pools,
    told,
)
from salus.kernel.errors import Invalid

SetName = Annotated[str, typer.Option("--parameters", help="The set of DIP parameters.")]
SetFile = Annotated[Path | None, typer.Option("--rules", help="A city's own file of DIP parameters (TOML).")]
Tables = Annotated[
    Path | None,
    typer.Option(
        "--catalogues", help="Folder with a city's own dip_*.csv: procedures, tiers, ages, severity."
    ),
]
Catalogue = Annotated[Path | None, typer.Option("--catalogue", help="Folder from salus insurance dip build.")]


@dip_app.command()
def build(
    cases: Cases = None,
    out: Out = None,
    parameters: SetName = "national",
    rules: SetFile = None,
    catalogues: Tables = None,
    on: On = None,
    skip_bad: SkipBad = False,
    engine: Which = "duckdb",
    master: Master = "local[2]",
    memory: Memory = "4GB",
    schema: Schema = False,
) -> None:
    """Build groups and scores from a history of cases."""
    from salus.insurance.dip import grouping, running
    from salus.insurance.dip import parameters as sets
    from salus.insurance.payment.reading import job

    if schema:
        means = job("means", "salus.insurance.dip").columns
        print_schema({"cases": None}, {"groups.parquet": grouping.SCHEMA, "means.parquet": dict(means)})
        return
    source, target = given(cases, out)
    rule = sets.parameters(parameters, on=day(on), path=rules)
    with opened(engine, master, memory) as one, bars() as progress, listed_faults():
        built, faults = running.build(
            one, source, target, rule, sets.catalogues(parameters, catalogues), day(on), skip_bad=skip_bad,
            progress=progress,
        )  # fmt: skip
    told(faults)
    say(
        f"{built.groups.num_rows:,} groups; core groups hold {built.core / 100:.2f} % of {built.cases:,}"
        f" cases, core and mixed ones {built.covered / 100:.2f} %"
    )
    if not built.enough:
        say(f"That is under the {rule.coverage / 100:.2f} % asked for: give more years of history.")


@dip_app.command()
def group(
    cases: Cases = None,
    out: Out = None,
    catalogue: Catalogue = None,
    parameters: SetName = "national",
    rules: SetFile = None,
    catalogues: Tables = None,
    on: On = None,
    skip_bad: SkipBad = False,
    engine: Which = "duckdb",
    master: Master = "local[2]",
    memory: Memory = "4GB",
    schema: Schema = False,
) -> None:
    """Give each case its DIP group by a catalogue."""
    from salus.insurance.dip import parameters as sets
    from salus.insurance.dip import running

    if schema:
        names = ("id", "dip", "level", "dx4", "ops", "treatment")
        print_schema({"cases": None}, {"out": dict.fromkeys(names, "varchar")})
        return
    source, target = given(cases, out)
    rule = sets.parameters(parameters, on=day(on), path=rules)
    with opened(engine, master, memory) as one, bars() as progress, listed_faults():
        count, without, faults = running.group(
            one, source, _folder(catalogue), target, rule, sets.catalogues(parameters, catalogues),
            skip_bad=skip_bad, progress=progress,
        )  # fmt: skip
    told(faults)
    say(f"{count:,} cases in {target}, {without:,} without a group")


@dip_app.command()
def settle(
    cases: Cases = None,
    out: Out = None,
    budget: BudgetOption = None,
    catalogue: Catalogue = None,
    assessment: Annotated[Path | None, typer.Option(help="CSV: institution, returned (of deposit).")] = None,
    parameters: SetName = "national",
    rules: SetFile = None,
    catalogues: Tables = None,
    on: On = None,
    skip_bad: SkipBad = False,
    engine: Which = "duckdb",
    master: Master = "local[2]",
    memory: Memory = "4GB",
    schema: Schema = False,
) -> None:
    """Settle a year of cases by DIP points: points, their value, cases, months, year-end clearing."""
    from salus.insurance.dip import parameters as sets
    from salus.insurance.dip import running
    from salus.insurance.payment import output
    from salus.insurance.payment.reading import job
    from salus.insurance.payment.running import Asked, read_ratios

    if schema:
        tables: dict[str, Any] = {
            "settled.parquet": dict(job("settle", "salus.insurance.dip").columns),
            "months.parquet": dict(job("months").columns), "payments.parquet": output.MONTHS,
            "clearing.parquet": output.LINES, "pools.parquet": output.POOLS, "errors.parquet": output.FAULTS,
        }  # fmt: skip
        print_schema({"cases": None}, tables)
        return
    source, target = given(cases, out)
    rule = sets.parameters(parameters, on=day(on), path=rules)
    returned = read_ratios(assessment, "returned") if assessment else None
    asked = Asked(source, target, budgets(budget), returned=returned, skip_bad=skip_bad)
    with opened(engine, master, memory) as one, bars() as progress, listed_faults():
        done = running.settle(
            one, asked, _folder(catalogue), rule, sets.catalogues(parameters, catalogues), day(on),
            progress=progress,
        )  # fmt: skip
    told(done.faults)
    say(f"{done.cases:,} cases settled in {target}")
    tell_pools(done.pools)


def _folder(catalogue: Path | None) -> Path:
    if catalogue is None or not catalogue.is_dir():
        raise Invalid(
            "dip-catalogue-folder",
            "Give the folder of the catalogue",
            fix="Make one: salus insurance dip build",
        )
    return catalogue
