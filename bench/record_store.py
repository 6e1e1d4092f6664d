"""How fast the resource store takes resources in, validates and finds them."""

import json
import multiprocessing
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench import Measured, figure
from tests.postgres import NoServer, cluster

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("SALUS_SHARED_DATA", ROOT.parent / "shared" / "data")) / "record"
SERVER = os.environ.get("SALUS_BENCH_POSTGRES", "postgres://root@127.0.0.1:5432/postgres")
BATCH = 500
FIFTHS = 5
STEPS = ("store", "link", "commit", "wait")
NO_PEER = "HAPI FHIR needs Java and a container"
UUID = re.compile(rb"\b([0-9a-f]{8})(?=-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})|\b(X\d{8}X)\b")
NO_DATA = f"bulk-10 and synthea-r4-bundles are not under {SHARED}; set SALUS_SHARED_DATA"


def published() -> list[bytes]:
    """Return the resources of bulk-10 and synthea-r4-bundles as JSON, references as Type/id.

    Patients come first, as `salus connect load` orders the files of an export.
    """
    import orjson

    found: list[dict[str, Any]] = []
    for file in sorted((SHARED / "bulk-10").glob("*.ndjson")):
        if file.name != "log.ndjson":
            found += [orjson.loads(line) for line in file.read_bytes().splitlines() if line.strip()]
    for file in sorted((SHARED / "synthea-r4-bundles").glob("*.json")):
        found += [entry["resource"] for entry in orjson.loads(file.read_bytes())["entry"]]
    types = {one["id"]: one["resourceType"] for one in found}
    found.sort(key=lambda one: one["resourceType"] != "Patient")

    def rewrite(match: re.Match[str]) -> str:
        return f'"{types.get(match[1], "Location")}/{match[1]}"'

    return [re.sub(r'"urn:uuid:([0-9a-f-]{36})"', rewrite, orjson.dumps(r).decode()).encode() for r in found]


def copies(resources: list[bytes], numbers: Iterable[int]) -> Iterator[bytes]:
    """Yield the resources as NDJSON once for each number, each time as other patients with other ids.

    Passports differ too: the same one would make one person of all copies of a patient.
    """
    parts = UUID.split(b"".join(one + b"\n" for one in resources))
    ids = [int(one, 16) if one else None for one in parts[1::3]]
    passports = [int(one[1:-1]) if one else 0 for one in parts[2::3]]
    for number in numbers:
        mask = number * 2_654_435_761 & 0xFFFFFFFF
        made: list[bytes] = [b""] * (2 * len(ids) + 1)
        made[::2] = parts[::3]
        made[1::2] = [
            b"%08x" % (one ^ mask) if one is not None else b"X%08dX" % ((held + number * 100_003) % 10**8)
            for one, held in zip(ids, passports, strict=True)
        ]
        yield b"".join(made)


@contextmanager
def tuned() -> Iterator[str]:
    """Give the address of a PostgreSQL server set as docs/scale.md says, or of the one that is named."""
    if "SALUS_BENCH_POSTGRES" in os.environ:
        yield SERVER
        return
    import psycopg

    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    wanted = {
        "shared_buffers": f"{memory // 4 >> 20}MB", "max_wal_size": "8GB", "wal_compression": "lz4",
        "random_page_cost": "1.1",
    }  # fmt: skip
    with cluster() as one:
        with psycopg.connect(one.url, autocommit=True) as server:
            for name, value in wanted.items():
                server.execute(f"alter system set {name} = '{value}'".encode())
        one.stop()
        one.start()
        yield one.url


