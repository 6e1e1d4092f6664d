"""Edits over one claim: the row-wise twin of `screening.sql` and `limits.sql`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from salus.insurance.adjudication.edits import Edit, thousandths
from salus.insurance.adjudication.row_facts import Context, Record, listed
from salus.insurance.adjudication.rules import Rules

Facts = dict[str, Any]


@dataclass(slots=True)
class Finding:
    """An edit that a claim or line failed; `amount` of the line's `charge` is not paid for it."""

    edit: Edit
    line_no: int | None
    amount: int = 0
    charge: int = 0


@dataclass(slots=True)
class Payable:
    """A line that is paid for, in whole or in part."""

    facts: Facts
    units: int
    asked: int = 0
    amount: int = 0


def of_claim(facts: Facts, lines: Sequence[Facts], rules: Rules) -> tuple[list[Finding], Edit | None]:
    """Return what the edits of stages 1 and 2 find, and the one that decides the claim, if any does."""
    day = facts["day"]
    found = [Finding(edit, None) for edit in rules.claim_edits if _fires(edit, facts, day)]
    for line in lines:
        whole = facts | line
        charge = line["line_charge"] or 0
        found += [
            Finding(edit, line["line_no"], charge=charge)
            for edit in rules.line_edits
            if _fires(edit, whole, day)
        ]
    deciding = [
        one.edit
        for one in found
        if one.edit.effect == "return" or (one.line_no is None and one.edit.level == "claim"
                                           and one.edit.effect != "flag")
    ]  # fmt: skip
    return found, min(deciding, key=lambda edit: (edit.stage, edit.rank), default=None)


def _fires(edit: Edit, facts: Facts, day: date) -> bool:
    return (edit.kind == "builtin" or edit.valid_from <= day <= edit.valid_to) and (
        edit.predicate is not None and edit.predicate.value(facts) is True
    )


def beside_earlier(facts: Facts, claim_id: str, context: Context, rules: Rules) -> list[Finding]:
    """Return what a claim is, held against the person's earlier ones: the same, overlapping, split."""
    kinds: dict[str, int] = {}
    for other in context.earlier:
        if other["claim_id"] == claim_id:
            continue
        for kind, days in _pair(facts, other).items():
            kinds[kind] = min(days, kinds.get(kind, days))
    found = []
    for kind, days in kinds.items():
        edit = rules.structural(kind, facts["day"])
        if edit and (kind != "stay_split" or edit.limit is None or days <= edit.limit):
            found.append(Finding(edit, None))
    return found


def _pair(facts: Facts, other: Record) -> Mapping[str, int]:
    admitted, discharged, kind = facts["claim_admitted"], facts["claim_discharged"], facts["claim_kind"]
    came, went = other["admitted"], other["discharged"]
    found: dict[str, int] = {}
    if came is None or went is None or other["kind"] is None:
        return found
    same_place = other["institution"] is not None and other["institution"] == facts["claim_institution"]
    if same_place and (other["kind"], came, went, other["charge"]) == (
        kind, admitted, discharged, facts["claim_charge"],
    ):  # fmt: skip
        found["duplicate_claim"] = 0
    if kind != "inpatient":
        return found
    if other["kind"] != "inpatient":
        return found | ({"visit_in_stay": 0} if admitted < came < discharged else {})
    if went > admitted and came < discharged:
        found["overlap"] = 0
    diagnosis, principal = other["diagnosis"], facts["claim_principal"]
    if same_place and went <= admitted and diagnosis is not None and principal is not None:
        if diagnosis[:3] == principal[:3]:
            found["stay_split"] = (admitted - went).days
    return found


def counted(facts: Facts, context: Context, rules: Rules) -> tuple[list[Finding], list[Edit]]:
    """Return the counts that are over their limit, and the edits that count this claim."""
    first = date(facts["year"], 1, 1)
    found, counting = [], []
    for edit in rules.counts:
        if not edit.holds_on(first) or edit.predicate is None or edit.predicate.value(facts) is not True:
            continue
        before = context.balances.get((facts["year"], "count", edit.rule), 0)
        over = edit.limit is not None and before + 1 > edit.limit
        if over:
            found.append(Finding(edit, None))
        if not over or edit.effect == "flag":
            counting.append(edit)
    return found, counting


