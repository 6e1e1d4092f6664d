"""A run of detection: every series of the last full week is judged, the findings become signals.

Run again for the same week, the findings of the latest data take the place of the earlier ones. A finding at
the same place in the next weeks continues its signal.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date, datetime, timedelta

import numpy as np
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from salus.kernel import audit, notifications, policy
from salus.kernel.errors import Conflict
from salus.kernel.events import describe
from salus.kernel.jobs import periodic
from salus.kernel.policy import Principal, Target, system_principal
from salus.prevention.detection.hierarchy import benjamini_hochberg, signals
from salus.prevention.detection.uses import Uses
from salus.prevention.models import Alarm, DetectionRun, RunState, Signal
from salus.prevention.queries.notifiable.diseases import catalogue
from salus.prevention.queries.signals import grid as counting
from salus.prevention.queries.signals.settings import in_use
from salus.prevention.services.signals import keeping
from salus.prevention.services.signals.judging import Judged, clusters, judge
from salus.prevention.services.signals.keeping import Finding

LOST_AFTER = timedelta(minutes=30)
"""A run that said nothing for so long is taken for lost."""
BATCH = 500
Progress = Callable[[int, int], None]


def target() -> Target:
    """Return what the policy judges when somebody runs detection: it is of the whole city."""
    return Target("signal")


def run(
    principal: Principal,
    *,
    now: datetime,
    week: date | None = None,
    replay: bool = False,
    progress: Progress | None = None,
) -> DetectionRun:
    """Judge a week and keep what was found.

    Args:
        principal: who asks.
        now: the instant; reports up to its day are known.
        week: the Monday of the week judged; the last full week by default.
        replay: leave out what became known after `now`, to look at a past week as it was then.
        progress: told how many diseases of how many are done.

    Raises:
        NotAllowed: the principal may not run detection.
        Conflict: a run is under way.
        Invalid: the file of the detectors in use is wrong.
    """
    policy.require(principal, "create", target())
    told = in_use()
    today = timezone.localtime(now).date()
    judged_week = counting.monday(week) if week else counting.last_full_week(today)
    made = _begin(principal, judged_week, now)
    try:
        _work(principal, made, told, today, replay, progress)
    except Exception as fault:
        DetectionRun.objects.filter(pk=made.pk).update(
            state=RunState.FAILED, finished_at=timezone.now(), error=describe(fault)[:300]
        )
        raise
    made.refresh_from_db()
    return made


def _begin(principal: Principal, week: date, now: datetime) -> DetectionRun:
    with transaction.atomic(), connection.cursor() as cursor:
        alive = DetectionRun.objects.select_for_update().filter(state=RunState.RUNNING)
        if alive.filter(started_at__gt=now - LOST_AFTER).exists():
            raise Conflict(
                "detection-running", _("Detection is running already"), fix=_("Wait for it to end")
            )
        alive.update(state=RunState.FAILED, error="lost")
        made = DetectionRun.objects.create(
            week=week, as_of=now, started_at=now, started_by=principal.name[:150]
        )
        detail = {"week": week.isoformat()}
        entry = audit.entry(
            principal, "create", resource_type="DetectionRun", resource_id=str(made.pk), detail=detail
        )
        intent = audit.intend(cursor, [entry])
    audit.settle(intent)
    return made


def _work(
    principal: Principal, made: DetectionRun, told: Uses, today: date, replay: bool, progress: Progress | None
) -> None:
    week, known_by = made.week, today if replay else None
    begin = counting.first_case()
    names = counting.diseases(week) if begin is not None else []
    started = time.perf_counter()
    spent = {"counts": 0.0, "detectors": 0.0, "scan": 0.0, "choice": 0.0}
    DetectionRun.objects.filter(pk=made.pk).update(total=len(names))
    pooled = counting.reports("", today, told.delay, known_by) if names else None
    years = int(told.selection["history_years"])
    all_judged: list[Judged] = []
    for number, disease in enumerate(names, 1):
        at = time.perf_counter()
        counts = counting.grid(disease, week, years, begin or week, known_by)
        seen = counting.reports(disease, today, told.delay, known_by) or pooled
        share = counting.share(seen, today, week, int(told.scan["weeks"]))
        spent["counts"] += time.perf_counter() - at
        at = time.perf_counter()
        found = judge(counts, share, week, told)
        spent["detectors"] += time.perf_counter() - at
        at = time.perf_counter()
        centres = counting.centres([node.district for node in counts.nodes if node.level == "district"])
        found.clusters = clusters(found, centres, share, told)
        spent["scan"] += time.perf_counter() - at
        all_judged.append(found)
        DetectionRun.objects.filter(pk=made.pk).update(done=number)
        if progress is not None:
            progress(number, len(names))
    at = time.perf_counter()
    findings = chosen(all_judged, told)
    spent["choice"] = time.perf_counter() - at
    alarms = [alarm for one in all_judged for alarm in one.alarms]
    _keep(principal, made, told, findings, alarms)
    spent["all"] = time.perf_counter() - started
    DetectionRun.objects.filter(pk=made.pk).update(
        state=RunState.DONE, finished_at=timezone.now(), alarms=len(alarms), signals=len(findings),
        series=sum(len(one.grid.nodes) for one in all_judged),
        judged=sum(sum(use is not None for use in one.use) for one in all_judged),
        seconds={name: round(value, 3) for name, value in spent.items()},
    )  # fmt: skip


def chosen(all_judged: list[Judged], told: Uses) -> list[Finding]:
    """Return the findings among all diseases' series, each once, at the rate of false ones allowed."""
    if not all_judged:
        return []
    parents, offset = [], 0
    for one in all_judged:
        parents.append(np.where(one.grid.parent >= 0, one.grid.parent + offset, -1))
        offset += len(one.grid.nodes)
    joined = {
        name: np.concatenate([getattr(one, name) for one in all_judged])
        for name in ("p", "reported", "expected", "phi")
    }
    rule = told.selection
    found = signals(
        np.concatenate(parents), joined["p"], observed=joined["reported"], expected=joined["expected"],
        dispersion=joined["phi"], q=float(rule["false_discovery"]), alpha=float(rule["apart"]),
    )  # fmt: skip
    owner = [(one, node) for one in all_judged for node in range(len(one.grid.nodes))]
    kept: list[Finding] = []
    for signal in found:
        one, node = owner[signal.node]
        excess = signal.excess / one.share
        use = one.use[node]
        if excess < float(rule["least_excess"]) or use is None:
            continue
        place = one.grid.nodes[node]
        below = [owner[child][0].grid.nodes[owner[child][1]] for child in signal.explains]
        bound = float(one.bound[node]) / one.share
        kept.append(
            Finding(
                one.grid.disease, place.level, place.district, (place.district,) if place.district else (),
                place.institution, use.name, use.method, use.settings, one.reason[node],
                float(one.reported[node]), one.share, float(one.expected[node]) / one.share,
                bound if np.isfinite(bound) else None, signal.p, excess,
                [[child.level, child.district, child.institution] for child in below],
            )
        )  # fmt: skip
    return kept + _clusters(all_judged, kept, told)


