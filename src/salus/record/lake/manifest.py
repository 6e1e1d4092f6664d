"""The manifest: which files make up all tables of one publication, at one position of the feed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from salus.kernel.errors import SalusError

FORMAT = 1
_NAME = re.compile(r"(\d{9})\.json")


class LakeDamaged(SalusError):
    """The lake's manifest is not there or cannot be read."""


class DataFile(msgspec.Struct, frozen=True, omit_defaults=True):
    """One Parquet file, by its path in the lake.

    `since` and `until` are the least and greatest `valid_from` (µs since 1970 UTC). `part` says what it
    holds: "segment", or of a base "open" (versions in force) or "past" (superseded ones).
    """

    path: str
    rows: int
    bytes: int
    since: int = 0
    until: int = 0
    part: str = "segment"
    bucket: int | None = None


class TableColumn(msgspec.Struct, frozen=True, omit_defaults=True):
    """One column as readers see it."""

    name: str
    type: str
    fhir_type: str = ""
    description: str = ""
    collection: bool = False


class Table(msgspec.Struct, frozen=True, omit_defaults=True):
    """A table's files. `refused` counts versions from which the view could make no row."""

    name: str
    resource_type: str
    fingerprint: str
    columns: tuple[TableColumn, ...]
    files: tuple[DataFile, ...] = ()
    description: str = ""
    refused: int = 0
    built: int = 0

    @property
    def rows(self) -> int:
        """How many row versions the files hold."""
        return sum(file.rows for file in self.files)

    @property
    def bytes(self) -> int:
        """The size of the files."""
        return sum(file.bytes for file in self.files)


class Run(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one publication did. `at` is µs since 1970 UTC; `rows` by table."""

    number: int
    at: int
    seconds: float
    kind: str
    lines: int = 0
    rows: dict[str, int] = {}
    rebuilt: tuple[str, ...] = ()


class Manifest(msgspec.Struct, frozen=True, omit_defaults=True):
    """All tables of one publication.

    `position` is how far the feed was read ("seq:9", or PostgreSQL's snapshot), `mark` the last line read
    (seq, rid, version, op), `store` which database it was, `read_at` when, `closings` the notes of
    superseded versions by resource type, `links` whose each patient record is.
    """

    number: int
    read_at: int
    position: str
    store: str
    mark: tuple[int, int, int, int] | None = None
    tables: dict[str, Table] = {}
    closings: dict[str, tuple[DataFile, ...]] = {}
    links: tuple[DataFile, ...] = ()
    runs: tuple[Run, ...] = ()
    format: int = FORMAT

    def files(self) -> Iterator[DataFile]:
        """Yield every file that the manifest names."""
        for table in self.tables.values():
            yield from table.files
        for closings in self.closings.values():
            yield from closings
        yield from self.links


def encode(manifest: Manifest) -> bytes:
    """Return a manifest as it is written."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1)


def decode(raw: bytes, where: str = "") -> Manifest:
    """Return a manifest as it was written; raises `LakeDamaged`."""
    try:
        found = msgspec.json.decode(raw, type=Manifest)
    except msgspec.MsgspecError:
        raise LakeDamaged("lake-manifest", "A manifest of the lake cannot be read", where=where) from None
    if found.format != FORMAT:
        raise LakeDamaged(
            "lake-format",
            "The lake was written by another version of the program",
            where=where,
            fix="Remove the folder and build the lake again: it holds nothing of its own",
        )
    return found


def file_name(number: int) -> str:
    """Return the name of a manifest's file."""
    return f"{number:09}.json"


def number_of(path: Path) -> int | None:
    """Return the number of a manifest by its file's name."""
    found = _NAME.fullmatch(path.name)
    return int(found[1]) if found else None
