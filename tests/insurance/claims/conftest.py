"""The insured city of these tests."""

import pytest

from tests.insurance.claims import world
from tests.insurance.claims.world import City


@pytest.fixture
def city(db: None) -> City:
    """Return a city of four residents and three institutions."""
    return world.build()
