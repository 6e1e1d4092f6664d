"""The review of the platform's own claims: found, ranked, judged, taken back, and for whom."""

from datetime import date, timedelta
from random import Random

import pytest
from django.test import Client
from django.utils import translation

from salus.insurance.models import Claim, Outcome, Suspicion
from salus.insurance.queries import review as reading
from salus.insurance.services import claims, review
from salus.kernel.errors import Conflict, NotAllowed, NotFound
from salus.kernel.models import AuditRow
from salus.kernel.policy import Principal
from salus.record.models import Death, PatientLink
from tests.insurance.claims import world
from tests.insurance.claims.world import SYSTEM, City
from tests.web.conftest import PASSWORD, make_account

pytestmark = pytest.mark.django_db(databases=["default", "audit"])
OFFICER = Principal(name="officer", roles=frozenset({"fund_officer"}), purpose="HPAYMT")
SINCE, UNTIL = date(2025, 1, 1), date(2025, 12, 31)
DIED = date(2025, 3, 1)


@pytest.fixture
def city() -> City:
    """Fifty claims of a year; the first resident is said to have died in March and is billed in July."""
    made = world.build(residents=12)
    random = Random(4)
    for number in range(50):
        dead = number == 30
        start = date(2025, 7, 1) if dead else None
        place, asked = world.claim(random, made, number, made.persons[0 if dead else 1 + number % 11], start)
        claims.settle(made.sources[place], made.institutions[place], asked, now=world.NOW)
    link = PatientLink.objects.get(person_id=made.persons[0])
    Death.objects.create(rid=999_001, patient_rid=link.patient_rid, died=DIED)
    return made


def run() -> int:
    return review.run(SYSTEM, since=SINCE, until=UNTIL, now=world.NOW)


def test_a_platform_without_claims_has_no_suspicions() -> None:
    assert run() == 0


@pytest.mark.usefixtures("city")
def test_a_claim_after_death_is_found_once_and_keeps_its_verdict() -> None:
    assert run() == Suspicion.objects.count() > 0
    found = Suspicion.objects.get(kind="after_death")
    assert found.claim.number == "N000030" and found.probability > 0.5
    assert found.measures["x6"] == pytest.approx(4.81218, abs=1e-4)  # ln(1 + 122 days)
    assert reading.words(found) == "billed after the death that a register or a discharge tells"
    with translation.override("zh-hans"):
        assert reading.kind_name("after_death") == "死后收费"
    review.judge(OFFICER, found.pk, "confirmed", "the register is right", now=world.NOW)
    with pytest.raises(Conflict):
        review.judge(OFFICER, found.pk, "dismissed", "", now=world.NOW)
    once = set(Suspicion.objects.values_list("claim", "kind"))
    assert review.run(SYSTEM, since=SINCE, until=UNTIL, now=world.NOW + timedelta(days=1)) == len(once)
    assert set(Suspicion.objects.values_list("claim", "kind")) == once
    found.refresh_from_db()
    assert (found.verdict, found.judged_by, found.note) == ("confirmed", "officer", "the register is right")
    review.judge(OFFICER, found.pk, "", "", now=world.NOW)
    found.refresh_from_db()
    assert (found.verdict, found.note) == ("", "")
    with pytest.raises(Conflict):
        review.judge(OFFICER, found.pk, "", "", now=world.NOW)


@pytest.mark.usefixtures("city")
def test_what_is_no_longer_suspicious_goes_unless_it_was_judged() -> None:
    run()
    found = Suspicion.objects.get(kind="after_death")
    judged = Suspicion.objects.exclude(pk=found.pk).order_by("pk")[0]
    review.judge(OFFICER, judged.pk, "dismissed", "", now=world.NOW)
    Claim.objects.filter(pk__in=[found.claim_id, judged.claim_id]).update(outcome=Outcome.REVERSED)
    review.run(SYSTEM, since=SINCE, until=UNTIL, now=world.NOW + timedelta(days=1))
    assert not Suspicion.objects.filter(pk=found.pk).exists()
    assert Suspicion.objects.filter(pk=judged.pk).exists()


@pytest.mark.usefixtures("city")
def test_only_fund_officers_see_and_judge() -> None:
    run()
    found = Suspicion.objects.get(kind="after_death")
    for role in ("clinician", "manager", "planner", "resident"):
        other = Principal(name=role, roles=frozenset({role}), purpose="HPAYMT")
        with pytest.raises(NotAllowed):
            reading.visible(other)
        with pytest.raises(NotAllowed):
            review.run(other, since=SINCE, until=UNTIL, now=world.NOW)
        with pytest.raises(NotFound):
            review.judge(other, found.pk, "confirmed", "", now=world.NOW)
    assert AuditRow.objects.filter(resource_type="Suspicion", outcome="refused").count() == 4
    # What is sensitive of a claim opens by a grant alone.
    Claim.objects.filter(pk=found.claim_id).update(categories="hiv")
    assert found.pk not in set(reading.visible(OFFICER).values_list("pk", flat=True))
    with pytest.raises(NotFound):
        reading.opened(OFFICER, found.pk)


def test_pages_show_judge_and_take_back(city: City) -> None:
    run()
    found = Suspicion.objects.get(kind="after_death")
    make_account("officer", "fund_officer")
    make_account("planner", "planner")
    client = Client()
    assert client.login(username="officer", password=PASSWORD)
    listed = client.get("/insurance/review/")
    assert "N000030" in listed.content.decode()
    assert "N000030" not in client.get("/insurance/review/?kind=upcoding").content.decode()
    path = f"/insurance/review/{found.pk}/"
    page = client.get(path).content.decode()
    assert "billed after the death" in page and "王小" not in page
    assert client.post(path, {"verdict": "confirmed", "note": "x"}).status_code == 302
    assert "Take the verdict back" in client.get(path).content.decode()
    assert client.post(f"{path}undo/").status_code == 302
    found.refresh_from_db()
    assert found.verdict == ""
    assert client.get("/insurance/review/?export=csv").status_code == 200
    assert AuditRow.objects.filter(resource_type="Suspicion", person_id=found.claim.person_id).exists()
    other = Client()
    assert other.login(username="planner", password=PASSWORD)
    assert [other.get(one).status_code for one in ("/insurance/review/", path)] == [403, 403]