@contextmanager
def database(kind: str, server_url: str = SERVER) -> Iterator[dict[str, str]]:
    """Give the environment of an installation with an empty database of its own."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "SALUS_DATA_DIR": folder, "DATABASE_URL": ""}
        if kind == "sqlite":
            yield environment
            return
        import psycopg

        name = f"salus_bench_{os.getpid()}"
        with psycopg.connect(server_url, autocommit=True) as server:
            for made in (name, f"{name}_audit"):
                server.execute(f"create database {made}".encode())
            try:
                parts = urlsplit(server_url)
                yield {**environment, "DATABASE_URL": parts._replace(path=f"/{name}").geturl()}
            finally:
                for made in (name, f"{name}_audit"):
                    server.execute(f"drop database if exists {made} with (force)".encode())


def child(
    environment: dict[str, str], *arguments: str, module: str = "bench.record_store"
) -> dict[str, float]:
    """Run this file, or another, in a process of its own and return what it measured."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        timeout=7_200,
    )
    if done.returncode:
        sys.stderr.write(done.stderr)
        raise SystemExit(
            f"{module} {' '.join(arguments)} failed ({done.returncode}); the lines above say why"
        )
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def ingest(kind: str, quick: bool) -> Measured:
    """Measure one database; the peer of both is a server in Java that a package index does not give."""
    if (missing := absent(kind)) is not None:
        return missing
    runs = []
    for _ in range(1 if quick else 3):
        with database(kind) as environment:
            runs.append(child(environment, "ingest", "2" if quick else "8"))
    last = runs[-1]
    steps = ", ".join(f"{name} {last[name]:.1f}" for name in STEPS)
    note = f"µs a resource: {steps}; processor {last['processor']:.1f} of all processes"
    return Measured([run["rate"] for run in runs], peer_missing=NO_PEER, note=note)


def endurance(kind: str, quick: bool) -> Measured:
    """Measure how the rate holds while a database grows: its last fifth to its first."""
    named = "SALUS_BENCH_POSTGRES" in os.environ
    if (missing := absent(kind if named else "sqlite")) is not None:
        return missing
    with ExitStack() as stack:
        try:
            server = stack.enter_context(tuned()) if kind == "postgres" else SERVER
        except NoServer as reason:
            return Measured([], peer_missing=NO_PEER, note=str(reason))
        environment = stack.enter_context(database(kind, server))
        found = child(environment, "grow", "200000" if quick else "5000000")
    rates = [found[f"rate {part}"] for part in range(FIFTHS)]
    note = "resources/s by fifths: " + ", ".join(f"{rate:,.0f}" for rate in rates)
    return Measured([rates[-1] / rates[0]], peer_missing=NO_PEER, note=note)


def absent(kind: str, *, shared: bool = True) -> Measured | None:
    """Say what a figure lacks: the shared data, or a PostgreSQL server; None if nothing."""
    if shared and not SHARED.is_dir():
        return Measured([], peer_missing=NO_PEER, note=NO_DATA)
    if kind == "postgres":
        import psycopg

        try:
            psycopg.connect(SERVER, connect_timeout=3).close()
        except psycopg.Error:
            return Measured([], peer_missing=NO_PEER, note="no PostgreSQL answers; set SALUS_BENCH_POSTGRES")
    return None


@figure("ingest-sqlite", room="record", unit="resources/s", target=12_000)
def ingest_sqlite(quick: bool) -> Measured:
    """NDJSON read, validated, versioned, indexed, linked to persons and committed a second, on SQLite."""
    return ingest("sqlite", quick)


@figure("ingest-postgres", room="record", unit="resources/s", target=10_000)
def ingest_postgres(quick: bool) -> Measured:
    """NDJSON read, validated, versioned, indexed, linked to persons and committed a second, on PostgreSQL."""
    return ingest("postgres", quick)


@figure("ingest-sqlite-5m", room="record", unit="ratio", target=0.8)
def ingest_sqlite_5m(quick: bool) -> Measured:
    """The fifth million's rate of ingest to the first's on SQLite (quick: of 200,000, by fifths)."""
    return endurance("sqlite", quick)


@figure("ingest-postgres-5m", room="record", unit="ratio", target=0.8)
def ingest_postgres_5m(quick: bool) -> Measured:
    """The fifth million's rate of ingest to the first's on PostgreSQL (quick: of 200,000, by fifths)."""
    return endurance("postgres", quick)


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


