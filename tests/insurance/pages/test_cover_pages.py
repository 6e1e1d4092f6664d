"""Funds, claims, a resident's own claims and free treatment in a real browser, and what each role may see."""

import csv
import io
from collections.abc import Iterator
from datetime import date, timedelta
from random import Random

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser, expect

from salus.insurance.models import Claim, FreeTreatment, Fund, PaymentBatch, Suspicion
from salus.insurance.services import claims, follow_up, funds, ledger, payments
from salus.insurance.services.ledger import Move
from salus.kernel.errors import Conflict
from salus.kernel.models import AuditRow, RoleGrant
from salus.kernel.policy import Principal
from salus.web import translation
from tests.insurance.claims import world
from tests.insurance.claims.world import SYSTEM, City
from tests.web.browser import LANGUAGES, browser, reading, served
from tests.web.conftest import PASSWORD, make_account

pytestmark = [
    pytest.mark.django_db(databases=["default", "audit"], transaction=True),
    pytest.mark.timeout(300),
]
OFFICER = Principal(name="officer", roles=frozenset({"fund_officer"}))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    translation.compile_catalogues()
    with browser() as started:
        yield started


@pytest.fixture
def city(db: None) -> City:
    """An insured city with claims, a fund with three years of months, a payment and a treatment to follow."""
    made = world.build()
    now, today = timezone.now(), timezone.localdate()
    for seed in range(9):
        place, asked = world.claim(Random(seed), made, seed, made.persons[0])
        claims.settle(made.sources[place], made.institutions[place], asked, now=world.NOW)
    month = date(today.year - 3, today.month, 1)
    n = 0
    while month < today.replace(day=1):
        income, paid = 900_000_000 + 5_000_000 * n, 850_000_000 + 40_000_000 * (n % 12)
        ledger.post("resident", month, "receipt", f"p{n}", [Move("cash", "premium", income)], by="t", now=now)
        ledger.post("resident", month, "benefit", f"b{n}", [Move("benefit", "cash", paid)], by="t", now=now)
        month, n = (month + timedelta(days=32)).replace(day=1), n + 1
    payments.prepare(OFFICER, made.institutions[2], world.TODAY, now=now)
    FreeTreatment.objects.create(
        person_id=made.poor, illness="stomach_cancer", institution=made.institutions[2],
        claim=Claim.objects.all()[0], opened_on=date(2026, 1, 5), due=date(2026, 2, 4),
    )  # fmt: skip
    Suspicion.objects.create(
        claim=Claim.objects.all()[0], other=Claim.objects.all()[1], kind="duplicate", what="X1",
        probability=0.93, false_share=0.07, found_at=now,
        measures={"x1": 1.0, "x2": 0.0, "x3": 0.0, "x4": 0.0, "x5": 0.0, "x6": 1.0},
    )  # fmt: skip
    for name, role in (("officer", "fund_officer"), ("colleague", "fund_officer"), ("planner", "planner")):
        make_account(name, role)
    for name, role in (("manager", "manager"), ("doctor", "clinician")):
        account = make_account(name, institution=made.institutions[2])
        RoleGrant.objects.create(account=account, role=role, institution=made.institutions[2])
    make_account("resident", "resident", person_id=made.persons[0])
    make_account("other", "resident", person_id=made.persons[1])
    return made


def pages(city: City) -> dict[str, list[str]]:
    claim = Claim.objects.filter(outcome="paid").order_by("pk")[0].pk
    batch, treatment = PaymentBatch.objects.get().pk, FreeTreatment.objects.get().pk
    suspected = Suspicion.objects.get().pk
    return {
        "officer": [
            "/insurance/fund/", "/insurance/fund/?fund=aid", "/insurance/claims/",
            f"/insurance/claims/{claim}/",
            "/insurance/payments/", "/insurance/payments/prepare/", f"/insurance/payments/{batch}/",
            "/insurance/free-treatment/", "/insurance/review/", f"/insurance/review/{suspected}/",
        ],
        "resident": ["/my/claims/", f"/insurance/claims/{claim}/"],
        "doctor": ["/insurance/free-treatment/", f"/insurance/free-treatment/{treatment}/"],
    }  # fmt: skip


@pytest.mark.browser
@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_are_clean(chromium: Browser, city: City, language: str) -> None:
    with served() as base:
        for name, paths in pages(city).items():
            with reading(chromium, base, language=language) as reader:
                reader.sign_in(name, PASSWORD)
                for path in paths:
                    reader.check(path)
                assert not reader.faults, reader.faults


@pytest.mark.browser
def test_a_follow_up_is_entered_in_the_browser(chromium: Browser, city: City) -> None:
    treatment = FreeTreatment.objects.get()
    with served() as base, reading(chromium, base) as reader:
        reader.sign_in("doctor", PASSWORD)
        reader.go(f"/insurance/free-treatment/{treatment.pk}/")
        reader.page.select_option("#id_state", "stable")
        reader.page.fill("#id_note", "well")
        reader.page.click("main form button[type=submit]")
        expect(reader.page.locator("main")).to_contain_text("Stable")
        assert not reader.faults
    treatment.refresh_from_db()
    assert (treatment.state, treatment.due) == ("stable", None)
    with pytest.raises(Conflict):
        follow_up.record(SYSTEM, treatment.pk, timezone.localdate(), "home", "open", "", now=timezone.now())


