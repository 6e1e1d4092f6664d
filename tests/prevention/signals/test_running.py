"""Planted outbreaks are found and told once; without one the list is short; a run may be repeated."""

from datetime import timedelta

import pytest

from salus.kernel import notifications
from salus.kernel.errors import NotAllowed
from salus.kernel.models import Account, RoleGrant
from salus.kernel.policy import Grant, Principal
from salus.prevention.models import Alarm, DetectionRun, Signal, SignalWeek
from salus.prevention.services.signals import running
from tests.prevention.signals import world
from tests.prevention.signals.world import SYSTEM, Planted

pytestmark = pytest.mark.django_db(databases=["default", "audit"])


def test_a_planted_outbreak_is_found_where_it_is_and_continues() -> None:
    city = world.build(Planted("mumps", "440105", 1, (9, 14)))
    told: list[tuple[int, int]] = []
    before = running.run(
        SYSTEM, now=city.now, week=city.week - timedelta(weeks=1), progress=lambda *at: told.append(at)
    )
    made = running.run(SYSTEM, now=city.now)
    assert (before.state, made.state, made.week) == ("done", "done", city.week)
    assert told == [(1, 3), (2, 3), (3, 3)]
    # 3 diseases, each the city, 5 districts, 10 institutions
    assert (made.series, made.judged) == (48, 48)
    found = Signal.objects.filter(withdrawn=False)
    mumps = found.get(disease="mumps", district_code="440105")
    assert mumps.institution_code in ("", "H051")
    assert (mumps.weeks, mumps.first_week, mumps.last_week) == (2, before.week, made.week)
    assert mumps.observed > mumps.expected + 8 and mumps.pvalue < 1e-4
    assert mumps.bound is not None and mumps.expected < mumps.bound < mumps.observed
    assert mumps.method == "farrington-noufaily" and mumps.options["paper"] == "noufaily"
    assert found.count() <= 3
    assert Alarm.objects.filter(week=made.week, disease="mumps", district_code="440105", shadow=True).exists()


def test_a_run_repeated_changes_nothing_and_later_data_take_a_signal_back() -> None:
    city = world.build(Planted("mumps", "440105", 1, (14,)), diseases=("mumps",))
    readers = [Account.objects.create(username=name) for name in ("of-the-city", "there", "elsewhere")]
    for reader, district in zip(readers, (None, "440105", "440103"), strict=True):
        RoleGrant.objects.create(account=reader, role="epidemiologist", district_id=district)
    running.run(SYSTEM, now=city.now)
    signal = Signal.objects.get(district_code="440105")
    assert [notifications.unread_count(one.pk) for one in readers] == [1, 1, 0]
    assert notifications.inbox(readers[1].pk)[0].link == f"/prevention/signals/{signal.pk}/"
    once = list(Signal.objects.values("pk", "observed", "pvalue", "first_week", "weeks"))
    alarms = Alarm.objects.count()
    running.run(SYSTEM, now=city.now)
    assert list(Signal.objects.values("pk", "observed", "pvalue", "first_week", "weeks")) == once
    assert Alarm.objects.count() == alarms
    assert [notifications.unread_count(one.pk) for one in readers] == [1, 1, 0]  # each signal once
    assert SignalWeek.objects.count() == len(once)
    from salus.prevention.models import Case

    Case.objects.filter(first_day__gte=city.week, district_code="440105").update(status="discarded")
    running.run(SYSTEM, now=city.now)
    assert not Signal.objects.filter(withdrawn=False).exists()
    assert DetectionRun.objects.count() == 3


def test_the_list_is_short_where_nothing_was_planted() -> None:
    world.build(seed=5)
    shown = 0
    for back in range(4):
        now = world.timezone.now()
        week = running.counting.last_full_week(now.date()) - timedelta(weeks=3 - back)
        shown += running.run(SYSTEM, now=now, week=week).signals
    # 4 weeks of 48 series: 5 % of false findings are allowed, so that a few at most come up.
    assert shown <= 2


def test_young_platforms_use_recent_weeks_and_empty_ones_are_no_fault() -> None:
    now = world.timezone.now()
    assert running.run(SYSTEM, now=now).series == 0
    DetectionRun.objects.all().delete()
    city = world.build(Planted("mumps", "440106", 0, (16,)), weeks=60, diseases=("mumps",))
    running.run(SYSTEM, now=city.now)
    found = Signal.objects.get(district_code="440106")
    assert found.method == "bayes-recent" and found.bound is not None


def test_only_epidemiologists_of_the_city_run_detection() -> None:
    planner = Principal(
        name="planner", roles=frozenset({"planner"}), account_id=4, grants=(Grant("planner", None, None),)
    )
    for asker in (planner, world.epidemiologist("440105")):
        with pytest.raises(NotAllowed):
            running.run(asker, now=world.timezone.now())
