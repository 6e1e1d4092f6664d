"""Making a copy for research: pseudonyms in, identifiers out, dates shifted, groups of at least k.

The copy is deterministic: the same publication, instant, key and settings give the same rows.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from salus.engine.contract import Engine
from salus.engine.sources import placed
from salus.kernel.errors import Invalid
from salus.record.lake.manifest import Table, TableColumn
from salus.record.lake.reading import Lake
from salus.record.lake.research import columns, pseudonyms
from salus.record.lake.research.columns import Rule
from salus.record.lake.steps import sql_job

SHIFT_DAYS = 180
OLDEST = 90
"""Years of age from which people are one group (45 CFR 164.514(b)(2)(i)(C))."""
LIKE_IDENTIFIERS = (
    r"(^|[^0-9])[1-9][0-9]{5}(19|20)[0-9]{2}(0[1-9]|1[0-2])[0-3][0-9]{4}([0-9Xx])"  # GB 11643 identity number
    r"|(^|[^0-9])1[3-9][0-9]{9}($|[^0-9])"  # mobile telephone
    r"|[^ ]+@[^ ]+"  # e-mail
)
TIME = "(T[0-9:.]+(Z|[+-][0-9]{2}:[0-9]{2})?)?"
Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """What a copy is made with: its key, the least size of a group and the day for ages."""

    key: bytes
    k: int
    on: date
    tables: tuple[str, ...]
    shift_days: int = SHIFT_DAYS

    def __post_init__(self) -> None:
        if self.k < 2:
            raise Invalid("research-k", "A group must have at least 2 persons", where="k")
        if unknown := sorted(set(self.tables) - set(columns.tables())):
            raise Invalid("research-table", "This table cannot be copied", where=unknown[0])


@dataclass(slots=True)
class Report:
    """What a copy holds and what was left out of it; no value of anybody."""

    k: int
    on: str
    publication: int
    persons: int = 0
    suppressed_persons: int = 0
    suppressed_rows: int = 0
    smallest_group: int = 0
    groups: dict[str, int] = field(default_factory=dict)
    persons_by_level: dict[str, int] = field(default_factory=dict)
    least_diagnoses: int | None = None
    rows: dict[str, int] = field(default_factory=dict)
    withheld_values: dict[str, int] = field(default_factory=dict)
    columns: dict[str, dict[str, str]] = field(default_factory=dict)


def copy(lake: Lake, target: Path, settings: Settings, *, progress: Progress = lambda *_: None) -> Report:
    """Write the copy as a folder of Parquet files with `report.json`; all of it or nothing.

    `lake` has the tables wanted, already without those who refuse research and without sensitive resources.
    """
    engine = lake.engine
    report = Report(settings.k, settings.on.isoformat(), lake.manifest.number)
    names = [n for n in dict.fromkeys(("patient", *settings.tables)) if n in lake.tables]
    _people(engine, settings)
    _groups(engine, settings, report)
    _diagnoses(engine, names, report)
    with placed(target) as made:
        made.mkdir(mode=0o700)
        for done, name in enumerate(names):
            progress("copy", done, len(names))
            table = lake.manifest.tables[name]
            rules = columns.treated(table)
            report.columns[name] = {column: f"{r.kind}: {r.treatment}" for column, r in rules.items()}
            sql, guarded = statement(table, rules)
            inner, outer = pseudonyms.pads(settings.key)
            values = {"inner": inner, "outer": outer}
            needed = {n: v for n, v in values.items() if f"${n}" in sql}
            report.rows[name] = engine.write(sql, made / f"{name}.parquet", params=needed or None)
            counted = engine.run(_counts(name, guarded)).to_pylist()[0]
            report.suppressed_rows += counted.pop("suppressed") or 0
            report.withheld_values |= {f"{name}.{c}": n for c, n in counted.items() if n}
        text = json.dumps(as_json(report), ensure_ascii=False, indent=1, sort_keys=True)
        (made / "report.json").write_text(text, encoding="utf-8")
    progress("copy", len(names), len(names))
    return report


def as_json(report: Report) -> dict[str, Any]:
    """Return a report as plain values."""
    return {name: getattr(report, name) for name in Report.__slots__}


def _people(engine: Engine, settings: Settings) -> None:
    """Give each person a pseudonym, an offset, and one sex, year of birth and district."""
    found = engine.run(
        "select person_id, min(sex) as sex,"
        " min(case when length(birth_date) >= 10 then substr(birth_date, 1, 10) end) as born,"
        " min(substr(birth_date, 1, 4)) as born_year, max(district) as district"
        " from patient where person_id is not null group by person_id order by person_id"
    )
    out: dict[str, list[Any]] = {
        n: [] for n in ("person_id", "person", "days", "sex", "birth_year", "oldest", "place")
    }
    for row in found.to_pylist():
        days = pseudonyms.shift(settings.key, row["person_id"], settings.shift_days)
        born = _born(row["born"], row["born_year"])
        shifted = _moved(born, days) if born else None
        out["person_id"].append(row["person_id"])
        out["person"].append(pseudonyms.pseudonym(settings.key, "person", row["person_id"]))
        out["days"].append(days)
        out["sex"].append(row["sex"])
        out["birth_year"].append(shifted.year if shifted else None)
        old = min(born.year, shifted.year) <= settings.on.year - OLDEST if born and shifted else False
        out["oldest"].append(int(old))
        out["place"].append(row["district"])
    kinds = [pa.string(), pa.string(), pa.int64(), pa.string(), pa.int64(), pa.int64(), pa.string()]
    engine.register(
        "research_people",
        pa.table({n: pa.array(v, type=k) for (n, v), k in zip(out.items(), kinds, strict=True)}),
    )
    # A code of GB/T 2260 says district in six digits and city in four; any other place has no wider one.
    engine.keep(
        "people",
        "select person, sex, birth_year, oldest,"  # noqa: S608 - our own pattern
        " case when regexp_matches(place, '^[0-9]{6}') then substr(place, 1, 6)"
        f" when regexp_matches(place, '{LIKE_IDENTIFIERS}') then null else place end as district,"
        " case when regexp_matches(place, '^[0-9]{6}') then substr(place, 1, 4) || '00' end as city"
        " from research_people",
    )


def _born(full: str | None, year: str | None) -> date | None:
    with suppress(ValueError):
        if full:
            return date.fromisoformat(full)
        if year and year.isdigit():
            return date(int(year), 7, 1)
    return None


def _moved(day: date, days: int) -> date:
    return date.fromordinal(max(1, day.toordinal() + days))


def _groups(engine: Engine, settings: Settings, report: Report) -> None:
    rows = sql_job("anonymity").run(
        engine, params={"k": settings.k, "oldest_year": settings.on.year - OLDEST}
    )
    engine.register("research_groups", rows)
    found = engine.run(
        "select level, count(*) as classes, sum(size) as persons, min(size) as smallest from"
        " (select level, sex, born_from, born_to, district, count(*) as size from research_groups"
        " where level is not null group by level, sex, born_from, born_to, district) g"
        " group by level order by level"
    ).to_pylist()
    report.groups = {str(r["level"]): int(r["classes"]) for r in found}
    report.persons_by_level = {str(r["level"]): int(r["persons"]) for r in found}
    report.persons = sum(report.persons_by_level.values())
    report.smallest_group = min((int(r["smallest"]) for r in found), default=0)
    report.suppressed_persons = rows.num_rows - report.persons
    engine.keep(
        "research_kept",
        "select p.person_id, p.person, p.days, g.sex, g.born_from, g.born_to, g.district"
        " from research_people p join research_groups g on g.person = p.person where g.level is not null",
    )


def _diagnoses(engine: Engine, names: Sequence[str], report: Report) -> None:
    """Count the least number of different diagnosis chapters in a group (l-diversity)."""
    if "condition" not in names:
        return
    found = engine.run(
        "select min(n) as least from (select k.sex, k.born_from, k.born_to, k.district,"
        " count(distinct substr(c.icd10_code, 1, 1)) as n from research_kept k"
        " join condition c on c.person_id = k.person_id where c.icd10_code is not null"
        " group by k.sex, k.born_from, k.born_to, k.district) g"
    ).to_pylist()
    report.least_diagnoses = found[0]["least"]


def statement(table: Table, rules: dict[str, Rule]) -> tuple[str, list[str]]:
    """Return the select that treats a table's rows, and the columns whose values are looked through."""
    shown = ["k.person"]
    guarded: list[str] = []
    for column in table.columns:
        value = f't."{column.name}"'
        match rules[column.name].treatment:
            case "keep" if _is_text(column):
                guarded.append(column.name)
                shown.append(
                    f"case when not regexp_matches({value}, '{LIKE_IDENTIFIERS}') then {value} end"
                    f' as "{column.name}"'
                )
            case "keep":
                shown.append(f'{value} as "{column.name}"')
            case "pseudonym":
                shown.append(f'{pseudonyms.sql("key", value)} as "{column.name}"')
            case "shift":
                shown.append(f'{_shifted(column, value)} as "{column.name}"')
            case "person":
                shown.append(f'k."{column.name}"')
            case "birth":
                shown += ["k.born_from", "k.born_to"]
            case "district":
                shown.append("k.district")
    order = ", ".join(str(n + 1) for n in range(len(shown)))
    sql = (
        f"select {', '.join(shown)} from {table.name} t join research_kept k on k.person_id = t.person_id"  # noqa: S608 - names of the lake
        f" order by {order}"
    )
    return sql, guarded


