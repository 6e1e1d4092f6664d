"""Columns on their way into a table of the library: texts, days, minutes and numbers as its types say."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cache, lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa

from salus.city.facts import Ints
from salus.city.identity import EPOCH
from salus.city.people import NEVER
from salus.city.sheets import Texts
from salus.record.views import library

TYPES = {"boolean": pa.bool_(), "integer": pa.int32(), "decimal": pa.decimal128(38, 12)}
"""Arrow types by the FHIR type of a column; all others, times too, are text as FHIR writes them."""


@cache
def schema(table: str) -> pa.Schema:
    """Return the Arrow schema of a table of the library."""
    columns = library.columns(library.view(table))
    return pa.schema([(c["name"], TYPES.get(c["type"], pa.string())) for c in columns])


def frame(table: str, columns: Mapping[str, Any], rows: int) -> pa.Table:
    """Return a table of the library; columns that are not given hold nothing."""
    wanted = schema(table)
    unknown = columns.keys() - set(wanted.names)
    if unknown:
        raise KeyError(f"{table} has no column {', '.join(sorted(unknown))}")
    made = []
    for field in wanted:
        values = columns.get(field.name)
        if values is None:
            made.append(pa.nulls(rows, field.type))
        else:
            made.append(values if isinstance(values, pa.Array) else told(values, field.type))
    return pa.table(made, schema=wanted)


def told(values: Any, kind: pa.DataType | None = None) -> pa.Array:
    """Return texts as an Arrow array; empty ones are null."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "OU":
        return pa.array(values, type=kind or pa.string(), mask=np.asarray(values == "", dtype=bool))
    return pa.array(values, type=kind)


def chosen(values: Sequence[str], index: Ints) -> pa.Array:
    """Return one of a few texts a row; "" becomes null."""
    dictionary = pa.array([value or None for value in values], type=pa.string())
    return dictionary.take(pa.array(index))


def days(day: Ints) -> pa.Array:
    """Return day numbers as FHIR dates; NEVER is null."""
    dates = pa.array(day.astype(np.int32), mask=np.asarray(day == NEVER)).cast(pa.date32())
    return dates.cast(pa.string())


@lru_cache(maxsize=4_096)
def _day(day: int) -> str:
    return (EPOCH + timedelta(days=day)).isoformat()


_CLOCKS = [f"T{minute // 60:02d}:{minute % 60:02d}:00+08:00" for minute in range(1440)]


def moments(minute: Ints, known: Any = None) -> pa.Array:
    """Return minutes (the city's time) as FHIR dateTimes; those not `known` are null."""
    values = [_day(m // 1440) + _CLOCKS[m % 1440] for m in minute.tolist()]
    return pa.array(values, mask=None if known is None else ~np.asarray(known, dtype=bool))


def server_ids(source: Sequence[str], kind: str, local: Sequence[str] | Texts, where: Ints) -> list[str]:
    """Return the ids under which the record stores resources (docs/adr/0002).

    `source` holds the systems' codes, `where` the system of each row.
    """
    heads = [f"{code}\x1f{kind}\x1f" for code in source]
    digests = bytearray(
        b"".join([
            blake2b((heads[s] + one).encode(), digest_size=16).digest()
            for s, one in zip(where.tolist(), local, strict=True)
        ])
    )  # fmt: skip
    table = np.frombuffer(digests, dtype=np.uint8).reshape(-1, 16)
    table[:, 6] = table[:, 6] & 0x0F | 0x80
    table[:, 8] = table[:, 8] & 0x3F | 0x80
    h = table.tobytes().hex()
    return [
        f"{h[i : i + 8]}-{h[i + 8 : i + 12]}-{h[i + 12 : i + 16]}-{h[i + 16 : i + 20]}-{h[i + 20 : i + 32]}"
        for i in range(0, len(h), 32)
    ]
