"""A database that goes away or a disk that fills: senders are told to try again, and nothing is lost."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import Cluster, NoServer, cluster
from tests.resilience.installation import Installation, running
from tests.resilience.senders import FhirSender
from tests.resilience.trials import (
    Senders,
    account,
    audit_is_whole,
    load_while_database_restarts,
    prepare,
    sending,
    wait_for_progress,
    wait_for_refusals,
)

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("resilience"), pytest.mark.timeout(900)]


def told_to_try_again(senders: Senders) -> bool:
    """Say whether each sender was answered while nothing could be stored: AE, or 503 with Retry-After."""
    wanted = {True: "HTTP 503", False: "ERR|"}
    return all(
        any(reason.startswith(wanted[isinstance(sender, FhirSender)]) for reason in sender.sent.reasons)
        for sender in senders
    )


def test_a_restarted_database_loses_nothing(on_postgresql: Installation, own_cluster: Cluster) -> None:
    one = on_postgresql
    one.start("--no-worker")
    with sending(one, "r") as senders:
        for mode in ("fast", "immediate"):
            wait_for_progress(senders)
            own_cluster.stop(mode)
            try:
                wait_for_refusals(senders)
            finally:
                own_cluster.start()
        wait_for_progress(senders)
    assert told_to_try_again(senders), [dict(sender.sent.reasons) for sender in senders]
    one.stop()
    outcome = account(one, senders)
    assert outcome.faults == 0, outcome
    assert audit_is_whole(one)


def test_a_load_through_a_restart_of_the_database_is_run_again(
    on_postgresql: Installation, own_cluster: Cluster
) -> None:
    outcome, said = load_while_database_restarts(on_postgresql, own_cluster)
    assert "Traceback" not in said and "salus:" in said, said[-2000:]
    assert outcome.faults == 0, outcome


def test_a_full_disk_refuses_and_keeps_what_it_acknowledged(on_sqlite: Installation) -> None:
    """SQLite with a page limit answers exactly as on a full disk: SQLITE_FULL."""
    one = on_sqlite
    pages = int(one.query("pragma page_count")[0][0])
    one.environment["SALUS_SQLITE_MAX_PAGES"] = str(pages + 150)
    one.start("--no-worker")
    with sending(one, "d") as senders:
        wait_for_refusals(senders)
        assert sum(len(sender.sent.acknowledged) for sender in senders), "nothing was stored before"
        assert told_to_try_again(senders), [dict(sender.sent.reasons) for sender in senders]
        one.kill()
        del one.environment["SALUS_SQLITE_MAX_PAGES"]
        one.start("--no-worker")
        wait_for_progress(senders)
    one.stop()
    outcome = account(one, senders)
    assert outcome.faults == 0, outcome
    assert audit_is_whole(one)


@pytest.fixture
def small_cluster() -> Iterator[Cluster]:
    """A PostgreSQL on a small disk of its own."""
    place = Path(tempfile.mkdtemp(prefix="salus-small-disk-"))
    mount = ["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", str(place)]
    if os.geteuid() or shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        place.rmdir()
        pytest.skip("a small disk cannot be mounted here: it takes root and a kernel that allows it")
    try:
        with cluster(place) as one:
            yield one
    except NoServer as reason:
        pytest.skip(str(reason))
    finally:
        subprocess.run(["umount", str(place)], check=True)
        place.rmdir()


def test_a_full_disk_under_postgresql_refuses_too(small_cluster: Cluster, tmp_path: Path) -> None:
    one = prepare(Installation(tmp_path, small_cluster.database("salus_full")))
    filler = small_cluster.data.parent / "filler"
    with running(one):
        one.start("--no-worker")
        with sending(one, "d") as senders:
            wait_for_progress(senders)
            free = shutil.disk_usage(filler.parent).free
            with filler.open("wb") as file, contextlib.suppress(OSError):
                file.write(bytes(free - 256 * 1024))
            wait_for_refusals(senders)
            filler.unlink()
            if not small_cluster.answers():  # a full disk under its log ends PostgreSQL itself
                small_cluster.start()
            wait_for_progress(senders)
        assert told_to_try_again(senders), [dict(sender.sent.reasons) for sender in senders]
        one.stop()
        outcome = account(one, senders)
        assert outcome.faults == 0, outcome
        assert audit_is_whole(one)
