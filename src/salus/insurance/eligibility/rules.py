"""The dated rules of enrolment, read from `rules/enrolment_*`."""

import csv
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from importlib.resources import files
from typing import Any

from salus.insurance.eligibility.tables import CATEGORIES, SERVICES
from salus.kernel.errors import Invalid

ALWAYS = date(9999, 12, 31)


@dataclass(frozen=True, slots=True)
class Waiting:
    """When a spell of a category gives cover: in time, after a late payment, after a break.

    `in_time_days` may pass between the spell's first day and its payment. A gap of more than `grace_months`
    is a break: the wait is then `broken_months` and `year_months` for each whole year of the gap that was not
    paid for since, and `many_months` at least from `many_years` on. `carries`: an earlier wait goes on.
    """

    rule: str
    scheme: str
    category: str
    start: date
    end: date
    in_time_days: int
    grace_months: int
    first_months: int
    late_months: int
    broken_months: int
    year_months: int
    many_years: int
    many_months: int
    carries: bool


@dataclass(frozen=True, slots=True)
class Offer:
    """That a category's scheme answers for a service, after so many months without a break."""

    rule: str
    scheme: str
    category: str
    service: str
    start: date
    end: date
    least_months: int


@dataclass(frozen=True, slots=True)
class StatusRule:
    """A social status: its place among the others, whether it spares the waiting, whether it means poor."""

    status: str
    rank: int
    waives: bool
    poor: bool
    name_en: str
    name_zh: str


@dataclass(frozen=True, slots=True)
class PremiumRule:
    """What a member of the residents' scheme pays for a year and what public finance adds, in fen."""

    scheme: str
    category: str
    start: date
    end: date
    own: int
    finance: int


@dataclass(frozen=True, slots=True)
class Subsidy:
    """How much of the own premium medical aid pays for a status, in percent."""

    status: str
    start: date
    end: date
    percent: int


@dataclass(frozen=True, slots=True)
class Rate:
    """What a category of employees pays a month, in hundredths of a percent of a bounded base."""

    category: str
    start: date
    own: int
    employer: int
    floor_percent: int
    ceiling_percent: int


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules of enrolment, with look-ups by what they are asked for."""

    waiting: tuple[Waiting, ...]
    offers: tuple[Offer, ...]
    statuses: dict[str, StatusRule]
    status_map: tuple[tuple[str, str, str], ...]
    premiums: tuple[PremiumRule, ...]
    subsidies: tuple[Subsidy, ...]
    rates: tuple[Rate, ...]
    wages: tuple[tuple[date, int], ...]

    def waiting_of(self, scheme: str, category: str, day: date) -> Waiting | None:
        """Return the waiting rule of a category for spells that begin on a day."""
        for rule in self.waiting:
            if rule.scheme == scheme and rule.category == category and rule.start <= day <= rule.end:
                return rule
        return None

    def offer_of(self, scheme: str, category: str, service: str, day: date) -> Offer | None:
        """Return the rule by which a category's scheme answers for a service on a day."""
        for rule in self.offers:
            if (rule.scheme, rule.category, rule.service) == (scheme, category, service):
                if rule.start <= day <= rule.end:
                    return rule
        return None

    def status_of(self, category: str, words: str) -> str | None:
        """Return the status that the record's social status means: its code and the office's words."""
        for known, part, status in self.status_map:
            if known == category and part in words:
                return status
        return None

    def poor(self, status: str) -> bool:
        """Say whether a status means a poor household."""
        return status in self.statuses and self.statuses[status].poor


def _rows(name: str) -> Iterator[dict[str, str]]:
    text = files("salus.insurance").joinpath(f"rules/{name}").read_text(encoding="utf-8")
    yield from csv.DictReader(text.splitlines())


def _span(row: dict[str, str]) -> tuple[date, date]:
    return date.fromisoformat(row["valid_from"]), (
        date.fromisoformat(row["valid_to"]) if row["valid_to"] else ALWAYS
    )


