"""What payment by group is measured by: a year of a city, agreement of the engines, DIP from history."""

import resource
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

from bench import Measured, figure

DAY = date(2025, 12, 31)
YEAR = 150_000
"""Inpatient cases a year of a city of a million: 15 to a hundred residents."""


def _cases(folder: Path, rows: int, **more: Any) -> Path:
    """Write drawn cases, grouped, as Parquet."""
    import pyarrow.parquet as pq

    from tests.insurance.payment.cases import drawn

    path = folder / f"cases-{rows}-{len(more)}.parquet"
    pq.write_table(drawn(rows, 20, **more), path)
    return path


def _memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def _coded(cases: Path, reference: Path) -> Path:
    """Give each drawn group the codes, sex, age and birth weight of a reference case, and no group."""
    import pyarrow.parquet as pq

    from salus.engine import duckdb_engine

    path = cases.with_name(f"coded-{cases.name}")
    with duckdb_engine(threads=2) as engine:
        engine.register("drawn", pq.read_table(cases))
        engine.register("reference", reference)
        engine.write(
            "select d.* exclude (age, dx, pr, mdc, adrg, drg), r.gender, r.age, r.age_day, r.weight, r.dx,"
            " r.pr from (select *, dense_rank() over (order by drg) as place from drawn) d"
            " join (select *, row_number() over (order by id) as row from reference) r on d.place = r.row",
            path,
        )
    return path


@figure("payment-year-1m", room="insurance", unit="s", target=120, better="lower")
def payment_year(quick: bool) -> Measured:
    """Group a year's cases, find weights, rates and each case's pay, clear the year; from file to file."""
    import os

    from salus.engine import duckdb_engine
    from salus.insurance.drg import compile_scheme, group
    from salus.insurance.payment import parameters, running
    from salus.insurance.scheme.importing import About, import_scheme

    shared = Path(os.environ.get("SALUS_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))
    reference = shared / "insurance" / "chs_drg_11_cases_10k.parquet"
    if not reference.exists():
        return Measured([], peer_missing="the reference data with CHS-DRG 1.1 are not here")
    scheme = compile_scheme(import_scheme(shared / "insurance" / "chs_drg_11", About("chs-drg", "1.1")))
    rows = 15_000 if quick else YEAR
    values, grouping = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        coded = _coded(_cases(folder, rows), reference)
        rule = parameters.parameters("rate", on=DAY)
        budget = {"employee": rows * 60_000 * 5, "resident": rows * 60_000 * 5}
        for run in range(1 if quick else 3):
            grouped = folder / f"grouped{run}.parquet"
            begun, cpu = time.perf_counter(), time.process_time()
            with duckdb_engine(threads=2, memory_limit="4GB") as engine:
                engine.register("found", group(engine, coded, scheme))
                engine.register("coded", coded)
                engine.write(
                    "select c.*, f.mdc, f.adrg, f.drg from coded c join found f on c.id = f.id", grouped
                )
            grouping.append(time.perf_counter() - begun)
            with duckdb_engine(threads=2, memory_limit="4GB") as engine:
                asked = running.Asked(grouped, folder / f"out{run}", budget)
                done = running.settle(engine, asked, rule, DAY)
            values.append(time.perf_counter() - begun)
            used = time.process_time() - cpu
            if any(pool.budget != pool.paid + pool.left or pool.left < 0 for pool in done.pools):
                raise ValueError("a budget is not accounted for")
    note = (
        f"{rows:,} cases by CHS-DRG 1.1, grouping {min(grouping):.1f} s of it; {used:.1f} s of processor;"
        f" {_memory():.1f} GB"
    )
    return Measured(values, peer_missing="no open program settles by DRG or DIP", note=note)


@figure("payment-spark-parity", room="insurance", unit="%", target=100)
def payment_parity(quick: bool) -> Measured:
    """Rows of the tables of payment and DIP that DuckDB and Spark give equally, to the fen."""
    from salus.engine import duckdb_engine, spark_engine
    from salus.engine.spark_session import why_missing
    from tests.engine.parity import SMALL, assert_same
    from tests.insurance.payment import test_parity

    if reason := why_missing():
        return Measured([], peer_missing=reason)
    given = test_parity.CASES
    if not quick:
        from tests.insurance.payment.cases import drawn

        test_parity.CASES = drawn(30_000, 31)
    tables = rows = equal = 0
    try:
        settings = {} if not quick else SMALL
        with duckdb_engine() as one, spark_engine("local[2]", memory="2g", settings=settings) as other:
            ours, theirs = test_parity.chain(one), test_parity.chain(other)
            for name, table in ours.items():
                tables += 1
                rows += table.num_rows
                try:
                    assert_same(theirs[name], table, ordered=False)
                except AssertionError:
                    continue
                equal += table.num_rows
    finally:
        test_parity.CASES = given
        test_parity.forget()
    return Measured(
        [100 * equal / rows],
        peer_missing="the figure compares two engines",
        note=f"{rows:,} rows of {tables} tables",
    )


@figure("dip-build", room="insurance", unit="cases/s", target=20_000)
def dip_build(quick: bool) -> Measured:
    """Build DIP groups, scores and means from three years of history, file to file."""
    from salus.engine import duckdb_engine
    from salus.insurance.dip import parameters, running

    rows = 30_000 if quick else YEAR * 3
    values = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        history = _cases(folder, rows, year=2025, years=3)
        rule, tables = parameters.parameters(on=DAY), parameters.catalogues()
        for run in range(1 if quick else 3):
            begun = time.perf_counter()
            with duckdb_engine(threads=2, memory_limit="4GB") as engine:
                built, _ = running.build(engine, history, folder / f"out{run}", rule, tables, DAY)
            values.append(rows / (time.perf_counter() - begun))
    note = (
        f"{rows:,} cases, {built.groups.num_rows:,} groups, {built.covered / 100:.1f} % in core and mixed;"
        f" {_memory():.1f} GB"
    )
    return Measured(values, peer_missing="no open program builds DIP groups", note=note)
