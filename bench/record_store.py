"""How fast the resource store takes resources in, validates and finds them."""

import gc
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench import Measured, figure

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("SALUS_SHARED_DATA", ROOT.parent / "shared" / "data")) / "record"
SERVER = os.environ.get("SALUS_BENCH_POSTGRES", "postgres://root@127.0.0.1:5432/postgres")
BATCH = 500
UUID = re.compile(r"([0-9a-f]{8})(-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})")
NO_DATA = f"bulk-10 and synthea-r4-bundles are not under {SHARED}; set SALUS_SHARED_DATA"


def published() -> list[bytes]:
    """Return the resources of bulk-10 and synthea-r4-bundles as JSON, references as Type/id."""
    import orjson

    found: list[dict[str, Any]] = []
    for file in sorted((SHARED / "bulk-10").glob("*.ndjson")):
        if file.name != "log.ndjson":
            found += [orjson.loads(line) for line in file.read_bytes().splitlines() if line.strip()]
    for file in sorted((SHARED / "synthea-r4-bundles").glob("*.json")):
        found += [entry["resource"] for entry in orjson.loads(file.read_bytes())["entry"]]
    types = {one["id"]: one["resourceType"] for one in found}

    def rewrite(match: re.Match[str]) -> str:
        return f'"{types.get(match[1], "Location")}/{match[1]}"'

    return [re.sub(r'"urn:uuid:([0-9a-f-]{36})"', rewrite, orjson.dumps(r).decode()).encode() for r in found]


def copies(resources: list[bytes], count: int) -> Iterator[bytes]:
    """Yield the resources several times over, each time as other patients with other ids."""
    for number in range(count):
        mask = number * 2_654_435_761 & 0xFFFFFFFF

        def other(match: re.Match[str], mask: int = mask) -> str:
            return f"{int(match[1], 16) ^ mask:08x}{match[2]}"

        for one in resources:
            yield UUID.sub(other, one.decode()).encode()


@contextmanager
def database(kind: str) -> Iterator[dict[str, str]]:
    """Give the environment of an installation with an empty database of its own."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "SALUS_DATA_DIR": folder, "DATABASE_URL": ""}
        if kind == "sqlite":
            yield environment
            return
        import psycopg

        name = f"salus_bench_{os.getpid()}"
        with psycopg.connect(SERVER, autocommit=True) as server:
            server.execute(f"create database {name}".encode())
            try:
                parts = urlsplit(SERVER)
                yield {**environment, "DATABASE_URL": parts._replace(path=f"/{name}").geturl()}
            finally:
                server.execute(f"drop database {name} with (force)".encode())


def child(environment: dict[str, str], *arguments: str) -> dict[str, float]:
    """Run this file in a process of its own and return what it measured."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.record_store", *arguments],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        timeout=1_800,
    )
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def ingest(kind: str, quick: bool) -> Measured:
    """Measure one database; the peer of both is a server in Java that a package index does not give."""
    missing = "HAPI FHIR needs Java and a container"
    if not SHARED.is_dir():
        return Measured([], peer_missing=missing, note=NO_DATA)
    runs = []
    for _ in range(1 if quick else 3):
        with database(kind) as environment:
            runs.append(child(environment, "ingest", "1" if quick else "4"))
    last = runs[-1]
    note = ", ".join(f"{name} {last[name]:.1f} µs" for name in ("parse", "validate", "write", "commit"))
    return Measured([run["rate"] for run in runs], peer_missing=missing, note=note)


@figure("ingest-sqlite", room="record", unit="resources/s", target=12_000)
def ingest_sqlite(quick: bool) -> Measured:
    """Resources parsed, validated, versioned, indexed and committed durably a second, on SQLite."""
    return ingest("sqlite", quick)


@figure("ingest-postgres", room="record", unit="resources/s", target=10_000)
def ingest_postgres(quick: bool) -> Measured:
    """Resources parsed, validated, versioned, indexed and committed durably a second, on PostgreSQL."""
    import psycopg

    try:
        psycopg.connect(SERVER, connect_timeout=3).close()
    except psycopg.Error:
        return Measured([], note="no PostgreSQL answers; set SALUS_BENCH_POSTGRES")
    return ingest("postgres", quick)


@figure("store-search", room="record", unit="searches/s", target=500, peer="json_extract over the same rows")
def store_search(quick: bool) -> Measured:
    """One patient's encounters since a date, newest first, and patients by name, a second, on SQLite."""
    if not SHARED.is_dir():
        return Measured([], note=NO_DATA)
    with database("sqlite") as environment:
        result = child(environment, "search", "1" if quick else "4")
    return Measured([result["rate"]], [result["peer"]], note=f"{result['resources']:.0f} resources")


