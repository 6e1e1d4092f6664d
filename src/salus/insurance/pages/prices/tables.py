"""The tables of the pages of prices."""

from decimal import Decimal
from typing import Any, ClassVar

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from salus.insurance.models import PriceMove
from salus.insurance.pages.prices.words import LIST_TONES, PULLS, REASON_TONES, REASONS, STUDY_TONES
from salus.kernel.money import to_yuan
from salus.web.tables import ChoiceFilter, Column, Table

FEW = 10
"""Volumes below it are not told apart, as counts for planners are not."""


def yuan(fen: int | None) -> Decimal | None:
    """Return fen as yuan."""
    return None if fen is None else to_yuan(fen)


def grouped(fen: int | None) -> Decimal | None:
    """Return a large amount of fen as yuan with its fen, grouped by thousands in a table."""
    return yuan(fen)


class ListTable(Table):
    """Price lists, newest first."""

    name = "price-lists"
    caption = _("Price lists")
    columns: ClassVar = (
        Column(
            "number", _("Number"), kind="code", sort="number",
            link=lambda row: reverse("insurance:price-list", args=[row.number]),
        ),
        Column("title", _("Title"), sort="title", wide=True),
        Column(
            "state", _("State"), sort="state", value=lambda row: row.get_state_display(),
            tone=lambda row: LIST_TONES[row.state],
        ),
        Column("effective_from", _("In force from"), kind="day", sort="effective_from"),
        Column("restores__number", _("Restores"), kind="code"),
        Column("decided_at", _("Decided"), kind="moment", sort="decided_at"),
        Column("decided_by", _("By"), optional=True),
    )  # fmt: skip
    default_sort = "-number"
    search = ("title",)
    search_label = _("Title")
    empty_title = _("There is no price list yet")
    prefix = "l-"


class StudyTable(Table):
    """Studies of new prices, newest first."""

    name = "price-studies"
    caption = _("Studies of new prices")
    columns: ClassVar = (
        Column(
            "title", _("Study"), sort="title", wide=True,
            link=lambda row: reverse("insurance:price-study", args=[row.pk]),
        ),
        Column("basis__title", _("Basis"), sort="basis__title", wide=True),
        Column("closeness", _("Closeness"), kind="number", sort="closeness"),
        Column(
            "state", _("State"), sort="state", value=lambda row: row.get_state_display(),
            tone=lambda row: STUDY_TONES[row.state],
        ),
        Column("asked_at", _("Asked"), kind="moment", sort="asked_at"),
        Column("asked_by", _("By"), optional=True),
    )  # fmt: skip
    search = ("title", "basis__title")
    search_label = _("Study or basis")
    empty_title = _("Nobody has asked for new prices yet")
    prefix = "s-"


class BasisTable(Table):
    """What studies rest on."""

    name = "price-bases"
    caption = _("What studies rest on")
    columns: ClassVar = (
        Column("title", _("Basis"), sort="title", wide=True),
        Column("year", _("Year"), kind="code", sort="year"),
        Column("services", _("Services"), kind="number", sort="services"),
        Column("hospitals", _("Hospitals"), kind="number", value=lambda row: len(row.hospitals)),
        Column("groups", _("Groups"), kind="number", value=lambda row: len(row.groups)),
        Column("freed", _("Freed (yuan)"), kind="number", value=lambda row: grouped(_freed(row))),
        Column("recorded_at", _("Recorded"), kind="moment", sort="recorded_at"),
    )
    search = ("title",)
    search_label = _("Title")
    empty_title = _("Nothing is recorded yet")
    empty_text = _("Record services, volumes and the money that was freed.")
    prefix = "b-"


def _freed(row: Any) -> int:
    return sum(int(fen) for hospital in row.freed for fen in hospital)


def _pulls(row: PriceMove) -> str:
    """Write what pulls a price which way, the strongest first: what a yuan more costs, in yuan a year."""
    strong = sorted(row.pulls.items(), key=lambda pair: (-abs(pair[1]), pair[0]))
    return " · ".join(f"{PULLS[name]} {value:+,.0f}" for name, value in strong if abs(value) >= 1)


