"""Diseases as dated data: one TOML file a disease, from the package's folder and a city's own.

    code = "measles"                    # the file's name; stable
    name = "Measles"                    # name_zh beside it
    icd10 = ["B05"]                     # beginnings of codes that make a case arise
    categories = []                     # sensitive categories of the record: "hiv", "reproductive", "mental"
    incubation_days = [7, 21]           # shortest and longest
    infectious_days = [-4, 4]           # from and to, counted from the onset
    contact_days = 21                   # how long a contact is followed after the last exposure
    episode_days = 365                  # a second report of a person within them is the same case

    [[listing]]                         # on which list, from and to (null: still)
    class = "B"                         # A, B, C, or "local"
    managed = "B"                       # "A": measures and deadlines of class A
    from = 2004-12-01
    source, checked

    urgent_icd10 = ["A22.1"]            # forms managed as class A although the disease is not

    [[definition]]                      # from and to as above
    suspected = [["clinical"]]          # any of these lists; of a list all criteria; "!x": not x
    probable = [["clinical", "link"]]
    confirmed = [["laboratory"]]
    discarded = [["negative"]]
    [[definition.criterion]]
    id = "laboratory"
    kind = "laboratory"                 # one of KINDS

Sources of figures stand beside them; `checked` says whether the text was read or is from memory.
"""

from __future__ import annotations

import os
import threading
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

from salus.kernel.errors import Invalid, NotFound

STANDARD = Path(str(files("salus.prevention").joinpath("rules/notifiable")))
"""The folder of the package: the 40 diseases of the national lists."""

KINDS = frozenset({"diagnosis", "laboratory", "symptom", "temperature", "link", "exposure", "death", "age"})
LEVELS = ("suspected", "probable", "confirmed", "discarded")
_CLASSES = frozenset({"A", "B", "C", "local"})
_RESULTS = frozenset({"positive", "negative"})


@dataclass(frozen=True, slots=True)
class Listing:
    """That a disease stands on a list from a day to a day (both included; None: still).

    `managed` is the class whose measures and deadlines hold: "A" for those of class B that are managed so;
    `urgent` are beginnings of ICD-10 codes that are managed as class A whatever `managed` says.
    """

    class_: str
    managed: str
    first: date
    last: date | None
    source: str
    checked: str
    urgent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Criterion:
    """One test on the facts of a case.

    Attributes:
        id: its name in the definition's formulas.
        kind: of the facts that it looks at.
        words, words_zh: what it says to a reader.
        codes: ICD-10 beginnings (diagnosis, death), LOINC codes (laboratory), symptom or exposure codes.
        names: parts of a laboratory test's or organism's name, without case, blanks and dashes.
        organisms: names of what a culture or sequence finds.
        result: "positive" or "negative" (laboratory).
        certainty: of a diagnosis: "confirmed", "provisional" or "" for any that is not refuted.
        at_least: the number of different codes (symptom), the value (temperature, laboratory) or the age.
        at_most: the greatest age.
        days: how far back, in days, a link to another case may lie; 0 for any.
    """

    id: str
    kind: str
    words: str
    words_zh: str = ""
    codes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    organisms: tuple[str, ...] = ()
    result: str = ""
    certainty: str = ""
    at_least: float | None = None
    at_most: float | None = None
    days: int = 0


Formula = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Definition:
    """A case definition from a day to a day: its criteria, and the formulas over them by level."""

    first: date
    last: date | None
    criteria: Mapping[str, Criterion]
    formulas: Mapping[str, Formula]
    source: str
    checked: str


@dataclass(frozen=True, slots=True)
class Disease:
    """A disease as it is known on a day; days are whole days."""

    code: str
    name: str
    name_zh: str
    icd10: tuple[str, ...]
    categories: frozenset[str]
    incubation: tuple[int, int]
    infectious: tuple[int, int]
    contact_days: int
    episode_days: int
    listings: tuple[Listing, ...]
    definitions: tuple[Definition, ...]
    source: str = ""
    checked: str = "memory"
    origin: str = field(default="", compare=False)

    def listed(self, day: date) -> Listing | None:
        """Return the listing that holds on a day, or None when it is not to be reported then."""
        return next((one for one in self.listings if _holds(one.first, one.last, day)), None)

    def definition(self, day: date) -> Definition | None:
        """Return the definition that holds on a day."""
        return next((one for one in self.definitions if _holds(one.first, one.last, day)), None)

    def has_code(self, code: str) -> bool:
        """Say whether a code of ICD-10 is one of the disease's."""
        plain = code.upper().replace(" ", "")
        return plain.startswith(self.icd10)


