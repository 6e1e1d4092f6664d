"""What every act in an emergency leaves: a line of its history, an audit row, word to those concerned."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.urls import reverse

from salus.kernel import audit, notifications
from salus.kernel.models import RoleGrant
from salus.kernel.policy import Principal
from salus.prevention.models import Emergency, EmergencyAct


def note(
    emergency: Emergency, kind: str, *, by: str, now: datetime, words: str = "", **params: Any
) -> EmergencyAct:
    """Add a line to an emergency's history, in the caller's transaction."""
    return EmergencyAct.objects.create(
        emergency=emergency, at=now, by=by, kind=kind, params=params, note=words[:500]
    )


@contextmanager
def kept(principal: Principal, emergency: Emergency, did: str, **detail: Any) -> Iterator[None]:
    """Run a block as one transaction with its audit row, which is durable when this returns."""
    with transaction.atomic(), connection.cursor() as cursor:
        yield
        item = audit.entry(
            principal, "update", resource_type="Emergency", resource_id=str(emergency.pk or ""),
            detail={"did": did, **detail},
        )  # fmt: skip
        intent = audit.intend(cursor, [item])
    audit.settle(intent)


def alone(number: int) -> Emergency:
    """Return an emergency for a change, so that two changes follow each other."""
    rows = Emergency.objects.filter(pk=number)
    return (rows.select_for_update() if connection.vendor == "postgresql" else rows).get()


def tell(
    emergency: Emergency,
    roles: Iterable[str],
    kind: str,
    text: str,
    *,
    now: datetime,
    params: dict[str, Any] | None = None,
    urgent: bool = False,
    key: str | None = None,
    link: str = "",
) -> int:
    """Notify those who hold one of the roles for the district, or for no district in particular."""
    grants = RoleGrant.objects.filter(
        role__in=set(roles), valid_from__lte=now, account__is_active=True, account__locked=False
    ).exclude(valid_to__lte=now)
    ids = {
        account
        for account, district in grants.values_list("account_id", "district_id")
        if not district or not emergency.district_code or emergency.district_code.startswith(_stem(district))
    }
    said = {"title": emergency.title} | (params or {})
    return notifications.notify_many(
        ids, kind, text, said, urgent=urgent, key=key,
        link=link or reverse("prevention:emergency", args=[emergency.pk]),
    )  # fmt: skip


def _stem(district: str) -> str:
    plain = district
    while plain.endswith("00") and len(plain) > 2:
        plain = plain[:-2]
    return plain
