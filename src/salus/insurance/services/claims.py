"""Claims at the till and afterwards: settle, take back, decide again.

A claim is settled in one transaction: what it stands on is read, decided and stored while no other till can
settle for the same person, and the answer leaves after the commit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from salus.insurance.adjudication import Context, Rules, adjudicate_one
from salus.insurance.eligibility import Answer
from salus.insurance.models import Claim, ClaimLine, Outcome
from salus.insurance.queries import context, cover
from salus.insurance.queries.claims import rules_of
from salus.insurance.services import claim_storing, outdated
from salus.insurance.services.claim_asked import (
    DENYING,
    AskedClaim,
    AskedLine,
    checked,
    checksum,
    cover_of,
    rows_of,
    storable,
)
from salus.insurance.services.claim_storing import Decided, Stamp
from salus.kernel import audit, policy
from salus.kernel.errors import Conflict, Invalid, NotFound
from salus.kernel.models import Institution
from salus.kernel.policy import Principal, Target
from salus.record.identity import queries as identity
from salus.record.identity import rows
from salus.record.models import Person

REASON = 5
"""Characters that a reason has at least."""
_EARLIER = ("claim_id", "person_id", "institution", "kind", "admitted", "discharged")


def settle(principal: Principal, institution: Institution, asked: AskedClaim, *, now: datetime) -> Claim:
    """Decide on a claim at once and store what was decided.

    The same claim under the same number changes nothing and gives what was decided then, which is a read.

    Raises:
        NotAllowed: the principal may not claim for the institution.
        Invalid: the claim cannot be decided on; `where` names the field.
        NotFound: the resident is not known.
        Conflict: the number was used for another claim (`claim-number-used`).
    """
    require_claiming(principal, institution, asked.person_id)
    checked(asked)
    stamp = stamp_of(principal, now)
    rules = rules_of(stamp.as_of)
    with transaction.atomic(), connection.cursor() as cursor:
        person = identity.current(asked.person_id)
        only_one(cursor, person)
        known = known_claim(institution, asked)
        if known is None:
            answer, decided = decide_now(asked, institution, person, rules, stamp)
            claim = stored(principal, asked, institution, person, decided, answer.reason, stamp)
            intent = audit.intend(cursor, [entry(principal, "create", claim)])
    if known is not None:
        audit.record([entry(principal, "read", known)])
        return known
    audit.settle(intent)
    return claim


def stored(
    principal: Principal,
    asked: AskedClaim,
    institution: Institution,
    person: UUID,
    decided: Decided,
    reason: str,
    stamp: Stamp,
) -> Claim:
    """Store a claim that was decided on, whole or not at all, in the caller's transaction.

    Raises:
        Conflict: somebody else used its number for another person at the same time.
    """
    try:
        with transaction.atomic():
            return claim_storing.store_new(
                asked, institution, person, decided, reason, stamp, source_id=principal.source_id
            )
    except IntegrityError:
        if not Claim.objects.filter(institution=institution, number=asked.number).exists():
            raise
        raise _number_used() from None


def require_claiming(principal: Principal, institution: Institution, person_id: UUID) -> None:
    """Raise `NotAllowed` unless the principal may claim for the institution: its own system, or the fund."""
    target = Target(
        "resource", resource_type="Claim", person_id=person_id, institution_id=institution.pk,
        source_id=principal.source_id,
    )  # fmt: skip
    if principal.source_id is not None and institution.pk not in principal.institution_ids:
        target = Target("resource", resource_type="Claim", person_id=person_id, source_id=-1)
    policy.require(principal, "create", target)


def stamp_of(principal: Principal, now: datetime) -> Stamp:
    """Return when and by whom something is decided now."""
    today = timezone.localdate(now)
    return Stamp(now, today, principal.name, today)


def only_one(cursor: CursorWrapper, person_id: UUID) -> None:
    """Let nobody else decide for this person until the transaction ends.

    On SQLite writers wait for each other anyway.
    """
    if cursor.db.vendor == "postgresql":
        cursor.execute("select pg_advisory_xact_lock(%s)", [person_id.int % (1 << 63)])


def known_claim(institution: Institution, asked: AskedClaim) -> Claim | None:
    """Return the claim if it was sent before.

    Raises:
        Conflict: its number was used for another one.
    """
    known = Claim.objects.filter(institution=institution, number=asked.number).first()
    if known is not None and known.checksum != checksum(asked) and not _merged_since(known, asked):
        raise _number_used()
    return known


def _merged_since(known: Claim, asked: AskedClaim) -> bool:
    """Tell whether a claim is the known one but for its person, who was found to be the same meanwhile."""
    if identity.current(known.person_id) != identity.current(asked.person_id):
        return False
    return known.checksum == checksum(replace(asked, person_id=known.person_id))


def _number_used() -> Conflict:
    return Conflict(
        "claim-number-used", _("The number was used for another claim"), where="number",
        fix=_("Send a corrected claim under a number of its own"),
    )  # fmt: skip


def decide_now(
    asked: AskedClaim, institution: Institution, person: UUID, rules: Rules, stamp: Stamp
) -> tuple[Answer, Decided]:
    """Decide on a claim from what the platform knows now, in the caller's transaction."""
    since = min(asked.admitted, asked.discharged)
    found = context.context(
        [person], [line.item for line in asked.lines], [institution.pk], as_of=stamp.as_of, since=since
    )
    answer = cover_of(asked, found.facts[person], cover.contracts(institution.pk))
    claim, lines = rows_of(asked, institution, person, answer, stamp.today)
    return answer, decide_one(claim, lines, found.rows, rules, stamp.as_of, denied=answer.reason in DENYING)


