"""DIP: keys, groups, scores, deviation, factors and point value, by hand from the published rules."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from salus.engine import duckdb_engine
from salus.engine.contract import Engine
from salus.insurance.dip import grouping, parameters, settling
from salus.insurance.payment import closing
from salus.insurance.payment.rates import Budget
from salus.insurance.payment.reading import read_cases
from salus.insurance.payment.settling import by_month
from salus.kernel.errors import Invalid, NotFound
from tests.insurance.payment.cases import case, drawn, table

RULE = parameters.parameters(on=date(2025, 12, 31))
TABLES = parameters.catalogues()


@pytest.fixture
def engine() -> Iterator[Engine]:
    with duckdb_engine(threads=2) as one:
        yield one


def read(engine: Engine, *rows: dict[str, Any]) -> None:
    assert read_cases(engine, table(*rows), needs=("dx", "pr")) == []


def many(name: str, count: int, charge: int, **more: Any) -> list[dict[str, Any]]:
    return [case(f"{name}{n}", charge, **more) for n in range(count)]


def test_fifteen_cases_make_a_core_group_and_fewer_are_gathered(engine: Engine) -> None:
    both = {"dx": ["K35.800", "I10.x00"], "pr": ["47.0100x001", "54.5100"]}
    read(
        engine,
        *many("core", 15, 100, dx=["K35.800x011"], pr=["47.0100"]),
        *many("rare", 14, 100, **both),  # too few with both procedures
        *many("rarer", 2, 100, dx=["K35.8"], pr=["47.0100", "54.2100"]),  # with the main one alone: 16
        *many("flu", 15, 100, dx=["J11.100"], pr=["89.5200"]),  # an examination tells nothing apart
        *many("mixed", 8, 100, dx=["J12.000"], pr=[]), *many("mixture", 7, 100, dx=["J12.900"], pr=None),
        *many("seldom", 3, 100, dx=["J99.000"], pr=["33.2200"]),
    )  # fmt: skip
    built = grouping.build(engine, RULE, TABLES)
    found = {row["dip"]: (row["level"], row["cases"]) for row in built.groups.to_pylist()}
    assert found == {
        "K35.8:47.0100": ("core", 15), "K35.8:47.0100+": ("main", 16), "J11.1:-": ("core", 15),
        "J12*:conservative": ("mixed", 15), "J**:diagnostic": ("chapter", 3),
    }  # fmt: skip
    assert (built.cases, built.core, built.covered) == (64, 30 * 10_000 // 64, 61 * 10_000 // 64)
    assert built.enough


def test_a_case_goes_to_the_finest_group_that_there_is(engine: Engine) -> None:
    read(
        engine,
        *many("a", 15, 100, dx=["K35.800"], pr=["47.0100"]),
        *many("b", 15, 100, dx=["K36.x00"], pr=[]),
        *many("c", 15, 100, dx=["K37.x00"], pr=["47.0900", "54.1100"]),
        case("d", 100, dx=["K38.900"], pr=["45.2300"]),
    )  # fmt: skip
    built = grouping.build(engine, RULE, TABLES)
    read(
        engine,
        case("1", 100, dx=["K35.800"], pr=["47.0100"]), case("2", 100, dx=["K35.800"], pr=["47.0900"]),
        case("3", 100, dx=["K38.900"], pr=["45.2300"]), case("4", 100, dx=["Z51.100"], pr=[]),
    )  # fmt: skip
    found = {row["id"]: row for row in grouping.assign(engine, built.groups, RULE, TABLES).to_pylist()}
    assert {id: row["dip"] for id, row in found.items()} == {
        "1": "K35.8:47.0100", "2": None, "3": "K**:diagnostic", "4": None,
    }  # fmt: skip
    assert grouping.explain(found["1"], built.groups)[-1].endswith("the case belongs to it")
    words = grouping.explain(found["4"], built.groups)
    assert words == [
        "the diagnosis with all its procedures: Z51.1:- has too few cases for a group",
        "the category with the kind of treatment: Z51*:conservative has too few cases for a group",
        "the chapter letter with the kind of treatment: Z**:conservative has too few cases for a group",
        "no group: the case is paid by item",
    ]


def points(engine: Engine, *rows: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Score by a history of two groups, at 10,000 and 5,000 yuan: the mean is 7,500 yuan."""
    read(
        engine,
        *many("a", 20, 1_000_000, dx=["K35.800"], pr=["47.0100"], tier="own"),
        *many("b", 20, 500_000, dx=["J11.100"], pr=[], tier="own"),
    )  # fmt: skip
    built = grouping.build(engine, RULE, TABLES)
    scores = {row["dip"]: row["score"] for row in built.groups.to_pylist()}
    assert scores == {"K35.8:47.0100": 13_333, "J11.1:-": 6_667}  # 1,333.3 and 666.7 points
    read(engine, *rows)
    grouping.assign(engine, built.groups, RULE, TABLES)
    settling.count_points(engine, built.groups, built.means, RULE, TABLES)
    return {row["id"]: row for row in engine.run("select * from pointed").to_pylist()}


