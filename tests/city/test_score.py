from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from salus.city.score import linkage
from salus.kernel.ids import server_id


def records(city: Path) -> list[dict[str, str]]:
    found: list[dict[str, str]] = pq.read_table(city / "truth" / "patients.parquet").to_pylist()
    return [{**row, "id": server_id(row["source"], "Patient", row["patient"])} for row in found]


def test_the_truth_scores_one(small_city: Path) -> None:
    scored = linkage(small_city / "truth", ((r["id"], r["resident"]) for r in records(small_city)))
    assert (scored.overall.precision, scored.overall.recall) == (1.0, 1.0)
    assert scored.unknown == scored.missing == 0
    assert set(scored.groups) == {"age_group", "sex", "stratum", "district"}
    assert set(scored.groups["sex"]) == {"female", "male"}
    assert sum(p.true for p in scored.groups["sex"].values()) == scored.overall.true


def test_everyone_apart_finds_nothing_and_nothing_wrong(small_city: Path) -> None:
    links = ((r["id"], str(i)) for i, r in enumerate(records(small_city)))
    scored = linkage(small_city / "truth", links)
    assert (scored.overall.precision, scored.overall.recall) == (1.0, 0.0)


def test_two_residents_joined_cost_precision_in_their_groups(small_city: Path) -> None:
    rows = records(small_city)
    first, second = sorted({r["resident"] for r in rows})[:2]
    counts = [sum(r["resident"] == who for r in rows) for who in (first, second)]

    def links() -> Iterator[tuple[str, str]]:
        for r in rows:
            yield r["id"], first if r["resident"] == second else r["resident"]

    scored = linkage(small_city / "truth", links())
    wrong = counts[0] * counts[1]
    assert scored.overall.found - scored.overall.right == wrong
    assert scored.overall.recall == 1.0
    assert scored.overall.precision == pytest.approx(1 - wrong / scored.overall.found)


def test_records_not_linked_and_records_not_known_are_counted(small_city: Path) -> None:
    rows = records(small_city)
    links = [(r["id"], r["resident"]) for r in rows[1:]] + [("nowhere", "x")]
    scored = linkage(small_city / "truth", links)
    assert (scored.missing, scored.unknown) == (1, 1)
    assert scored.overall.recall < 1