def of_lines(
    facts: Facts, lines: Sequence[Facts], found: Sequence[Finding], rules: Rules
) -> tuple[dict[int, Edit], list[Finding], list[Payable]]:
    """Return which edit rules a line out, what else is found, and the lines that are paid for."""
    day = facts["day"]
    out: dict[int, Edit] = {}
    for one in sorted(found, key=lambda one: one.edit.rank):
        if one.line_no is not None and one.edit.effect in ("deny", "exclude") and one.line_no not in out:
            out[one.line_no] = one.edit
    for one in found:
        if one.line_no is not None and out.get(one.line_no) is one.edit:
            one.amount = one.charge
    more: list[Finding] = []
    open_lines = [line for line in lines if line["line_no"] not in out]

    def rule_out(edit: Edit, line: Facts) -> None:
        flagged = edit.effect == "flag"
        more.append(Finding(edit, line["line_no"], 0 if flagged else line["line_charge"]))
        if not flagged:
            out[line["line_no"]] = edit

    if edit := rules.structural("duplicate_line", day):
        seen = set()
        for line in open_lines:
            fields = ("line_item", "line_service_date", "line_quantity", "line_unit_price")
            key = (*(line[name] for name in fields), line["line_department"] or "")
            if None not in key and key in seen:
                rule_out(edit, line)
            seen.add(key)
    if edit := rules.structural("exclusive", day):
        grouped = [
            line for line in open_lines if line["line_no"] not in out and line["exclusive_group"] is not None
        ]
        kept: dict[tuple[date, str], str] = {}
        for line in sorted(grouped, key=lambda line: (-line["line_charge"], line["line_no"])):
            group = (line["line_service_date"], line["exclusive_group"])
            if kept.setdefault(group, line["line_item"]) != line["line_item"]:
                rule_out(edit, line)
    if edit := rules.structural("bundle", day):
        parents = {
            (line["line_service_date"], line["line_item"])
            for line in open_lines
            if line["line_no"] not in out and line["line_service_date"] is not None
        }
        for line in [one for one in open_lines if one["line_no"] not in out]:
            parent = (line["line_service_date"], line["bundle"])
            if line["bundle"] is not None and line["bundle"] != line["line_item"] and parent in parents:
                rule_out(edit, line)
    paying = [Payable(line, line["line_quantity"]) for line in open_lines if line["line_no"] not in out]
    return out, more, paying


def cut(
    facts: Facts, paying: Sequence[Payable], context: Context, rules: Rules
) -> tuple[list[Finding], dict[str, int]]:
    """Reduce lines to the prices and quantities that are paid; return what was cut and the units used up."""
    found: list[Finding] = []
    day, year = facts["day"], facts["year"]
    for line in paying:
        of = line.facts
        line.asked = of["line_charge"]
        edit = rules.structural(f"price_{of['item_kind']}", day)
        if edit and of["ceiling"] is not None and of["line_unit_price"] > of["ceiling"]:
            over = max(line.asked - (of["ceiling"] * of["line_quantity"] + 500) // 1000, 0)
            if edit.effect != "cut":
                over = 0
            found.append(Finding(edit, of["line_no"], over))
            line.asked -= over
        line.amount = line.asked
    used: dict[str, int] = {}
    by_item: dict[str, list[Payable]] = {}
    for line in paying:
        by_item.setdefault(line.facts["line_item"], []).append(line)
    first = date(year, 1, 1)
    for item, same in by_item.items():
        days: dict[date, list[Payable]] = {}
        for line in same:
            days.setdefault(line.facts["line_service_date"], []).append(line)
        if edit := rules.structural("limit_day", day):
            for group in days.values():
                _limit(group, group[0].facts["max_day"], 0, edit, found)
        if edit := rules.structural("limit_stay", day):
            stay = max(
                (one.facts["max_stay"] for one in same if one.facts["max_stay"] is not None), default=None
            )
            _limit(same, stay, 0, edit, found)
        edit, most = rules.structural("limit_year", first), _year_limit(item, year, context)
        if edit and most is not None:
            _limit(same, most, context.balances.get((year, "units", item), 0), edit, found)
            used[item] = sum(line.units for line in same)
    return found, used


def _limit(lines: Sequence[Payable], most: int | None, used: int, edit: Edit, found: list[Finding]) -> None:
    """Let lines be paid for no more units together than a limit leaves, in their order."""
    if most is None:
        return
    top, total = max(most, used), used
    for line in lines:
        total += line.units
        if total <= most:
            continue
        before = line.amount
        if edit.effect == "cut":
            quantity = line.facts["line_quantity"]
            line.units = min(top, total) - min(top, total - line.units)
            line.amount = (line.asked * line.units + quantity // 2) // quantity
        found.append(Finding(edit, line.facts["line_no"], before - line.amount))


def _year_limit(item: str, year: int, context: Context) -> int | None:
    """Return a year's limit: that of the item's first row in force on any of its days."""
    begins, ends = date(year, 1, 1), date(year, 12, 31)
    rows = [
        row
        for row, first, last in listed(context.catalogue.get(item, ()))
        if first <= ends and last >= begins
    ]
    return thousandths(rows[0]["max_year"]) if rows else None
