"""Contacts of a case: named, followed up daily, alerted on; a contact that falls ill becomes a case."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache, partial
from importlib.resources import files
from uuid import UUID

from django.db import connection, transaction
from django.utils.translation import gettext_noop as _

from salus.kernel import audit, notifications, policy
from salus.kernel.errors import Conflict, Invalid
from salus.kernel.events import emit
from salus.kernel.models import Institution
from salus.kernel.policy import Principal
from salus.prevention.events import ContactAlert
from salus.prevention.models import Case, CaseFact, Contact, ContactState, ContactVisit, Transmission
from salus.prevention.queries.notifiable import seeing
from salus.prevention.queries.notifiable.diseases import (
    catalogue,
    district_within,
    exposures,
    registered_districts,
    symptoms,
)
from salus.prevention.services.notifiable import judging, reporting
from salus.prevention.surveillance import Fact, follow_until

WAYS = ("visit", "phone", "online")
"""How a contact is followed up: seen, telephoned, or by herself on line."""


@lru_cache(maxsize=1)
def fever() -> Decimal:
    """Return the temperature in °C from which a visit is an alert."""
    text = files("salus.prevention").joinpath("rules/notifiable_follow_up.toml").read_text(encoding="utf-8")
    return Decimal(str(tomllib.loads(text)["follow_up"][0]["fever"]))


@dataclass(frozen=True, slots=True)
class AskedContact:
    """Who was exposed: a resident or a name, in which setting (a code of the exposures), last when."""

    name: str
    setting: str
    last_exposure: date
    person_id: UUID | None = None
    phone: str = ""
    address: str = ""
    sex: str = ""
    age: float | None = None
    district_code: str = ""
    institution: Institution | None = None


def add_contact(principal: Principal, number: int, asked: AskedContact, *, now: datetime) -> Contact:
    """Put a contact of a case under follow-up for as long as the disease asks.

    Raises:
        NotFound: there is no such case, or the principal may not read it.
        NotAllowed: the principal may not name contacts there.
        Invalid: the name is empty, there is no such setting, or the exposure lies in the future.
        Conflict: the contact is followed up for this case already.
    """
    case = seeing.open_case(principal, number, "update")
    if not asked.name.strip():
        raise Invalid("contact-name", _("Give the contact's name"), where="name")
    if asked.setting not in exposures():
        raise Invalid("report-exposure", _("There is no such exposure"), where="setting")
    if asked.last_exposure > judging.local_day(now):
        raise Invalid("contact-future", _("The exposure lies in the future"), where="last_exposure")
    code = asked.district_code
    district = district_within(code, registered_districts()) if code else case.district_code
    contact = Contact(
        case=case, person_id=asked.person_id, name=asked.name.strip()[:120], phone=asked.phone[:32],
        address=asked.address[:200], sex=asked.sex[:8], age=asked.age, district_code=district,
        institution=asked.institution or case.institution, categories=case.categories,
        setting=asked.setting, last_exposure=asked.last_exposure,
        follow_until=follow_until(catalogue().disease(case.disease), asked.last_exposure),
        recorded_by=principal.name, recorded_at=now,
    )  # fmt: skip
    policy.require(principal, "create", seeing.contact_target(contact))
    with transaction.atomic(), connection.cursor() as cursor:
        same = Contact.objects.filter(case=case, name=contact.name, phone=contact.phone)
        if same.filter(state=ContactState.FOLLOWED).exists():
            raise Conflict("contact-known", _("The contact is followed up already"), where="name")
        contact.save()
        intent = audit.intend(cursor, [_kept(principal, "create", contact)])
    audit.settle(intent)
    return contact


@dataclass(frozen=True, slots=True)
class AskedVisit:
    """A day's follow-up; `key` is made where it is entered, so that sending it twice changes nothing."""

    key: UUID
    day: date
    way: str = "visit"
    temperature: Decimal | None = None
    symptoms: Sequence[str] = ()
    isolating: bool = True
    note: str = ""


