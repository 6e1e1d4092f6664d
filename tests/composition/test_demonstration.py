"""The main job from one command: a city built, sent, linked, counted; a second run reuses it."""

import re
from pathlib import Path

import pytest

from tests.composition.test_commands import refused, salus

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def printed(text: str, name: str) -> float:
    found = re.search(rf"{name}\s*│\s*([\d.,]+)", text)
    assert found, f"{name!r} is not in:\n{text}"
    return float(found.group(1).replace(",", ""))


def test_a_city_is_demonstrated_once_and_reused(tmp_path: Path) -> None:
    first = salus(tmp_path, "demo", "--residents", "1000", "--no-serve")
    assert first.returncode == 0, first.stderr[-3000:]
    count = {
        name: printed(first.stdout, name) for name in ("Messages in", "stored", "repeated", "dead letters")
    }
    assert count["Messages in"] == count["stored"] + count["repeated"] + count["dead letters"] > 10_000
    assert printed(first.stdout, "Source systems") == 52
    assert printed(first.stdout, "Linkage precision") >= 0.999
    assert printed(first.stdout, "Linkage recall") >= 0.98
    accounts = tmp_path / "keys" / "demo-accounts.json"
    assert accounts.stat().st_mode & 0o077 == 0, "others may read the passwords"
    passwords = accounts.read_text()

    second = salus(tmp_path, "demo", "--residents", "1000", "--no-serve")
    assert second.returncode == 0, second.stderr[-3000:]
    assert second.stdout == first.stdout, "the second run did something"
    assert accounts.read_text() == passwords

    refused(salus(tmp_path, "demo", "--residents", "2000", "--no-serve"), "1,000 residents", "--data-dir")
    assert salus(tmp_path, "audit", "verify").returncode == 0
