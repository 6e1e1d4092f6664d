"""The columns of the command's files."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Field:
    """A column: its name, type, meaning, and whether a row needs it."""

    name: str
    type: str
    about: str
    required: bool = True


INPUTS = {
    "births": (
        Field("person", "text", "the resident's number in your files, unique"),
        Field("birth", "date", "day of birth, 2026-01-31"),
        Field("discharge", "date", "day on which the newborn left the hospital", False),
    ),
    "anchors": (
        Field("person", "text", "a resident of the births"),
        Field("anchor", "text", "what spans count from: discharge, lmp, delivery, hypertension, …"),
        Field("day", "date", "the anchor's day"),
        Field("ended", "date", "last day of what hangs on it, such as the delivery", False),
    ),
    "given": (
        Field("person", "text", "a resident of the births"),
        Field("product", "text", "vaccine or kind of visit, such as HepB or child-check"),
        Field("day", "date", "the day on which it was given"),
    ),
    "bars": (
        Field("person", "text", "a resident of the births"),
        Field("code", "text", "a service or product that must not be given"),
        Field("start", "date", "first day"),
        Field("end", "date", "last day; for good without it", False),
    ),
}
OUTPUT = (
    Field("person", "text", "the resident"),
    Field("service", "text", "the service's code"),
    Field("anchor_on", "date", "the day from which it counts"),
    Field("status", "text", "upcoming, due, overdue, complete, closed, ended or contraindicated"),
    Field("step", "number", "the next dose or visit, from 1; 0 when there is none"),
    Field("counted", "number", "doses or visits that count"),
    Field("missed", "number", "windows that passed unused"),
    Field("due_on", "date", "from when on the next one is due", False),
    Field("overdue_on", "date", "from when on it is overdue", False),
    Field("closes_on", "date", "from when on it is no longer given", False),
    Field(
        "reason",
        "text",
        "what the due day follows from: age, interval, first, after, conflict, period, bar",
        False,
    ),
    Field("why", "text", "the reason in words, and of each dose that does not count why not"),
)
