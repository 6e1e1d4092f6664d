"""Lists of prices: drafted, published from a day on, withdrawn before that day, rolled back by a new list."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Max
from django.utils.translation import gettext_noop as _

from salus.insurance.models import (
    PriceBasis,
    PriceList,
    PriceListItem,
    PriceListState,
    PriceStudy,
    StudyState,
)
from salus.insurance.services import locking
from salus.kernel import audit, policy
from salus.kernel.errors import Conflict, Invalid
from salus.kernel.policy import Principal, Target

_BATCH = 500


def draft_from_basis(principal: Principal, basis: PriceBasis, *, title: str, now: datetime) -> PriceList:
    """Draft a list of a basis's present prices: how a city's first list comes in.

    Raises:
        NotAllowed: the principal may not.
        Invalid: there is no title.
    """
    rows = basis.rows.order_by("place").values_list("code", "tier", "name", "department", "price")
    return _draft(principal, title, now, {(row[0], row[1]): row for row in rows})


def draft_from_study(principal: Principal, study: PriceStudy, *, title: str, now: datetime) -> PriceList:
    """Draft a list of a study's new prices; what it does not speak of keeps the price of the newest list.

    Raises:
        NotAllowed: the principal may not.
        Invalid: there is no title.
        Conflict: the study has no answer.
    """
    if study.state != StudyState.DONE:
        raise Conflict("price-study-open", _("The study has no answer"))
    rows = study.moves.order_by("code", "tier").values_list("code", "tier", "name", "department", "new")
    return _draft(principal, title, now, {(row[0], row[1]): row for row in rows}, study=study)


def publish(
    principal: Principal, one: PriceList, *, effective_from: date, today: date, now: datetime
) -> PriceList:
    """Publish a draft from a day to come; the city's very first list may begin in the past.

    Raises:
        NotAllowed: the principal may not.
        Conflict: it is no draft, another list was published since it was drafted, or one begins later.
        Invalid: the day is not to come.
    """
    policy.require(principal, "publish", Target("service_price"))
    with transaction.atomic(), connection.cursor() as cursor:
        locking.alone(cursor, "price-lists")
        one = _locked(one, PriceListState.DRAFT)
        newest = _newest()
        if (newest.pk if newest else None) != one.based_on_id:
            raise Conflict(
                "price-list-stale",
                _("Another list was published since this one was drafted"),
                fix=_("Draft it anew"),
            )
        _begins(effective_from, today, newest)
        _decide(one, PriceListState.PUBLISHED, principal, now, effective_from=effective_from)
        intent = audit.intend(cursor, [_entry(principal, "publish", one)])
    audit.settle(intent)
    return one


def withdraw(principal: Principal, one: PriceList, *, reason: str, today: date, now: datetime) -> PriceList:
    """Withdraw a published list before its first day; afterwards only a roll-back helps.

    Raises:
        NotAllowed: the principal may not.
        Invalid: there is no reason.
        Conflict: it is not published, or in force already.
    """
    policy.require(principal, "publish", Target("service_price"))
    reason = _reason(reason)
    with transaction.atomic(), connection.cursor() as cursor:
        locking.alone(cursor, "price-lists")
        one = _locked(one, PriceListState.PUBLISHED)
        if one.effective_from is None or one.effective_from <= today:
            raise Conflict("price-list-in-force", _("The list is in force already"), fix=_("Roll it back"))
        _decide(one, PriceListState.WITHDRAWN, principal, now, reason=reason)
        intent = audit.intend(cursor, [_entry(principal, "withdraw", one)])
    audit.settle(intent)
    return one


def roll_back(
    principal: Principal, to: PriceList, *, effective_from: date, reason: str, today: date, now: datetime
) -> PriceList:
    """Publish a new list with the prices of an earlier published one; nothing that was is changed.

    Raises:
        NotAllowed: the principal may not.
        Invalid: there is no reason, or the day is not to come.
        Conflict: that list was never published, is the newest already, or a list begins later.
    """
    policy.require(principal, "publish", Target("service_price"))
    reason = _reason(reason)
    with transaction.atomic(), connection.cursor() as cursor:
        locking.alone(cursor, "price-lists")
        to = _locked(to, PriceListState.PUBLISHED)
        newest = _newest()
        if newest is None or newest.pk == to.pk:
            raise Conflict("price-list-newest", _("This list is the newest already"))
        _begins(effective_from, today, newest)
        made = PriceList.objects.create(
            number=_number(), title=to.title, based_on=newest, restores=to, made_at=now,
            made_by=principal.name,
            state=PriceListState.PUBLISHED, effective_from=effective_from, decided_at=now,
            decided_by=principal.name, reason=reason,
        )  # fmt: skip
        columns = ("item", "tier", "name", "department", "price")
        _write(made, to.items.order_by("item", "tier").values_list(*columns))
        intent = audit.intend(cursor, [_entry(principal, "publish", made, restores=to.number)])
    audit.settle(intent)
    return made


def discard(principal: Principal, one: PriceList, *, now: datetime) -> PriceList:
    """Discard a draft; it stays in the history.

    Raises:
        NotAllowed: the principal may not.
        Conflict: it is no draft.
    """
    policy.require(principal, "update", Target("service_price"))
    with transaction.atomic(), connection.cursor() as cursor:
        locking.alone(cursor, "price-lists")
        one = _locked(one, PriceListState.DRAFT)
        _decide(one, PriceListState.DISCARDED, principal, now)
        intent = audit.intend(cursor, [_entry(principal, "update", one)])
    audit.settle(intent)
    return one


Row = tuple[str, str, str, str, int]


def _draft(
    principal: Principal, title: str, now: datetime, rows: dict[tuple[str, str], Row],
    study: PriceStudy | None = None,
) -> PriceList:  # fmt: skip
    policy.require(principal, "create", Target("service_price"))
    if not (title := title.strip()):
        raise Invalid("price-title", _("Give it a title"), where="title")
    with transaction.atomic(), connection.cursor() as cursor:
        locking.alone(cursor, "price-lists")
        newest = _newest()
        if newest is not None:
            columns = ("item", "tier", "name", "department", "price")
            rows = {(row[0], row[1]): row for row in newest.items.values_list(*columns)} | rows
        made = PriceList.objects.create(
            number=_number(),
            title=title[:200],
            based_on=newest,
            study=study,
            made_at=now,
            made_by=principal.name,
        )
        _write(made, (rows[key] for key in sorted(rows)))
        intent = audit.intend(cursor, [_entry(principal, "create", made)])
    audit.settle(intent)
    return made


def _write(made: PriceList, rows: Iterable[Row]) -> None:
    PriceListItem.objects.bulk_create(
        [
            PriceListItem(list=made, item=item, tier=tier, name=name, department=department, price=price)
            for item, tier, name, department, price in rows
        ],
        batch_size=_BATCH,
    )


def _newest() -> PriceList | None:
    """Return the published list with the latest first day."""
    published = PriceList.objects.select_for_update().filter(state=PriceListState.PUBLISHED)
    return published.order_by("-effective_from").first()


def _number() -> int:
    return (PriceList.objects.aggregate(last=Max("number"))["last"] or 0) + 1


def _locked(one: PriceList, state: PriceListState) -> PriceList:
    found = PriceList.objects.select_for_update().get(pk=one.pk)
    if found.state != state:
        raise Conflict("price-list-state", _("The list is in another state by now"), where=found.state)
    return found


def _begins(day: date, today: date, newest: PriceList | None) -> None:
    if newest is None:
        return
    if day <= today:
        raise Invalid("price-list-day", _("The first day must be to come"), where="effective_from")
    if newest.effective_from is not None and day <= newest.effective_from:
        raise Conflict(
            "price-list-later", _("A published list begins on that day or later"),
            where=newest.effective_from.isoformat(), fix=_("Take a later day, or withdraw that list"),
        )  # fmt: skip


def _reason(reason: str) -> str:
    if not (reason := reason.strip()):
        raise Invalid("price-reason", _("Say why"), where="reason")
    return reason[:500]


def _decide(
    one: PriceList, state: PriceListState, principal: Principal, now: datetime, **changes: Any
) -> None:
    one.state, one.decided_at, one.decided_by = state, now, principal.name
    for name, value in changes.items():
        setattr(one, name, value)
    one.save(update_fields=["state", "decided_at", "decided_by", *changes])


def _entry(principal: Principal, action: str, one: PriceList, **detail: Any) -> audit.AuditEntry:
    known = {"number": one.number, "state": str(one.state)} | detail
    if one.effective_from is not None:
        known["effective_from"] = one.effective_from.isoformat()
    return audit.entry(
        principal, action, resource_type="PriceList", resource_id=str(one.number), detail=known
    )
