"""Signing in: wrong names and wrong passwords look alike, guessing is slowed, the second step holds."""

from collections.abc import Callable

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.test import Client
from django.urls import reverse

from salus.kernel.models import Account
from tests.web.conftest import PASSWORD, make_account

pytestmark = pytest.mark.django_db(databases=["default", "audit"])
LOGIN = "/accounts/login/"


def code_for(secret: str) -> str:
    counter = next(iter(yield_hotp_counters_from_time()))
    return format_hotp_value(hotp_value(secret, counter))


def test_an_account_signs_in_and_out() -> None:
    make_account("dr", "clinician")
    client = Client()
    assert client.post(LOGIN, {"login": "dr", "password": PASSWORD})["Location"] == "/"
    assert client.get("/").status_code == 200
    client.post("/accounts/logout/")
    assert client.get("/").status_code == 302


def test_wrong_names_and_wrong_passwords_look_alike() -> None:
    make_account("dr")
    wrong = [
        Client().post(LOGIN, {"login": name, "password": "no such password"}) for name in ("dr", "nobody")
    ]
    bodies = [answer.content.decode().split("error-summary-title")[-1].split("</ul>")[0] for answer in wrong]
    assert bodies[0] == bodies[1] and "<li>" in bodies[0]


def test_a_locked_account_is_refused() -> None:
    make_account("dr", locked=True)
    client = Client()
    assert client.post(LOGIN, {"login": "dr", "password": PASSWORD}).status_code == 200
    assert client.get("/").status_code == 302


def test_guessing_is_slowed() -> None:
    make_account("dr")
    client = Client()
    for _attempt in range(6):
        client.post(LOGIN, {"login": "dr", "password": "guess"})
    assert client.post(LOGIN, {"login": "dr", "password": PASSWORD}).status_code != 302


def test_the_second_step_is_set_up_and_asked_for() -> None:
    make_account("dr", "clinician")
    client = Client()
    client.post(LOGIN, {"login": "dr", "password": PASSWORD})
    again = client.get(reverse("mfa_activate_totp"))["Location"]
    assert again.startswith(reverse("account_reauthenticate"))
    client.post(again, {"password": PASSWORD})
    page = client.get(reverse("mfa_activate_totp"))
    secret = page.context["form"].secret
    assert b"data:image/svg" in page.content
    assert client.post(reverse("mfa_activate_totp"), {"code": code_for(secret)}).status_code == 302
    assert Authenticator.objects.filter(type="totp").count() == 1

    other = Client()
    assert other.post(LOGIN, {"login": "dr", "password": PASSWORD})["Location"].startswith(
        reverse("mfa_authenticate")
    )
    assert other.get("/").status_code == 302
    assert other.post(reverse("mfa_authenticate"), {"code": "000000"}).status_code == 200
    codes = Authenticator.objects.get(type="recovery_codes").wrap().get_unused_codes()
    assert other.post(reverse("mfa_authenticate"), {"code": codes[0]}).status_code == 302
    assert other.get("/").status_code == 200


@pytest.mark.parametrize(
    "name",
    [
        "mfa_index",
        "account_change_password",
        "account_reauthenticate",
        "mfa_activate_totp",
        "account_logout",
        "mfa_generate_recovery_codes",
    ],
)
def test_the_pages_of_ones_account_open(name: str, signed_in: Callable[..., Client]) -> None:
    make_account("dr", "clinician")
    client = Client()
    client.post(LOGIN, {"login": "dr", "password": PASSWORD})
    answer = client.get(reverse(name))
    assert answer.status_code in {200, 302}


def test_nobody_signs_up_alone() -> None:
    answer = Client().post(
        "/accounts/signup/", {"username": "x", "password1": PASSWORD, "password2": PASSWORD}
    )
    assert not Account.objects.exists() and b"administrator" in answer.content


def test_the_language_stays_with_the_account(signed_in: Callable[..., Client]) -> None:
    client = signed_in("clinician")
    assert (
        client.post("/preferences/language", {"language": "zh-hans", "next": "/about"})["Location"]
        == "/about"
    )
    elsewhere = Client()
    elsewhere.force_login(Account.objects.get(), backend="django.contrib.auth.backends.ModelBackend")
    assert '<html lang="zh-hans"' in elsewhere.get("/").content.decode()
    client.post("/preferences/language", {"language": "tlh"})
    assert Account.objects.get().language == "zh-hans"


def test_the_way_back_never_leaves_the_site(signed_in: Callable[..., Client]) -> None:
    for target in ("https://evil.example/", "//evil.example", "javascript:alert(1)"):
        assert (
            signed_in(username=target[:5] + "x").post(
                "/preferences/theme", {"theme": "dark", "next": target}
            )["Location"]
            == "/"
        )


def test_the_theme_is_a_cookie() -> None:
    client = Client()
    client.post("/preferences/theme", {"theme": "dark"})
    assert 'data-theme="dark"' in client.get(LOGIN).content.decode()
    client.post("/preferences/theme", {"theme": "<script>"})
    assert 'data-theme="dark"' in client.get(LOGIN).content.decode()
