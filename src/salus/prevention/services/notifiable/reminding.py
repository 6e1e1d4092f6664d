"""Reminders: who owes a report is told once when its deadline has passed."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.translation import gettext_noop as _

from salus.kernel import notifications
from salus.kernel.jobs import periodic
from salus.prevention.models import Case, CaseStatus

BACK = timedelta(days=1)
"""How long ago a deadline may have passed: old cases that are loaded late remind nobody."""
_MOST = 1000


def remind(now: datetime) -> int:
    """Tell institutions and disease control of reports that became overdue; return how many cases.

    Each case is told of once; nobody is named.
    """
    rows = Case.objects.filter(
        reported_at=None, due_at__lt=now, due_at__gte=now - BACK, duplicate_of=None
    ).exclude(status=CaseStatus.DISCARDED)
    told = 0
    for case in rows.order_by("due_at")[:_MOST]:
        link, key = f"/prevention/cases/{case.pk}/", f"prevention.overdue:{case.pk}"
        words = _("A report of a notifiable disease is overdue")
        done = 0
        if case.institution_id is not None:
            done += notifications.notify_role(
                "clinician", "prevention", words, link=link, urgent=True, key=key,
                institution_id=case.institution_id,
            )  # fmt: skip
        done += notifications.notify_role(
            "epidemiologist", "prevention", words, link=link, key=key,
            district_code=case.district_code or None,
        )  # fmt: skip
        told += bool(done)
    return told


@periodic(every=600, name="prevention.overdue")
def keep_reminding() -> None:
    """Remind of what became overdue."""
    remind(timezone.now())
