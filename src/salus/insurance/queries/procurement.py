"""What can be asked of tenders: how far they are, their published files, fulfilment, alerts and savings."""

from __future__ import annotations

import tomllib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from fractions import Fraction
from functools import cache
from importlib.resources import files
from typing import Any

from django.db.models import Sum
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from salus.insurance.models import ContractLine, Supply, Tender
from salus.insurance.tender import Strength, savings
from salus.insurance.tender.publication import FORMAT
from salus.insurance.tender.saving import Saving, load_benefits
from salus.kernel.money import percent

Text = str | Promise


class Stage:
    """How far a tender is, as a reader of its page sees it."""

    DRAFT, SEALED, OPENING, READY, DECIDED, CANCELLED = (
        "draft", "sealed", "opening", "ready", "decided", "cancelled",
    )  # fmt: skip
    TITLES: dict[str, Text] = {
        DRAFT: _("Collecting demand"),
        SEALED: _("Taking sealed bids"),
        OPENING: _("Opening bids"),
        READY: _("To be decided"),
        DECIDED: pgettext_lazy("tender", "Decided"),
        CANCELLED: _("Cancelled"),
    }
    TONES = {DRAFT: "", SEALED: "info", OPENING: "info", READY: "warn", DECIDED: "ok", CANCELLED: "bad"}


def stage(tender: Tender, now: datetime) -> str:
    """Return the stage of a tender at an instant."""
    if tender.state == Tender.State.DECIDED:
        return Stage.DECIDED
    if tender.state == Tender.State.CANCELLED:
        return Stage.CANCELLED
    round = tender.round
    if tender.state == Tender.State.DRAFT or round is None:
        return Stage.DRAFT
    if now < round.commit_until:
        return Stage.SEALED
    waiting = round.commitments.filter(withdrawn_at=None, revealed_at=None).exists()
    return Stage.OPENING if waiting and now < round.reveal_until else Stage.READY


@dataclass(frozen=True, slots=True)
class Counts:
    """How many bids stand, were withdrawn, and were opened: all that is told of them before the decision."""

    standing: int = 0
    withdrawn: int = 0
    opened: int = 0


def counts(tender: Tender) -> Counts:
    """Count a tender's sealed bids."""
    if tender.round is None:
        return Counts()
    rows = tender.round.commitments.values_list("withdrawn_at", "revealed_at")
    standing = [opened for withdrawn, opened in rows if withdrawn is None]
    return Counts(len(standing), len(rows) - len(standing), sum(one is not None for one in standing))


def _instant(value: datetime) -> str:
    return value.astimezone(UTC).isoformat()


def announcement(tender: Tender) -> dict[str, Any]:
    """Return what a bidder needs to seal a bid: the tender, its times, groups, rules and public key."""
    round = tender.round
    if round is None:
        return {}
    return {
        "format": FORMAT,
        "tender": tender.code,
        "name": tender.name,
        "announced_on": tender.announced_on.isoformat() if tender.announced_on else "",
        "public_key": tender.public_key,
        "ruleset": tender.rules,
        "round": {
            "code": round.code,
            "opened_at": _instant(round.opened_at),
            "commit_until": _instant(round.commit_until),
            "reveal_until": _instant(round.reveal_until),
        },
        "groups": _groups(tender),
        "demand": _demand(tender),
    }


def _groups(tender: Tender) -> list[dict[str, Any]]:
    return [
        {
            "code": group.code, "molecule": group.molecule, "form": group.form, "reference": group.reference,
            "pack": group.pack, "ceiling": group.ceiling, "old_price": group.old_price,
        }
        for group in tender.groups.order_by("code")
    ]  # fmt: skip


def _demand(tender: Tender) -> list[dict[str, Any]]:
    units: dict[tuple[str, str, str], int] = defaultdict(int)
    for group in tender.groups.order_by("code"):
        for row in group.demand.select_related("institution"):
            region = row.institution.district_id or "-"
            units[group.code, row.institution.code, region] += row.units
    return [
        {"group": group, "institution": institution, "region": region, "units": total}
        for (group, institution, region), total in sorted(units.items())
    ]


def inputs(tender: Tender) -> dict[str, Any]:
    """Return the published file of a tender up to where its decisions are worked out."""
    round = tender.round
    assert round is not None  # noqa: S101  only announced tenders have bids
    commitments = list(round.commitments.order_by("party", "pk"))
    qualifications = [
        {
            "group": one.group.code, "supplier": bidder.supplier.code, "unmet": list(one.unmet),
            "evaluated": one.evaluated.isoformat() if one.evaluated else None, "demand": one.demand,
        }
        for bidder in tender.bidders.select_related("supplier").order_by("supplier__code")
        for one in bidder.qualifications.select_related("group").order_by("group__code")
    ]  # fmt: skip
    told = announcement(tender)
    return told | {
        "round": {**told["round"], "root": round.root},
        "qualification": qualifications,
        "commitments": [
            {
                "party": one.party, "digest": one.digest, "committed_at": _instant(one.committed_at),
                "withdrawn_at": _instant(one.withdrawn_at) if one.withdrawn_at else None,
            }
            for one in commitments
        ],
        "openings": [
            {
                "party": one.party, "nonce": one.nonce, "payload": one.payload,
                "revealed_at": _instant(one.revealed_at),
            }
            for one in commitments
            if one.revealed_at
        ],
    }  # fmt: skip


