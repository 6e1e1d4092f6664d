"""Run every check and every test, on SQLite and on PostgreSQL; `./salus test` is this.

./salus test                     everything
./salus test tests/kernel -k x   only these tests, on SQLite
./salus test --postgres PATH…    only these tests, on PostgreSQL
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.postgres import NoServer, server

ROOT = Path(__file__).resolve().parent.parent
PYTEST = [sys.executable, "-m", "pytest", "-q", "--durations=15", "-p", "no:cacheprovider"]
PARALLEL = ["-n", "3", "--dist", "loadgroup", "--no-loadscope-reorder"]
CHECKS = {
    "ruff": [sys.executable, "-m", "ruff", "check", "--quiet", "."],
    "ruff format": [sys.executable, "-m", "ruff", "format", "--check", "--quiet", "."],
    "mypy": [sys.executable, "-m", "mypy"],
    "import-linter": [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
}


def run(name: str, command: list[str], environment: dict[str, str]) -> bool:
    """Run one check and say how it went; true when it passed."""
    begun = time.monotonic()
    print(f"── {name}", flush=True)
    code = subprocess.call(command, cwd=ROOT, env=environment)
    print(
        f"── {name}: {'passed' if code == 0 else f'FAILED ({code})'} in {time.monotonic() - begun:.0f} s",
        flush=True,
    )
    return code == 0


@contextmanager
def environment() -> Iterator[dict[str, str]]:
    """Give an environment in which Salus keeps its files in a folder of this run's own."""
    with tempfile.TemporaryDirectory(prefix="salus-test-") as folder:
        kept = {key: value for key, value in os.environ.items() if key != "DATABASE_URL"}
        yield kept | {
            "SALUS_DATA_DIR": folder,
            "PYTHONPATH": str(ROOT),
            "DJANGO_SETTINGS_MODULE": "salus.settings",
        }


def on_postgres(arguments: list[str]) -> bool:
    """Run tests on a real PostgreSQL: the one that answers, or one started for this run."""
    try:
        with server() as url, environment() as env:
            return run("tests on PostgreSQL", [*PYTEST, *arguments], env | {"DATABASE_URL": url})
    except NoServer as reason:
        print(f"── tests on PostgreSQL: FAILED, {reason}", flush=True)
        return False


def main(arguments: list[str]) -> int:
    """Run what was asked for; 0 when all passed."""
    with environment() as env:
        if not run("translations", [sys.executable, "-m", "salus.cli", "translations"], env):
            return 1
        if arguments[:1] == ["--postgres"]:
            return 0 if on_postgres(arguments[1:]) else 1
        if arguments:
            return subprocess.call([*PYTEST, *arguments], cwd=ROOT, env=env)
        passed = [run(name, command, env) for name, command in CHECKS.items()]
        passed.append(run("tests on SQLite", [*PYTEST, *PARALLEL], env))
    passed.append(on_postgres([*PARALLEL, "-m", "(postgres or django_db) and not browser"]))
    print(f"{sum(passed)} passed, {len(passed) - sum(passed)} failed", flush=True)
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
