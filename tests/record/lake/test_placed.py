"""A copy for research takes its place in one step: whoever is killed before leaves the old one."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
WRITER = """
import sys
from pathlib import Path
from salus.engine.sources import placed
for number in range(1_000_000):
    with placed(Path(sys.argv[1])) as made:
        made.mkdir()
        for name in range(20):
            (made / f"{name}.parquet").write_text(str(number))
        if number == 0:
            print("ready", flush=True)
"""


def test_a_killed_writer_leaves_a_whole_copy(tmp_path: Path) -> None:
    target = tmp_path / "study" / "1"
    for pause in (0.05, 0.11, 0.17, 0.23):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(target)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "salus.settings", "SALUS_DATA_DIR": str(tmp_path)},
        )
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        if (
            target.exists()
        ):  # between taking the old away and putting the new there is none, never half of one
            assert len({path.read_text() for path in target.iterdir()}) == 1
            assert len(list(target.iterdir())) == 20
    from salus.engine.sources import placed

    with placed(target) as made:
        made.mkdir()
        (made / "x").write_text("last")
    assert [path.name for path in target.parent.iterdir()] == ["1"]
