"""Break-glass: emergency access to one person's record, with a reason and an end, seen by the auditors."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext_noop as _

from salus.kernel.errors import Conflict, Invalid, NotAllowed
from salus.kernel.models import Account, BreakGlass, Role
from salus.kernel.notifications import notify, notify_role
from salus.kernel.policy.deciding import require
from salus.kernel.policy.rulebook import BOOK
from salus.kernel.policy.words import Principal, Target


def begin_break_glass(principal: Principal, person_id: UUID, reason: str, *, now: datetime) -> BreakGlass:
    """Open a person's record to the principal for the hours that the rules give.

    The access is written to the audit chain, every auditor is notified, and so is the resident if she has
    an account. `now` is aware.

    Raises:
        NotAllowed: no role of the principal may, or a token asks.
        Invalid: the reason is too short.
    """
    from salus.kernel import audit

    rule = BOOK.break_glass
    if principal.account_id is None or principal.scopes is not None or not rule.roles & principal.roles:
        raise NotAllowed("break-glass-role", _("No role of the account may open a record in an emergency"))
    reason = reason.strip()
    if len(reason) < rule.reason_min_length:
        raise Invalid(
            "break-glass-reason",
            _("The reason is too short"),
            fix=_("Say what the emergency is"),
            where="reason",
        )
    with transaction.atomic():
        row = BreakGlass.objects.create(
            account_id=principal.account_id,
            person_id=person_id,
            reason=reason,
            started=now,
            expires=now + timedelta(hours=rule.hours),
        )
        notify_role(
            Role.AUDITOR,
            "break-glass",
            _("%(who)s opened a resident's record in an emergency."),
            {"who": principal.name},
            link=f"/audit/emergencies/{row.pk}",
            urgent=True,
        )
        for account in Account.objects.filter(person_id=person_id, is_active=True):
            notify(
                account,
                "break-glass",
                _("Your record was opened in an emergency by %(who)s."),
                {"who": principal.name},
            )
        entry = audit.entry(
            principal,
            "break-glass",
            person_id=person_id,
            resource_type="BreakGlass",
            resource_id=str(row.pk),
            break_glass=True,
        )
        with transaction.get_connection().cursor() as cursor:
            intent = audit.intend(cursor, [entry])
    audit.settle(intent)
    return row


def end_break_glass(principal: Principal, row: BreakGlass, *, now: datetime) -> None:
    """Close the record again before the access expires; its holder or an auditor may."""
    if principal.account_id != row.account_id:
        require(principal, "review", Target("emergency"))
    if row.ended is None:
        row.ended = now
        row.save(update_fields=["ended"])


def review_break_glass(principal: Principal, row: BreakGlass, finding: str, *, now: datetime) -> None:
    """Record an auditor's finding on an emergency access.

    Raises:
        NotAllowed: the principal is no auditor, or reviews an access of his own.
        Conflict: it was reviewed before.
        Invalid: the finding is empty.
    """
    require(principal, "review", Target("emergency"))
    if principal.account_id == row.account_id:
        raise NotAllowed("review-own", _("Nobody reviews an access of his own"))
    if row.reviewed_at is not None:
        raise Conflict("review-done", _("The access was reviewed already"))
    if not finding.strip():
        raise Invalid("review-empty", _("A finding must be written"), where="finding")
    row.reviewed_by_id, row.reviewed_at, row.finding = principal.account_id, now, finding.strip()
    row.save(update_fields=["reviewed_by", "reviewed_at", "finding"])
