"""Bidders and their sealed bids.

There is no role and no account for suppliers. A bidder holds a token for one tender, shown once, with which
its own machine hands in, withdraws and opens its own bids and can do nothing else. An officer may enter what
was handed in on paper: a commitment, never a price. Nobody here can read a bid before the opening.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.utils.translation import gettext_noop as _

from salus.insurance.models import Bidder, Qualification, Supplier, Tender, TenderGroup
from salus.insurance.services.procurement.common import code_of, in_state, locked, may_run, written
from salus.insurance.tender import sealing
from salus.insurance.tender.qualifying import load_criteria, unmet
from salus.kernel.commit_reveal import rounds
from salus.kernel.errors import Conflict, Invalid, NotFound, SalusError
from salus.kernel.models import Commitment, CommitRound
from salus.kernel.policy import Principal

_PREFIX = "stb_"
_OPENED_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class Admission:
    """A bidder with its token, which is shown once and kept only as a digest."""

    bidder: Bidder
    token: str


def _new_token() -> tuple[str, str]:
    token = _PREFIX + secrets.token_urlsafe(32)
    return token, hashlib.sha256(token.encode()).hexdigest()


def _before_deadline(tender: Tender, now: datetime) -> CommitRound:
    in_state(tender, Tender.State.ANNOUNCED)
    assert tender.round is not None  # noqa: S101  the table's constraint
    if now >= tender.round.commit_until:
        raise Conflict("tender-closed", _("The deadline is over"), where=tender.code)
    return tender.round


def enter_supplier(principal: Principal, code: str, name: str, name_en: str = "") -> Supplier:
    """Return the supplier with a code, entered in the register if it is new; a known one stays as it is.

    Raises:
        NotAllowed: as for every command.
        Invalid: the code or the name is none.
    """
    may_run(principal)
    code, name = code_of(code, "new_code"), name.strip()
    if not name:
        raise Invalid("supplier-name", _("A supplier has a name"), where="new_name")
    with written(principal) as notes:
        supplier, new = Supplier.objects.get_or_create(code=code, defaults={"name": name, "name_en": name_en})
        if new:
            notes.add_supplier(supplier)
    return supplier


def admit(
    principal: Principal,
    tender: Tender,
    supplier: Supplier,
    groups: Sequence[TenderGroup],
    answers: Mapping[str, str],
    *,
    now: datetime,
    evaluated: date | None = None,
    demand: int = 0,
) -> Admission:
    """Admit a supplier to groups before the deadline, with its answers to the criteria; again replaces them.

    What is not met does not keep a bid from being handed in: the decision names it. The qualification is
    fixed with the deadline, so nobody is judged with the prices known. A first admission gives the token.

    Raises:
        NotAllowed, Conflict: as for every command; the deadline is over.
        Invalid: no group of the tender, or an answer to no criterion.
    """
    may_run(principal)
    criteria = load_criteria()
    if unknown := set(answers) - {one.code for one in criteria}:
        raise Invalid("criterion-unknown", _("There is no such criterion"), where=min(unknown))
    if not groups or any(group.tender_id != tender.pk for group in groups):
        raise Invalid("group-unknown", _("The tender has no such group"), where="groups")
    token, digest = _new_token()
    with written(principal) as notes:
        tender = locked(tender)
        _before_deadline(tender, now)
        assert tender.announced_on is not None  # noqa: S101  the table's constraint
        bidder, new = Bidder.objects.get_or_create(
            tender=tender, supplier=supplier,
            defaults={"token": digest, "admitted_by_id": principal.account_id, "admitted_at": now},
        )  # fmt: skip
        for group in groups:
            base = sum(group.demand.values_list("units", flat=True))
            missing = unmet(answers, criteria, on=tender.announced_on, base=base)
            Qualification.objects.update_or_create(
                bidder=bidder, group=group,
                defaults={
                    "answers": dict(answers), "unmet": list(missing), "evaluated": evaluated,
                    "demand": demand,
                },
            )  # fmt: skip
            notes.add("admit", tender, supplier=supplier.code, group=group.code, unmet=list(missing))
    return Admission(bidder, token if new else "")


def renew_token(principal: Principal, bidder: Bidder) -> str:
    """Give a bidder another token; the one before ends at once. Raises NotAllowed, Conflict."""
    may_run(principal)
    token, digest = _new_token()
    _set_token(principal, bidder, digest, "issue-token")
    return token


def revoke_token(principal: Principal, bidder: Bidder) -> None:
    """End a bidder's token at once; bids handed in with it stay. Raises NotAllowed, Conflict."""
    may_run(principal)
    _set_token(principal, bidder, "", "revoke-token")


def _set_token(principal: Principal, bidder: Bidder, digest: str, action: str) -> None:
    with written(principal) as notes:
        tender = locked(bidder.tender)
        in_state(tender, Tender.State.ANNOUNCED)
        bidder.token = digest
        bidder.save(update_fields=["token"])
        notes.add(action, tender, supplier=bidder.supplier.code)


