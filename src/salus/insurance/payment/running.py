"""A settlement from files to files: by DRG weights or by DIP points, with the year's clearing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from salus.engine.contract import Engine
from salus.engine.jobs import Progress
from salus.insurance.payment import closing, output, rates, reports, settling
from salus.insurance.payment.amounts import parts
from salus.insurance.payment.parameters import Parameters
from salus.insurance.payment.reading import Fault, read_cases
from salus.insurance.payment.weights import weigh
from salus.kernel.errors import Invalid


@dataclass(frozen=True, slots=True)
class Asked:
    """What a settlement is asked for.

    `cases` are the year's grouped cases and `history` those that weights and the expected year come from (the
    same without it); `budget` is fen by insured group; `factors` and `returned` are ten-thousandths by
    institution, `advance` fen by institution and insured group.
    """

    cases: Path
    out: Path
    budget: Mapping[str, int]
    history: Path | None = None
    weights: Path | None = None
    factors: Mapping[str, int] | None = None
    returned: Mapping[str, int] | None = None
    advance: Mapping[tuple[str, str], int] | None = None
    skip_bad: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """What a settlement came to: cases settled, rows refused, and the budgets' pools."""

    cases: int
    faults: list[Fault]
    pools: list[closing.Pool]


class BadRows(Invalid):
    """Rows that cannot be settled: nothing was; `faults` are all of them."""

    def __init__(self, faults: list[Fault]) -> None:
        first = faults[0].error()
        super().__init__(
            "cases-bad-rows", f"{len(faults):,} faults in the cases; nothing was settled: {first.message}",
            where=first.where, fix="Mend the rows, or leave them out with --skip-bad",
        )  # fmt: skip
        self.faults = faults


def settle(
    engine: Engine, asked: Asked, rule: Parameters, on: date, *, progress: Progress | None = None
) -> Done:
    """Settle a year of cases by DRG weights and write the folder `asked.out`.

    Raises:
        BadRows: rows have faults and are not to be left out; nothing is written.
        Invalid, Conflict: as for reading, weights, rates, clearing and the place of the result.
    """
    needs = ("drg", "tier") if "tier" in rule.rate_by else ("drg",)
    budget = rates.budgets(asked.budget, rule)
    factors = factors_table(asked.factors)
    with output.folder(asked.out) as staged:
        weights, expected = _weights_and_rates(engine, asked, rule, needs, budget, factors)
        faults = read(engine, asked.cases, needs, skip_bad=asked.skip_bad)
        count = settling.settle_cases(
            engine, weights, expected, factors, rule, out=staged / "settled.parquet", progress=progress
        )
        pools = clear(engine, staged, asked, rule, budget)
        output.write(staged / "weights.parquet", weights)
        output.write(staged / "rates.parquet", expected)
        output.write(staged / "report.parquet", reports.report(engine, weights, progress=progress))
        finish(staged, asked, "drg", rule, on, count, faults)
    return Done(count, faults, pools)


def _weights_and_rates(
    engine: Engine,
    asked: Asked,
    rule: Parameters,
    needs: tuple[str, ...],
    budget: Mapping[str, rates.Budget],
    factors: pa.Table,
) -> tuple[pa.Table, pa.Table]:
    read(engine, asked.history or asked.cases, needs, skip_bad=asked.skip_bad)
    weights = read_weights(asked.weights) if asked.weights else weigh(engine, rule.weighting, rule.ungrouped)
    if asked.history:  # the expected year is the last of the history
        engine.keep("whole_history", "select * from cases")
        engine.keep(
            "cases",
            "select h.* from whole_history h cross join"
            " (select max(year(discharged)) as latest from whole_history) m"
            " where year(h.discharged) = m.latest",
        )
    return weights, rates.base_rates(engine, weights, factors, budget, rule)


