"""A whole city's year of insurance: every claim adjudicated, every discharge grouped, the year settled."""

import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

from bench import Measured, figure

ROOT = Path(__file__).resolve().parent.parent
RESIDENTS, QUICK_RESIDENTS = 1_000_000, 10_000
TABLES = (
    "claims", "claim_lines", "catalogue", "institutions", "persons", "coverage", "statuses", "registrations",
)  # fmt: skip
DAY = date(2026, 6, 1)
SEED = 20
MEMORY = "5GB"
PARTS = ("01", "23", "45", "67", "89", "ab", "cd", "ef")  # first digits of the residents' hashes
NO_PEER = "no open program groups, adjudicates and settles a city's claims"


@figure("insurance-year-1m", room="insurance", unit="s", target=600, better="lower")
def insurance_year(quick: bool) -> Measured:
    """Group, adjudicate and settle a year of a city of a million (quick: 10,000), from files to files."""
    from salus.city.insurance.building import build_insurance

    with tempfile.TemporaryDirectory(prefix="salus-bench-") as name:
        folder = Path(name)
        build_insurance(folder / "city", QUICK_RESIDENTS if quick else RESIDENTS, SEED, workers=2)
        done = subprocess.run(
            [sys.executable, "-m", "bench.insurance_year", str(folder)],
            check=True,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        found = json.loads(done.stdout.splitlines()[-1])
    total = found["group"] + found["adjudicate"] + found["settle"]
    note = (
        f"{found['cases']:,} discharges grouped in {found['group']:.1f} s, {found['lines']:,} lines of"
        f" {found['claims']:,} claims adjudicated in {found['adjudicate']:.1f} s, settled in"
        f" {found['settle']:.1f} s; peak {found['memory']:.1f} GB"
    )
    return Measured([total], peer_missing=NO_PEER, note=note)


def main(folder: Path) -> None:
    """Do the year's work over a city's files, in a process of its own; print one line of JSON."""
    from salus.engine import duckdb_engine
    from salus.insurance.adjudication.batch import write_batch
    from salus.insurance.adjudication.rules import load_rules
    from salus.insurance.drg import group
    from salus.insurance.payment import parameters, running
    from salus.insurance.scheme import starter_scheme

    city = folder / "city"
    cases, grouped, decided = city / "cases.parquet", folder / "grouped.parquet", folder / "decided"
    begun = time.perf_counter()
    found: dict[str, float] = {"claims": 0, "lines": 0}
    rules = load_rules(as_of=DAY)
    # A resident's year is decided from her own claims, so residents may be taken a part at a time.
    for part in PARTS:
        mine = {"claims": folder / f"claims-{part}.parquet", "claim_lines": folder / f"lines-{part}.parquet"}
        with duckdb_engine(threads=2, memory_limit=MEMORY) as engine:
            engine.register("claims", city / "claims.parquet")
            engine.register("lines", city / "claim_lines.parquet")
            engine.write(
                "select * from claims where contains($part, substring(md5(person_id), 1, 1))",
                mine["claims"],
                params={"part": part},
            )
            engine.register("mine", mine["claims"])
            engine.write("select l.* from lines l semi join mine using (claim_id)", mine["claim_lines"])
        with duckdb_engine(threads=2, memory_limit=MEMORY) as engine:
            tables = {name: mine.get(name, city / f"{name}.parquet") for name in TABLES}
            rows = write_batch(tables, rules, decided / part, as_of=DAY, engine=engine)
        found["claims"] += rows["claims"]
        found["lines"] += rows["lines"]
    found["adjudicate"] = time.perf_counter() - begun

    begun = time.perf_counter()
    with duckdb_engine(threads=2, memory_limit=MEMORY) as engine:
        engine.register("found", group(engine, cases, starter_scheme()))
        engine.register("cases", cases)
        engine.register("decided", str(decided / "*" / "claims.parquet"))
        found["cases"] = engine.write(
            "select c.*, c.person_id as person, d.basic + d.serious as fund, f.mdc, f.adrg, f.drg"
            " from cases c join found f on c.id = f.id"
            " join decided d on d.claim_id = c.claim_id where d.outcome = 'paid'",
            grouped,
        )
    found["group"] = time.perf_counter() - begun

    begun = time.perf_counter()
    rule = parameters.parameters("rate", on=DAY)
    with duckdb_engine(threads=2, memory_limit=MEMORY) as engine:
        engine.register("grouped", grouped)
        billed = engine.run("select insured, sum(fund) as fund from grouped group by insured").to_pylist()
        budget = {row["insured"]: int(row["fund"]) for row in billed}
        done = running.settle(engine, running.Asked(grouped, folder / "settled", budget), rule, DAY)
    found["settle"] = time.perf_counter() - begun
    if any(pool.budget != pool.paid + pool.left for pool in done.pools):
        raise ValueError("a budget is not accounted for")
    found["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
