"""A writer of the lake killed at any moment leaves a whole publication; the next one goes on."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from django.db import connection, connections

from salus.record.lake.folder import Folder
from salus.record.lake.refreshing import refresh
from salus.record.store import Write
from tests.record.lake.views import VIEWS
from tests.record.lake.world import World, told

pytestmark = pytest.mark.django_db(databases=["default"], transaction=True)
ROOT = Path(__file__).resolve().parents[3]
KILLS = 5
WRITER = """
import os, sys
import django
django.setup()
from django.conf import settings
from pathlib import Path
settings.DATABASES["default"]["NAME"] = sys.argv[2]
from salus.record.lake import compaction
from salus.record.lake.folder import Folder
from salus.record.lake.refreshing import refresh
from tests.record.lake.views import VIEWS
compaction.LEAST_ROWS = 3
print("ready", flush=True)
while True:
    refresh(Path(sys.argv[1]), VIEWS, anew=True, grace=0, wait=20)
    with Folder(Path(sys.argv[1])).writing():
        compaction.compact(Folder(Path(sys.argv[1])), Folder(Path(sys.argv[1])).current(), everything=True)
"""


def writer(root: Path) -> subprocess.Popen[str]:
    """Start a process that rebuilds and folds the lake without end."""
    command = [sys.executable, "-c", WRITER, str(root), str(connection.settings_dict["NAME"])]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "salus.settings", "PYTHONPATH": str(ROOT)}
    started = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT)
    assert started.stdout is not None and started.stdout.readline() == "ready\n"
    return started


def test_killed_at_any_moment(tmp_path: Path) -> None:
    world = World()
    people = [Write("Patient", f"p{n}", {"gender": "male", "name": [{"family": "张"}]}) for n in range(300)]
    world.write(*people)
    world.write(
        *[
            Write("Observation", f"o{n}", {"status": "final", "subject": {"reference": f"Patient/p{n}"}})
            for n in range(300)
        ]
    )
    world.step()
    world.write(*[Write("Patient", f"p{n}", {"gender": "female"}) for n in range(0, 300, 3)])
    world.remember()
    refresh(tmp_path, VIEWS, grace=0)
    chance = random.Random(20260101)
    for _ in range(KILLS):
        process = writer(tmp_path)
        time.sleep(chance.uniform(0, 1))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout and process.stdout.close()
        present = Folder(tmp_path).current()
        assert present is not None
        for file in present.files():
            assert pq.ParquetFile(tmp_path / file.path).metadata.num_rows == file.rows
        assert told(tmp_path, present, None) == world.standing(), "what was published is whole"
    after = refresh(tmp_path, VIEWS, grace=0)
    assert told(tmp_path, after, None) == world.standing()
    left = {str(p.relative_to(tmp_path)) for p in (tmp_path / "tables").glob("*/*")}
    assert left == {f.path for f in after.files()}, "nothing of the killed is left"
    connections.close_all()
