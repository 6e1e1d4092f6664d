"""Rounds in the database: opened, committed to, closed, revealed, and held against the audit chain.

Every function runs in the caller's transaction and returns what it changed; the caller, who knows who may do
it, writes `audited(…)` with the same transaction. A clock that runs behind helps nobody: the triggers of
the tables judge by the database's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from django.db import IntegrityError, transaction
from django.utils.translation import gettext_noop as _

from salus.kernel import audit
from salus.kernel.commit_reveal import hashing
from salus.kernel.commit_reveal.hashing import Opening
from salus.kernel.errors import Conflict, Invalid, NotFound
from salus.kernel.models import AuditRow, Commitment, CommitRound
from salus.kernel.policy.words import Principal

RESOURCE = "Commitment"
_LARGEST = 20_000
"""Characters of a payload or an envelope: a bid has some hundred."""


def open_round(
    code: str,
    purpose: str,
    *,
    opened_at: datetime,
    commit_until: datetime,
    reveal_until: datetime,
    account_id: int | None = None,
) -> CommitRound:
    """Open a round; its times are fixed from now on.

    Raises:
        Invalid: the times are not in order.
        Conflict: there is a round of this code.
    """
    if not opened_at < commit_until < reveal_until:
        raise Invalid(
            "commit-times", _("A round opens, then takes commitments, then is revealed"), where="commit_until"
        )
    if CommitRound.objects.filter(code=code).exists():
        raise Conflict("commit-round-exists", _("There is a round of this code already"), where=code)
    return CommitRound.objects.create(
        code=code, purpose=purpose, opened_at=opened_at, commit_until=commit_until,
        reveal_until=reveal_until, made_by_id=account_id,
    )  # fmt: skip


def commit(round: CommitRound, party: str, digest: str, *, now: datetime, envelope: str = "") -> Commitment:
    """Take a party's commitment.

    Raises:
        Invalid: the digest is none, or the envelope is too large.
        Conflict: before the opening, after the deadline, or the party has committed already.
    """
    if not hashing.is_digest(digest):
        raise Invalid("commit-digest", _("A commitment is 64 hex digits in lower case"), where="digest")
    if len(envelope) > _LARGEST:
        raise Invalid("commit-too-large", _("The envelope is too large"), where="envelope")
    if now < round.opened_at:
        raise Conflict("commit-early", _("The round is not open yet"))
    if now >= round.commit_until:
        raise Conflict("commit-late", _("The deadline is over: nothing is taken any more"))
    if round.commitments.filter(party=party, withdrawn_at=None).exists():
        raise Conflict(
            "commit-twice",
            _("There is a commitment already"),
            fix=_("Withdraw it first, before the deadline"),
        )
    with _refused("commit-late", _("The database refused the commitment: too late, or made before")):
        return Commitment.objects.create(
            round=round, party=party, digest=digest, envelope=envelope, committed_at=now
        )


def standing(round: CommitRound, party: str) -> Commitment:
    """Return the commitment of a party that stands; raises NotFound."""
    found = round.commitments.filter(party=party, withdrawn_at=None).first()
    if found is None:
        raise NotFound("commit-unknown", _("There is no commitment of this party"))
    return found


def withdraw(commitment: Commitment, *, now: datetime) -> Commitment:
    """Take a commitment back before the deadline; it stays on record. Raises Conflict afterwards."""
    if now >= commitment.round.commit_until:
        raise Conflict("withdraw-late", _("The deadline is over: a commitment binds"))
    if commitment.withdrawn_at is not None:
        raise Conflict("withdraw-twice", _("The commitment was withdrawn already"))
    commitment.withdrawn_at = now
    with _refused("withdraw-late", _("The database refused: the deadline is over")):
        commitment.save(update_fields=["withdrawn_at"])
    return commitment


def close(round: CommitRound, *, now: datetime) -> str:
    """Fix the root over all commitments that stand, once the deadline is over; again gives the same root.

    Raises:
        Conflict: the deadline is not over.
    """
    if now < round.commit_until:
        raise Conflict("close-early", _("The deadline is not over yet"))
    if not round.root:
        round.root = hashing.root(round.commitments.filter(withdrawn_at=None).values_list("party", "digest"))
        with _refused("close-early", _("The database refused: the deadline is not over")):
            round.save(update_fields=["root"])
    return round.root


def reveal(commitment: Commitment, nonce: str, payload: str, *, now: datetime) -> Commitment:
    """Take the opening of a commitment in the window for it.

    Raises:
        Conflict: outside the window, withdrawn or revealed before.
        Invalid: this is not what was committed to.
    """
    round = commitment.round
    if now < round.commit_until:
        raise Conflict("reveal-early", _("Nothing is opened before the deadline"))
    if now >= round.reveal_until:
        raise Conflict("reveal-late", _("The time for opening is over"))
    if commitment.withdrawn_at is not None or commitment.revealed_at is not None:
        raise Conflict("reveal-twice", _("The commitment was withdrawn or opened already"))
    if len(payload) > _LARGEST or not hashing.opens(commitment.digest, opening(commitment, nonce, payload)):
        raise Invalid("reveal-differs", _("This is not what was committed to"), where="payload")
    commitment.nonce, commitment.payload, commitment.revealed_at = nonce, payload, now
    with _refused("reveal-refused", _("The database refused: not in time, or not what was committed to")):
        commitment.save(update_fields=["nonce", "payload", "revealed_at"])
    return commitment


def opening(commitment: Commitment, nonce: str, payload: str) -> Opening:
    """Return an opening for a commitment as its round and party demand it."""
    return Opening(commitment.round.purpose, commitment.round.code, commitment.party, nonce, payload)


def audited(principal: Principal, action: str, commitment: Commitment) -> audit.AuditEntry:
    """Return the audit entry of what was done to a commitment; it tells the digest, never the words."""
    detail = {"round": commitment.round.code, "party": commitment.party, "digest": commitment.digest}
    return audit.entry(
        principal, action, resource_type=RESOURCE, resource_id=str(commitment.pk), detail=detail
    )


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a round's commitments and the audit chain disagree: `altered`, `missing` or `unaudited`."""

    party: str
    kind: str


