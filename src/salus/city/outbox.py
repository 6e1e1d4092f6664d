"""What the source systems send: items in order of time, written to each system's folder in its own format."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import numpy as np

from salus.city.facts import rate
from salus.city.identity import EPOCH
from salus.city.layouts import TABLES, column
from salus.city.streams import substream
from salus.city.systems import Catalogue, System
from salus.city.workbook import workbook

Row = tuple[str, tuple[str, ...]]
Item = tuple[int, int, str, Row | None]
"""When it is sent (minute), its turn, its text, or its table and cells."""

HEAP = 1_440


@dataclass(slots=True)
class Planted:
    """What was planted in one block, for the truth."""

    repeated: list[dict[str, str]] = field(default_factory=list)
    malformed: list[dict[str, str]] = field(default_factory=list)
    late: list[dict[str, str]] = field(default_factory=list)


@dataclass(slots=True)
class Sent:
    """How many messages of one system a block sent, and how many of them are repeats or malformed."""

    received: int = 0
    repeated: int = 0
    malformed: int = 0


class Outbox:
    """Collects the items of one block and writes them."""

    def __init__(self, catalogue: Catalogue, block: int) -> None:
        self.catalogue = catalogue
        self.block = block
        self.items: list[list[Item]] = [[] for _ in catalogue.systems]
        self._turn = 0
        self._control = [0] * len(catalogue.systems)

    def control(self, system: System) -> str:
        """Return the next message control id of a system."""
        self._control[system.index] += 1
        return f"{system.authority}{self.block:05d}{self._control[system.index]:07d}"

    def send(self, system: System, minute: int, text: str) -> None:
        """Send an HL7 message or a line of JSON at a minute."""
        self._turn += 1
        self.items[system.index].append((minute, self._turn, text, None))

    def row(self, system: System, minute: int, table: str, cells: dict[str, str]) -> None:
        """Send a row of a table; a column that is not given is empty."""
        self._turn += 1
        row = (table, tuple([cells.get(word, "") for word in TABLES[table]]))
        self.items[system.index].append((minute, self._turn, "", row))

    def write(self, seed: int, inbox: Path) -> tuple[list[Sent], Planted]:
        """Plant repeats and malformed messages, write every file, and return counts and what was planted."""
        planted = Planted()
        counts = []
        for system in self.catalogue.systems:
            items = sorted(self.items[system.index])
            items, sent = self._disturb(seed, system, items, planted)
            counts.append(sent)
            folder = inbox / system.code
            folder.mkdir(parents=True, exist_ok=True)
            start = 0
            while start < len(items):
                period = quarter(items[start][0])
                end = start
                while end < len(items) and quarter(items[end][0]) == period:
                    end += 1
                _write(system, folder, f"{period}.{self.block:05d}", items[start:end])
                start = end
        return counts, planted

    def _disturb(
        self, seed: int, system: System, items: list[Item], planted: Planted
    ) -> tuple[list[Item], Sent]:
        rng = substream(seed, f"disturb:{system.code}", self.block)
        lots = rng.random((len(items), 3))
        repeat = lots[:, 0] < rate("identity_errors", "message_repeated")
        broken = lots[:, 1] < rate("identity_errors", "message_malformed")
        extra: list[Item] = []
        for index in np.flatnonzero(repeat | broken).tolist():
            minute, turn, text, row = items[index]
            if repeat[index]:
                extra.append((minute + 1 + int(lots[index, 2] * HEAP), turn, text, row))
                planted.repeated.append({"source": system.code, "message": _label(system, text, row)})
            if broken[index]:
                spoiled, kind = _spoil(system, text, row, self.control(system))
                extra.append((minute, turn + 1, *spoiled))
                planted.malformed.append(
                    {"source": system.code, "message": _label(system, *spoiled), "how": kind}
                )
        return sorted(items + extra, key=lambda item: (item[0], item[1])), Sent(
            len(items) + len(extra), int(repeat.sum()), int(broken.sum())
        )


def quarter(minute: int) -> str:
    """Return the quarter in which a minute falls, as 2024Q1."""
    day = EPOCH + timedelta(days=minute // 1440)
    return f"{day.year}Q{(day.month + 2) // 3}"


def _label(system: System, text: str, row: Row | None) -> str:
    """Return what names a message in the truth: its control id, its beginning, or its row's key cells."""
    if row is not None:
        return "|".join(cell for cell in (row[0], *row[1][-3:]) if cell)
    if system.format == "hl7v2":
        return text.split("|", 10)[9]
    return text[:80]


def _spoil(system: System, text: str, row: Row | None, control: str) -> tuple[tuple[str, Row | None], str]:
    """Return a copy of an item that no one can read, and how it was spoiled."""
    if row is not None:
        table, cells = row
        place = TABLES[table].index("name")
        return ("", (table, (*cells[:place], "", *cells[place + 1 :]))), "no name"
    if system.format == "hl7v2":
        fields = text.split("|")
        if int(control[-1]) % 2:
            fields[8], fields[9] = "ZZZ^Z99", control
            return ("|".join(fields), None), "unknown message type"
        fields[9] = control
        kept = [line for line in "|".join(fields).split("\r") if not line.startswith("PID|")]
        return ("\r".join(kept), None), "no PID segment"
    return (text[: len(text) // 2], None), "cut in half"


def _write(system: System, folder: Path, stem: str, items: Sequence[Item]) -> None:
    match system.format:
        case "hl7v2":
            text = "".join(item[2] + "\r" for item in items)
            if system.line_end != "\r":
                text = text.replace("\r", system.line_end)
            (folder / f"{stem}.hl7").write_bytes(text.encode(system.charset))
        case "fhir":
            (folder / f"{stem}.ndjson").write_bytes("".join(item[2] + "\n" for item in items).encode())
        case _:
            tables: dict[str, list[tuple[str, ...]]] = {}
            for item in items:
                if item[3] is not None:
                    tables.setdefault(item[3][0], []).append(item[3][1])
            headers = {
                table: tuple(column(system.dialect, word) for word in TABLES[table]) for table in tables
            }
            if system.format == "excel":
                (folder / f"{stem}.xlsx").write_bytes(
                    workbook({t: [headers[t], *rows] for t, rows in tables.items()})
                )
                return
            for table, rows in tables.items():
                buffer = io.StringIO(newline="")
                out = csv.writer(buffer, lineterminator="\r\n")
                out.writerow(headers[table])
                out.writerows(rows)
                mark = b"\xef\xbb\xbf" if system.charset == "utf-8" and system.dialect == "chinese" else b""
                (folder / f"{stem}.{table}.csv").write_bytes(mark + buffer.getvalue().encode(system.charset))
