"""Who moves when a scheme changes: the same cases grouped by both."""

from pathlib import Path

import pyarrow as pa

from salus.engine import duckdb_engine
from salus.engine.contract import Source
from salus.insurance.drg.cases import read_csv
from salus.insurance.drg.grouping import group
from salus.insurance.scheme import Scheme

_MOVES = """
select a.drg as before, b.drg as after, count(*) as cases, sum(b.weight - a.weight) as weight
from before a join after b on b.id = a.id
where a.drg <> b.drg
group by a.drg, b.drg
order by cases desc, before, after
"""


def moves(cases: Source, old: Scheme, new: Scheme, *, clinical: bool = False) -> pa.Table:
    """Return `before`, `after` (DRGs), how many `cases` move so, and the change of `weight`, most first."""
    source = read_csv(cases) if isinstance(cases, str | Path) and str(cases).endswith(".csv") else cases
    with duckdb_engine() as engine:
        tables = {
            name: group(engine, source, scheme, clinical=clinical)
            for name, scheme in (("before", old), ("after", new))
        }
        for name, table in tables.items():
            engine.register(name, table)
        return engine.run(_MOVES)
