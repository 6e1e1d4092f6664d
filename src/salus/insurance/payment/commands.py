"""`salus insurance weights|settle|simulate|report` and `salus insurance dip …`: on a user's own files."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from salus.engine.terminal import bars, opened
from salus.kernel.errors import Invalid

if TYPE_CHECKING:
    import pyarrow as pa

    from salus.engine.contract import Engine
    from salus.insurance.payment.closing import Pool
    from salus.insurance.payment.reading import Fault

dip_app = typer.Typer(help="Diagnosis-intervention packets: groups from history, points, settlement.")

Cases = Annotated[Path | None, typer.Argument(help="Parquet of grouped cases; see --schema.")]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Where the result goes; never overwritten.")]
BudgetOption = Annotated[
    list[str] | None, typer.Option("--budget", help="insured=yuan, e.g. employee=1200000.00; repeat it.")
]
On = Annotated[
    datetime | None, typer.Option("--on", formats=["%Y-%m-%d"], help="Day whose parameters hold; else today.")
]
Which = Annotated[str, typer.Option("--engine", help="duckdb or spark.")]
Master = Annotated[str, typer.Option(help="Spark's address.")]
Memory = Annotated[str, typer.Option(help="The most memory for the engine.")]
SkipBad = Annotated[bool, typer.Option(help="Leave rows with faults out; they are listed.")]
Schema = Annotated[bool, typer.Option("--schema", help="Print input and output columns; stop.")]
SetName = Annotated[str, typer.Option("--parameters", help="The set of parameters.")]
SetFile = Annotated[Path | None, typer.Option("--rules", help="A city's own file of parameters (TOML).")]


def add_to(app: typer.Typer) -> None:
    """Add the payment commands to the room's command line."""
    from salus.insurance.dip import commands  # noqa: F401 - adds its commands to dip_app

    app.command("weights")(weights)
    app.command("settle")(settle)
    app.command("simulate")(simulate)
    app.command("report")(report)
    app.add_typer(dip_app, name="dip")


def weights(
    cases: Cases = None,
    out: Out = None,
    parameters: SetName = "rate",
    rules: SetFile = None,
    on: On = None,
    skip_bad: SkipBad = False,
    engine: Which = "duckdb",
    master: Master = "local[2]",
    memory: Memory = "4GB",
    schema: Schema = False,
) -> None:
    """Relative weights of groups from a history of cases."""
    from salus.insurance.payment import output, running
    from salus.insurance.payment import parameters as sets
    from salus.insurance.payment import weights as engine_of

    if schema:
        print_schema({"cases": None}, {"out": engine_of.SCHEMA})
        return
    source, target = given(cases, out)
    rule = sets.parameters(parameters, on=day(on), path=rules)
    with opened(engine, master, memory) as one:
        faults = _read(one, source, ("drg",), skip_bad)
        table = engine_of.weigh(one, rule.weighting, rule.ungrouped)
    if target.exists():
        raise Invalid(
            "settlement-exists", "The result's place is taken", where=target.name, fix="Name another"
        )
    running.parents(target)
    output.write(target, table)
    told(faults)
    own = sum(status == "own" for status in table["status"].to_pylist())
    say(f"{table.num_rows:,} groups, {own:,} with a weight of their own, in {target}")


