"""Import of a scheme from a workbook: published lists of categories, groups, DRGs and codes, a sheet each.

A sheet is known by the words that head its columns (`rules/chs_workbook.toml`), not by its name or order:
categories, groups, DRGs, diagnoses of a category (with their site), diagnoses and procedures of a group,
MCC and CC with their exclusion lists, principals of an exclusion list, weights. The lists say no rules: a
group asks for what it lists (a main procedure, a principal diagnosis, or both; each of several numbered lists
of procedures), categories come in the official order with the official gates, and the last character of a
DRG's code says its severity. A workbook may instead hold the tables of a published folder under their names.
"""

import csv
import re
import tempfile
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from salus.insurance.scheme.model import BadScheme, Scheme, Weight
from salus.insurance.scheme.published import About, import_published
from salus.insurance.scheme.tables import write_csv

RULES = Path(__file__).parent.parent / "rules"
_PUBLISHED: Mapping[str, tuple[str, ...]] = {
    "mdc": ("ord", "mdc", "gate"), "mdc_dx": ("mdc", "dx"), "adrg": ("mdc", "ord", "adrg", "cond"),
    "adrg_dx": ("adrg", "dx"), "adrg_proc": ("adrg", "proc"), "drg": ("adrg", "ord", "drg", "severity"),
    "mcc": ("dx", "excl"), "cc": ("dx", "excl"), "cce": ("pdx", "excl"), "ss_valid": ("proc",),
    "zd_map": ("code", "value"), "ss_map": ("code", "value"), "zd_info": ("code", "value"),
    "ss_info": ("code", "value"),
}  # fmt: skip
_HEAD_WITHIN = 6
_MOST_ROWS = 500_000

Sheet = tuple[str, tuple[str, ...], list[dict[str, str]]]


def import_workbook(path: str | Path, about: About, *, base: str | Path | None = None) -> Scheme:
    """Read a scheme from an .xlsx workbook; raises `BadScheme`, which names the sheet.

    `base` is the folder of the national tables, as for `import_published`.
    """
    file = Path(path)
    words = tomllib.loads((RULES / "chs_workbook.toml").read_text(encoding="utf-8"))
    sheets = list(_sheets(file, words["columns"]))
    with tempfile.TemporaryDirectory(prefix="salus-scheme-") as made:
        folder = Path(made) / file.stem
        folder.mkdir()
        given = {name for name, heads, _ in sheets if set(_PUBLISHED.get(name, ("-",))) <= set(heads)}
        weights: dict[str, Weight] = {}
        if {"mdc", "adrg", "drg"} <= given:
            for name, heads, rows in sheets:
                if name in given:
                    write_csv(
                        folder / f"{name}.csv", heads, [[row.get(h, "") for h in heads] for row in rows]
                    )
        else:
            _official(sheets, words["endings"], folder, file.name)
            weights = _weights(sheets)
        scheme = import_published(folder, about, base=base)
    if weights:
        scheme = replace(scheme, weights=weights)
    return scheme


def _sheets(path: Path, columns: Mapping[str, Any]) -> Iterator[Sheet]:
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    known = {
        _plain(word): name for name, listed in columns.items() if isinstance(listed, list) for word in listed
    }
    try:
        book = load_workbook(path, read_only=True, data_only=True)
    except (InvalidFileException, BadZipFile, KeyError, OSError, ValueError):
        raise BadScheme("scheme-workbook", "this is no .xlsx workbook", where=path.name) from None
    with closing(book):
        for sheet in book.worksheets:
            rows = sheet.iter_rows(values_only=True)
            published = _PUBLISHED.get(sheet.title, ())
            for _, cells in zip(range(_HEAD_WITHIN), rows, strict=False):
                texts = [_text(cell) for cell in cells]
                plain = [one.lower() for one in texts]
                if published and set(published) <= set(plain):
                    heads = tuple(plain)
                else:
                    heads = tuple(known.get(_plain(one), "") for one in texts)
                if len([one for one in heads if one]) >= 2 or (published and set(published) <= set(heads)):
                    yield sheet.title, heads, list(_rows(heads, rows, path, sheet.title))
                    break


def _rows(heads: tuple[str, ...], rows: Iterable[Any], path: Path, sheet: str) -> Iterator[dict[str, str]]:
    """Yield the rows under the head; a cell that is merged over rows stands in the first and holds on."""
    last: dict[str, str] = {}
    for number, cells in enumerate(rows):
        if number > _MOST_ROWS:
            raise BadScheme("scheme-workbook", "the sheet has too many rows", where=f"{path.name}, {sheet}")
        row = {head: _text(cell) for head, cell in zip(heads, cells, strict=False) if head}
        if not any(row.values()):
            continue
        for held in ("mdc", "adrg", "site", "set_no"):
            if held in row:
                row[held] = row[held] or last.get(held, "")
        last = row
        yield row


