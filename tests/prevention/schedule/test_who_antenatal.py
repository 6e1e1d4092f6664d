"""WHO's antenatal test cases that concern the schedule of contacts: `who_anc/ANC_Test_Cases.xlsx`.

Of the workbook's 67 cases, 32 are follow-up contacts that state the week in which the woman came back; the
other 35, first contacts and complaints, test what is asked and diagnosed, not when contacts are due. 13 of
the 32 say what the schedule makes of the week: lilly 2 to 9, fatima 2 and 4, charity-otala 2, mona 3 ("late
return") and fiona-day ("GA > 40 weeks"). The other 19 came in a week off the schedule, or without an earlier
contact to count from, and the workbook does not say what should follow.
"""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from salus.prevention.schedule import Episode, Finding, Given, Resident, assess, load_rules

WHO = load_rules(date(2026, 11, 30), ("WHO",))
LMP = date(2018, 1, 1)
CONTACT, IDENTIFIER, REASON, LMP_GIVEN, GESTATION, RETURN, RISKS = 1, 4, 9, 16, 17, 45, 127


@pytest.fixture(scope="module")
def women(shared: Path) -> dict[str, dict[int, tuple[int | None, str]]]:
    """Return per woman and contact the completed weeks and what was noted of her."""
    path = shared / "prevention" / "who_anc" / "ANC_Test_Cases.xlsx"
    if not path.exists():
        pytest.skip(f"WHO's antenatal test cases are not at {path}")
    book = openpyxl.load_workbook(path, read_only=True)
    rows: list[tuple[Any, ...]] = list(book["TestCases"].iter_rows(values_only=True))
    book.close()
    found: dict[str, dict[int, tuple[int | None, str]]] = {}
    for row in rows[1:]:
        if row[IDENTIFIER] is None:
            continue
        name, _, place = str(row[IDENTIFIER]).rpartition("-")
        woman = name if place.isdigit() else str(row[IDENTIFIER])
        weeks = row[RETURN] if row[RETURN] is not None else row[GESTATION]
        found.setdefault(woman, {})[int(row[CONTACT])] = (
            None if weeks is None else int(weeks), str(row[RISKS] or ""),
        )  # fmt: skip
    return found


def after(weeks: list[int], today: int) -> Finding:
    """Return the state of the contacts of a woman seen in some weeks, in a week."""

    def day(week: int) -> date:
        return LMP + timedelta(weeks=week)

    woman = Resident(
        date(1990, 1, 1), [Episode("lmp", LMP)], [Given("antenatal-contact", day(week)) for week in weeks]
    )
    return next(f for f in assess(WHO, woman, day(today)))


def week(finding: Finding) -> int:
    assert finding.due_on is not None
    return (finding.due_on - LMP).days // 7


def test_the_woman_who_keeps_the_schedule_is_called_in_each_of_its_weeks(
    women: dict[str, dict[int, tuple[int | None, str]]],
) -> None:
    weeks = [women["lilly"][n][0] for n in sorted(women["lilly"])]
    assert weeks == [12, 20, 26, 30, 34, 36, 38, 40, 41]
    known = [n for n in weeks if n is not None]
    for n in range(1, len(known)):
        assert week(after(known[:n], known[n - 1])) == known[n]
        assert after(known[:n], known[n]).status == "due"
    assert after(known, 41).status == "complete"


def test_a_first_contact_before_its_week_is_followed_by_that_week(
    women: dict[str, dict[int, tuple[int | None, str]]],
) -> None:
    seen = women["fatima"]
    assert (seen[1][0], seen[2][0], seen[4][0]) == (8, 12, 20)
    assert week(after([8], 8)) == 12
    assert week(after([8, 12], 12)) == 20


def test_a_first_contact_between_weeks_is_followed_by_the_next_one(
    women: dict[str, dict[int, tuple[int | None, str]]],
) -> None:
    seen = women["charity-otala"]
    assert (seen[1][0], seen[2][0]) == (15, 20)
    assert week(after([15], 15)) == 20


def test_the_return_that_is_labelled_late_is_overdue(
    women: dict[str, dict[int, tuple[int | None, str]]],
) -> None:
    late = {
        (name, n)
        for name, contacts in women.items()
        for n, (_, risks) in contacts.items()
        if "late return" in risks
    }
    assert late == {("mona", 3)}
    weeks = [women["mona"][n][0] for n in (1, 2)]
    assert weeks == [18, 22]
    found = after([18, 22], 28)
    assert (week(found), found.status) == (26, "overdue")


def test_gestation_beyond_40_weeks_is_after_the_last_regular_contact(
    women: dict[str, dict[int, tuple[int | None, str]]],
) -> None:
    for name, contacts in women.items():
        for weeks, risks in contacts.values():
            if "GA > 40 weeks" in risks and weeks is not None:
                assert weeks >= 40, name
                found = after([], weeks)
                assert found.missed >= 7
                assert found.step >= 8
