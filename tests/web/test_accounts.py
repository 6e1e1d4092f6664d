"""Accounts: made, granted, revoked with a way back, locked; nobody administers herself."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from salus.kernel.models import Account, AuditRow, Institution, RoleGrant
from tests.web.conftest import PASSWORD, make_account

pytestmark = pytest.mark.django_db(databases=["default", "audit"])
SignIn = Callable[..., Client]


@pytest.fixture
def client(signed_in: SignIn) -> Client:
    Institution.objects.create(code="H1", name="第一医院", name_en="First Hospital")
    return signed_in("administrator", username="admin")


def test_an_account_is_made_and_signs_in(client: Client) -> None:
    values = {"username": "dr.li", "display_name": "Li", "institution": "H1", "password": PASSWORD}
    made = client.post(reverse("web:account-create"), values)
    account = Account.objects.get(username="dr.li")
    assert made["Location"] == reverse("web:account-page", args=[account.pk])
    assert account.check_password(PASSWORD) and account.institution is not None
    assert AuditRow.objects.using("audit").filter(action="create", resource_type="Account").exists()


@pytest.mark.parametrize(
    "values",
    [
        {"username": "admin", "display_name": "x", "password": PASSWORD},
        {"username": "new", "display_name": "x", "password": "short"},
        {"username": "new", "display_name": "x", "institution": "none"},
        {"username": "with space", "display_name": "x"},
    ],
)
def test_a_wrong_form_says_why(client: Client, values: dict[str, str]) -> None:
    answer = client.post(reverse("web:account-create"), values)
    assert answer.status_code == 200 and b"error-summary" in answer.content
    assert Account.objects.count() == 1


def test_a_role_is_granted_revoked_and_restored(client: Client) -> None:
    account = make_account("dr")
    page = reverse("web:account-page", args=[account.pk])
    values = {
        "grant-role": "clinician",
        "grant-institution": "H1",
        "grant-sensitive": ["hiv"],
        "grant-valid_to": "2030-01-31",
    }
    assert client.post(reverse("web:account-grant", args=[account.pk]), values)["Location"] == page
    grant = RoleGrant.objects.get(account=account)
    assert grant.sensitive == "hiv" and grant.valid_to is not None and grant.valid_to.year == 2030
    revoke = reverse("web:grant-revoke", args=[account.pk, grant.pk])
    assert b"confirmed" in client.post(revoke).content
    told = client.post(revoke, {"confirmed": "1"}, follow=True).content.decode()
    restore = reverse("web:grant-restore", args=[account.pk, grant.pk])
    assert restore in told
    client.post(restore)
    assert RoleGrant.objects.filter(account=account, valid_to=None).count() == 1


def test_nobody_grants_herself_a_role(client: Client) -> None:
    own = Account.objects.get(username="admin")
    answer = client.post(reverse("web:account-grant", args=[own.pk]), {"grant-role": "auditor"})
    assert answer.status_code == 200 and RoleGrant.objects.filter(account=own).count() == 1


def test_a_lock_needs_a_reason_and_ends_the_access(client: Client) -> None:
    account = make_account("dr", "auditor")
    theirs = Client()
    assert theirs.login(username="dr", password=PASSWORD)
    lock = reverse("web:account-lock", args=[account.pk])
    assert b"error-summary" in client.post(lock, {"lock-reason": ""}).content
    client.post(lock, {"lock-reason": "left the hospital"})
    account.refresh_from_db()
    assert account.locked and theirs.get(reverse("web:audit")).status_code in {302, 403}
    client.post(reverse("web:account-unlock", args=[account.pk]))
    account.refresh_from_db()
    assert not account.locked


def test_the_list_finds_by_role_and_name(client: Client) -> None:
    make_account("dr.wang", "clinician")
    make_account("li", "planner")
    page = client.get(reverse("web:accounts"), {"role": "clinician"}).content.decode()
    assert "dr.wang" in page and ">li<" not in page
    assert "1–1 of 1" in client.get(reverse("web:accounts"), {"q": "WANG"}).content.decode()