def _turned(rows: Any, value: str) -> Any:
    return rows.filter(**{"raised": {"change__gt": 0}, "cut": {"change__lt": 0}}.get(value, {"change": 0}))


class MoveTable(Table):
    """What a study says of each service."""

    name = "price-moves"
    caption = _("Prices of services")
    columns: ClassVar = (
        Column("code", _("Code"), kind="code", sort="code"),
        Column("tier", _("Tier"), sort="tier", optional=True),
        Column("name", _("Service"), sort="name", wide=True),
        Column("department", _("Department"), sort="department"),
        Column("old", _("Old price"), kind="number", sort="old", value=lambda row: yuan(row.old)),
        Column("new", _("New price"), kind="number", sort="new", value=lambda row: yuan(row.new)),
        Column(
            "share", _("Change (%)"), kind="number", sort="share",
            value=lambda row: Decimal(row.share).scaleb(-2).quantize(Decimal("0.1")),
        ),
        Column("target", _("Worth"), kind="number", sort="target", value=lambda row: yuan(row.target)),
        Column(
            "lowest", _("Lowest"), kind="number", sort="lowest", value=lambda row: yuan(row.lowest),
            optional=True,
        ),
        Column(
            "highest", _("Highest"), kind="number", sort="highest", value=lambda row: yuan(row.highest),
            optional=True,
        ),
        Column(
            "volume", _("A year"), kind="number", sort="volume",
            value=lambda row: row.volume if row.volume >= FEW or row.volume == 0 else f"<{FEW}",
        ),
        Column(
            "reason", _("Why"), sort="reason", value=lambda row: str(REASONS[row.reason]),
            tone=lambda row: REASON_TONES.get(row.reason, ""),
        ),
        Column("pulls", _("What a yuan more would cost or save"), value=_pulls, optional=True, wide=True),
    )  # fmt: skip
    filters: ClassVar = (
        ChoiceFilter("reason", _("Why"), tuple(REASONS.items())),
        ChoiceFilter(
            "turn",
            _("Which way"),
            (("raised", _("Raised")), ("cut", _("Cut")), ("kept", _("Unchanged"))),
            narrow=_turned,
        ),
    )
    search = ("code", "name", "department")
    search_label = _("Code, service or department")
    default_sort = "code"
    empty_title = _("There are no prices")


class ImpactTable(Table):
    """Whom the new prices touch."""

    name = "price-impact"
    caption = _("Who gains and who pays (yuan a year)")
    columns: ClassVar = (
        Column("title", _("Whom it touches"), sort="title", wide=True),
        Column("services", _("Services today"), kind="number", sort="services"),
        Column("change", _("More for services"), kind="number", sort="change"),
        Column("returned", _("What was lost"), kind="number", sort="returned"),
        Column("net", _("Net"), kind="number", sort="net"),
        Column("net_share", _("Net (%)"), kind="number", sort="net_share"),
        Column("fund", _("More from the fund"), kind="number", sort="fund"),
        Column("own", _("More from patients"), kind="number", sort="own"),
        Column("own_net", _("Patients' net"), kind="number", sort="own_net"),
    )
    search_label = _("Whom it touches")
    prefix = "i-"


class ItemTable(Table):
    """The prices of a list."""

    name = "price-items"
    caption = _("Prices")
    columns: ClassVar = (
        Column("item", _("Code"), kind="code", sort="item"),
        Column("tier", _("Tier"), sort="tier", optional=True),
        Column("name", _("Service"), sort="name", wide=True),
        Column("department", _("Department"), sort="department"),
        Column("old", _("Before"), kind="number", sort="old", value=lambda row: yuan(row["old"])),
        Column("price", _("Price"), kind="number", sort="price", value=lambda row: yuan(row["price"])),
        Column("change", _("Change"), kind="number", sort="change", value=lambda row: yuan(row["change"])),
    )
    search_label = _("Code, service or department")
    default_sort = "item"
