"""What became of a message: its row in the ledger, the sender's receipt, the audit entries."""

import re
from collections.abc import Iterable
from uuid import UUID

from salus.connect import ledger
from salus.connect.models import SourceSystem
from salus.connect.receipts import Receipt
from salus.connect.understanding import Arrival
from salus.kernel import audit
from salus.kernel.errors import SalusError
from salus.record import store

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
_LETTER = {"created": "c", "updated": "u", "deleted": "d"}


def summary(arrival: Arrival) -> tuple[int, str]:
    """Return how many resources a message wrote and the list that its undoing will need."""
    changed = [one for one in arrival.written if one.outcome in _LETTER]
    return len(changed), ",".join(f"{one.rid}:{one.version}:{_LETTER[one.outcome]}" for one in changed)


def plain(text: str, longest: int) -> str:
    """Return a text without control characters, within a column's length."""
    return _UNPRINTABLE.sub("", text)[:longest]


def reason_of(fault: SalusError) -> tuple[str, str, str]:
    """Return a fault's code, its words with what to do, and its place, each within its column."""
    words = f"{fault.message} — {fault.fix}" if fault.fix else fault.message
    return fault.code[:64], plain(words, 1000), plain(fault.where, 300)


def line_of(arrival: Arrival, source: SourceSystem) -> ledger.Line:
    """Return the row of the ledger, deciding first whether the message is stored or dead."""
    item, prepared, fault = arrival.item, arrival.prepared, arrival.fault
    repeated = arrival.status == "repeated"
    if not repeated:
        arrival.status = "dead" if fault is not None else "stored"
    kind = prepared.kind if prepared else getattr(fault, "kind", "")
    control = prepared.control_id if prepared else getattr(fault, "control_id", "")
    if repeated and not control and arrival.original is not None:
        control = arrival.original.control_id
    original = arrival.original.id if arrival.original else arrival.twin.id if arrival.twin else None
    line = ledger.Line(
        id=arrival.id,
        source_id=source.pk,
        load_id=arrival.load_id,
        credential_id=item.credential_id,
        control_id=plain(control or "", 200),
        digest=arrival.digest,
        kind=plain(kind or "", 64),
        via=item.via,
        position=item.position,
        size=len(item.raw),
        received=arrival.received,
        occurred=prepared.occurred if prepared else None,
        status=arrival.status,
        raw=None if repeated else item.raw,
        repeat_of=original,
    )
    if arrival.status == "dead" and fault is not None:
        line.reason_code, line.reason, line.where = reason_of(fault)
    elif arrival.status == "stored" and prepared is not None:
        line.warnings = [plain(warning, 500) for warning in arrival.warnings]
        line.resources, line.written = summary(arrival)
    return line


def receipt_of(arrival: Arrival) -> Receipt:
    """Return what the sender is told."""
    prepared, fault = arrival.prepared, arrival.fault
    control = prepared.control_id if prepared else getattr(fault, "control_id", "")
    code, reason, where, original_status, original_id = "", "", "", "", None
    if arrival.status == "dead" and fault is not None:
        code, reason, where = fault.code, fault.message, fault.where
    elif arrival.status == "repeated":
        if arrival.original is not None:
            before = arrival.original
            original_id, original_status = before.id, before.status
            code, reason, where = before.reason_code, before.reason, before.where
            control = control or before.control_id
        elif arrival.twin is not None:
            first = receipt_of(arrival.twin)
            original_id, original_status = first.message_id, first.status
            code, reason, where = first.code, first.reason, first.where
    stored = arrival.status == "stored" and prepared is not None
    return Receipt(
        message_id=arrival.id,
        status=arrival.status,
        kind=prepared.kind if prepared else getattr(fault, "kind", ""),
        control_id=control or "",
        code=code,
        reason=reason,
        where=where,
        warnings=tuple(arrival.warnings) if stored else (),
        resources=sum(one.outcome in _LETTER for one in arrival.written) if stored else 0,
        original_id=original_id,
        original_status=original_status,
    )


def audit_entries(
    source: SourceSystem, arrivals: Iterable[Arrival], *, actor: str = "", action: str = "receive"
) -> list[audit.AuditEntry]:
    """Return one entry a person whose record a batch changed, and one for what belongs to nobody."""
    tally: dict[UUID | None, tuple[int, store.Written, int]] = {}
    for arrival in arrivals:
        for one in arrival.written:
            if one.outcome in _LETTER:
                count, first, message = tally.get(one.person_id, (0, one, arrival.id))
                tally[one.person_id] = (count + 1, first, message)
    return [
        audit.AuditEntry(
            actor=actor or f"source:{source.code}",
            action=action,
            actor_kind="account" if actor else "source",
            purpose="care",
            person_id=person,
            resource_type=first.type if count == 1 else "",
            resource_id=first.id if count == 1 else "",
            institution_id=source.institution_id,
            source_id=source.pk,
            detail={"message": message, "resources": count},
        )
        for person, (count, first, message) in tally.items()
    ]
