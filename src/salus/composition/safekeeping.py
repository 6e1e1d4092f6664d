"""Backup and restore of a whole installation, on SQLite and PostgreSQL, while it goes on loading.

Order matters: the platform's database first, then the signed heads, then the audit database. So the
copied chain holds at least what the copied record holds and at least what the copied heads state.
"""

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess  # runs PostgreSQL's own pg_dump and pg_restore with fixed arguments
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from rich.console import Console

from salus import __version__
from salus.kernel.errors import SalusError

TableHashes = dict[str, dict[str, Any]]
BESIDE = ("keys", "audit-heads.jsonl")


def backup(target: Path) -> dict[str, Any]:
    """Write a backup into `target`, a folder that must not exist, and return its manifest."""
    from django.conf import settings

    if target.exists():
        raise SalusError("backup-exists", f"{target} exists already", fix="Name a new folder.")
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True, mode=0o700)
    manifest: dict[str, Any] = {
        "salus": __version__,
        "begun": datetime.now(UTC).isoformat(),
        "databases": {"default": _save(settings.DATABASES["default"], partial, "default")},
    }
    for name in BESIDE:
        _copy(Path(settings.DATA_DIR) / name, partial / name)
    manifest["databases"]["audit"] = _save(settings.DATABASES["audit"], partial, "audit")
    manifest["ended"] = datetime.now(UTC).isoformat()
    (partial / "manifest.json").write_text(json.dumps(manifest, indent=1))
    partial.rename(target)
    _report("Backed up", manifest)
    return manifest


def restore(source: Path, *, force: bool = False) -> None:
    """Bring the backup in `source` back; raises when a table's row hash differs from the backup's."""
    from django.conf import settings

    try:
        manifest = json.loads((source / "manifest.json").read_text())
        wanted = [(settings.DATABASES[alias], manifest["databases"][alias]) for alias in ("default", "audit")]
    except (OSError, ValueError, KeyError, TypeError):
        raise SalusError(
            "backup-unreadable",
            f"{source} holds no complete backup",
            fix="Name a folder made by `salus backup`.",
        ) from None
    data_dir = Path(settings.DATA_DIR)
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    for database, saved in wanted:  # all of it before anything is replaced
        _check(database, source, saved, force=force)
    for database, saved in wanted:
        _bring_back(database, source / saved["file"], saved["tables"])
    for name in BESIDE:
        _copy(source / name, data_dir / name)
    _report("Restored, every row hash equal", manifest)


def sqlite_hashes(path: Path) -> TableHashes:
    """Return rows and an order-independent hash of each table of a SQLite file."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        names = connection.execute(
            "select name from sqlite_master where type = 'table'"
            " and name not like 'sqlite~_%' escape '~' order by name"
        ).fetchall()
        quoted = [(name, '"' + name.replace('"', '""') + '"') for (name,) in names]
        return {name: _hash_rows(connection.execute(f"select * from {q}")) for name, q in quoted}  # noqa: S608  names come from the catalogue, quoted
    finally:
        connection.close()


def _hash_rows(rows: Iterable[tuple[Any, ...]]) -> dict[str, Any]:
    count, total = 0, 0
    for row in rows:
        count += 1
        total += int.from_bytes(hashlib.blake2b(repr(row).encode(), digest_size=8).digest())
    return {"rows": count, "hash": f"{total % (1 << 64):016x}"}


def postgres_hashes(connection: psycopg.Connection[Any]) -> TableHashes:
    """Return rows and an order-independent hash of each table that the connection's snapshot sees."""
    names = connection.execute(
        "select tablename from pg_tables where schemaname = 'public' order by tablename"
    ).fetchall()
    hashes: TableHashes = {}
    for (name,) in names:
        query = sql.SQL(
            "select count(*), coalesce(sum(('x' || substr(md5(t::text), 1, 15))::bit(60)::bigint), 0)"
            " from {} t"
        ).format(sql.Identifier(name))
        row = connection.execute(query).fetchone()
        assert row is not None  # noqa: S101  an aggregate always gives a row
        hashes[name] = {"rows": row[0], "hash": str(row[1])}
    return hashes


def _save(database: dict[str, Any], folder: Path, alias: str) -> dict[str, Any]:
    if database["ENGINE"].endswith("sqlite3"):
        file = folder / f"{alias}.sqlite3"
        with sqlite3.connect(database["NAME"], timeout=60) as live, sqlite3.connect(file) as copy:
            live.backup(copy)  # one step: a snapshot that does not hold writers up under WAL
            copy.execute("pragma journal_mode=delete")
        copy.close()
        live.close()
        tables = sqlite_hashes(file)
    else:
        file = folder / f"{alias}.dump"
        with psycopg.connect(make_conninfo(**_given(database))) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            row = connection.execute("select pg_export_snapshot()").fetchone()
            assert row is not None  # noqa: S101  the function always gives a row
            _run_tool("pg_dump", database, ["--format=custom", f"--snapshot={row[0]}", f"--file={file}"])
            tables = postgres_hashes(connection)
    return {"engine": database["ENGINE"], "file": file.name, "sha256": _sha256(file), "tables": tables}


