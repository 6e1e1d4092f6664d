"""Adjudication of claims: cover, edits, basic and serious-illness benefits, medical aid, free treatment.

For fund officers and for the till. Pure: tables and rules in, decisions and events out, no clock, no
database.

    from salus.insurance.adjudication import load_rules, adjudicate_batch, adjudicate_one

    rules = load_rules(as_of=day)              # or load_rules(folder, as_of=day, jurisdiction="440100")
    results = adjudicate_batch(tables, rules, as_of=day, engine=engine)     # Arrow tables or paths by name
    results.claims, results.lines, results.parts, results.findings, results.events     # pyarrow tables
    decision = adjudicate_one(claim, lines, context, rules, as_of=day)      # the same rules, for one claim
    decision.claim, decision.lines, decision.parts, decision.findings, decision.events     # rows alike
    explain(decision.parts[0], rules, "zh")    # a sentence of why; rows of results.parts and .findings too

`tables` has the columns of `tables.INPUTS`, results those of `tables.OUTPUTS`. `claim` and each of `lines`
are mappings with the columns of the tables claims and claim_lines; `Context` holds of every other input table
the rows that concern this claim. Both decide equally, to the fen.

What a person uses up in a year is a sum of events: `balances(events)` gives what later claims start from,
`reversal(events, claim_id)` the events that undo a claim, `standing(results.claims, claims)` the claims that
later ones are held against. A batch takes a person's claims in the order of discharge, then claim_id, after
`balances` and `earlier`.

Words: *bp*, parts of 10,000; *edit*, a check with an effect; *effect*: `return` (nothing is paid until the
institution sends it right), `self_pay` (the resident pays, the claim is not covered), `deny` (the institution
bears it), `exclude` (the resident bears it outside the catalogue), `cut` (a part is not paid), `flag` (paid,
to be looked at).
"""

from typing import TYPE_CHECKING

from salus.kernel.lazy import lazily

if TYPE_CHECKING:
    from salus.insurance.adjudication.accumulators import balances, of_person, reversal, standing
    from salus.insurance.adjudication.batch import Results, adjudicate_batch, write_batch
    from salus.insurance.adjudication.explanation import explain
    from salus.insurance.adjudication.one import Context, Decision, adjudicate_one
    from salus.insurance.adjudication.rules import Rules, load_rules

__all__ = [
    "Context",
    "Decision",
    "Results",
    "Rules",
    "adjudicate_batch",
    "adjudicate_one",
    "balances",
    "explain",
    "load_rules",
    "of_person",
    "reversal",
    "standing",
    "write_batch",
]

__getattr__ = lazily(
    __name__,
    {
        "Context": ".one", "Decision": ".one", "adjudicate_one": ".one",
        "Results": ".batch", "adjudicate_batch": ".batch", "write_batch": ".batch",
        "Rules": ".rules", "load_rules": ".rules",
        "balances": ".accumulators", "of_person": ".accumulators", "reversal": ".accumulators",
        "standing": ".accumulators",
        "explain": ".explanation",
    },
)  # fmt: skip