@figure("validate-r4", room="record", unit="resources/s", target=20_000, peer="fhirclient, strict")
def validate_r4(quick: bool) -> Measured:
    """Resources validated against R4's structure a second, one process."""
    import orjson
    from fhirclient.models.fhirelementfactory import FHIRElementFactory  # type: ignore[import-untyped]

    from salus.record.validate import validate

    if not SHARED.is_dir():
        return Measured([], note=NO_DATA)
    resources = [orjson.loads(one) for one in published()]
    values = []
    for _ in range(2 if quick else 5):
        began = time.perf_counter()
        for one in resources:
            validate(one)
        values.append(len(resources) / (time.perf_counter() - began))
    some = resources[:: 20 if quick else 4]
    began = time.perf_counter()
    for one in some:
        FHIRElementFactory.instantiate(one["resourceType"], one)
    return Measured(values[1:], [len(some) / (time.perf_counter() - began)])


def _run_ingest(count: int) -> dict[str, float]:
    import orjson
    from django.db import connection, transaction

    from salus.record import store
    from salus.record.validate import validate

    lines = list(copies(published(), count))
    spent = dict.fromkeys(("parse", "validate", "write", "commit"), 0.0)
    # A loader makes millions of objects and no cycles: the collector would walk them again and again.
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    began = time.perf_counter()
    with connection.cursor() as cursor:
        for start in range(0, len(lines), BATCH):
            marks = [time.perf_counter()]
            resources = [orjson.loads(line) for line in lines[start : start + BATCH]]
            marks.append(time.perf_counter())
            for one in resources:
                validate(one)
            marks.append(time.perf_counter())
            with transaction.atomic():
                writes = [store.Write(r["resourceType"], r["id"], r, source_id=1) for r in resources]
                store.write(cursor, writes, now=datetime.now(UTC))
                marks.append(time.perf_counter())
            marks.append(time.perf_counter())
            for name, a, b in zip(spent, marks, marks[1:], strict=False):
                spent[name] += b - a
    rate = len(lines) / (time.perf_counter() - began)
    return {"rate": rate, "resources": len(lines), **{n: s / len(lines) * 1e6 for n, s in spent.items()}}


def _run_search(count: int) -> dict[str, float]:
    from django.db import connection

    from salus.kernel.policy import Scope
    from salus.record import store

    resources = _run_ingest(count)["resources"]
    everything = Scope(everything=True)

    def repeat(work: Any, seconds: float) -> float:
        began, done = time.perf_counter(), 0
        while time.perf_counter() - began < seconds:
            work(done)
            done += 1
        return done / (time.perf_counter() - began)

    with connection.cursor() as cursor:
        cursor.execute("select id from record_resource where kind = 103 and version > 0 order by rid")
        patients = [row[0] for row in cursor.fetchall()]
        page = store.search(cursor, "Patient", store.SearchQuery((("_count", "200"),)), everything)
        names = [json.loads(one.body)["name"][0]["family"] for one in page.resources]

        def find(type_: str, *asked: tuple[str, str]) -> None:
            store.search(cursor, type_, store.SearchQuery(asked), everything)

        def ours(i: int) -> None:
            patient = patients[i % len(patients)]
            find("Encounter", ("patient", patient), ("date", "ge2010"), ("_sort", "-date"), ("_count", "20"))
            find("Patient", ("name", names[i % len(names)][:5]))

        def scan(i: int) -> None:
            cursor.execute(
                "select body from record_resource where kind = 44"
                " and json_extract(cast(body as text), '$.subject.reference') = %s"
                " and json_extract(cast(body as text), '$.period.start') >= '2010'"
                " order by json_extract(cast(body as text), '$.period.start') desc limit 20",
                [f"Patient/{patients[i % len(patients)]}"],
            )
            cursor.fetchall()
            cursor.execute(
                "select body from record_resource where kind = 103 and version > 0"
                " and json_extract(cast(body as text), '$.name[0].family') like %s",
                [f"{names[i % len(names)][:5]}%"],
            )
            cursor.fetchall()

        return {"rate": 2 * repeat(ours, 3), "peer": 2 * repeat(scan, 3), "resources": resources}


def main(what: str, count: int) -> None:
    """Measure in a process of its own and print one line of JSON."""
    import django
    from django.core.management import call_command

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "salus.settings")
    django.setup()
    call_command("migrate", "record", verbosity=0)
    result = {"ingest": _run_ingest, "search": _run_search}[what](count)
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