def settle(
    cases: Cases = None,
    out: Out = None,
    budget: BudgetOption = None,
    history: Annotated[Path | None, typer.Option(help="Grouped cases of the years before.")] = None,
    weights: Annotated[Path | None, typer.Option(help="Weights from salus insurance weights.")] = None,
    factors: Annotated[Path | None, typer.Option(help="CSV: institution, factor.")] = None,
    assessment: Annotated[Path | None, typer.Option(help="CSV: institution, returned (of deposit).")] = None,
    parameters: SetName = "rate",
    rules: SetFile = None,
    on: On = None,
    skip_bad: SkipBad = False,
    engine: Which = "duckdb",
    master: Master = "local[2]",
    memory: Memory = "4GB",
    schema: Schema = False,
) -> None:
    """Settle a year of grouped cases by weight: rates from the budget, cases, months, year-end clearing."""
    from salus.insurance.payment import output, rates, reading, running
    from salus.insurance.payment import parameters as sets
    from salus.insurance.payment import weights as engine_of

    if schema:
        tables: dict[str, Any] = {
            "settled.parquet": reading.job("settle").columns, "weights.parquet": engine_of.SCHEMA,
            "rates.parquet": rates.SCHEMA, "months.parquet": reading.job("months").columns,
            "payments.parquet": output.MONTHS, "clearing.parquet": output.LINES,
            "pools.parquet": output.POOLS, "errors.parquet": output.FAULTS,
            "report.parquet": reading.job("report").columns,
        }  # fmt: skip
        print_schema({"cases": None}, tables)
        return
    source, target = given(cases, out)
    rule = sets.parameters(parameters, on=day(on), path=rules)
    asked = running.Asked(
        source, target, budgets(budget), history, weights,
        factors=running.read_ratios(factors, "factor") if factors else None,
        returned=running.read_ratios(assessment, "returned") if assessment else None,
        skip_bad=skip_bad,
    )  # fmt: skip
    with opened(engine, master, memory) as one, bars() as progress, listed_faults():
        done = running.settle(one, asked, rule, day(on), progress=progress)
    told(done.faults)
    say(f"{done.cases:,} cases settled in {target}")
    tell_pools(done.pools)


def simulate(
    cases: Cases = None,
    out: Out = None,
    budget: BudgetOption = None,
    pilot: Annotated[str, typer.Option(help="Institutions that go over first, with commas.")] = "",
    pilot_method: Annotated[str, typer.Option(help="drg or dip.")] = "drg",
    pilot_money: Annotated[
        str, typer.Option(help="pilot: they share what they cost by item; city: the city's value of a point.")
    ] = "pilot",
    parameters: SetName = "rate",
    rules: SetFile = None,
    on: On = None,
    skip_bad: SkipBad = False,
    engine: Which = "duckdb",
    master: Master = "local[2]",
    memory: Memory = "4GB",
    schema: Schema = False,
) -> None:
    """Compare payment by item, DRG and DIP on the same cases; without a budget the fund pays the same."""
    from salus.insurance.dip import parameters as dip_sets
    from salus.insurance.payment import output, reading, running, simulation
    from salus.insurance.payment import parameters as sets

    if schema:
        print_schema({"cases": None}, {"out": reading.job("compare").columns})
        return
    source, target = given(cases, out)
    if pilot_method not in ("drg", "dip") or pilot_money not in ("pilot", "city"):
        raise Invalid("pilot-choice", "Take drg or dip, and pilot or city")
    chosen = tuple(sorted({code.strip() for code in pilot.split(",") if code.strip()}))
    trial = (
        simulation.Pilot(
            chosen, "drg" if pilot_method == "drg" else "dip", "city" if pilot_money == "city" else "pilot"
        )
        if chosen
        else None
    )
    money = budgets(budget) if budget else None
    rule = sets.parameters(parameters, on=day(on), path=rules)
    if target.exists():
        raise Invalid(
            "settlement-exists", "The result's place is taken", where=target.name, fix="Name another"
        )
    with opened(engine, master, memory) as one, bars() as progress:
        faults = _read(one, source, ("drg", "dx", "pr", "tier"), skip_bad)
        found = simulation.simulate(
            one, rule, dip_sets.parameters(on=day(on)), dip_sets.catalogues(), budget=money, pilot=trial,
            progress=progress,
        )  # fmt: skip
    running.parents(target)
    output.write(target, found.compared)
    told(faults)
    (city,) = [row for row in found.compared.to_pylist() if row["dimension"] == "city"]
    for name, words in (
        ("item", "by item"),
        ("drg", "by DRG"),
        ("dip", "by DIP"),
        ("pilot", "with the pilot"),
    ):
        say(f"{words:15} {yuan(city[name]):>22} yuan")


