"""A tender made, its groups stated, announced with fixed rules and times, or cancelled."""

from __future__ import annotations

import base64
from datetime import date, datetime

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from salus.insurance.models import Tender, TenderGroup
from salus.insurance.services.procurement.common import code_of, in_state, locked, may_run, written
from salus.insurance.tender import Strength, load_rulesets
from salus.insurance.tender.custody import fingerprint
from salus.insurance.tender.publication import plain
from salus.insurance.tender.sealing import PURPOSE
from salus.kernel.commit_reveal import rounds
from salus.kernel.errors import Conflict, Invalid
from salus.kernel.policy import Principal

_MOST = 10**12


def create_tender(
    principal: Principal,
    *,
    code: str,
    name: str,
    ruleset: str,
    demand_until: date,
    now: datetime,
    name_en: str = "",
) -> Tender:
    """Make a tender for which institutions report demand until a day.

    Raises:
        NotAllowed: the principal runs no tenders.
        Invalid: the code is none, the name is empty, or there is no such rule set.
        Conflict: there is a tender of this code.
    """
    may_run(principal, "create")
    code = code_of(code, "code")
    if not name.strip():
        raise Invalid("tender-name", _("A tender needs a name"), where="name")
    if ruleset not in load_rulesets():
        raise Invalid("rules-unknown", _("There is no such rule set"), where="ruleset")
    with written(principal) as notes:
        if Tender.objects.filter(code=code).exists():
            raise Conflict("tender-exists", _("There is a tender of this code already"), where=code)
        try:
            with transaction.atomic():
                tender = Tender.objects.create(
                    code=code, name=name.strip(), name_en=name_en.strip(), ruleset=ruleset,
                    demand_until=demand_until, made_by_id=principal.account_id, made_at=now,
                )  # fmt: skip
        except IntegrityError:  # somebody made it just now
            raise Conflict("tender-exists", _("There is a tender of this code already"), where=code) from None
        notes.add("create", tender, ruleset=ruleset)
    return tender


def add_group(
    principal: Principal,
    tender: Tender,
    *,
    code: str,
    molecule: str,
    form: str,
    reference: str,
    pack: int,
    ceiling: int | None,
    old_price: int | None,
    molecule_en: str = "",
    atc: str = "",
) -> TenderGroup:
    """State a group before the announcement; prices are fen for the reference pack.

    Raises:
        NotAllowed, Conflict: as for every command; the group exists already.
        Invalid: the strength is none, or a number is out of range.
    """
    may_run(principal)
    code = code_of(code, "group")
    strength = str(Strength.parse(reference))
    if not molecule.strip() or not form.strip():
        raise Invalid("group-name", _("A group needs its molecule and form"), where="molecule")
    if not 0 < pack <= 100_000:
        raise Invalid("group-pack", _("A pack holds 1 to 100,000 units"), where="pack")
    if any(price is not None and not 0 < price <= _MOST for price in (ceiling, old_price)):
        raise Invalid("group-price", _("A price is over zero"), where="ceiling")
    with written(principal) as notes:
        tender = locked(tender)
        in_state(tender, Tender.State.DRAFT)
        try:
            with transaction.atomic():
                group = TenderGroup.objects.create(
                    tender=tender, code=code, molecule=molecule.strip(), molecule_en=molecule_en.strip(),
                    atc=atc.strip(), form=form.strip(), reference=strength, pack=pack, ceiling=ceiling,
                    old_price=old_price,
                )  # fmt: skip
        except IntegrityError:
            raise Conflict("group-exists", _("The tender has this group already"), where=code) from None
        notes.add("update", tender, group=code, added=True)
    return group


def remove_group(principal: Principal, group: TenderGroup) -> None:
    """Take a group without reported demand out of a tender before its announcement; raises Conflict else."""
    may_run(principal)
    with written(principal) as notes:
        tender = locked(group.tender)
        in_state(tender, Tender.State.DRAFT)
        if group.demand.exists():
            raise Conflict(
                "group-demand", _("Institutions have reported demand for this group"), where=group.code
            )
        notes.add("update", tender, group=group.code, removed=True)
        group.delete()


def announce(
    principal: Principal,
    tender: Tender,
    *,
    commit_until: datetime,
    reveal_until: datetime,
    now: datetime,
    public_key: str = "",
) -> Tender:
    """Announce a tender: rules, groups, demand and times are fixed; sealed bids are taken from now on.

    Args:
        principal: who runs the tender.
        tender: with at least one group for which demand was reported.
        commit_until: the deadline for sealed bids.
        reveal_until: the end of the opening.
        now: the instant of the announcement.
        public_key: of the custodians, from `salus insurance tender keys`; empty without custodians.

    Raises:
        NotAllowed, Conflict: as for every command; nothing was reported.
        Invalid: the times are not in order, or the key is none.
    """
    may_run(principal)
    public_key = public_key.strip()
    if public_key:
        _check_key(public_key)
    with written(principal) as notes:
        tender = locked(tender)
        in_state(tender, Tender.State.DRAFT)
        silent = [group.code for group in tender.groups.all() if not group.demand.exists()]
        if silent or not tender.groups.exists():
            raise Conflict(
                "tender-no-demand", _("A group has no reported demand"), where=", ".join(silent),
                fix=_("Wait for reports, or take the group out"),
            )  # fmt: skip
        tender.round = rounds.open_round(
            f"{PURPOSE}:{tender.code}", PURPOSE, opened_at=now, commit_until=commit_until,
            reveal_until=reveal_until, account_id=principal.account_id,
        )  # fmt: skip
        tender.rules = plain(load_rulesets()[tender.ruleset].table)
        tender.announced_on = timezone.localdate(now)
        tender.public_key = public_key
        tender.state = Tender.State.ANNOUNCED
        tender.save()
        notes.add(
            "announce", tender, commit_until=commit_until.isoformat(), reveal_until=reveal_until.isoformat(),
            ruleset=tender.ruleset, key=fingerprint(public_key) if public_key else "",
        )  # fmt: skip
    return tender


def _check_key(text: str) -> None:
    try:
        sound = len(base64.b64decode(text, validate=True)) == 32
    except ValueError:
        sound = False
    if not sound:
        raise Invalid("custody-key", _("This is no public key of a tender"), where="public_key")


def cancel(principal: Principal, tender: Tender, reason: str) -> Tender:
    """Cancel a tender that is not decided, with the reason; its sealed bids stay as they are and closed.

    Raises:
        NotAllowed, Conflict: as for every command.
        Invalid: the reason is missing.
    """
    may_run(principal, "decide")
    if not reason.strip():
        raise Invalid("tender-reason", _("A reason must be given"), where="reason")
    with written(principal) as notes:
        tender = locked(tender)
        in_state(tender, Tender.State.DRAFT, Tender.State.ANNOUNCED)
        tender.state, tender.reason = Tender.State.CANCELLED, reason.strip()[:200]
        tender.save(update_fields=["state", "reason"])
        notes.add("cancel", tender)
    return tender
