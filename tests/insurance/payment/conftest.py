"""A year of three hospitals settled and compared, as the platform's tests record it."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from salus.engine import duckdb_engine
from salus.insurance.dip import parameters as dip_parameters
from salus.insurance.payment import output, parameters, reading, running, simulation
from tests.insurance.payment.cases import drawn

DAY = date(2025, 12, 31)
HOSPITALS = ("H03", "H14", "H20", "H27", "H33")


@pytest.fixture(scope="session")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with `year/` as settle writes it, and `compared.parquet` as simulate does."""
    folder = tmp_path_factory.mktemp("settled")
    cases = drawn(6_000, 21, groups=40)
    few = [n for n, code in enumerate(cases["institution"].to_pylist()) if code in HOSPITALS]
    cases = cases.take(few)
    pq.write_table(cases, folder / "cases.parquet")
    rule = parameters.parameters("rate", on=DAY)
    with duckdb_engine(threads=2) as engine:
        budget = {"employee": 300_000_000, "resident": 300_000_000}
        running.settle(engine, running.Asked(folder / "cases.parquet", folder / "year", budget), rule, DAY)
        reading.read_cases(engine, cases, needs=("drg", "dx", "tier"))
        found = simulation.simulate(
            engine, rule, dip_parameters.parameters(on=DAY), dip_parameters.catalogues(),
            pilot=simulation.Pilot(HOSPITALS[:2]),
        )  # fmt: skip
    output.write(folder / "compared.parquet", found.compared)
    yield folder
