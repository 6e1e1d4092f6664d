"""The review on claims made by hand, where the answer is known without it."""

import csv
import subprocess
import sys
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.optimize import minimize

from salus.engine import duckdb_engine
from salus.insurance.review import candidates, review
from salus.insurance.review.reviewing import job
from salus.insurance.review.scoring import TERMS, fit, kinds, read_kinds, term_name, terms
from salus.insurance.review.tables import CANDIDATES, OUTPUT, schema_of
from salus.kernel.errors import Invalid
from tests.engine.parity import assert_same, on_spark, opened

START = date(2025, 1, 6)
JOBS = ("facts", "marks", *dict.fromkeys(kind.job for kind in kinds()))


def line(claim: str, item: str, day: date, quantity: int = 1, price: int = 1000) -> dict[str, Any]:
    return {
        "claim_id": claim, "service_date": day, "item": item, "quantity": Decimal(quantity),
        "charge": quantity * price, "department": "ward",
    }  # fmt: skip


class Book:
    """Claims written by hand."""

    def __init__(self) -> None:
        self.claims: list[dict[str, Any]] = []
        self.lines: list[dict[str, Any]] = []
        self.persons: dict[str, dict[str, Any]] = {}

    def claim(
        self, name: str, person: str, at: str, kind: str, day: date, days: int, dx: list[str],
        items: dict[str, int], sex: str = "female",
    ) -> None:  # fmt: skip
        made = [line(name, item, day, quantity) for item, quantity in items.items()]
        self.lines += made
        self.claims.append(
            {
                "claim_id": name, "person_id": person, "institution": at, "kind": kind, "admitted": day,
                "discharged": day + timedelta(days), "diagnoses": dx, "procedures": [],
                "charge": sum(one["charge"] for one in made),
            }
        )  # fmt: skip
        self.persons.setdefault(
            person,
            {"person_id": person, "sex": sex, "birth_date": date(1960, 1, 1), "death_date": None},
        )

    def sources(self) -> dict[str, pa.Table]:
        places = sorted({claim["institution"] for claim in self.claims})
        items = sorted({one["item"] for one in self.lines} | {"panel"})
        return {
            "claims": pa.Table.from_pylist(self.claims, schema=schema_of("claims")),
            "claim_lines": pa.Table.from_pylist(self.lines, schema=schema_of("claim_lines")),
            "persons": pa.Table.from_pylist(list(self.persons.values()), schema=schema_of("persons")),
            "institutions": pa.table(
                {"institution": places, "tier": [2] * len(places), "district": [p[-1] for p in places]}
            ),
            "catalogue": pa.table(
                {
                    "item": items,
                    "kind": ["medicine" if item.startswith("med") else "service" for item in items],
                    "bundle": ["panel" if item.startswith("part") else None for item in items],
                    "ceiling_3": pa.array([3000 if item == "panel" else 1000 for item in items], pa.int64()),
                }
            ),
            "severity": pa.table({"code": ["J96.0"], "level": pa.array([2], pa.int64())}),
        }


@pytest.fixture(scope="module")
def book() -> Book:
    """Four wards alike, but ward X writes J96.0 without ventilation and takes panels apart."""
    made = Book()
    number = 0
    for at in ("H1", "H2", "H3", "X4"):
        for n in range(60):
            number += 1
            day = START + timedelta(number % 300)
            true = n % 6 == 0
            claimed = true or (at == "X4" and n % 3 == 1)
            items = {"bed": 6, "count": 1, "xray": 1, "med-a": 6}
            if true:
                items |= {"ventilation": 40, "bloodgas": 3}
            made.claim(
                f"S{number:04d}", f"P{number:04d}", at, "inpatient", day, 6,
                ["J18.9", "J96.0"] if claimed else ["J18.9"], items,
            )  # fmt: skip
    for n in range(120):
        at = ("H1", "H2", "H3", "X4")[n % 4]
        items = {"visit": 1, "med-b": 28 if n != 3 else 280}
        if at == "X4" and n % 8 == 3:
            items |= {"panel": 1, "part-1": 1, "part-2": 1, "part-3": 1}
        made.claim(
            f"V{n:04d}", f"Q{n:04d}", at, "outpatient", START + timedelta(n % 200), 0, ["I10"], items,
            "male" if n % 2 else "female",
        )  # fmt: skip
    made.claim(
        "V9001", "Q0000", "H1", "outpatient", START + timedelta(2), 0, ["I10"], {"visit": 1, "med-b": 28}
    )
    made.claim(
        "S9001", "P0001", "H1", "inpatient", START + timedelta(9), 3, ["J18.9"], {"bed": 3, "med-a": 3}
    )
    made.claim("V9002", "P0002", "H2", "outpatient", START + timedelta(4), 0, ["I10"], {"visit": 1})
    for n in range(40):
        made.claim(
            f"O{n:04d}", f"R{n:04d}", "H1", "inpatient", START + timedelta(n), 3, ["O80.9"], {"bed": 3}
        )
    made.claim("O9001", "Q0001", "H2", "outpatient", START + timedelta(9), 0, ["O80.9"], {"visit": 1}, "male")
    made.persons["Q0002"]["death_date"] = START
    return made


