"""The decision: from the opened bids by the announced rules, with contracts, published whole and audited."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_noop as _

from salus.insurance.models import ContractLine, Supplier, SupplyContract, Tender, TenderDecision, TenderGroup
from salus.insurance.queries.procurement import inputs
from salus.insurance.services.procurement.common import Notes, in_state, locked, may_run, written
from salus.insurance.tender.publication import Concluded, conclude
from salus.insurance.tender.running import GroupResult
from salus.kernel.commit_reveal import canonical, rounds
from salus.kernel.errors import Conflict, Invalid
from salus.kernel.policy import Principal


def fingerprint(file: dict[str, Any]) -> str:
    """Return the SHA-256 of a published file's canonical text: what the audit chain keeps of it."""
    return hashlib.sha256(canonical(file).encode()).hexdigest()


def decide(principal: Principal, tender: Tender, *, starts: date, now: datetime) -> Tender:
    """Decide a tender by the rules as announced, once every bid is opened or the time for opening is over.

    Args:
        principal: who runs the tender.
        tender: announced, its deadline over.
        starts: the first day of supply.
        now: the instant of the decision.

    Raises:
        NotAllowed, Conflict: as for every command; bids may still be opened.
        Invalid: supply would begin before the decision.
    """
    may_run(principal, "decide")
    if starts < timezone.localdate(now):
        raise Invalid("supply-starts", _("Supply begins after the decision"), where="starts")
    with written(principal) as notes:
        tender = locked(tender)
        in_state(tender, Tender.State.ANNOUNCED)
        round = tender.round
        assert round is not None  # noqa: S101  the table's constraint
        rounds.close(round, now=now)
        waiting = round.commitments.filter(withdrawn_at=None, revealed_at=None).exists()
        if waiting and now < round.reveal_until:
            raise Conflict("tender-opening", _("Bids may still be opened"), where=tender.code)
        if differences := rounds.against_audit(round):
            raise Conflict(
                "tender-tampered", _("The sealed bids differ from the audit chain"),
                where=", ".join(one.party for one in differences[:5]), fix=_("Call the auditor"),
            )  # fmt: skip
        file = inputs(tender)
        made = conclude(file)
        file |= made.published()
        _store(tender, made, starts, notes)
        tender.state, tender.decided_at, tender.published = Tender.State.DECIDED, now, file
        tender.save(update_fields=["state", "decided_at", "published"])
        notes.add("decide", tender, file=fingerprint(file), root=round.root)
    return tender


def _store(tender: Tender, made: Concluded, starts: date, notes: Notes) -> None:
    groups = {group.code: group for group in tender.groups.all()}
    suppliers = {one.supplier.code: one.supplier for one in tender.bidders.select_related("supplier")}
    for row in made.published()["decisions"]:
        TenderDecision.objects.create(
            group=groups[row["group"]], supplier=suppliers[row["supplier"]], reason=row["reason"],
            rank=row["rank"], comparable=row["comparable"] or "", limit=row["limit"] or "",
            kept_by=row["kept_by"], tie=row["tie"], unmet=row["unmet"],
        )  # fmt: skip
        notes.add(
            "decide-bid", tender, group=row["group"], supplier=row["supplier"], reason=row["reason"],
            rank=row["rank"], comparable=row["comparable"],
        )  # fmt: skip
    for result in made.results:
        _contracts(groups[result.group.code], result, suppliers, starts)


def _contracts(group: TenderGroup, result: GroupResult, suppliers: dict[str, Supplier], starts: date) -> None:
    offers = {bid.supplier: bid for bid in result.bids}
    institutions = dict(group.demand.values_list("institution__code", "institution_id"))
    for region in result.regions:
        if not region.main:
            continue
        offer = offers[region.main]
        contract = SupplyContract.objects.create(
            group=group, supplier=suppliers[region.main], second=suppliers.get(region.second),
            region=region.region, strength=str(offer.strength), pack=offer.pack, price=offer.price,
            starts=starts, ends=_years_later(starts, result.outcome.years),
        )  # fmt: skip
        lines: Sequence[ContractLine] = [
            ContractLine(
                contract=contract,
                institution_id=institutions[one.institution],
                base=one.base,
                units=one.agreed,
            )
            for one in result.agreed
            if one.region == region.region
        ]
        ContractLine.objects.bulk_create(lines)


def _years_later(day: date, years: int) -> date:
    """Return the same day years later; 29 February becomes 28 February."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return day.replace(year=day.year + years, day=28)
