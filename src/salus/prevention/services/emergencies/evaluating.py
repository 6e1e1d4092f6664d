"""The rules look at an event: what they find becomes a proposal with its evidence, for a person to decide.

A proposal that says the same as one decided already is not made again. Evidence that grows while a proposal
waits replaces it (the old one stays, overtaken).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from salus.kernel.models import District
from salus.prevention.models import (
    Case,
    Emergency,
    EmergencyKind,
    EmergencyOrigin,
    EmergencyState,
    GradingProposal,
    Outbreak,
    ProposalAct,
    ProposalState,
)
from salus.prevention.queries.emergencies import counting, rules
from salus.prevention.queries.notifiable.diseases import catalogue
from salus.prevention.services.emergencies import acts
from salus.prevention.surveillance import grading
from salus.prevention.surveillance.grading import Assessment, Count, Finding, Grade

BY = "rules"
_WINDOW = 14  # days: the longest window of the norms; a scan looks at windows that end within it


def assess(emergency: Emergency, day: date, known_by: date | None = None) -> Assessment:
    """Grade an emergency as of a day by the rules of that day."""
    counts = counting.counts_of(emergency, day, known_by)
    return assessed(
        counts, day, kind=emergency.kind, disease=emergency.disease, district=emergency.district_code,
        flags=emergency.flags,
    )  # fmt: skip


def assessed(
    counts: Sequence[Count],
    day: date,
    *,
    kind: str,
    disease: str,
    district: str,
    flags: Sequence[str] = (),
    since: date | None = None,
) -> Assessment:
    """Grade counts by the rules in force here, with the means that class B and C are held against.

    The week that ends on the day is often not all reported yet: the last whole week is looked at too.
    """
    class_ = rules.class_of(disease, day) if disease else ""
    counties = {counting.county_of(one.district) for one in counts if one.cases}
    found = None
    for end in (day, day - timedelta(days=day.weekday() + 1)):
        means = counting.means(disease, counties, end) if class_ in ("B", "C") else {}
        judged = grading.grade(
            counts, rules.book(), end, kind=kind, district=district, disease=disease, class_=class_,
            flags=flags, means=means, since=since,
        )  # fmt: skip
        if found is None or (judged.grade or 9) < (found.grade or 9):
            found = judged
        if not means:
            break
    assert found is not None  # noqa: S101 - the loop ran
    return found


def evidence_of(found: Assessment) -> dict[str, Any]:
    """Return an assessment as it is kept with a proposal."""
    return {
        "day": found.day.isoformat(),
        "version": found.version,
        "met": [_kept(one) for one in found.met],
        "beyond": [_kept(one) for one in found.beyond if one.rule.grade.graded and (one.cases or one.deaths)],
    }


def _kept(one: Finding) -> dict[str, Any]:
    rule = one.rule
    return {
        "rule": rule.id, "grade": int(rule.grade), "clause": rule.clause, "words": rule.words,
        "words_zh": rule.words_zh, "source": rule.source, "checked": rule.checked, "note": rule.note,
        "in_force": [rule.first.isoformat(), rule.last.isoformat() if rule.last else ""],
        "jurisdiction": rule.jurisdiction, "area": one.area, "scope": rule.scope,
        "first": one.first.isoformat() if one.first else "",
        "last": one.last.isoformat() if one.last else "", "days": rule.days, "cases": one.cases,
        "deaths": one.deaths, "areas": list(one.areas), "needed": one.needed,
        "needed_deaths": rule.deaths, "needed_areas": rule.areas,
        "mean": round(one.mean.cases, 2) if one.mean else None, "ratio": rule.ratio,
        "years": one.mean.years if one.mean else None, "flags": sorted(rule.flags),
        "lacking": list(one.lacking),
    }  # fmt: skip


def digest_of(act: str, found: Assessment) -> str:
    """Return what tells whether evidence is new: the act, the rules met and their counts."""
    said = [act, found.version, *(f"{o.rule.id}/{o.cases}/{o.deaths}/{len(o.areas)}" for o in found.met)]
    return hashlib.sha256("|".join(said).encode()).hexdigest()[:16]


def reconsider(number: int, *, now: datetime) -> GradingProposal | None:
    """Let the rules look at an emergency again; returns the proposal that is made, if one is.

    A proposed event gets its grade proposed or renewed; an open one an escalation when a graver grade is
    met. Lower evidence proposes nothing: a response ends by its own rule (`ending`).
    """
    day = timezone.localtime(now).date()
    with transaction.atomic():
        one = acts.alone(number)
        if one.state not in (EmergencyState.PROPOSED, EmergencyState.OPEN):
            return None
        found = assess(one, day)
        if found.grade is None:
            return None
        if one.state == EmergencyState.OPEN:
            _take_back_end(one, day)
            if one.grade is not None and found.grade >= one.grade:
                return None
            return propose(one, ProposalAct.ESCALATE, found.grade, found, now=now)
        return propose(one, ProposalAct.OPEN, found.grade, found, now=now)


def _take_back_end(one: Emergency, day: date) -> None:
    """Overtake the rules' proposal to end the response when a case came after it."""
    held = one.proposals.filter(
        state=ProposalState.WAITING, act=ProposalAct.STAND_DOWN, proposed_by=BY
    ).first()
    if held is None:
        return
    last = max((row.day for row in counting.counts_of(one, day) if row.cases), default=None)
    if last is not None and last.isoformat() > held.evidence.get("last_case", ""):
        GradingProposal.objects.filter(pk=held.pk).update(state=ProposalState.OVERTAKEN)


