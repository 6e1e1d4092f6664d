"""One row of a table becomes resources."""

from collections.abc import Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Any

import orjson

from salus.connect.errors import Untranslatable
from salus.connect.tabular import times
from salus.connect.tabular.mapping import Table, mapping_of
from salus.connect.tabular.values import Cells, Template
from salus.connect.translation import Entry, SourceProfile, Translation


def row_bytes(
    table: str, cells: Mapping[str, str | None], file_name: str, row: int, fault: str = ""
) -> bytes:
    """Return a row as it is kept: JSON with its table, file, row number and cells as they were written.

    `fault` is the code of what made the row unreadable; a person who corrects the cells takes it away.
    """
    kept = {"table": table, "file": file_name, "row": row, "cells": cells}
    return orjson.dumps({**kept, "fault": fault} if fault else kept)


def row_digest(table: Table, cells: Mapping[str, str | None], stated: datetime | None) -> bytes:
    """Return the 16 bytes that make two rows one message: table, cells, and the file's date if it counts."""
    day = stated.isoformat() if stated is not None else None
    return blake2b(orjson.dumps([table.name, cells, day]), digest_size=16).digest()


def file_time(table: Table, file_name: str) -> datetime | None:
    """Return the date that the file's name states, if the mapping takes it from there.

    Raises Untranslatable if the name should hold a date and does not.
    """
    if table.time_from_file is None:
        return None
    match = table.time_from_file.search(file_name)
    moment = times.read_moment(match[1], (*table.dates, "%Y%m%d", "%Y%m"), table.zone) if match else None
    if moment is None:
        raise Untranslatable("no-file-date", "the file's name holds no date where the mapping expects one")
    return times.aware(moment, table.zone)


def _row_time(table: Table, cells: Cells) -> datetime | None:
    if table.time is None:
        return None
    text = cells.get(table.time)
    if text is None:
        return None
    moment = times.read_moment(text, table.dates, table.zone)
    if moment is None:
        raise Untranslatable(
            "not-a-date", "the row's time is in none of the mapping's formats", where=table.time
        )
    return times.aware(moment, table.zone)


def translate_row(
    table: Table,
    cells: Mapping[str, str | None],
    *,
    file_name: str = "",
    row: int = 0,
    stated: datetime | None = None,
) -> Translation:
    """Return what a row becomes.

    `cells` are texts as written; `stated` is the time that the file's name gives.
    Raises Untranslatable with the column and element where the row does not fit its mapping.
    """
    missing = table.missing
    values: dict[str, str | None] = {"$file": file_name, "$row": str(row)}
    for name, cell in cells.items():
        text = cell.strip() if cell is not None else None
        values[name] = None if text is None or text in missing else text
        if text and "\x00" in text:
            raise Untranslatable("control-character", "the cell holds a NUL character", where=name)
    for column in table.required:
        if values.get(column) is None:
            raise Untranslatable("missing-value", "a required column is empty", where=column)
    when = _row_time(table, values) or stated
    entries: list[Entry] = []
    for rule in table.resources:
        if not all(condition.holds(values) for condition in rule.when):
            continue
        local = rule.identifier.evaluate(values) if isinstance(rule.identifier, Template) else rule.identifier
        if local is None:
            raise Untranslatable("missing-value", "the id's column is empty", where=f"{rule.type}.id")
        body: dict[str, Any] = rule.elements.evaluate(values) or {}
        entries.append(Entry({"resourceType": rule.type, "id": str(local), **body}, rule.method, when))
    control = "|".join(values.get(column) or "" for column in table.key)
    return Translation(table.name, control[:200] or None, when, entries)


def translate(raw: bytes, source: SourceProfile) -> Translation:
    """Return what a kept row becomes under the source's present mapping (a replay after a mapping fix)."""
    try:
        kept = orjson.loads(raw)
        name, cells = kept["table"], kept["cells"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise Untranslatable("not-a-row", "this is not a row as the platform keeps it") from None
    if not isinstance(cells, dict) or not all(
        value is None or isinstance(value, str) for value in cells.values()
    ):
        raise Untranslatable("not-a-row", "a row's cells are texts", fix="Write every cell as text or null.")
    table = mapping_of(source).table(str(name))
    if fault := kept.get("fault"):
        raise Untranslatable(
            str(fault), "the row could not be read from its file", fix="Correct it and take the fault away."
        )
    file_name = str(kept.get("file", ""))
    return translate_row(
        table, cells, file_name=file_name, row=int(kept.get("row") or 0), stated=file_time(table, file_name)
    )
