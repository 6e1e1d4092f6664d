"""What the registers answer: the population at risk on a day, births, deaths by cause, social status.

Each person counts once, under the links that hold now. Counts under 10 are hidden from those whom the
policy shows aggregates with suppression.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import connection

from salus.kernel import policy, suppression
from salus.kernel.policy import Principal, Target
from salus.record.identity import rows

BANDS = (0, 1, 5, *range(10, 90, 5))

_DEATH = (
    "deaths as (select l.person_id, min(d.died) as died, max(d.cause) as cause from record_death d"
    " join record_patientlink l on l.patient_rid = d.patient_rid"
    " where d.died is not null group by l.person_id)"
)
_LIVES = (
    "lives as (select person_id, district_code, hukou from (select l.person_id, r.district_code, r.hukou,"
    " row_number() over (partition by l.person_id order by coalesce(r.valid_from, %s) desc, r.at desc, r.rid,"
    " r.place) as n from record_residence r join record_patientlink l on l.patient_rid = r.patient_rid"
    " where r.kind <> 'departed' and r.district_code <> '' and (r.valid_from is null or r.valid_from <= %s)"
    " and (r.valid_to is null or r.valid_to > %s)) x where n = 1)"
)
_GONE = (
    "gone as (select distinct l.person_id from record_residence r"
    " join record_patientlink l on l.patient_rid = r.patient_rid where r.kind = 'departed'"
    " and (r.valid_from is null or r.valid_from <= %s) and (r.valid_to is null or r.valid_to > %s))"
)


@dataclass(frozen=True, slots=True)
class Count:
    """One cell: its group and its number of persons, None where it is hidden."""

    group: tuple[str, ...]
    persons: int | None


def _age_case(column: str, on: date) -> tuple[str, list[Any]]:
    """Return an SQL expression for the lower end of the age band on a day."""
    parts, values = [], []
    for low, high in zip(BANDS, BANDS[1:], strict=False):
        parts.append(f"when {column} > %s then {low}")
        values.append(_years_before(on, high))
    return f"case {' '.join(parts)} else {BANDS[-1]} end", values


def _years_before(on: date, years: int) -> date:
    try:
        return on.replace(year=on.year - years)
    except ValueError:  # 29 February
        return on.replace(year=on.year - years, day=28)


def _shown(principal: Principal, counts: Sequence[tuple[tuple[str, ...], int]]) -> list[Count]:
    decision = policy.require(principal, "read", Target("aggregate"))
    if "suppress" not in decision.flags:
        return [Count(group, n) for group, n in counts]
    if not counts:
        return []
    hidden = suppression.hidden_cells([n for _, n in counts]).tolist()
    return [Count(g, None if h else n) for (g, n), h in zip(counts, hidden, strict=True)]


def _ask(sql: str, values: Sequence[Any]) -> list[Any]:
    with connection.cursor() as cursor:
        if cursor.db.vendor != "postgresql":
            values = [v.isoformat() if isinstance(v, date) else v for v in values]
        return rows.fetch(cursor, sql, values)


def at_risk(principal: Principal, on: date, *, by: Sequence[str] = ("age", "sex", "district")) -> list[Count]:
    """Count the persons who were born, alive and resident at the end of a day.

    `by` are of "age" (lower end of the band), "sex", "district" and "hukou". Whose birth date is not
    known is not counted. Residence is where the person's records place her on that day, else her last
    known district.
    """
    return _shown(principal, count_at_risk(on, by=by))


def count_at_risk(
    on: date, *, by: Sequence[str] = ("age", "sex", "district")
) -> list[tuple[tuple[str, ...], int]]:
    """Return the counts of `at_risk` with none hidden: for callers that ask the policy themselves."""
    age, ages = _age_case("p.birth_date", on)
    columns = {
        "age": age,
        "sex": "p.sex",
        "district": "coalesce(v.district_code, p.district_code)",
        "hukou": "coalesce(v.hukou, '')",
    }
    chosen = [columns[name] for name in by]
    early = date(1, 1, 1)
    order = ", ".join(str(i + 1) for i in range(len(chosen)))
    # Grouping by position: both databases read it, and the expressions hold parameters.
    sql = (
        f"with {_DEATH}, {_LIVES}, {_GONE} select {', '.join([*chosen, 'count(*)'])} from record_person p"  # noqa: S608
        " left join deaths d on d.person_id = p.id left join lives v on v.person_id = p.id"
        " left join gone g on g.person_id = p.id where p.status = 'active' and p.birth_date <= %s"
        " and g.person_id is null and (d.died is null or d.died > %s)"
        " and (p.deceased is null or p.deceased > %s)"
        f" group by {order} order by {order}"
    )
    values = [early, on, on, on, on, *(ages if "age" in by else []), on, on, on]
    return [(tuple(str(x) for x in row[:-1]), int(row[-1])) for row in _ask(sql, values)]


def deaths(principal: Principal, start: date, end: date, *, by: Sequence[str] = ("cause",)) -> list[Count]:
    """Count the persons who died from `start` up to, not including, `end`.

    `by` are of "cause" (three characters of ICD-10, "" if not said), "sex" and "district".
    """
    columns = {"cause": "substr(d.cause, 1, 3)", "sex": "p.sex", "district": "p.district_code"}
    chosen = ", ".join(columns[name] for name in by)
    order = ", ".join(str(i + 1) for i in range(len(by)))
    sql = (
        f"with {_DEATH} select {chosen}, count(*) from deaths d join record_person p on p.id = d.person_id"  # noqa: S608
        f" where d.died >= %s and d.died < %s group by {order} order by {order}"
    )
    return _shown(principal, [(tuple(map(str, row[:-1])), int(row[-1])) for row in _ask(sql, [start, end])])


def births(principal: Principal, start: date, end: date, *, by: Sequence[str] = ("sex",)) -> list[Count]:
    """Count the persons born from `start` up to, not including, `end`.

    `by` are of "sex", "district" and "weight": "low" under 2,500 g, "normal", "" if not said.
    """
    weight = (
        "coalesce((select case when min(b.weight) < 2500 then 'low' else 'normal' end from record_birth b"
        " join record_patientlink l on l.patient_rid = b.patient_rid"
        " where l.person_id = p.id and b.weight is not null having count(*) > 0), '')"
    )
    columns = {"sex": "p.sex", "district": "p.district_code", "weight": weight}
    chosen = ", ".join(f"{columns[name]} as g{i}" for i, name in enumerate(by))
    groups = ", ".join(f"g{i}" for i in range(len(by)))
    sql = (
        f"select {groups}, count(*) from (select {chosen} from record_person p where p.status = 'active'"  # noqa: S608
        f" and p.birth_date >= %s and p.birth_date < %s) x group by {groups} order by {groups}"
    )
    return _shown(principal, [(tuple(map(str, row[:-1])), int(row[-1])) for row in _ask(sql, [start, end])])


def with_status(principal: Principal, on: date, *, by: Sequence[str] = ("category",)) -> list[Count]:
    """Count the living persons with a social status valid on a day, by "category", "code", "district"."""
    columns = {"category": "s.category", "code": "s.code", "district": "p.district_code"}
    chosen = ", ".join(columns[name] for name in by)
    order = ", ".join(str(i + 1) for i in range(len(by)))
    sql = (
        f"with {_DEATH} select {chosen}, count(distinct p.id) from record_socialstatus s"  # noqa: S608
        " join record_patientlink l on l.patient_rid = s.patient_rid"
        " join record_person p on p.id = l.person_id"
        " left join deaths d on d.person_id = p.id where (s.valid_from is null or s.valid_from <= %s)"
        " and (s.valid_to is null or s.valid_to > %s) and (d.died is null or d.died > %s)"
        f" group by {order} order by {order}"
    )
    return _shown(principal, [(tuple(map(str, row[:-1])), int(row[-1])) for row in _ask(sql, [on, on, on])])
