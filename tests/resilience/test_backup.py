"""A backup made while messages come in brings back what was acknowledged when it began."""

from pathlib import Path

import pytest

from tests.resilience.accounting import balance
from tests.resilience.installation import Installation
from tests.resilience.trials import audit_is_whole, backup_while_sending, sending, wait_for_progress

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("resilience"), pytest.mark.timeout(900)]


def test_a_backup_made_while_loading_restores_what_was_acknowledged(
    one: Installation, tmp_path: Path
) -> None:
    outcome = backup_while_sending(one, tmp_path / "saved")
    assert outcome.acknowledged > 20
    assert outcome.faults == 0, outcome
    assert audit_is_whole(one)
    before = balance(one, "H1").stored
    one.start("--no-worker")  # the restored installation goes on
    with sending(one, "after", mllp=1, fhir=1) as senders:
        wait_for_progress(senders)
    one.stop()
    assert balance(one, "H1").stored == before + len(senders[0].sent.acknowledged)
    assert audit_is_whole(one)
