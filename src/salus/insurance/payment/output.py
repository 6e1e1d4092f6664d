"""What a settlement writes: a folder of Parquet tables and a description, put in place by one rename."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from salus.insurance.payment.closing import Line, MonthlyPayment, Pool
from salus.insurance.payment.reading import Fault
from salus.kernel.errors import Conflict

DESCRIPTION = "settlement.json"
_MONEY = pa.int64()
LINES = pa.schema(
    [("institution", pa.string()), ("insured", pa.string())]
    + [
        (name, _MONEY)
        for name in (
            "cases", "points", "by_group", "by_item", "kept", "borne", "cut", "entitled", "deposit",
            "forfeited", "advance", "monthly", "paid", "final",
        )
    ]
)  # fmt: skip
POOLS = pa.schema(
    [("insured", pa.string())]
    + [(name, _MONEY) for name in ("budget", "reserve", "paid", "forfeited", "reserve_used", "left")]
)
MONTHS = pa.schema(
    [("institution", pa.string()), ("insured", pa.string()), ("month", pa.date32())]
    + [(name, _MONEY) for name in ("cases", "amount", "deposit", "paid")]
)
FAULTS = pa.schema(
    [
        ("row", pa.int64()),
        ("code", pa.string()),
        ("field", pa.string()),
        ("what", pa.string()),
        ("fix", pa.string()),
    ]
)


@contextmanager
def folder(out: Path) -> Iterator[Path]:
    """Give a folder beside `out` to write into; when all went well it becomes `out`, else it is removed.

    Raises:
        Conflict: something is at `out` already: results are never overwritten.
    """
    if out.exists():
        raise Conflict(
            "settlement-exists", "The result's place is taken", where=str(out.name), fix="Name another"
        )
    staged = out.with_name(f".{out.name}.{os.getpid()}")
    staged.mkdir(parents=True)
    try:
        yield staged
        staged.rename(out)
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def write(path: Path, table: pa.Table) -> None:
    """Write a table as one Parquet file."""
    pq.write_table(table, path, compression="zstd")


def lines_table(lines: Sequence[Line]) -> pa.Table:
    """Return the year's lines as a table (`LINES`)."""
    rows = [asdict(line) | {"paid": line.paid, "final": line.final} for line in lines]
    return pa.Table.from_pylist(rows, LINES)


def pools_table(pools: Sequence[Pool]) -> pa.Table:
    """Return the budgets' pools as a table (`POOLS`)."""
    return pa.Table.from_pylist([asdict(pool) | {"left": pool.left} for pool in pools], POOLS)


def months_table(payments: Sequence[MonthlyPayment]) -> pa.Table:
    """Return monthly payments as a table (`MONTHS`)."""
    return pa.Table.from_pylist([asdict(one) | {"paid": one.paid} for one in payments], MONTHS)


def faults_table(faults: Sequence[Fault]) -> pa.Table:
    """Return rows' faults as a table (`FAULTS`); it names rows of the file, never a resident."""
    rows = []
    for fault in faults:
        error = fault.error()
        rows.append(asdict(fault) | {"what": error.message, "fix": error.fix})
    return pa.Table.from_pylist(rows, FAULTS)


def describe(staged: Path, facts: Mapping[str, Any]) -> None:
    """Write the description: what was settled by which parameters, and the digest of each file."""
    files = {path.name: digest(path) for path in sorted(staged.glob("*.parquet"))}
    text = json.dumps(plain({**facts, "files": files}), ensure_ascii=False, indent=2, sort_keys=True)
    (staged / DESCRIPTION).write_text(text + "\n", encoding="utf-8")


def digest(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def plain(value: Any) -> Any:
    """Return a value as JSON holds it: dates and fractions as text, dataclasses as mappings."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, date | Fraction):
        return str(value)
    return value
