"""The server's parts: what ends is started again, what was told to stop stops, and nothing outlives it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from salus.composition import serving
from salus.composition.serving import RESTART_AFTER, Child

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="children are found under /proc")
SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]
SUPERVISOR = """
import sys
from salus.composition import serving
serving.installation.ensure = lambda **how: None
serving.installation.collect_static = lambda: None
serving.GRACE = 1.0
sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
ignore = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
deaf = [sys.executable, "-c", ignore]
serving.children = lambda *given, **named: [serving.Child("one", sleep), serving.Child("two", {second})]
sys.exit(serving.run(host="127.0.0.1", port=0, mllp_port=None, worker=False))
"""


def until(holds: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.05)


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture(params=["sleep"])
def supervisor(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", SUPERVISOR.format(second=request.param)])
    mine: list[int] = []
    try:
        until(lambda: len(children(process.pid)) == 2)
        time.sleep(0.3)  # their Python has begun
        mine = children(process.pid)
        yield process
    finally:
        for pid in [process.pid, *mine]:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
        process.wait(timeout=30)


def test_a_killed_part_is_started_again(supervisor: subprocess.Popen[bytes]) -> None:
    before = children(supervisor.pid)
    os.kill(before[0], signal.SIGKILL)
    until(lambda: len(set(children(supervisor.pid)) - set(before)) == 1)
    assert before[1] in children(supervisor.pid), "the other part was disturbed"
    for pid in children(supervisor.pid):
        assert alive(pid)


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_ends_with_all_its_parts(
    supervisor: subprocess.Popen[bytes], sign: signal.Signals
) -> None:
    parts = children(supervisor.pid)
    supervisor.send_signal(sign)
    assert supervisor.wait(timeout=30) == 0
    assert not [pid for pid in parts if alive(pid)]


@pytest.mark.parametrize("supervisor", ["deaf"], indirect=True)
def test_a_part_that_does_not_listen_is_ended_all_the_same(supervisor: subprocess.Popen[bytes]) -> None:
    parts = children(supervisor.pid)
    supervisor.send_signal(signal.SIGTERM)
    assert supervisor.wait(timeout=30) == 0
    assert not [pid for pid in parts if alive(pid)]


def test_no_part_outlives_a_killed_server(supervisor: subprocess.Popen[bytes]) -> None:
    parts = children(supervisor.pid)
    supervisor.kill()
    until(lambda: not [pid for pid in parts if alive(pid)])


def test_what_fails_at_once_is_started_later_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(serving.time, "monotonic", lambda: now)
    child = Child("broken", [sys.executable, "-c", "raise SystemExit(1)"])
    waits = []
    for _ in range(7):
        child.look_after()
        assert child.process is not None
        child.process.wait(timeout=30)
        now += 0.1
        child.look_after()
        assert child.process is None, "it was started again at once"
        waits.append(round(child.not_before - now, 3))
        now = child.not_before
    assert waits == [*RESTART_AFTER[1:], *[RESTART_AFTER[-1]] * 3]


def test_what_ran_for_long_is_started_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(serving.time, "monotonic", lambda: now)
    child = Child("steady", SLEEPER, failures=4)
    child.look_after()
    assert child.process is not None
    child.process.kill()
    child.process.wait(timeout=30)
    now += 3600
    child.look_after()
    assert child.failures == 0 and child.not_before - now == RESTART_AFTER[0]


def test_each_part_is_a_process_of_its_own() -> None:
    names = [one.name for one in serving.children("127.0.0.1", 8000, 2575, worker=True)]
    assert names == ["web", "worker", "mllp"]
    assert [one.name for one in serving.children("::1", 8000, None, worker=False)] == ["web"]
    for apart in (True, False):
        (web,) = serving.children("::1", 8000, None, worker=False, writes_apart=apart)
        assert web.environment == {"SALUS_WRITES_APART": "1" if apart else "0"}
