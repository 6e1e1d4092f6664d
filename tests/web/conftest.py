"""Accounts that sign in, one for each role, as the tests of pages need them."""

from collections.abc import Callable

import pytest
from django.core.cache import cache
from django.test import Client

from salus.kernel.models import Account, RoleGrant

PASSWORD = "correct horse battery"


def make_account(username: str, *roles: str, **fields: object) -> Account:
    account = Account(username=username, display_name=username.title(), **fields)
    account.set_password(PASSWORD)
    account.save()
    for role in roles:
        RoleGrant.objects.create(account=account, role=role)
    return account


@pytest.fixture
def signed_in() -> Callable[..., Client]:
    """Return a function that makes an account with roles and returns a client signed in as it."""

    def sign_in(*roles: str, username: str = "somebody", **fields: object) -> Client:
        client = Client()
        client.force_login(
            make_account(username, *roles, **fields), backend="django.contrib.auth.backends.ModelBackend"
        )
        return client

    return sign_in


@pytest.fixture(autouse=True)
def no_rate_limit_left_over() -> None:
    """Forget the attempts that an earlier test made to sign in."""
    cache.clear()
