"""Backup and restore of two small databases, on SQLite and on PostgreSQL: nothing is brought back unseen."""

import contextlib
import json
import shutil
import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings

from salus import __version__
from salus.composition import safekeeping
from salus.kernel.errors import SalusError
from tests.postgres import NoServer, server

TABLES = {
    "default": "create table patient (id integer primary key, name text, body {bytes})",
    "audit": "create table auditrow (id integer primary key, hash {bytes})",
}


class Place:
    """Two databases of one kind and a folder of keys and heads."""

    def __init__(self, folder: Path, database: dict[str, dict[str, Any]]) -> None:
        self.folder = folder
        self.databases = database

    def execute(self, alias: str, statement: str, *values: object) -> list[tuple[Any, ...]]:
        database = self.databases[alias]
        if database["ENGINE"].endswith("sqlite3"):
            with contextlib.closing(sqlite3.connect(database["NAME"])) as file, file:
                return file.execute(statement.replace("%s", "?"), values).fetchall()
        with psycopg.connect(**safekeeping._given(database)) as connection:
            found = connection.execute(statement.encode(), values or None)
            return found.fetchall() if found.description else []

    def fill(self) -> None:
        bytes_type = "blob" if self.databases["default"]["ENGINE"].endswith("sqlite3") else "bytea"
        for alias, statement in TABLES.items():
            self.execute(alias, statement.format(bytes=bytes_type))
        for number in range(50):
            body = bytes([number, 0, 255])
            self.execute("default", "insert into patient values (%s, %s, %s)", number, f"王{number}", body)
            self.execute("audit", "insert into auditrow values (%s, %s)", number, body)
        (self.folder / "keys").mkdir()
        (self.folder / "keys" / "secret").write_text("a key")
        (self.folder / "audit-heads.jsonl").write_text('{"seq": 50}\n')

    def names(self) -> list[str]:
        return [name for (name,) in self.execute("default", "select name from patient order by id")]


@pytest.fixture(scope="module")
def on_postgresql() -> Iterator[dict[str, dict[str, Any]]]:
    """Two databases on a real server, for all tests of this file."""
    if shutil.which("pg_dump") is None:
        pytest.skip("PostgreSQL's client programs are not installed")
    with contextlib.ExitStack() as stack:
        try:
            parts = psycopg.conninfo.conninfo_to_dict(stack.enter_context(server()))
        except NoServer as reason:
            pytest.skip(str(reason))
        given = {key.upper(): str(parts.get(key, "")) for key in ("user", "host", "port")}
        prefix = f"salus_keep_{uuid.uuid4().hex[:10]}"
        databases = {
            alias: {"ENGINE": "django.db.backends.postgresql", "NAME": f"{prefix}_{alias}", **given}
            for alias in TABLES
        }
        for database in databases.values():
            safekeeping._postgres_state(database)  # makes it
        yield databases
        url = {**safekeeping._given(databases["default"]), "dbname": "postgres"}
        with psycopg.connect(**url, autocommit=True) as connection:
            for database in databases.values():
                connection.execute(f'drop database "{database["NAME"]}" with (force)'.encode())


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    folder = tmp_path / "data"
    folder.mkdir()
    if request.param == "sqlite":
        databases = {
            alias: {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / f"{alias}.sqlite3")}
            for alias in TABLES
        }
    else:
        databases = request.getfixturevalue("on_postgresql")
    monkeypatch.setattr(settings, "DATABASES", databases)
    monkeypatch.setattr(settings, "DATA_DIR", folder)
    one = Place(folder, databases)
    if request.param == "postgresql":
        for alias in TABLES:
            one.execute(alias, "drop schema public cascade")
            one.execute(alias, "create schema public")
    one.fill()
    return one


def code(caught: pytest.ExceptionInfo[SalusError]) -> str:
    return caught.value.code


def test_the_manifest_names_every_table_with_its_rows_and_hash(place: Place, tmp_path: Path) -> None:
    manifest = safekeeping.backup(tmp_path / "saved")
    assert json.loads((tmp_path / "saved" / "manifest.json").read_text()) == manifest
    assert manifest["salus"] == __version__ and manifest["begun"] <= manifest["ended"]
    for alias, table in (("default", "patient"), ("audit", "auditrow")):
        saved = manifest["databases"][alias]
        assert {name: one["rows"] for name, one in saved["tables"].items()} == {table: 50}
        assert safekeeping._sha256(tmp_path / "saved" / saved["file"]) == saved["sha256"]
    assert (tmp_path / "saved" / "keys" / "secret").read_text() == "a key"
    assert (tmp_path / "saved").stat().st_mode & 0o077 == 0, "others may read the keys"


