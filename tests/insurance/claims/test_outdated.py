"""Years to decide again: marked when a claim comes late or goes, listed, decided again from the page."""

import json
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from uuid import UUID

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from salus.insurance.models import Claim, Fund, MonthClose, OutdatedWhy, OutdatedYear
from salus.insurance.queries import outdated as queries
from salus.insurance.services import claim_batch, claim_storing, claims
from salus.kernel.models import AuditRow
from salus.kernel.policy import Principal
from tests.insurance.claims import world
from tests.insurance.claims.world import NOW, SYSTEM, City
from tests.web.conftest import PASSWORD, make_account

pytestmark = pytest.mark.django_db(databases=["default", "audit"])
OFFICER = Principal(name="officer", roles=frozenset({"fund_officer"}), purpose="HPAYMT")


def asked(city: City, number: int, start: date, person: UUID | None = None) -> tuple[int, world.AskedClaim]:
    """Draw a dear claim that meets no edit, so that what it uses up matters to the claims after it."""
    place, one = world.claim(Random(5), city, number, person or city.persons[0], start)
    line = replace(
        one.lines[0], item="X1", quantity=Decimal(1), unit_price=90_000, charge=90_000, service_date=start
    )
    return place, replace(
        one, kind="outpatient", admitted=start, discharged=start, lines=[line], charge=90_000,
        submitted=start + timedelta(days=5),
    )  # fmt: skip


def settle(city: City, number: int, start: date, person: UUID | None = None) -> Claim:
    place, one = asked(city, number, start, person)
    return claims.settle(
        city.sources[place], city.institutions[place], one, now=NOW + timedelta(hours=number)
    )


def test_claims_that_come_in_order_leave_nothing_to_decide_again(city: City) -> None:
    for number in range(4):
        settle(city, number, date(2025, 3, 1 + number))
    settle(city, 9, date(2025, 1, 1), city.persons[1])
    assert not OutdatedYear.objects.exists()


def test_a_late_claim_marks_its_year_once_until_it_is_decided_again(city: City) -> None:
    later = settle(city, 1, date(2025, 6, 1))
    settle(city, 2, date(2024, 2, 1))
    assert not OutdatedYear.objects.exists()
    late, _earlier = settle(city, 3, date(2025, 2, 1)), settle(city, 4, date(2025, 1, 1))
    row = OutdatedYear.objects.get()
    assert (row.person_id, row.year, row.why, row.cause) == (
        city.persons[0], 2025, OutdatedWhy.LATE, late,
    )  # fmt: skip
    assert queries.of_claim(OFFICER, later) == row and queries.visible(OFFICER).get().claims == 3
    claims.decide_again(OFFICER, city.persons[0], 2025, "a late claim", now=NOW + timedelta(hours=9))
    assert not OutdatedYear.objects.exists()


def test_a_reversal_marks_the_year_and_deciding_again_gives_what_its_absence_gives(city: City) -> None:
    first, second = settle(city, 1, date(2025, 2, 1)), settle(city, 2, date(2025, 6, 1))
    alone = settle(city, 3, date(2025, 6, 1), city.persons[1])
    second.refresh_from_db()
    assert second.fund_fen != alone.fund_fen, "the first claim should use up a deductible"
    claims.take_back(SYSTEM, first.institution, first.number, "charged twice", now=NOW + timedelta(hours=4))
    assert OutdatedYear.objects.get().why == OutdatedWhy.REVERSED
    changed = claims.decide_again(OFFICER, city.persons[0], 2025, "taken back", now=NOW + timedelta(hours=5))
    second.refresh_from_db()
    assert changed == [second] and second.fund_fen == alone.fund_fen
    assert not OutdatedYear.objects.exists()


def test_the_last_claim_of_a_year_goes_without_a_mark(city: City) -> None:
    settle(city, 1, date(2025, 2, 1))
    last = settle(city, 2, date(2025, 6, 1))
    claims.take_back(SYSTEM, last.institution, last.number, "charged twice", now=NOW + timedelta(hours=4))
    assert not OutdatedYear.objects.exists()


def test_a_month_s_batch_marks_only_what_was_there_before(city: City) -> None:
    rows = [asked(city, number, date(2025, 3, 9 - number)) for number in range(4)]
    outcomes = claim_batch.settle_many(SYSTEM, [(city.institutions[p], one) for p, one in rows], now=NOW)
    assert all(one.claim for one in outcomes) and not OutdatedYear.objects.exists()
    place, one = asked(city, 7, date(2025, 1, 5))
    claim_batch.settle_many(SYSTEM, [(city.institutions[place], one)], now=NOW + timedelta(hours=1))
    assert OutdatedYear.objects.get().cause.number == one.number


def test_a_mark_goes_with_a_claim_that_could_not_be_stored(city: City) -> None:
    settle(city, 1, date(2025, 6, 1))
    with pytest.raises(RuntimeError), transaction.atomic():
        settle(city, 2, date(2025, 2, 1))
        raise RuntimeError
    assert not OutdatedYear.objects.exists()


