"""Verdicts are kept, undone and counted; curves and open signals; small counts are hidden from planners."""

from datetime import timedelta

import pytest
from django.utils import timezone

from salus.kernel.errors import Conflict, Invalid, NotFound
from salus.prevention import interface
from salus.prevention.detection.uses import uses
from salus.prevention.models import Alarm, Case, Outbreak, Signal, SignalVerdict
from salus.prevention.queries.signals import curve, performance, seeing, story
from salus.prevention.queries.signals.performance import Share
from salus.prevention.services.notifiable import outbreaks
from salus.prevention.services.signals import running, triage
from salus.prevention.services.signals.triage import Judgement
from tests.prevention.signals import world
from tests.prevention.signals.world import SYSTEM, Planted, epidemiologist

pytestmark = pytest.mark.django_db(databases=["default", "audit"])


def test_the_share_has_wilsons_interval() -> None:
    # Wilson's interval of 8 of 10 at 95 %, by hand: centre 0.7168, half width 0.2266.
    low, high = Share(8, 10).interval or (0, 0)
    assert (round(low, 3), round(high, 3)) == (0.490, 0.943)
    assert Share(8, 9).few and not Share(8, 10).few and Share(0, 0).value is None


def test_a_signal_is_judged_undone_and_counted() -> None:
    city = world.build(
        Planted("mumps", "440105", 1, (14,)), Planted("scarlet_fever", "440106", 0, (15,)),
        diseases=("mumps", "scarlet_fever"),
    )  # fmt: skip
    running.run(SYSTEM, now=city.now)
    now, today = timezone.now(), timezone.localdate()
    mumps = Signal.objects.get(disease="mumps", withdrawn=False)
    fever = Signal.objects.get(disease="scarlet_fever", withdrawn=False)
    told = {row.district: (row.to_judge, row.under_watch) for row in interface.open_signals()}
    assert told == {"440105": (1, 0), "440106": (1, 0)}
    asker = epidemiologist()
    with pytest.raises(NotFound):
        triage.judge(epidemiologist("440106"), mumps.pk, Judgement("false"), now=now, today=today)
    with pytest.raises(Invalid):
        triage.judge(asker, mumps.pk, Judgement("false", title="X"), now=now, today=today)
    began = mumps.first_week - timedelta(weeks=1)
    given = Judgement("outbreak", "A school", title="Mumps in Haizhu", began_on=began)
    made = triage.judge(asker, mumps.pk, given, now=now, today=today)
    outbreak = Outbreak.objects.get()
    assert (made.outbreak, outbreak.signal_id, outbreak.district_code) == (outbreak, mumps.pk, "440105")
    with pytest.raises(Invalid):
        triage.judge(asker, fever.pk, Judgement("known", outbreak=outbreak.pk), now=now, today=today)
    triage.judge(asker, fever.pk, Judgement("false"), now=now, today=today)
    second = triage.judge(asker, fever.pk, Judgement("watch"), now=now, today=today)
    triage.undo(asker, fever.pk, second.pk, now=now)
    with pytest.raises(Conflict):
        triage.undo(asker, fever.pk, second.pk, now=now)
    fever.refresh_from_db()
    assert fever.verdict == "false" and SignalVerdict.objects.filter(signal=fever).count() == 2
    outbreaks.open_outbreak(
        SYSTEM, "Measles, told by a doctor", "measles", today, now=now, district_code="440103"
    )
    rows = {one.name: one for one in performance.performance(today - timedelta(weeks=52), today)}
    shown = rows[performance.LIST]
    # Of two outbreaks known, one had a signal, a week after it began; of two signals one was true.
    assert (shown.found, shown.predictive, shown.delays) == (Share(1, 2), Share(1, 2), [1])
    method = rows["farrington-noufaily"]
    assert (method.found, method.predictive, method.false) == (Share(1, 2), Share(1, 2), 1)
    assert rows["bayes-recent"].found == Share(0, 2) and rows["combined"].shadow
    # A run repeated does not bring a judged signal back.
    running.run(SYSTEM, now=timezone.now())
    fever.refresh_from_db()
    assert fever.verdict == "false"
    behind = story.behind(asker, mumps)
    assert behind.total >= 14 and sum(behind.by_age.values()) == behind.total
    points = story.series(mumps)
    assert points[-1].alarm and points[-1].cases >= 14 and points[-1].bound is not None
    assert seeing.signals(epidemiologist("440105")).count() == 1
    assert Alarm.objects.filter(use="combined", level="institution").count() == 0


def test_curves_add_up_and_planners_see_no_small_count() -> None:
    city = world.build(mean=1.0, weeks=110, diseases=("mumps",))
    today = timezone.localdate(city.now)
    first = city.week - timedelta(weeks=60)
    whole = curve.curve(curve.Asked("mumps", first, today), today)
    days = curve.curve(curve.Asked("mumps", first, today, step="day"), today)
    count = Case.objects.filter(first_day__range=(first, today)).count()
    assert whole.total == days.total == count
    assert len(whole.ahead) == 4 and whole.reproduction
    late = whole.bins[-2]
    assert late.mean is not None and late.cases is not None and late.mean >= late.cases
    hidden = curve.curve(curve.Asked("mumps", first, today, step="day", hide=True), today)
    assert [one.start.weekday() for one in hidden.bins] == [0] * len(hidden.bins)
    for bare, shown in zip(whole.bins, hidden.bins, strict=True):
        assert shown.cases == (None if 0 < (bare.cases or 0) < 10 else bare.cases)
    # What is hidden in a week is the same whatever period is asked for.
    again = curve.curve(
        curve.Asked("mumps", city.week - timedelta(weeks=9), today, "440105", hide=True), today
    )
    longer = curve.curve(curve.Asked("mumps", first, today, "440105", hide=True), today)
    assert again.bins == longer.bins[-len(again.bins) :]
    assert all(one.cases is None or one.cases == 0 or one.cases >= 10 for one in longer.bins)
    with pytest.raises(Invalid):
        curve.curve(curve.Asked("mumps", today, first), today)


def test_the_rules_name_methods_that_are_there() -> None:
    told = uses()
    week = timezone.localdate()
    assert [use.name for use in told.shown("mumps", week)] == ["farrington-noufaily", "bayes-recent"]
    assert {use.name for use in told.silent("mumps", week)} == {"combined", "ears-c2", "moving-percentile"}