def test_what_was_saved_comes_back_whole(place: Place, tmp_path: Path) -> None:
    safekeeping.backup(tmp_path / "saved")
    before = place.names()
    place.execute("default", "delete from patient where id < 25")
    place.execute("audit", "create table later (id integer)")
    (place.folder / "audit-heads.jsonl").write_text('{"seq": 99}\n')
    safekeeping.restore(tmp_path / "saved", force=True)
    assert place.names() == before
    assert (place.folder / "audit-heads.jsonl").read_text() == '{"seq": 50}\n'
    with pytest.raises(Exception, match="later"):
        place.execute("audit", "select * from later")


def test_one_changed_value_changes_a_tables_hash(place: Place, tmp_path: Path) -> None:
    first = safekeeping.backup(tmp_path / "first")
    place.execute("default", "update patient set name = %s where id = 7", "李7")
    second = safekeeping.backup(tmp_path / "second")
    hashes = [one["databases"]["default"]["tables"]["patient"] for one in (first, second)]
    assert hashes[0]["rows"] == hashes[1]["rows"] and hashes[0]["hash"] != hashes[1]["hash"]
    assert first["databases"]["audit"]["tables"] == second["databases"]["audit"]["tables"]


def test_a_target_that_is_there_is_left_alone(place: Place, tmp_path: Path) -> None:
    (tmp_path / "saved").mkdir()
    with pytest.raises(SalusError) as caught:
        safekeeping.backup(tmp_path / "saved")
    assert code(caught) == "backup-exists" and not any((tmp_path / "saved").iterdir())


def test_an_occupied_place_is_not_replaced_without_force(place: Place, tmp_path: Path) -> None:
    safekeeping.backup(tmp_path / "saved")
    place.execute("default", "update patient set name = 'new'")
    with pytest.raises(SalusError) as caught:
        safekeeping.restore(tmp_path / "saved")
    assert code(caught) == "restore-occupied" and set(place.names()) == {"new"}


@pytest.mark.parametrize("alias", ["default", "audit"])
def test_a_damaged_copy_is_refused_before_anything_is_replaced(
    place: Place, tmp_path: Path, alias: str
) -> None:
    manifest = safekeeping.backup(tmp_path / "saved")
    copy = tmp_path / "saved" / manifest["databases"][alias]["file"]
    content = bytearray(copy.read_bytes())
    content[len(content) // 2] ^= 1
    copy.write_bytes(content)
    place.execute("default", "update patient set name = 'new'")
    with pytest.raises(SalusError) as caught:
        safekeeping.restore(tmp_path / "saved", force=True)
    assert code(caught) == "backup-damaged" and set(place.names()) == {"new"}


def test_rows_that_are_not_those_of_the_manifest_are_found(place: Place, tmp_path: Path) -> None:
    safekeeping.backup(tmp_path / "saved")
    file = tmp_path / "saved" / "manifest.json"
    manifest = json.loads(file.read_text())
    manifest["databases"]["default"]["tables"]["patient"]["hash"] = "0"
    file.write_text(json.dumps(manifest))
    with pytest.raises(SalusError, match="patient") as caught:
        safekeeping.restore(tmp_path / "saved", force=True)
    assert code(caught) == "restore-differs"


def test_a_database_in_use_is_not_replaced(place: Place, tmp_path: Path) -> None:
    safekeeping.backup(tmp_path / "saved")
    database = place.databases["default"]
    if database["ENGINE"].endswith("sqlite3"):
        with contextlib.closing(sqlite3.connect(database["NAME"])) as file:
            file.execute("pragma journal_mode = wal")
            file.execute("select count(*) from patient").fetchall()
            _refused(tmp_path / "saved")
    else:
        with psycopg.connect(**safekeeping._given(database)):
            _refused(tmp_path / "saved")
    safekeeping.restore(tmp_path / "saved", force=True)  # nobody is connected any more
    assert len(place.names()) == 50


def _refused(saved: Path) -> None:
    with pytest.raises(SalusError) as caught:
        safekeeping.restore(saved, force=True)
    assert code(caught) == "restore-in-use"


@pytest.mark.parametrize("content", [None, "", "{}", "not json"])
def test_a_folder_that_is_no_backup_is_refused(place: Place, tmp_path: Path, content: str | None) -> None:
    (tmp_path / "saved").mkdir()
    if content is not None:
        (tmp_path / "saved" / "manifest.json").write_text(content)
    with pytest.raises(SalusError) as caught:
        safekeeping.restore(tmp_path / "saved", force=True)
    assert code(caught) == "backup-unreadable" and len(place.names()) == 50


def test_a_backup_of_the_other_kind_is_refused(place: Place, tmp_path: Path) -> None:
    safekeeping.backup(tmp_path / "saved")
    file = tmp_path / "saved" / "manifest.json"
    file.write_text(file.read_text().replace("django.db.backends.", "django.db.backends.another."))
    with pytest.raises(SalusError) as caught:
        safekeeping.restore(tmp_path / "saved", force=True)
    assert code(caught) == "backup-engine" and len(place.names()) == 50
