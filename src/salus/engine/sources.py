"""Files that become tables: which format they are in, and how a result takes its place on disk."""

import ctypes
import glob
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

from salus.engine.contract import BadStatement, Format

_ENDINGS: dict[str, Format] = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
}
_RENAME_EXCHANGE = 2  # linux/fs.h
_AT_FDCWD = -100  # linux/fcntl.h


def located(source: str | Path | Sequence[str | Path], format: Format | None) -> tuple[list[str], Format]:
    """Return the files of a source, absolute and in order, and the format they are in.

    A folder stays a folder, for its partitions are read from its path. Raises `BadStatement` if no
    file is there, or if the format is not given and the endings do not tell it.
    """
    given = [source] if isinstance(source, str | Path) else list(source)
    paths: list[str] = []
    for one in map(str, given):
        found = [one] if os.path.exists(one) else sorted(glob.glob(one, recursive=True))
        if not found:
            raise BadStatement("engine-source", f"no file {one}", fix="Check the path or the pattern.")
        paths += [os.path.abspath(path) for path in found]
    if not paths:
        raise BadStatement("engine-source", "the source names no file", fix="Name at least one.")
    formats = {format or _format(path) for path in paths}
    told = formats.pop()
    if formats or told is None:
        raise BadStatement(
            "engine-format",
            f"the ending of {paths[0]} does not tell its format, or the files differ in theirs",
            fix=f"Give the format: {', '.join(get_args(Format))}.",
        )
    return paths, told


def _format(path: str) -> Format | None:
    if os.path.isdir(path):
        return "parquet"
    return _ENDINGS.get(Path(path.removesuffix(".gz")).suffix.lower())


@contextmanager
def placed(path: str | Path) -> Iterator[Path]:
    """Yield a place to write a file or folder, and put it at `path` in one step if the block succeeds.

    What stood at `path` stays whole until then; of a killed block only a hidden folder beside it is
    left, which the next writer of the same path removes.
    """
    target = Path(path).absolute()
    target.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{target.name}.writing-"
    for left in target.parent.glob(glob.escape(prefix) + "*"):
        if not _alive(left.name.removeprefix(prefix).partition("-")[0]):
            shutil.rmtree(left, ignore_errors=True)
    workshop = Path(tempfile.mkdtemp(prefix=f"{prefix}{os.getpid()}-", dir=target.parent))
    try:
        made = workshop / target.name
        yield made
        _sync(made)
        _take_place(made, target, workshop)
        _sync_folder(target.parent)
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


def _alive(pid: str) -> bool:
    """Say whether the process that left a workshop still runs."""
    if not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _take_place(made: Path, target: Path, workshop: Path) -> None:
    if not target.is_dir() and not made.is_dir():
        os.replace(made, target)  # one step by itself
    elif not target.exists():
        os.rename(made, target)
    elif not _exchange(made, target):  # a folder cannot replace a folder that holds files
        os.rename(target, workshop / ".old")
        os.rename(made, target)


def _exchange(made: Path, target: Path) -> bool:
    """Swap two paths in one step where the system can (Linux); say whether it did."""
    if not sys.platform.startswith("linux"):
        return False
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    done: int = rename(_AT_FDCWD, os.fsencode(made), _AT_FDCWD, os.fsencode(target), _RENAME_EXCHANGE)
    return done == 0


def _sync(made: Path) -> None:
    """Have the disk hold what was written before its name says so."""
    if made.is_dir():
        for folder, _, files in os.walk(made):
            for name in files:
                _sync_file(Path(folder) / name)
            _sync_folder(Path(folder))
    else:
        _sync_file(made)


def _sync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
