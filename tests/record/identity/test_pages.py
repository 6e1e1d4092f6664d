"""The pages of identity: who may see them, both records side by side, deciding and taking back."""

from datetime import UTC, datetime

import pytest
from django.db import connection, transaction
from django.test import Client

from salus.kernel.models import Account, RoleGrant
from salus.record import identity, store
from salus.record.models import LinkEvent, PatientLink, ReviewPair
from tests.record.identity.population import patient

pytestmark = pytest.mark.django_db(databases=["default", "audit"], transaction=True)
NOW = datetime(2026, 6, 30, 8, tzinfo=UTC)


def signed_in(role: str) -> Client:
    account = Account.objects.create_user(username=role, password="a long enough word")
    RoleGrant.objects.create(account=account, role=role)
    client = Client()
    client.force_login(account, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def pair() -> ReviewPair:
    rows = [
        ["x", n, b, "male", "", "", "西湖区文三路1号"]
        for n, b in (("张伟明", "1980-02-03"), ("张玮明", "1980-02-04"))
    ]
    with transaction.atomic(), connection.cursor() as cursor:
        writes = [store.Write("Patient", f"u{i}", patient(r), source_id=1) for i, r in enumerate(rows)]
        a, b = (
            link.patient_rid for link in identity.link_patients(cursor, store.write(cursor, writes, now=NOW))
        )
    return ReviewPair.objects.create(low_rid=a, high_rid=b, score=5.0, reason="grey-zone", created=NOW)


def test_a_pair_is_seen_decided_and_taken_back(pair: ReviewPair) -> None:
    client = signed_in("integrator")
    assert client.get("/identity/reviews").status_code == 200
    page = client.get(f"/identity/reviews/{pair.id}").content.decode()
    assert "张伟明"[1:] in page and "张玮明"[1:] in page
    sent = {"decision": "same", "reason": "same papers", "confirmed": "1"}
    assert client.post(f"/identity/reviews/{pair.id}/decide", {**sent, "confirmed": ""}).status_code == 200
    assert client.post(f"/identity/reviews/{pair.id}/decide", sent).status_code == 302
    assert len(set(PatientLink.objects.values_list("person_id", flat=True))) == 1
    event = LinkEvent.objects.latest("id")
    for address in (
        "/identity/decisions",
        f"/identity/decisions/{event.id}",
        "/identity/errors",
        f"/identity/reviews/{pair.id}",
    ):
        assert client.get(address).status_code == 200
    client.post(f"/identity/decisions/{event.id}/reverse", {"reason": "mistake", "confirmed": "1"})
    assert len(set(PatientLink.objects.values_list("person_id", flat=True))) == 2
    client.post("/identity/errors")
    again = client.post(
        f"/identity/decisions/{event.id}/reverse", {"reason": "mistake", "confirmed": "1"}, follow=True
    )
    assert again.status_code == 200 and LinkEvent.objects.filter(kind="reverse").count() == 1


@pytest.mark.parametrize("role", ["clinician", "planner", "resident", "auditor"])
def test_others_do_not_see_pairs(pair: ReviewPair, role: str) -> None:
    client = signed_in(role)
    for address in (
        "/identity/reviews",
        f"/identity/reviews/{pair.id}",
        "/identity/decisions",
        "/identity/errors",
    ):
        assert client.get(address).status_code == 403
    assert (
        client.post(f"/identity/reviews/{pair.id}/decide", {"decision": "same", "reason": "xxx"}).status_code
        == 403
    )


def test_what_is_not_there_is_404() -> None:
    client = signed_in("integrator")
    for address in ("/identity/reviews/99", "/identity/decisions/99", "/identity/decisions?person=x"):
        assert client.get(address).status_code == 404
