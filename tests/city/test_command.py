"""The command as a user starts it: in a process of its own, with nothing set up before."""

import json
import subprocess
import sys
from pathlib import Path


def test_the_command_builds_a_city_and_says_what(tmp_path: Path) -> None:
    out = tmp_path / "city"
    command = [sys.executable, "-m", "salus.cli", "city", "build", "--residents", "1000", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["residents"] == 1000
    assert f"{manifest['messages']:,} messages of 52 systems" in " ".join(done.stdout.split())


def test_the_command_writes_tables(tmp_path: Path) -> None:
    out = tmp_path / "city"
    command = [sys.executable, "-m", "salus.cli", "city", "build", "--residents", "1000", "--out", str(out)]
    done = subprocess.run(
        [*command, "--tables", "--only", "patient,encounter"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    assert set(manifest["tables"]) == {"patient", "encounter"}
    assert f"{sum(manifest['tables'].values()):,} rows of 2 tables" in " ".join(done.stdout.split())
    assert not (out / "inbox").exists()
    refused = subprocess.run(
        [*command, "--only", "patient"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert refused.returncode and "--tables" in refused.stderr
