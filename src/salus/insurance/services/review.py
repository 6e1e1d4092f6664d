"""A review of the platform's claims: found again and again, judged by an examiner, taken back."""

from datetime import date, datetime, timedelta

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from salus.insurance.models import ReviewVerdict, Suspicion
from salus.insurance.queries import review as reading
from salus.kernel import audit, policy
from salus.kernel.errors import Conflict, Invalid
from salus.kernel.jobs import periodic
from salus.kernel.policy import Principal, Target, system_principal

REACH = timedelta(days=366)
"""How far back the nightly review looks: what is usual is learnt from the same claims."""
BATCH = 1_000
JOB = "insurance.review"


def run(principal: Principal, *, since: date, until: date, now: datetime) -> int:
    """Review the claims of a period; return how many are suspicious.

    What was judged keeps its verdict. What an earlier review of the period found and this one does not is
    dropped, unless it was judged.

    Raises:
        NotAllowed: the principal may not run a review.
    """
    policy.require(principal, "create", Target("suspicion"))
    from salus.engine import duckdb_engine
    from salus.insurance.review.reviewing import ranked, starter_severity
    from salus.insurance.review.tables import MEASURES

    sources = {**reading.tables(since, until), "severity": starter_severity()}
    with duckdb_engine() as engine:
        rows = ranked(engine, sources).to_pylist()
    best: dict[tuple[int, str], Suspicion] = {}
    for row in rows:  # the most probable of a claim and kind comes first
        key = int(row["claim_id"]), row["kind"]
        other = row["other_claim_id"] or ""
        best.setdefault(
            key,
            Suspicion(
                claim_id=key[0], kind=key[1], other_id=int(other) if other else None,
                what=(row["what"] or "")[:60], department=(row["department"] or "")[:80],
                probability=row["probability"], false_share=row["false_share"],
                measures={x: round(row[x], 6) for x in MEASURES}, found_at=now,
            ),
        )  # fmt: skip
    with transaction.atomic(), connection.cursor() as cursor:
        made = list(best.values())
        for start in range(0, len(made), BATCH):
            Suspicion.objects.bulk_create(
                made[start : start + BATCH], update_conflicts=True, unique_fields=["claim", "kind"],
                update_fields=[
                    "other", "what", "department", "probability", "false_share", "measures", "found_at",
                ],
            )  # fmt: skip
        reviewed = Suspicion.objects.filter(claim__discharged__range=(since, until), verdict="")
        reviewed.filter(found_at__lt=now).delete()
        detail = {"since": since.isoformat(), "until": until.isoformat(), "suspicions": len(made)}
        intent = audit.intend(
            cursor, [audit.entry(principal, "create", resource_type="Suspicion", detail=detail)]
        )
    audit.settle(intent)
    return len(made)


def judge(principal: Principal, number: int, verdict: str, note: str, *, now: datetime) -> Suspicion:
    """Confirm or dismiss a suspicion; "" takes a verdict back.

    Raises:
        NotFound: there is none that the principal may judge.
        Invalid: the verdict is none, or the note is too long.
        Conflict: it is judged already, or not yet where a verdict is taken back.
    """
    reading.opened(principal, number, "update")
    if verdict and verdict not in ReviewVerdict.values:
        raise Invalid("suspicion-verdict", _("There is no such verdict"), where="verdict")
    if len(note) > 500:
        raise Invalid("suspicion-note", _("The note is too long"), where="note")
    with transaction.atomic(), connection.cursor() as cursor:
        query = Suspicion.objects.filter(pk=number)
        held = (query.select_for_update() if connection.vendor == "postgresql" else query).get()
        if bool(held.verdict) == bool(verdict):
            raise Conflict(
                "suspicion-judged",
                _("It is judged already") if verdict else _("It is not judged yet"),
                where=str(number),
            )
        held.verdict, held.note = verdict, note.strip() if verdict else ""
        held.judged_by, held.judged_at = (principal.name[:150], now) if verdict else ("", None)
        held.save(update_fields=["verdict", "note", "judged_by", "judged_at"])
        item = audit.entry(
            principal, "update", person_id=held.claim.person_id, resource_type="Suspicion",
            resource_id=str(number), detail={"verdict": verdict},
        )  # fmt: skip
        intent = audit.intend(cursor, [item])
    audit.settle(intent)
    return held


@periodic(every=timedelta(days=1), name=JOB)
def nightly() -> None:
    """Review the claims of a year anew."""
    now = timezone.now()
    today = timezone.localdate(now)
    run(system_principal(JOB), since=today - REACH, until=today, now=now)
