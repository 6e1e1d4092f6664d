"""What can be asked of settlements and comparisons: all by the agency, its own by an institution.

Where the policy says so, counts under 10 are withheld, and with them what would tell them or single charges.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet, Sum

from salus.insurance.models import (
    ComparisonLine,
    PaymentComparison,
    PublicationState,
    SettlementFigure,
    SettlementLine,
    SettlementMonth,
    SettlementRun,
)
from salus.kernel import policy
from salus.kernel.errors import NotFound
from salus.kernel.models import Institution
from salus.kernel.policy import Principal, Target
from salus.kernel.suppression import hidden_cells

WITHHELD = "withheld"
"""Stands in place of a figure that is withheld."""
MONEY = ("by_group", "by_item", "kept", "borne", "cut", "entitled", "deposit", "forfeited", "paid", "final")
"""Amounts of a line that a reader of few cases could tell charges from."""
_RATIOS = ("mean_los", "case_mix_index", "cost_index", "time_index")


@dataclass(frozen=True, slots=True)
class Reach:
    """What of settlements a reader sees: all institutions or some, and whether small counts are withheld."""

    everything: bool
    institutions: frozenset[int]
    suppress: bool


def reach(principal: Principal) -> Reach:
    """Return what of settlements the principal sees; raises `NotAllowed` where it is nothing."""
    whole = policy.decide(principal, "read", Target("settlement"))
    if whole.allowed:
        return Reach(True, frozenset(), "suppress" in whole.flags)
    own = frozenset(
        pk
        for pk in principal.institution_ids
        if policy.decide(principal, "read", Target("settlement", institution_id=pk)).allowed
    )
    if not own:
        policy.require(principal, "read", Target("settlement"))
    return Reach(False, own, False)


def runs(principal: Principal) -> "QuerySet[SettlementRun]":
    """Return the settlements that the principal sees: a manager's are published, with his institution."""
    seen = reach(principal)
    found = SettlementRun.objects.all()
    if seen.everything:
        return found
    return found.filter(
        state=PublicationState.PUBLISHED,
        pk__in=SettlementLine.objects.filter(institution_id__in=seen.institutions).values("run_id"),
    )


def run(principal: Principal, pk: int) -> SettlementRun:
    """Return a settlement that the principal sees; raises `NotFound`."""
    found = runs(principal).filter(pk=pk).first()
    if found is None:
        raise NotFound("settlement-none", "There is no such settlement")
    return found


def lines(principal: Principal, of: SettlementRun) -> list[dict[str, Any]]:
    """Return a settlement's lines by institution and insured group; withheld figures are `WITHHELD`.

    Each row has `row` (the line's number), `institution` (the model), `insured`, `cases`, the amounts of
    `MONEY`, `advance`, `monthly` and `difference` (by group less by item).
    """
    seen = reach(principal)
    rows = [
        {
            "row": line.pk, "institution": line.institution, "insured": line.insured,
            "cases": line.cases,
            **{name: getattr(line, name) for name in (*MONEY, "advance", "monthly")},
            "difference": line.by_group - line.by_item,
        }
        for line in _seen(SettlementLine.objects.filter(run=of), seen)
    ]  # fmt: skip
    if seen.suppress:
        for insured in {row["insured"] for row in rows}:
            mine = [row for row in rows if row["insured"] == insured]
            _hide(mine, "cases", (*MONEY, "advance", "monthly", "difference"))
    return rows


def figures(
    principal: Principal, of: SettlementRun, institution: Institution | None = None
) -> list[dict[str, Any]]:
    """Return how institutions compare, or the departments of one.

    Raises:
        NotFound: the principal does not see the institution.
    """
    seen = reach(principal)
    found = _seen(SettlementFigure.objects.filter(run=of), seen)
    if institution is None:
        found = found.filter(department="")
    else:
        _may_see(seen, institution)
        found = found.filter(institution=institution).exclude(department="")
    rows = [
        {
            "row": one.pk, "institution": one.institution, "department": one.department, "cases": one.cases,
            "groups": one.groups, "weight": one.weight / 10_000,
            **{name: getattr(one, name) for name in _RATIOS},
            "outliers": one.outliers, "outlier_share": _share(one.outliers, one.cases),
            "low_risk_deaths": one.low_risk_deaths,
            "low_risk_mortality": _share(one.low_risk_deaths, one.low_risk),
            "readmitted": one.readmitted, "readmission_share": _share(one.readmitted, one.at_risk),
        }
        for one in found.order_by("institution__code", "department")
    ]  # fmt: skip
    if seen.suppress:
        _hide(rows, "outliers", ("outlier_share",))
        _hide(rows, "low_risk_deaths", ("low_risk_mortality",))
        _hide(rows, "readmitted", ("readmission_share",))
        _hide(rows, "cases", tuple(name for name in rows[0] if name not in _NAMES) if rows else ())
    return rows


