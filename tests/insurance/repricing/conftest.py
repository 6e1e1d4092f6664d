"""A city small enough to be re-priced in a moment, and who may do so."""

import csv
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from salus.city.insurance.prices import price_city, write
from salus.insurance.models import PriceBasis
from salus.insurance.services import prices
from salus.kernel import policy
from salus.kernel.models import Account, RoleGrant
from salus.kernel.policy import Principal

NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def city_files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """services.csv, volumes.csv and freed.csv of a small city."""
    return write(price_city(7, services=80, hospitals=4), tmp_path_factory.mktemp("prices"))


@pytest.fixture(scope="session")
def fixed_files(city_files: list[Path], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The same city, but no price may move: what was freed cannot be returned."""
    services = tmp_path_factory.mktemp("fixed") / "services.csv"
    with city_files[0].open(encoding="utf-8", newline="") as given:
        rows = list(csv.DictReader(given))
    with services.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0], "lowest", "highest"])
        writer.writeheader()
        writer.writerows({**row, "lowest": row["price"], "highest": row["price"]} for row in rows)
    return [services, *city_files[1:]]


@pytest.fixture(autouse=True)
def short_curve(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two points of the trade-off are enough here."""
    monkeypatch.setattr("salus.insurance.services.prices.studies.CURVE", (0, 100))


@pytest.fixture
def person() -> Callable[[str], Principal]:
    """Return a function that makes an account with a role and returns its principal."""

    def make(role: str) -> Principal:
        account, _ = Account.objects.get_or_create(username=role)
        RoleGrant.objects.get_or_create(account=account, role=role)
        return policy.principal_for(account)

    return make


@pytest.fixture
def recorded(person: Callable[[str], Principal], city_files: list[Path]) -> PriceBasis:
    """The city's basis, recorded by a planner."""
    return prices.record_basis(person("planner"), *city_files, title="City 2025", year=2025, now=NOW)
