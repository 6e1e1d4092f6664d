"""A worker killed within a bulk job: what it published is whole, and another one ends the job."""

from collections.abc import Iterator

import pytest

from tests.record.fhir.bulk_trials import kill_exports, kill_imports
from tests.resilience.installation import Installation, temporary

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("resilience"), pytest.mark.timeout(600)]
SEED = 20261122


@pytest.fixture(scope="module")
def one() -> Iterator[Installation]:
    with temporary() as made:
        yield made


def test_an_export_killed_is_old_or_new_never_half(one: Installation) -> None:
    outcome = kill_exports(one, kills=1, seed=SEED)
    assert outcome.faults == []
    assert outcome.kills == 1


def test_an_import_killed_takes_each_line_once(one: Installation) -> None:
    outcome = kill_imports(one, kills=1, seed=SEED)
    assert outcome.faults == []
    assert outcome.kills == 1
