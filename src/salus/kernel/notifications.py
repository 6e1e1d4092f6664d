"""Notifications to accounts: written in the caller's transaction, shown in the reader's language."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext

from salus.kernel.models import Account, Notification, RoleGrant
from salus.kernel.models.accounts import DISTRICT_ROLES


@dataclass(frozen=True, slots=True)
class Notice:
    """A notification as its reader sees it, in the active language."""

    id: int
    kind: str
    text: str
    link: str
    urgent: bool
    created: datetime
    read: bool


def notify(
    account: Account | int,
    kind: str,
    text: str,
    params: Mapping[str, Any] | None = None,
    *,
    link: str = "",
    urgent: bool = False,
    key: str | None = None,
) -> bool:
    """Notify one account; returns whether a notification was made.

    `text` is an English message id marked with `gettext_noop`, `params` its values (no identifiers of
    residents). With a `key`, a second notification under the same key is left out.
    """
    return notify_many([account], kind, text, params, link=link, urgent=urgent, key=key) == 1


def notify_many(
    accounts: Iterable[Account | int],
    kind: str,
    text: str,
    params: Mapping[str, Any] | None = None,
    *,
    link: str = "",
    urgent: bool = False,
    key: str | None = None,
) -> int:
    """Notify several accounts alike; returns how many notifications were made."""
    ids = {account if isinstance(account, int) else account.pk for account in accounts}
    if key is not None:
        ids -= set(Notification.objects.filter(key=key, account__in=ids).values_list("account_id", flat=True))
    rows = [
        Notification(
            account_id=account,
            kind=kind,
            text=text,
            params=dict(params or {}),
            link=link,
            urgent=urgent,
            key=key,
        )
        for account in sorted(ids)
    ]
    Notification.objects.bulk_create(rows, ignore_conflicts=key is not None)
    return len(rows)


def notify_role(
    role: str,
    kind: str,
    text: str,
    params: Mapping[str, Any] | None = None,
    *,
    institution_id: int | None = None,
    district_code: str | None = None,
    link: str = "",
    urgent: bool = False,
    key: str | None = None,
) -> int:
    """Notify everybody who holds a role now, at one institution or in one district if given.

    Who holds a district's role for the whole city is told of every district.
    """
    now = timezone.now()
    grants = RoleGrant.objects.filter(
        role=role, valid_from__lte=now, account__is_active=True, account__locked=False
    )
    grants = grants.filter(Q(valid_to=None) | Q(valid_to__gt=now))
    if institution_id is not None:
        grants = grants.filter(
            Q(institution=institution_id) | Q(institution=None, account__institution=institution_id)
        )
    if district_code is not None:
        there = Q(district=district_code) | Q(district=None, account__district=district_code)
        if role in DISTRICT_ROLES:
            there |= Q(district=None, account__district=None)
        grants = grants.filter(there)
    ids = set(grants.values_list("account_id", flat=True))
    return notify_many(ids, kind, text, params, link=link, urgent=urgent, key=key)


def unread_count(account_id: int) -> int:
    """Return how many notifications the account has not read."""
    return Notification.objects.filter(account_id=account_id, read_at=None).count()


def inbox(account_id: int, *, limit: int = 50, before_id: int | None = None) -> list[Notice]:
    """Return the account's notifications, newest first, in the active language; page on with `before_id`."""
    rows = Notification.objects.filter(account_id=account_id)
    if before_id is not None:
        rows = rows.filter(pk__lt=before_id)
    return [
        Notice(row.pk, row.kind, _said(row), row.link, row.urgent, row.created, row.read_at is not None)
        for row in rows.order_by("-pk")[:limit]
    ]


def _said(row: Notification) -> str:
    text = gettext(row.text)
    try:
        return text % row.params if row.params else text
    except (KeyError, ValueError, TypeError):
        # A translation or an old row whose placeholders do not match is still worth showing.
        return text


def mark_read(account_id: int, notification_ids: Iterable[int] | None = None, *, now: datetime) -> int:
    """Mark the account's notifications as read, all without ids; returns how many were unread."""
    rows = Notification.objects.filter(account_id=account_id, read_at=None)
    if notification_ids is not None:
        rows = rows.filter(pk__in=list(notification_ids))
    return rows.update(read_at=now)
