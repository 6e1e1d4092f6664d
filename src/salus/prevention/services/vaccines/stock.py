"""Moves of vaccine: received, given first to expire first, lost, passed on; each counts once and adds up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from uuid import UUID, uuid5

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from salus.kernel import audit, notifications, policy
from salus.kernel.errors import Conflict, Invalid, NotFound
from salus.kernel.jobs import periodic
from salus.kernel.models import Institution
from salus.kernel.policy import Principal
from salus.prevention.models import Fridge, Holding, MoveKind, ServiceGiven, StockMove, VaccineBatch
from salus.prevention.queries.maternal import rules
from salus.prevention.queries.programme import seeing
from salus.prevention.queries.vaccines import stock as reading
from salus.prevention.services.programme import giving


@dataclass(frozen=True, slots=True)
class Receipt:
    """What came: of which batch, into which fridge, how many doses."""

    key: UUID
    product: str
    number: str
    maker: str
    expires_on: date
    fridge: str
    quantity: int
    day: date


class NotUsable(Conflict):
    """A dose must not be given from a batch: `code` says why (`batch-expired`, …)."""

    def __init__(self, why: str) -> None:
        """Say why."""
        super().__init__(
            f"batch-{why}", reading.NOT_USABLE[why], fix=_("Take another batch"), where="holding"
        )


def receive(principal: Principal, institution: Institution, asked: Receipt, *, now: datetime) -> Holding:
    """Enter doses that a clinic received.

    Raises:
        NotAllowed: the principal may not enter it there.
        Invalid: a value breaks a rule; `where` names it.
        Conflict: the batch is recalled, or is known with another day of expiry.
    """
    policy.require(principal, "create", reading.target(institution))
    today = timezone.localdate(now)
    rule = rules.table("vaccine_products", today).get(asked.product)
    if rule is None:
        raise Invalid("vaccine-product", _("There is no such vaccine"), where="product")
    if asked.quantity < 1:
        raise Invalid("vaccine-quantity", _("At least one dose moves"), where="quantity")
    if asked.day > today:
        raise Invalid("vaccine-day", _("The day lies in the future"), where="day")
    if asked.expires_on < asked.day:
        raise Invalid("vaccine-expired", _("The batch has expired"), where="expires_on")
    if not asked.number.strip() or not asked.maker.strip():
        raise Invalid("vaccine-batch", _("The batch has a number and a maker"), where="number")
    with transaction.atomic(), connection.cursor() as cursor:
        known = StockMove.objects.select_related("holding").filter(key=asked.key).first()
        if known is not None:
            return known.holding
        batch, _made = VaccineBatch.objects.get_or_create(
            product=asked.product, number=asked.number.strip()[:40], maker=asked.maker.strip()[:120],
            defaults={"expires_on": asked.expires_on},
        )  # fmt: skip
        if batch.expires_on != asked.expires_on:
            raise Conflict(
                "batch-expiry", _("The batch is known with another day of expiry"), where="expires_on"
            )
        if batch.recalled_at is not None:
            raise NotUsable("recalled")
        fridge = fridge_of(institution, asked.fridge, asked.product, today)
        held = _holding(batch, institution, fridge)
        _move(held, MoveKind.RECEIPT, asked.quantity, asked.day, principal, now=now, key=asked.key)
        intent = audit.intend(cursor, [_kept(principal, held, "receipt", asked.quantity)])
    audit.settle(intent)
    return held


def give(
    principal: Principal, number: int, asked: giving.Giving, *, now: datetime, holding: int | None = None
) -> giving.Given:
    """Enter a dose and take it from the asker's clinic: of what may be given the first to expire.

    Args:
        principal: who vaccinates.
        number: the resident's registration for immunisation.
        asked: the dose, as `giving.give` takes it.
        now: the present.
        holding: the holding to take it from, where another than the first to expire was used.

    Raises:
        NotUsable: the batch has expired, is in quarantine, recalled or used up.
        Conflict: the clinic has no dose that may be given.
        NotFound: there is no such registration or holding.
    """
    entry = seeing.open_entry(principal, number, "update")
    known = ServiceGiven.objects.filter(key=asked.key).first()
    if known is not None:
        return giving.give(principal, number, asked, now=now)
    clinic = _clinic(principal, entry.institution_id)
    settle_undone()
    with transaction.atomic(), connection.cursor() as cursor:
        if holding is not None:
            held = Holding.objects.select_related("batch").filter(pk=holding, institution=clinic).first()
            if held is None or held.batch.product != asked.product:
                raise NotFound("holding-unknown", _("The clinic has no such batch"), where=str(holding))
        else:
            first = reading.first_to_give(clinic, asked.product, asked.day)
            if first is None:
                raise Conflict(
                    "vaccine-none", _("The clinic has no dose of this vaccine that may be given"),
                    where="product", fix=_("Receive vaccine, or release what is in quarantine"),
                )  # fmt: skip
            held = first
        held = _locked(held.pk)
        if why := reading.why_not(held, asked.day):
            raise NotUsable(why)
        values = {**asked.values, "batch": held.batch.number, "maker": held.batch.maker}
        made = giving.give(principal, number, replace(asked, values=values), now=now)
        _move(
            held, MoveKind.DOSE, -1, asked.day, principal, now=now, key=uuid5(asked.key, "dose"),
            given=made.row,
        )  # fmt: skip
        intent = audit.intend(cursor, [_kept(principal, held, "dose", -1)])
    audit.settle(intent)
    return made


def lose(
    principal: Principal, number: int, quantity: int, reason: str, day: date, *, key: UUID, now: datetime
) -> StockMove:
    """Enter doses that were lost: broken, expired, spoilt.

    Raises:
        NotFound: there is no such holding, or the principal may not change it.
        Invalid: fewer are left, or no reason is given.
    """
    held = _mine(principal, number, "update")
    if not reason.strip():
        raise Invalid("loss-reason", _("Say how the doses were lost"), where="reason")
    _counted(quantity, day, now)
    with transaction.atomic(), connection.cursor() as cursor:
        known = StockMove.objects.filter(key=key).first()
        if known is not None:
            return known
        held = _locked(number)
        made = _move(held, MoveKind.LOSS, -quantity, day, principal, now=now, key=key, reason=reason)
        intent = audit.intend(cursor, [_kept(principal, held, "loss", -quantity)])
    audit.settle(intent)
    return made


def transfer(
    principal: Principal, number: int, to: Institution, fridge: str, quantity: int, day: date, *, key: UUID,
    now: datetime,
) -> Holding:  # fmt: skip
    """Pass doses on to another clinic, which has them at once.

    Raises:
        NotFound: there is no such holding, or the principal may not change it.
        NotUsable: the batch may not be given, so it may not be passed on.
        Invalid: fewer are left, or it is the same fridge.
    """
    held = _mine(principal, number, "update")
    _counted(quantity, day, now)
    with transaction.atomic(), connection.cursor() as cursor:
        known = StockMove.objects.select_related("other").filter(key=key).first()
        if known is not None and known.other is not None:
            return known.other
        its = fridge_of(to, fridge, held.batch.product, timezone.localdate(now))
        if its.pk == held.fridge_id:
            raise Invalid("transfer-same", _("The doses are there already"), where="to")
        there = _holding(held.batch, to, its)
        for pk in sorted((held.pk, there.pk)):
            _locked(pk)
        held, there = _locked(held.pk), _locked(there.pk)
        if why := reading.why_not(held, day):
            raise NotUsable(why)
        if there.quarantined_at is not None:
            raise Conflict("transfer-quarantine", _("The batch is in quarantine there"), where="to")
        _move(held, MoveKind.OUT, -quantity, day, principal, now=now, key=key, other=there)
        _move(there, MoveKind.IN, quantity, day, principal, now=now, key=uuid5(key, "in"), other=held)
        intent = audit.intend(cursor, [_kept(principal, held, "transfer", -quantity)])
    audit.settle(intent)
    return there


def take_back(principal: Principal, number: int, *, now: datetime) -> ServiceGiven:
    """Take a dose entered by mistake back; it is on the shelf again. Raises as `giving.take_back`."""
    row = giving.take_back(principal, number, now=now)
    settle_undone()
    return row


def settle_undone() -> int:
    """Put doses whose entry was taken back on the shelf, and take those entered again; return how many."""
    done = 0
    for undone in (True, False):
        moves = StockMove.objects.filter(kind=MoveKind.DOSE)
        rows = moves.filter(returned=not undone, given__undone_at__isnull=not undone)
        for number in list(rows.order_by("pk").values_list("pk", flat=True)):
            with transaction.atomic():
                move = StockMove.objects.get(pk=number)
                held = _locked(move.holding_id)
                move.refresh_from_db()
                if move.returned == undone or (not undone and held.left < 1):
                    continue
                move.returned = undone
                move.save(update_fields=["returned"])
                change = 1 if undone else -1
                backs = StockMove.objects.filter(given=move.given_id, kind=MoveKind.BACK).count()
                StockMove.objects.create(
                    key=uuid5(move.key, f"back-{backs}"), holding=held, kind=MoveKind.BACK, change=change,
                    day=move.day, given_id=move.given_id, by=move.by, at=move.at,
                )  # fmt: skip
                held.left += change
                held.save(update_fields=["left"])
                done += 1
    return done


def fridge_of(institution: Institution, name: str, product: str, day: date) -> Fridge:
    """Return an institution's fridge by name; made with the vaccine's temperatures when it is new."""
    label = name.strip()[:60] or "1"
    held = Fridge.objects.filter(institution=institution, name=label).first()
    if held is not None:
        return held
    rule: Mapping[str, str] = rules.table("vaccine_products", day)[product].row
    return Fridge.objects.create(
        institution=institution, name=label, low=float(rule["low"]), high=float(rule["high"])
    )


def destroy(held: Holding, principal: Principal, reason: str, *, key: UUID, now: datetime) -> None:
    """Write off all that is left of a holding, in the caller's transaction."""
    held = _locked(held.pk)
    if held.left:
        day = timezone.localdate(now)
        _move(held, MoveKind.LOSS, -held.left, day, principal, now=now, key=key, reason=reason)


