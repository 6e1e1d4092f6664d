"""Adjudication of one claim, row by row, for the till: the same decision as the batch's, to the fen."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from salus.insurance.adjudication import row_edits
from salus.insurance.adjudication.edits import Edit
from salus.insurance.adjudication.row_benefits import Settled, settle, share_out
from salus.insurance.adjudication.row_edits import Facts, Finding
from salus.insurance.adjudication.row_facts import Context, Record, claim_facts, line_facts
from salus.insurance.adjudication.rules import Rules
from salus.insurance.adjudication.tables import OUTPUTS, PAYERS

__all__ = ["Context", "Decision", "adjudicate_one"]

Row = dict[str, Any]
_OUTCOMES = {"return": "returned", "self_pay": "self_pay", "deny": "denied"}


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided of one claim: rows with the columns of `tables.OUTPUTS`, in the batch's order."""

    claim: Row
    lines: list[Row]
    parts: list[Row]
    findings: list[Row]
    events: list[Row]


def adjudicate_one(
    claim: Record, lines: Sequence[Record], context: Context, rules: Rules, *, as_of: date
) -> Decision:
    """Adjudicate one claim as `adjudicate_batch` would after the person's earlier ones.

    `claim` and `lines` have the columns of the tables claims and claim_lines; `context` what they are held
    against. What is wrong with them is said in `findings`; nothing but a missing column raises (`KeyError`).
    """
    claim_id = claim["claim_id"]
    copies = Counter(line["line_no"] for line in lines)
    facts = claim_facts(claim, lines, context, rules, as_of)
    codes = list(claim["diagnoses"] or ())
    known = [
        line_facts(line, copies[line["line_no"]], codes, facts["institution_tier"], context)
        for line in sorted(lines, key=lambda line: line["line_no"])
    ]
    found, deciding = row_edits.of_claim(facts, known, rules)
    standing = deciding is None
    counting: list[Edit] = []
    if deciding is None:
        pairs = row_edits.beside_earlier(facts, claim_id, context, rules)
        deciding = _first(pairs)
        found += pairs
    if standing and deciding is None:
        over, counting = row_edits.counted(facts, context, rules)
        deciding = _first(over)
        found += over
    made = _Made(claim_id, claim["person_id"], facts, known)
    if deciding is not None:
        for one in found:
            if one.edit.rule == deciding.rule:
                one.amount = facts["claim_line_sum"] if one.line_no is None else one.charge
        made.decide(deciding, found)
    else:
        made.pay(found, context, rules)
    for edit in counting:
        made.event("count", edit.rule, 1)
    return made.decision(standing)


def _first(found: Sequence[Finding]) -> Edit | None:
    deciding = [one.edit for one in found if one.edit.effect != "flag"]
    return min(deciding, key=lambda edit: edit.rank, default=None)