def bearer(code: str, token: str) -> Bidder:
    """Return the bidder of a tender whose token this is; raises NotFound, which says nothing more."""
    found = None
    if token.startswith(_PREFIX):
        digest = hashlib.sha256(token.encode()).hexdigest()
        found = (
            Bidder.objects.select_related("tender__round", "supplier")
            .filter(tender__code=code, token=digest)
            .first()
        )
    if found is None:
        raise NotFound("bid-token", _("The token opens nothing here"))
    return found


def _as_bidder(bidder: Bidder) -> Principal:
    """Return who acts with a bid token, for the audit: it holds no role."""
    return Principal(kind="source", name=f"bidder {bidder.supplier.code}"[:150])


def _group(bidder: Bidder, code: str) -> TenderGroup:
    found = TenderGroup.objects.filter(tender=bidder.tender, code=code, qualifications__bidder=bidder).first()
    if found is None:
        raise NotFound("bid-group", _("The bidder is not admitted to this group"), where=code)
    return found


def submit_bid(bidder: Bidder, group: str, digest: str, *, now: datetime, envelope: str = "") -> Commitment:
    """Take a sealed bid from its bidder. Raises Conflict after the deadline, NotFound, Invalid."""
    return _commit(_as_bidder(bidder), bidder, group, digest, envelope, now)


def enter_sealed(
    principal: Principal, bidder: Bidder, group: str, digest: str, *, now: datetime, envelope: str = ""
) -> Commitment:
    """Enter a sealed bid that was handed in at the office: its commitment and envelope, never a price.

    Raises:
        NotAllowed: the principal runs no tenders; and as `submit_bid`.
    """
    may_run(principal)
    return _commit(principal, bidder, group, digest, envelope, now)


def _commit(
    principal: Principal, bidder: Bidder, group: str, digest: str, envelope: str, now: datetime
) -> Commitment:
    with written(principal) as notes:
        tender = locked(bidder.tender)
        round = _before_deadline(tender, now)
        name = sealing.party(_group(bidder, group).code, bidder.supplier.code)
        if tender.public_key and not envelope:
            raise Invalid(
                "envelope-missing",
                _("This tender has custodians: the bid needs its envelope"),
                where="envelope",
            )
        made = rounds.commit(round, name, digest, now=now, envelope=envelope)
        notes.entries.append(rounds.audited(principal, "commit", made))
    return made


def withdraw_bid(bidder: Bidder, group: str, *, now: datetime) -> Commitment:
    """Take a bid back before the deadline; another may follow. Raises Conflict afterwards, NotFound."""
    principal = _as_bidder(bidder)
    with written(principal) as notes:
        tender = locked(bidder.tender)
        round = _before_deadline(tender, now)
        made = rounds.withdraw(rounds.standing(round, sealing.party(group, bidder.supplier.code)), now=now)
        notes.entries.append(rounds.audited(principal, "withdraw", made))
    return made


def open_bid(bidder: Bidder, group: str, nonce: str, payload: str, *, now: datetime) -> Commitment:
    """Open a bid by its bidder in the time for it. Raises Conflict, NotFound, Invalid."""
    principal = _as_bidder(bidder)
    with written(principal) as notes:
        tender = locked(bidder.tender)
        return _open(
            notes.entries, principal, tender, sealing.party(group, bidder.supplier.code), nonce, payload, now
        )


@dataclass(frozen=True, slots=True)
class Opened:
    """How many bids were opened, and for each of the others the party and why not."""

    opened: int
    refused: tuple[tuple[str, SalusError], ...]


def open_many(
    principal: Principal, tender: Tender, openings: Sequence[Mapping[str, Any]], *, now: datetime
) -> Opened:
    """Open bids from a file that the custodians or bidders gave; each is held against its commitment.

    Raises:
        NotAllowed, Conflict: as for every command.
        Invalid: the file holds too many rows.
    """
    may_run(principal)
    if len(openings) > _OPENED_AT_ONCE:
        raise Invalid("openings-many", _("The file holds too many openings"))
    refused: list[tuple[str, SalusError]] = []
    with written(principal) as notes:
        tender = locked(tender)
        in_state(tender, Tender.State.ANNOUNCED)
        for row in openings:
            party, nonce, payload = (row.get(name) for name in ("party", "nonce", "payload"))
            if not (isinstance(party, str) and isinstance(nonce, str) and isinstance(payload, str)):
                fault = Invalid("opening-malformed", _("An opening has party, nonce and payload"))
                refused.append((str(party)[:120], fault))
                continue
            try:
                _open(notes.entries, principal, tender, party, nonce, payload, now)
            except SalusError as error:
                refused.append((party[:120], error))
    return Opened(len(openings) - len(refused), tuple(refused))


def _open(
    entries: list[Any],
    principal: Principal,
    tender: Tender,
    party: str,
    nonce: str,
    payload: str,
    now: datetime,
) -> Commitment:
    in_state(tender, Tender.State.ANNOUNCED)
    assert tender.round is not None  # noqa: S101  the table's constraint
    made = rounds.reveal(rounds.standing(tender.round, party), nonce, payload, now=now)
    entries.append(rounds.audited(principal, "reveal", made))
    return made
