"""A server or a load killed at random: nothing that was acknowledged is lost, nothing is doubled."""

import pytest

from tests.resilience.installation import Installation
from tests.resilience.trials import audit_is_whole, kill_while_loading, kill_while_sending

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("resilience"), pytest.mark.timeout(900)]
SEED = 20261122


def test_a_server_killed_while_senders_send_loses_and_doubles_nothing(one: Installation) -> None:
    outcome = kill_while_sending(one, kills=3, seed=SEED)
    assert outcome.acknowledged > 20
    assert outcome.faults == 0, outcome
    assert audit_is_whole(one)


def test_a_load_killed_and_run_again_takes_each_line_once(one: Installation) -> None:
    outcome = kill_while_loading(one, kills=2, seed=SEED)
    assert outcome.faults == 0, outcome
    assert outcome.reasons["the load ended before its kill"] == 0, "nothing was killed while it loaded"
    assert audit_is_whole(one)