def _official(sheets: list[Sheet], endings: Mapping[str, str], folder: Path, name: str) -> None:
    found: dict[str, list[dict[str, str]]] = defaultdict(list)
    for title, heads, rows in sheets:
        found[_kind(title, set(heads))] += rows
    for needed in ("adrg", "drg"):
        if not found[needed]:
            raise BadScheme(
                "scheme-workbook", f"no sheet lists {needed.upper()}", where=name,
                fix="The heads of its columns stand in docs/drg.md.",
            )  # fmt: skip
    names = {row["mdc"]: row.get("mdc_name", "") for row in found["mdc"]}
    _gates(folder, names, {row["mdc"] for row in found["adrg"] if row.get("mdc")} | names.keys())
    write_csv(folder / "mdc_dx.csv", ("mdc", "dx", "site"),
              [(row["mdc"], row["dx"], row.get("site", "")) for row in found["mdc_dx"]])  # fmt: skip
    write_csv(folder / "adrg_dx.csv", ("adrg", "dx"), [(row["adrg"], row["dx"]) for row in found["adrg_dx"]])
    numbers = _set_numbers(found["adrg_proc"])
    write_csv(folder / "adrg_proc.csv", ("adrg", "set_no", "proc"),
              [(row["adrg"], numbers[row["adrg"]][row.get("set_no", "")], row["pr"])
               for row in found["adrg_proc"]])  # fmt: skip
    with_dx = {row["adrg"] for row in found["adrg_dx"]}
    adrgs = []
    for number, row in enumerate(found["adrg"]):
        adrg = row["adrg"]
        asked = ["record.zdList[0] in adrg_zd"] if adrg in with_dx else []
        lists = len(numbers.get(adrg, {}))
        if lists == 1:
            asked.append("record.ssList and record.ssList[0] in adrg_ss")
        asked += [f'"{n + 1}" in ss_matched' for n in range(lists)] if lists > 1 else []
        adrgs.append((row.get("mdc") or adrg[:1], number, adrg, " and ".join(asked) or "True",
                      row.get("adrg_name", "")))  # fmt: skip
    write_csv(folder / "adrg.csv", ("mdc", "ord", "adrg", "cond", "name"), adrgs)
    drgs = []
    for row in found["drg"]:
        drg, ending = row["drg"], row["drg"][-1:].upper()
        word = row.get("severity") or endings.get(ending)
        if word is None:
            raise BadScheme(
                "scheme-workbook", f"what the ending of {drg} says is not known", where=name,
                fix="Add a column 分级 (severity) with MCC, CC, MCC_OR_CC, ANY or a rule.",
            )  # fmt: skip
        drgs.append(
            (row.get("adrg") or drg[:-1], "13A579B".find(ending) % 99, drg, word, row.get("drg_name", ""))
        )
    write_csv(folder / "drg.csv", ("adrg", "ord", "drg", "severity", "name"), drgs)
    for level in ("mcc", "cc"):
        write_csv(folder / f"{level}.csv", ("dx", "excl"),
                  [(row["dx"], row.get("excl", "")) for row in found[level]])  # fmt: skip
    write_csv(folder / "cce.csv", ("pdx", "excl"), [(row["dx"], row["excl"]) for row in found["cce"]])


def _kind(title: str, heads: set[str]) -> str:
    """Say which list a sheet is."""
    name = title.upper()
    if "excl" in heads and "dx" in heads:
        if "排除" in name or "CCE" in name or "EXCL" in name:
            return "cce"
        return "mcc" if "MCC" in name else "cc"
    if {"adrg", "pr"} <= heads:
        return "adrg_proc"
    if {"adrg", "dx"} <= heads:
        return "adrg_dx"
    if {"mdc", "dx"} <= heads:
        return "mdc_dx"
    if "drg" in heads:
        return "drg" if "drg_name" in heads or "severity" in heads else "weight"
    if "adrg" in heads:
        return "adrg"
    return "mdc" if "mdc" in heads else ""


def _gates(folder: Path, names: Mapping[str, str], wanted: set[str]) -> None:
    """Write the categories in the official order with the official gates."""
    with (RULES / "chs_categories.csv").open(encoding="utf-8", newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if not wanted or row["mdc"] in wanted]
    made = [(row["ord"], row["mdc"], row["gate"], names.get(row["mdc"]) or row["name"]) for row in rows]
    write_csv(folder / "mdc.csv", ("ord", "mdc", "gate", "name"), made)


def _set_numbers(rows: Iterable[Mapping[str, str]]) -> dict[str, dict[str, int]]:
    """Number a group's lists of procedures from 1, in the order in which they come."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for row in rows:
        lists = found[row["adrg"]]
        lists.setdefault(row.get("set_no", ""), len(lists) + 1)
    return found


def _weights(sheets: list[Sheet]) -> dict[str, Weight]:
    found = {}
    for title, heads, rows in sheets:
        if {"drg", "weight"} <= set(heads):
            for row in rows:
                if row["weight"]:
                    try:
                        found[row["drg"]] = Weight(Decimal(row["weight"]))
                    except InvalidOperation:
                        raise BadScheme(
                            "scheme-value", f"the weight of {row['drg']} is no number", where=f"sheet {title}"
                        ) from None
    return found


def _text(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float) and cell == int(cell):
        return str(int(cell))
    return str(cell).strip()


def _plain(head: str) -> str:
    return re.sub(r"[\s（）()]", "", head).upper()
