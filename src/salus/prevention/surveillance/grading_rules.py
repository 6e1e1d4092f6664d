"""Grading rules of emergencies as dated data: read, held to their format, chosen by day and place.

[sources.plan2006]
title = "..."                    # named by the rules' `source`

[[form]]                         # forms of a disease that a rule tells apart, by the diagnosis
disease = "plague"
form = "pneumonic"
icd10 = ["A20.2"]

[[flag]]                         # what no count says: a person states it
id = "spreading"
words = "..."                    # words_zh beside it

[[rule]]
id = "II-10a"                    # a city's rule of the same id replaces the national one there
grade = 2                        # 1 to 4; 5: to be reported, below grade IV
kind = "food_poisoning"          # one of KINDS
diseases = []                    # codes; none: any
classes = []                     # classes of the list of notifiable diseases; none: any
forms = []
statuses = ["confirmed"]         # what counts; none: suspected, probable and confirmed
scope = "event"                  # over which places counts are summed: one of SCOPES
days = 0                         # within how many days; 0: from the beginning on
cases = 101                      # at least, of all of these
deaths = 1
areas = 2                        # reached in at least so many places ...
among = "county"                 # ... of this kind
ratio = 2.0                      # at least so many times the mean of the five years before
flags = ["spreading"]
clause = "II(10)"
from = 2006-01-01                # to: the last day, if it is over
jurisdiction = "CN"              # or the beginning of a district's code
source = "plan2006"
checked = "read"
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import IntEnum
from importlib.resources import files
from pathlib import Path
from typing import Any

from salus.kernel.errors import Invalid

STANDARD = tuple(
    Path(str(files("salus.prevention").joinpath(f"rules/{name}.toml")))
    for name in ("emergency_grades", "emergency_reporting")
)
"""The national rules: grades, and what is reported below them."""

KINDS = (
    "infectious", "unexplained", "food_poisoning", "occupational_poisoning", "other_poisoning",
    "vaccination", "healthcare_infection", "pathogen_loss", "radiation", "environment",
)  # fmt: skip
SCOPES: Mapping[str, int] = {"event": 0, "province": 2, "city": 4, "county": 6, "township": 9, "unit": -1}
"""How many digits of a district's code (GB/T 2260) name the place; -1: the unit (school, site) itself."""

STATUSES = ("suspected", "probable", "confirmed")
COUNTED = ("probable", "confirmed")
"""What the norms call a case (病例): diagnosed clinically or confirmed."""


class Grade(IntEnum):
    """How grave an event is: the smaller the graver."""

    I = 1  # noqa: E741 - the norm's own name
    II = 2
    III = 3
    IV = 4
    NOTICE = 5

    @property
    def graded(self) -> bool:
        """Whether it is one of the norm's four grades."""
        return self is not Grade.NOTICE


@dataclass(frozen=True, slots=True)
class Rule:
    """One way in which an event reaches a grade; fields as in the module's description."""

    id: str
    grade: Grade
    kind: str
    words: str
    words_zh: str
    clause: str
    source: str
    checked: str
    first: date
    last: date | None = None
    jurisdiction: str = "CN"
    diseases: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    forms: tuple[str, ...] = ()
    statuses: tuple[str, ...] = COUNTED
    scope: str = "event"
    days: int = 0
    cases: int = 0
    deaths: int = 0
    areas: int = 0
    among: str = "county"
    ratio: float = 0.0
    flags: frozenset[str] = frozenset()
    note: str = ""

    def holds(self, day: date) -> bool:
        """Whether the rule is in force on a day."""
        return self.first <= day and (self.last is None or day <= self.last)

    def reaches(self, district: str) -> bool:
        """Whether the rule is in force at a place, given by its district's code."""
        return self.jurisdiction == "CN" or district.startswith(self.jurisdiction)

    def about(self, kind: str, disease: str, class_: str) -> bool:
        """Whether the rule speaks of such events."""
        return (
            self.kind == kind
            and (not self.diseases or disease in self.diseases)
            and (not self.classes or class_ in self.classes)
        )


@dataclass(frozen=True, slots=True)
class RuleBook:
    """All rules with the words of flags and the forms of diseases."""

    rules: tuple[Rule, ...]
    flags: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    forms: tuple[tuple[str, str, tuple[str, ...]], ...] = ()

    def on(self, day: date, district: str = "") -> tuple[Rule, ...]:
        """Return the rules in force on a day at a place, the gravest first.

        A rule of a jurisdiction below the nation replaces the national one of the same id there.
        """
        chosen: dict[str, Rule] = {}
        for rule in self.rules:
            if not (rule.holds(day) and rule.reaches(district)):
                continue
            held = chosen.get(rule.id)
            if held is None or _narrower(rule, held):
                chosen[rule.id] = rule
        return tuple(sorted(chosen.values(), key=lambda rule: (rule.grade, rule.id)))

    def form_of(self, disease: str, codes: Iterable[str]) -> str:
        """Return the form of a disease that one of the diagnosis codes names; "" for none."""
        plain = [code.upper() for code in codes]
        for name, form, beginnings in self.forms:
            if name == disease and any(code.startswith(beginnings) for code in plain):
                return form
        return ""

    def forms_of(self, disease: str) -> tuple[str, ...]:
        """Return the forms of a disease that rules tell apart."""
        return tuple(form for name, form, _codes in self.forms if name == disease)