def _holds(first: date, last: date | None, day: date) -> bool:
    return first <= day and (last is None or day <= last)


class Catalogue(Mapping[str, Disease]):
    """The diseases of some folders; a later folder replaces a file of the same name in an earlier one.

    `fresh` looks at the folders again: a file added, changed or removed counts from then on.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        """Read the folders; one that is not there is empty.

        Raises:
            Invalid: a file breaks the format; the error names the file and the place.
        """
        self._folders = tuple(folders)
        self._lock = threading.Lock()
        self._read: dict[Path, tuple[tuple[int, int], Disease]] = {}
        self._diseases: dict[str, Disease] = {}
        self._stamp: tuple[Any, ...] = ()
        self.faults: tuple[str, ...] = ()
        self._load(strict=True)

    def __getitem__(self, code: str) -> Disease:
        """Return a disease by its code; raises KeyError."""
        return self._diseases[code]

    def __iter__(self) -> Any:
        """Go through the codes in order."""
        return iter(self._diseases)

    def __len__(self) -> int:
        """Return how many diseases there are."""
        return len(self._diseases)

    def on(self, day: date) -> dict[str, Disease]:
        """Return the diseases that were to be reported on a day, by code."""
        return {code: one for code, one in self._diseases.items() if one.listed(day)}

    def disease(self, code: str) -> Disease:
        """Return a disease by its code.

        Raises:
            NotFound: there is none.
        """
        if code not in self._diseases:
            raise NotFound("disease-unknown", "There is no such disease", where=code[:40])
        return self._diseases[code]

    def follow(self, folder: Path) -> None:
        """Take a further folder in, whose files win; faulty ones are told in `faults`, not raised."""
        with self._lock:
            self._folders = (*self._folders, folder)
            self._load(strict=False)

    def fresh(self) -> Catalogue:
        """Read again what changed in the folders; a file that became faulty keeps its last good version.

        `faults` then says what is wrong with it. A folder that did not change costs one look at it.
        """
        if self._looked() != self._stamp:
            with self._lock:
                self._load(strict=False)
        return self

    def _looked(self) -> tuple[Any, ...]:
        return tuple(_stamps(folder) for folder in self._folders)

    def _load(self, *, strict: bool) -> None:
        stamp = self._looked()
        read: dict[Path, tuple[tuple[int, int], Disease]] = {}
        diseases: dict[str, Disease] = {}
        faults = []
        for folder, found in zip(self._folders, stamp, strict=True):
            for name, *mark in found:
                path, kept = folder / name, (mark[0], mark[1])
                held = self._read.get(path)
                if held is None or held[0] != kept:
                    try:
                        held = (kept, read_disease(path))
                    except Invalid as fault:
                        if strict:
                            raise
                        faults.append(str(fault))
                        if held is None:
                            continue
                read[path] = held
                diseases[held[1].code] = held[1]
        self._read, self._diseases = read, dict(sorted(diseases.items()))
        self._stamp, self.faults = stamp, tuple(faults)


def _stamps(folder: Path) -> tuple[tuple[str, int, int], ...]:
    try:
        with os.scandir(folder) as entries:
            found = [
                (entry.name, entry.stat().st_mtime_ns, entry.stat().st_size)
                for entry in entries
                if entry.name.endswith(".toml") and not entry.name.startswith(".")
            ]
    except FileNotFoundError:
        return ()
    return tuple(sorted(found))


def load_catalogue(folders: Iterable[Path] = (STANDARD,)) -> Catalogue:
    """Return the diseases of some folders, the national ones if none is named; raises Invalid."""
    return Catalogue(tuple(folders))


def read_disease(path: Path) -> Disease:
    """Read one disease.

    Raises:
        Invalid: the file is no TOML, lacks a part, or a formula names a criterion that is not there.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _fault(path, "it is no TOML", str(error).partition("(")[2].rstrip(")")) from None
    try:
        return _disease(path, table)
    except KeyError as missing:
        raise _fault(path, f"{missing.args[0]} is missing") from None
    except (TypeError, ValueError, AttributeError):
        raise _fault(path, "a value has the wrong kind") from None


