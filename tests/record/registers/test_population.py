"""The population by district, age and sex: who may see which counts, and which are withheld."""

from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest
from django.core.cache import cache

from salus.kernel.errors import SalusError
from salus.kernel.models import District
from salus.kernel.policy import Principal
from salus.record.models import Person
from salus.record.registers.population import population

pytestmark = pytest.mark.django_db(databases=["default"])
TODAY = date(2026, 6, 30)
NOW = datetime(2026, 6, 30, 8, tzinfo=UTC)


def principal(role: str, *districts: str) -> Principal:
    return Principal(
        kind="account", account_id=1, name=role, roles=frozenset({role}), district_codes=frozenset(districts)
    )


@pytest.fixture(autouse=True)
def city() -> Iterator[None]:
    """Two districts: 30 women of 60 and 12 men of 30 in one, 40 women of 20 and 3 men of 20 in the other."""
    cache.clear()
    for code in ("990102", "990103"):
        District.objects.create(code=code, name=code)
    for district, sex, born, number in (
        ("990102001", "female", 1966, 30),
        ("990102", "male", 1996, 12),
        ("990103", "female", 2006, 40),
        ("990103", "male", 2006, 3),
    ):
        Person.objects.bulk_create(
            Person(district_code=district, sex=sex, birth_date=date(born, 1, 1), updated=NOW)
            for _ in range(number)
        )
    yield
    cache.clear()


def test_an_epidemiologist_sees_every_count() -> None:
    found = population(principal("epidemiologist", "990102"), TODAY)
    first, second = found.lines
    assert (first.total, second.total, found.whole.total) == (42, 43, 85)
    assert first.cells[60, "female"] == 30 and second.cells[15, "male"] == 3
    assert first.aged(60) == 30 and not found.withheld


def test_a_planner_sees_none_from_which_a_small_one_could_be_reckoned() -> None:
    found = population(principal("planner"), TODAY)
    assert found.withheld
    for line in (*found.lines, found.whole):
        hidden = [cell for cell, count in line.cells.items() if count is None]
        assert len(hidden) != 1
        assert all(count is None or count == 0 or count >= 10 for count in line.cells.values())
    for column in found.columns:
        assert sum(line.cells[column] is None for line in found.lines) != 1
    assert found.lines[1].cells[15, "male"] is None


def test_a_planner_of_one_district_sees_that_one() -> None:
    found = population(principal("planner", "990102"), TODAY)
    assert [line.district for line in found.lines] == ["990102"]
    assert found.whole.total == 42


@pytest.mark.parametrize("role", ["clinician", "resident", "integrator", "manager"])
def test_others_are_refused(role: str) -> None:
    with pytest.raises(SalusError):
        population(principal(role), TODAY)
