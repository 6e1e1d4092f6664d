"""Installations to kill: one made ready a database, copied for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import Cluster, NoServer, cluster
from tests.resilience.installation import Installation, running
from tests.resilience.trials import prepare


@pytest.fixture(scope="package")
def own_cluster() -> Iterator[Cluster]:
    """A PostgreSQL that nobody else uses, to be stopped and killed."""
    try:
        with cluster() as one:
            yield one
    except NoServer as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="package")
def ready_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """A migrated installation with its sources, never served."""
    return prepare(Installation(tmp_path_factory.mktemp("sqlite")))


@pytest.fixture(scope="package")
def ready_postgresql(own_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The same on PostgreSQL."""
    return prepare(Installation(tmp_path_factory.mktemp("postgresql"), own_cluster.database("salus_ready")))


@pytest.fixture
def on_sqlite(ready_sqlite: Installation, tmp_path: Path) -> Iterator[Installation]:
    """An installation of the test's own on SQLite."""
    with running(ready_sqlite.copy(tmp_path / "salus")) as one:
        yield one


@pytest.fixture
def on_postgresql(
    ready_postgresql: Installation, own_cluster: Cluster, tmp_path: Path
) -> Iterator[Installation]:
    """An installation of the test's own on PostgreSQL."""
    url = own_cluster.database(f"salus_{tmp_path.parent.name}_{tmp_path.name}".replace("-", "_")[:50])
    with running(ready_postgresql.copy(tmp_path / "salus", url)) as one:
        yield one


@pytest.fixture(params=["sqlite", "postgresql"])
def one(request: pytest.FixtureRequest) -> Installation:
    """An installation of the test's own on either database."""
    made: Installation = request.getfixturevalue(f"on_{request.param}")
    return made
