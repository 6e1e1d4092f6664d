"""Demand: reported by an institution for itself, or by a purchasing organisation under a mandate."""

from __future__ import annotations

from datetime import date, datetime

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from salus.insurance.models import Demand, Mandate, Tender, TenderGroup
from salus.insurance.services.procurement.common import in_state, locked, written
from salus.insurance.tender import Strength
from salus.insurance.tender.units import reference_units
from salus.kernel import audit
from salus.kernel.errors import Conflict, Invalid
from salus.kernel.models import Institution
from salus.kernel.policy import Principal, Target, require
from salus.kernel.policy import decide as allowed


def give_mandate(
    principal: Principal,
    *,
    agent: Institution,
    institution: Institution,
    document: str,
    valid_from: date,
    valid_to: date | None = None,
) -> Mandate:
    """Record that a purchasing organisation may act for an institution, by a signed document.

    The mandating institution's manager records it, or who runs tenders.

    Raises:
        NotAllowed: neither of the two.
        Invalid: no document, an institution mandates itself, or the days are crossed.
        Conflict: there is such a mandate from that day.
    """
    require(principal, "create", Target("tender_demand", institution_id=institution.pk))
    if not document.strip():
        raise Invalid("mandate-document", _("A mandate names its document"), where="document")
    if agent.pk == institution.pk:
        raise Invalid("mandate-self", _("An institution needs no mandate for itself"), where="agent")
    if valid_to is not None and valid_to < valid_from:
        raise Invalid("mandate-days", _("The mandate ends before it begins"), where="valid_to")
    with transaction.atomic():
        try:
            with transaction.atomic():
                mandate = Mandate.objects.create(
                    agent=agent, institution=institution, document=document.strip()[:80],
                    valid_from=valid_from, valid_to=valid_to,
                )  # fmt: skip
        except IntegrityError:
            raise Conflict("mandate-exists", _("There is such a mandate from that day")) from None
        intent = _intend(principal, "create", mandate)
    audit.settle(intent)
    return mandate


def end_mandate(principal: Principal, mandate: Mandate, *, on: date) -> Mandate:
    """End a mandate with a day; what was reported under it stays. Raises NotAllowed, Invalid."""
    require(principal, "update", Target("tender_demand", institution_id=mandate.institution_id))
    if on < mandate.valid_from:
        raise Invalid("mandate-days", _("The mandate ends before it begins"), where="valid_to")
    with transaction.atomic():
        mandate.valid_to = on
        mandate.save(update_fields=["valid_to"])
        intent = _intend(principal, "update", mandate)
    audit.settle(intent)
    return mandate


def _intend(principal: Principal, action: str, mandate: Mandate) -> audit.Intent:
    detail = {"agent": mandate.agent_id, "institution": mandate.institution_id}
    entry = audit.entry(
        principal, action, resource_type="Mandate", resource_id=str(mandate.pk), detail=detail
    )
    with transaction.get_connection().cursor() as cursor:
        return audit.intend(cursor, [entry])


def mandate_for(principal: Principal, institution: Institution, on: date) -> Mandate | None:
    """Return the mandate by which the principal may report for an institution on a day, if there is one."""
    held = (
        Mandate.objects.filter(
            institution=institution, agent__in=principal.institution_ids, valid_from__lte=on
        )
        .filter(Q(valid_to=None) | Q(valid_to__gte=on))
        .order_by("pk")
    )
    return next(
        (
            one
            for one in held
            if allowed(principal, "create", Target("tender_demand", institution_id=one.agent_id)).allowed
        ),
        None,
    )


def report_demand(
    principal: Principal,
    group: TenderGroup,
    institution: Institution,
    *,
    strength: str,
    pack: int,
    packs: int,
    now: datetime,
) -> int:
    """Report what an institution needs in a year of one strength and pack; no packs take a report back.

    Returns the packs that were reported before, so that the page can offer to undo.

    Raises:
        NotAllowed: neither the institution's own, nor mandated, nor running tenders.
        Conflict: the tender is announced, or the days for reporting are over.
        Invalid: the strength cannot be compared with the group's, or the volume is not whole in it.
    """
    on = timezone.localdate(now)
    mandate = None
    if not allowed(principal, "create", Target("tender_demand", institution_id=institution.pk)).allowed:
        mandate = mandate_for(principal, institution, on)
        if mandate is None:
            require(principal, "create", Target("tender_demand", institution_id=institution.pk))
    given = Strength.parse(strength)
    if not 0 < pack <= 100_000 or not 0 <= packs <= 10**9:
        raise Invalid("demand-range", _("Packs and units a pack are whole numbers in range"), where="packs")
    units = reference_units(given, pack, packs, Strength.parse(group.reference))
    with written(principal) as notes:
        tender = locked(group.tender)
        in_state(tender, Tender.State.DRAFT)
        if on > tender.demand_until:
            raise Conflict("demand-late", _("The days for reporting demand are over"), where=tender.code)
        found = Demand.objects.filter(group=group, institution=institution, strength=str(given), pack=pack)
        before = found.values_list("packs", flat=True).first() or 0
        if packs:
            Demand.objects.update_or_create(
                group=group, institution=institution, strength=str(given), pack=pack,
                defaults={
                    "packs": packs, "units": units, "mandate": mandate,
                    "reported_by_id": principal.account_id, "reported_at": now,
                },
            )  # fmt: skip
        else:
            found.delete()
        notes.add(
            "report", tender, group=group.code, institution=institution.code, strength=str(given), pack=pack,
            packs=packs, before=before, mandate=mandate.pk if mandate else None,
        )  # fmt: skip
    return before