def _read(path: str, out: Any) -> None:
    """Read, validate and prepare a file's resources in batches (the second process)."""
    import django
    import msgspec

    django.setup()
    from salus.kernel.collector import calm_collector
    from salus.record import json as resource_json
    from salus.record import store
    from salus.record.validate import validate

    calm_collector()
    encode = msgspec.msgpack.encode
    batch: list[tuple[Any, ...]] = []
    with open(path, "rb") as file:
        for line in file:
            resource = resource_json.loads(line)
            if any(issue.severity == "error" for issue in validate(resource)):
                raise RuntimeError("a benchmark resource is not valid")
            kind, id_ = resource["resourceType"], resource["id"]
            batch.append((kind, id_, store.prepare(kind, id_, resource, source_id=1)))
            if len(batch) == BATCH:
                out.put(encode(batch))
                batch = []
    if batch:
        out.put(encode(batch))
    out.put(time.process_time())


def load(path: Path) -> dict[str, float]:
    """Store a file's resources while a second process reads ahead; return the rate and µs a resource."""
    import msgspec
    from django.db import connection, transaction

    from salus.record import identity, store

    decode = msgspec.msgpack.Decoder(list[tuple[str, str, store.Prepared]]).decode
    spent = dict.fromkeys(STEPS, 0.0)
    context = multiprocessing.get_context("spawn")
    out = context.Queue(maxsize=8)
    reader = context.Process(target=_read, args=(str(path), out), daemon=True)
    reader.start()
    first = out.get()  # the second process has started and compiled what it needs
    began, worked, count = time.perf_counter(), _processor(connection), 0
    with store.bulk_loading(connection), connection.cursor() as cursor:
        given: Any = first
        while not isinstance(given, float):
            marks = [time.perf_counter()]
            writes = [
                store.Write(kind, id_, None, source_id=1, prepared=made) for kind, id_, made in decode(given)
            ]
            patients = [one for one in writes if one.type == "Patient"]
            now = datetime.now(UTC)
            with transaction.atomic():
                marks.append(time.perf_counter())
                written = store.write(cursor, patients, now=now)
                marks.append(time.perf_counter())
                if written:
                    identity.link_patients(cursor, written, now=now)
                marks.append(time.perf_counter())
                others = [one for one in writes if one.type != "Patient"] if patients else writes
                store.write(cursor, others, now=now)
                marks.append(time.perf_counter())
            marks.append(time.perf_counter())
            count += len(writes)
            given = out.get()
            marks.append(time.perf_counter())
            begin, store_1, link, store_2, commit, wait = (b - a for a, b in pairwise(marks))
            for name, gap in zip(STEPS, (store_1 + store_2, link, commit, begin + wait), strict=True):
                spent[name] += gap
    took = time.perf_counter() - began
    reader.join()
    processor = _processor(connection) - worked + given
    each = {name: gap / count * 1e6 for name, gap in spent.items()}
    return {"rate": count / took, "resources": count, "processor": processor / count * 1e6, **each}


def _processor(connection: Any) -> float:
    """Return the processor seconds of this process, and of the database server's that serves it, if local."""
    seconds = time.process_time()
    if connection.vendor == "postgresql":
        connection.ensure_connection()
        with suppress(OSError):
            stat = Path(f"/proc/{connection.connection.info.backend_pid}/stat").read_text().split()
            seconds += (int(stat[13]) + int(stat[14])) / os.sysconf("SC_CLK_TCK")
    return seconds


def _file(numbers: Iterable[int]) -> Path:
    path = Path(os.environ["SALUS_DATA_DIR"]) / "resources.ndjson"
    with path.open("wb") as file:
        for copy in copies(published(), numbers):
            file.write(copy)
    return path


def _run_ingest(count: int) -> dict[str, float]:
    return load(_file(range(count)))


def _run_grow(count: int) -> dict[str, float]:
    """Load until there are `count` resources; each fifth's file is written before its clock starts."""
    each = round(count / FIFTHS / len(published()))
    rates = {}
    for part in range(FIFTHS):
        found = load(_file(range(part * each, (part + 1) * each)))
        rates[f"rate {part}"] = found["rate"]
        steps = ", ".join(f"{name} {found[name]:.1f}" for name in (*STEPS, "processor"))
        sys.stderr.write(f"{part}: {found['rate']:,.0f}/s; {steps}\n")
    return rates


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
    from salus.kernel.collector import calm_collector

    call_command("migrate", verbosity=0)
    calm_collector()
    result = {"ingest": _run_ingest, "grow": _run_grow, "search": _run_search}[what](count)
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