def _check(database: dict[str, Any], source: Path, saved: dict[str, Any], *, force: bool) -> None:
    """Raise unless the copy is whole and its place is free, or may be replaced and nobody uses it."""
    if database["ENGINE"] != saved["engine"]:
        raise SalusError(
            "backup-engine",
            "The backup was made on another kind of database",
            fix="Set DATABASE_URL to the same kind.",
        )
    file = source / saved["file"]
    if not file.is_file() or _sha256(file) != saved["sha256"]:
        raise SalusError(
            "backup-damaged", f"{file.name} is not what was written at the backup", fix="Use another copy."
        )
    if database["ENGINE"].endswith("sqlite3"):
        occupied, used = Path(database["NAME"]).exists(), _sqlite_is_used(Path(database["NAME"]))
    else:
        occupied, used = _postgres_state(database)
    name = Path(database["NAME"]).name
    if occupied and not force:
        raise SalusError("restore-occupied", f"{name} is there already", fix="Add --force to replace it.")
    if used:
        raise SalusError("restore-in-use", f"{name} is in use", fix="Stop the server and the worker first.")


def _sqlite_is_used(place: Path) -> bool:
    """Say whether another process holds the file open: then it cannot be locked exclusively."""
    if not place.exists():
        return False
    with closing(sqlite3.connect(place, timeout=1, isolation_level=None)) as connection:
        try:
            connection.execute("pragma locking_mode = exclusive")
            connection.execute("begin exclusive")
            connection.execute("rollback")
        except sqlite3.OperationalError:
            return True
        except sqlite3.DatabaseError:
            return False  # no database any more: what a restore is for
    return False


def _postgres_state(database: dict[str, Any]) -> tuple[bool, bool]:
    """Return whether the database holds tables and whether others use it; a missing one is made."""
    from salus.composition.installation import create_database

    create_database(database)
    with psycopg.connect(**_given(database)) as connection:
        tables = connection.execute("select 1 from pg_tables where schemaname = 'public' limit 1").fetchone()
        others = connection.execute(
            "select 1 from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
            " and backend_type = 'client backend' limit 1"
        ).fetchone()
    return tables is not None, others is not None


def _bring_back(database: dict[str, Any], file: Path, expected: TableHashes) -> None:
    """Replace a database by its copy; raises when a table's row hash is not the expected one."""
    if database["ENGINE"].endswith("sqlite3"):
        place = Path(database["NAME"])
        arriving = place.with_name(place.name + ".arriving")
        shutil.copyfile(file, arriving)
        _compare(sqlite_hashes(arriving), expected)
        for leftover in (place, place.with_name(place.name + "-wal"), place.with_name(place.name + "-shm")):
            leftover.unlink(missing_ok=True)
        arriving.rename(place)
        return
    with psycopg.connect(**_given(database), autocommit=True) as connection:
        connection.execute("drop schema public cascade")
        connection.execute("create schema public")
    given = ["--no-owner", "--exit-on-error", "--single-transaction", str(file)]
    _run_tool("pg_restore", database, given, flag="-d")
    with psycopg.connect(**_given(database)) as connection:
        _compare(postgres_hashes(connection), expected)


def _compare(tables: TableHashes, expected: TableHashes) -> None:
    if tables != expected:
        differing = sorted(
            name for name in expected.keys() | tables.keys() if tables.get(name) != expected.get(name)
        )
        raise SalusError("restore-differs", f"Restored tables differ from the backup: {', '.join(differing)}")


def _given(database: dict[str, Any]) -> dict[str, Any]:
    """Return the connection parameters that are set."""
    names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    return {to: database[key] for key, to in names.items() if database.get(key)}


def _run_tool(tool: str, database: dict[str, Any], arguments: list[str], *, flag: str = "") -> None:
    program = shutil.which(tool)
    if program is None:
        raise SalusError(
            "tool-missing", f"{tool} is not installed", fix="Install PostgreSQL's client programs."
        )
    given = _given(database)
    environment = {"PGUSER": "user", "PGPASSWORD": "password", "PGHOST": "host", "PGPORT": "port"}
    secrets = {variable: given[key] for variable, key in environment.items() if key in given}
    target = [flag, given["dbname"]] if flag else [given["dbname"]]
    done = subprocess.run(  # noqa: S603  a fixed program; the password travels in the environment, not in the list
        [program, *arguments, *target],
        env={**os.environ, **secrets},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no words"])[-1]
        raise SalusError("tool-failed", f"{tool} failed: {last}")


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    elif source.exists():
        shutil.copy2(source, target)


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _report(words: str, manifest: dict[str, Any]) -> None:
    rows = sum(
        table["rows"] for database in manifest["databases"].values() for table in database["tables"].values()
    )
    Console(stderr=True).print(f"{words}: {rows:,} rows in {len(manifest['databases'])} databases.")