class _Made:
    """The rows of a decision while they are made."""

    def __init__(self, claim_id: str, person_id: str, facts: Facts, known: Sequence[Facts]) -> None:
        self.claim_id = claim_id
        self.person_id = person_id
        self.facts = facts
        self.known = known
        self.claim: Row = dict.fromkeys(OUTPUTS["claims"].schema.names)
        self.lines: list[Row] = []
        self.parts: list[Row] = []
        self.findings: list[Row] = []
        self.events: list[Row] = []
        self.claim |= {
            "claim_id": claim_id, "person_id": person_id, "year": facts["year"],
            "scheme": facts["cover_scheme"], "class": facts["person_class"],
            **dict.fromkeys(("eligible", "class_b", "deductible", "copayment", "over_ceiling"), 0),
            "serious_base": 0, **dict.fromkeys(PAYERS, 0),
        }  # fmt: skip

    def decide(self, edit: Edit, found: Sequence[Finding]) -> None:
        """Give the whole claim to whom an edit says: the institution or the resident."""
        payer = "self_out" if edit.effect == "self_pay" else "institution"
        for line in self.known:
            charge = line["line_charge"] or 0
            self.line(line, charge, {payer: charge})
            self.part(line, payer, charge, edit.code, edit.rule, edit.version, edit.params)
        charge = self.facts["claim_line_sum"]
        if edit.effect == "return" and self.facts["claim_charge"] is not None:
            charge = self.facts["claim_charge"]
        self.claim |= {"outcome": _OUTCOMES[edit.effect], "charge": charge, payer: charge}
        self.found(found)

    def pay(self, found: Sequence[Finding], context: Context, rules: Rules) -> None:
        """Pay the lines that no edit rules out."""
        out, more, paying = row_edits.of_lines(self.facts, self.known, found, rules)
        cuts, used = row_edits.cut(self.facts, paying, context, rules)
        settled = settle(self.facts, paying, context.balances, rules)
        shares = {
            line.facts["line_no"]: share
            for line, share in zip(paying, share_out(settled, paying), strict=True)
        }
        by_line: dict[int | None, list[Finding]] = {}
        for one in cuts:
            by_line.setdefault(one.line_no, []).append(one)
        for line in self.known:
            number, charge = line["line_no"], line["line_charge"]
            if edit := out.get(number):
                payer = "self_out" if edit.effect == "exclude" else "institution"
                self.line(line, charge, {payer: charge})
                self.part(line, payer, charge, edit.code, edit.rule, edit.version, edit.params)
            else:
                self.share(line, shares[number], by_line.get(number, ()), settled)
        self.claim |= {"outcome": "paid", **settled.claim}
        for column in ("charge", "self_in", "self_out", "institution"):
            self.claim[column] = sum(line[column] for line in self.lines)
        for account, key, amount in settled.events:
            self.event(account, key, amount)
        for item, units in used.items():
            if units:
                self.event("units", item, units)
        self.found([*found, *more, *cuts])

    def share(self, line: Facts, share: Mapping[str, int], cuts: Sequence[Finding], settled: Settled) -> None:
        """Add a line that is paid for, and its parts."""
        claim = settled.claim
        kept = ("unpaid", "keep_deductible", "keep_b", "keep_copayment", "keep_over")
        amounts = {payer: share[payer] for payer in ("basic", "serious", "aid", "free")}
        amounts |= {
            "self_in": sum(share[name] for name in kept), "self_out": share["self_outside"], "institution": 0,
        }  # fmt: skip
        for one in cuts:
            payer = "self_out" if one.edit.bearer == "resident" else "institution"
            amounts[payer] += one.amount
            self.part(
                line, payer, one.amount, one.edit.code, one.edit.rule, one.edit.version, one.edit.params
            )
        self.line(line, line["line_charge"], amounts)
        first = line["item_from"]
        version = first.year * 10000 + first.month * 100 + first.day if first else None
        row = f"catalogue:{line['line_item']}"

        def ruled(payer: str, amount: int, reason: str, rule: str, params: str) -> None:
            self.part(line, payer, amount, reason, claim[f"{rule}_rule"], claim[f"{rule}_version"], params)

        self.part(line, "self_out", share["self_outside"], "class-c", row, version, "")
        shared = f"share={line['self_share'] or 0}"
        self.part(line, "self_in", share["keep_b"], "class-b", row, version, shared)
        deducted = f"deductible={claim['deductible']}"
        ruled("self_in", share["keep_deductible"], "deductible", "deductible", deducted)
        ruled("self_in", share["keep_copayment"], "co-payment", "rate", f"rate={claim['rate']}")
        ruled("self_in", share["keep_over"], "over-ceiling", "ceiling", f"ceiling={claim['ceiling']}")
        self.part(line, "self_in", share["unpaid"], "no-benefit", None, None, "")
        ruled("basic", share["basic"], "basic", "rate", f"rate={claim['rate']}")
        ruled("serious", share["serious"], "serious-illness", "serious", f"base={settled.serious_sum}")
        ruled("aid", share["aid"], "medical-aid", "aid", f"class={claim['class']}")
        ruled("free", share["free"], "free-treatment", "free", f"illness={self.facts['claim_illness']}")

    def line(self, line: Facts, charge: int, amounts: Mapping[str, int]) -> None:
        """Add a row to the lines."""
        self.lines.append(
            {"claim_id": self.claim_id, "line_no": line["line_no"], "item": line["line_item"],
             "charge": charge, **dict.fromkeys(PAYERS, 0), **amounts}
        )  # fmt: skip

    def part(
        self, line: Facts, payer: str, amount: int, reason: str, rule: str | None, version: int | None,
        params: str,
    ) -> None:  # fmt: skip
        """Add a part of a line, if it is of any amount."""
        if amount:
            self.parts.append(
                {"claim_id": self.claim_id, "line_no": line["line_no"], "payer": payer, "amount": amount,
                 "reason": reason, "rule": rule, "version": version, "params": params}
            )  # fmt: skip

    def found(self, findings: Sequence[Finding]) -> None:
        """Add rows to the findings."""
        for one in findings:
            edit = one.edit
            self.findings.append(
                {"claim_id": self.claim_id, "line_no": one.line_no, "code": edit.code, "effect": edit.effect,
                 "rule": edit.rule, "version": edit.version, "amount": one.amount, "params": edit.params}
            )  # fmt: skip

    def event(self, account: str, key: str, amount: int) -> None:
        """Add an event."""
        self.events.append(
            {"claim_id": self.claim_id, "person_id": self.person_id, "year": self.facts["year"],
             "account": account, "key": key, "amount": amount}
        )  # fmt: skip

    def decision(self, standing: bool) -> Decision:
        """Return the rows in the batch's order."""
        self.claim["standing"] = standing
        return Decision(
            self.claim,
            sorted(self.lines, key=lambda row: (row["line_no"], row["item"] or "", row["charge"])),
            sorted(self.parts, key=lambda row: (
                row["line_no"], row["payer"], row["reason"], row["rule"] or "", row["amount"])),
            sorted(self.findings, key=lambda row: (
                row["line_no"] is None, row["line_no"] or 0, row["code"], row["rule"], row["amount"])),
            sorted(self.events, key=lambda row: (row["account"], row["key"])),
        )  # fmt: skip
