"""Accounts and the roles they hold. Every change ends cached permissions and leaves an audit row."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from salus.kernel import audit
from salus.kernel.errors import Conflict, Invalid, NotAllowed, NotFound
from salus.kernel.models import Account, District, Institution, Role, RoleGrant, SensitiveCategory, Staff
from salus.kernel.models.accounts import DISTRICT_ROLES
from salus.kernel.policy import Principal, Target, require

_BOUND_TO_INSTITUTION = frozenset({Role.VILLAGE_DOCTOR, Role.CLINICIAN, Role.MANAGER})


def create_account(
    principal: Principal,
    username: str,
    *,
    password: str | None = None,
    display_name: str = "",
    institution: Institution | None = None,
    district: District | None = None,
    staff: Staff | None = None,
    person_id: UUID | None = None,
    language: str = "",
) -> Account:
    """Make an account without any role; without a password it can sign in by OIDC only.

    Raises:
        NotAllowed: the principal may not administer accounts.
        Conflict: the name is taken.
        Invalid: the name or the password breaks a rule.
    """
    require(principal, "create", Target("account"))
    account = Account(
        username=username.strip(),
        display_name=display_name,
        institution=institution,
        district=district,
        staff=staff,
        person_id=person_id,
        language=_language(language),
    )
    with transaction.atomic():
        if Account.objects.filter(username=account.username).exists():
            raise Conflict("account-exists", _("An account of this name exists"), where="username")
        _set_password(account, password)
        try:
            account.full_clean(exclude=["password"])
        except ValidationError as error:
            raise Invalid(
                "account-invalid", _("The account breaks a rule"), where=", ".join(error.message_dict)
            ) from None
        account.save()
        intent = _intend(principal, "create", account, {})
    audit.settle(intent)
    return account


def grant_role(
    principal: Principal,
    account: Account,
    role: str,
    *,
    institution: Institution | None = None,
    district: District | None = None,
    whole_city: bool = False,
    sensitive: Iterable[str] = (),
    valid_from: datetime | None = None,
    valid_to: datetime | None = None,
) -> RoleGrant:
    """Give a role, for an institution or district (the account's own without one), for a time.

    A role that belongs to a district goes to the whole city only when `whole_city` says so. `sensitive` are
    SensitiveCategory values that the grant opens. Giving the same role with the same scope
    again changes the running grant instead of adding one.

    Raises:
        NotAllowed: the principal may not administer accounts, or gives a role to itself.
        Invalid: the role needs an institution, district or person that is missing; the times are crossed.
    """
    require(principal, "administer", Target("account"))
    if principal.account_id is not None and principal.account_id == account.pk:
        raise NotAllowed("grant-self", _("Nobody gives roles to himself"))
    categories = _categories(sensitive)
    _check_scope(account, role, institution, district, whole_city=whole_city)
    start = valid_from or timezone.now()
    if valid_to is not None and valid_to <= start:
        raise Invalid("grant-times", _("The grant ends before it begins"), where="valid_to")
    with transaction.atomic():
        grant = (
            RoleGrant.objects.filter(account=account, role=role, institution=institution, district=district)
            .exclude(valid_to__lte=timezone.now())
            .first()
        )
        if grant is None:
            grant = RoleGrant(account=account, role=role, institution=institution, district=district)
            grant.valid_from = start
        elif valid_from is not None:
            grant.valid_from = valid_from
        grant.sensitive = " ".join(categories)
        grant.valid_to = valid_to
        grant.granted_by_id = principal.account_id
        grant.save()
        intent = _intend(principal, "grant", account, {"role": role, "sensitive": categories})
    audit.settle(intent)
    return grant


def revoke_role(principal: Principal, grant: RoleGrant, *, now: datetime | None = None) -> None:
    """End a grant now; it holds in every process within a second. Raises NotAllowed."""
    require(principal, "administer", Target("account"))
    now = now or timezone.now()
    with transaction.atomic():
        grant.valid_to = max(now, grant.valid_from) if grant.valid_from <= now else grant.valid_from
        grant.save(update_fields=["valid_to"])
        intent = _intend(principal, "revoke", grant.account, {"role": grant.role})
    audit.settle(intent)


def lock_account(principal: Principal, account: Account, reason: str) -> None:
    """Shut an account out at once, ending its sessions too. Raises NotAllowed, also for one's own account."""
    require(principal, "administer", Target("account"))
    if principal.account_id == account.pk:
        raise NotAllowed("lock-self", _("Nobody locks his own account"))
    if not reason.strip():
        raise Invalid("lock-reason", _("A reason must be given"), where="reason")
    with transaction.atomic():
        account.locked, account.locked_reason = True, reason.strip()[:200]
        account.save(update_fields=["locked", "locked_reason"])
        intent = _intend(principal, "lock", account, {})
    _end_sessions(account)
    audit.settle(intent)


def unlock_account(principal: Principal, account: Account) -> None:
    """Let a locked account in again. Raises NotAllowed."""
    require(principal, "administer", Target("account"))
    with transaction.atomic():
        account.locked, account.locked_reason = False, ""
        account.save(update_fields=["locked", "locked_reason"])
        intent = _intend(principal, "unlock", account, {})
    audit.settle(intent)


def close_account(principal: Principal, account: Account) -> None:
    """Close an account for good: it keeps its name in the audit but cannot sign in. Raises NotAllowed."""
    require(principal, "administer", Target("account"))
    if principal.account_id == account.pk:
        raise NotAllowed("close-self", _("Nobody closes his own account"))
    with transaction.atomic():
        account.is_active = False
        account.set_unusable_password()
        account.save(update_fields=["is_active", "password"])
        intent = _intend(principal, "close", account, {})
    _end_sessions(account)
    audit.settle(intent)


def reset_password(principal: Principal, account: Account, password: str) -> None:
    """Set a new password and end the account's sessions. Raises NotAllowed, Invalid."""
    require(principal, "administer", Target("account"))
    with transaction.atomic():
        _set_password(account, password)
        account.save(update_fields=["password"])
        intent = _intend(principal, "reset-password", account, {})
    _end_sessions(account)
    audit.settle(intent)


def set_language(account: Account, language: str) -> None:
    """Keep the language that the account's owner chose; raises Invalid when it is not offered."""
    account.language = _language(language)
    account.save(update_fields=["language"])


def account_named(username: str) -> Account:
    """Return the account of a name; raises NotFound."""
    account = Account.objects.filter(username=username).first()
    if account is None:
        raise NotFound("account-unknown", _("There is no account of this name"), where=username)
    return account


def _language(language: str) -> str:
    if language and language not in dict(settings.LANGUAGES):
        raise Invalid("language-unknown", _("The language is not offered"), where="language")
    return language


def _set_password(account: Account, password: str | None) -> None:
    if password is None:
        account.set_unusable_password()
        return
    try:
        validate_password(password, account)
    except ValidationError as error:
        raise Invalid("password-weak", " ".join(error.messages), where="password") from None
    account.set_password(password)


def _categories(sensitive: Iterable[str]) -> list[str]:
    categories = sorted(set(sensitive))
    unknown = set(categories) - set(SensitiveCategory.values)
    if unknown:
        raise Invalid(
            "category-unknown", _("There is no such sensitive category"), where=", ".join(sorted(unknown))
        )
    return categories


def _check_scope(
    account: Account,
    role: str,
    institution: Institution | None,
    district: District | None,
    *,
    whole_city: bool,
) -> None:
    if role not in Role.values:
        raise Invalid("role-unknown", _("There is no such role"), where=role)
    if role in _BOUND_TO_INSTITUTION and institution is None and account.institution_id is None:
        raise Invalid("grant-institution", _("The role needs an institution"), where="institution")
    placed = district is not None or account.district_id is not None
    if whole_city and placed:
        raise Invalid(
            "grant-whole-city", _("A grant is for a district or for the whole city"), where="whole_city"
        )
    if role in DISTRICT_ROLES and not placed and not whole_city:
        raise Invalid("grant-district", _("The role needs a district"), where="district")
    if role == Role.RESIDENT and account.person_id is None:
        raise Invalid("grant-person", _("The role needs the account's person"), where="person_id")


def _end_sessions(account: Account) -> None:
    # Django's session store does not index by account; accounts are locked rarely.
    for session in Session.objects.filter(expire_date__gt=timezone.now()).iterator():
        if session.get_decoded().get("_auth_user_id") == str(account.pk):
            session.delete()


def _intend(principal: Principal, action: str, account: Account, detail: dict[str, Any]) -> audit.Intent:
    entry = audit.entry(
        principal, action, resource_type="Account", resource_id=str(account.pk), detail=detail
    )
    with transaction.get_connection().cursor() as cursor:
        return audit.intend(cursor, [entry])
