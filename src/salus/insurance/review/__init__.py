"""Suspicious coding and claiming, ranked with evidence.

Jobs of plain SQL measure, claim by claim, what auditors look for: complications that left no trace in what
was billed, lines of another diagnosis, stays split in two, stays without need, services and quantities unlike
everyone else's, visits billed twice, panels taken apart, care that does not fit the person. Weights turn the
measures into a probability; one ranked list says how many false alarms to expect down to each row.

    from salus.engine import duckdb_engine
    from salus.insurance.review import review
    with duckdb_engine() as engine:
        ranked = review(engine, {"claims": "claims.parquet", "claim_lines": "claim_lines.parquet", ...})

Words: a *measure* is one of x1 to x6 that a job gives; a *candidate* a claim that a job looked at; a *unit*
one department of one institution; *prior* how many expected cases pull a unit's ratio towards one. The jobs
learn from the claims themselves what is usual and never see who was caught; only weights need verdicts.
"""

from typing import TYPE_CHECKING

from salus.kernel.lazy import lazily

if TYPE_CHECKING:
    from salus.insurance.review.reviewing import candidates, review

__all__ = ["candidates", "review"]

__getattr__ = lazily(__name__, {"candidates": ".reviewing", "review": ".reviewing"})
