"""Linking whole tables: a million records against plain Splink, and a city's 48 million."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import Measured, figure

_LINK = """
import json, resource, sys, time
from datetime import date
from pathlib import Path
from salus.record.identity.engine import bulk, files
from salus.record.identity.engine.weights import Model
city, out, model, memory = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
began = time.perf_counter()
done = files.link(
    city / "tables" / "patient", out / "clusters.parquet", Model.load(model), today=date(2026, 6, 30),
    limits=bulk.Limits(memory=memory, spill=out),
)
seconds = time.perf_counter() - began
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({
    "records": done.records, "persons": done.bulk.persons, "seconds": seconds, "peak": used.ru_maxrss * 1024,
    "cpu": used.ru_utime + used.ru_stime, "prior": done.bulk.prior, "threshold": done.bulk.threshold,
}))
"""
_SCORE = """
import json, sys
from pathlib import Path
import duckdb, numpy as np
from salus.record.identity.engine import files
city, out = Path(sys.argv[1]), Path(sys.argv[2])
con = duckdb.connect()
con.execute("set memory_limit = '8GB'")
con.execute(f"set temp_directory = '{out}/score'")
people = files.open_parquet(con, city / "tables" / "patient")
truth = files.truth_of(con, people, f"{city}/truth/patient:resident")
labels = con.sql(f"select hash(cluster_id) as h from read_parquet('{out}/clusters.parquet',"
                 " file_row_number = true) order by file_row_number").to_arrow_table()["h"].to_numpy()
label = np.unique(labels, return_inverse=True)[1].astype(np.int32)
q = files.score(label, truth)
print(json.dumps({"precision": q.precision, "recall": q.recall}))
"""
_SPLINK = """
import json, logging, sys, time, warnings, resource
from datetime import date
from pathlib import Path
import duckdb
from splink import DuckDBAPI, Linker
from salus.record.identity.engine import bulk, files, quality
from salus.record.identity.engine.weights import Model
city, out, model = Path(sys.argv[1]), Path(sys.argv[2]), Model.load(Path(sys.argv[3]))
prior, threshold = float(sys.argv[4]), float(sys.argv[5])
with bulk.workspace(bulk.Limits(memory="6GB", spill=out)) as (con, folder):
    people = files.open_parquet(con, city / "tables" / "patient")
    files.normalise(con, folder, people, today=date(2026, 6, 30))
    rows = con.sql("select rid as unique_id, * exclude (rid) from records order by rid").to_arrow_table()
    truth = files.truth_of(con, people, f"{city}/truth/patient:resident")
settings = model.splink | {"probability_two_random_records_match": prior}
settings["blocking_rules_to_generate_predictions"] = [
    {"blocking_rule": rule, "sql_dialect": "duckdb"}
    for rule in ('l."number" = r."number"', 'l."phone" = r."phone"', 'l."address" = r."address"',
                 'l."given" = r."given" and l."birth" = r."birth"')
]
logging.getLogger("splink").setLevel(logging.ERROR)
warnings.simplefilter("ignore")
began = time.perf_counter()
api = DuckDBAPI()
linker = Linker(api.register(rows), settings, log_level=None)
predicted = linker.inference.predict(threshold_match_weight=threshold, warning_mode="never")
join = linker.clustering.cluster_pairwise_predictions_at_threshold
clusters = join(predicted, threshold_match_weight=threshold)
seconds = time.perf_counter() - began
found = api._con.sql(f"select unique_id, cluster_id from {clusters.physical_name} order by 1").fetchall()
q = quality.pairwise([c for _, c in found], [int(truth[i]) for i, _ in found])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"seconds": seconds, "precision": q.precision, "recall": q.recall, "peak": peak}))
"""
MODEL = Path(__file__).resolve().parent.parent / "src/salus/record/rules/identity/model.json"


def _child(probe: str, *arguments: object) -> dict[str, Any]:
    """Run a probe in a process of its own, so that its peak memory is its own."""
    ran = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", probe, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    if ran.returncode:
        raise RuntimeError(ran.stderr[-2000:])
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return found


def _city(folder: Path, residents: int, records: int) -> Path:
    from salus.city.tables.build import build_tables

    build_tables(folder, residents, 1, only=["patient"], records=records, workers=2)
    return folder


def _said(found: dict[str, Any], quality: dict[str, Any]) -> str:
    return (
        f"{found['records']:,} records, {found['persons']:,} persons; precision {quality['precision']:.5f},"
        f" recall {quality['recall']:.5f}; peak {found['peak'] / 2**30:.1f} GB;"
        f" {found['cpu']:.0f} processor seconds"
    )


@figure(
    "link-batch",
    room="record",
    unit="s, 1 M records end to end",
    target=60,
    better="lower",
    peer="plain Splink 5, normalised table given, the same weights",
)
def link_batch(quick: bool) -> Measured:
    """A million patient records of a city linked: Parquet read, normalised, compared, joined, written."""
    records = 60_000 if quick else 1_000_000
    with tempfile.TemporaryDirectory(prefix="salus-bench-") as folder:
        city = _city(Path(folder) / "city", records // 3, records)
        times, found = [], {}
        for _ in range(1 if quick else 2):
            found = _child(_LINK, city, folder, MODEL, "4GB")
            times.append(float(found["seconds"]))
        note = _said(found, _child(_SCORE, city, folder))
        splink = _child(_SPLINK, city, folder, MODEL, found["prior"], found["threshold"])
    note += f"; Splink: precision {splink['precision']:.5f}, recall {splink['recall']:.5f}, peak"
    return Measured(times, [float(splink["seconds"])], note=f"{note} {splink['peak'] / 2**30:.1f} GB")


@figure("link-city", room="record", unit="minutes, 48 M records of 16 M residents", target=20, better="lower")
def link_city(quick: bool) -> Measured:
    """A whole city's 48 million patient records linked on one machine (quick: 2 million).

    `SALUS_BENCH_CITY` names a folder with the tables if they were built before
    (`salus city build --tables --only patient --residents 16000000 --records 48000000`).
    """
    missing = "Splink holds all candidate pairs at once; 48 million do not fit this machine"
    with tempfile.TemporaryDirectory(prefix="salus-bench-") as folder:
        ready = os.environ.get("SALUS_BENCH_CITY")
        if ready and not quick:
            city = Path(ready)
        else:
            records = 2_000_000 if quick else 48_000_000
            city = _city(Path(folder) / "city", records // 3, records)
        began = time.perf_counter()
        found = _child(_LINK, city, folder, MODEL, "12GB")
        whole = time.perf_counter() - began
        note = f"{_said(found, _child(_SCORE, city, folder))}; {whole / 60:.1f} min with the start of Python"
    return Measured([float(found["seconds"]) / 60], peer_missing=missing, note=note)
