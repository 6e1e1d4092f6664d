"""The district of these tests."""

import pytest

from tests.prevention.maternal import world
from tests.prevention.maternal.world import Family


@pytest.fixture
def family(db: None) -> Family:
    """Return a mother with a pregnancy and a child in the eastern district."""
    return world.build()