def decide_one(
    claim: Mapping[str, Any],
    lines: Sequence[Mapping[str, Any]],
    found: Mapping[str, context.Rows],
    rules: Rules,
    as_of: date,
    *,
    denied: bool,
) -> Decided:
    """Decide on one claim from the rows that concern its person; `denied` leaves her cover out."""
    catalogue: dict[str, list[Any]] = {}
    for row in found["catalogue"]:
        catalogue.setdefault(row["item"], []).append(row)
    person, place = claim["person_id"], claim["institution"]
    known = Context(
        next((row for row in found["persons"] if row["person_id"] == person), None),
        next((row for row in found["institutions"] if row["institution"] == place), None),
        () if denied else found["coverage"],
        found["statuses"],
        found["registrations"],
        catalogue,
        {row["code"]: row["sex"] for row in found["diagnoses"]},
        [row for row in found["earlier"] if row["claim_id"] != claim["claim_id"]],
        {(row["year"], row["account"], row["key"]): row["amount"] for row in found["balances"]},
    )
    made = adjudicate_one(claim, lines, known, rules, as_of=as_of)
    return Decided(made.claim, made.lines, made.parts, made.findings, made.events)


def take_back(
    principal: Principal, institution: Institution, number: str, reason: str, *, now: datetime
) -> Claim:
    """Reverse a claim: what it used up and what the funds owe for it are taken back. Twice changes nothing.

    Raises:
        NotAllowed: the principal may not.
        NotFound: there is no such claim of the institution.
        Invalid: there is no reason.
    """
    claim = Claim.objects.filter(institution=institution, number=number).first()
    require_changing(principal, claim, institution)
    if claim is None:
        raise NotFound("claim-unknown", _("There is no such claim"), where="number")
    if len(reason.strip()) < REASON or not storable(reason):
        raise Invalid("claim-reason", _("Say why the claim is taken back"), where="reason")
    with transaction.atomic(), connection.cursor() as cursor:
        person = identity.current(claim.person_id)
        only_one(cursor, person)
        claim.refresh_from_db()
        if claim.outcome == Outcome.REVERSED:
            intent = audit.intend(cursor, [entry(principal, "read", claim)])
        else:
            claim_storing.store_reversal(claim, person, reason.strip()[:200], stamp_of(principal, now))
            intent = audit.intend(cursor, [entry(principal, "update", claim, reversed=True)])
    audit.settle(intent)
    return claim


def require_changing(principal: Principal, claim: Claim | None, institution: Institution) -> None:
    """Raise `NotAllowed` unless the principal may change the claim: its own source system, or the fund."""
    target = Target(
        "resource", resource_type="Claim", person_id=claim.person_id if claim else None,
        institution_id=institution.pk, source_id=claim.source_id if claim else principal.source_id,
    )  # fmt: skip
    policy.require(principal, "update", target)


def decide_again(
    principal: Principal, person_id: UUID, year: int, reason: str, *, now: datetime
) -> list[Claim]:
    """Decide again on all claims of a person's benefit year, in the order of discharge; return what changed.

    For late claims, reversals and corrected rules: each claim is decided as if it came after the ones before
    it. What comes out as before is left as it is.

    Raises:
        NotAllowed: the principal may not.
        Invalid: there is no reason.
    """
    policy.require(principal, "correct", Target("resource", resource_type="Claim", person_id=person_id))
    if len(reason.strip()) < REASON:
        raise Invalid("claim-reason", _("Say why it is decided again"), where="reason")
    stamp = stamp_of(principal, now)
    with transaction.atomic(), connection.cursor() as cursor:
        person = identity.current(person_id)
        only_one(cursor, person)
        standing = outdated.standing_of(person, year)
        claims = list(standing.select_related("institution").prefetch_related("lines"))
        claims.sort(key=lambda c: (c.discharged, context.claim_id(c.institution.code, c.number)))
        changed = _again(claims, person, rules_of(stamp.as_of), stamp, reason.strip()[:200])
        outdated.forget(list(cover.owners([person])), year)
        looked = audit.entry(
            principal, "correct", person_id=person, resource_type="Claim",
            detail={"year": year, "changed": len(changed)},
        )  # fmt: skip
        intent = audit.intend(cursor, [looked, *(entry(principal, "correct", claim) for claim in changed)])
    audit.settle(intent)
    return changed


