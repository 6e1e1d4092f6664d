"""The visit of a contact as a form that works without a connection: 72 hours of visits lie on the device."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from salus.kernel import audit, policy
from salus.kernel.policy import Principal
from salus.prevention.models import Contact, ContactVisit
from salus.prevention.pages.notifiable.forms import VisitForm
from salus.prevention.queries.notifiable import diseases as known
from salus.prevention.queries.notifiable import investigation, seeing
from salus.prevention.services.notifiable import contacts
from salus.web import offline
from salus.web.offline import Accepted, Rule, Subject, Submission, Version

AHEAD = 3
"""Days ahead whose visits lie on the device too: three days without a connection."""
MOST = 300
"""Contacts that a device holds; a doctor has far fewer."""


def _key(contact: int, day: date) -> str:
    return f"{contact}/{day.isoformat()}"


def _parts(key: str) -> tuple[int, date] | None:
    number, _slash, day = key.partition("/")
    try:
        return int(number), date.fromisoformat(day)
    except ValueError:
        return None


def _values(visit: ContactVisit) -> dict[str, object]:
    return {
        "day": visit.day, "way": visit.way, "temperature": visit.temperature, "symptoms": visit.symptoms,
        "isolating": visit.isolating, "note": visit.note,
    }  # fmt: skip


def snapshot(principal: Principal, now: datetime) -> Sequence[Subject]:
    """Return the visits due from today on, a contact and day each; each is in the audit."""
    today = timezone.localdate(now)
    rows = list(investigation.contacts_due(principal, today, days=AHEAD)[:MOST])
    done = {
        (visit.contact_id, visit.day): visit
        for visit in ContactVisit.objects.filter(contact__in=[one.pk for one in rows], day__gte=today)
    }
    audit.record(
        [
            audit.entry(
                principal, "read", person_id=one.person_id, resource_type="CaseContact",
                resource_id=str(one.pk), detail={"page": "offline"},
            )
            for one in rows
        ]
    )  # fmt: skip
    found = []
    for ahead in range(AHEAD + 1):
        day = today + timedelta(days=ahead)
        for one in rows:
            if day > one.follow_until:
                continue
            visit = done.get((one.pk, day))
            lines = [known.disease_name(one.case.disease), one.phone, one.address]
            lines.append(_("until %(day)s") % {"day": one.follow_until.isoformat()})
            found.append(
                Subject(
                    _key(one.pk, day), one.name, [line for line in lines if line],
                    str(visit.key) if visit else "", _values(visit) if visit else {"day": day}, day,
                )
            )  # fmt: skip
    return found


def version(principal: Principal, key: str) -> Version | None:
    """Return what is entered for a contact and day; None where the reader may not follow her up."""
    parts = _parts(key)
    if parts is None:
        return None
    number, day = parts
    query = Contact.objects.select_related("case").filter(pk=number)
    one = (query.select_for_update(of=("self",)) if connection.vendor == "postgresql" else query).first()
    if one is None or not policy.decide(principal, "update", seeing.contact_target(one)).allowed:
        return None
    visit = ContactVisit.objects.filter(contact=one, day=day).first()
    return Version(str(visit.key), _values(visit)) if visit else Version("", {"day": day})


def apply(submission: Submission) -> Accepted:
    """Enter the visit; where the day has one already, this one corrects it (both were shown)."""
    parts = _parts(submission.key)
    number = parts[0] if parts else 0
    given = dict(submission.values)
    if parts is not None:
        given["day"] = parts[1]
    held = ContactVisit.objects.filter(contact=number, day=given["day"]).first()
    asked = contacts.AskedVisit(key=submission.id, **given)
    made = contacts.visit(
        submission.principal, number, asked, now=submission.now, replaces=held.key if held else None
    )
    words = _("Alert: disease control has been told.") if made.alert else _("The visit is entered.")
    return Accepted(words, submission.key, str(made.key))


def register() -> None:
    """Offer the form to those who follow contacts up."""
    offline.register(
        offline.Form(
            name="contact-visit",
            title=gettext_lazy("Visits of contacts"),
            form=VisitForm,
            apply=apply,
            snapshot=snapshot,
            version=version,
            roles=frozenset({"village_doctor", "clinician", "epidemiologist"}),
            rules=(
                Rule(
                    "not_after", "day", gettext_lazy("The day lies in the future: enter it when it has come.")
                ),
                Rule(
                    "at_least_one", "temperature", gettext_lazy("Enter the temperature, symptoms or a note."),
                    values=("temperature", "symptoms", "note"),
                ),
            ),
            lead=gettext_lazy("The visits of today and the next three days, also without a connection."),
            group="prevention",
            icon="clock",
            order=13,
        )
    )  # fmt: skip
