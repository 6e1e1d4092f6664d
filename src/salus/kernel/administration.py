"""What an administrator does to accounts: make, grant, revoke, lock, set a password. Each is audited.

What somebody may do is changed only here, so the audit chain tells who gave whom which permission.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from salus.kernel import audit, policy
from salus.kernel.errors import Conflict, Invalid, NotAllowed
from salus.kernel.models import Account, District, Institution, Role, RoleGrant, SensitiveCategory
from salus.kernel.policy import Principal, Target


def create_account(
    principal: Principal,
    username: str,
    *,
    display_name: str = "",
    password: str | None = None,
    institution: Institution | None = None,
    district: District | None = None,
    language: str = "",
) -> Account:
    """Make an account without roles. Without a password it cannot sign in until one is set.

    Raises:
        NotAllowed: the principal administers no accounts.
        Invalid: the name or the password is not acceptable.
        Conflict: the name is taken.
    """
    policy.require(principal, "create", Target("account"))
    account = Account(
        username=username.strip(),
        display_name=display_name.strip(),
        institution=institution,
        district=district,
        language=language,
    )
    try:
        account.username_validator(account.username)
    except ValidationError:
        raise Invalid(
            "account-name", "The account name has characters that are not allowed", where="username",
            fix="Use letters, digits and @ . + - _",
        ) from None  # fmt: skip
    _give_password(account, password)
    try:
        with transaction.atomic():
            account.save(force_insert=True)
            intent = _intend(principal, "create", account)
    except IntegrityError:
        raise Conflict(
            "account-taken", "There is an account of that name already", where="username"
        ) from None
    audit.settle(intent)
    return account


def grant_role(
    principal: Principal,
    account: Account,
    role: str,
    *,
    institution: Institution | None = None,
    district: District | None = None,
    sensitive: Iterable[str] = (),
    valid_from: datetime | None = None,
    valid_to: datetime | None = None,
) -> RoleGrant:
    """Give an account a role, for an institution or district or for all, from now or an instant, until one.

    Raises:
        NotAllowed: the principal administers no accounts, or would give herself a role.
        Invalid: there is no such role or category, or the grant would end before it begins.
    """
    _require(principal, account)
    categories = sorted(set(sensitive))
    if role not in Role.values:
        raise Invalid("role-unknown", "There is no such role", where="role")
    if unknown := set(categories) - set(SensitiveCategory.values):
        raise Invalid("category-unknown", "There is no such category", where=", ".join(sorted(unknown)))
    start = valid_from or timezone.now()
    if valid_to is not None and valid_to <= start:
        raise Invalid("grant-period", "The grant would end before it begins", where="valid_to")
    with transaction.atomic():
        grant = RoleGrant.objects.create(
            account=account,
            role=role,
            institution=institution,
            district=district,
            sensitive=" ".join(categories),
            valid_from=start,
            valid_to=valid_to,
            granted_by_id=principal.account_id,
        )
        told = {
            "role": role,
            "institution": institution and institution.code,
            "district": district and district.code,
        }
        intent = _intend(principal, "grant", account, {**told, "sensitive": categories})
    audit.settle(intent)
    return grant


def revoke_grant(principal: Principal, grant: RoleGrant, *, now: datetime | None = None) -> None:
    """End a grant now; it holds in every process within a second. Ending an ended grant changes nothing."""
    _require(principal, grant.account)
    instant = now or timezone.now()
    if grant.valid_to is not None and grant.valid_to <= instant:
        return
    with transaction.atomic():
        grant.valid_to = instant
        grant.save(update_fields=["valid_to"])
        intent = _intend(principal, "revoke", grant.account, {"role": grant.role})
    audit.settle(intent)


def restore_grant(principal: Principal, grant: RoleGrant, *, until: datetime | None = None) -> None:
    """Take back a revocation: the grant holds again, until an instant or without end."""
    _require(principal, grant.account)
    with transaction.atomic():
        grant.valid_to = until
        grant.save(update_fields=["valid_to"])
        intent = _intend(principal, "grant", grant.account, {"role": grant.role, "restored": True})
    audit.settle(intent)


def lock(principal: Principal, account: Account, reason: str) -> None:
    """Keep an account from signing in and from all that it could do, with the reason.

    Raises:
        NotAllowed: as for the others, or the account is the principal's own.
        Invalid: no reason is given.
    """
    _require(principal, account)
    if not reason.strip():
        raise Invalid("lock-reason", "A reason must be written", where="reason")
    _set_lock(principal, account, True, reason.strip())


def unlock(principal: Principal, account: Account) -> None:
    """Let a locked account sign in again."""
    _require(principal, account)
    _set_lock(principal, account, False, "")


def set_password(principal: Principal, account: Account, password: str) -> None:
    """Give an account another password.

    Raises:
        Invalid: the password is too weak.
    """
    _require(principal, account)
    _give_password(account, password)
    with transaction.atomic():
        account.save(update_fields=["password"])
        intent = _intend(principal, "set-password", account)
    audit.settle(intent)


def _require(principal: Principal, account: Account) -> None:
    policy.require(principal, "administer", Target("account", account_id=account.pk))
    if principal.account_id == account.pk:
        raise NotAllowed(
            "account-own", "Nobody administers an account of their own", fix="Ask another administrator."
        )


def _set_lock(principal: Principal, account: Account, locked: bool, reason: str) -> None:
    with transaction.atomic():
        account.locked, account.locked_reason = locked, reason
        account.save(update_fields=["locked", "locked_reason"])
        intent = _intend(principal, "lock" if locked else "unlock", account)
    audit.settle(intent)


def _give_password(account: Account, password: str | None) -> None:
    if password is None:
        account.set_unusable_password()
        return
    try:
        validate_password(password, account)
    except ValidationError as error:
        raise Invalid("password-weak", " ".join(error.messages), where="password") from None
    account.set_password(password)


def _intend(
    principal: Principal, action: str, account: Account, detail: dict[str, Any] | None = None
) -> audit.Intent:
    entry = audit.entry(
        principal, action, resource_type="Account", resource_id=str(account.pk), detail=detail or {}
    )
    with connection.cursor() as cursor:
        return audit.intend(cursor, [entry])
