"""Fixtures of the tests of the kernel: a data folder, accounts, and providers that the policy asks."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from salus.kernel import audit, policy
from salus.kernel.models import Account, RoleGrant
from salus.kernel.policy import providers


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, settings: Any) -> Iterator[Path]:
    """Keys and heads in a folder of this test; the audit thread ends with the test."""
    settings.DATA_DIR = tmp_path
    policy.forget()
    yield tmp_path
    audit.close()


@pytest.fixture
def account(db: None) -> Callable[..., Account]:
    """Make an account with roles, without asking the policy."""

    def make(name: str, *roles: str, grants: list[dict[str, Any]] | None = None, **fields: Any) -> Account:
        made = Account(username=name, **fields)
        made.set_unusable_password()
        made.save()
        for role in roles:
            RoleGrant.objects.create(account=made, role=role)
        for grant in grants or []:
            RoleGrant.objects.create(account=made, **grant)
        return made

    return make


@pytest.fixture
def only_providers(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Start without providers and register a test's own."""
    monkeypatch.setattr(providers, "_providers", {})
    return policy.register_provider
