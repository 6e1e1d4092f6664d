"""How much of SQL on FHIR and FHIRPath the views compute rightly, and how fast they flatten Observations."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from bench import Measured, figure
from bench.record_store import NO_DATA, SHARED, child, copies, database, published

ROWS = 300_000
QUICK_ROWS = 60_000
PEER = "fhir4ds-v2==0.0.17"
NO_PEER = "no other engine of the standard is on a package index with its own record store"
VIEW: dict[str, Any] = {
    "resource": "Observation",
    "status": "active",
    "select": [
        {
            "column": [
                {"name": "id", "path": "getResourceKey()", "type": "string"},
                {"name": "subject", "path": "subject.getReferenceKey(Patient)", "type": "string"},
                {"name": "code", "path": "code.coding.code.first()", "type": "code"},
                {"name": "effective", "path": "effective.ofType(dateTime)", "type": "dateTime"},
                {"name": "value", "path": "value.ofType(Quantity).value", "type": "decimal"},
            ]
        }
    ],
}
"""The five columns that are flattened."""
_PEER_SCRIPT = """
import json, sys, time
import fhir4ds
path, view = sys.argv[1], json.loads(sys.argv[2])
connection = fhir4ds.create_connection()
connection.execute("set threads = 2")
sql = fhir4ds.generate_view_sql(view)
began = time.perf_counter()
connection.execute("drop table if exists resources")
connection.execute(
    "create table resources as select json->>'id' as id, json->>'resourceType' as resourceType, "
    "json as resource, null::varchar as patient_ref from read_ndjson_objects(?)", [path])
rows = connection.sql(sql).to_arrow_table().num_rows
print(json.dumps({"rows": rows, "seconds": time.perf_counter() - began}))
"""


@figure("sql-on-fhir", room="record", unit="tests", target=134)
def sql_on_fhir(quick: bool) -> Measured:
    """Official SQL-on-FHIR v2 tests passed on DuckDB."""
    from tests.record.views import official, test_sql_on_fhir

    cases = official.cases()
    if not cases:
        return Measured([], peer_missing="the tests are the measure", note=NO_DATA)
    failed = []
    for name, test, resources in cases:
        try:
            test_sql_on_fhir.check(name, test, resources, "duckdb")
        except Exception:  # noqa: BLE001 - whatever goes wrong, the test is not passed
            failed.append(name)
    note = f"of {len(cases)}" + (f"; failed: {', '.join(failed)}" if failed else "")
    return Measured([float(len(cases) - len(failed))], peer_missing="the tests are the measure", note=note)


@figure("fhirpath-subset", room="record", unit="%", target=100)
def fhirpath_subset(quick: bool) -> Measured:
    """Share of HL7's FHIRPath R4 tests within the documented subset that give what is expected."""
    from tests.record.views import fhirpath_official as official

    cases = official.cases()
    if not cases:
        return Measured([], peer_missing="the tests are the measure", note=NO_DATA)
    reasons = [official.outside(case) for case in cases]
    inside = [case for case, reason in zip(cases, reasons, strict=True) if not reason]
    failed = [c.name for c, said in zip(inside, official.outcomes(inside), strict=True) if said]
    counted = Counter(reason for reason in reasons if reason)
    left = "; ".join(f"{count}: {reason}" for reason, count in counted.most_common())
    note = f"{len(inside)} of {len(cases)} tests lie in the subset; outside: {left}"
    if failed:
        note += f"; failed: {', '.join(failed[:10])}"
    share = 100 * (len(inside) - len(failed)) / len(inside)
    return Measured([share], peer_missing="the tests are the measure", note=note)


