"""Centralised procurement: who wins a tender by published rules, for how much, where and for how long. Pure.

`select_winners` decides one group (a molecule, strength and form) from bids and a rule set that is data;
`choose_regions` and `agree_volumes` share out what was promised; `savings` says what it saves whom. Prices
are whole fen a pack and every comparison is exact. `sealing` seals bids until the opening, `publication`
lets anybody check a whole tender from its published file.
Words: a *group* is what is bought together; its *reference* is the strength and pack that volumes and the
ceiling are stated in; the *comparable price* is fen a reference unit; the *base volume* is what
institutions reported; the *agreed volume* the share of it that winners are promised.
"""

from salus.insurance.tender.rules import RuleSet, load_rulesets, ruleset_on
from salus.insurance.tender.saving import savings
from salus.insurance.tender.selecting import Bid, Decision, Group, Outcome, select_winners
from salus.insurance.tender.supplying import agree_volumes, choose_regions
from salus.insurance.tender.units import Strength, common_reference

__all__ = [
    "Bid",
    "Decision",
    "Group",
    "Outcome",
    "RuleSet",
    "Strength",
    "agree_volumes",
    "choose_regions",
    "common_reference",
    "load_rulesets",
    "ruleset_on",
    "savings",
    "select_winners",
]