def test_the_pages_take_back_list_and_decide_again(city: City) -> None:
    first, second = settle(city, 1, date(2025, 2, 1)), settle(city, 2, date(2025, 6, 1))
    make_account("officer", "fund_officer")
    make_account("planner", "planner")
    client = Client()
    assert client.login(username="officer", password=PASSWORD)
    path = f"/insurance/claims/{first.pk}/"
    assert "Take the claim back" in client.get(path).content.decode()
    asks = client.post(f"{path}take-back/", {"reason": "charged twice"})
    assert asks.status_code == 200 and "Please confirm" in asks.content.decode()
    refused = client.post(f"{path}take-back/", {"reason": "no", "confirmed": "1"}, follow=True)
    assert "Say why" in refused.content.decode()
    done = client.post(f"{path}take-back/", {"reason": "charged twice", "confirmed": "1"}, follow=True)
    assert "The claim is taken back." in done.content.decode()
    assert "Take the claim back" not in client.get(path).content.decode()
    shown = client.get(f"/insurance/claims/{second.pk}/").content.decode()
    assert "To be decided again" in shown and first.number in shown
    listed = client.get("/insurance/outdated/").content.decode()
    assert first.number in listed and "王小" not in listed
    row = OutdatedYear.objects.get()
    done = client.post(f"/insurance/outdated/{row.pk}/", follow=True)
    assert "1 year was decided again. 1 claim came out otherwise." in done.content.decode()
    second.refresh_from_db()
    assert second.version == 2
    assert first.number in claim_storing.latest(second).reason
    corrected = AuditRow.objects.using("audit").filter(resource_type="Claim", action="correct")
    assert set(corrected.values_list("resource_id", flat=True)) == {"", str(second.pk)}
    assert client.post(f"/insurance/outdated/{row.pk}/").status_code == 404
    client.logout()
    assert client.login(username="planner", password=PASSWORD)
    for path in ("/insurance/outdated/", f"/insurance/claims/{second.pk}/take-back/"):
        assert client.post(path).status_code in (403, 404)


def test_several_years_are_decided_again_at_once(city: City) -> None:
    for person in city.persons[:2]:
        base = 10 * city.persons.index(person)
        settle(city, base + 2, date(2025, 6, 1), person)
        settle(city, base + 1, date(2025, 2, 1), person)
    make_account("officer", "fund_officer")
    client = Client()
    assert client.login(username="officer", password=PASSWORD)
    done = client.post("/insurance/outdated/", {"bulk": "again", "every": "1"}, follow=True)
    assert "2 years were decided again." in done.content.decode()
    assert not OutdatedYear.objects.exists()


def test_a_year_that_cannot_be_decided_now_stays_on_the_list_with_the_reason(city: City) -> None:
    first, second = settle(city, 1, date(2025, 2, 1)), settle(city, 2, date(2025, 6, 1))
    claims.take_back(SYSTEM, first.institution, first.number, "charged twice", now=NOW + timedelta(hours=4))
    today = timezone.localdate()
    MonthClose.objects.bulk_create(
        MonthClose(fund=fund, month=today.replace(day=1), closed_at=NOW, closed_by="officer")
        for fund in Fund.values
    )
    make_account("officer", "fund_officer")
    client = Client()
    assert client.login(username="officer", password=PASSWORD)
    row = OutdatedYear.objects.get()
    done = client.post(f"/insurance/outdated/{row.pk}/", follow=True).content.decode()
    assert "0 years were decided again." in done and "1 year was left: " in done
    second.refresh_from_db()
    assert OutdatedYear.objects.filter(pk=row.pk).exists() and second.version == 1


def test_a_sensitive_cause_is_not_told_but_its_year_is_decided(city: City) -> None:
    other, late = settle(city, 1, date(2025, 6, 1)), settle(city, 2, date(2025, 2, 1))
    Claim.objects.filter(pk=late.pk).update(categories="hiv")
    row = queries.visible(OFFICER).get()
    assert (row.number, row.place, row.day) == ("", "", None)
    assert queries.visible(OFFICER).count() == 1
    make_account("officer", "fund_officer")
    client = Client()
    assert client.login(username="officer", password=PASSWORD)
    for path in ("/insurance/outdated/", f"/insurance/claims/{other.pk}/", "/insurance/outdated/?export=csv"):
        told = client.get(path)
        text = (b"".join(told.streaming_content) if told.streaming else told.content).decode()
        assert late.number not in text, path
    done = client.post(f"/insurance/outdated/{row.pk}/", follow=True).content.decode()
    assert "1 year was decided again." in done
    other.refresh_from_db()
    assert other.version == 2 and late.number not in claim_storing.latest(other).reason


def test_claims_of_one_day_and_file_are_marked_when_one_of_them_goes(city: City) -> None:
    rows = [asked(city, number, date(2025, 3, 1)) for number in (1, 2)]
    claim_batch.settle_many(SYSTEM, [(city.institutions[p], one) for p, one in rows], now=NOW)
    first, second = Claim.objects.order_by("number")
    claims.take_back(SYSTEM, first.institution, first.number, "charged twice", now=NOW)
    assert OutdatedYear.objects.get().cause == first
    assert claims.decide_again(OFFICER, city.persons[0], 2025, "taken back", now=NOW) == [second]


def test_deciding_again_without_a_change_leaves_an_audit_row(city: City) -> None:
    settle(city, 1, date(2025, 3, 1))
    assert claims.decide_again(OFFICER, city.persons[0], 2025, "no cause", now=NOW) == []
    row = AuditRow.objects.using("audit").get(resource_type="Claim", action="correct")
    assert row.person_id == city.persons[0] and json.loads(row.detail) == {"year": 2025, "changed": 0}