def _clusters(all_judged: list[Judged], kept: list[Finding], told: Uses) -> list[Finding]:
    """Return the clusters that are no chance finding among all diseases and not told by a district."""
    all_found = [(one, *cluster) for one in all_judged for cluster in one.clusters]
    # The likeliest cluster of each disease speaks for it; a disease without any has a p-value of 1.
    best = {one.grid.disease: min([c[0].p for c in one.clusters], default=1.0) for one in all_judged}
    rates = dict(zip(best, benjamini_hochberg(list(best.values())), strict=True))
    told_already = {(one.disease, one.district) for one in kept if one.level != "disease"}
    made = []
    for one, cluster, districts, weeks in all_found:
        disease = one.grid.disease
        if rates[disease] > float(told.scan["false_discovery"]) or cluster.p > float(
            told.scan["false_discovery"]
        ):
            continue
        if any((disease, district) in told_already for district in districts):
            continue
        if cluster.cases - cluster.expected < float(told.selection["least_excess"]):
            continue
        settings = {name: told.scan[name] for name in ("weeks", "share", "replications")}
        made.append(
            Finding(
                disease, "cluster", "", districts, "", "scan", "scan", {**settings, "duration": weeks},
                "compared", cluster.cases, one.share, cluster.expected, None, cluster.p,
                cluster.cases - cluster.expected, [],
            )
        )  # fmt: skip
    return made


def _keep(
    principal: Principal, made: DetectionRun, told: Uses, findings: list[Finding], alarms: list[Alarm]
) -> None:
    """Write alarms in batches, then all signals of the week in one transaction."""
    with transaction.atomic():
        Alarm.objects.filter(week=made.week).delete()
        for start in range(0, len(alarms), BATCH):
            Alarm.objects.bulk_create(alarms[start : start + BATCH])
    with transaction.atomic(), connection.cursor() as cursor:
        tell(made, keeping.keep(made, findings, told))
        detail = {"did": "found", "signals": len(findings), "alarms": len(alarms)}
        entry = audit.entry(
            principal, "update", resource_type="DetectionRun", resource_id=str(made.pk), detail=detail
        )
        intent = audit.intend(cursor, [entry])
    audit.settle(intent)


def tell(made: DetectionRun, signals_: list[Signal]) -> int:
    """Notify epidemiologists of signals that this run found first, each once; return how many were told."""
    known = catalogue()
    done = 0
    for signal in signals_:
        if signal.first_week != made.week or signal.weeks != 1 or signal.verdict:
            continue
        disease = known.get(signal.disease)
        done += notifications.notify_role(
            "epidemiologist", "prevention", _("%(disease)s: more cases than past years lead to expect"),
            {"disease": disease.name if disease else signal.disease},
            link=f"/prevention/signals/{signal.pk}/", key=f"prevention.signal:{signal.pk}",
            district_code=signal.district_code or None,
        )  # fmt: skip
    return done


@periodic(every=timedelta(days=1), name="prevention.signals")
def daily() -> None:
    """Judge the last full week anew each day, as its reports come in."""
    run(system_principal("prevention.signals"), now=timezone.now())
