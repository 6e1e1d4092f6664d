"""Cover of many persons at once, by the engine."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import pyarrow as pa

from salus.engine import duckdb_engine
from salus.insurance.eligibility import batch, load_rules
from salus.insurance.eligibility.tables import INPUTS
from salus.insurance.models import InstitutionContract
from salus.insurance.queries.cover import facts_of, owners


@dataclass(frozen=True, slots=True)
class Question:
    """One of many questions; `institution` is a code."""

    ask_id: int
    person_id: UUID
    day: date
    service: str
    institution: str


def covered_many(questions: Sequence[Question]) -> pa.Table:
    """Answer many questions at once, with the columns of `eligibility.tables.ANSWERS`, by their numbers.

    For batch work: the caller asks the policy and writes the audit rows.
    """
    asked = [
        {
            "ask_id": q.ask_id, "person_id": q.person_id.hex, "day": q.day, "service": q.service,
            "institution": q.institution,
        }
        for q in questions
    ]  # fmt: skip
    tables = {"asked": batch.table_of(INPUTS["asked"], asked), **tables_of({q.person_id for q in questions})}
    with duckdb_engine() as engine:
        return batch.run(engine, tables, load_rules())


def tables_of(persons: Iterable[UUID]) -> dict[str, pa.Table]:
    """Return what is known of the cover of persons as the eligibility's tables, and all contracts."""
    known = facts_of(owners(persons))
    given: dict[str, list[tuple[Any, ...]]] = {
        "spells": [
            (p.hex, s.scheme, s.category, s.area, s.start, s.end, s.paid_on, s.repair_years)
            for p, facts in known.items()
            for s in facts.spells
        ],
        "statuses": [(p.hex, s.status, s.start, s.end) for p, facts in known.items() for s in facts.statuses],
        "filings": [(p.hex, f.area, f.start, f.end) for p, facts in known.items() for f in facts.filings],
        "contracts": list(
            InstitutionContract.objects.values_list(
                "institution__code", "area", "service", "start_date", "end_date"
            )
        ),
    }
    return {
        name: batch.table_of(
            INPUTS[name],
            [dict(zip([field.name for field in INPUTS[name]], row, strict=True)) for row in rows_],
        )
        for name, rows_ in given.items()
    }
