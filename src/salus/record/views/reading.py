"""FHIR files as batches of JSON texts: NDJSON, Bundles and single resources, gzipped or not.

Lines are cut, not parsed: a block of bytes becomes an Arrow column by its newlines alone, so a file of any
size is read in bounded memory and every text knows its file and line.
"""

import gzip
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np
import pyarrow as pa

from salus.kernel.errors import Invalid

BLOCK = 4 * 1024 * 1024
MOST_BYTES = 512 * 1024 * 1024
"""Of one `.json` file or one line."""
SCHEMA = pa.schema([("body", pa.large_string()), ("file", pa.int32()), ("line", pa.int64())])
_LINES = (".ndjson", ".jsonl")
_BOM = b"\xef\xbb\xbf"


class _Entry(msgspec.Struct):
    resource: msgspec.Raw = msgspec.Raw()


class _Bundle(msgspec.Struct):
    resourceType: str = ""
    entry: list[_Entry] | None = None


@dataclass(slots=True)
class Rejected:
    """A text that is no resource: its file's place in the list of files, its line (0: the file), and why."""

    file: int
    line: int
    reason: str
    text: bytes


@dataclass(slots=True)
class Files:
    """Files to be read, one after another; `rejected` fills while they are.

    `progress` is told how many bytes were read since it was told before.
    """

    paths: list[Path]
    progress: Callable[[int], None] = lambda _: None
    rejected: list[Rejected] = field(default_factory=list)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the texts as batches of `SCHEMA`."""
        self.rejected = []
        for number, path in enumerate(self.paths):
            name = path.name.removesuffix(".gz")
            if name.endswith(".json"):
                whole = self._whole(path, number)
                if whole is not None:
                    yield from whole
                    continue
            with _opened(path) as file:
                yield from self._lines(file, number)

    def _whole(self, path: Path, number: int) -> list[pa.RecordBatch] | None:
        """Return the resources of a `.json` file, None where it holds one resource a line."""
        with _opened(path) as file:
            raw = file.read(MOST_BYTES + 1)
        if len(raw) > MOST_BYTES:
            raise Invalid("view-data", "The file is too large to be read at once", where=str(path))
        raw = raw.removeprefix(_BOM)
        try:
            texts = resources(raw)
        except msgspec.DecodeError:
            return None
        self.progress(path.stat().st_size)
        found = []
        for first in range(0, len(texts), 1000):
            some = texts[first : first + 1000]
            try:
                column = pa.array([one.decode() for one in some], pa.large_string())
            except UnicodeDecodeError:
                self.rejected.append(Rejected(number, 0, "not UTF-8", raw[:1000]))
                continue
            found.append(_batch(column, number, np.arange(first + 1, first + 1 + len(some))))
        return found

    def _lines(self, file: IO[bytes], number: int) -> Iterator[pa.RecordBatch]:
        left = b""
        line = 1
        first = True
        while True:
            block = file.read(BLOCK)
            if first:
                block, first = block.removeprefix(_BOM), False
            self.progress(len(block))
            if not block:
                break
            left += block
            end = left.rfind(b"\n")
            if end < 0:
                if len(left) > MOST_BYTES:
                    raise Invalid("view-data", f"Line {line} is too long", where=str(self.paths[number]))
                continue
            yield from self._cut(left[: end + 1], number, line)
            line += left.count(b"\n", 0, end + 1)
            left = left[end + 1 :]
        if left.strip():
            yield from self._cut(left + b"\n", number, line)

    def _cut(self, block: bytes, number: int, line: int) -> Iterator[pa.RecordBatch]:
        """Yield the lines of a block that begin like an object; the others are rejected or blank."""
        codes = np.frombuffer(block, np.uint8)
        ends = np.flatnonzero(codes == 10) + 1
        starts = np.concatenate(([0], ends[:-1]))
        lines = np.arange(line, line + len(ends))
        offsets = np.concatenate(([0], ends)).astype(np.int64)
        column = pa.Array.from_buffers(
            pa.large_string(), len(ends), [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(block)]
        )
        sound = codes[starts] == ord("{")
        if not sound.all():
            for place in np.flatnonzero(~sound):
                text = block[starts[place] : ends[place]].strip()
                if text.startswith(b"{"):
                    sound[place] = True
                elif text:
                    self.rejected.append(Rejected(number, int(lines[place]), "not a JSON object", text))
            column, lines = column.filter(pa.array(sound)), lines[sound]
        try:
            column.validate(full=True)
        except pa.ArrowInvalid:
            column, lines = self._utf8(block, starts, ends, np.flatnonzero(sound), lines, number)
        if len(column):
            yield _batch(column, number, lines)

    def _utf8(
        self, block: bytes, starts: Any, ends: Any, places: Any, lines: Any, number: int
    ) -> tuple[Any, Any]:
        texts, kept = [], []
        for place, line in zip(places, lines, strict=True):
            raw = block[starts[place] : ends[place]]
            try:
                texts.append(raw.decode())
                kept.append(line)
            except UnicodeDecodeError:
                self.rejected.append(Rejected(number, int(line), "not UTF-8", raw.rstrip(b"\n")))
        return pa.array(texts, pa.large_string()), np.array(kept, np.int64)


def _batch(column: Any, file: int, lines: Any) -> pa.RecordBatch:
    files = pa.array(np.full(len(column), file, np.int32))
    return pa.record_batch([column, files, pa.array(lines.astype(np.int64))], schema=SCHEMA)


def _opened(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def resources(raw: bytes) -> list[bytes]:
    """Return the resources of a JSON document: a Bundle's, an array's, or the one that it is.

    Every resource keeps its own bytes. Raises `msgspec.DecodeError` where the document is not JSON.
    """
    start = raw.lstrip()[:1]
    if start == b"[":
        return [bytes(one) for one in msgspec.json.decode(raw, type=list[msgspec.Raw])]
    try:
        document = msgspec.json.decode(raw, type=_Bundle)
    except msgspec.ValidationError:
        # A property called `entry` of another resource
        msgspec.json.decode(raw, type=msgspec.Raw)
        return [raw]
    if document.resourceType == "Bundle" and document.entry is not None:
        return [bytes(one.resource) for one in document.entry if bytes(one.resource)]
    return [raw]


def found(paths: Iterable[Path]) -> list[Path]:
    """Return the FHIR files that paths name, folders searched; raises `Invalid` where one is not there."""
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(one for one in path.rglob("*") if one.is_file() and _fhir(one))
            if not inside:
                raise Invalid("view-data", "The folder holds no .ndjson or .json files", where=str(path))
            files += inside
        elif path.is_file():
            files.append(path)
        else:
            raise Invalid("view-data", "The file is not there", where=str(path))
    return files


def _fhir(path: Path) -> bool:
    name = path.name.removesuffix(".gz")
    return not name.startswith(".") and name.endswith((*_LINES, ".json"))


def stored(cursor: Any, kind: int, size: int = 20_000) -> Iterator[pa.RecordBatch]:
    """Yield the current versions of one type from a record store: rid, version and body.

    `cursor` is a DB-API cursor of the store's database, `kind` the type's number, `size` the rows fetched at
    once. For rows that leave the store the caller answers: policy and audit are not asked here.
    """
    schema = pa.schema([("rid", pa.int64()), ("version", pa.int32()), ("body", pa.large_string())])
    cursor.execute(
        f"select rid, version, body from record_resource where kind = {int(kind)} and not deleted"  # noqa: S608 - a number
        " and version > 0"
    )
    while rows := cursor.fetchmany(size):
        rids, versions, bodies = zip(*rows, strict=True)
        texts = pa.array(bodies, pa.large_binary()).cast(pa.large_string())
        yield pa.record_batch(
            [pa.array(rids, pa.int64()), pa.array(versions, pa.int32()), texts], schema=schema
        )