class VisitClash(Conflict):
    """Another entry stands for this contact and day (`visit-twice`); `held` is it: show both."""

    def __init__(self, held: ContactVisit) -> None:
        """Keep the entry that stands."""
        super().__init__(
            "visit-twice", _("There is another entry for this day"),
            fix=_("Compare the two and correct the one that stands"), where="day",
        )  # fmt: skip
        self.held = held


def visit(
    principal: Principal, number: int, asked: AskedVisit, *, now: datetime, replaces: UUID | None = None
) -> ContactVisit:
    """Enter a day's follow-up of a contact, exactly once; fever or a symptom of the disease is an alert.

    Args:
        principal: who visits.
        number: the contact's.
        asked: the entry; one whose key is known already changes nothing and is returned as it stands.
        now: the present.
        replaces: the key of the day's entry that this one corrects, after both were shown.

    Raises:
        NotFound: there is no such contact, or the principal may not follow it up.
        Invalid: a value breaks a rule; `where` names it.
        VisitClash: another entry stands for the day.
    """
    contact = seeing.open_contact(principal, number, "update")
    held = ContactVisit.objects.filter(key=asked.key).first()
    if held is not None:
        if held.contact_id != contact.pk:
            raise Invalid("visit-key", _("The entry belongs to another contact"), where="key")
        return held
    _checked(contact, asked, now)
    alert = asked.temperature is not None and asked.temperature >= fever()
    alert = alert or bool(set(asked.symptoms) & telling(contact.case.disease))
    with transaction.atomic(), connection.cursor() as cursor:
        query = Contact.objects.filter(pk=number)
        contact = (query.select_for_update() if connection.vendor == "postgresql" else query).get()
        other = ContactVisit.objects.filter(contact=contact, day=asked.day).first()
        if other is not None:
            if replaces is None or other.key != replaces:
                raise VisitClash(other)
            other.delete()
        made = ContactVisit.objects.create(
            contact=contact, key=asked.key, day=asked.day, way=asked.way, temperature=asked.temperature,
            symptoms=sorted(asked.symptoms), isolating=asked.isolating, note=asked.note.strip(),
            alert=alert, recorded_by=principal.name, recorded_at=now,
        )  # fmt: skip
        _stands(contact)
        if alert:
            _alert(contact)
        item = _kept(principal, "update", contact, day=asked.day.isoformat(), replaced=other is not None)
        intent = audit.intend(cursor, [item])
    # A form sent from a device brings its own transaction: the chain waits for that one to commit.
    transaction.on_commit(partial(audit.settle, intent))
    return made


def _checked(contact: Contact, asked: AskedVisit, now: datetime) -> None:
    if asked.way not in WAYS:
        raise Invalid("visit-way", _("There is no such way"), where="way")
    if asked.temperature is not None and not Decimal(30) <= asked.temperature <= Decimal(45):
        raise Invalid(
            "visit-temperature", _("The temperature lies between 30 and 45 °C"), where="temperature"
        )
    if set(asked.symptoms) - set(symptoms()):
        raise Invalid("report-symptom", _("There is no such symptom"), where="symptoms")
    if not contact.last_exposure <= asked.day <= judging.local_day(now):
        raise Invalid("visit-day", _("The day lies before the exposure or in the future"), where="day")
    if len(asked.note) > 300:
        raise Invalid("visit-note", _("The note is too long"), where="note")
    if contact.state in (ContactState.CASE, ContactState.RELEASED):
        raise Conflict("contact-closed", _("The contact is not followed up any more"), where="day")


def telling(disease: str) -> frozenset[str]:
    """Return the symptoms that the disease's definitions name."""
    found = catalogue().get(disease)
    if found is None:
        return frozenset()
    return frozenset(
        code
        for definition in found.definitions
        for one in definition.criteria.values()
        if one.kind == "symptom"
        for code in one.codes
    )


