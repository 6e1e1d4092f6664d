"""The lake's relations and jobs say the same on DuckDB and Spark."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from salus.engine.contract import Engine
from salus.record.lake import definitions
from salus.record.lake.manifest import Manifest
from salus.record.lake.reading import attach
from salus.record.lake.refreshing import refresh
from salus.record.lake.steps import sql_job
from salus.record.store import Write
from salus.record.store.stamp import micros
from tests.engine.parity import Both, both, on_spark  # noqa: F401 - the fixture
from tests.record.lake.world import START, World

pytestmark = [pytest.mark.django_db(databases=["default"], transaction=True), on_spark]
PEOPLE = {
    "p0": ("male", "1950-02-28", "330101"),
    "p1": ("female", "1950-03-01", "330102001"),
    "p2": ("female", "1988-02-29", None),
    "p3": ("other", "2024-02", "330101"),
    "p4": ("male", "2025-12-31", "330103"),
}


@pytest.fixture
def lake(tmp_path: Path) -> tuple[Path, Manifest]:
    """A lake of some people and results, with segments, closings, a merge and a deletion."""
    world = World()
    wanted = [d for d in definitions.library() if d.name in ("patient", "observation")]
    world.write(
        *[
            Write(
                "Patient",
                name,
                {"gender": sex, "birthDate": born, "address": [{"district": place}] if place else []},
                source_id=1,
            )
            for name, (sex, born, place) in PEOPLE.items()
        ],
        *[
            Write(
                "Observation",
                f"o{n}",
                {
                    "status": "final",
                    "subject": {"reference": f"Patient/p{n % 5}"},
                    "effectiveDateTime": f"2025-12-{n + 10}T08:00:00+08:00",
                },
                source_id=1 + n % 2,
            )
            for n in range(12)
        ],
    )
    refresh(tmp_path, wanted)
    world.step()
    world.merge(0, 1)
    world.write(
        Write(
            "Patient", "p2", {"gender": "female", "birthDate": "1988-02-29", "deceasedDateTime": "2025-12-01"}
        ),
        Write("Observation", "o3", None, "delete"),
        Write("Observation", "o4", {"status": "amended", "subject": {"reference": "Patient/p1"}}),
    )
    return tmp_path, refresh(tmp_path, wanted)


def test_rows_in_force_and_their_persons(both: Both, lake: tuple[Path, Manifest]) -> None:  # noqa: F811
    root, manifest = lake
    cases: list[tuple[str, int | None, Any]] = [
        ("patient", None, "as-of"),
        ("observation", micros(START), "as-of"),
        ("observation", micros(START), "current"),
    ]
    for name, at, persons in cases:

        def rows(engine: Engine, name: str = name, at: int | None = at, persons: Any = persons) -> pa.Table:
            attach(engine, root, manifest, [manifest.tables[name]], at=at, persons=persons, withheld={3})
            return engine.run(f"select * from {name}")

        found = both.same(rows)
        assert found.num_rows
        assert 3 not in found["patient_rid"].to_pylist()


def test_the_population(both: Both, lake: tuple[Path, Manifest]) -> None:  # noqa: F811
    root, manifest = lake

    def counts(engine: Engine) -> pa.Table:
        attach(engine, root, manifest, manifest.tables.values())
        return sql_job("population").run(engine, params={"on_day": date(2026, 1, 1)})

    rows = both.same(counts, ordered=True).to_pylist()
    # p0 and p1 are one person, born on the earlier day; p2 has died; of p3 only the month is known
    assert [tuple(row.values()) for row in rows] == [("330102", "female", 75, 1), ("330103", "male", 0, 1)]


def test_how_timely(both: Both, lake: tuple[Path, Manifest]) -> None:  # noqa: F811
    root, manifest = lake
    events = pa.table(
        {
            "table_name": ["a"] * 5,
            "source": ["A", "A", "A", "A", None],
            "arrived": [micros(datetime(2025, 3, day, 15, 59, tzinfo=UTC)) for day in (1, 2, 11, 31, 31)],
            "happened_on": [date(2025, 3, 1), date(2025, 3, 1), date(2025, 3, 1), None, date(2025, 4, 2)],
        }
    )
    job = sql_job("timeliness")
    zone = 8 * 3_600_000_000
    found = both.same(lambda engine: job.run(engine, {"events": events}, {"zone": zone}), ordered=True)
    assert [tuple(row.values())[3:] for row in found.to_pylist()] == [
        (4, 3, 1.0, pytest.approx(8.2), 2, 0),
        (1, 1, -2.0, -2.0, 1, 1),
    ]


def test_groups_of_k(both: Both) -> None:  # noqa: F811
    people = pa.table(
        {
            "person": [f"{n:02}" for n in range(12)],
            "sex": ["f"] * 6 + ["m"] * 5 + [None],
            "birth_year": [1980, 1981, 1984, 1985, 1986, 1999, 1960, 1961, 1962, None, 1930, 1980],
            "oldest": [0] * 10 + [1, 0],
            "district": ["330101"] * 9 + [None] * 3,
            "city": ["330100"] * 9 + [None] * 3,
        }
    )
    job = sql_job("anonymity")
    found = both.same(lambda engine: job.run(engine, {"people": people}, {"k": 3, "oldest_year": 1936}))
    levels = {row["person"]: row["level"] for row in found.to_pylist()}
    assert [levels[p] for p in ("00", "01", "02", "06", "07", "08")] == [0] * 6
    assert [levels[p] for p in ("03", "04", "05")] == [3] * 3
    assert all(levels[p] is None for p in ("09", "10", "11"))