def read(engine: Engine, path: Path, needs: tuple[str, ...], *, skip_bad: bool) -> list[Fault]:
    """Read cases; raises `BadRows` where rows have faults that are not to be left out."""
    if not path.exists():
        raise Invalid("cases-file", "The file is not there", where=path.name)
    faults = read_cases(engine, path, needs=needs, skip_bad=skip_bad)
    if faults and not skip_bad:
        raise BadRows(faults)
    return faults


def clear(
    engine: Engine, staged: Path, asked: Asked, rule: Parameters, budget: Mapping[str, rates.Budget]
) -> list[closing.Pool]:
    """Clear the year from the engine's `settled`, write its tables, and return the pools."""
    months = settling.by_month(engine)
    rows = months.to_pylist()
    lines, pools = closing.close(rows, budget, rule, returned=asked.returned, advance=asked.advance)
    output.write(staged / "months.parquet", months)
    output.write(staged / "payments.parquet", output.months_table(closing.monthly(rows, rule)))
    output.write(staged / "clearing.parquet", output.lines_table(lines))
    output.write(staged / "pools.parquet", output.pools_table(pools))
    return pools


def finish(
    staged: Path, asked: Asked, method: str, rule: Any, on: date, cases: int, faults: list[Fault]
) -> None:
    """Write the rows that were left out and the description of the settlement."""
    output.write(staged / "errors.parquet", output.faults_table(faults))
    facts = {
        "form": 1, "method": method, "on": on, "parameters": rule, "budget": asked.budget, "cases": cases,
        "refused": len({fault.row for fault in faults}),
        "input": output.digest(asked.cases) if asked.cases.is_file() else "",
    }  # fmt: skip
    output.describe(staged, facts)


def read_weights(path: Path) -> pa.Table:
    """Read weights from Parquet: drg and weight (whole ten-thousandths, or null); a group stands once.

    Raises:
        Invalid: a column is missing, a weight is not above zero, or a group repeats.
    """
    try:
        table = pq.read_table(path)
        table = table.select(["drg", "weight"]).cast(
            pa.schema([("drg", pa.string()), ("weight", pa.int64())])
        )
    except (OSError, KeyError, pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise Invalid(
            "weights-file", "The weights cannot be read", where=path.name,
            fix="Give Parquet with drg and weight, as salus insurance weights writes it",
        ) from None  # fmt: skip
    seen: set[str] = set()
    for number, row in enumerate(table.to_pylist(), 1):
        if not row["drg"] or row["drg"] in seen or (row["weight"] is not None and row["weight"] <= 0):
            raise Invalid(
                "weights-row",
                "The group is missing or repeats, or its weight is not above zero",
                where=f"row {number}",
            )
        seen.add(row["drg"])
    return table


def factors_table(factors: Mapping[str, int] | None) -> pa.Table:
    """Return institutions' factors as the jobs read them."""
    factors = factors or {}
    return pa.table(
        {
            "institution": pa.array(list(factors), pa.string()),
            "factor": pa.array(list(factors.values()), pa.int64()),
        }
    )


def read_ratios(path: Path, column: str) -> dict[str, int]:
    """Read a CSV of institution and a ratio (text such as 1.05) as ten-thousandths by institution.

    Raises:
        Invalid: a column is missing, an institution repeats, or a ratio is none (the row is named).
    """
    found: dict[str, int] = {}
    try:
        text = pa.csv.ConvertOptions(column_types={"institution": pa.string(), column: pa.string()})
        rows = pa.csv.read_csv(path, convert_options=text).select(["institution", column]).to_pylist()
    except (OSError, KeyError, pa.ArrowInvalid):
        raise Invalid(
            "ratios-file", f"The file has no columns institution and {column}", where=path.name
        ) from None
    for number, row in enumerate(rows, 2):
        code = row["institution"] or ""
        if not code or code in found:
            raise Invalid(
                "ratios-row", "The institution is missing or repeats", where=f"{path.name}:{number}"
            )
        found[code] = parts(row[column] or "", where=f"{path.name}:{number}")
    return found


def parents(path: Path) -> None:
    """Make the folders above a file that is to be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