def _stands(contact: Contact) -> None:
    """Bring up to date what lists show of a contact from its visits."""
    days = list(contact.visits.values_list("day", "alert"))
    contact.last_visit = max((day for day, _alert in days), default=None)
    contact.alert_on = max((day for day, alert in days if alert), default=None)
    done = contact.last_visit is not None and contact.last_visit >= contact.follow_until
    if contact.state in (ContactState.FOLLOWED, ContactState.DONE, ContactState.LOST):
        contact.state = ContactState.DONE if done else ContactState.FOLLOWED
    contact.save()


def _alert(contact: Contact) -> None:
    emit(ContactAlert(contact.pk, contact.case_id, contact.case.disease, contact.district_code))
    notifications.notify_role(
        "epidemiologist", "prevention", _("A contact under follow-up has fever or symptoms"), {},
        district_code=contact.district_code or None, link=f"/prevention/contacts/{contact.pk}/", urgent=True,
        key=f"prevention.contact:{contact.pk}:{contact.alert_on}",
    )  # fmt: skip


def close(principal: Principal, number: int, state: str, *, now: datetime) -> Contact:
    """End a contact's follow-up as lost or released early, or take it up again as followed.

    Raises:
        NotFound: there is no such contact, or the principal may not change it.
        Invalid: the state is none of these.
        Conflict: the contact became a case.
    """
    seeing.open_contact(principal, number, "update")
    if state not in (ContactState.LOST, ContactState.RELEASED, ContactState.FOLLOWED):
        raise Invalid("contact-state", _("There is no such state"), where="state")
    with transaction.atomic(), connection.cursor() as cursor:
        contact = Contact.objects.select_related("case").get(pk=number)
        if contact.state == ContactState.CASE:
            raise Conflict("contact-case", _("The contact became a case"), where="state")
        contact.state = state
        contact.save(update_fields=["state"])
        intent = audit.intend(cursor, [_kept(principal, "update", contact, state=state)])
    audit.settle(intent)
    return contact


def became_case(principal: Principal, number: int, *, now: datetime) -> Case:
    """Report a contact that fell ill as a case, infected by the case whose contact she was.

    Her symptoms are those of her visits, and her onset the first day with an alert.

    Raises:
        NotFound: there is no such contact, or the principal may not change it.
        NotAllowed: the principal may not report.
        Conflict: she is a case already.
    """
    contact = seeing.open_contact(principal, number, "update")
    if contact.state == ContactState.CASE:
        raise Conflict("contact-case", _("The contact became a case"), where="state")
    visits = list(contact.visits.order_by("day"))
    first = next((one.day for one in visits if one.alert), None)
    asked = reporting.Report(
        contact.case.disease, now, "suspected", contact.person_id, contact.name, age=contact.age,
        sex=contact.sex, district_code=contact.district_code, address=contact.address, onset=first,
        external_id=f"contact-{contact.pk}",
        symptoms=sorted({code for one in visits for code in one.symptoms} | _fever(visits)),
    )  # fmt: skip
    made = reporting.report(principal, asked, contact.institution, now=now).case
    with transaction.atomic(), connection.cursor() as cursor:
        Contact.objects.filter(pk=number).update(state=ContactState.CASE, became=made)
        linked, new = Transmission.objects.get_or_create(
            source=contact.case, case=made,
            defaults={"basis": contact.setting, "recorded_by": principal.name, "recorded_at": now},
        )  # fmt: skip
        if new:
            source = contact.case
            fact = Fact(
                "link", str(source.pk), "", source.status, None, source.first_day, f"link/{linked.pk}"
            )
            CaseFact.objects.bulk_create([judging.fact_row(made, fact)])
            judging.refresh(made, by=principal.name, now=now)
        contact.refresh_from_db()
        intent = audit.intend(cursor, [_kept(principal, "update", contact, state="case")])
    audit.settle(intent)
    return made


def _fever(visits: Sequence[ContactVisit]) -> set[str]:
    return {"fever"} if any(v.temperature is not None and v.temperature >= fever() for v in visits) else set()


def _kept(principal: Principal, action: str, contact: Contact, **detail: object) -> audit.AuditEntry:
    return audit.entry(
        principal, action, person_id=contact.person_id, resource_type="CaseContact",
        resource_id=str(contact.pk or ""), detail=detail,
    )  # fmt: skip
