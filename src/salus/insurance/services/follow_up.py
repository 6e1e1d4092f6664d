"""Free treatment of the poor after its settlement: followed until cured or stable."""

import tomllib
from datetime import date, datetime, timedelta
from functools import lru_cache
from importlib.resources import files

from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from salus.insurance.models import Adjudication, Claim, FollowUp, FollowUpState, FreeTreatment
from salus.kernel import audit, policy
from salus.kernel.errors import Conflict, Invalid, NotFound
from salus.kernel.policy import Principal, Target

WAYS = ("visit", "home", "phone")
"""How a patient is followed up: at the institution, at home, by telephone."""


@lru_cache(maxsize=1)
def intervals() -> dict[str, tuple[int, int]]:
    """Return the days to the first follow-up and between later ones, by illness ("*": every other)."""
    text = files("salus.insurance").joinpath("rules/follow_up.toml").read_text(encoding="utf-8")
    return {row["illness"]: (row["first_days"], row["next_days"]) for row in tomllib.loads(text)["follow_up"]}


def _days(illness: str) -> tuple[int, int]:
    return intervals().get(illness, intervals()["*"])


def open_if_free(decision: Adjudication, claim: Claim, today: date) -> None:
    """Begin to follow a patient when a claim was settled with free treatment, in the caller's transaction.

    A further stay for the same illness goes on with the treatment that is open.
    """
    if decision.free_fen <= 0 or not claim.illness:
        return
    FreeTreatment.objects.get_or_create(
        person_id=claim.person_id, illness=claim.illness, state=FollowUpState.OPEN,
        defaults={
            "institution_id": claim.institution_id, "claim": claim, "opened_on": claim.discharged,
            "due": max(claim.discharged, today) + timedelta(days=_days(claim.illness)[0]),
        },
    )  # fmt: skip


def forget(claim: Claim) -> None:
    """Drop a treatment that nobody has followed yet when the claim that began it is reversed."""
    FreeTreatment.objects.filter(claim=claim, state=FollowUpState.OPEN, follow_ups=None).delete()


def record(
    principal: Principal, number: int, day: date, way: str, state: str, note: str, *, now: datetime
) -> FreeTreatment:
    """Enter a follow-up: while the patient is `open` the next one is set, else the treatment is closed.

    Raises:
        NotAllowed: the principal may not.
        NotFound: there is no such treatment.
        Invalid: the way or state is none, the day lies before the treatment or in the future, the note is
            too long.
        Conflict: the treatment is closed, or there is an entry for the day.
    """
    found = FreeTreatment.objects.select_related("claim").filter(pk=number).first()
    target = Target(
        "follow_up", person_id=found.person_id if found else None,
        institution_id=found.institution_id if found else None,
        categories=frozenset(found.claim.categories.split()) if found else frozenset(),
    )  # fmt: skip
    policy.require(principal, "update", target)
    if found is None:
        raise NotFound("treatment-unknown", _("There is no such treatment"), where=str(number))
    if way not in WAYS or state not in FollowUpState.values:
        raise Invalid("follow-up-state", _("There is no such way or state"), where="state")
    if not found.opened_on <= day <= timezone.localdate(now):
        raise Invalid("follow-up-day", _("The day lies before the treatment or in the future"), where="day")
    if len(note) > 500:
        raise Invalid("follow-up-note", _("The note is too long"), where="note")
    with transaction.atomic(), connection.cursor() as cursor:
        query = FreeTreatment.objects.filter(pk=number)
        held = (query.select_for_update() if connection.vendor == "postgresql" else query).get()
        if held.state != FollowUpState.OPEN:
            raise Conflict("treatment-closed", _("The treatment is closed"), where=str(number))
        try:
            with transaction.atomic():
                FollowUp.objects.create(
                    treatment=held, day=day, way=way, state=state, note=note.strip(),
                    recorded_by=principal.name, recorded_at=now,
                )  # fmt: skip
        except IntegrityError:
            raise Conflict("follow-up-twice", _("There is an entry for this day"), where="day") from None
        held.state = state
        if state == FollowUpState.OPEN:
            held.due = day + timedelta(days=_days(held.illness)[1])
        else:
            held.due, held.closed_on = None, day
        held.save(update_fields=["state", "due", "closed_on"])
        item = audit.entry(
            principal, "update", person_id=held.person_id, resource_type="FreeTreatment",
            resource_id=str(held.pk), detail={"state": state},
        )  # fmt: skip
        intent = audit.intend(cursor, [item])
    audit.settle(intent)
    return held