def report(
    cases: Cases = None,
    out: Out = None,
    days: Annotated[
        int, typer.Option(min=1, max=365, help="Days within which a stay is a readmission.")
    ] = 31,
    anywhere: Annotated[bool, typer.Option(help="Readmission to any institution.")] = False,
    parameters: SetName = "rate",
    rules: SetFile = None,
    on: On = None,
    skip_bad: SkipBad = False,
    engine: Which = "duckdb",
    master: Master = "local[2]",
    memory: Memory = "4GB",
    schema: Schema = False,
) -> None:
    """Case-mix, efficiency, mortality and readmission by institution and department."""
    from salus.insurance.payment import output, reading, reports, running
    from salus.insurance.payment import parameters as sets
    from salus.insurance.payment import weights as engine_of

    if schema:
        print_schema({"cases": None}, {"out": reading.job("report").columns})
        return
    source, target = given(cases, out)
    rule = sets.parameters(parameters, on=day(on), path=rules)
    if target.exists():
        raise Invalid(
            "settlement-exists", "The result's place is taken", where=target.name, fix="Name another"
        )
    with opened(engine, master, memory) as one, bars() as progress:
        faults = _read(one, source, ("drg",), skip_bad)
        table = engine_of.weigh(one, rule.weighting, rule.ungrouped)
        found = reports.report(one, table, days=days, same_institution=not anywhere, progress=progress)
    running.parents(target)
    output.write(target, found)
    told(faults)
    say(f"{found.num_rows:,} rows in {target}")


def _read(engine: "Engine", source: Path, needs: tuple[str, ...], skip_bad: bool) -> "list[Fault]":
    from salus.insurance.payment import running

    with listed_faults():
        return running.read(engine, source, needs, skip_bad=skip_bad)


# What the commands of both methods share.


def day(on: datetime | None) -> date:
    """Return the day asked for, or today."""
    return on.date() if on else date.today()


def given(cases: Path | None, out: Path | None) -> tuple[Path, Path]:
    """Return both paths; raises `Invalid` when one was not given or the cases are not there."""
    if cases is None or out is None:
        raise Invalid(
            "settlement-arguments", "Give the file of cases and --out", fix="See --help and --schema"
        )
    if not cases.exists():
        raise Invalid("cases-file", "The file is not there", where=cases.name)
    return cases, out


def budgets(pairs: Sequence[str] | None) -> dict[str, int]:
    """Read insured=yuan pairs as fen; raises `Invalid`."""
    from salus.kernel.money import to_fen

    found: dict[str, int] = {}
    for pair in pairs or ():
        insured, equals, amount = pair.partition("=")
        if not equals or insured in found:
            raise Invalid("budget-option", "Write each budget once as insured=yuan", where=pair)
        found[insured] = to_fen(amount)
    if not found:
        raise Invalid("budget-option", "Give a budget", fix="--budget employee=1200000.00")
    return found


@contextmanager
def listed_faults() -> Iterator[None]:
    """Print the first faults of rows before the error that stops the command."""
    from salus.insurance.payment.running import BadRows

    try:
        yield
    except BadRows as error:
        told(error.faults)
        raise


def told(faults: "Sequence[Fault]") -> None:
    """Print the first twenty faults, one a line with its code, and how many more there are."""
    console = Console(stderr=True, soft_wrap=True)
    for fault in faults[:20]:
        error = fault.error()
        console.print(f"{error.code}: {error}", markup=False, highlight=False)
    if len(faults) > 20:
        console.print(f"and {len(faults) - 20:,} more", highlight=False)


def say(words: str) -> None:
    """Print a line for the user."""
    Console(soft_wrap=True).print(words, markup=False, highlight=False)


def yuan(fen: int) -> str:
    """Return fen as yuan, grouped."""
    from salus.kernel.money import to_yuan

    return f"{to_yuan(fen):,}"


def tell_pools(pools: "Sequence[Pool]") -> None:
    """Print each budget: what was paid of it and what is left."""
    for pool in pools:
        say(
            f"{pool.insured}: budget {yuan(pool.budget)}, paid {yuan(pool.paid)}, left {yuan(pool.left)} yuan"
        )


def print_schema(inputs: dict[str, Any], outputs: "dict[str, pa.Schema | dict[str, str]]") -> None:
    """Print what is read and what is written."""
    import pyarrow as pa

    from salus.insurance.payment.reading import COLUMNS

    for name in inputs:
        say(f"reads {name}")
        for column in COLUMNS:
            kind = {"text": "varchar", "whole": "bigint", "flag": "boolean", "texts": "varchar[]"}.get(
                column.kind, column.kind
            )
            say(f"  {column.name:12} {kind:10} {'' if column.required else '(optional) '}{column.about}")
    for name, columns in outputs.items():
        say(f"writes {name}")
        pairs = (
            [(f.name, str(f.type)) for f in columns] if isinstance(columns, pa.Schema) else columns.items()
        )
        for column_name, type in pairs:
            say(f"  {column_name}: {str(type).lower()}")