def _is_text(column: TableColumn) -> bool:
    return column.type.lower().startswith(("varchar", "text", "string"))


def _shifted(column: TableColumn, value: str) -> str:
    if not _is_text(column):
        days = "cast(k.days as integer)"
        return f"{value} + {days}" if column.type.lower() == "date" else f"{value} + to_days({days})"

    def moved(text: str) -> str:
        return f"cast(cast(try_cast({text} as date) + cast(k.days as integer) as date) as varchar)"

    day = moved(f"substr({value}, 1, 10)")
    month, year = moved(value + " || '-15'"), moved(value + " || '-07-01'")
    rest = f"case when regexp_full_match(substr({value}, 11), '{TIME}') then substr({value}, 11) else '' end"
    return (
        f"case when length({value}) >= 10 then {day} || {rest}"
        f" when length({value}) = 7 then substr({month}, 1, 7)"
        f" when length({value}) = 4 then substr({year}, 1, 4) end"
    )


def _counts(table: str, guarded: Sequence[str]) -> str:
    counted = "".join(
        ", count(case when k.person is not null and"
        f" regexp_matches(t.\"{c}\", '{LIKE_IDENTIFIERS}') then 1 end)"
        f' as "{c}"'
        for c in guarded
    )
    return (
        f"select count(case when k.person is null then 1 end) as suppressed{counted} from {table} t"  # noqa: S608
        " left join research_kept k on k.person_id = t.person_id"
    )
