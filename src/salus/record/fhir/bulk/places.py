"""Where exports lie on the disk."""

import shutil
from pathlib import Path

from django.conf import settings


def folder_of(key: object) -> Path:
    """Return an export's folder, readable by the platform's user only."""
    return Path(settings.DATA_DIR) / "bulk" / "export" / str(key)


def remove(key: object) -> None:
    """Delete an export's files."""
    shutil.rmtree(folder_of(key), ignore_errors=True)