def _move(
    held: Holding, kind: str, change: int, day: date, principal: Principal, *, now: datetime, key: UUID,
    reason: str = "", given: ServiceGiven | None = None, other: Holding | None = None,
) -> StockMove:  # fmt: skip
    if held.left + change < 0:
        raise Invalid(
            "stock-short", _("Fewer doses are left than that"), where="quantity",
            fix=_("Count what is left and enter it"),
        )  # fmt: skip
    held.left += change
    held.save(update_fields=["left"])
    return StockMove.objects.create(
        key=key, holding=held, kind=kind, change=change, day=day, reason=reason.strip()[:200], given=given,
        other=other, by=principal.name[:150], at=now,
    )  # fmt: skip


def _holding(batch: VaccineBatch, institution: Institution, fridge: Fridge) -> Holding:
    held, made = Holding.objects.get_or_create(
        batch=batch, fridge=fridge, defaults={"institution": institution}
    )
    if made and fridge.excursions.filter(ended=None).exists():
        held.quarantined_at, held.quarantine = timezone.now(), "cold-chain"
        held.save(update_fields=["quarantined_at", "quarantine"])
    return _locked(held.pk)


def _locked(number: int) -> Holding:
    query = Holding.objects.select_related("batch", "institution").filter(pk=number)
    return (query.select_for_update(of=("self",)) if connection.vendor == "postgresql" else query).get()