@pytest.fixture(scope="module")
def measured(book: Book) -> dict[str, dict[str, dict[str, Any]]]:
    with duckdb_engine(threads=2) as engine:
        tables = candidates(engine, book.sources())
    return {kind: {row["claim_id"]: row for row in table.to_pylist()} for kind, table in tables.items()}


def test_a_complication_without_a_trace_stands_out(
    book: Book, measured: dict[str, dict[str, dict[str, Any]]]
) -> None:
    seen = measured["upcoding"]
    ventilated = {one["claim_id"] for one in book.lines if one["item"] == "ventilation"}
    assert set(seen) == {c["claim_id"] for c in book.claims if "J96.0" in c["diagnoses"]}
    for claim, row in seen.items():
        assert (row["x1"] < 0) == (claim in ventilated), "evidence is against those without ventilation only"
    wards = {c["claim_id"]: c["institution"] for c in book.claims}
    ratio = {wards[claim]: row["x2"] for claim, row in seen.items()}
    assert max(ratio, key=lambda ward: ratio[ward]) == "X4"


def test_a_stay_soon_after_another_is_held_against_it(measured: dict[str, dict[str, dict[str, Any]]]) -> None:
    found = measured["split_stay"]
    assert set(found) == {"S9001"}
    assert found["S9001"]["other"] == "S0001"
    assert found["S9001"]["x1"] == pytest.approx(np.log(1 + 2)), "left on day 7, back on day 9"
    assert found["S9001"]["x2"] < 0, "fewer services than an admission takes"


def test_a_visit_billed_twice_equals_the_first(measured: dict[str, dict[str, dict[str, Any]]]) -> None:
    row = measured["duplicate"]["V9001"]
    assert (row["other"], row["x1"], row["x3"]) == ("V0000", 1.0, 1.0)
    assert row["x2"] == pytest.approx(np.log(3))


def test_parts_beside_their_panel_are_counted(measured: dict[str, dict[str, dict[str, Any]]]) -> None:
    row = measured["unbundling"]["V0003"]
    assert (row["what"], row["x1"], row["x2"], row["x5"]) == ("panel", 3.0, 1.0, 1.0)
    assert row["x3"] == pytest.approx(np.log(1 + 0.05)), "three parts cost what the panel does"


def test_ten_times_the_usual_quantity_is_the_largest_residual(
    measured: dict[str, dict[str, dict[str, Any]]],
) -> None:
    found = measured["excess_quantity"]
    assert max(found, key=lambda claim: found[claim]["x1"]) == "V0003"
    assert found["V0003"]["x5"] == pytest.approx(np.log(10))


def test_who_is_in_a_bed_elsewhere_cannot_be_at_a_visit(
    measured: dict[str, dict[str, dict[str, Any]]],
) -> None:
    row = measured["card_lending"]["V9002"]
    assert (row["x2"], row["other"]) == (1.0, "S0002"), "P0002 lay in H1 from the second to the eighth day"


def test_a_man_in_labour_and_the_dead_are_found(
    book: Book, measured: dict[str, dict[str, dict[str, Any]]]
) -> None:
    men = sum(book.persons[claim["person_id"]]["sex"] == "male" for claim in book.claims)
    expected = 41 * men / len(book.claims)
    assert measured["sex_age"]["O9001"]["x1"] == pytest.approx(np.log((expected + 0.3) / 1.3))
    assert measured["after_death"]["V0002"]["x6"] == pytest.approx(np.log(1 + 2))


def test_the_list_is_ranked_and_says_how_many_are_false(book: Book) -> None:
    with duckdb_engine(threads=2) as engine:
        table = review(engine, book.sources(), least=0.0)
    assert table.column_names == [name for name, _ in OUTPUT]
    chance = table.column("probability").to_pylist()
    assert chance == sorted(chance, reverse=True)
    expected = np.cumsum(1 - np.array(chance)) / np.arange(1, len(chance) + 1)
    assert table.column("false_share").to_pylist() == pytest.approx(expected.tolist())
    assert "X4" in table.column("institution").to_pylist()[:60]
    assert all(table.column("evidence").to_pylist())


