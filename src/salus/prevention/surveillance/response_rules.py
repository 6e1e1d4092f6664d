"""How a grade is answered, as dated data: levels, the response plan's tasks, and when a response may end.

Read from `rules/emergency_response.toml` and `rules/emergency_tasks.csv`; a city's own files come after them,
and a row of its own replaces the national one of the same grade, kind or code.
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol, TypeVar

from salus.kernel.errors import Invalid
from salus.prevention.surveillance.grading_rules import KINDS, Grade

RESPONSE = Path(str(files("salus.prevention").joinpath("rules/emergency_response.toml")))
TASKS = Path(str(files("salus.prevention").joinpath("rules/emergency_tasks.csv")))


@dataclass(frozen=True, slots=True)
class Level:
    """How a grade is answered.

    `action` is the policy's action that confirms it; hours and days are those of reports: the first after the
    news, then `every_hours` (0: none), the closing one within `final_days`. `morning` is an hour of the day.
    """

    grade: Grade
    action: str
    name: str
    name_zh: str
    led_by: str
    led_by_zh: str
    report_hours: int
    every_hours: int
    final_days: int
    morning: int
    first: date
    last: date | None
    jurisdiction: str
    source: str
    checked: str


@dataclass(frozen=True, slots=True)
class Ending:
    """When a response may end: after so many longest incubations, or days, without a new case.

    `statement`: a person must say besides that the danger is removed.
    """

    kinds: tuple[str, ...]
    incubations: float
    days: int
    statement: bool
    first: date
    last: date | None
    jurisdiction: str
    source: str
    checked: str

    def clear_days(self, longest_incubation: int | None) -> int:
        """Return how many days without a new case are needed."""
        if self.incubations and longest_incubation:
            exact = self.incubations * longest_incubation
            return int(exact) if exact == int(exact) else int(exact) + 1
        return self.days


@dataclass(frozen=True, slots=True)
class PlannedTask:
    """A task of the response plan: for which kinds and grades, due how many hours after the grading."""

    code: str
    kinds: tuple[str, ...]
    grades: tuple[Grade, ...]
    hours: int
    role: str
    title: str
    title_zh: str
    first: date
    last: date | None
    jurisdiction: str
    source: str
    checked: str


class _Dated(Protocol):
    @property
    def first(self) -> date: ...
    @property
    def last(self) -> date | None: ...
    @property
    def jurisdiction(self) -> str: ...


_D = TypeVar("_D", bound=_Dated)


@dataclass(frozen=True, slots=True)
class Response:
    """All levels, endings and tasks; `again_days` is how long a rejected proposal rests."""

    levels: tuple[Level, ...]
    endings: tuple[Ending, ...]
    tasks: tuple[PlannedTask, ...]
    again_days: int = 14

    def level(self, grade: Grade, day: date, district: str = "") -> Level:
        """Return how a grade is answered on a day at a place; raises Invalid where no row says."""
        return _last([one for one in self.levels if one.grade == grade], day, district, f"grade {grade.name}")

    def ending(self, kind: str, day: date, district: str = "") -> Ending:
        """Return when the response to a kind of event may end; raises Invalid where no row says."""
        return _last([one for one in self.endings if kind in one.kinds], day, district, kind)

    def plan(self, kind: str, grade: Grade, day: date, district: str = "") -> tuple[PlannedTask, ...]:
        """Return the tasks of the response plan, the first due first."""
        chosen: dict[str, PlannedTask] = {}
        for one in self.tasks:
            if _holds(one, day, district) and ("*" in one.kinds or kind in one.kinds):
                if grade in one.grades:
                    chosen[one.code] = one
                elif one.jurisdiction != "CN":
                    chosen.pop(one.code, None)
        return tuple(sorted(chosen.values(), key=lambda one: (one.hours, one.code)))


def _holds(one: _Dated, day: date, district: str) -> bool:
    dated = one.first <= day and (one.last is None or day <= one.last)
    return dated and (one.jurisdiction == "CN" or district.startswith(one.jurisdiction))


def _last(rows: Sequence[_D], day: date, district: str, what: str) -> _D:
    held = [one for one in rows if _holds(one, day, district)]
    if not held:
        raise Invalid("response-rule", "No rule says how it is answered", where=what)
    return max(enumerate(held), key=lambda pair: (_width(pair[1]), pair[0]))[1]


def _width(one: _Dated) -> int:
    return 0 if one.jurisdiction == "CN" else len(one.jurisdiction)


def read_response(
    responses: Iterable[Path] = (RESPONSE,), tasks: Iterable[Path] = (TASKS,)
) -> Response:  # fmt: skip
    """Read the files, the national ones first.

    Raises:
        Invalid: a file breaks the format; the error names the file and the row.
    """
    levels: list[Level] = []
    endings: list[Ending] = []
    again = 14
    for path in responses:
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
            levels += [_level(row) for row in table.get("level", ())]
            endings += [_ending(row) for row in table.get("stand_down", ())]
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
            raise Invalid("response-file", "A row is wrong", where=path.name, fix=str(error)) from None
        again = int(table.get("again", {}).get("days", again))
    planned: list[PlannedTask] = []
    for path in tasks:
        text = path.read_text(encoding="utf-8-sig")
        for number, row in enumerate(csv.DictReader(text.splitlines()), 2):
            try:
                planned.append(_task(row))
            except (KeyError, TypeError, ValueError) as error:
                raise Invalid(
                    "response-file", "A row is wrong", where=f"{path.name}:{number}", fix=str(error)
                ) from None
    planned.sort(key=_width)
    return Response(tuple(levels), tuple(endings), tuple(planned), again)


def _level(row: Mapping[str, Any]) -> Level:
    return Level(
        Grade(int(row["grade"])), str(row["action"]), str(row["name"]), str(row["name_zh"]),
        str(row["led_by"]), str(row["led_by_zh"]), int(row["report_hours"]), int(row["every_hours"]),
        int(row["final_days"]), int(row["morning"]), row["from"], row.get("to"),
        str(row.get("jurisdiction", "CN")), str(row["source"]), str(row["checked"]),
    )  # fmt: skip


def _ending(row: Mapping[str, Any]) -> Ending:
    kinds = tuple(map(str, row["kinds"]))
    if unknown := set(kinds) - set(KINDS):
        raise ValueError(f"there is no kind {min(unknown)}")
    return Ending(
        kinds, float(row["incubations"]), int(row["days"]), bool(row["statement"]), row["from"],
        row.get("to"), str(row.get("jurisdiction", "CN")), str(row["source"]), str(row["checked"]),
    )  # fmt: skip


def _task(row: Mapping[str, str]) -> PlannedTask:
    kinds = tuple(row["kinds"].split())
    if unknown := set(kinds) - {*KINDS, "*"}:
        raise ValueError(f"there is no kind {min(unknown)}")
    return PlannedTask(
        row["code"], kinds, tuple(Grade(int(digit)) for digit in row["grades"]), int(row["hours"]),
        row["role"], row["title"], row["title_zh"] or row["title"], date.fromisoformat(row["from"]),
        date.fromisoformat(row["to"]) if row["to"] else None, row["jurisdiction"] or "CN", row["source"],
        row["checked"],
    )  # fmt: skip


def may_end(last_case: date | None, day: date, clear_days: int) -> bool:
    """Say whether so many days have passed after the last case without another.

    With 5 days and a last case on the 1st, the 2nd to the 6th are clear and the response may end on the 7th.
    """
    return last_case is not None and day > last_case + timedelta(days=clear_days)