def _each(value: str, scheme: str) -> tuple[str, ...]:
    return CATEGORIES[scheme] if value == "*" else (value,)


@lru_cache(maxsize=1)
def load_rules() -> Rules:
    """Read the rules from the package once.

    Raises:
        Invalid: a row names a scheme, category, service or status that there is not, or two rows of one
            category overlap; `where` names the file.
    """
    waiting = []
    for row in _rows("enrolment_waiting.csv"):
        numbers = {
            name: int(row[name])
            for name in (
                "in_time_days", "grace_months", "first_months", "late_months", "broken_months",
                "year_months", "many_years", "many_months",
            )
        }  # fmt: skip
        start, end = _span(row)
        for category in _each(row["category"], row["scheme"]):
            waiting.append(
                Waiting(
                    row["rule"],
                    row["scheme"],
                    category,
                    start,
                    end,
                    **numbers,
                    carries=row["carries"] == "yes",
                )
            )
    offers = [
        Offer(row["rule"], row["scheme"], category, row["service"], *_span(row), int(row["least_months"]))
        for row in _rows("enrolment_services.csv")
        for category in _each(row["category"], row["scheme"])
    ]
    statuses = {
        row["status"]: StatusRule(
            row["status"], int(row["rank"]), row["waives_waiting"] == "yes", row["poor"] == "yes",
            row["name_en"], row["name_zh"],
        )
        for row in _rows("enrolment_statuses.csv")
    }  # fmt: skip
    premiums = [
        PremiumRule(row["scheme"], category, *_span(row), int(row["own_fen"]), int(row["finance_fen"]))
        for row in _rows("enrolment_premiums.csv")
        for category in _each(row["category"], row["scheme"])
    ]
    subsidies = [
        Subsidy(row["status"], *_span(row), int(row["percent"])) for row in _rows("enrolment_subsidies.csv")
    ]
    wages: dict[str, Any] = tomllib.loads(
        files("salus.insurance").joinpath("rules/enrolment_wages.toml").read_text(encoding="utf-8")
    )
    rates = [
        Rate(
            row["category"], row["valid_from"], row["own"], row["employer"], row["base_floor_percent"],
            row["base_ceiling_percent"],
        )
        for row in wages["contribution"]
    ]  # fmt: skip
    found = Rules(
        tuple(waiting), tuple(offers), statuses,
        tuple((row["category"], row["contains"], row["status"]) for row in _rows("enrolment_status_map.csv")),
        tuple(premiums), tuple(subsidies), tuple(rates),
        tuple(sorted((row["valid_from"], row["month_fen"]) for row in wages["wage"])),
    )  # fmt: skip
    check(found)
    return found


def check(rules: Rules) -> None:
    """Raise `Invalid` for rules that name what there is not, or of which two hold on one day."""
    for name, rows in (("enrolment_waiting.csv", rules.waiting), ("enrolment_services.csv", rules.offers)):
        seen: dict[tuple[str, ...], list[tuple[date, date]]] = {}
        for row in rows:
            service = row.service if isinstance(row, Offer) else ""
            if row.category not in CATEGORIES.get(row.scheme, ()) or (service and service not in SERVICES):
                raise Invalid("rules-unknown", "A rule names what there is not", where=f"{name}: {row.rule}")
            others = seen.setdefault((row.scheme, row.category, service), [])
            if any(row.start <= end and start <= row.end for start, end in others):
                raise Invalid("rules-overlap", "Two rules hold on one day", where=f"{name}: {row.rule}")
            others.append((row.start, row.end))
    unknown = {s for *_rest, s in rules.status_map} | {s.status for s in rules.subsidies}
    if unknown - set(rules.statuses):
        raise Invalid(
            "rules-unknown", "A rule names a status that there is not", where="enrolment_status_map.csv"
        )
