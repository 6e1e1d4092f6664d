"""Nothing that was acknowledged is lost, nothing is doubled: killed, restarted, restored (short forms)."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import Cluster, NoServer, cluster
from tests.resilience.accounting import balance
from tests.resilience.installation import Installation, installation
from tests.resilience.senders import MllpSender
from tests.resilience.trials import kill_while_loading, kill_while_sending, prepare, verify_audit

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("resilience")]
SEED = 20261122


@pytest.fixture(scope="module")
def own_cluster() -> Iterator[Cluster]:
    try:
        with cluster() as one:
            yield one
    except NoServer as reason:
        pytest.skip(str(reason))


@pytest.fixture(params=["sqlite", "postgresql"])
def one(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    url = ""
    if request.param == "postgresql":
        running: Cluster = request.getfixturevalue("own_cluster")
        url = running.url.rsplit("/", 1)[0] + f"/salus_{abs(hash(request.node.name)) % 10**8}"
    with installation(url, tmp_path) as ready:
        yield ready


def test_a_server_killed_while_senders_send_loses_and_doubles_nothing(one: Installation) -> None:
    outcome = kill_while_sending(one, kills=3, seed=SEED, pause=(0.3, 1.5))
    assert outcome.acknowledged > 20
    assert outcome.clean, outcome
    assert "intact" in verify_audit(one).lower()


def test_a_load_killed_and_run_again_takes_each_line_once(one: Installation) -> None:
    outcome = kill_while_loading(one, kills=2, seed=SEED, patients=1500)
    assert outcome.clean, outcome


def test_a_restarted_database_loses_nothing(own_cluster: Cluster, tmp_path: Path) -> None:
    url = own_cluster.url.rsplit("/", 1)[0] + "/salus_restarted"
    with installation(url, tmp_path) as one:
        prepare(one)
        one.start("--no-worker")
        stop = threading.Event()
        senders = [MllpSender(one.mllp_port, f"r{n}", stop) for n in range(2)]
        for sender in senders:
            sender.start()
        for mode in ("fast", "immediate"):
            time.sleep(1)
            own_cluster.stop(mode)
            time.sleep(0.5)
            own_cluster.start()
        time.sleep(2)
        stop.set()
        for sender in senders:
            sender.join(timeout=60)
        held = balance(one, "H1")
        sent = [control_id for sender in senders for control_id in sender.sent.acknowledged]
        assert len(sent) > 20
        assert not [control_id for control_id in sent if held.control_ids[control_id] != 1]
        assert held.received == held.stored + held.repeated + held.dead and not held.dead


def test_a_full_disk_refuses_and_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    """SQLite with a page limit answers exactly as on a full disk: SQLITE_FULL."""
    with installation("", tmp_path) as one:
        prepare(one)
        pages = int(one.python(PAGE_COUNT))
        one.environment["SALUS_SQLITE_MAX_PAGES"] = str(pages + 150)
        one.start("--no-worker")
        stop = threading.Event()
        sender = MllpSender(one.mllp_port, "d", stop)
        sender.start()
        until = time.monotonic() + 60
        while time.monotonic() < until and sender.sent.again < 3:
            time.sleep(0.1)
        acknowledged = len(sender.sent.acknowledged)
        assert sender.sent.again >= 3, "the disk never filled"
        assert acknowledged > 0
        assert not [words for words in sender.sent.refused if "MSA|AR" in words]
        one.kill()
        del one.environment["SALUS_SQLITE_MAX_PAGES"]
        one.start("--no-worker")
        time.sleep(2)
        stop.set()
        sender.join(timeout=60)
        held = balance(one, "H1")
        assert len(sender.sent.acknowledged) > acknowledged, "it did not go on once there was room"
        assert not [c for c in sender.sent.acknowledged if held.control_ids[c] != 1]
        assert held.received == held.stored + held.repeated + held.dead


PAGE_COUNT = """
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute("pragma page_count")
    print(cursor.fetchone()[0])
"""


def test_a_backup_made_while_loading_restores_what_was_acknowledged(one: Installation, tmp_path: Path) -> None:
    prepare(one)
    one.start("--no-worker")
    stop = threading.Event()
    sender = MllpSender(one.mllp_port, "b", stop)
    sender.start()
    time.sleep(2)
    before = list(sender.sent.acknowledged)
    one.salus("backup", str(tmp_path / "saved"))
    after_backup = len(sender.sent.acknowledged)
    stop.set()
    sender.join(timeout=60)
    one.stop()
    assert before and after_backup > len(before), "nothing was sent during the backup"
    one.salus("restore", str(tmp_path / "saved"), "--force")  # compares every table's row hash itself
    held = balance(one, "H1")
    assert not [control_id for control_id in before if held.control_ids[control_id] != 1]
    assert held.received == held.stored + held.repeated + held.dead
    assert "intact" in verify_audit(one).lower()