def against_audit(round: CommitRound) -> list[Difference]:
    """Hold what the database keeps of a round against what the audit chain saw when it came.

    It shows what somebody did who can switch the triggers off; `audit.verify` shows the same of the chain.
    """
    told = {row["id"]: row for row in _told(round)}
    found: list[Difference] = []
    seen = set()
    for one in round.commitments.all():
        seen.add(str(one.pk))
        row = told.get(str(one.pk))
        if row is None:
            found.append(Difference(one.party, "unaudited"))
        elif (row["party"], row["digest"]) != (one.party, one.digest):
            found.append(Difference(one.party, "altered"))
        elif one.revealed_at and not hashing.opens(one.digest, opening(one, one.nonce, one.payload)):
            found.append(Difference(one.party, "altered"))
    found += [Difference(row["party"], "missing") for key, row in told.items() if key not in seen]
    return sorted(found, key=lambda one: (one.party, one.kind))


def _told(round: CommitRound) -> Iterator[dict[str, Any]]:
    since = int(round.opened_at.timestamp() * 1_000_000)
    rows = AuditRow.objects.filter(at__gte=since, resource_type=RESOURCE, action="commit")
    for number, detail in rows.values_list("resource_id", "detail").iterator():
        row = orjson.loads(detail)
        if row.get("round") == round.code:
            yield {"id": number, **row}


class _refused(transaction.Atomic):
    """A savepoint in which the database's refusal becomes a Conflict."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(None, True, False)
        self._code, self._words = code, words

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        super().__exit__(kind, value, trace)
        if kind is not None and issubclass(kind, IntegrityError):
            raise Conflict(self._code, self._words) from value
