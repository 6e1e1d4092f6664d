"""The programme's rules as data: programmes, diagnoses, aims of control, tracing, measures, file items."""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from importlib.resources import files
from typing import Any

from django.utils.translation import get_language

from salus.kernel.errors import Invalid
from salus.prevention.schedule import Rules, Service, load_rules
from salus.prevention.schedule.offsets import Span, span

JURISDICTIONS = ("CN",)


@dataclass(frozen=True, slots=True)
class Programme:
    """A programme: its anchor and services, at what age it begins and ends, how long it lasts at most."""

    code: str
    name_en: str
    name_zh: str
    anchor: str
    services: tuple[str, ...]
    enter_age: Span | None
    leave_age: Span | None
    lasts: Span | None
    categories: tuple[str, ...]
    form: str
    source: str
    checked: str

    @property
    def name(self) -> str:
        """The name in the reader's language."""
        return self.name_zh if chinese() else self.name_en

    def has(self, service: Service) -> bool:
        """Whether a service of the schedules belongs to the programme."""
        return service.code in self.services or any(
            one.startswith("schedule:") and service.schedule.startswith(one[9:]) for one in self.services
        )


@dataclass(frozen=True, slots=True)
class Target:
    """The readings below which a patient of an age (years, from … to below) counts as controlled."""

    programme: str
    age_from: int
    age_to: int
    below: Mapping[str, float]
    source: str


@dataclass(frozen=True, slots=True)
class Danger:
    """Readings at which a patient is sent to a hospital at once: at or above, at or below."""

    programmes: tuple[str, ...]
    above: Mapping[str, float]
    up_to: Mapping[str, float]
    source: str


@dataclass(frozen=True, slots=True)
class AfterPoor:
    """When a patient is seen again after a poor visit, and after how many in a row she is referred."""

    programmes: tuple[str, ...]
    due_days: int
    overdue_days: int
    refer_after: int


@dataclass(frozen=True, slots=True)
class Tracing:
    """Days until the next try after each outcome; tries before a home visit, and before the institution."""

    again_days: Mapping[str, int]
    home_visit_after: int
    institution_after: int


@dataclass(frozen=True, slots=True)
class Measure:
    """A programme's indicators: visits a year of standard management, and how common the disease is."""

    programme: str
    visits: int
    visit: str
    prevalence: float | None
    prevalence_from: int
    source: str


@dataclass(frozen=True, slots=True)
class Item:
    """An item of the health file: `record` (kept by the record), `choice` or `text`."""

    code: str
    section: str
    name_en: str
    name_zh: str
    kind: str
    choices: tuple[tuple[str, str, str], ...]
    from_record: str
    source: str

    @property
    def name(self) -> str:
        """The name in the reader's language."""
        return self.name_zh if chinese() else self.name_en

    def words(self, value: str) -> str:
        """Return a value in words."""
        for code, english, hanzi in self.choices:
            if code == value:
                return hanzi if chinese() else english
        return value


def chinese() -> bool:
    """Say whether the reader reads Chinese."""
    return (get_language() or "").startswith("zh")


def _text(name: str) -> str:
    return files("salus.prevention").joinpath(f"rules/{name}").read_text(encoding="utf-8")


def _rows(name: str, day: date) -> list[dict[str, str]]:
    found = []
    for row in csv.DictReader(_text(name).splitlines()):
        begins, ends = row["valid_from"], row["valid_to"]
        if date.fromisoformat(begins) <= day and (not ends or day <= date.fromisoformat(ends)):
            found.append(row)
    return found


@lru_cache(maxsize=8)
def _control(day: date) -> dict[str, list[dict[str, Any]]]:
    tables: dict[str, list[dict[str, Any]]] = tomllib.loads(_text("programme_control.toml"))
    return {
        name: [one for one in rows if one["valid_from"] <= day <= one.get("valid_to", date.max)]
        for name, rows in tables.items()
    }


@lru_cache(maxsize=8)
def programmes(day: date) -> Mapping[str, Programme]:
    """Return the programmes in force on a day, by code."""

    def maybe(text: str) -> Span | None:
        return span(text) if text else None

    return {
        row["code"]: Programme(
            row["code"], row["name_en"], row["name_zh"], row["anchor"], tuple(row["services"].split()),
            maybe(row["enter_age"]), maybe(row["leave_age"]), maybe(row["lasts"]),
            tuple(row["categories"].split()), row["form"], row["source"], row["checked"],
        )
        for row in _rows("programme_programmes.csv", day)
    }  # fmt: skip


def programme(code: str, day: date) -> Programme:
    """Return a programme in force.

    Raises:
        Invalid: there is none of this code on the day.
    """
    found = programmes(day).get(code)
    if found is None:
        raise Invalid("programme-unknown", "There is no such programme", where="programme")
    return found


