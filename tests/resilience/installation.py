"""A real installation in a folder of its own, served by real processes, that a test may kill and start again."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.postgres import free_port


class NotReady(Exception):
    """The server did not answer in time."""


class Installation:
    """Salus in its own folder (and its own PostgreSQL database, if an address is given)."""

    def __init__(self, folder: Path, database_url: str = "") -> None:
        self.folder = folder
        self.port = free_port()
        self.mllp_port = free_port()
        self.environment = {key: value for key, value in os.environ.items() if key != "DATABASE_URL"}
        self.environment |= {"SALUS_DATA_DIR": str(folder), "DJANGO_SETTINGS_MODULE": "salus.settings"}
        if database_url:
            self.environment["DATABASE_URL"] = database_url
        self.server: subprocess.Popen[bytes] | None = None
        self.salus("migrate")

    def salus(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command of Salus on this installation."""
        command = [sys.executable, "-m", "salus.cli", *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise AssertionError(f"salus {arguments[0]} ended with {done.returncode}: {done.stderr[-2000:]}")
        return done

    def begin(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a command of Salus in a process group of its own."""
        with (self.folder / "begun.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "salus.cli", *arguments],
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def python(self, code: str) -> str:
        """Run Python with this installation's Django set up; return what it prints."""
        done = subprocess.run(
            [sys.executable, "-c", f"import django; django.setup()\n{code}"],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise AssertionError(done.stderr[-3000:])
        return done.stdout.strip()

    def start(self, *extra: str, seconds: float = 60) -> None:
        """Serve and wait until the server answers."""
        listening = ("--port", str(self.port), "--mllp-port", str(self.mllp_port))
        self.server = self.begin("serve", *listening, *extra)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.answers():
                return
            if self.server.poll() is not None:
                break
            time.sleep(0.1)
        log = (self.folder / "begun.log").read_text(errors="replace")[-3000:]
        raise NotReady(f"the server did not answer within {seconds:.0f} s:\n{log}")

    def answers(self) -> bool:
        """Say whether the server answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/fhir/metadata", timeout=5) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError):
            return False

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


def end_group(process: subprocess.Popen[Any] | None, sign: signal.Signals) -> None:
    """Send a signal to a process group begun by this test and wait for its end."""
    if process is None or process.poll() is not None:
        return
    os.killpg(process.pid, sign)
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=10)


@contextmanager
def installation(database_url: str = "", folder: Path | None = None) -> Iterator[Installation]:
    """Give an installation and take it away afterwards."""
    place = Path(tempfile.mkdtemp(prefix="salus-resilience-")) if folder is None else folder
    one = Installation(place, database_url)
    try:
        yield one
    finally:
        one.kill()
        if folder is None:
            shutil.rmtree(place, ignore_errors=True)


def lines(values: Sequence[str]) -> str:
    """Join lines with an end of line after each."""
    return "".join(f"{value}\n" for value in values)
