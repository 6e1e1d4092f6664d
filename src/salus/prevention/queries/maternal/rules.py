"""The rules of mother and child as data (`rules/maternal_*.csv`), and what follows from them for values."""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from importlib.resources import files

from salus.prevention.queries.programme.catalogue import chinese
from salus.prevention.schedule.offsets import span


@dataclass(frozen=True, slots=True)
class Named:
    """A code with its names and the other columns of its row."""

    code: str
    name_en: str
    name_zh: str
    row: Mapping[str, str]

    @property
    def name(self) -> str:
        """The name in the reader's language."""
        return self.name_zh if chinese() else self.name_en

    def number(self, column: str) -> float | None:
        """Return a column's number, None where it is empty."""
        return float(self.row[column]) if self.row.get(column) else None

    def whole(self, column: str) -> int | None:
        """Return a column's whole number, None where it is empty."""
        return int(self.row[column]) if self.row.get(column) else None


@dataclass(frozen=True, slots=True)
class Risk:
    """A pregnancy's risk: the colour of its gravest factor, and the purple mark beside it."""

    colour: str
    infectious: bool

    @property
    def high(self) -> bool:
        """Whether it is looked after beyond plain antenatal care."""
        return self.colour != "green" or self.infectious


@lru_cache(maxsize=64)
def table(name: str, day: date) -> Mapping[str, Named]:
    """Return the rows of a rules file that hold on a day, by code."""
    text = files("salus.prevention").joinpath(f"rules/{name}.csv").read_text(encoding="utf-8")
    found = {}
    for row in csv.DictReader(text.splitlines()):
        ends = row["valid_to"]
        if date.fromisoformat(row["valid_from"]) <= day and (not ends or day <= date.fromisoformat(ends)):
            found[row["code"]] = Named(row["code"], row.get("name_en", ""), row.get("name_zh", ""), row)
    return found


def name_of(name: str, code: str, day: date) -> str:
    """Return a code's name in the reader's language; the code where no row has it."""
    found = table(name, day).get(code)
    return found.name if found else code


def choices(name: str, day: date) -> list[tuple[str, str]]:
    """Return the codes and names of a rules file, for a form."""
    return [(one.code, one.name) for one in table(name, day).values()]


def limit(code: str, day: date, *, name: str = "maternal_limits") -> int:
    """Return a number of the rules."""
    return int(table(name, day)[code].row["value"])


def expected(lmp: date) -> date:
    """Return the expected day of delivery: 280 days after the last menstrual period began (Naegele)."""
    return lmp + timedelta(days=limit("pregnancy_days", lmp))


def gestation(edd: date, day: date) -> tuple[int, int]:
    """Return the completed weeks and days of a pregnancy on a day, by its expected delivery."""
    days = limit("pregnancy_days", day) - (edd - day).days
    return divmod(max(days, 0), 7)


def factors_of(values: Mapping[str, float | None], day: date) -> set[str]:
    """Return the factors of risk that follow from values.

    Args:
        values: `age` (years, at the expected delivery), `bmi` (kg/m², before the pregnancy), `haemoglobin`
            (g/L), `platelets` (10⁹/L); what is missing says nothing.
        day: the rules of this day hold.
    """
    found = set()
    for one in table("maternal_risk", day).values():
        value = values.get(one.row["field"]) if one.row["field"] else None
        if value is None:
            continue
        low, below = one.number("from"), one.number("below")
        if (low is None or value >= low) and (below is None or value < below):
            found.add(one.code)
    return found


def judge(factors: Collection[str], day: date) -> Risk:
    """Return the risk of a pregnancy with some factors; more factors never lower it."""
    known, ranks = table("maternal_risk", day), table("maternal_colours", day)
    colour, infectious = "green", False
    for code in factors:
        if code not in known:
            continue
        its = known[code].row["colour"]
        if its == "purple":
            infectious = True
        elif int(ranks[its].row["rank"]) > int(ranks[colour].row["rank"]):
            colour = its
    return Risk(colour, infectious)


def follow_on(risk: Risk, day: date) -> date | None:
    """Return when a pregnancy at risk is looked after next; None where plain antenatal care does."""
    known = table("maternal_colours", day)
    days = [known[risk.colour].whole("follow_days")]
    if risk.infectious:
        days.append(known["purple"].whole("follow_days"))
    some = [one for one in days if one is not None]
    return day + timedelta(days=min(some)) if some else None


def report_by(risk: Risk, at: datetime) -> datetime | None:
    """Return until when a risk found at an instant has to be reported on."""
    hours = table("maternal_colours", at.date())[risk.colour].whole("report_hours")
    return at + timedelta(hours=hours) if hours is not None else None


def anaemia(haemoglobin: float, day: date, *, age_days: int | None = None, pregnant: bool = False) -> str:
    """Return "none", "mild", "moderate" or "severe"; "" where no rule covers the age.

    Args:
        haemoglobin: g/L.
        day: the rules of this day hold.
        age_days: age; not needed of a pregnant woman.
        pregnant: whether she is.
    """
    text = files("salus.prevention").joinpath("rules/maternal_anaemia.csv").read_text(encoding="utf-8")
    for row in csv.DictReader(text.splitlines()):
        low, high = row["from_days"], row["to_days"]
        if pregnant:
            fits = row["group"] == "pregnant"
        else:
            fits = row["group"] != "pregnant" and age_days is not None and int(low) <= age_days
            fits = fits and (not high or (age_days or 0) < int(high))
        if fits and date.fromisoformat(row["valid_from"]) <= day:
            for name in ("severe", "moderate", "mild"):
                if haemoglobin < float(row[name]):
                    return name
            return "none"
    return ""


def support_until(code: str, birth: date, day: date) -> tuple[date, date] | None:
    """Return from when to before when a child of this birth can have support; None for what has no age."""
    one = table("maternal_support", day)[code]
    if not one.row["age_to"]:
        return None
    return span(one.row["age_from"]).after(birth), span(one.row["age_to"]).after(birth)
