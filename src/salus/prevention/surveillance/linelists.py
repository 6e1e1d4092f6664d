"""Line lists as files have them: headings of several makers, days in several writings; read into one shape.

Headings are looked up in `rules/notifiable_headings.csv` (plain names, SORMAS with or without `caseData.`
before them, the national report card, the line lists of the R package outbreaks). Pure.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from importlib.resources import files

from salus.kernel.errors import Invalid
from salus.prevention.surveillance.catalogue import Disease, plain
from salus.prevention.surveillance.classifying import Fact
from salus.prevention.surveillance.reading import verdict

_EMPTY = frozenset({"", "?", "na", "n/a", "nan", "null", "none", "*****", "不详", "无"})
_FORMATS = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%d-%b-%y", "%d-%b-%Y", "%d/%m/%Y", "%Y年%m月%d日")
_SEXES = {
    "m": "male", "male": "male", "男": "male", "男性": "male", "1": "male",
    "f": "female", "female": "female", "女": "female", "女性": "female", "2": "female",
    "other": "other", "unknown": "", "未知": "", "": "",
}  # fmt: skip
_CERTAINTIES = {
    "suspected": "suspected", "suspect": "suspected", "疑似病例": "suspected", "疑似": "suspected",
    "probable": "probable", "clinical": "probable", "临床诊断病例": "probable", "临床诊断": "probable",
    "confirmed": "confirmed", "确诊病例": "confirmed", "确诊": "confirmed", "实验室确诊": "confirmed",
    "not_classified": "suspected", "": "suspected",
}  # fmt: skip
_OUTCOMES = {
    "died": "died", "death": "died", "dead": "died", "deceased": "died", "死亡": "died",
    "recovered": "recovered", "recover": "recovered", "alive": "", "治愈": "recovered", "痊愈": "recovered",
    "ill": "ill", "no_outcome": "ill", "unknown": "", "": "",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """One case of a line list. Days are days; `age` is in years; texts are as the file has them.

    `classification` is suspected, probable or confirmed; `tests` are (name or LOINC code, result).
    """

    number: str
    disease: str
    name: str = ""
    sex: str = ""
    age: float | None = None
    birth_date: date | None = None
    onset: date | None = None
    diagnosed: date | None = None
    reported: date | None = None
    classification: str = "suspected"
    outcome: str = ""
    died_on: date | None = None
    district: str = ""
    institution: str = ""
    place_infected: str = ""
    icd10: str = ""
    symptoms: tuple[str, ...] = ()
    exposures: tuple[str, ...] = ()
    tests: tuple[tuple[str, str], ...] = ()
    temperature: float | None = None
    linked_to: str = ""

    @property
    def day(self) -> date | None:
        """The day by which the case is counted: onset, diagnosis or report, the first that is known."""
        return self.onset or self.diagnosed or self.reported


@lru_cache(maxsize=1)
def headings() -> Mapping[str, str]:
    """Return the field that each known heading stands for."""
    text = files("salus.prevention").joinpath("rules/notifiable_headings.csv").read_text(encoding="utf-8")
    return {row["heading"]: row["field"] for row in csv.DictReader(text.splitlines())}


def spellings(diseases: Mapping[str, Disease]) -> dict[str, str]:
    """Return the codes of diseases by how files write them: code, English and Chinese name, SORMAS's word."""
    text = files("salus.prevention").joinpath("rules/notifiable_sormas.csv").read_text(encoding="utf-8")
    found = {
        plain(row["sormas"]): row["disease"]
        for row in csv.DictReader(text.splitlines())
        if row["disease"] in diseases
    }
    for code, one in diseases.items():
        found |= {plain(code): code, plain(one.name): code, plain(one.name_zh): code}
    return found


def sormas_names() -> dict[str, str]:
    """Return SORMAS's word for each disease that it has one for."""
    text = files("salus.prevention").joinpath("rules/notifiable_sormas.csv").read_text(encoding="utf-8")
    return {row["disease"]: row["sormas"] for row in csv.DictReader(text.splitlines())}


def field_of(heading: str) -> str | None:
    """Return the field that a heading stands for, or None."""
    low = heading.strip().strip("\ufeff\"'").casefold()
    return headings().get(low.removeprefix("casedata.")) or headings().get(low)


def columns(header: Sequence[str]) -> dict[str, str]:
    """Return which heading of a file holds which field; the first one of a field counts."""
    found: dict[str, str] = {}
    for heading in header:
        field = field_of(heading)
        if field is not None:
            found.setdefault(field, heading)
    return found


