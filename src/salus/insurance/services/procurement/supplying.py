"""What institutions ordered, were delivered and used under a contract; taken back by a reversing row."""

from __future__ import annotations

from datetime import date, datetime

from django.utils import timezone
from django.utils.translation import gettext_noop as _

from salus.insurance.models import ContractLine, Supply
from salus.insurance.services.procurement.common import locked, written
from salus.kernel.errors import Conflict, Invalid
from salus.kernel.policy import Principal, Target, require


def record_supply(
    principal: Principal, line: ContractLine, kind: str, *, on: date, units: int, now: datetime
) -> Supply:
    """Enter what an institution ordered, was delivered, used, or used of another product instead.

    Raises:
        NotAllowed: the institution is not the principal's.
        Invalid: no such kind, no volume, or a day outside the contract or to come.
    """
    require(principal, "create", Target("tender_supply", institution_id=line.institution_id))
    if kind not in Supply.Kind.values:
        raise Invalid("supply-kind", _("There is no such kind of supply"), where="kind")
    if not 0 < units <= 10**12:
        raise Invalid("supply-units", _("A volume is a whole number over zero"), where="units")
    if not line.contract.starts <= on < line.contract.ends or on > timezone.localdate(now):
        raise Invalid("supply-day", _("The day is outside the contract, or to come"), where="on")
    with written(principal) as notes:
        tender = locked(line.contract.group.tender)
        made = Supply.objects.create(
            line=line, kind=kind, on=on, units=units, entered_by_id=principal.account_id, entered_at=now
        )
        notes.add("supply", tender, line=line.pk, kind=kind, units=units, on=on.isoformat())
    return made


def take_back(principal: Principal, supply: Supply, *, now: datetime) -> Supply:
    """Take an entry back by one that reverses it; both stay. Raises NotAllowed, Conflict."""
    require(principal, "update", Target("tender_supply", institution_id=supply.line.institution_id))
    with written(principal) as notes:
        tender = locked(supply.line.contract.group.tender)
        if supply.reverses_id is not None or Supply.objects.filter(reverses=supply).exists():
            raise Conflict("supply-reversed", _("This entry was taken back already"))
        made = Supply.objects.create(
            line=supply.line, kind=supply.kind, on=supply.on, units=-supply.units, reverses=supply,
            entered_by_id=principal.account_id, entered_at=now,
        )  # fmt: skip
        notes.add("supply-reverse", tender, line=supply.line_id, supply=supply.pk)
    return made
