"""What loading a file would do, row by row, with nothing stored."""

from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

from salus.connect.errors import Untranslatable
from salus.connect.files import guess_format, items_of
from salus.connect.loading import preview_file
from salus.connect.models import Format
from salus.connect.preparing import Prepared, prepare
from salus.connect.profiles import translate
from salus.connect.receipts import Incoming
from salus.connect.sources import read_mapping, source_named
from salus.connect.tabular.mapping import read_toml
from salus.connect.translation import SourceProfile
from salus.kernel.errors import SalusError

Rows = list[dict[str, Any]]


def check_file(
    path: Path, *, source: str = "", mapping: Path | None = None, form: str | None = None, limit: int = 2000
) -> tuple[Rows, Counter[str]]:
    """Return a row a message (columns: `terminal.CHECK_COLUMNS`) and the counts by what would happen.

    With a registered source alone the database is asked too, in transactions that are rolled back, so
    repeats show. With a mapping the file is only translated and validated, and needs no database.
    """
    if mapping is None:
        return _against_source(path, source, limit)
    profile = SourceProfile(
        code=source or "check",
        format=form or (guess_format([path]) or Format.CSV),
        mapping=read_toml(read_mapping(mapping)),
    )
    return _alone(path, profile, limit)


def _against_source(path: Path, source: str, limit: int) -> tuple[Rows, Counter[str]]:
    seen = preview_file(source_named(source), path, limit=limit)
    rows = [
        {
            "position": position,
            "would": receipt.status,
            "kind": receipt.kind,
            "control_id": receipt.control_id,
            "resources": receipt.resources,
            "reason_code": receipt.code if receipt.status == "dead" else "",
            "reason": receipt.reason if receipt.status == "dead" else "",
            "where": receipt.where,
            "warnings": "; ".join(receipt.warnings),
        }
        for position, receipt in seen.rows
    ]
    return rows, seen.counts


def _alone(path: Path, profile: SourceProfile, limit: int) -> tuple[Rows, Counter[str]]:
    rows: Rows = []
    counts: Counter[str] = Counter()
    seen: set[bytes] = set()
    for item in islice(items_of(path, profile), limit):
        incoming = item.incoming
        row: dict[str, Any] = {"position": incoming.position}
        key = incoming.digest or incoming.raw
        try:
            prepared = _understood(incoming, profile)
            row |= {
                "would": "repeated" if key in seen else "stored",
                "kind": prepared.kind,
                "control_id": prepared.control_id,
                "resources": len(prepared.writes),
                "warnings": "; ".join(prepared.warnings),
            }
        except SalusError as fault:
            row |= {
                "would": "repeated" if key in seen else "dead",
                "kind": getattr(fault, "kind", ""),
                "reason_code": fault.code,
                "reason": f"{fault.message} {fault.fix}".strip(),
                "where": fault.where,
            }
        seen.add(key)
        counts[row["would"]] += 1
        rows.append(row)
    return rows, counts


def _understood(incoming: Incoming, profile: SourceProfile) -> Prepared:
    given = incoming.translation
    if isinstance(given, Untranslatable):
        raise given
    return prepare(profile.code, given if given is not None else translate(incoming.raw, profile))
