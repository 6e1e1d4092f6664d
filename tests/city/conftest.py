"""One small city for all tests of the room."""

from pathlib import Path

import pytest

from salus.city.assembly import Manifest, build

RESIDENTS, SEED = 1_000, 7


@pytest.fixture(scope="session")
def small_city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A city of 1,000 residents over two years."""
    folder = tmp_path_factory.mktemp("city") / "small"
    manifest = build(folder, RESIDENTS, SEED)
    assert isinstance(manifest, Manifest)
    return folder
