"""What can be asked of claims: lists that a reader may see, one claim explained, a resident's own year."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import combinations
from typing import Any, Literal
from uuid import UUID

from django.db.models import Count, QuerySet, Sum
from django.utils.translation import get_language
from django.utils.translation import gettext_noop as _

from salus.insurance import adjudication
from salus.insurance.models import Adjudication, CatalogueItem, Claim, Outcome
from salus.insurance.models.claims import PAYERS
from salus.insurance.queries import cover
from salus.kernel import audit, policy
from salus.kernel.errors import NotFound
from salus.kernel.models import Institution
from salus.kernel.money import Fen
from salus.kernel.policy import Principal, Target


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a line in words: who pays it, how much in fen, by which rule of which version, and why."""

    payer: str
    amount: Fen
    reason: str
    words: str
    rule: str
    version: int


@dataclass(frozen=True, slots=True)
class Finding:
    """An edit that the claim (no line) or a line failed; `amount` is what it kept from being paid, in fen."""

    line_no: int | None
    code: str
    effect: str
    words: str
    amount: Fen
    rule: str
    version: int


@dataclass(frozen=True, slots=True)
class Line:
    """A line with what was asked and who pays it; the payers add up to the charge, all in fen."""

    line_no: int
    item: str
    name: str
    name_en: str
    service_date: date
    quantity: Any
    unit_price: Fen
    asked: Fen
    charge: Fen
    payers: Mapping[str, Fen]
    parts: Sequence[Part]
    findings: Sequence[Finding]

    @property
    def fund(self) -> Fen:
        """What the funds pay."""
        return sum(self.payers[payer] for payer in ("basic", "serious", "aid", "free"))

    @property
    def resident(self) -> Fen:
        """What the resident pays."""
        return self.payers["self_in"] + self.payers["self_out"]


@dataclass(frozen=True, slots=True)
class Explained:
    """A claim with the decision that holds, line by line."""

    claim: Claim
    decision: Adjudication
    lines: Sequence[Line]
    findings: Sequence[Finding]

    @property
    def of_claim(self) -> Sequence[Finding]:
        """The findings that are the claim's, not a line's."""
        return [one for one in self.findings if one.line_no is None]


def language() -> Literal["en", "zh"]:
    """Return "zh" or "en": the language in which rules speak to the reader."""
    return "zh" if (get_language() or "").startswith("zh") else "en"


@lru_cache(maxsize=8)
def rules_of(as_of: date) -> adjudication.Rules:
    """Return the benefit rules as known on a day, compiled once."""
    return adjudication.load_rules(as_of=as_of)


def explained(claim: Claim) -> Explained:
    """Return a claim line by line with every part's rule and reason. The caller has asked the policy."""
    decision = Adjudication.objects.get(claim=claim, version=claim.version)
    tongue, rules = language(), rules_of(decision.as_of)
    items = CatalogueItem.objects.filter(item__in=claim.lines.values("item")).order_by("item", "valid_from")
    names = {item: (name, english) for item, name, english in items.values_list("item", "name", "name_en")}
    parts: dict[int, list[Part]] = defaultdict(list)
    for p in decision.parts.order_by("line_no", "id"):
        row = {
            "reason": p.reason, "params": p.params, "amount": p.amount_fen, "payer": p.payer, "rule": p.rule,
            "version": p.version,
        }  # fmt: skip
        words = adjudication.explain(row, rules, language=tongue)
        parts[p.line_no].append(Part(p.payer, p.amount_fen, p.reason, words, p.rule, p.version))
    findings = []
    for f in decision.findings.order_by("line_no", "id"):
        row = {
            "code": f.code, "params": f.params, "amount": f.amount_fen, "effect": f.effect, "rule": f.rule,
            "version": f.version,
        }  # fmt: skip
        words = adjudication.explain(row, rules, language=tongue)
        findings.append(Finding(f.line_no, f.code, f.effect, words, f.amount_fen, f.rule, f.version))
    results = {line.line_no: line for line in decision.lines.all()}
    lines = []
    for asked in claim.lines.order_by("line_no"):
        result = results.get(asked.line_no)
        lines.append(
            Line(
                asked.line_no, asked.item, *names.get(asked.item, ("", "")), asked.service_date,
                asked.quantity, asked.unit_price_fen, asked.charge_fen, result.charge_fen if result else 0,
                {payer: getattr(result, f"{payer}_fen") if result else 0 for payer in PAYERS},
                parts[asked.line_no], [one for one in findings if one.line_no == asked.line_no],
            )
        )  # fmt: skip
    return Explained(claim, decision, lines, findings)


def may_read(principal: Principal, claim: Claim) -> bool:
    """Say whether the principal may read a claim."""
    return policy.decide(principal, "read", _target(claim)).allowed


def _target(claim: Claim) -> Target:
    return Target(
        "resource", person_id=claim.person_id, resource_type="Claim", institution_id=claim.institution_id,
        source_id=claim.source_id, categories=frozenset(claim.categories.split()),
    )  # fmt: skip


