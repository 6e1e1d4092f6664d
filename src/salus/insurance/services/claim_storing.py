"""Decisions are stored whole: the claim, its version, lines, parts, findings, what it used up, the money."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db.models import Sum

from salus.insurance.events import ClaimDecided
from salus.insurance.models import (
    AccumulatorEvent,
    Adjudication,
    AdjudicationFinding,
    AdjudicationKind,
    AdjudicationLine,
    AdjudicationPart,
    Claim,
    ClaimLine,
    Outcome,
    OutdatedWhy,
)
from salus.insurance.models.claims import PAYERS
from salus.insurance.queries.claims import rules_of
from salus.insurance.services import follow_up, outdated, payments
from salus.insurance.services.claim_asked import AskedClaim, categories_of, checksum
from salus.kernel.events import emit
from salus.kernel.models import Institution

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Decided:
    """What the adjudication gives for one claim: rows of its tables."""

    claim: Row
    lines: Sequence[Row]
    parts: Sequence[Row]
    findings: Sequence[Row]
    events: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Stamp:
    """When, by whom and by the rules of which day something is decided."""

    now: datetime
    today: date
    by: str
    as_of: date


def store_new(
    asked: AskedClaim,
    institution: Institution,
    person_id: UUID,
    decided: Decided,
    cover_reason: str,
    stamp: Stamp,
    *,
    source_id: int | None,
) -> Claim:
    """Store a claim that has just been decided on for the first time, in the caller's transaction."""
    claim = Claim(
        institution=institution, number=asked.number, person_id=person_id, source_id=source_id,
        kind=asked.kind, admitted=asked.admitted, discharged=asked.discharged,
        submitted=asked.submitted or stamp.today, diagnoses=list(asked.diagnoses),
        procedures=list(asked.procedures), referral=asked.referral, illness=asked.illness,
        categories=categories_of(asked, rules_of(stamp.as_of)),
        charge_fen=asked.charge, checksum=checksum(asked), received_at=stamp.now, version=1,
        cover_reason=cover_reason,
    )  # fmt: skip
    _mirror(claim, decided)
    claim.save(force_insert=True)
    ClaimLine.objects.bulk_create(
        ClaimLine(
            claim=claim, line_no=x.line_no, service_date=x.service_date, item=x.item, quantity=x.quantity,
            unit_price_fen=x.unit_price, charge_fen=x.charge, department=x.department,
        )
        for x in asked.lines
    )  # fmt: skip
    made = _decision(claim, decided, AdjudicationKind.SETTLED, stamp, "")
    _events(made, person_id, decided.events)
    payments.book(made, None, stamp.today, by=stamp.by, now=stamp.now)
    follow_up.open_if_free(made, claim, stamp.today)
    if claim.standing or decided.events:
        outdated.mark(claim, person_id, OutdatedWhy.LATE, stamp.now)
    emit(ClaimDecided(claim.pk, claim.version))
    return claim


def store_again(claim: Claim, decided: Decided, reason: str, stamp: Stamp) -> Adjudication:
    """Store a new decision on a claim that has one: what the old one used up and booked is taken back."""
    before = latest(claim)
    claim.version += 1
    _mirror(claim, decided)
    _save(claim)
    made = _decision(claim, decided, AdjudicationKind.AGAIN, stamp, reason)
    _events(made, claim.person_id, [*_undo(claim), *decided.events])
    payments.book(made, before, stamp.today, by=stamp.by, now=stamp.now)
    follow_up.open_if_free(made, claim, stamp.today)
    emit(ClaimDecided(claim.pk, claim.version))
    return made


def store_reversal(claim: Claim, person: UUID, reason: str, stamp: Stamp) -> Adjudication:
    """Store that a claim is taken back: nobody pays anything by it and it used nothing up.

    `person` is who its resident is today.
    """
    before, used = latest(claim), _undo(claim)
    if claim.standing or used:
        outdated.mark(claim, person, OutdatedWhy.REVERSED, stamp.now)
    claim.version += 1
    claim.outcome, claim.standing = Outcome.REVERSED, False
    claim.fund_fen = claim.resident_fen = claim.withheld_fen = claim.findings = 0
    _save(claim)
    made = Adjudication.objects.create(
        claim=claim, version=claim.version, kind=AdjudicationKind.REVERSED, outcome=Outcome.REVERSED,
        scheme=before.scheme, as_of=stamp.as_of, reason=reason, charge_fen=0, decided_on=stamp.today,
        decided_at=stamp.now, decided_by=stamp.by,
    )  # fmt: skip
    _events(made, claim.person_id, used)
    payments.book(made, before, stamp.today, by=stamp.by, now=stamp.now)
    follow_up.forget(claim)
    emit(ClaimDecided(claim.pk, claim.version))
    return made


