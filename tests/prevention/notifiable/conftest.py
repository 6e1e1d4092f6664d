"""The city of these tests, with no diseases of its own to begin with."""

from pathlib import Path

import pytest

from tests.prevention.notifiable import world
from tests.prevention.notifiable.world import World


@pytest.fixture
def own_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the city's own diseases, empty."""
    folder = tmp_path / "notifiable"
    folder.mkdir()
    monkeypatch.setenv("SALUS_NOTIFIABLE_DIR", str(folder))
    return folder


@pytest.fixture
def city(db: None, own_rules: Path) -> World:
    """Return the city."""
    return world.build()
