"""What can be done with the lake: build it, refresh it, compact it. The platform's own work."""

from pathlib import Path

from salus.kernel.errors import NotFound
from salus.record.lake import compaction, definitions
from salus.record.lake.folder import Folder
from salus.record.lake.manifest import Manifest
from salus.record.lake.reading import root
from salus.record.lake.refreshing import Progress, refresh


def _quiet(_step: str, _done: int, _total: int | None) -> None:
    return


def build(*, progress: Progress = _quiet, folder: Path | None = None) -> Manifest:
    """Build every table from all versions in the record."""
    return refresh(folder or root(), definitions.library(), anew=True, progress=progress)


def follow(*, progress: Progress = _quiet, folder: Path | None = None, wait: float = 0.0) -> Manifest:
    """Bring the lake up to the record; the first time, build it. Raises `Busy` while another does."""
    return refresh(folder or root(), definitions.library(), progress=progress, wait=wait)


def compact(*, progress: Progress = _quiet, folder: Path | None = None) -> Manifest:
    """Fold all segments and closings into base files."""
    place = Folder(folder or root())
    with place.writing():
        present = place.current()
        if present is None:
            raise NotFound("lake-none", "There is no lake yet", fix="Run salus lake build")
        manifest = compaction.compact(place, present, everything=True, progress=progress)
        place.sweep()
    return manifest
