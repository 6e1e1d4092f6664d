"""What can be asked of the lake itself: its tables, how fresh they are, what refreshes did."""

from pathlib import Path

from salus.record.lake.folder import Folder
from salus.record.lake.manifest import Manifest
from salus.record.lake.reading import root


def present(folder: Path | None = None) -> Manifest | None:
    """Return the present publication; None before the first."""
    return Folder(folder or root()).current()
