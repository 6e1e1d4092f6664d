"""What can be done with prices: record a basis, ask for a study, draft, publish and roll back lists."""

from salus.insurance.services.prices.bases import load_basis, record_basis
from salus.insurance.services.prices.lists import (
    discard,
    draft_from_basis,
    draft_from_study,
    publish,
    roll_back,
    withdraw,
)
from salus.insurance.services.prices.studies import ask, run_study, study_rules

__all__ = [
    "ask",
    "discard",
    "draft_from_basis",
    "draft_from_study",
    "load_basis",
    "publish",
    "record_basis",
    "roll_back",
    "run_study",
    "study_rules",
    "withdraw",
]
