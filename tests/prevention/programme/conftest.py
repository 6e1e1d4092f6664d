"""The district of these tests."""

import pytest

from tests.prevention.programme import world
from tests.prevention.programme.world import World


@pytest.fixture
def city(db: None) -> World:
    """Return the district."""
    return world.build()