def open_claim(principal: Principal, number: int) -> Claim:
    """Return a claim by the platform's number if the principal may read it, and leave the audit row.

    Raises:
        NotFound: it is not there, or the principal may not know that it is.
    """
    return _opened(principal, Claim.objects.select_related("institution").filter(pk=number).first())


def open_by_number(principal: Principal, institution: Institution, number: str) -> Claim:
    """Return a claim by the institution's number, as `open_claim` does."""
    rows = Claim.objects.select_related("institution").filter(institution=institution, number=number)
    return _opened(principal, rows.first())


def _opened(principal: Principal, claim: Claim | None) -> Claim:
    if claim is None:
        raise NotFound("claim-unknown", _("There is no such claim"))
    allowed = may_read(principal, claim)
    audit.record(
        [
            audit.entry(
                principal, "read", person_id=claim.person_id, resource_type="Claim",
                resource_id=str(claim.pk), outcome="ok" if allowed else "refused",
            )
        ]
    )  # fmt: skip
    if not allowed:
        raise NotFound("claim-unknown", _("There is no such claim"))
    return claim


def visible(principal: Principal, action: str = "search") -> "QuerySet[Claim]":
    """Return the claims that the principal may see, as the policy filters them."""
    rows = Claim.objects.select_related("institution").filter(categories__in=opened(principal))
    return scoped(rows, policy.scope(principal, action, "Claim"), "insurance_claim", "source_id")


def scoped(
    rows: "QuerySet[Any]", scope: policy.Scope, table: str, source: str, *, institution: str = ""
) -> "QuerySet[Any]":
    """Return the rows of a table that are in a scope of the policy.

    The policy asks for columns of the record's resources; what the table lacks is null here (its rows are no
    resources: what is sensitive of them is kept in `categories`). `source` is its column of the source,
    `institution` that of its institution unless it is named so.
    """
    condition, values = scope.sql("v.person_id")
    place = institution or f"{table}.institution_id"
    row = f"{table}.person_id as person_id, {place} as institution_id, {source} as source_id"
    seen = f"exists (select 1 from (select {row}, cast(null as bigint) as rid) v where {condition})"  # noqa: S608
    return rows.extra(where=[seen], params=values)  # noqa: S610 - the policy's own condition


def opened(principal: Principal) -> list[str]:
    """Return the values of `categories` whose every category is open to the principal by her grants."""
    held = sorted(principal.sensitive)
    subsets = (combinations(held, size) for size in range(len(held) + 1))
    return [" ".join(one) for several in subsets for one in several]


@dataclass(frozen=True, slots=True)
class Year:
    """What a resident's claims of a benefit year came to, in fen, and her claims, newest first."""

    year: int
    years: Sequence[int]
    claims: Sequence[Claim]
    charge: Fen
    payers: Mapping[str, Fen]

    @property
    def fund(self) -> Fen:
        """What the funds paid."""
        return sum(self.payers[payer] for payer in ("basic", "serious", "aid", "free"))

    @property
    def resident(self) -> Fen:
        """What she paid."""
        return self.payers["self_in"] + self.payers["self_out"]


def year_of(principal: Principal, person_id: UUID, year: int | None) -> Year:
    """Return a resident's year; it is a read of her data. Without claims in it the newest with claims.

    Raises:
        NotAllowed: the principal may not read her claims.
    """
    target = Target("resource", person_id=person_id, resource_type="Claim")
    decision = policy.decide(principal, "read", target)
    audit.record(
        [
            audit.entry(
                principal, "read", person_id=person_id, resource_type="Claim",
                outcome="ok" if decision.allowed else "refused", detail={"page": "year"},
            )
        ]
    )  # fmt: skip
    policy.require(principal, "read", target)
    rows = Claim.objects.filter(person_id__in=list(cover.owners([person_id]))).exclude(
        outcome=Outcome.REVERSED
    )
    years = [day.year for day in rows.dates("discharged", "year", order="DESC")]
    chosen = year if year in years else (years[0] if years else 0)
    if not chosen:
        return Year(0, years, [], 0, dict.fromkeys(PAYERS, 0))
    of_year = rows.filter(discharged__year=chosen).select_related("institution")
    held = list(of_year.order_by("-discharged", "-id"))
    decisions = Adjudication.objects.filter(claim__in=[claim.pk for claim in held])
    sums = dict.fromkeys(PAYERS, 0)
    charge = 0
    versions = {claim.pk: claim.version for claim in held}
    for made in decisions:
        if versions[made.claim_id] == made.version:
            charge += made.charge_fen
            for payer in PAYERS:
                sums[payer] += getattr(made, f"{payer}_fen")
    return Year(chosen, years, held, charge, sums)


def counts(principal: Principal, institution: Institution) -> Sequence[Mapping[str, Any]]:
    """Return an institution's claims by outcome: how many, charged and paid (fen). No resident is named.

    Raises:
        NotAllowed: the principal may not read the institution's counts.
    """
    policy.require(principal, "read", Target("aggregate", institution_id=institution.pk))
    return list(
        Claim.objects.filter(institution=institution)
        .values("outcome")
        .annotate(claims=Count("id"), charge=Sum("charge_fen"), fund=Sum("fund_fen"))
        .order_by("outcome")
    )
