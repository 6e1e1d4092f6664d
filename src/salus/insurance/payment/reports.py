"""Comparison of institutions and departments from grouped cases.

Definitions. Case-mix index: total weight over cases with a weight. Cost (time) efficiency index: the mean,
over cases, of the charge (days) over the city's mean in the same group; one means as the city. Risk of a
group: by the logarithm of its mortality against the mean and standard deviation over the groups with deaths;
*low risk* is under the mean less one deviation. Readmission: the resident's next stay begins within so many
days of leaving alive. Source: National Health Commission and Beijing, DRG performance evaluation of hospitals
(cost and time consumption index, mortality of low-risk groups); NHSA, CHS-DRG technical specification (2019).
"""

import pyarrow as pa

from salus.engine.contract import BadStatement, Engine
from salus.engine.jobs import Progress
from salus.insurance.payment.reading import job

READMISSION_DAYS = 31
"""Days after leaving in which a new stay is a readmission, unless asked otherwise."""


def report(
    engine: Engine,
    weights: pa.Table,
    *,
    days: int = READMISSION_DAYS,
    same_institution: bool = True,
    progress: Progress | None = None,
) -> pa.Table:
    """Return the comparison for the city, each institution and each department, from the engine's `cases`.

    If the engine holds `settled` (see `settling`), its outliers are counted; without it none are. See the job
    `report` for the columns.
    """
    try:
        engine.schema("settled")
        engine.keep(
            "outliers",
            "select id, method in ('low', 'high', 'high_beyond', 'under', 'over') as outlier from settled",
        )
    except BadStatement:
        engine.register(
            "outliers", pa.table({"id": pa.array([], pa.string()), "outlier": pa.array([], pa.bool_())})
        )
    return job("report").run(
        engine,
        {"weights": weights.select(["drg", "weight"])},
        {"days": days, "same_institution": int(same_institution)},
        progress=progress,
    )