def day_of(text: str) -> date | None:
    """Return the day that a text writes; None for an empty one.

    Raises:
        ValueError: it is not a day in any of the known writings.
    """
    said = text.strip()
    if said.casefold() in _EMPTY:
        return None
    short = said[:10] if re.match(r"\d{4}-\d\d-\d\d[T ]", said) else said
    for form in _FORMATS:
        try:
            return datetime.strptime(short, form).date()  # noqa: DTZ007 - only the day is kept
        except ValueError:
            continue
    raise ValueError(said)


def read_line(
    row: Mapping[str, str],
    held: Mapping[str, str],
    *,
    disease: str = "",
    diseases: Mapping[str, str] | None = None,
) -> Line:
    """Return a row of a file as a case.

    Args:
        row: heading to text.
        held: which heading holds which field (`columns`).
        disease: of every row, where the file names none.
        diseases: names as files write them (`spellings`) to codes; taken as they are if None.

    Raises:
        Invalid: a value cannot be read (`where` is its heading) or no disease is named.
    """

    def text(field: str) -> str:
        heading = held.get(field)
        value = (row.get(heading) or "").strip() if heading else ""
        return "" if value.casefold() in _EMPTY else value

    def day(field: str) -> date | None:
        try:
            return day_of(text(field))
        except ValueError:
            raise Invalid("line-day", "The day cannot be read", where=held[field]) from None

    def number(field: str, low: float, high: float) -> float | None:
        said = text(field)
        if not said:
            return None
        try:
            value = float(said)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise Invalid("line-number", "The number cannot be read or is out of range", where=held[field])
        return value

    def chosen(field: str, known: Mapping[str, str]) -> str:
        said = text(field).casefold()
        if said not in known:
            raise Invalid("line-word", "The word is not known", where=held[field])
        return known[said]

    named = text("disease")
    code = disease
    if named:
        code = named if diseases is None else diseases.get(plain(named), "")
        if not code:
            raise Invalid("disease-unknown", "There is no such disease", where=held["disease"])
    if not code:
        raise Invalid(
            "line-disease", "No disease is named", fix="Name one for the whole file", where="disease"
        )
    parts = [text("birth_year"), text("birth_month"), text("birth_day")]
    born = day("birth_date")
    if born is None and all(part.isdigit() for part in parts):
        try:
            born = date(*(int(part) for part in parts))
        except ValueError:
            raise Invalid("line-day", "The day cannot be read", where=held["birth_day"]) from None
    name = text("name") or " ".join(part for part in (text("first_name"), text("last_name")) if part)
    return Line(
        text("id"), code, name, chosen("sex", _SEXES), number("age", 0, 130), born, day("onset"),
        day("diagnosed"), day("reported"), chosen("classification", _CERTAINTIES),
        chosen("outcome", _OUTCOMES), day("died_on"), text("district"), text("institution"),
        text("place_infected"), text("icd10").upper(), _split(text("symptoms")), _split(text("exposures")),
        _tests(text("tests")), number("temperature", 30, 45), text("linked_to"),
    )  # fmt: skip


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip().casefold() for part in re.split(r"[;;|]", text) if part.strip())


def _tests(text: str) -> tuple[tuple[str, str], ...]:
    """Return "name=result; name=result" as pairs."""
    found = []
    for part in re.split(r"[;;|]", text):
        name, equals, result = part.partition("=")
        if equals and name.strip():
            found.append((name.strip(), verdict(result) or result.strip()))
    return tuple(found)


def facts_of_line(line: Line, disease: Disease) -> list[Fact]:
    """Return the facts that a line states of its case."""
    day = line.diagnosed or line.onset or line.reported
    certainty = "provisional" if line.classification == "suspected" else "confirmed"
    found = [Fact("diagnosis", line.icd10 or disease.icd10[0], "", certainty, None, day, "line")]
    found += [Fact("symptom", code, "", "", None, line.onset, "line") for code in line.symptoms]
    found += [Fact("exposure", code, "", "", None, None, "line") for code in line.exposures]
    for name, result in line.tests:
        loinc = name if re.fullmatch(r"\d+-\d", name) else ""
        found.append(Fact("laboratory", loinc, "" if loinc else name, result, None, day, "line"))
    if line.temperature is not None:
        found.append(Fact("temperature", "", "", "", line.temperature, line.onset, "line"))
    if line.age is not None or line.birth_date is not None:
        years = line.age
        if line.birth_date is not None and day is not None:
            years = (day - line.birth_date).days / 365.25
        found.append(Fact("age", "", "", "", years, day, "line"))
    if line.linked_to:
        found.append(Fact("link", line.linked_to, "", "", None, None, "line"))
    return found
