"""The rules of grading and response in force here: the national files, then the city's own.

A city's files lie in the folder that `SALUS_EMERGENCY_DIR` names, else in `rules/emergency` of the platform's
data folder: `grades.toml`, `response.toml`, `tasks.csv`. A change counts at once; a file that cannot be read
is told on the page of rules, and the national ones hold.
"""

from __future__ import annotations

import os
from datetime import date
from functools import lru_cache
from pathlib import Path

from django.conf import settings

from salus.kernel.errors import Invalid
from salus.prevention.queries.notifiable.diseases import catalogue, chinese
from salus.prevention.surveillance.grading_rules import STANDARD, Grade, Rule, RuleBook, read_rules
from salus.prevention.surveillance.response_rules import RESPONSE, TASKS, Level, Response, read_response


def own_folder() -> Path:
    """Return the folder of the city's own rules."""
    named = os.environ.get("SALUS_EMERGENCY_DIR", "")
    return Path(named) if named else Path(settings.DATA_DIR) / "rules" / "emergency"


def _own(name: str) -> tuple[Path, int]:
    path = own_folder() / name
    try:
        return path, path.stat().st_mtime_ns
    except OSError:
        return path, 0


@lru_cache(maxsize=8)
def _book(path: Path, stamp: int) -> tuple[RuleBook, str]:
    try:
        return read_rules((*STANDARD, *([path] if stamp else []))), ""
    except Invalid as fault:
        return read_rules(STANDARD), str(fault)


@lru_cache(maxsize=8)
def _answers(
    path: Path, stamp: int, tasks: Path, tasks_stamp: int
) -> tuple[Response, str]:  # fmt: skip
    try:
        return read_response(
            (RESPONSE, *([path] if stamp else [])), (TASKS, *([tasks] if tasks_stamp else []))
        ), ""
    except Invalid as fault:
        return read_response(), str(fault)


def book() -> RuleBook:
    """Return the grading rules."""
    return _book(*_own("grades.toml"))[0]


def response() -> Response:
    """Return the rules of the response."""
    return _answers(*_own("response.toml"), *_own("tasks.csv"))[0]


def faults() -> list[str]:
    """Return what is wrong with the city's own files."""
    found = (_book(*_own("grades.toml"))[1], _answers(*_own("response.toml"), *_own("tasks.csv"))[1])
    return [one for one in found if one]


def words_of(rule: Rule) -> str:
    """Return what a rule says in the reader's language."""
    return rule.words_zh if chinese() else rule.words


def level_name(level: Level) -> str:
    """Return a level's name in the reader's language."""
    return level.name_zh if chinese() else level.name


def flags() -> list[tuple[str, str]]:
    """Return (id, words) of the statements that rules ask for."""
    return [(code, both[chinese()]) for code, both in book().flags.items()]


def class_of(disease: str, day: date) -> str:
    """Return the class in which a disease is listed on a day, "" when it is not."""
    found = catalogue().get(disease)
    listing = found.listed(day) if found is not None else None
    return listing.class_ if listing else ""


def graded(number: int) -> Grade:
    """Return the grade of a number; raises Invalid."""
    try:
        return Grade(number)
    except ValueError:
        raise Invalid("grade", "There is no such grade", where="grade") from None
