"""Serve: a process for the pages and the FHIR API, which starts one for the API's writes; one for the
worker, one for the HL7 v2 listener."""

import ctypes
import os
import signal
import subprocess  # starts this project's own modules only
import sys
import time
from dataclasses import dataclass, field

from rich.console import Console

from salus.composition import installation

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
RESTART_AFTER = (0.5, 1, 2, 5, 10)
said = Console(stderr=True)
GRACE = 15.0  # seconds that a child has to end by itself


@dataclass
class Child:
    """A process that is started again when it ends by itself."""

    name: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    failures: int = 0
    not_before: float = field(default=0.0)

    def start(self) -> None:
        """Start the process so that it ends when its parent does."""
        parent = os.getpid()
        self.process = subprocess.Popen(  # noqa: S603
            self.command,
            env=os.environ | self.environment,
            preexec_fn=lambda: _end_with_parent(parent),  # noqa: PLW1509
        )
        self.started = time.monotonic()

    def look_after(self) -> None:
        """Start again what ended, later each time it fails at once."""
        if self.process is not None and self.process.poll() is None:
            return
        now = time.monotonic()
        if self.process is not None:
            self.failures = self.failures + 1 if now - self.started < 30 else 0
            pause = RESTART_AFTER[min(self.failures, len(RESTART_AFTER) - 1)]
            said.print(f"{self.name} ended with {self.process.returncode} and is started again in {pause} s.")
            self.not_before = now + pause
            self.process = None
        if now >= self.not_before:
            self.start()


def _end_with_parent(parent: int) -> None:
    if LIBC is not None:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before this was said
            os._exit(1)


def children(
    host: str, port: int, mllp_port: int | None, *, worker: bool, writes_apart: bool = False
) -> list[Child]:
    """Return what has to run. The access log is off: addresses of searches can hold identifiers."""
    salus = [sys.executable, "-m", "salus.cli"]
    web = [sys.executable, "-m", "uvicorn", "salus.asgi:application", "--host", host, "--port", str(port)]
    web += [
        "--no-access-log",
        "--log-level",
        "warning",
        "--no-server-header",
        "--timeout-graceful-shutdown",
        "10",
    ]
    wanted = [Child("web", web, {"SALUS_WRITES_APART": "1" if writes_apart else "0"})]
    if worker:
        wanted.append(Child("worker", [*salus, "worker"]))
    if mllp_port is not None:
        listen = [*salus, "connect", "listen", "--host", host, "--port", str(mllp_port)]
        wanted.append(Child("mllp", listen))
    return wanted


def run(
    *, host: str, port: int, mllp_port: int | None, worker: bool, writes_apart: bool | None = None
) -> int:
    """Serve until SIGINT or SIGTERM; returns the exit code.

    `writes_apart`: whether the FHIR API's writes have a process of their own; None: if there is a second
    processor for it.
    """
    installation.ensure(wait=False)
    installation.collect_static()
    stopping = False

    def stop(_signal: int, _frame: object) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    apart = (os.cpu_count() or 1) > 1 if writes_apart is None else writes_apart
    running = children(host, port, mllp_port, worker=worker, writes_apart=apart)
    shown = f"[{host}]" if ":" in host else host
    said.print(f"Salus serves on http://{shown}:{port}/ — stop with Ctrl-C.")
    while not stopping:
        for child in running:
            child.look_after()
        time.sleep(0.2)
    _end(running)
    return 0


def _end(running: list[Child]) -> None:
    alive = [child.process for child in running if child.process is not None and child.process.poll() is None]
    for process in alive:
        process.terminate()
    until = time.monotonic() + GRACE
    for process in alive:
        try:
            process.wait(timeout=max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
