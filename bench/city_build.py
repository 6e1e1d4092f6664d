"""How fast and in how much memory the synthetic city is made."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import Measured, figure

_PROBE = """
import resource, sys, tempfile
from pathlib import Path
from salus.city import build
with tempfile.TemporaryDirectory() as folder:
    build(Path(folder) / "city", int(sys.argv[1]), 1)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


@figure("city-residents", room="city", unit="residents/s", target=150)
def residents_a_second(quick: bool) -> Measured:
    """Residents drawn and written with two years of their messages, one process, demo size."""
    from salus.city import build

    residents = 1_000 if quick else 5_000
    values = []
    for _ in range(1 if quick else 3):
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            build(Path(folder) / "city", residents, 1)
            values.append(residents / (time.perf_counter() - began))
    return Measured(values, peer_missing="no generator writes HL7 v2, FHIR and tables of a Chinese city")


@figure("city-tables", room="city", unit="records/s", target=20_000)
def table_records_a_second(quick: bool) -> Measured:
    """Patient records written as the lake's table, three a resident, one process.

    The target is 48 million records of 16 million residents in 20 minutes on two cores.
    """
    from salus.city.tables.build import build_tables

    residents = 5_000 if quick else 210_000  # above 200,000 the blocks are as large as in a whole city
    values = []
    for _ in range(1 if quick else 2):
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            written = build_tables(
                Path(folder) / "city", residents, 1, only=["patient"], records=3 * residents
            )
            values.append(written.records / (time.perf_counter() - began))
    return Measured(values, peer_missing="generators of linkage files (FEBRL, Geco) make no city of systems")


@figure("city-memory", room="city", unit="ratio", target=1.25, better="lower")
def memory_growth(quick: bool) -> Measured:
    """Peak memory of a city four times as large, as a multiple."""
    small, large = (2_500, 10_000) if quick else (5_000, 20_000)
    peaks = [_peak(small), _peak(large)]
    note = f"{peaks[0]:.0f} MB at {small:,} residents, {peaks[1]:.0f} MB at {large:,}"
    return Measured(
        [peaks[1] / peaks[0]], peer_missing="the figure compares the generator with itself", note=note
    )


def _peak(residents: int) -> float:
    done = subprocess.run(  # its own process: a peak is never given back
        [sys.executable, "-c", _PROBE, str(residents)],
        check=True,
        capture_output=True,
        text=True,
        timeout=600,
    )
    return float(done.stdout)
