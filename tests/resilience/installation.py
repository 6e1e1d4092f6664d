"""A real installation in a folder of its own, served by processes that a test may kill and start again."""

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from tests.postgres import free_port

ROOT = Path(__file__).resolve().parents[2]


class NotReady(Exception):
    """The server did not answer in time."""


class Installation:
    """Salus in its own folder (and its own PostgreSQL databases, if an address is given)."""

    def __init__(self, folder: Path, database_url: str = "") -> None:
        self.folder = folder
        self.database_url = database_url
        self.port = free_port()
        self.mllp_port = free_port()
        foreign = {"DATABASE_URL", "AUDIT_DATABASE_URL"}
        self.environment = {key: value for key, value in os.environ.items() if key not in foreign}
        self.environment |= {"SALUS_DATA_DIR": str(folder), "DJANGO_SETTINGS_MODULE": "salus.settings"}
        if database_url:
            self.environment["DATABASE_URL"] = database_url
        self.server: subprocess.Popen[bytes] | None = None

    def salus(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command of Salus on this installation."""
        command = [sys.executable, "-m", "salus.cli", *arguments]
        done = subprocess.run(
            command, env=self.environment, cwd=ROOT, capture_output=True, text=True, check=False
        )
        if check and done.returncode:
            raise AssertionError(f"salus {arguments[0]} ended with {done.returncode}: {done.stderr[-2000:]}")
        return done

    def begin(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a command of Salus in a process group of its own."""
        with (self.folder / "begun.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "salus.cli", *arguments],
                env=self.environment,
                cwd=ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def query(
        self, query: str, values: Sequence[object] = (), *, audit: bool = False
    ) -> list[tuple[Any, ...]]:
        """Read the platform's database, or that of its audit chain, past its code."""
        if self.database_url:
            url = self.database_url + ("_audit" if audit else "")
            with psycopg.connect(url, connect_timeout=10) as connection:
                return connection.execute(query.encode(), values or None).fetchall()
        place = self.folder / ("audit.sqlite3" if audit else "salus.sqlite3")
        with closing(sqlite3.connect(place, timeout=60)) as file:
            return file.execute(query.replace("%s", "?"), tuple(values)).fetchall()

    def change(self, *statements: str) -> None:
        """Change the platform's database past its code, in one transaction."""
        if self.database_url:
            with psycopg.connect(self.database_url, connect_timeout=10) as connection:
                for statement in statements:
                    connection.execute(statement.encode())
            return
        with closing(sqlite3.connect(self.folder / "salus.sqlite3", timeout=60)) as file, file:
            for statement in statements:
                file.execute(statement)

    def copy(self, folder: Path, database_url: str = "") -> "Installation":
        """Return a new installation that begins with what this one holds; nothing of this one may run."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        if self.database_url:
            with psycopg.connect(_maintenance(self.database_url), autocommit=True) as connection:
                for suffix in ("", "_audit"):
                    names = [_name(url) + suffix for url in (database_url, self.database_url)]
                    new, old = map(sql.Identifier, names)
                    connection.execute(sql.SQL("create database {} template {}").format(new, old))
        return Installation(folder, database_url)

    def start(self, *extra: str, seconds: float = 180) -> None:
        """Serve and wait until the server answers on both doors."""
        listening = ("--port", str(self.port), "--mllp-port", str(self.mllp_port))
        self.server = self.begin("serve", *listening, *extra)
        self.wait(seconds)

    def wait(self, seconds: float = 180) -> None:
        """Wait until the server answers on both doors."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.answers() and self.listens():
                return
            if self.server is None or self.server.poll() is not None:
                break
            time.sleep(0.1)
        raise NotReady(f"the server did not answer within {seconds:.0f} s:\n{self.said()[-3000:]}")

    def said(self) -> str:
        """Return what its processes have printed so far."""
        log = self.folder / "begun.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def answers(self) -> bool:
        """Say whether the FHIR API answers."""
        try:
            with urllib.request.urlopen(f"{self.url}/metadata", timeout=5) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def listens(self) -> bool:
        """Say whether the HL7 v2 listener takes connections."""
        try:
            with socket.create_connection(("127.0.0.1", self.mllp_port), timeout=5):
                return True
        except OSError:
            return False

    def children(self) -> list[int]:
        """Return the server's own child processes."""
        assert self.server is not None
        text = Path(f"/proc/{self.server.pid}/task/{self.server.pid}/children").read_text()
        return [int(number) for number in text.split()]

    def kill(self) -> None:
        """End the server and all its processes at once, as a power cut would."""
        end_group(self.server, signal.SIGKILL)

    def stop(self) -> None:
        """Ask the server to end."""
        end_group(self.server, signal.SIGTERM)

    @property
    def url(self) -> str:
        """Where the FHIR API answers."""
        return f"http://127.0.0.1:{self.port}/fhir"


def _name(url: str) -> str:
    return url.rsplit("/", 1)[1]


def _maintenance(url: str) -> str:
    return url.rsplit("/", 1)[0] + "/postgres"


def end_group(process: subprocess.Popen[Any] | None, sign: signal.Signals) -> None:
    """Send a signal to a process group begun by this test and wait for its end."""
    if process is None or process.poll() is not None:
        return
    os.killpg(process.pid, sign)
    try:
        process.wait(timeout=60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=10)


@contextmanager
def running(one: Installation) -> Iterator[Installation]:
    """Give an installation and end whatever still runs of it afterwards."""
    try:
        yield one
    finally:
        one.kill()


@contextmanager
def temporary(database_url: str = "") -> Iterator[Installation]:
    """Give a migrated installation in a folder of its own and take both away afterwards."""
    place = Path(tempfile.mkdtemp(prefix="salus-resilience-"))
    try:
        with running(Installation(place, database_url)) as one:
            one.salus("migrate")
            yield one
    finally:
        shutil.rmtree(place, ignore_errors=True)