def latest(claim: Claim) -> Adjudication:
    """Return the decision on a claim that holds now."""
    return Adjudication.objects.get(claim=claim, version=claim.version)


def used_up(claim: Claim) -> list[dict[str, Any]]:
    """Return what a claim has used up by all its decisions, as rows of events without their claim."""
    rows = (
        AccumulatorEvent.objects.filter(adjudication__claim=claim)
        .values("year", "account", "key")
        .annotate(amount=Sum("amount"))
        .order_by("year", "account", "key")
    )
    return [dict(row) for row in rows if row["amount"]]


def _undo(claim: Claim) -> list[dict[str, Any]]:
    return [{**row, "amount": -row["amount"]} for row in used_up(claim)]


def _mirror(claim: Claim, decided: Decided) -> None:
    row = decided.claim
    claim.outcome, claim.standing = row["outcome"], row["standing"]
    claim.scheme = row["scheme"] or ""
    claim.fund_fen = sum(row[payer] for payer in ("basic", "serious", "aid", "free"))
    claim.resident_fen = row["self_in"] + row["self_out"]
    claim.withheld_fen = row["institution"]
    claim.findings = len(decided.findings)


def _save(claim: Claim) -> None:
    claim.save(
        update_fields=[
            "version", "outcome", "standing", "scheme", "fund_fen", "resident_fen",
            "withheld_fen", "findings",
        ]
    )  # fmt: skip


def _payers(row: Row) -> dict[str, int]:
    return {"charge_fen": row["charge"], **{f"{payer}_fen": row[payer] for payer in PAYERS}}


def detail_of(decided: Decided) -> dict[str, Any]:
    """Return what a decision says besides who pays: the rules that it went by and what they saw."""
    return {
        name: value.isoformat() if isinstance(value, date) else value
        for name, value in decided.claim.items()
        if value is not None and name not in (*PAYERS, "charge", "claim_id", "person_id")
    }


def _decision(
    claim: Claim, decided: Decided, kind: AdjudicationKind, stamp: Stamp, reason: str
) -> Adjudication:
    row, detail = decided.claim, detail_of(decided)
    made = Adjudication.objects.create(
        claim=claim, version=claim.version, kind=kind, outcome=row["outcome"], scheme=row["scheme"] or "",
        standing=row["standing"], as_of=stamp.as_of, reason=reason, detail=detail,
        decided_on=stamp.today, decided_at=stamp.now, decided_by=stamp.by, **_payers(row),
    )  # fmt: skip
    AdjudicationLine.objects.bulk_create(
        AdjudicationLine(adjudication=made, line_no=x["line_no"], item=x["item"], **_payers(x))
        for x in decided.lines
    )
    AdjudicationPart.objects.bulk_create(
        AdjudicationPart(
            adjudication=made, line_no=x["line_no"], payer=x["payer"], amount_fen=x["amount"],
            reason=x["reason"], rule=x["rule"] or "", version=x["version"] or 0, params=x["params"] or "",
        )
        for x in decided.parts
    )  # fmt: skip
    AdjudicationFinding.objects.bulk_create(
        AdjudicationFinding(
            adjudication=made, line_no=x["line_no"], code=x["code"], effect=x["effect"],
            rule=x["rule"] or "", version=x["version"] or 0, amount_fen=x["amount"],
            params=x["params"] or "",
        )
        for x in decided.findings
    )  # fmt: skip
    return made


def _events(made: Adjudication, person_id: UUID, events: Sequence[Row]) -> None:
    AccumulatorEvent.objects.bulk_create(
        AccumulatorEvent(
            adjudication=made, person_id=person_id, year=x["year"], account=x["account"], key=x["key"] or "",
            amount=x["amount"],
        )
        for x in events
    )  # fmt: skip