def _mine(principal: Principal, number: int, action: str) -> Holding:
    held = Holding.objects.select_related("batch", "institution").filter(pk=number).first()
    if held is None or not policy.decide(principal, action, reading.target(held.institution)).allowed:
        raise NotFound("holding-unknown", _("The clinic has no such batch"), where=str(number))
    return held


def _counted(quantity: int, day: date, now: datetime) -> None:
    if quantity < 1:
        raise Invalid("vaccine-quantity", _("At least one dose moves"), where="quantity")
    if day > timezone.localdate(now):
        raise Invalid("vaccine-day", _("The day lies in the future"), where="day")


def _clinic(principal: Principal, of_entry: int | None) -> int:
    """Return the clinic that vaccinates: the asker's own, or the resident's where the asker has several."""
    own = principal.institution_ids
    if of_entry is not None and (of_entry in own or not own):
        return of_entry
    if len(own) == 1:
        return next(iter(own))
    raise Conflict("vaccine-clinic", _("It is not clear which clinic vaccinates"), where="product")


def _kept(principal: Principal, held: Holding, kind: str, change: int) -> audit.AuditEntry:
    return audit.entry(
        principal, "update", resource_type="VaccineHolding", resource_id=str(held.pk),
        detail={"kind": kind, "change": change},
    )  # fmt: skip


@periodic(every=600, name="prevention.vaccine-undone")
def keep_up() -> None:
    """Put doses that were taken back elsewhere on the shelf again."""
    settle_undone()


def alert(*, now: datetime) -> int:
    """Tell each clinic once a day what runs short or expires soon; return how many were told."""
    today, told = timezone.localdate(now), 0
    clinics = Institution.objects.filter(pk__in=Holding.objects.values("institution")).order_by("pk")
    for clinic in clinics:
        lines = reading.lines(clinic, today)
        kept = set(Holding.objects.filter(institution=clinic).values_list("batch__product", flat=True))
        short = sum(one.short for one in lines if one.product in kept)
        soon = sum(one.soon for one in lines)
        if short or soon:
            told += notifications.notify_role(
                "village_doctor", "prevention",
                _("Vaccines: %(short)s run short, %(soon)s doses expire soon"),
                {"short": short, "soon": soon},
                institution_id=clinic.pk, link=f"/prevention/vaccines/?place={clinic.pk}",
                key=f"prevention.vaccine-short:{clinic.pk}:{today.isoformat()}",
            )  # fmt: skip
    return told


@periodic(every=timedelta(days=1), name="prevention.vaccine-alert")
def every_morning() -> None:
    """Tell clinics what runs short."""
    alert(now=timezone.now())
