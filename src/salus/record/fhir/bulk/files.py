"""Writing a file of an export: plain and packed at once, under a name that nobody reads until it is whole."""

import gzip
import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

PACKING = 1  # of gzip: the files are read once or twice


@dataclass(frozen=True, slots=True)
class Made:
    """A file that lies whole on the disk: its resources, bytes plain and packed, SHA-256 of the plain."""

    name: str
    count: int
    size: int
    packed_size: int
    digest: str


class Draft:
    """A file being written: `<name>.part` until `publish`."""

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder, self._name = folder, name
        self._plain = (folder / f"{name}.part").open("wb", buffering=1 << 18)
        self._packed_file = (folder / f"{name}.gz.part").open("wb", buffering=1 << 18)
        self._packed = gzip.GzipFile(
            filename="", mode="wb", fileobj=self._packed_file, compresslevel=PACKING, mtime=0
        )
        self._digest = hashlib.sha256()
        self.count = 0
        self.size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()
        for suffix in (".part", ".gz.part"):
            (self._folder / (self._name + suffix)).unlink(missing_ok=True)

    def write(self, lines: Iterable[bytes]) -> None:
        """Add lines; none may hold a line break."""
        given = list(lines)
        if not given:
            return
        text = b"\n".join(given) + b"\n"
        self._plain.write(text)
        self._packed.write(text)
        self._digest.update(text)
        self.count += len(given)
        self.size += len(text)

    def publish(self) -> Made:
        """Bring the file to the disk under its own name; a file left by an interrupted run is replaced."""
        self._packed.close()
        for file in (self._plain, self._packed_file):
            file.flush()
            os.fsync(file.fileno())
        self._close()
        target = self._folder / self._name
        packed = self._folder / f"{self._name}.gz"
        os.replace(f"{packed}.part", packed)
        os.replace(f"{target}.part", target)
        directory = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
        return Made(self._name, self.count, self.size, packed.stat().st_size, self._digest.hexdigest())

    def _close(self) -> None:
        self._packed.close()
        self._packed_file.close()
        self._plain.close()