@on_spark
@pytest.mark.parametrize("name", JOBS)
def test_both_engines_measure_the_same(both_prepared: tuple[Any, Any], name: str) -> None:
    from salus.insurance.review.reviewing import _params

    duckdb, spark = both_prepared
    assert_same(
        job(name).run(spark, {}, _params(name)), job(name).run(duckdb, {}, _params(name)), ordered=False
    )


@pytest.fixture(scope="module")
def both_prepared(book: Book) -> Any:
    from salus.insurance.review.reviewing import PREPARED, _params, prepare

    with opened("duckdb") as duckdb, opened("spark") as spark:
        for engine in (duckdb, spark):
            prepare(engine, book.sources())
        for name in PREPARED:
            table = job(name).run(duckdb, {}, _params(name))
            duckdb.register(name, table)
            spark.register(name, table)
        yield duckdb, spark


def test_weights_are_those_of_penalised_maximum_likelihood() -> None:
    """Against scipy's general minimiser on the same objective."""
    rng = np.random.default_rng(3)
    measures = rng.normal(0, 1, (400, 6))
    confirmed = rng.random(400) < 1 / (1 + np.exp(-(measures[:, 0] - 1 + measures[:, 1] * measures[:, 2])))
    design = terms(measures)
    spread = design.std(axis=0)
    spread[0] = 1.0

    def loss(weights: np.ndarray) -> float:  # type: ignore[type-arg]
        at = design @ weights
        return float(
            np.logaddexp(0, at).sum() - at[confirmed].sum() + ((weights * spread)[1:] ** 2).sum() / 2
        )

    best = minimize(loss, np.zeros(len(TERMS)), method="BFGS", options={"gtol": 1e-6})
    assert np.array(fit(measures, confirmed)) == pytest.approx(best.x, abs=2e-3)


def test_bad_weights_and_verdicts_are_refused() -> None:
    with pytest.raises(Invalid, match="weight"):
        read_kinds([{"kind": "upcoding", "term": "x9", "weight": "1"}])
    with pytest.raises(Invalid, match="confirmed and dismissed"):
        fit(np.zeros((3, 6)), np.array([True, True, True]))
    assert term_name(TERMS[-1]) == "x3*x5"
    assert {kind.job for kind in kinds()} == set(JOBS[2:])
    assert CANDIDATES.names[:4] == ["kind", "claim_id", "other", "what"]


def test_the_command_ranks_a_users_own_files_and_fits_verdicts(book: Book, tmp_path: Path) -> None:
    for name, table in book.sources().items():
        pq.write_table(table, tmp_path / f"{name}.parquet")
    command = [
        sys.executable, "-m", "salus.cli", "insurance", "review", "claims.parquet", "claim_lines.parquet",
        "--persons", "persons.parquet", "--severity", "severity.parquet", "--catalogue", "catalogue.parquet",
        "--institutions", "institutions.parquet",
    ]  # fmt: skip

    def run(*more: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([*command, *more], capture_output=True, text=True, check=False, cwd=tmp_path)

    done = run("-o", "out.csv")
    assert done.returncode == 0, done.stderr[-2000:]
    with (tmp_path / "out.csv").open(encoding="utf-8") as file:
        assert next(csv.reader(file)) == [name for name, _ in OUTPUT]
    told = "kind,claim_id,confirmed\n" + "".join(
        f"upcoding,{c['claim_id']},{'yes' if c['institution'] == 'X4' else 'no'}\n"
        for c in book.claims if "J96.0" in c["diagnoses"]
    )  # fmt: skip
    (tmp_path / "verdicts.csv").write_text(told, encoding="utf-8")
    fitted = run("--verdicts", "verdicts.csv", "-o", "weights.csv")
    assert fitted.returncode == 0, fitted.stderr[-2000:]
    assert "Weights of 1 kinds" in " ".join(fitted.stderr.split())
    (tmp_path / "verdicts.csv").write_text(
        "kind,claim_id,confirmed\nupcoding,S0001,maybe\n", encoding="utf-8"
    )
    refused = run("--verdicts", "verdicts.csv", "-o", "weights.csv")
    assert refused.returncode and "row 2" in refused.stderr and "Traceback" not in refused.stderr