def signed_in(name: str) -> Client:
    client = Client()
    assert client.login(username=name, password=PASSWORD)
    return client


def test_the_parts_shown_of_a_claim_add_up_to_its_charge_and_name_their_rules(city: City) -> None:
    claim = Claim.objects.filter(outcome="paid").order_by("pk")[0]
    answer = signed_in("officer").get(f"/insurance/claims/{claim.pk}/")
    shown = answer.context["shown"]
    for line in shown.lines:
        assert sum(part.amount for part in line.parts) == line.charge == sum(line.payers.values())
        assert all(part.words and (part.rule or part.reason == "no-benefit") for part in line.parts)
    assert sum(line.charge for line in shown.lines) == claim.charge_fen


def test_each_sees_only_what_is_hers(city: City) -> None:
    claim = Claim.objects.filter(outcome="paid").order_by("pk")[0].pk
    batch, treatment = PaymentBatch.objects.get(), FreeTreatment.objects.get().pk
    seen = {
        "resident": {f"/insurance/claims/{claim}/": 200, "/my/claims/": 200, "/insurance/fund/": 403},
        "other": {f"/insurance/claims/{claim}/": 404, "/my/claims/": 200, "/insurance/claims/": 403},
        "planner": {"/insurance/fund/": 200, "/insurance/claims/": 403, "/insurance/payments/": 403},
        "manager": {
            f"/insurance/payments/{batch.pk}/": 200, "/insurance/payments/": 200, "/insurance/claims/": 403,
            "/insurance/fund/": 403, "/insurance/free-treatment/": 403,
        },
        "doctor": {f"/insurance/free-treatment/{treatment}/": 200, "/insurance/claims/": 403},
    }  # fmt: skip
    for name, expected in seen.items():
        client = signed_in(name)
        assert {path: client.get(path).status_code for path in expected} == expected, name
    mine = signed_in("other").get("/my/claims/").content.decode()
    assert "There are no claims" in mine
    found = signed_in("officer").get(f"/insurance/free-treatment/{treatment}/").content.decode()
    assert (
        "王小" not in found
        and "王小" in signed_in("doctor").get(f"/insurance/free-treatment/{treatment}/").content.decode()
    )


def test_every_claim_opened_is_in_the_audit_chain(city: City) -> None:
    claim = Claim.objects.filter(outcome="paid").order_by("pk")[0]
    signed_in("officer").get(f"/insurance/claims/{claim.pk}/")
    signed_in("other").get(f"/insurance/claims/{claim.pk}/")
    rows = AuditRow.objects.using("audit").filter(action="read", resource_id=str(claim.pk))
    told = sorted(rows.values_list("actor", "outcome", "person_id"))
    assert told == [("officer", "ok", claim.person_id), ("other", "refused", claim.person_id)]


def test_a_payment_goes_from_prepared_to_paid_by_two_people_and_its_file_adds_up(city: City) -> None:
    officer, colleague = signed_in("officer"), signed_in("colleague")
    answer = officer.post(
        "/insurance/payments/prepare/", {"institution": city.institutions[1].pk, "month": "2026-03"}
    )
    batch = PaymentBatch.objects.latest("id")
    assert answer.headers["Location"] == f"/insurance/payments/{batch.pk}/"
    again = officer.post(
        "/insurance/payments/prepare/", {"institution": city.institutions[1].pk, "month": "2026-03"}
    )
    assert "There is nothing to pay" in again.content.decode()
    with pytest.raises(Conflict) as caught:
        payments.approve(
            Principal(name="officer", roles=frozenset({"fund_officer"})), batch.pk, now=world.NOW
        )
    assert caught.value.code == "batch-four-eyes"
    for step, state in (("approve", "approved"), ("pay", "paid")):
        assert colleague.post(f"/insurance/payments/{batch.pk}/{step}/").status_code == 200  # it asks first
        colleague.post(f"/insurance/payments/{batch.pk}/{step}/", {"confirmed": "1"})
        batch.refresh_from_db()
        assert batch.state == state
    answer = officer.get(f"/insurance/payments/{batch.pk}/file/")
    text = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == batch.decisions
    total = {name: sum(int(row[name]) for row in rows) for name in rows[0] if name.endswith("_fen")}
    assert total["claimed_fen"] == total["approved_fen"] + total["resident_fen"] + total["deducted_fen"]
    funds_paid = sum(total[f"{f}_fen"] for f in ("employee", "resident_fund", "serious", "aid", "free"))
    assert total["approved_fen"] == batch.approved_fen == funds_paid


def test_a_fund_that_nobody_entered_anything_for_is_shown_empty_and_reserves_are_reckoned(city: City) -> None:
    client = signed_in("planner")
    assert client.get("/insurance/fund/?fund=employee").context["flow"] is None
    assert client.get("/insurance/fund/?fund=none").status_code == 404
    funds.receive(OFFICER, "free", "budget", 1_000, timezone.localdate(), "B1", now=timezone.now())
    shown = client.get("/insurance/fund/").context
    assert shown["end"] is not None and shown["reserve"] is not None
    assert {label for label, _url, _current in shown["tabs"]} == {Fund(f).label for f in Fund.values}
