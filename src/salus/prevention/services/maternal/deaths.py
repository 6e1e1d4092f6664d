"""Deaths of mothers and children: found or entered, investigated, concluded by the committee."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from salus.kernel import audit, policy
from salus.kernel.errors import Conflict, Invalid, NotFound
from salus.kernel.jobs import periodic
from salus.kernel.policy import Principal, Target
from salus.prevention.models import (
    Avoidable,
    DeathKind,
    DeathReview,
    ProgrammeEntry,
    ReviewItem,
    ReviewState,
)
from salus.prevention.queries.maternal import rules, seeing
from salus.prevention.services.programme import placing
from salus.record.models import Death, PatientLink, Person


def kind_of(birth: date | None, died: date, pregnancies: list[tuple[date, date | None]], today: date) -> str:
    """Say whose death it is for a review: of a mother, an infant, a child under 5; "" for others.

    Args:
        birth: of the person.
        died: the day.
        pregnancies: first day of the last period, and the last day or None.
        today: the rules of this day hold.
    """
    if birth is not None:
        age = (died - birth).days
        if 0 <= age < rules.limit("infant_days", today):
            return DeathKind.INFANT
        if 0 <= age < rules.limit("child_days", today):
            return DeathKind.CHILD
    after = timedelta(days=rules.limit("maternal_death_days", today))
    longest = timedelta(days=rules.limit("pregnancy_days", today) + 42)
    for since, until in pregnancies:
        if since <= died and (died <= until + after if until else died <= since + longest + after):
            return DeathKind.MATERNAL
    return ""


def find(*, now: datetime) -> int:
    """Open a review for each death of the record that asks for one; return how many."""
    today = timezone.localdate(now)
    since = today - timedelta(days=400)
    found: dict[UUID, tuple[date, str]] = {}
    persons = Person.objects.filter(status="active", deceased__gte=since)
    for pk, died in persons.values_list("pk", "deceased"):
        if died is not None:
            found[pk] = (died, "")
    links = {
        rid: (died, cause)
        for rid, died, cause in Death.objects.filter(died__gte=since).values_list(
            "patient_rid", "died", "cause"
        )
    }
    rids = sorted(links)
    for start in range(0, len(rids), 500):
        whose = PatientLink.objects.filter(patient_rid__in=rids[start : start + 500])
        for rid, person in whose.values_list("patient_rid", "person_id"):
            died, cause = links[rid]
            if died is not None:
                first, known = found.get(person, (died, ""))
                found[person] = (min(died, first), cause or known)
    made = 0
    ordered = sorted(found)
    for start in range(0, len(ordered), 500):
        some = ordered[start : start + 500]
        there = set(DeathReview.objects.filter(person_id__in=some).values_list("person_id", flat=True))
        for person in some:
            if person not in there:
                made += _open(person, *found[person], today, by="record", now=now) is not None
    return made


def enter(principal: Principal, person_id: UUID, died_on: date, cause: str, *, now: datetime) -> DeathReview:
    """Open a review by hand.

    Raises:
        Invalid: there is no such resident, the day lies in the future, or the death needs no review.
        NotAllowed: the principal may not open it.
        Conflict: it is reviewed already.
    """
    today = timezone.localdate(now)
    person = placing.people([person_id]).get(person_id)
    if person is None:
        raise Invalid("review-person", _("There is no such resident"), where="person")
    if died_on > today:
        raise Invalid("review-day", _("The day lies in the future"), where="died_on")
    spot = placing.place({person.pk: person})[person.pk]
    policy.require(
        principal,
        "create",
        Target(seeing.DEATH, person_id=person_id, institution_id=spot.institution_id,
               district_code=spot.district_code or None),
    )  # fmt: skip
    with transaction.atomic(), connection.cursor() as cursor:
        if DeathReview.objects.filter(person_id=person_id).exists():
            raise Conflict("review-known", _("The death is reviewed already"))
        made = _open(person_id, died_on, cause, today, by=principal.name, now=now, from_record=False)
        if made is None:
            raise Invalid(
                "review-kind", _("The death is not that of a mother or a child under 5"), where="person"
            )
        intent = audit.intend(cursor, [_kept(principal, "create", made)])
    audit.settle(intent)
    return made


def investigate(
    principal: Principal, number: int, story: str, items: Mapping[str, tuple[bool, str]], *, ready: bool,
    now: datetime,
) -> DeathReview:  # fmt: skip
    """Enter the course of events and which delays played a part; `ready` puts it before the committee.

    Raises:
        NotFound: there is no such review, or the principal may not change it.
        Invalid: there is no such item, or nothing to put before the committee.
        Conflict: it is concluded.
    """
    seeing.open_review(principal, number, "update")
    known = rules.table("maternal_delays", timezone.localdate(now))
    if unknown := sorted(set(items) - set(known)):
        raise Invalid("review-item", _("There is no such item"), where=unknown[0])
    if ready and not story.strip():
        raise Invalid("review-story", _("Describe the course of events for the committee"), where="story")
    with transaction.atomic(), connection.cursor() as cursor:
        row = _locked(number)
        if row.state == ReviewState.CLOSED:
            raise Conflict("review-closed", _("The review is concluded"))
        row.story, row.updated = story.strip(), now
        row.state = ReviewState.READY if ready else ReviewState.OPEN
        row.save()
        for code, (present, note) in items.items():
            ReviewItem.objects.update_or_create(
                review=row, item=code, defaults={"present": present, "note": note.strip()[:300]}
            )
        intent = audit.intend(cursor, [_kept(principal, "update", row, ready=ready)])
    audit.settle(intent)
    return row


def conclude(
    principal: Principal, number: int, conclusion: str, advice: str, *, now: datetime
) -> DeathReview:
    """Enter the committee's conclusion on a review that stands before it, without knowing whose it is.

    Raises:
        NotFound: there is no such review before the committee.
        NotAllowed: the principal is not of the committee.
        Invalid: there is no such conclusion, or an avoidable death without advice.
    """
    policy.require(principal, "decide", Target("death_case"))
    if not conclusion or conclusion not in Avoidable.values:
        raise Invalid("review-conclusion", _("There is no such conclusion"), where="conclusion")
    if conclusion != Avoidable.UNAVOIDABLE and not advice.strip():
        raise Invalid("review-advice", _("Say what should change"), where="advice")
    with transaction.atomic(), connection.cursor() as cursor:
        row = _locked(number)
        if row.state != ReviewState.READY:
            raise NotFound("review-unknown", _("There is no such review"), where=str(number))
        row.conclusion, row.advice, row.state = conclusion, advice.strip(), ReviewState.CLOSED
        row.concluded_on, row.concluded_by = timezone.localdate(now), principal.name[:150]
        row.updated = now
        row.save()
        intent = audit.intend(cursor, [_kept(principal, "decide", row, conclusion=conclusion)])
    audit.settle(intent)
    return row


def _open(
    person_id: UUID, died: date, cause: str, today: date, *, by: str, now: datetime, from_record: bool = True
) -> DeathReview | None:
    person = Person.objects.filter(pk=person_id).first()
    if person is None:
        return None
    spells = ProgrammeEntry.objects.filter(person_id=person_id, programme="pregnancy").exclude(
        close_reason__in=("not_affected", "taken_back")
    )
    kind = kind_of(person.birth_date, died, list(spells.values_list("anchor_on", "ended_on")), today)
    if not kind:
        return None
    spot = placing.place({person.pk: person})[person.pk]
    row, _made = DeathReview.objects.get_or_create(
        person_id=person_id,
        defaults={
            "patient_rid": spot.patient_rid, "kind": kind, "died_on": died, "cause": cause[:10].upper(),
            "age_days": (died - person.birth_date).days if person.birth_date else None,
            "from_record": from_record, "institution_id": spot.institution_id,
            "district_code": spot.district_code, "recorded_by": by[:150], "updated": now,
            "due_on": died + timedelta(days=rules.limit("review_days", today)),
        },
    )  # fmt: skip
    return row


def _locked(number: int) -> DeathReview:
    query = DeathReview.objects.filter(pk=number)
    found = (query.select_for_update() if connection.vendor == "postgresql" else query).first()
    if found is None:
        raise NotFound("review-unknown", _("There is no such review"), where=str(number))
    return found


def _kept(principal: Principal, action: str, row: DeathReview, **detail: object) -> audit.AuditEntry:
    return audit.entry(
        principal, action, person_id=row.person_id, resource_type="DeathReview", resource_id=str(row.pk),
        detail={"kind": row.kind, **detail},
    )  # fmt: skip


@periodic(every=timedelta(days=1), name="prevention.maternal-nightly")
def every_night() -> None:
    """Judge risks by the day's values, and open the reviews of deaths that the record tells of."""
    from salus.prevention.services.maternal import pregnancies

    now = timezone.now()
    pregnancies.judge_all(now=now)
    find(now=now)