def observations(count: int) -> Iterator[bytes]:
    """Yield NDJSON lines of Observations, each copy of the published ones as other patients'."""
    some = [one for one in published() if b'"resourceType":"Observation"' in one]
    made = 0
    for copy in copies(some, range(1 + count // len(some))):
        for line in copy.splitlines(keepends=True):
            if made == count:
                return
            if line.strip():
                made += 1
                yield line if line.endswith(b"\n") else line + b"\n"


def flattened(batches: Any, schema: Any, sql: str) -> tuple[int, float]:
    """Flatten Arrow batches with a column `body`; returns rows and seconds, Arrow to Arrow."""
    import duckdb
    import pyarrow as pa

    with duckdb.connect(config={"threads": 2}) as connection:
        connection.execute("set preserve_insertion_order = false")
        began = time.perf_counter()
        connection.register("stream", pa.RecordBatchReader.from_batches(schema, batches))
        table = connection.sql(sql).to_arrow_table()
        return table.num_rows, time.perf_counter() - began


@cache
def peer() -> str:
    """Return a Python that has the peer, "" where it cannot be had. SALUS_BENCH_FHIR4DS names one."""
    named = os.environ.get("SALUS_BENCH_FHIR4DS")
    if named:
        return named
    folder = Path(tempfile.gettempdir()) / "salus-bench-fhir4ds"
    python = folder / "bin" / "python"
    ready = folder / "ready"
    if ready.exists():
        return str(python)
    try:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", PEER], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    ready.touch()
    return str(python)


def peer_rate(path: Path) -> float:
    """Return the peer's rows a second over a file."""
    done = subprocess.run(
        [peer(), "-c", _PEER_SCRIPT, str(path), json.dumps(VIEW)],
        check=True,
        capture_output=True,
        text=True,
        timeout=3_600,
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found["rows"] / found["seconds"]


@figure("flatten", room="record", unit="rows/s", target=150_000, peer="fhir4ds-v2")
def flatten(quick: bool) -> Measured:
    """Rows a second of five columns of Observations out of NDJSON, file to Arrow, two cores."""
    from salus.record.views import compile_view, reading

    if not SHARED.is_dir():
        return Measured([], note=NO_DATA)
    count = QUICK_ROWS if quick else ROWS
    sql = compile_view(VIEW).sql("stream")
    values, peers, worked = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        path, some = Path(folder) / "observations.ndjson", Path(folder) / "some.ndjson"
        path.write_bytes(b"".join(observations(count)))
        some.write_bytes(b"".join(observations(count // 10)))
        size = path.stat().st_size
        for _ in range(2 if quick else 5):
            before = time.process_time()
            rows, seconds = flattened(reading.Files([path]).batches(), reading.SCHEMA, sql)
            worked.append(time.process_time() - before)
            if rows != count:
                raise RuntimeError(f"{rows} rows of {count}")
            values.append(rows / seconds)
            if peer():
                peers.append(peer_rate(some))
    missing = "" if peers else f"{PEER} could not be installed in an environment of its own"
    note = (
        f"{count:,} Observations of {size // count} bytes; {min(worked) / count * 1e6:.1f} processor seconds"
        " a million; the peer reads a tenth of them"
    )
    return Measured(values, peers, peer_missing=missing, note=note)


@figure("flatten-stored", room="record", unit="rows/s", target=150_000)
def flatten_stored(quick: bool) -> Measured:
    """Rows a second of five columns of Observations out of the record store on SQLite, store to Arrow."""
    if not SHARED.is_dir():
        return Measured([], peer_missing=NO_PEER, note=NO_DATA)
    count = QUICK_ROWS if quick else ROWS
    with database("sqlite") as environment:
        found = child(environment, str(count), module="bench.record_views")
    rates = [value for name, value in sorted(found.items()) if name.startswith("rate")]
    note = f"{count:,} Observations; {found['processor']:.1f} processor seconds a million; reading alone"
    note += f" {found['reading']:,.0f} rows/s"
    return Measured(rates, peer_missing=NO_PEER, note=note)


def _run_stored(count: int) -> dict[str, float]:
    """Store Observations, then flatten them several times."""
    from datetime import UTC, datetime

    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection, transaction

    from salus.record import json as exact
    from salus.record import store
    from salus.record.rules.r4 import kind_of
    from salus.record.views import compile_view, reading

    call_command("migrate", verbosity=0)
    batch: list[store.Write] = []
    with connection.cursor() as cursor:
        for number, line in enumerate(observations(count), 1):
            one = exact.loads(line)
            batch.append(store.Write("Observation", one["id"], one, source_id=1))
            if len(batch) == 1000 or number == count:
                with transaction.atomic():
                    store.write(cursor, batch, now=datetime.now(UTC))
                batch = []
    import sqlite3

    import pyarrow as pa

    schema = pa.schema([("rid", pa.int64()), ("version", pa.int32()), ("body", pa.large_string())])
    sql = compile_view(VIEW).sql("stream", keep=("rid", "version"))
    found: dict[str, float] = {}
    for run in range(4):
        with sqlite3.connect(connection.settings_dict["NAME"], check_same_thread=False) as source:
            batches = reading.stored(source.cursor(), kind_of("Observation"))
            before = time.process_time()
            rows, seconds = flattened(batches, schema, sql)
            worked = time.process_time() - before
        if rows != count:
            raise RuntimeError(f"{rows} rows of {count}")
        if run:
            found[f"rate {run}"] = rows / seconds
            found["processor"] = min(found.get("processor", 1e9), worked / rows * 1e6)
    with sqlite3.connect(connection.settings_dict["NAME"], check_same_thread=False) as source:
        began = time.perf_counter()
        read = sum(len(one) for one in reading.stored(source.cursor(), kind_of("Observation")))
        found["reading"] = read / (time.perf_counter() - began)
    return found


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "salus.settings")
    sys.stdout.write(json.dumps(_run_stored(int(sys.argv[1]))) + "\n")
