"""The lake's folder: publication in one step, one writer at a time, files kept while a reader needs them.

A publication is a new file CURRENT put in the place of the old one by rename, after everything it leads
to is on disk: whoever is killed before leaves the old publication, after it the new one. The lock and the
readers' pins are locks of the operating system on open files: they end with the process that held them.
"""

import fcntl
import os
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from salus.kernel.errors import Conflict
from salus.record.lake import manifest as manifests
from salus.record.lake.manifest import LakeDamaged, Manifest

GRACE = 3600.0
"""Seconds for which a publication is kept after a newer one took its place."""


class Busy(Conflict):
    """Another process writes the lake."""


class Folder:
    """The lake of one installation, by its folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.manifests = root / "manifest"
        self.tables = root / "tables"
        self.pins = root / "pins"
        self.work = root / "work"

    def prepare(self) -> None:
        """Make the folders, readable by their owner only."""
        for folder in (self.root, self.manifests, self.tables, self.pins, self.work):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def current(self) -> Manifest | None:
        """Return the present publication; None before the first."""
        for _ in range(5):
            try:
                name = (self.root / "CURRENT").read_text("ascii").strip()
            except FileNotFoundError:
                return None
            try:
                return manifests.decode((self.manifests / name).read_bytes(), name)
            except FileNotFoundError:
                continue  # swept between our two looks: a newer one is there
        raise LakeDamaged(
            "lake-manifest",
            "The manifest that CURRENT names is not there",
            fix="Remove the lake's folder and build it again: it holds nothing of its own",
        )

    def publish(self, manifest: Manifest) -> None:
        """Make a manifest the present one; every file it names must be on disk (`synced`) already."""
        place = self.manifests / manifests.file_name(manifest.number)
        _write(place, manifests.encode(manifest))
        sync_folder(self.manifests)
        _write(self.root / "CURRENT", place.name.encode())
        sync_folder(self.root)

    def new_path(self, table: str, number: int, part: str) -> tuple[str, Path]:
        """Return a fresh name for a file of a table: within the lake, and its whole path."""
        name = f"tables/{table}/{number:09}-{part}-{uuid.uuid4().hex[:8]}.parquet"
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return name, path

    def sync_tables(self, names: Iterable[str]) -> None:
        """Have the disk hold the names of new files."""
        for folder in {(self.root / name).parent for name in names}:
            sync_folder(folder)
        sync_folder(self.tables)

    @contextmanager
    def writing(self, *, wait: float = 0.0) -> Iterator[None]:
        """Be the only writer; raises `Busy` if another is still at it after `wait` seconds."""
        self.prepare()
        with (self.root / "lock").open("a") as file:
            until = time.monotonic() + wait
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= until:
                        raise Busy(
                            "lake-busy", "The lake is being written already", fix="Try again in a while"
                        ) from None
                    time.sleep(0.05)
            yield

    @contextmanager
    def reading(self) -> Iterator[Manifest | None]:
        """Hold the present publication's files in place while reading them; None before the first."""
        self.prepare()
        while True:
            found = self.current()
            if found is None:
                yield None
                return
            pin = self.pins / f"{found.number:09}-{uuid.uuid4().hex}"
            with pin.open("w") as file:
                fcntl.flock(file, fcntl.LOCK_SH)
                if not (self.manifests / manifests.file_name(found.number)).exists():
                    pin.unlink(missing_ok=True)
                    continue
                try:
                    yield found
                finally:
                    pin.unlink(missing_ok=True)
                return

    def sweep(self, *, grace: float = GRACE) -> int:
        """Remove old publications and the files that none names; only for the writer. Returns how many files.

        Kept are the present publication, those younger than `grace` seconds, and those that readers pin.
        """
        present = self.current()
        keep = self._pinned()
        if present is not None:
            keep.add(present.number)
        named: set[str] = set()
        horizon = time.time() - grace
        for path in sorted(self.manifests.iterdir()):
            number = manifests.number_of(path)
            newer = present is not None and number is not None and number > present.number
            if number is None or newer:
                path.unlink(missing_ok=True)  # written, never published
                continue
            if number in keep or _superseded_at(self.manifests, number) > horizon:
                named |= {file.path for file in manifests.decode(path.read_bytes(), path.name).files()}
            else:
                path.unlink(missing_ok=True)
        gone = 0
        for path in self.tables.glob("*/*"):
            if str(path.relative_to(self.root)) not in named:
                path.unlink(missing_ok=True)
                gone += 1
        for folder in self.tables.iterdir():
            with suppress(OSError):
                folder.rmdir()  # only if it is empty
        for path in self.work.iterdir():  # what a killed writer was at
            shutil.rmtree(path, ignore_errors=True)
        return gone

    def _pinned(self) -> set[int]:
        found = set()
        for path in self.pins.iterdir():
            try:
                with path.open("r+") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink(missing_ok=True)  # its reader is gone
            except BlockingIOError:
                found.add(int(path.name[:9]))
            except FileNotFoundError:
                continue
        return found


def _superseded_at(folder: Path, number: int) -> float:
    """Return when the publication after this one was written; far in the future for the last."""
    following = [p for p in folder.iterdir() if (n := manifests.number_of(p)) is not None and n > number]
    return min((p.stat().st_mtime for p in following), default=float("inf"))


def _write(path: Path, content: bytes) -> None:
    made = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    with made.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(made, path)


def sync_folder(folder: Path) -> None:
    """Have the disk hold a folder's names."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
