"""What runs by itself: pulls when due, the watch folder, notices when a source's error rate rises."""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db.models import Q
from django.utils.translation import gettext_noop

from salus.connect import pulling
from salus.connect.loading import load_file
from salus.connect.models import Load, SourceSystem, Via
from salus.connect.queries import error_rate
from salus.kernel.jobs import periodic
from salus.kernel.models import Role
from salus.kernel.notifications import notify_role

_SETTLED_SECONDS = 5.0
_LEAST_MESSAGES = 20
_NOTICE_AGAIN = timedelta(hours=6)
_SILENT_LOAD = timedelta(hours=12)


def inbox() -> Path:
    """Return the watch folder: one folder a source, named by its code, under the data folder."""
    return Path(settings.DATA_DIR) / "inbox"


@periodic(every=15, name="connect.pulls")
def run_due_pulls() -> int:
    """Run the database pulls whose time has come; returns how many ran."""
    schedules = pulling.due(datetime.now(UTC))
    for schedule in schedules:
        pulling.run_pull(schedule)
    return len(schedules)


@periodic(every=10, name="connect.inbox")
def take_inbox() -> int:
    """Load what lies in the watch folder and move it to `done` or `failed` there; returns how many files.

    A file is taken when nothing has been written to it for a few seconds and its name does not end in
    `.part` or `.tmp`. A file that was cut off by a restart is simply loaded again: repeats change nothing.
    """
    root = inbox()
    taken = 0
    if not root.is_dir():
        return taken
    sources = {source.code: source for source in SourceSystem.objects.filter(active=True)}
    for folder in sorted(root.iterdir()):
        source = sources.get(folder.name)
        if source is None or not folder.is_dir():
            continue
        for path in sorted(folder.iterdir()):
            if not _ready(path):
                continue
            load = load_file(source, path, via=Via.INBOX)
            target = folder / ("done" if load.state == Load.State.DONE else "failed")
            target.mkdir(exist_ok=True)
            os.replace(path, target / f"{load.pk}-{path.name}")
            taken += 1
    return taken


def _ready(path: Path) -> bool:
    if not path.is_file() or path.name.startswith(".") or path.suffix in {".part", ".tmp"}:
        return False
    return time.time() - path.stat().st_mtime >= _SETTLED_SECONDS


@periodic(every=300, name="connect.error-rates")
def watch_error_rates() -> int:
    """Tell integrators about sources whose share of dead letters in the last hour is over their limit."""
    now = datetime.now(UTC)
    told = 0
    heard = SourceSystem.objects.filter(active=True, last_heard__gte=now - timedelta(hours=1))
    for source in heard.filter(Q(noticed_at=None) | Q(noticed_at__lt=now - _NOTICE_AGAIN)):
        recent = source.messages.filter(received_at__gte=now - timedelta(hours=1)).count()
        rate = error_rate(source)
        if recent < _LEAST_MESSAGES or rate is None or rate <= source.error_rate_limit:
            continue
        notify_role(
            Role.INTEGRATOR,
            "connect.error-rate",
            gettext_noop("%(percent)s %% of the last hour's messages of %(source)s could not be understood"),
            {"percent": f"{rate * 100:.1f}", "source": source.code},
            link="/connect/dead-letters?source=" + source.code,
            key=f"connect.error-rate:{source.code}:{now:%Y%m%d%H}",
        )
        SourceSystem.objects.filter(pk=source.pk).update(noticed_at=now)
        told += 1
    return told


@periodic(every=3600, name="connect.silent-loads")
def close_silent_loads() -> int:
    """Mark loads that a killed process left running as failed; loading the file again goes on."""
    stale = Load.objects.filter(state=Load.State.RUNNING, started_at__lt=datetime.now(UTC) - _SILENT_LOAD)
    return stale.update(state=Load.State.FAILED, failure="interrupted", finished_at=datetime.now(UTC))