_NAMES = ("row", "institution", "department", "cases")


def months(principal: Principal, of: SettlementRun, institution: Institution) -> list[dict[str, Any]]:
    """Return an institution's months: both insured groups together, in fen.

    Raises:
        NotFound: the principal does not see the institution.
    """
    seen = reach(principal)
    _may_see(seen, institution)
    rows = list(
        SettlementMonth.objects.filter(run=of, institution=institution)
        .values("month")
        .annotate(count=Sum("cases"), sum=Sum("amount"), held=Sum("deposit"), given=Sum("paid"))
        .order_by("month")
    )
    found = [
        {
            "month": r["month"],
            "cases": r["count"],
            "amount": r["sum"],
            "deposit": r["held"],
            "paid": r["given"],
        }
        for r in rows
    ]
    if seen.suppress:
        _hide(found, "cases", ("amount", "deposit", "paid"))
    return found


def comparisons(principal: Principal) -> "QuerySet[PaymentComparison]":
    """Return the comparisons of methods; only who sees all institutions sees them (else `NotAllowed`)."""
    policy.require(principal, "read", Target("settlement"))
    return PaymentComparison.objects.all()


def comparison_lines(principal: Principal, of: PaymentComparison, dimension: str) -> list[dict[str, Any]]:
    """Return a comparison's lines of a dimension, with what each method changes; raises `NotAllowed`."""
    policy.require(principal, "read", Target("settlement"))
    suppress = reach(principal).suppress
    found = ComparisonLine.objects.filter(comparison=of, dimension=dimension).select_related("institution")
    rows = [
        {
            "row": one.pk, "institution": one.institution, "department": one.department, "tier": one.tier,
            "insured": one.insured, "cases": one.cases, "pilot_cases": one.pilot_cases, "item": one.item,
            "drg": one.drg, "dip": one.dip, "pilot": one.pilot, "drg_change": one.drg - one.item,
            "dip_change": one.dip - one.item, "pilot_change": one.pilot - one.item,
            "drg_share": _share(one.drg - one.item, one.item),
            "dip_share": _share(one.dip - one.item, one.item),
        }
        for one in found.order_by("institution__code", "department", "tier", "insured")
    ]  # fmt: skip
    if suppress and rows:
        kept = ("row", "institution", "department", "tier", "insured", "cases")
        _hide(rows, "cases", tuple(name for name in rows[0] if name not in kept))
    return rows


def _seen(found: "QuerySet[Any]", seen: Reach) -> "QuerySet[Any]":
    found = found.select_related("institution").order_by("institution__code")
    return found if seen.everything else found.filter(institution_id__in=seen.institutions)


def _may_see(seen: Reach, institution: Institution) -> None:
    if not seen.everything and institution.pk not in seen.institutions:
        raise NotFound("institution-none", "There is no such institution")


def _share(part: int, whole: int) -> float | None:
    return 100 * part / whole if whole else None


def _hide(rows: Sequence[dict[str, Any]], count: str, others: Sequence[str]) -> None:
    """Withhold small counts of a column, others from which they would follow, and what goes with them."""
    shown: Mapping[int, int] = {n: row[count] for n, row in enumerate(rows) if row[count] != WITHHELD}
    if not shown:
        return
    hidden = hidden_cells(list(shown.values()))
    for n, hide in zip(shown, hidden, strict=True):
        if hide:
            for name in (count, *others):
                rows[n][name] = WITHHELD