def _again(claims: list[Claim], person: UUID, rules: Rules, stamp: Stamp, reason: str) -> list[Claim]:
    if not claims:
        return []
    items = {line.item for claim in claims for line in claim.lines.all()}
    found = context.context(
        [person], items, {claim.institution_id for claim in claims}, as_of=stamp.as_of,
        since=min(claim.admitted for claim in claims),
    )  # fmt: skip
    mine = {context.claim_id(claim.institution.code, claim.number) for claim in claims}
    before = [row for row in found.rows["earlier"] if row["claim_id"] not in mine]
    balances = {(row["year"], row["account"], row["key"]): row["amount"] for row in found.rows["balances"]}
    for claim in claims:
        _add(balances, claim_storing.used_up(claim), -1)
    changed = []
    for claim in claims:
        asked = asked_of(claim)
        answer = cover_of(asked, found.facts[person], cover.contracts(claim.institution_id))
        row, lines = rows_of(asked, claim.institution, person, answer, claim.submitted)
        rows_now = {
            **found.rows, "earlier": before,
            "balances": [
                {"person_id": person.hex, "year": y, "account": a, "key": k, "amount": amount}
                for (y, a, k), amount in balances.items()
                if amount
            ],
        }  # fmt: skip
        decided = decide_one(row, lines, rows_now, rules, stamp.as_of, denied=answer.reason in DENYING)
        if not _same(claim, decided):
            claim.cover_reason = answer.reason
            claim.save(update_fields=["cover_reason"])
            claim_storing.store_again(claim, decided, reason, stamp)
            changed.append(claim)
        _add(balances, decided.events, 1)
        if decided.claim["standing"]:
            before.append(
                {
                    **{name: row[name] for name in _EARLIER},
                    "diagnosis": row["diagnoses"][0] if row["diagnoses"] else None, "charge": row["charge"],
                }
            )  # fmt: skip
    return changed


def _add(balances: dict[tuple[int, str, str], int], events: Sequence[Mapping[str, Any]], sign: int) -> None:
    for event in events:
        key = (event["year"], event["account"], event["key"] or "")
        balances[key] = balances.get(key, 0) + sign * event["amount"]


def _same(claim: Claim, decided: Decided) -> bool:
    """Tell whether a decision is the one that the claim has: its rules, parts, and what it uses up."""
    now = claim_storing.latest(claim)
    parts = sorted(
        (x["line_no"], x["payer"], x["amount"], x["reason"], x["rule"] or "", x["version"] or 0)
        for x in decided.parts
    )
    held = sorted(now.parts.values_list("line_no", "payer", "amount_fen", "reason", "rule", "version"))
    used = sorted((e["year"], e["account"], e["key"] or "", e["amount"]) for e in decided.events)
    using = sorted((e["year"], e["account"], e["key"], e["amount"]) for e in claim_storing.used_up(claim))
    same = now.detail == claim_storing.detail_of(decided)
    return same and parts == held and used == using


def asked_of(claim: Claim) -> AskedClaim:
    """Return a stored claim as it was asked."""
    lines: list[ClaimLine] = sorted(claim.lines.all(), key=lambda line: line.line_no)
    return AskedClaim(
        claim.number, claim.person_id, claim.kind, claim.admitted, claim.discharged, claim.diagnoses,
        claim.charge_fen,
        [
            AskedLine(
                x.line_no, x.service_date, x.item, x.quantity, x.unit_price_fen, x.charge_fen, x.department
            )
            for x in lines
        ],
        claim.procedures, claim.referral, claim.illness, claim.submitted,
    )  # fmt: skip


def entry(principal: Principal, action: str, claim: Claim, **detail: Any) -> audit.AuditEntry:
    """Return the audit entry of something done to a claim."""
    return audit.entry(
        principal, action, person_id=claim.person_id, resource_type="Claim", resource_id=str(claim.pk),
        detail={"version": claim.version, "outcome": str(claim.outcome), **detail},
    )  # fmt: skip


def find_person(principal: Principal, action: str, system: str, value: str) -> UUID:
    """Return the resident behind an identifier: `resident-id`, `passport` or `person`.

    For who may do the action to somebody's coverage; a search that finds nobody leaves its own audit row.

    Raises:
        NotAllowed: the principal may not do it to anybody, so it is not told who is known either.
        NotFound: nobody has it, or several have; nothing is said about which.
    """
    if not policy.permits(principal, action, "coverage"):
        policy.require(principal, action, Target("resource", resource_type="Claim"))
    found = _behind(system, value)
    if found is None:
        audit.record([audit.entry(principal, "search", resource_type="Patient", detail={"found": 0})])
        raise NotFound("person-unknown", _("The resident is not known"), where="person")
    return found


def _behind(system: str, value: str) -> UUID | None:
    if not storable(value):
        return None
    if system == "person":
        try:
            person = identity.current(UUID(value))
        except ValueError:
            return None
        return person if Person.objects.filter(pk=person).exists() else None
    with connection.cursor() as cursor:
        found = rows.fetch(
            cursor,
            "select distinct l.person_id from record_personidentifier i"
            " join record_patientlink l on l.patient_rid = i.patient_rid"
            " where i.system = %s and i.value = %s",
            [system, value.strip().upper()],
        )
    persons = {identity.current(rows.person(row[0])) for row in found}
    return persons.pop() if len(persons) == 1 else None
