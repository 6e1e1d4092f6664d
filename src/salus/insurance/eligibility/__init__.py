"""Who is covered on which day for what, for one resident or a million at once.

    rules = load_rules()
    answer = decide(Person(spells=…, statuses=…, filings=…), contracts, day, "inpatient", "H001", rules)
    answers = batch.run(engine, asked=…, spells=…, rules=rules)      # the same answers, set-wise

For insurance fund officers and the till of an institution. The room is pure: tables in, tables out.

Words: *spell*, a paid period of one scheme; *in time*, paid early enough to be covered from the spell's first
day; *broken*, after a gap longer than the grace; *waiting*, paid but not yet entitled; *filing*, a person's
notice that she will be treated in another area; *contract*, an institution's right to bill a service;
*status*, what a person is by the record's social status (low income, severe disability, maternity).
"""

from salus.insurance.eligibility.coverage import Covered, coverage
from salus.insurance.eligibility.deciding import (
    Answer,
    Contract,
    Filing,
    Person,
    Span,
    Spell,
    Status,
    decide,
    spans,
)
from salus.insurance.eligibility.premiums import Premium, employee_contribution, resident_premium
from salus.insurance.eligibility.rules import Rules, load_rules
from salus.insurance.eligibility.tables import CATEGORIES, REASONS, SERVICES

__all__ = [
    "CATEGORIES",
    "REASONS",
    "SERVICES",
    "Answer",
    "Contract",
    "Covered",
    "Filing",
    "Person",
    "Premium",
    "Rules",
    "Span",
    "Spell",
    "Status",
    "coverage",
    "decide",
    "employee_contribution",
    "load_rules",
    "resident_premium",
    "spans",
]
