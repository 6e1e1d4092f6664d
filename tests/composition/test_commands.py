"""The command line meets bad input with one sentence that says what to do, never with a traceback."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.postgres import free_port

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation that is ready."""
    folder = tmp_path_factory.mktemp("commands")
    assert salus(folder, "migrate").returncode == 0
    return folder


def salus(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {
        key: value for key, value in os.environ.items() if key not in {"DATABASE_URL", "AUDIT_DATABASE_URL"}
    }
    kept |= {"SALUS_DATA_DIR": str(folder), "COLUMNS": "200", "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, "-m", "salus.cli", *arguments],
        env=kept | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,  # the demonstration, on a machine that is busy
    )


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode not in {0, -9}, done.stdout
    said = done.stderr + done.stdout
    assert "Traceback" not in said, said[-3000:]
    assert done.stderr.strip(), "nothing was said"
    assert len(done.stderr.splitlines()) < 15, done.stderr
    for word in words:
        assert word.lower() in said.lower(), said


@pytest.mark.parametrize(
    "url",
    ["mysql://root@127.0.0.1/x", "postgres://127.0.0.1:port/x", "postgres://127.0.0.1:5432", "nonsense"],
)
def test_a_bad_database_url_is_named(tmp_path: Path, url: str) -> None:
    refused(salus(tmp_path, "migrate", DATABASE_URL=url), "DATABASE_URL", "postgres://user@host/name")


@pytest.mark.parametrize("command", [["migrate"], ["worker"], ["serve", "--port", "0"], ["audit", "verify"]])
def test_a_database_server_that_is_not_there_is_named(tmp_path: Path, command: list[str]) -> None:
    url = f"postgres://nobody@127.0.0.1:{free_port()}/nothing"
    refused(salus(tmp_path, *command, DATABASE_URL=url), "database")


def test_a_password_is_not_repeated(tmp_path: Path) -> None:
    done = salus(
        tmp_path, "migrate", DATABASE_URL=f"postgres://nobody:hunter2@127.0.0.1:{free_port()}/nothing"
    )
    refused(done, "database")
    assert "hunter2" not in done.stderr + done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["load", "not-there.hl7", "--source", "X"],
        ["load", "/proc/self/mem", "--source", "X"],
        ["load", "README.md"],
        ["load", "README.md", "--source", "X", "--format", "fax"],
        ["load", "README.md", "--source", "X", "--mapping", "not-there.toml"],
        ["load", "README.md", "--source", "X", "--mapping", "LICENSE"],
        ["connect", "issue-token", "NOBODY"],
        ["connect", "import-sources", "not-there.toml"],
        ["connect", "import-sources", "LICENSE"],
        ["connect", "check", "not-there.csv"],
        ["connect", "send", "not-there.hl7"],
        ["restore", "not-there"],
        ["restore", "docs"],
        ["backup", "docs"],
        ["backup", "/proc/nowhere/saved"],
        ["demo", "--residents", "12"],
        ["demo", "--residents", "many"],
        ["serve", "--port", "door"],
        ["migrate", "--data-dir", "README.md"],
        ["nonsense"],
        ["load", "--nonsense"],
    ],
    ids=" ".join,
)
def test_bad_input_gets_a_sentence(data_dir: Path, arguments: list[str]) -> None:
    refused(salus(data_dir, *arguments))


def test_a_taken_port_is_named(data_dir: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused(salus(data_dir, "connect", "listen", "--port", str(port)), str(port))


@pytest.mark.parametrize("command", [[], ["connect"], ["kernel"], ["audit"], ["record"], ["city"]])
def test_help_needs_no_installation(tmp_path: Path, command: list[str]) -> None:
    done = salus(tmp_path, *command, "--help")
    assert done.returncode == 0 and "Usage" in done.stdout, done.stderr
    assert not any(tmp_path.iterdir()), "asking for help left something behind"
