"""Who may do what to what, and why: the one place that answers, for one thing and for a list.

`decide` judges one thing, `scope` gives the filter for a list, and both read `rules/policy.toml`.
"""

from salus.kernel.policy.deciding import decide, opened, permits, require, scope
from salus.kernel.policy.emergency import begin_break_glass, end_break_glass, review_break_glass
from salus.kernel.policy.principals import (
    bump_epoch,
    cached_principal,
    forget,
    principal_for,
    principal_for_account,
    principal_for_source,
    system_principal,
)
from salus.kernel.policy.providers import Check, FilterSql, register_consent, register_provider
from salus.kernel.policy.rulebook import kind_of
from salus.kernel.policy.words import ALL_CATEGORIES, ANONYMOUS, Decision, Grant, Principal, Scope, Target

__all__ = [
    "ALL_CATEGORIES",
    "ANONYMOUS",
    "Check",
    "Decision",
    "FilterSql",
    "Grant",
    "Principal",
    "Scope",
    "Target",
    "begin_break_glass",
    "bump_epoch",
    "cached_principal",
    "decide",
    "end_break_glass",
    "forget",
    "kind_of",
    "opened",
    "permits",
    "principal_for",
    "principal_for_account",
    "principal_for_source",
    "register_consent",
    "register_provider",
    "require",
    "review_break_glass",
    "scope",
    "system_principal",
]