@lru_cache(maxsize=8)
def diagnoses(day: date) -> tuple[tuple[str, str], ...]:
    """Return (prefix of ICD-10, programme), the longest prefix first."""
    rows = [(row["prefix"], row["programme"]) for row in _rows("programme_diagnoses.csv", day)]
    return tuple(sorted(rows, key=lambda row: (-len(row[0]), row[0])))


def programme_of(code: str, day: date) -> str:
    """Return the programme that a diagnosis belongs to, or an empty text."""
    plain = code.upper().replace(" ", "")
    return next((name for prefix, name in diagnoses(day) if plain.startswith(prefix)), "")


@lru_cache(maxsize=8)
def _vaccines(day: date) -> Mapping[tuple[str, str], tuple[tuple[str, str], ...]]:
    """Return by system and code what a name must hold, and the product; those that ask for more first."""
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for row in _rows("programme_vaccines.csv", day):
        found.setdefault((row["system"], row["code"]), []).append((row["text"], row["product"]))
    return {key: tuple(sorted(several, reverse=True)) for key, several in found.items()}


def product_of(system: str, code: str, name: str, day: date) -> str:
    """Return the schedule's product of a vaccine's code and name, or an empty text."""
    held = _vaccines(day).get((system, code), ())
    return next((product for text, product in held if text in name), "")


@lru_cache(maxsize=64)
def services_of(code: str, day: date) -> Rules:
    """Return the schedules of one programme that hold on a day."""
    held = load_rules(day, JURISDICTIONS)
    mine = programme(code, day)
    return Rules(tuple(one for one in held.services if mine.has(one)), held.conflicts)


@lru_cache(maxsize=8)
def programme_by_service(day: date) -> Mapping[str, str]:
    """Return the programme of each service."""
    found = {}
    for service in load_rules(day, JURISDICTIONS).services:
        for one in programmes(day).values():
            if one.has(service):
                found[service.code] = one.code
    return found


@lru_cache(maxsize=8)
def programmes_by_product(day: date) -> Mapping[str, frozenset[str]]:
    """Return the programmes whose services are filled by each product (a dose or kind of visit)."""
    found: dict[str, set[str]] = {}
    mine = programme_by_service(day)
    for service in load_rules(day, JURISDICTIONS).services:
        for product in service.products:
            if service.code in mine:
                found.setdefault(product, set()).add(mine[service.code])
    return {product: frozenset(codes) for product, codes in found.items()}


def service_name(code: str, day: date) -> str:
    """Return a service's name in the reader's language; its code where no schedule has it on the day."""
    for service in load_rules(day, JURISDICTIONS).services:
        if service.code == code:
            return service.name_zh if chinese() else service.name_en
    return code


@lru_cache(maxsize=8)
def targets(day: date) -> tuple[Target, ...]:
    """Return the aims of control."""
    return tuple(
        Target(one["programme"], one["age_from"], one["age_to"], one["below"], one["source"])
        for one in _control(day)["target"]
    )


@lru_cache(maxsize=8)
def dangers(day: date) -> tuple[Danger, ...]:
    """Return the readings at which a patient is sent to a hospital at once."""
    return tuple(
        Danger(tuple(one["programmes"]), one["from"], one.get("up_to", {}), one["source"])
        for one in _control(day)["danger"]
    )


def after_poor(code: str, day: date) -> AfterPoor | None:
    """Return what follows a poor visit in a programme, None where nothing does."""
    for one in _control(day)["after_poor"]:
        if code in one["programmes"]:
            return AfterPoor(
                tuple(one["programmes"]), one["due_days"], one["overdue_days"], one["refer_after"]
            )
    return None


def tracing(day: date) -> Tracing:
    """Return how defaulters are traced."""
    one = _control(day)["tracing"][-1]
    return Tracing(one["again_days"], one["home_visit_after"], one["institution_after"])


@lru_cache(maxsize=8)
def measures(day: date) -> tuple[Measure, ...]:
    """Return what the indicators count."""
    return tuple(
        Measure(
            one["programme"], one["visits"], one["visit"], one.get("prevalence"),
            one.get("prevalence_from", 0), one["source"],
        )
        for one in _control(day)["measure"]
    )  # fmt: skip


@lru_cache(maxsize=8)
def file_items(day: date) -> tuple[Item, ...]:
    """Return the items of the health file in their order."""
    found = []
    for row in _rows("programme_file.csv", day):
        parts = [one.split("=") for one in row["choices"].split("|")] if row["choices"] else []
        choices = tuple((one[0], one[1], one[2]) for one in parts)
        found.append(
            Item(
                row["code"], row["section"], row["name_en"], row["name_zh"], row["kind"], choices,
                row["from_record"], row["source"],
            )
        )  # fmt: skip
    return tuple(found)
