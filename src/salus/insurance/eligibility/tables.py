"""The tables that the eligibility reads and gives, as files and for the engine."""

from dataclasses import dataclass

CATEGORIES = {
    "employee": ("worker", "flexible", "retired"),
    "resident": ("adult", "child", "student", "newborn"),
}
"""The kinds of members of each scheme."""

SERVICES = ("outpatient", "inpatient", "chronic", "emergency", "maternity", "pharmacy")
"""What is asked for; `chronic` is outpatient care of a listed chronic or special illness."""

REASONS = (
    "covered",
    "not-enrolled",
    "lapsed",
    "unpaid",
    "waiting",
    "service-not-covered",
    "too-few-months",
    "not-contracted",
    "other-area",
)
"""The answers: the first of them that holds, from `not-enrolled` on, else `covered`."""


@dataclass(frozen=True, slots=True)
class Field:
    """A column of a file: its type as DuckDB writes it, whether it must hold a value, and what it means."""

    name: str
    type: str
    required: bool
    about: str


ASKED = (
    Field("ask_id", "bigint", True, "number of the question; comes back with its answer"),
    Field("person_id", "varchar", True, "the person, under any id"),
    Field("day", "date", True, "the day of the service"),
    Field("service", "varchar", True, ", ".join(SERVICES)),
    Field("institution", "varchar", True, "code of the institution"),
)
SPELLS = (
    Field("person_id", "varchar", True, "the person"),
    Field("scheme", "varchar", True, "employee or resident"),
    Field("category", "varchar", True, "; ".join(f"{s}: {', '.join(c)}" for s, c in CATEGORIES.items())),
    Field("area", "varchar", True, "code of the area whose fund it is"),
    Field("start_date", "date", True, "first day paid for"),
    Field("end_date", "date", True, "last day paid for"),
    Field("paid_on", "date", True, "the day of payment"),
    Field("repair_years", "bigint", False, "years of a break that were paid for afterwards; 0 when left out"),
)
STATUSES = (
    Field("person_id", "varchar", True, "the person"),
    Field("status", "varchar", True, "a status of rules/enrolment_statuses.csv"),
    Field("start_date", "date", True, "first day"),
    Field("end_date", "date", False, "last day; empty while it lasts"),
)
FILINGS = (
    Field("person_id", "varchar", True, "the person"),
    Field("area", "varchar", True, "where she will be treated"),
    Field("start_date", "date", True, "first day"),
    Field("end_date", "date", False, "last day; empty while it lasts"),
)
CONTRACTS = (
    Field("institution", "varchar", True, "code of the institution"),
    Field("area", "varchar", True, "the area whose fund it may bill"),
    Field("service", "varchar", True, ", ".join(SERVICES)),
    Field("start_date", "date", True, "first day"),
    Field("end_date", "date", False, "last day; empty while it lasts"),
)
ANSWERS = (
    Field("ask_id", "bigint", True, "number of the question"),
    Field("covered", "boolean", True, "whether the fund answers for the service"),
    Field("reason", "varchar", True, ", ".join(REASONS)),
    Field("scheme", "varchar", False, "the scheme of the spell that was judged"),
    Field("category", "varchar", False, "the kind of member"),
    Field("area", "varchar", False, "the area whose fund it is"),
    Field("statuses", "varchar", True, "statuses on that day, the strongest first"),
    Field("entitled_from", "date", False, "first day of this cover, when covered"),
    Field("entitled_to", "date", False, "last day of this cover as paid, when covered"),
    Field("waiting_until", "date", False, "first day of cover, when waiting"),
    Field("away", "boolean", True, "covered outside the area, by filing or as an emergency"),
    Field("rule", "varchar", True, "the rule that decided"),
)
INPUTS = {
    "asked": ASKED,
    "spells": SPELLS,
    "statuses": STATUSES,
    "filings": FILINGS,
    "contracts": CONTRACTS,
}
"""The files that a run reads; only `asked` and `spells` must be there, the last three may be empty."""

CHOICES = {
    "service": frozenset(SERVICES),
    "scheme": frozenset(CATEGORIES),
}
"""Columns whose values are one of a list."""