def propose(
    emergency: Emergency,
    act: str,
    grade: Grade,
    found: Assessment,
    *,
    now: datetime,
    more: dict[str, Any] | None = None,
) -> GradingProposal | None:
    """Make a proposal in the caller's transaction, unless the same was made before."""
    digest = digest_of(act, found)
    waiting = emergency.proposals.filter(state=ProposalState.WAITING).first()
    if waiting is not None and waiting.digest == digest:
        return None
    graver = waiting is None or (waiting.act, waiting.grade) != (act, grade)
    told = emergency.proposals.filter(digest=digest, act=act).exclude(state=ProposalState.OVERTAKEN)
    if told.exists():
        return None
    if waiting is not None:
        GradingProposal.objects.filter(pk=waiting.pk).update(state=ProposalState.OVERTAKEN)
    made = GradingProposal.objects.create(
        emergency=emergency, act=act, grade=grade, day=found.day, evidence=evidence_of(found) | (more or {}),
        version=found.version, digest=digest, proposed_by=BY, proposed_at=now,
    )  # fmt: skip
    acts.note(emergency, "proposed", by=BY, now=now, act=act, grade=int(grade), rules=_ids(found))
    if graver:
        roles = ["epidemiologist"]
        if rules.response().level(grade, found.day, emergency.district_code).action == "approve":
            roles.append("planner")
        acts.tell(
            emergency, roles, "emergency-proposed",
            _("%(title)s: a grading waits for your decision"), now=now, urgent=True,
            key=f"emergency-proposal-{made.pk}",
        )  # fmt: skip
    return made


def _ids(found: Assessment) -> list[str]:
    return [one.rule.id for one in found.met if one.rule.grade == found.grade]