def _fault(path: Path, why: str, where: str = "") -> Invalid:
    place = f"{path.name} {where}".strip()
    return Invalid("disease-file", f"The file of a disease cannot be read: {why}", where=place)


def _disease(path: Path, table: Mapping[str, Any]) -> Disease:
    code = str(table["code"])
    if code != path.stem or not code.replace("_", "").isalnum() or code != code.lower() or len(code) > 40:
        raise _fault(path, "code must be the file's name in small letters, digits and underscores")
    if not table["icd10"]:
        raise _fault(path, "icd10 is empty")
    listings = tuple(_listing(path, row) for row in table["listing"])
    definitions = tuple(_definition(path, row) for row in table["definition"])
    _apart(path, "listing", [(one.first, one.last) for one in listings])
    _apart(path, "definition", [(one.first, one.last) for one in definitions])
    low, high = table["incubation_days"]
    return Disease(
        code, str(table["name"]), str(table.get("name_zh", table["name"])),
        tuple(str(c).upper() for c in table["icd10"]), frozenset(table.get("categories", ())),
        (int(low), int(high)), tuple(table.get("infectious_days", (0, 0))), int(table["contact_days"]),
        int(table["episode_days"]), listings, definitions, str(table.get("source", "")),
        str(table.get("checked", "memory")), str(path.parent),
    )  # fmt: skip


def _days(path: Path, row: Mapping[str, Any]) -> tuple[date, date | None]:
    first, last = row["from"], row.get("to")
    if type(first) is not date or (last is not None and type(last) is not date):
        raise _fault(path, "from and to are days without quotes")
    if last is not None and last < first:
        raise _fault(path, "to lies before from")
    return first, last


def _apart(path: Path, what: str, spans: Sequence[tuple[date, date | None]]) -> None:
    ordered = sorted(spans, key=lambda span: span[0])
    for (_first, last), (later, _last) in zip(ordered, ordered[1:], strict=False):
        if last is None or last >= later:
            raise _fault(path, f"two of {what} hold on one day")


def _listing(path: Path, row: Mapping[str, Any]) -> Listing:
    first, last = _days(path, row)
    class_, managed = str(row["class"]), str(row.get("managed", row["class"]))
    if class_ not in _CLASSES or managed not in _CLASSES:
        raise _fault(path, "class is one of A, B, C, local")
    return Listing(
        class_, managed, first, last, str(row["source"]), str(row["checked"]),
        tuple(str(c) for c in row.get("urgent_icd10", ())),
    )  # fmt: skip


def _definition(path: Path, row: Mapping[str, Any]) -> Definition:
    first, last = _days(path, row)
    criteria = {}
    for one in row["criterion"]:
        made = _criterion(path, one)
        criteria[made.id] = made
    formulas: dict[str, Formula] = {}
    for level in LEVELS:
        formula = tuple(tuple(str(name) for name in part) for part in row.get(level, ()))
        for name in {name.removeprefix("!") for part in formula for name in part}:
            if name not in criteria:
                raise _fault(path, f"{level} names {name}, which is no criterion")
        if any(not part for part in formula):
            raise _fault(path, f"{level} holds an empty list, which anything would meet")
        formulas[level] = formula
    return Definition(first, last, criteria, formulas, str(row["source"]), str(row["checked"]))


def _criterion(path: Path, row: Mapping[str, Any]) -> Criterion:
    kind = str(row["kind"])
    if kind not in KINDS:
        raise _fault(path, f"there is no kind {kind}")
    result = str(row.get("result", "positive" if kind == "laboratory" else ""))
    if kind == "laboratory" and result not in _RESULTS:
        raise _fault(path, "result is positive or negative")
    if kind == "laboratory" and not any(row.get(n) for n in ("codes", "names", "organisms")):
        raise _fault(path, f"{row['id']} names no test")
    return Criterion(
        str(row["id"]), kind, str(row["words"]), str(row.get("words_zh", "")),
        tuple(str(c) for c in row.get("codes", ())), tuple(plain(n) for n in row.get("names", ())),
        tuple(plain(n) for n in row.get("organisms", ())), result, str(row.get("certainty", "")),
        row.get("at_least"), row.get("at_most"), int(row.get("days", 0)),
    )  # fmt: skip


def plain(text: str) -> str:
    """Return a name without case, blanks, dashes and full stops, as names of tests are compared."""
    return "".join(c for c in text.casefold() if c not in " -_.–—()()/\u3000")