def test_deviation_as_published(engine: Engine) -> None:
    """Mean 10,000 yuan, 1,333.3 points: 4,000 yuan count 0.4 times, 25,000 2.5 - 1 times."""
    found = points(
        engine, case("usual", 1_900_000, tier="own"), case("half", 500_000, tier="own"),
        case("under", 400_000, tier="own"), case("double", 2_000_000, tier="own"),
        case("over", 2_500_000, tier="own"), case("none", 700_000, dx=["Z00.000"], tier="own"),
    )  # fmt: skip
    assert {id: (row["method"], row["points"]) for id, row in found.items()} == {
        "usual": ("by_points", 13_333), "half": ("by_points", 13_333), "under": ("under", 5_333),
        "double": ("by_points", 13_333), "over": ("over", 20_000), "none": ("no_group", 0),
    }  # fmt: skip


def test_factors_of_tier_age_and_severity_multiply(engine: Engine) -> None:
    more = ["I10.x00"] * 5
    found = points(
        engine, case("tier", 1_000_000), case("child", 1_000_000, age=5, tier="own"),
        case("old", 1_000_000, age=75), case("severe", 1_000_000, dx=["K35.800", *more], los=15, tier="own"),
        case("died", 1_000_000, died=True, los=3, tier="own"),
        case("unknown", 1_000_000, age=None, tier="own"),
    )  # fmt: skip
    factors = {id: row["factor"] for id, row in found.items()}
    assert factors == {
        "tier": 10_500, "child": 10_500, "old": 11_025, "severe": 11_000, "died": 9_000, "unknown": 10_000,
    }  # fmt: skip
    assert found["severe"]["severity"] == "severe"
    assert found["old"]["points"] == 14_700  # 1,333.3 x 1.1025 = 1,469.96


def test_a_tiers_own_mean_is_the_measure_where_it_has_enough_cases(engine: Engine) -> None:
    read(
        engine,
        *many("a", 20, 1_000_000, dx=["K35.800"], pr=["47.0100"], tier="tertiary"),
        *many("b", 5, 400_000, dx=["K35.800"], pr=["47.0100"], tier="primary"),
        *many("c", 4, 200_000, dx=["K35.800"], pr=["47.0100"], tier="secondary"),
    )  # fmt: skip
    built = grouping.build(engine, RULE, TABLES)
    assert {(row["tier"], row["mean"]) for row in built.means.to_pylist()} == {
        ("tertiary", 1_000_000), ("primary", 400_000),
    }  # fmt: skip
    read(engine, case("a", 450_000, tier="primary"), case("b", 450_000, tier="tertiary"))
    grouping.assign(engine, built.groups, RULE, TABLES)
    settling.count_points(engine, built.groups, built.means, RULE, TABLES)
    found = {row["id"]: row["method"] for row in engine.run("select * from pointed").to_pylist()}
    assert found == {"a": "by_points", "b": "under"}


