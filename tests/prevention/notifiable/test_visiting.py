"""Visits entered without a connection: what lies on the device, once each, both versions on a conflict."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from salus.kernel.models import AuditRow
from salus.prevention.models import Contact, ContactVisit
from salus.prevention.pages.notifiable import visiting
from salus.prevention.services.notifiable import contacts, reporting
from salus.prevention.services.notifiable.contacts import AskedContact
from salus.prevention.services.notifiable.reporting import Report
from salus.web import offline
from salus.web.offline.receiving import Item, receive
from tests.prevention.notifiable.world import EAST, SYSTEM, WEST, World, village_doctor
from tests.web.conftest import make_account

pytestmark = pytest.mark.django_db(databases=["default", "audit"])


@pytest.fixture
def contact(city: World) -> Contact:
    now, today = timezone.now(), timezone.localdate()
    case = reporting.report(SYSTEM, Report("measles", now, name="张三"), city.east, now=now).case
    asked = AskedContact("王五", "household", today - timedelta(days=3), phone="1380000", district_code=EAST)
    return contacts.add_contact(SYSTEM, case.pk, asked, now=now)


def item(key: str, base: str, **values: Any) -> Item:
    given = {"day": key.partition("/")[2], "way": "visit", "isolating": True} | values
    return Item(uuid4(), "contact-visit", key, base, given, timezone.now())


def test_three_days_ahead_lie_on_the_device_of_her_district_only(contact: Contact) -> None:
    now = timezone.now()
    found = visiting.snapshot(village_doctor(EAST), now)
    today = timezone.localdate()
    assert [one.due for one in found] == [today + timedelta(days=n) for n in range(4)]
    assert all(one.title == "王五" and "1380000" in one.lines for one in found)
    assert visiting.snapshot(village_doctor(WEST), now) == []
    assert AuditRow.objects.filter(resource_type="CaseContact", resource_id=str(contact.pk)).exists()


def test_a_visit_sent_twice_counts_once_and_a_second_ones_are_both_shown(contact: Contact) -> None:
    doctor, form, now = village_doctor(EAST), offline.get("contact-visit"), timezone.now()
    account = make_account("village").pk
    key = visiting.snapshot(doctor, now)[0].key
    sent = item(key, "", temperature="36.8")
    for _again in range(2):
        answer = receive(form, sent, account, doctor, now=now)
        assert answer.state == "accepted", answer
    assert ContactVisit.objects.count() == 1
    other = item(key, "", temperature="38.4")
    answer = receive(form, other, account, doctor, now=now)
    assert (answer.state, answer.mine) == ("conflict", True)
    assert answer.server is not None
    assert answer.server["temperature"] == "36.8"
    mine = item(key, answer.version or str(ContactVisit.objects.get().key), temperature="38.4")
    assert receive(form, mine, account, doctor, now=now).state == "accepted"
    visit = ContactVisit.objects.get()
    assert (visit.temperature, visit.alert) == (Decimal("38.4"), True)


def test_what_is_not_hers_or_not_yet_is_rejected(contact: Contact) -> None:
    form, now = offline.get("contact-visit"), timezone.now()
    account = make_account("village").pk
    key = visiting.snapshot(village_doctor(EAST), now)[0].key
    stranger = receive(form, item(key, "", temperature="36.8"), account, village_doctor(WEST), now=now)
    assert stranger.state == "rejected"
    empty = receive(form, item(key, ""), account, village_doctor(EAST), now=now)
    assert empty.state == "rejected"
    tomorrow = visiting.snapshot(village_doctor(EAST), now)[1].key
    early = receive(form, item(tomorrow, "", temperature="36.8"), account, village_doctor(EAST), now=now)
    assert early.state == "rejected"
    assert not ContactVisit.objects.exists()
