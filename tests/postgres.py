"""A real PostgreSQL for the tests: the one named or answering, else one started in a folder of its own."""

import getpass
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg


class NoServer(Exception):
    """No PostgreSQL answers and none can be started."""


def _answers(url: str) -> bool:
    try:
        with psycopg.connect(url, connect_timeout=3) as connection:
            row = connection.execute(
                "select rolcreatedb or rolsuper from pg_roles where rolname = current_user"
            ).fetchone()
            return bool(row and row[0])
    except psycopg.Error:
        return False


def binaries() -> Path:
    """Return the folder of PostgreSQL's own programs, the newest first; raises `NoServer`."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    if found:
        return found[0].parent
    if on_path := shutil.which("initdb"):
        return Path(on_path).parent
    raise NoServer("no PostgreSQL answers on 127.0.0.1:5432 and none is installed; install postgresql")


def free_port() -> int:
    """Return a port of the loopback address that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Cluster:
    """A PostgreSQL cluster of a test's own, on loopback, that the test may stop, kill and start again."""

    def __init__(self, folder: Path) -> None:
        self.bin = binaries()
        self.data = folder / "pgdata"
        self.port = free_port()
        self.as_owner: list[str] = []
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            shutil.chown(folder, "postgres")
            folder.chmod(0o755)
            self.as_owner = ["runuser", "-u", "postgres", "--"]
        self._run("initdb", "-D", self.data, "-A", "trust", "-U", "salus", "-E", "UTF8", "--no-sync")
        self.start()

    @property
    def url(self) -> str:
        """The address of the cluster's database."""
        return f"postgres://salus@127.0.0.1:{self.port}/postgres"

    def database(self, name: str) -> str:
        """The address of a database by this name, there or not."""
        return f"{self.url.rsplit('/', 1)[0]}/{name}"

    def _run(self, program: str, *arguments: object) -> None:
        command = [*self.as_owner, str(self.bin / program), *map(str, arguments)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")

    def start(self) -> None:
        """Start the cluster and wait until it answers."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''"
        self._run("pg_ctl", "-D", self.data, "-w", "-l", self.data / "log", "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop the cluster: fast, or immediate (as a crash)."""
        self._run("pg_ctl", "-D", self.data, "-w", "-m", mode, "stop")

    def answers(self) -> bool:
        """Say whether the cluster takes connections."""
        return _answers(self.url)


@contextmanager
def cluster(place: Path | None = None) -> Iterator[Cluster]:
    """Start a cluster of one's own, in a folder within `place` if given, and remove it afterwards."""
    with tempfile.TemporaryDirectory(
        prefix="salus-postgres-", dir=place, ignore_cleanup_errors=True
    ) as folder:
        one = Cluster(Path(folder))
        try:
            yield one
        finally:
            if one.answers():
                one.stop("immediate")


@contextmanager
def server() -> Iterator[str]:
    """Yield the address of a server where databases can be made."""
    named = os.environ.get("SALUS_TEST_DATABASE_URL")
    users = dict.fromkeys([getpass.getuser(), "postgres"])
    for url in [named] if named else [f"postgres://{user}@127.0.0.1:5432/postgres" for user in users]:
        if url and _answers(url):
            yield url
            return
    if named:
        raise NoServer("the server of SALUS_TEST_DATABASE_URL does not answer or may not create databases")
    with cluster() as own:
        yield own.url