def test_the_point_value_spends_the_budget(engine: Engine) -> None:
    """20,000 yuan, half paid by the fund; 12,000 to pay; 2,000 by item; 22,000 over 2,666.7 points."""
    found = points(
        engine,
        case("a", 1_000_000, fund=500_000, tier="own"),
        case("b", 500_000, fund=250_000, dx=["J11.100"], pr=[], tier="own"),
        case("c", 300_000, fund=150_000, dx=["J11.100"], pr=[], tier="own"),
        case("d", 200_000, fund=100_000, dx=["Z00.000"], tier="own"),
    )  # fmt: skip
    assert sum(row["points"] for row in found.values()) == 13_333 + 6_667 + 6_667
    budget = {"employee": Budget("employee", 1_200_000, 0)}
    (value,) = settling.point_values(engine, budget, RULE).to_pylist()
    assert value["value"] == 824_990  # (2 x 12,000 - 2,000) yuan over 2,666.7 points, for 1,000
    settling.settle_cases(engine, settling.point_values(engine, budget, RULE), RULE)
    rows = {row["id"]: row for row in engine.run("select * from settled").to_pylist()}
    assert rows["a"]["amount"] == 1_099_959 and rows["a"]["fund_pay"] == 599_959
    assert rows["d"]["amount"] == 200_000
    assert "1,333.3 points at 8,249.90 for 1,000" in settling.explain(rows["a"])[1]
    lines, (pool,) = closing.close(by_month(engine).to_pylist(), budget, RULE.payment)
    assert pool.paid == 1_200_000 == sum(line.entitled for line in lines)


def test_every_case_of_history_has_a_group_and_levels_add_up(engine: Engine) -> None:
    read_cases(engine, drawn(6_000, 9, groups=80), needs=("dx", "pr"))
    built = grouping.build(engine, RULE, TABLES)
    rows = built.groups.to_pylist()
    assert sum(row["cases"] for row in rows) == built.cases == 6_000
    assert all(row["cases"] >= 15 for row in rows if row["level"] != "chapter")
    assert len({row["dip"] for row in rows}) == len(rows)
    assigned = grouping.assign(engine, built.groups, RULE, TABLES).to_pylist()
    counted: dict[str, int] = {}
    for row in assigned:
        counted[row["dip"]] = counted.get(row["dip"], 0) + 1
    # a case of a thin combination may now find the group of the main procedure or a mixed one: never fewer
    assert counted == {row["dip"]: row["cases"] for row in rows}
    kept = sum(row["kept"] * row["score"] for row in rows) / sum(row["kept"] for row in rows)
    assert abs(kept - 10_000) < 1  # the mean of all is 1,000 points


def test_parameters_and_catalogues_that_break_the_form_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        parameters.parameters(on=date(2019, 1, 1))
    own = tmp_path / "own.toml"
    text = (Path(parameters.__file__).parents[1] / "rules" / "dip_parameters.toml").read_text()
    for old, new in (
        ("threshold = 15", "threshold = 0"),
        ('high = "2"', 'high = "0.9"'),
        ("threshold = 15", ""),
    ):
        own.write_text(text.replace(old, new))
        with pytest.raises(Invalid) as error:
            parameters.parameters(on=date(2025, 1, 1), path=own)
        assert error.value.code == "dip-parameters"
    (tmp_path / "dip_ages.csv").write_text("set,from_age,to_age,factor\nnational,0,x,1.05\n")
    with pytest.raises(Invalid) as error:
        parameters.catalogues(folder=tmp_path)
    assert (error.value.code, error.value.where) == ("dip-catalogue", "dip_ages.csv:2")