def scan(disease: str, county: str, *, now: datetime) -> Emergency | None:
    """Look whether a disease's cases in a county make an emergency; returns the one that is made.

    An emergency that is proposed or open there is looked at again instead.
    """
    day = timezone.localtime(now).date()
    alive = Emergency.objects.filter(
        disease=disease, kind=EmergencyKind.INFECTIOUS, outbreak=None,
        state__in=(EmergencyState.PROPOSED, EmergencyState.OPEN),
    ).order_by("pk")  # fmt: skip
    held = next((one for one in alive if counting.covers(one.district_code, county)), None)
    if held is not None:
        reconsider(held.pk, now=now)
        return None
    first = day - timedelta(days=counting.LOOK_BACK - 1)
    rows = counting.register(disease, [county], first, day)
    counts = counting.as_counts(rows, disease, day)
    found = assessed(
        counts, day, kind="infectious", disease=disease, district=county,
        since=day - timedelta(days=_WINDOW - 1),
    )  # fmt: skip
    if found.grade is None or _rests(disease, county, found.grade, day):
        return None
    began = min(one.first for one in found.met if one.first is not None)
    known = catalogue().get(disease)
    # A place that bears several counties' evidence is still named by the county whose case led here.
    with transaction.atomic():
        made = Emergency.objects.filter(
            disease=disease, district_code=county, origin=EmergencyOrigin.CASES,
            state__in=(EmergencyState.PROPOSED, EmergencyState.OPEN),
        ).first()  # fmt: skip
        if made is not None:
            return None
        level = rules.response().level(found.grade, day, county)
        made = Emergency.objects.create(
            title=title_of(known.name_zh if known else disease, county, began), kind=EmergencyKind.INFECTIOUS,
            disease=disease, origin=EmergencyOrigin.CASES, district_code=county, began_on=began,
            noticed_at=now, report_due_at=now + timedelta(hours=level.report_hours), opened_by=BY,
            created=now, updated=now,
        )  # fmt: skip
        acts.note(made, "noticed", by=BY, now=now)
        propose(made, ProposalAct.OPEN, found.grade, found, now=now)
    return made


def title_of(name: str, district: str, began: date) -> str:
    """Return a title for an event that nobody has named: what, where, when, as the registers name them."""
    place = District.objects.filter(pk=district).values_list("name", flat=True).first() or district
    return f"{place} {name} {began.isoformat()}"[:120]


def _rests(disease: str, county: str, grade: Grade, day: date) -> bool:
    """Say whether the same or a graver grade was rejected, or the response ended, a short time ago."""
    since = day - timedelta(days=rules.response().again_days)
    past = GradingProposal.objects.filter(
        emergency__disease=disease, emergency__district_code=county,
        emergency__state__in=(EmergencyState.REJECTED, EmergencyState.CLOSED),
        state__in=(ProposalState.REJECTED, ProposalState.CONFIRMED, ProposalState.CHANGED),
        act__in=(ProposalAct.OPEN, ProposalAct.ESCALATE), day__gte=since,
    )  # fmt: skip
    return past.filter(grade__lte=grade).exists()


def from_outbreak(number: int, *, now: datetime) -> Emergency | None:
    """Look whether an outbreak makes an emergency; returns the one that is made.

    Its cases count as one event, whatever county they live in.
    """
    day = timezone.localtime(now).date()
    outbreak = Outbreak.objects.filter(pk=number).first()
    if outbreak is None:
        return None
    held = Emergency.objects.filter(
        outbreak=outbreak, state__in=(EmergencyState.PROPOSED, EmergencyState.OPEN)
    ).first()
    if held is not None:
        reconsider(held.pk, now=now)
        return None
    if Emergency.objects.filter(outbreak=outbreak).exists():
        return None
    rows = Case.objects.filter(outbreak=outbreak, duplicate_of=None, first_day__lte=day).exclude(
        status="discarded"
    )
    counts = counting.as_counts(rows, outbreak.disease, day)
    # An outbreak is one place at least: cases whose exposure names none are of the outbreak's own.
    if outbreak.place:
        counts = [
            one if one.unit
            else Count(one.day, one.district, one.cases, one.deaths, outbreak.place, one.form, one.status)
            for one in counts
        ]  # fmt: skip
    found = assessed(
        counts, day, kind="infectious", disease=outbreak.disease, district=outbreak.district_code
    )
    if found.grade is None:
        return None
    with transaction.atomic():
        level = rules.response().level(found.grade, day, outbreak.district_code)
        made = Emergency.objects.create(
            title=outbreak.title, kind=EmergencyKind.INFECTIOUS, disease=outbreak.disease,
            origin=EmergencyOrigin.OUTBREAK, district_code=outbreak.district_code, place=outbreak.place,
            outbreak=outbreak, began_on=min(one.day for one in counts), noticed_at=now,
            report_due_at=now + timedelta(hours=level.report_hours), opened_by=BY, created=now, updated=now,
        )  # fmt: skip
        acts.note(made, "noticed", by=BY, now=now)
        propose(made, ProposalAct.OPEN, found.grade, found, now=now)
    return made
