"""A signal is judged: verdict, note, outbreak, by whom and when; every verdict is kept, and can be undone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from django.db import connection, transaction
from django.utils.translation import gettext_noop as _

from salus.kernel import audit
from salus.kernel.errors import Conflict, Invalid
from salus.kernel.policy import Principal
from salus.prevention.models import Outbreak, Signal, SignalVerdict, Verdict
from salus.prevention.queries.notifiable import seeing as cases_seen
from salus.prevention.queries.signals import seeing
from salus.prevention.services.notifiable import outbreaks


@dataclass(frozen=True, slots=True)
class Judgement:
    """What an epidemiologist makes of a signal.

    `outbreak` is the number of an outbreak that it belongs to; `title` opens a new one instead. `began_on` is
    when the true outbreak began, from which the detectors' delay is reckoned.
    """

    verdict: str
    note: str = ""
    outbreak: int | None = None
    title: str = ""
    began_on: date | None = None


def judge(
    principal: Principal, number: int, given: Judgement, *, now: datetime, today: date
) -> SignalVerdict:
    """Keep a verdict on a signal; an outbreak is opened first where a title is given.

    Raises:
        NotFound: there is no such signal or outbreak, or the principal may not decide on it.
        Invalid: there is no such verdict, the outbreak is of another disease, or tied to a verdict that says
            there is none, or it began after today.
    """
    signal = seeing.open_signal(principal, number, "decide")
    if given.verdict not in Verdict.values:
        raise Invalid("signal-verdict", _("There is no such verdict"), where="verdict")
    linked = bool(given.outbreak or given.title.strip())
    if linked and given.verdict in (Verdict.FALSE, Verdict.ERROR):
        raise Invalid(
            "signal-outbreak", _("A false alarm or data error belongs to no outbreak"), where="outbreak",
            fix=_("Choose another verdict, or no outbreak"),
        )  # fmt: skip
    if given.began_on is not None and given.began_on > today:
        raise Invalid("signal-began", _("The day lies in the future"), where="began_on")
    with transaction.atomic(), connection.cursor() as cursor:
        outbreak = _outbreak(principal, signal, given, now=now, today=today)
        made = SignalVerdict.objects.create(
            signal=signal, verdict=given.verdict, note=given.note, outbreak=outbreak, began_on=given.began_on,
            excess=signal.excess, by=principal.name, at=now,
        )  # fmt: skip
        _stand(signal)
        intent = audit.intend(cursor, [_entry(principal, signal, "judge", verdict=given.verdict)])
    audit.settle(intent)
    return made


def undo(principal: Principal, number: int, verdict: int, *, now: datetime) -> Signal:
    """Take a verdict back; the one before it stands again. The outbreak that it opened stays open.

    Raises:
        NotFound: there is no such signal, or the principal may not decide on it.
        Conflict: the verdict was taken back already, or is another signal's.
    """
    signal = seeing.open_signal(principal, number, "decide")
    with transaction.atomic(), connection.cursor() as cursor:
        done = SignalVerdict.objects.filter(pk=verdict, signal=signal, undone_at=None).update(
            undone_at=now, undone_by=principal.name
        )
        if not done:
            raise Conflict("verdict-undone", _("The verdict was taken back already"), where=str(verdict))
        _stand(signal)
        intent = audit.intend(cursor, [_entry(principal, signal, "undo", verdict_id=verdict)])
    audit.settle(intent)
    return signal


def _outbreak(
    principal: Principal, signal: Signal, given: Judgement, *, now: datetime, today: date
) -> Outbreak | None:
    if given.title.strip():
        return outbreaks.open_outbreak(
            principal, given.title, signal.disease, today, now=now, district_code=signal.district_code,
            signal_id=signal.pk,
        )  # fmt: skip
    if given.outbreak is None:
        return None
    found = cases_seen.open_outbreak(principal, given.outbreak)
    if found.disease != signal.disease:
        raise Invalid("signal-outbreak", _("The outbreak is of another disease"), where="outbreak")
    return found


def _stand(signal: Signal) -> None:
    """Show the latest verdict that was not taken back."""
    last = signal.verdicts.filter(undone_at=None).first()
    signal.verdict = last.verdict if last else ""
    signal.verdict_excess = last.excess if last else None
    signal.outbreak = last.outbreak if last else None
    signal.save(update_fields=["verdict", "verdict_excess", "outbreak"])


def _entry(principal: Principal, signal: Signal, did: str, **detail: object) -> audit.AuditEntry:
    return audit.entry(
        principal, "decide", resource_type="Signal", resource_id=str(signal.pk), detail={"did": did, **detail}
    )
