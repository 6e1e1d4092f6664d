"""The tables of the tender room; every one can be exported whole."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from salus.insurance.models import Supply
from salus.insurance.pages.procurement import words
from salus.insurance.queries.procurement import SHORT_ALERTS, Counts, Stage, counts, stage
from salus.kernel.money import to_yuan
from salus.kernel.names import chosen
from salus.web.tables import ChoiceFilter, Column, RowAction, Table


def unit_yuan(text: str) -> str:
    """Return an exact fraction of fen as yuan to four decimals, for reading."""
    if not text:
        return ""
    scaled = (Fraction(text) * 100 + Fraction(1, 2)) // 1
    return f"{scaled // 10_000}.{scaled % 10_000:04d}"


def pack_yuan(fen: int | None) -> Decimal | None:
    """Return fen as yuan; nothing for nothing."""
    return None if fen is None else to_yuan(fen)


def _bids(tender: Any) -> int | None:
    told: Counts = counts(tender)
    return told.standing if tender.round_id else None


class TenderTable(Table):
    """Tenders, the newest first."""

    name = "tenders"
    caption = _("Tenders")
    columns = (
        Column(
            "code", _("Code"), kind="code", sort="code",
            link=lambda t: reverse("insurance:tender", args=[t.code]),
        ),
        Column(
            "name", _("Name of the tender"), value=lambda t: chosen(t.name, t.name_en), sort="name", wide=True
        ),
        Column(
            "stage", _("Stage"), value=lambda t: str(Stage.TITLES[stage(t, timezone.now())]),
            tone=lambda t: Stage.TONES[stage(t, timezone.now())],
        ),
        Column("group_count", _("Groups"), kind="number", sort="group_count"),
        Column("bids", _("Sealed bids"), kind="number", value=_bids),
        Column("round__commit_until", _("Deadline"), kind="moment", sort="round__commit_until"),
        Column("made_at", _("Made"), kind="moment", sort="made_at", optional=True),
    )  # fmt: skip
    filters = (
        ChoiceFilter(
            "state", _("State"),
            (
                ("draft", _("Collecting demand")), ("announced", _("Announced")),
                ("decided", pgettext_lazy("tender", "Decided")), ("cancelled", _("Cancelled")),
            ),
        ),
    )  # fmt: skip
    search = ("code", "name", "name_en")
    default_sort = "-made_at"
    empty_title = _("No tender yet")


class DemandTable(Table):
    """What institutions reported."""

    name = "demand"
    caption = _("Reported demand")
    columns = (
        Column("group__code", _("Group"), kind="code", sort="group__code"),
        Column(
            "institution__name", _("Institution"), sort="institution__name", wide=True,
            value=lambda d: chosen(d.institution.name, d.institution.name_en),
        ),
        Column("strength", _("Strength"), sort="strength"),
        Column("pack", _("Units a pack"), kind="number", sort="pack"),
        Column("packs", _("Packs a year"), kind="number", sort="packs"),
        Column("units", _("Reference units a year"), kind="number", sort="units"),
        Column(
            "mandate__agent__name", _("Reported under mandate by"),
            value=lambda d: chosen(d.mandate.agent.name, d.mandate.agent.name_en) if d.mandate else "",
        ),
        Column("reported_at", _("Reported"), kind="moment", sort="reported_at"),
    )  # fmt: skip
    search = ("group__code", "institution__code", "institution__name", "institution__name_en")
    default_sort = "group__code"
    empty_title = _("Nothing has been reported yet")


class DecisionTable(Table):
    """What was decided on each bid, and why."""

    name = "decisions"
    caption = _("Decisions")
    columns = (
        Column("group__code", _("Group"), kind="code", sort="group__code"),
        Column("rank", _("Rank"), kind="number", sort="rank"),
        Column(
            "supplier__name", _("Supplier"), sort="supplier__name", wide=True,
            value=lambda d: chosen(d.supplier.name, d.supplier.name_en),
        ),
        Column(
            "reason", _("Decision"), sort="reason", value=lambda d: str(words.REASONS[d.reason]),
            tone=lambda d: words.TONES.get(d.reason, "warn"),
        ),
        Column(
            "comparable", _("Comparable (yuan)"), kind="number",
            value=lambda d: unit_yuan(d.comparable),
        ),
        Column("limit", _("Limit (yuan)"), kind="number", value=lambda d: unit_yuan(d.limit)),
        Column("why", _("Why"), value=lambda d: "; ".join(_why(d))),
    )  # fmt: skip
    filters = (ChoiceFilter("reason", _("Decision"), tuple(words.REASONS.items())),)
    search = ("group__code", "supplier__code", "supplier__name", "supplier__name_en")
    default_sort = "group__code"


def _why(decision: Any) -> list[str]:
    told = [words.criterion(code) for code in decision.unmet]
    told += [str(words.KEPT[decision.kept_by])] if decision.kept_by else []
    return told + ([str(words.TIES[decision.tie])] if decision.tie else [])


class ContractTable(Table):
    """Contracts by group and region."""

    name = "contracts"
    prefix = "c-"
    caption = _("Contracts")
    columns = (
        Column("group__code", _("Group"), kind="code", sort="group__code"),
        Column(
            "region", _("Region"), sort="region",
            value=lambda c: chosen(c.region_zh or c.region, c.region_en or ""),
        ),
        Column(
            "supplier__name", _("Supplier"), sort="supplier__name", wide=True,
            value=lambda c: chosen(c.supplier.name, c.supplier.name_en),
        ),
        Column(
            "second__name", _("Second supplier"),
            value=lambda c: chosen(c.second.name, c.second.name_en) if c.second else "",
        ),
        Column("strength", _("Strength"), value=lambda c: c.strength.replace(" ", "\N{NO-BREAK SPACE}")),
        Column("pack", _("Units a pack"), kind="number"),
        Column(
            "price", _("Price (yuan a pack)"), kind="number", sort="price",
            value=lambda c: str(to_yuan(c.price)),
        ),
        Column("units", _("Agreed units a year"), kind="number", sort="units"),
        Column("starts", _("From"), kind="day", sort="starts"),
        Column("ends", _("To"), kind="day", sort="ends"),
    )  # fmt: skip
    default_sort = "group__code"


class FulfilmentTable(Table):
    """How far each institution is with what it agreed to buy; rows are worked out, not stored."""

    name = "fulfilment"
    caption = _("Fulfilment by institution")
    columns = (
        Column("group", _("Group"), kind="code", value=lambda f: f.line.contract.group.code),
        Column(
            "institution", _("Institution"), wide=True,
            value=lambda f: chosen(f.line.institution.name, f.line.institution.name_en),
            link=lambda f: reverse("insurance:supply", args=[f.line.pk]),
        ),
        Column(
            "alerts", _("Alerts"), value=lambda f: "; ".join(str(SHORT_ALERTS[one]) for one in f.alerts),
            tone=lambda f: "bad" if "shortage" in f.alerts else "warn",
        ),
        Column(
            "supplier", _("Supplier"),
            value=lambda f: chosen(f.line.contract.supplier.name, f.line.contract.supplier.name_en),
            optional=True,
        ),
        Column("year", _("Year"), kind="number"),
        Column("agreed", _("Agreed"), kind="number"),
        Column("ordered", _("Ordered"), kind="number"),
        Column("delivered", _("Delivered"), kind="number"),
        Column("used", _("Used"), kind="number"),
        Column("substituted", _("Other products"), kind="number"),
        Column("share", _("Used (%)"), kind="number", value=lambda f: f.used_share),
    )  # fmt: skip
    empty_title = _("No contract yet")


def _take_back(supply: Supply) -> str | None:
    if supply.units < 0 or supply.reversed is not None:  # type: ignore[attr-defined]
        return None
    return reverse("insurance:supply-reverse", args=[supply.pk])


class SupplyTable(Table):
    """What happened under one contract line."""

    name = "supply"
    caption = _("Supply")
    columns = (
        Column("on", _("Day"), kind="day", sort="on"),
        Column("kind", _("What happened"), sort="kind", value=lambda s: s.get_kind_display()),
        Column("units", _("Reference units"), kind="number", sort="units"),
        Column("entered_by__username", _("Entered by"), value=lambda s: str(s.entered_by or "")),
        Column("entered_at", _("Entered"), kind="moment", sort="entered_at"),
    )
    row_actions = (
        RowAction(_("Take back"), _take_back, confirm=_("Take this entry back? Both rows stay."), tone="bad"),
    )
    default_sort = "-on"
    empty_title = _("Nothing has been entered yet")
