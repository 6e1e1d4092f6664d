"""Closing a month and taking a payment back on the pages: asked first, in order, by fund officers only."""

from datetime import timedelta
from random import Random

import pytest
from django.test import Client
from django.utils import timezone

from salus.insurance.models import Adjudication, MonthClose, PaymentBatch, PaymentItem
from salus.insurance.queries import fund as asking
from salus.insurance.services import claims, funds, payments
from salus.kernel.errors import Conflict, NotAllowed, NotFound
from salus.kernel.models import AuditRow
from salus.kernel.policy import Principal
from tests.insurance.claims import world
from tests.insurance.claims.world import NOW, SYSTEM
from tests.web.conftest import PASSWORD, make_account

pytestmark = pytest.mark.django_db(databases=["default", "audit"])
OFFICER = Principal(name="officer", roles=frozenset({"fund_officer"}), account_id=1)
COLLEAGUE = Principal(name="colleague", roles=frozenset({"fund_officer"}), account_id=2)


def signed_in(name: str, role: str) -> Client:
    make_account(name, role)
    client = Client()
    assert client.login(username=name, password=PASSWORD)
    return client


def test_months_are_closed_in_their_order_after_a_question() -> None:
    this = timezone.localdate().replace(day=1)
    last = (this - timedelta(days=1)).replace(day=1)
    before = (last - timedelta(days=1)).replace(day=1)
    for n, month in enumerate((before, last, this)):
        funds.receive(SYSTEM, "aid", "budget", 100, month, f"B{n}", now=timezone.now())
    officer, planner = signed_in("officer", "fund_officer"), signed_in("planner", "planner")
    assert officer.get("/insurance/fund/?fund=aid").context["closable"] == before
    assert planner.get("/insurance/fund/?fund=aid").context["closable"] is None
    asked = {"fund": "aid", "month": f"{before:%Y-%m}"}
    assert planner.post("/insurance/fund/close/", asked | {"confirmed": "1"}).status_code == 403
    assert officer.get("/insurance/fund/close/").status_code == 405
    assert "stays closed" in officer.post("/insurance/fund/close/", asked).content.decode()
    for wrong in ({"month": f"{last:%Y-%m}"}, {"fund": "pension"}, {"month": "x"}):
        officer.post("/insurance/fund/close/", asked | {"confirmed": "1"} | wrong)
    assert not MonthClose.objects.exists()
    for month, following in ((before, last), (last, None)):
        officer.post("/insurance/fund/close/", asked | {"confirmed": "1", "month": f"{month:%Y-%m}"})
        assert officer.get("/insurance/fund/?fund=aid").context["closable"] == following
    balances = [100, 200]
    assert [one.balances["cash"] for one in MonthClose.objects.order_by("month")] == balances


def test_a_payment_that_is_not_paid_is_taken_back_and_its_decisions_go_into_the_next() -> None:
    city = world.build()
    place = city.institutions[0]
    for seed in range(2, 6):
        claims.settle(SYSTEM, place, world.claim(Random(seed), city, seed)[1], now=NOW)
    officer = signed_in("officer", "fund_officer")
    first = payments.prepare(OFFICER, place, world.TODAY, now=NOW)
    payments.approve(COLLEAGUE, first.pk, now=NOW)
    address = f"/insurance/payments/{first.pk}/discard/"
    assert signed_in("manager", "manager").post(address, {"confirmed": "1"}).status_code == 403
    assert officer.post(address).status_code == 200
    assert PaymentBatch.objects.exists()
    officer.post(address, {"confirmed": "1"})
    assert not PaymentBatch.objects.exists() and not PaymentItem.objects.exists()
    assert not Adjudication.objects.exclude(batch=None).exists()
    row = AuditRow.objects.using("audit").get(action="delete", resource_type="PaymentBatch")
    assert (row.actor, row.resource_id) == ("officer", str(first.pk))
    again = payments.prepare(OFFICER, place, world.TODAY, now=NOW)
    assert (again.decisions, again.approved_fen) == (first.decisions, first.approved_fen)
    payments.approve(COLLEAGUE, again.pk, now=NOW)
    payments.pay(COLLEAGUE, again.pk, world.TODAY, now=NOW)
    with pytest.raises(Conflict):
        payments.discard(OFFICER, again.pk)
    with pytest.raises(NotFound):
        payments.discard(OFFICER, 0)
    with pytest.raises(NotAllowed):
        payments.discard(Principal(name="x", roles=frozenset({"planner"})), again.pk)
    assert -asking.balances("resident").get("payable", 0) == 0


def test_an_odd_year_of_a_resident_is_no_year() -> None:
    city = world.build()
    make_account("resident", "resident", person_id=city.persons[0])
    client = Client()
    assert client.login(username="resident", password=PASSWORD)
    for odd in ("²", "0", "99999", "9" * 5_000, "-1", "x", "２０２５"):
        assert client.get("/my/claims/", {"year": odd}).status_code == 200, odd
