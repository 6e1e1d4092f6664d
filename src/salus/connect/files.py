"""Files and folders read into messages, streamed: FHIR, HL7 v2, tables, documents, archives of these."""

import gzip
import io
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from zipfile import BadZipFile, ZipFile

from salus.connect.errors import Untranslatable
from salus.connect.profiles import format_of
from salus.connect.receipts import Incoming
from salus.connect.tabular.mapping import mapping_of
from salus.connect.tabular.rows import LARGEST_WORKBOOK, Row, file_rows, refuse_bomb
from salus.connect.tabular.translate import file_time, row_bytes, row_digest, translate_row
from salus.connect.translation import SourceProfile, Translation
from salus.kernel.errors import Invalid, NotFound

LARGEST_WHOLE = 256 * 1024 * 1024
LARGEST_LINE = 64 * 1024 * 1024
_BLOCK = 4 * 1024 * 1024
_FIRST_TYPES = (
    "Organization",
    "Location",
    "HealthcareService",
    "Practitioner",
    "PractitionerRole",
    "Patient",
)
_ENVELOPE_STARTS = (b"MSH", b"FHS", b"BHS")
_CODER_FAULTS = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError)


@dataclass(frozen=True, slots=True)
class Item:
    """One message of a file and how many of the file's bytes have been read with it."""

    incoming: Incoming
    read: int