def envelopes(tender: Tender) -> dict[str, Any]:
    """Return the envelopes of the bids that stand, for the custodians to open away from the platform."""
    round = tender.round
    rows = round.commitments.filter(withdrawn_at=None).exclude(envelope="").order_by("party") if round else []
    return {
        "round": round.code if round else "",
        "public_key": tender.public_key,
        "envelopes": [{"party": one.party, "digest": one.digest, "envelope": one.envelope} for one in rows],
    }


# --- fulfilment and savings ------------------------------------------------------------------------


@dataclass(frozen=True)
class Fulfilment:
    """One institution's contract line in the contract's present year, in reference units, with its alerts."""

    line: ContractLine
    year: int
    agreed: int
    ordered: int
    delivered: int
    used: int
    substituted: int
    expected: int
    alerts: tuple[str, ...]

    @property
    def pk(self) -> int:
        """The number of the contract line, which names the row."""
        return self.line.pk

    @property
    def used_share(self) -> int | None:
        """Percent of the agreed volume that was used, rounded down."""
        return 100 * self.used // self.agreed if self.agreed else None


ALERTS: dict[str, Text] = {
    "shortage": _("Shortage: less was delivered than ordered"),
    "slow-use": _("Slow use: behind the agreed volume"),
    "substitution": _("Substitution: too much of other products"),
}
SHORT_ALERTS: dict[str, Text] = {
    "shortage": _("Shortage"),
    "slow-use": _("Slow use"),
    "substitution": _("Substitution"),
}


@cache
def _limits() -> dict[str, Any]:
    return tomllib.loads(files("salus.insurance").joinpath("rules/tender_alerts.toml").read_text("utf-8"))


def fulfilment(lines: Iterable[ContractLine], on: date) -> list[Fulfilment]:
    """Return how far each line of contracts is on a day, within the year of its contract.

    A shortage is judged on what was ordered so many days ago; slow use against the agreed volume by the days
    gone; all limits are data (`rules/tender_alerts.toml`).
    """
    rules = _limits()
    wanted = list(lines)
    sums: dict[tuple[int, str], list[tuple[date, int]]] = defaultdict(list)
    rows = (
        Supply.objects.filter(line__in=[line.pk for line in wanted], on__lte=on)
        .values_list("line_id", "kind", "on")
        .annotate(total=Sum("units"))
        .order_by("on")
    )
    for line_id, kind, day, total in rows:
        sums[line_id, kind].append((day, total))
    return [_fulfilment(line, on, sums, rules) for line in wanted]


def _fulfilment(
    line: ContractLine, on: date, sums: dict[tuple[int, str], list[tuple[date, int]]], rules: dict[str, Any]
) -> Fulfilment:
    starts, ends = line.contract.starts, line.contract.ends
    day = min(max(on, starts), ends)
    year = max(
        0,
        min(
            day.year - starts.year - ((day.month, day.day) < (starts.month, starts.day)),
            ends.year - starts.year - 1,
        ),
    )
    begins, closes = _shifted(starts, year), _shifted(starts, year + 1)

    def total(kind: Supply.Kind, until: date = on) -> int:
        return sum(units for at, units in sums[line.pk, kind] if begins <= at <= until and at < closes)

    ordered, delivered = total(Supply.Kind.ORDERED), total(Supply.Kind.DELIVERED)
    used, others = total(Supply.Kind.USED), total(Supply.Kind.SUBSTITUTED)
    gone = min(max((on - begins).days, 0), (closes - begins).days)
    expected = line.units * gone // (closes - begins).days
    alerts = []
    due = date.fromordinal(on.toordinal() - int(rules["shortage"]["after_days"]))
    if delivered < percent(rules["shortage"]["delivered_under"]) * total(Supply.Kind.ORDERED, due):
        alerts.append("shortage")
    if used < percent(rules["slow_use"]["used_under"]) * expected:
        alerts.append("slow-use")
    if others > percent(rules["substitution"]["others_over"]) * (used + others):
        alerts.append("substitution")
    return Fulfilment(line, year + 1, line.units, ordered, delivered, used, others, expected, tuple(alerts))


def _shifted(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return day.replace(year=day.year + years, day=28)


@dataclass(frozen=True, slots=True)
class Report:
    """What a tender saves: as agreed for a year, and by what was used so far; in fen."""

    group: str
    molecule: str
    molecule_en: str
    agreed: Saving
    used: Saving


def savings_report(tender: Tender) -> list[Report]:
    """Return each group's saving against the price up to now, as agreed and as used, where there is one."""
    benefits = load_benefits()
    found = []
    for group in tender.groups.exclude(old_price=None).order_by("code"):
        assert group.old_price is not None  # noqa: S101  excluded above
        lines = list(
            ContractLine.objects.filter(contract__group=group)
            .select_related("contract", "institution")
            .order_by("institution__code")
        )
        if not lines:
            continue
        used = dict(
            Supply.objects.filter(line__in=lines, kind=Supply.Kind.USED)
            .values_list("line_id")
            .annotate(total=Sum("units"))
        )
        reference = Strength.parse(group.reference)
        prices = {line.pk: _unit_price(line, reference) for line in lines}
        old = Fraction(group.old_price, group.pack)
        agreed = {line.institution.code: (line.units, prices[line.pk]) for line in lines}
        realised = {line.institution.code: (max(used.get(line.pk, 0), 0), prices[line.pk]) for line in lines}
        found.append(
            Report(
                group.code,
                group.molecule,
                group.molecule_en,
                savings(group.code, agreed, old, benefits),
                savings(group.code, realised, old, benefits),
            )  # fmt: skip
        )
    return found


def _unit_price(line: ContractLine, reference: Strength) -> Fraction:
    contract = line.contract
    return Fraction(contract.price, contract.pack) / Strength.parse(contract.strength).over(reference)
