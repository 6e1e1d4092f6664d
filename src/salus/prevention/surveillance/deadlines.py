"""Reporting deadlines by class and day, and until when a contact is followed.

The hours stand in `rules/notifiable_deadlines.toml`, dated: a past report is judged by its time's rule.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from functools import lru_cache
from importlib.resources import files

from salus.kernel.clocks import Period, Unit, expires
from salus.kernel.errors import Invalid
from salus.prevention.surveillance.catalogue import Disease


@dataclass(frozen=True, slots=True)
class DeadlineRule:
    """Within how many hours of the diagnosis a case that is managed as a class is reported."""

    managed: str
    hours: int
    first: date
    last: date | None
    source: str
    checked: str


@lru_cache(maxsize=1)
def deadline_rules() -> tuple[DeadlineRule, ...]:
    """Return the package's deadlines."""
    text = files("salus.prevention").joinpath("rules/notifiable_deadlines.toml").read_text(encoding="utf-8")
    return tuple(
        DeadlineRule(
            row["managed"], int(row["hours"]), row["from"], row.get("to"), row["source"], row["checked"]
        )
        for row in tomllib.loads(text)["deadline"]
    )


def deadline(
    disease: Disease,
    diagnosed: datetime,
    zone: tzinfo,
    *,
    codes: Sequence[str] = (),
    rules: Sequence[DeadlineRule] | None = None,
) -> datetime | None:
    """Return by when a diagnosis is to be reported; None if the disease is on no list on its day.

    Args:
        disease: with its listings.
        diagnosed: the moment of the diagnosis, aware.
        zone: of the city.
        codes: of the diagnoses (ICD-10), by which an urgent form is known.
        rules: deadlines by class; the package's if none.

    Raises:
        Invalid: no deadline is known for the class on that day.
    """
    day = diagnosed.astimezone(zone).date()
    listed = disease.listed(day)
    if listed is None:
        return None
    managed = "A" if listed.urgent and any(c.startswith(listed.urgent) for c in codes) else listed.managed
    for rule in rules if rules is not None else deadline_rules():
        if rule.managed == managed and rule.first <= day and (rule.last is None or day <= rule.last):
            return expires(Period(rule.hours, Unit.HOURS, source=rule.source), diagnosed, zone)
    raise Invalid("deadline-unknown", "No deadline is known for the class", where=listed.managed)


def follow_until(disease: Disease, last_exposure: date) -> date:
    """Return the last day on which a contact is followed up."""
    return last_exposure + timedelta(days=disease.contact_days)
