"""A user's own files as residents: every bad row becomes a typed error with its line."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from salus.kernel.errors import Invalid
from salus.prevention.schedule.person import Bar, Episode, Finding, Given, Resident, assess
from salus.prevention.schedule.rules import Rules
from salus.prevention.schedule.tables import INPUTS, OUTPUT, Field

_WORDS = {
    "row-missing-value": "a value must be given",
    "row-bad-date": "no date of the form 2026-01-31",
    "row-repeated": "the resident stands in the births already",
    "row-unknown-person": "the resident is not among the births",
    "row-unknown-product": "no schedule knows it",
    "row-dates-reversed": "the end lies before the start",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a row: its file, line (the header is line 1), column and code."""

    file: str
    line: int
    column: str
    code: str

    @property
    def words(self) -> str:
        """What the code means."""
        return _WORDS[self.code]


@dataclass(slots=True)
class Read:
    """The residents of the sound rows, by their number in the files, and what is wrong with the others."""

    residents: dict[str, Resident] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


def read(births: Path, anchors: Path | None, given: Path | None, bars: Path | None, rules: Rules) -> Read:
    """Read CSV files (UTF-8, with a header) as residents.

    Raises:
        Invalid: a file is not there, is no UTF-8, or lacks a column.
    """
    found = Read()
    known = set(rules.products) | {service.code for service in rules.services}
    episodes: dict[str, list[Episode]] = {}
    records: dict[str, list[Given]] = {}
    barred: dict[str, list[Bar]] = {}
    born: dict[str, date] = {}
    for line, row in _rows(births, "births", found.faults):
        if row["person"] in born:
            found.faults.append(Fault(births.name, line, "person", "row-repeated"))
            continue
        born[row["person"]] = date.fromisoformat(row["birth"])
        if row.get("discharge"):
            if row["discharge"] < row["birth"]:
                found.faults.append(Fault(births.name, line, "discharge", "row-dates-reversed"))
                continue
            episodes.setdefault(row["person"], []).append(
                Episode("discharge", date.fromisoformat(row["discharge"]))
            )
    for line, row in _of(anchors, "anchors", born, found.faults):
        ended = date.fromisoformat(row["ended"]) if row.get("ended") else None
        day = date.fromisoformat(row["day"])
        if ended is not None and ended < day and anchors is not None:
            found.faults.append(Fault(anchors.name, line, "ended", "row-dates-reversed"))
            continue
        episodes.setdefault(row["person"], []).append(Episode(row["anchor"], day, ended))
    for line, row in _of(given, "given", born, found.faults):
        if row["product"] not in known and given is not None:
            found.faults.append(Fault(given.name, line, "product", "row-unknown-product"))
            continue
        records.setdefault(row["person"], []).append(Given(row["product"], date.fromisoformat(row["day"])))
    for line, row in _of(bars, "bars", born, found.faults):
        start = date.fromisoformat(row["start"])
        end = date.fromisoformat(row["end"]) if row.get("end") else None
        if bars is not None and row["code"] not in known:
            found.faults.append(Fault(bars.name, line, "code", "row-unknown-product"))
        elif bars is not None and end is not None and end < start:
            found.faults.append(Fault(bars.name, line, "end", "row-dates-reversed"))
        else:
            barred.setdefault(row["person"], []).append(Bar(row["code"], start, end))
    found.residents = {
        person: Resident(birth, episodes.get(person, ()), records.get(person, ()), barred.get(person, ()))
        for person, birth in born.items()
    }
    return found


def _of(
    path: Path | None, name: str, born: dict[str, date], faults: list[Fault]
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the sound rows of a file that may be missing, of residents who are known."""
    if path is None:
        return
    for line, row in _rows(path, name, faults):
        if row["person"] in born:
            yield line, row
        else:
            faults.append(Fault(path.name, line, "person", "row-unknown-person"))


def _rows(path: Path, name: str, faults: list[Fault]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows whose values are there and of their type."""
    fields = INPUTS[name]
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            for needed in fields:
                if needed.required and needed.name not in (reader.fieldnames or ()):
                    raise Invalid(
                        "schedule-column", f"The file has no column {needed.name}", where=path.name,
                        fix=f"Its columns are: {', '.join(f.name for f in fields)}.",
                    )  # fmt: skip
            for row in reader:
                faulty = _fault(row, fields)
                if faulty is None:
                    yield reader.line_num, {f.name: (row.get(f.name) or "").strip() for f in fields}
                else:
                    faults.append(Fault(path.name, reader.line_num, *faulty))
    except FileNotFoundError:
        raise Invalid("schedule-file", "The file is not there", where=path.name) from None
    except (UnicodeDecodeError, csv.Error):
        raise Invalid(
            "schedule-file", "The file cannot be read as CSV", where=path.name, fix="Save it as CSV in UTF-8."
        ) from None


def _fault(row: dict[str, str | None], fields: tuple[Field, ...]) -> tuple[str, str] | None:
    for one in fields:
        value = (row.get(one.name) or "").strip()
        if not value:
            if one.required:
                return one.name, "row-missing-value"
        elif one.type == "date":
            try:
                good = len(value) == 10 and 1850 <= date.fromisoformat(value).year <= 2200
            except ValueError:
                good = False
            if not good:
                return one.name, "row-bad-date"
    return None


def told(rules: Rules, residents: dict[str, Resident], today: date) -> Iterator[dict[str, object]]:
    """Yield the rows of the output."""
    for person, resident in residents.items():
        for finding in assess(rules, resident, today):
            yield {"person": person, **_row(rules, finding)}


def _row(rules: Rules, finding: Finding) -> dict[str, object]:
    service = rules.of(finding.service)
    doubts = [v.words for v in finding.verdicts if v.code not in ("counted", "outside-episode")]
    row = {f.name: getattr(finding, f.name) for f in OUTPUT if f.name not in ("person", "why")}
    return {**row, "why": "; ".join([finding.words(service), *doubts])}


def write(path: Path, rows: Iterable[dict[str, object]]) -> dict[str, int]:
    """Write the output as CSV and return how many rows there are of each status."""
    counts: dict[str, int] = {}
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, [f.name for f in OUTPUT])
        writer.writeheader()
        for row in rows:
            writer.writerow(row)
            counts[str(row["status"])] = counts.get(str(row["status"]), 0) + 1
    return counts


def write_faults(path: Path, faults: Iterable[Fault]) -> None:
    """Write what is wrong with bad rows as CSV."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["file", "line", "column", "code", "what"])
        for fault in faults:
            writer.writerow([fault.file, fault.line, fault.column, fault.code, fault.words])
