"""Findings become signals: new, continued or withdrawn, each with its week's numbers."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from salus.prevention.detection.uses import Uses
from salus.prevention.models import DetectionRun, Signal, SignalLevel, SignalWeek
from salus.prevention.queries.notifiable.diseases import catalogue

ORDER = ("disease", "district", "institution", "cluster")
LEAST_P = 1e-15
CLASS_A = 3.0
"""A disease of class A comes before one of class B that is as sure, by so many powers of ten."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding of a week; counts are of the whole week but `reported`, which is what is known of it."""

    disease: str
    level: str
    district: str
    districts: tuple[str, ...]
    institution: str
    use: str
    method: str
    options: Mapping[str, Any]
    reason: str
    reported: float
    share: float
    expected: float
    bound: float | None
    p: float
    excess: float
    explains: list[list[str]]

    @property
    def observed(self) -> float:
        """What the week comes to once its reports are in. A cluster's weeks are taken as they are known."""
        return self.reported if self.level == SignalLevel.CLUSTER else self.reported / self.share


def priority(finding: Finding, class_a: bool) -> float:
    """Return by what signals are ranked: how sure (powers of ten), how large, class A before the others."""
    sure = -math.log10(max(finding.p, LEAST_P))
    return sure + 2 * math.log10(1 + max(finding.excess, 0.0)) + (CLASS_A if class_a else 0.0)


def keep(run: DetectionRun, findings: list[Finding], told: Uses) -> list[Signal]:
    """Write a run's findings; what an earlier run of the same week found and this one does not is taken back.

    A signal that loses its only week and was never judged is withdrawn; judged, it stays with its verdict.
    """
    kept: list[Signal] = []
    # Districts before institutions: the coarser finding has the first claim to a signal that goes on.
    for finding in sorted(findings, key=lambda one: ORDER.index(one.level)):
        kept.append(_kept(run, finding, told, {one.pk for one in kept}))
    gone = SignalWeek.objects.filter(week=run.week).exclude(signal__in=[one.pk for one in kept])
    for row in list(gone.select_related("signal")):
        signal = row.signal
        if signal.history.count() == 1:
            if not signal.verdict:
                signal.withdrawn = True
                signal.as_of = run.as_of
                signal.save(update_fields=["withdrawn", "as_of"])
            continue
        row.delete()
        _latest(signal)
    return kept


def _kept(run: DetectionRun, finding: Finding, told: Uses, taken: Container[int]) -> Signal:
    known = catalogue().get(finding.disease)
    listing = known.listed(run.week) if known else None
    numbers = {
        "reported": finding.reported, "observed": finding.observed, "expected": finding.expected,
        "bound": finding.bound, "pvalue": finding.p, "excess": finding.excess,
    }  # fmt: skip
    signal = _same(run, finding, told, taken)
    if signal is None:
        signal = Signal(
            disease=finding.disease, level=finding.level, district_code=finding.district,
            institution_code=finding.institution, first_week=run.week, last_week=run.week, **numbers,
            method=finding.use, as_of=run.as_of,
        )  # fmt: skip
    newest = run.week >= signal.last_week
    signal.first_week = min(signal.first_week, run.week)
    signal.withdrawn = False
    if newest:
        for name, value in numbers.items():
            setattr(signal, name, value)
        signal.last_week, signal.as_of = run.week, run.as_of
        signal.level, signal.institution_code = finding.level, finding.institution
        signal.districts = list(finding.districts)
        signal.method = finding.use
        signal.options = {"method": finding.method, **finding.options}
        signal.reason, signal.share, signal.explains = finding.reason, finding.share, finding.explains
        signal.priority = priority(finding, listing is not None and listing.managed == "A")
    signal.save()
    SignalWeek.objects.update_or_create(signal=signal, week=run.week, defaults={**numbers, "run": run})
    signal.weeks = signal.history.count()
    signal.save(update_fields=["weeks"])
    return signal


def _same(run: DetectionRun, finding: Finding, told: Uses, taken: Container[int]) -> Signal | None:
    """Return the signal that the finding continues: same place, not longer ago than the pause allowed.

    A district's signal also goes on at one of its institutions, and the other way round: where an
    excess stands out most changes from week to week. `taken` are signals that other findings continue.
    """
    pause = timedelta(weeks=int(told.selection["pause_weeks"]) + 1)
    rows = Signal.objects.filter(
        disease=finding.disease, last_week__gte=run.week - pause, first_week__lte=run.week + pause
    ).order_by("-last_week", "-id")  # fmt: skip
    if finding.level == SignalLevel.CLUSTER:
        near = (
            one for one in rows.filter(level=finding.level) if set(one.districts) & set(finding.districts)
        )
        return next((one for one in near if one.pk not in taken), None)
    here = list(rows.exclude(level=SignalLevel.CLUSTER).filter(district_code=finding.district))
    exact = [one for one in here if one.institution_code == finding.institution]
    path = [
        one for one in here
        if finding.district and (not one.institution_code or not finding.institution)
    ]  # fmt: skip
    return next((one for one in [*exact, *path] if one.pk not in taken), None)


def _latest(signal: Signal) -> None:
    """Show the numbers of the latest week that is left, which began the signal's last week."""
    weeks = list(signal.history.all())
    last = weeks[0]
    for name in ("reported", "observed", "expected", "bound", "pvalue", "excess"):
        setattr(signal, name, getattr(last, name))
    signal.first_week, signal.last_week, signal.weeks = weeks[-1].week, last.week, len(weeks)
    signal.save()
