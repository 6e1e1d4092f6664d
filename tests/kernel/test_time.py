"""Working days as the State Council published them, and statutory clocks."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.kernel import calendar
from salus.kernel.calendar import NotPublished, Published, add_working_days, working_day
from salus.kernel.clocks import Clock, Period, Start, Unit, earliest, expires, last_day
from salus.kernel.errors import Conflict, Invalid

SHANGHAI = ZoneInfo("Asia/Shanghai")

# State Council General Office, 国办发明电〔2023〕7号, 2023-10-25 (read at zh.wikisource.org).
OFF_2024 = [
    ("2024-01-01", "2024-01-01"),
    ("2024-02-10", "2024-02-17"),
    ("2024-04-04", "2024-04-06"),
    ("2024-05-01", "2024-05-05"),
    ("2024-06-10", "2024-06-10"),
    ("2024-09-15", "2024-09-17"),
    ("2024-10-01", "2024-10-07"),
]
WORKED_2024 = [
    "2024-02-04",
    "2024-02-18",
    "2024-04-07",
    "2024-04-28",
    "2024-05-11",
    "2024-09-14",
    "2024-09-29",
    "2024-10-12",
]
# State Council General Office, 国办发明电〔2024〕12号, 2024-11-12 (read at m.gmw.cn).
OFF_2025 = [
    ("2025-01-01", "2025-01-01"),
    ("2025-01-28", "2025-02-04"),
    ("2025-04-04", "2025-04-06"),
    ("2025-05-01", "2025-05-05"),
    ("2025-05-31", "2025-06-02"),
    ("2025-10-01", "2025-10-08"),
]
WORKED_2025 = ["2025-01-26", "2025-02-08", "2025-04-27", "2025-09-28", "2025-10-11"]


def _days(ranges: list[tuple[str, str]]) -> set[date]:
    return {
        date.fromisoformat(first) + timedelta(days=offset)
        for first, last in ranges
        for offset in range((date.fromisoformat(last) - date.fromisoformat(first)).days + 1)
    }


@pytest.mark.parametrize(
    ("year", "off", "worked"), [(2024, OFF_2024, WORKED_2024), (2025, OFF_2025, WORKED_2025)]
)
def test_every_day_of_the_year_is_as_the_notice_says(
    year: int, off: list[tuple[str, str]], worked: list[str]
) -> None:
    free, made_up = _days(off), {date.fromisoformat(day) for day in worked}
    day = date(year, 1, 1)
    while day.year == year:
        expected = day in made_up or (day.weekday() < 5 and day not in free)
        assert working_day(day) is expected, day
        day += timedelta(days=1)


def test_a_year_not_yet_published_is_said_not_guessed() -> None:
    unknown = calendar.published_years()[1] + 1
    assert calendar.status(unknown) is Published.NO
    assert calendar.status(2025) is Published.YES
    with pytest.raises(NotPublished) as refused:
        working_day(date(unknown, 3, 3))
    assert refused.value.year == unknown
    with pytest.raises(NotPublished):
        add_working_days(date(unknown - 1, 12, 31), 1)


def test_names_of_days() -> None:
    assert calendar.make_up_workday(date(2025, 1, 26))
    assert not calendar.make_up_workday(date(2025, 1, 27))
    assert calendar.holiday_name(date(2025, 1, 29)) == "Spring Festival"
    assert calendar.holiday_name(date(2025, 3, 3)) == ""
    assert calendar.day_off_in_lieu(date(2025, 2, 3))
    for ask in (calendar.holiday_name, calendar.day_off_in_lieu):
        with pytest.raises(NotPublished):
            ask(date(1990, 1, 1))


def test_working_days_skip_the_spring_festival() -> None:
    # Mon 27 January 2025 is worked; the holiday runs to 4 February; Sat 8 February is worked.
    assert add_working_days(date(2025, 1, 27), 1) == date(2025, 2, 5)
    assert add_working_days(date(2025, 1, 24), 2) == date(2025, 1, 27)
    assert add_working_days(date(2025, 2, 5), -1) == date(2025, 1, 27)
    assert add_working_days(date(2025, 2, 1), 0) == date(2025, 2, 5)
    assert calendar.working_days_between(date(2025, 1, 27), date(2025, 2, 8)) == 4


@settings(max_examples=100, deadline=None)
@given(st.dates(date(2010, 1, 1), date(2025, 6, 1)), st.integers(1, 60))
def test_adding_working_days_and_counting_them_agree(day: date, count: int) -> None:
    end = add_working_days(day, count)
    assert working_day(end)
    assert calendar.working_days_between(day, end) == count


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


# period, event, expiry
EXPIRIES = [
    (Period(2, Unit.HOURS), "2025-01-28T23:30", "2025-01-29T01:30"),
    (Period(24, Unit.HOURS), "2025-02-01T10:00", "2025-02-02T10:00"),
    (Period(1, Unit.DAYS), "2025-03-03T10:00", "2025-03-05T00:00"),
    (Period(3, Unit.DAYS, start=Start.SAME_DAY), "2025-03-03T10:00", "2025-03-06T00:00"),
    (Period(30, Unit.DAYS), "2025-01-31T08:00", "2025-03-03T00:00"),
    # Seven days end on Tue 4 February 2025, a holiday; with rolling on Wed 5.
    (Period(7, Unit.DAYS, rolls=True), "2025-01-28T08:00", "2025-02-06T00:00"),
    (Period(7, Unit.DAYS), "2025-01-28T08:00", "2025-02-05T00:00"),
    (Period(5, Unit.WORKING_DAYS), "2025-01-24T16:00", "2025-02-08T00:00"),
    (Period(0, Unit.WORKING_DAYS), "2025-01-28T08:00", "2025-01-29T00:00"),
    (Period(1, Unit.WORKING_DAYS, start=Start.SAME_DAY), "2025-01-27T08:00", "2025-01-28T00:00"),
    (Period(0, Unit.DAYS), "2025-01-28T08:00", "2025-01-29T00:00"),
]


@pytest.mark.parametrize(("period", "event", "expiry"), EXPIRIES)
def test_when_a_period_expires(period: Period, event: str, expiry: str) -> None:
    assert expires(period, local(event), SHANGHAI) == local(expiry)


def test_the_day_is_the_citys_day_not_utcs() -> None:
    late = datetime(2025, 3, 3, 17, 0, tzinfo=UTC)
    assert expires(Period(1, Unit.DAYS), late, SHANGHAI) == local("2025-03-06T00:00")


def test_a_pause_moves_the_expiry_on() -> None:
    clock = Clock(Period(10, Unit.WORKING_DAYS), local("2025-03-03T09:00"), SHANGHAI)
    assert clock.expires() == local("2025-03-18T00:00")
    stopped = clock.pause(local("2025-03-05T12:00"))
    assert stopped.paused and stopped.expires() is None and not stopped.expired(local("2030-01-01T00:00"))
    going = stopped.resume(local("2025-03-10T12:00"))
    assert going.expires() == local("2025-03-21T00:00")
    assert going.remaining(local("2025-03-20T00:00")) == timedelta(days=1)
    twice = going.pause(local("2025-03-11T12:00")).resume(local("2025-03-12T12:00"))
    assert twice.expires() == local("2025-03-22T00:00")


def test_a_pause_in_hours_and_one_after_the_end() -> None:
    clock = Clock(Period(24, Unit.HOURS), local("2025-03-03T09:00"), SHANGHAI)
    paused = clock.pause(local("2025-03-03T10:00")).resume(local("2025-03-03T11:30"))
    assert paused.expires() == local("2025-03-04T10:30")
    late = clock.pause(local("2025-03-09T10:00"))
    assert late.expires() == local("2025-03-04T09:00")
    assert late.expired(local("2025-03-04T09:00"))


def test_a_clock_cannot_be_stopped_twice_or_go_on_unstopped() -> None:
    clock = Clock(Period(1, Unit.DAYS), local("2025-03-03T09:00"), SHANGHAI)
    with pytest.raises(Conflict):
        clock.resume(local("2025-03-04T09:00"))
    with pytest.raises(Conflict):
        clock.pause(local("2025-03-04T09:00")).pause(local("2025-03-04T10:00"))
    with pytest.raises(Conflict):
        clock.pause(local("2025-03-01T09:00"))
    with pytest.raises(Conflict):
        clock.pause(local("2025-03-04T09:00")).resume(local("2025-03-04T08:00"))


def test_what_a_clock_refuses() -> None:
    with pytest.raises(Invalid):
        Period(-1, Unit.DAYS)
    with pytest.raises(Invalid):
        expires(Period(1, Unit.DAYS), datetime(2025, 1, 1), SHANGHAI)  # noqa: DTZ001
    with pytest.raises(Invalid):
        last_day(Period(1, Unit.HOURS), date(2025, 1, 1))


def test_the_earliest_of_several_clocks() -> None:
    assert earliest([None, local("2025-03-04T09:00"), local("2025-03-03T09:00")]) == local("2025-03-03T09:00")
    assert earliest([None]) is None


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 40),
    st.sampled_from([Unit.DAYS, Unit.WORKING_DAYS, Unit.HOURS]),
    st.datetimes(datetime(2015, 1, 1), datetime(2025, 3, 1)),
)
def test_a_longer_period_never_expires_earlier(length: int, unit: Unit, event: datetime) -> None:
    at = event.replace(tzinfo=SHANGHAI)
    shorter, longer = (expires(Period(n, unit), at, SHANGHAI) for n in (length, length + 1))
    assert at < shorter < longer
