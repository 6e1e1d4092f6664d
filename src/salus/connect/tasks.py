"""What a worker does for the pages: load an upload, undo a load, replay dead letters."""

from pathlib import Path

from django_tasks import task

from salus.connect import dead_letters
from salus.connect.loading import load_file
from salus.connect.models import Load, SourceSystem, Via
from salus.connect.undoing import undo_load
from salus.kernel.models import Account


@task()
def load_upload(source_id: int, path: str, name: str, account_id: int) -> int:
    """Load an uploaded file and remove it; returns the load's number."""
    place = Path(path)
    try:
        account = Account.objects.get(pk=account_id)
        load = load_file(
            SourceSystem.objects.get(pk=source_id), place, via=Via.PAGE, name=name, started_by=account
        )
    finally:
        place.unlink(missing_ok=True)
    return int(load.pk)


@task()
def undo(load_id: int, actor: str) -> None:
    """Undo a load."""
    undo_load(Load.objects.get(pk=load_id), actor=actor)


@task()
def replay(source: str, reason: str, actor: str) -> int:
    """Replay the open dead letters of a source or reason; returns how many were stored."""
    return dead_letters.replay(dead_letters.open_letters(source=source, reason=reason), actor=actor).stored
