"""Grouping of discharges into diagnosis-related groups, set-wise and explained case by case.

    from salus.insurance.drg import group, load_scheme
    from salus.insurance.scheme import starter_scheme

    groups = group(None, "cases.parquet", starter_scheme())         # an Arrow table, in the order of the ids
    groups = group(engine, "cases", load_scheme("schemes/city"))    # a table registered with an engine

Cases have the columns `id` (unique), `gender` (1 male, 2 female), `age` (years), `age_day` (days, of the
first year of life at least), `weight` (grams at birth), `dx` (codes, the principal first) and `pr` (codes,
the main one first; may be empty), and where they are known `los` (days), `icu_hours`, `discharge` and
`department`. The answer has `id`, `mdc`, `adrg`, `drg`, `severity` (MCC, CC or empty), `weight` (of the
scheme, may be null), `reason` (grouped, no-principal, unknown-principal, no-mdc, no-adrg, no-drg), and how
many of the case's codes the scheme does not know (`unknown_dx`, `unknown_pr`).
"""

from typing import TYPE_CHECKING

from salus.kernel.lazy import lazily

if TYPE_CHECKING:
    from salus.insurance.drg.cases import BadCases
    from salus.insurance.drg.compiled import Compiled, compile_scheme
    from salus.insurance.drg.grouping import group, write_groups
    from salus.insurance.scheme import Scheme, load_scheme

__all__ = ["BadCases", "Compiled", "Scheme", "compile_scheme", "group", "load_scheme", "write_groups"]

__getattr__ = lazily(
    __name__,
    {
        "BadCases": ".cases",
        "Compiled": ".compiled",
        "compile_scheme": ".compiled",
        "group": ".grouping",
        "write_groups": ".grouping",
        "Scheme": "salus.insurance.scheme",
        "load_scheme": "salus.insurance.scheme",
    },
)
