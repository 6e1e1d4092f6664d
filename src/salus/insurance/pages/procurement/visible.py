"""Which institutions' demand and supply a reader sees, and for which she may report; the policy decides."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.db.models import Q, QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404

from salus.insurance.models import Mandate, Tender
from salus.kernel import policy
from salus.kernel.models import Institution
from salus.kernel.policy import Principal, Target


def tender_of(code: str) -> Tender:
    """Return the tender of a code; raises Http404."""
    return get_object_or_404(Tender.objects.select_related("round"), code=code)


def allowed(principal: Principal, action: str, kind: str, institution: int | None = None) -> bool:
    """Say whether the policy allows an action on something of an institution."""
    return policy.decide(principal, action, Target(kind, institution_id=institution)).allowed


def own(principal: Principal, action: str, kind: str) -> set[int] | None:
    """Return the institutions on whose things an action is allowed; None for all."""
    if allowed(principal, action, kind):
        return None
    return {number for number in principal.institution_ids if allowed(principal, action, kind, number)}


def narrowed(rows: QuerySet[Any], principal: Principal, kind: str, path: str) -> QuerySet[Any]:
    """Return the rows that a reader sees: of all institutions, her own, or those that gave hers a mandate."""
    mine = own(principal, "read", kind)
    if mine is None:
        return rows
    if not mine and not policy.permits(principal, "read", kind):
        raise Http404
    query = Q(**{f"{path}__in": mine})
    if kind == "tender_demand":
        query |= Q(mandate__agent__in=mine)
    return rows.filter(query)


def reporting(principal: Principal, on: date) -> QuerySet[Institution]:
    """Return the institutions for which a reader may report demand on a day."""
    active = Institution.objects.filter(active=True).order_by("code")
    mine = own(principal, "create", "tender_demand")
    if mine is None:
        return active
    mandated = (
        Mandate.objects.filter(agent__in=mine, valid_from__lte=on)
        .filter(Q(valid_to=None) | Q(valid_to__gte=on))
        .values("institution_id")
    )
    return active.filter(Q(pk__in=mine) | Q(pk__in=mandated))


def mandating(principal: Principal) -> QuerySet[Institution]:
    """Return the institutions whose mandates a reader may record: her own, or all for who runs tenders."""
    active = Institution.objects.filter(active=True).order_by("code")
    mine = own(principal, "create", "tender_demand")
    return active if mine is None else active.filter(pk__in=mine)