def find_files(paths: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """Return the files to load, registers and patients before what refers to them, and those left out.

    Folders are searched through; a name with * ? or [ that is no file is a glob. Of a folder, texts about
    the files (README, LICENSE) are left out, as are hidden files; a file named itself never is.
    Raises NotFound for a path that is not there.
    """
    found: list[Path] = []
    left_out: list[Path] = []
    for path in paths:
        if path.is_dir():
            for inside in path.rglob("*"):
                hidden = any(part.startswith(".") for part in inside.relative_to(path).parts)
                if inside.is_file() and not hidden:
                    (left_out if _is_about(inside) else found).append(inside)
        elif path.is_file():
            found.append(path)
        else:
            matches = (
                sorted(Path(path.anchor or ".").glob(str(path.relative_to(path.anchor))))
                if _is_glob(path)
                else []
            )
            if not matches:
                raise NotFound("no-file", "there is no such file or folder", where=str(path))
            found.extend(match for match in matches if match.is_file())
    return sorted(dict.fromkeys(found), key=_loading_order), sorted(left_out)


def _is_about(path: Path) -> bool:
    return path.suffix.lower() in {".md", ".rst"} or path.stem.upper() in {
        "LICENSE",
        "LICENCE",
        "README",
        "NOTICE",
    }


def _is_glob(path: Path) -> bool:
    return any(letter in str(path) for letter in "*?[")


def _loading_order(path: Path) -> tuple[int, str]:
    stem = path.name.split(".")[0]
    return (_FIRST_TYPES.index(stem) if stem in _FIRST_TYPES else len(_FIRST_TYPES), str(path))


def shape_of(path: Path, name: str, profile: SourceProfile) -> str:
    """Return how a file is cut into messages: archive, gzip, workbook, table, ndjson, hl7v2 or whole.

    The content decides; the source's format only where the content does not tell.
    """
    with path.open("rb") as stream:
        start = stream.read(64 * 1024)
    if start.startswith(b"PK\x03\x04"):
        return "workbook" if _is_workbook(path) else "archive"
    if start.startswith(b"\x1f\x8b"):
        return "gzip"
    bare = start.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n\x0b\x1c")
    if bare.startswith(_ENVELOPE_STARTS) or start.startswith(
        (b"\xff\xfeM\x00S\x00H\x00", b"\xfe\xff\x00M\x00S\x00H")
    ):
        return "hl7v2"
    if bare.startswith((b"{", b"[")):
        return _json_shape(bare, name, path.stat().st_size > len(start))
    if bare.startswith(b"<"):
        return "whole"
    if profile.format in {"csv", "excel", "database"}:
        return "table"
    return "hl7v2" if profile.format == "hl7v2" else "whole"


def _json_shape(start: bytes, name: str, more: bool) -> str:
    if name.lower().endswith((".ndjson", ".jsonl")):
        return "ndjson"
    first, end, rest = start.partition(b"\n")
    if not end:
        return "whole"
    complete = first.rstrip().endswith(b"}") and len(first) > 2
    return (
        "ndjson" if complete and (rest.lstrip().startswith(b"{") or (more and not rest.strip())) else "whole"
    )


def _is_workbook(path: Path) -> bool:
    try:
        with ZipFile(path) as archive:
            return "xl/workbook.xml" in archive.namelist()
    except BadZipFile:
        return False


def items_of(
    path: Path,
    profile: SourceProfile,
    *,
    via: str = "file",
    load_id: int | None = None,
    name: str | None = None,
) -> Iterator[Item]:
    """Yield the messages of a file in order.

    Raises Invalid for a file that cannot be read at all as what it is (a missing column, a bomb).
    """
    shown = name or path.name
    shape = shape_of(path, shown, profile)
    if shape == "archive":
        yield from _archive(path, profile, via, load_id)
    elif shape == "gzip":
        yield from _gunzipped(path, profile, via, load_id, shown)
    elif shape in {"table", "workbook"}:
        yield from _table(path, profile, via, load_id, shown)
    elif shape == "ndjson":
        yield from _lines(path, via, load_id)
    elif shape == "hl7v2":
        yield from _hl7(path, via, load_id)
    else:
        yield from _whole(path, via, load_id)


def _whole(path: Path, via: str, load_id: int | None) -> Iterator[Item]:
    size = path.stat().st_size
    if size > LARGEST_WHOLE:
        raise Invalid("file-too-large", "one message of this size cannot be taken", fix="Send it as NDJSON.")
    yield Item(Incoming(path.read_bytes(), via=via, position=1, load_id=load_id), size)


def _lines(path: Path, via: str, load_id: int | None) -> Iterator[Item]:
    read = 0
    with path.open("rb") as stream:
        number = 0
        while line := stream.readline(LARGEST_LINE):
            number += 1
            read += len(line)
            raw = line.removeprefix(b"\xef\xbb\xbf").strip() if number == 1 else line.strip()
            if raw:
                yield Item(Incoming(raw, via=via, position=number, load_id=load_id), read)


def _hl7(path: Path, via: str, load_id: int | None) -> Iterator[Item]:
    from salus.connect.hl7v2 import split_messages

    number, read = 0, 0
    with path.open("rb") as stream:
        for block in _at_messages(stream):
            for raw in split_messages(block):
                number += 1
                yield Item(
                    Incoming(raw, via=via, position=number, load_id=load_id),
                    min(read + len(raw), read + len(block)),
                )
            read += len(block)


def _at_messages(stream: io.BufferedReader) -> Iterator[bytes]:
    """Yield the stream in blocks that end where a message begins; two-byte encodings in one piece."""
    held = stream.read(_BLOCK)
    if held.startswith((b"\xff\xfe", b"\xfe\xff")):
        yield held + stream.read(LARGEST_WHOLE)
        return
    while more := stream.read(_BLOCK):
        held += more
        cut = max(held.rfind(mark) for mark in (b"\rMSH", b"\nMSH", b"\x0bMSH")) + 1
        if cut > 0:
            yield held[:cut]
            held = held[cut:]
        elif len(held) > LARGEST_WHOLE:
            break
    if held:
        yield held


def _table(path: Path, profile: SourceProfile, via: str, load_id: int | None, name: str) -> Iterator[Item]:
    if not profile.mapping:
        raise Invalid(
            "no-mapping",
            "a table needs a mapping",
            where=name,
            fix="Give --mapping, or a mapping to the source.",
        )
    mapping = mapping_of(profile)
    with path.open("rb") as stream:
        for row in file_rows(stream, name, mapping):
            yield Item(row_incoming(row, name, via, load_id), stream.tell() if not stream.closed else 0)


def row_incoming(row: Row, name: str, via: str, load_id: int | None) -> Incoming:
    """Return a table's row as a message: translated already, or with what is wrong with it."""
    stated = None
    understood: Translation | Untranslatable
    try:
        if row.fault is not None:
            raise row.fault
        stated = file_time(row.table, name)
        understood = translate_row(row.table, row.cells, file_name=name, row=row.number, stated=stated)
    except Untranslatable as fault:
        fault.kind = row.table.name
        understood = fault
    except _CODER_FAULTS as fault:
        understood = Untranslatable("not-understood", f"the row could not be read ({type(fault).__name__})")
    return Incoming(
        row_bytes(row.table.name, row.cells, name, row.number, row.fault.code if row.fault else ""),
        via=via,
        position=row.number,
        load_id=load_id,
        translation=understood,
        digest=row_digest(row.table, row.cells, stated),
    )


def _gunzipped(
    path: Path, profile: SourceProfile, via: str, load_id: int | None, name: str
) -> Iterator[Item]:
    with gzip.open(path, "rb") as packed, _unpacked(packed, name) as inner:
        yield from items_of(inner, profile, via=via, load_id=load_id, name=name.removesuffix(".gz"))


def _archive(path: Path, profile: SourceProfile, via: str, load_id: int | None) -> Iterator[Item]:
    """Yield the messages of an archive's files. Names with .. or a root are never used as paths."""
    with ZipFile(path) as archive:
        refuse_bomb(archive)
        members = [info for info in archive.infolist() if not info.is_dir()]
        members.sort(key=lambda info: _loading_order(Path(PurePosixPath(info.filename).name)))
        for info in members:
            name = PurePosixPath(info.filename).name
            if not name or name.startswith(".") or "__MACOSX" in info.filename:
                continue
            if info.flag_bits & 1:
                raise Invalid(
                    "archive-locked", "the archive asks for a password", where=name, fix="Unpack it first."
                )
            with archive.open(info) as packed, _unpacked(packed, name) as inner:
                if shape_of(inner, name, profile) in {"archive", "gzip"}:
                    raise Invalid("nested-archive", "an archive inside an archive is not taken", where=name)
                yield from items_of(inner, profile, via=via, load_id=load_id, name=name)


@contextmanager
def _unpacked(packed: object, name: str) -> Iterator[Path]:
    """Give a packed file's content as a temporary file, stopping when it grows beyond reason."""
    handle, place = tempfile.mkstemp(prefix="salus-")
    try:
        written = 0
        with os.fdopen(handle, "wb") as target:
            while block := packed.read(1024 * 1024):  # type: ignore[attr-defined]
                written += len(block)
                if written > LARGEST_WORKBOOK:
                    raise Invalid("archive-too-large", "the file unpacks to an unreasonable size", where=name)
                target.write(block)
        yield Path(place)
    except (BadZipFile, EOFError, gzip.BadGzipFile) as fault:
        raise Invalid(
            "archive-damaged", "the archive is damaged", where=name, fix="Send it again."
        ) from fault
    finally:
        Path(place).unlink(missing_ok=True)


def guess_format(paths: Iterable[Path]) -> str:
    """Return the format that the first telling file shows, for a source that is made on load."""
    profile = SourceProfile("guess", "")
    for path in paths:
        shape = shape_of(path, path.name, profile)
        if shape == "workbook":
            return "excel"
        if shape in {"hl7v2", "ndjson"}:
            return "hl7v2" if shape == "hl7v2" else "fhir"
        with path.open("rb") as stream:
            shown = format_of(stream.read(65536), "")
        if shown:
            return shown
        if path.suffix.lower() in {".csv", ".tsv", ".txt"}:
            return "csv"
    return "fhir"