def version_of(rules: Sequence[Rule]) -> str:
    """Return a short digest of rules: equal exactly when they say the same."""
    said = "\n".join(repr(rule) for rule in rules)
    return hashlib.sha256(said.encode()).hexdigest()[:12]


def _narrower(one: Rule, other: Rule) -> bool:
    width = 0 if other.jurisdiction == "CN" else len(other.jurisdiction)
    return (0 if one.jurisdiction == "CN" else len(one.jurisdiction)) >= width


def read_rules(paths: Iterable[Path] = STANDARD) -> RuleBook:
    """Read rule files, those of a city after the national ones.

    Raises:
        Invalid: a file is no TOML or breaks the format; the error names file and rule.
    """
    rules: list[Rule] = []
    flags: dict[str, tuple[str, str]] = {}
    forms: list[tuple[str, str, tuple[str, ...]]] = []
    for path in paths:
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise Invalid("grading-file", "The file is no TOML", where=path.name, fix=str(error)) from None
        sources: Mapping[str, Any] = table.get("sources", {})
        for row in table.get("flag", ()):
            flags[str(row["id"])] = (str(row["words"]), str(row.get("words_zh", row["words"])))
        for row in table.get("form", ()):
            forms.append((str(row["disease"]), str(row["form"]), tuple(map(str, row["icd10"]))))
        for number, row in enumerate(table.get("rule", ()), 1):
            where = f"{path.name} {row.get('id', number)}"
            try:
                rules.append(_rule(row, sources))
            except KeyError as missing:
                raise Invalid("grading-rule", "A part is missing", where=f"{where}: {missing}") from None
            except (TypeError, ValueError) as error:
                raise Invalid("grading-rule", "A value is wrong", where=where, fix=str(error)) from None
    for rule in rules:
        if unknown := rule.flags - flags.keys():
            raise Invalid("grading-rule", "A flag has no words", where=f"{rule.id}: {min(unknown)}")
    return RuleBook(tuple(rules), flags, tuple(forms))


def _rule(row: Mapping[str, Any], sources: Mapping[str, Any]) -> Rule:
    kind, scope, among = str(row["kind"]), str(row.get("scope", "event")), str(row.get("among", "county"))
    if kind not in KINDS:
        raise ValueError(f"there is no kind {kind}")
    if scope not in SCOPES or among not in SCOPES:
        raise ValueError(f"scope and among are one of {', '.join(SCOPES)}")
    if type(row["from"]) is not date or (row.get("to") is not None and type(row["to"]) is not date):
        raise ValueError("from and to are days without quotes")
    rule = Rule(
        id=str(row["id"]), grade=Grade(int(row["grade"])), kind=kind, words=str(row["words"]),
        words_zh=str(row["words_zh"]), clause=str(row.get("clause", "")),
        source=str(sources.get(row["source"], {}).get("title", row["source"])), checked=str(row["checked"]),
        first=row["from"], last=row.get("to"), jurisdiction=str(row.get("jurisdiction", "CN")),
        diseases=tuple(map(str, row.get("diseases", ()))), classes=tuple(map(str, row.get("classes", ()))),
        forms=tuple(map(str, row.get("forms", ()))),
        statuses=tuple(map(str, row.get("statuses", ()))) or COUNTED, scope=scope,
        days=int(row.get("days", 0)), cases=int(row.get("cases", 0)), deaths=int(row.get("deaths", 0)),
        areas=int(row.get("areas", 0)), among=among, ratio=float(row.get("ratio", 0)),
        flags=frozenset(map(str, row.get("flags", ()))), note=str(row.get("note", "")),
    )  # fmt: skip
    if min(rule.days, rule.cases, rule.deaths, rule.areas, rule.ratio) < 0:
        raise ValueError("numbers are not negative")
    if not (rule.cases or rule.deaths or rule.areas or rule.flags):
        raise ValueError("it asks for nothing, so that any event would meet it")
    if set(rule.statuses) - set(STATUSES):
        raise ValueError(f"statuses are of {', '.join(STATUSES)}")
    return rule
