"""The command and its files: what is written can be read, and each bad row is named."""

import csv
import json
import tomllib
from importlib import resources
from pathlib import Path

import pytest
from typer.testing import CliRunner

from salus.city.insurance.prices import price_city, write
from salus.insurance.commands import app
from salus.insurance.repricing import default_rules, read_rules
from salus.insurance.repricing.rules import rules_from
from salus.insurance.repricing.tables import BadRows, read_basis
from salus.kernel.errors import Invalid

SERVICES = "code,price,cost,labour_share\nA,50,40,0.5\nB,60.50,70,0.9\n"
VOLUMES = "service,hospital,tier,group,volume\nA,H1,tier3,employee,10\nB,H1,tier3,employee,7\n"


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "services.csv").write_text(SERVICES)
    (tmp_path / "volumes.csv").write_text(VOLUMES)
    return tmp_path


def test_a_city_goes_through_the_command(tmp_path: Path) -> None:
    city = price_city(2, services=200, hospitals=8)
    services, volumes, freed = write(city, tmp_path / "in")
    out = tmp_path / "out"
    done = CliRunner().invoke(
        app,
        ["reprice", str(services), str(volumes), "--freed", str(freed), "-o", str(out), "--closeness", "40"],
    )
    assert done.exit_code == 0, done.output
    said = json.loads((out / "summary.json").read_text())
    assert said["services"] == 200 and said["closeness"] == 40 and said["gap"] < 0.05
    rows = rows_of(out / "prices.csv")
    assert [row["code"] for row in rows] == [one.code for one in city.services]
    # Neutral to the yuan, reckoned from the files alone.
    old = {one.code: one.price for one in city.services}
    new = {row["code"]: round(float(row["new"]) * 100) for row in rows}
    change = sum((new[row["service"]] - old[row["service"]]) * int(row["volume"]) for row in rows_of(volumes))
    lost = sum(round(float(row["amount"]) * 100) for row in rows_of(freed))
    assert abs(change - lost) <= 100
    assert len(rows_of(out / "curve.csv")) == 1
    assert {row["kind"] for row in rows_of(out / "impact.csv")} == {
        "total", "tier", "group", "department", "hospital",
    }  # fmt: skip


def test_read_what_is_written(tmp_path: Path) -> None:
    city = price_city(3, services=60, hospitals=4)
    basis = read_basis(*write(city, tmp_path))
    assert basis.price.tolist() == [one.price for one in city.services]
    order = [basis.hospitals.index(code) for code, _ in city.hospitals]
    groups = [basis.groups.index(one) for one in city.groups]
    assert basis.volumes[:, order][:, :, groups].tolist() == city.volumes.tolist()
    assert basis.freed[order][:, groups].tolist() == city.freed.tolist()
    assert basis.labour.tolist() == [100 * one.labour for one in city.services]


def test_schema_needs_nothing() -> None:
    done = CliRunner().invoke(app, ["reprice", "--schema"])
    assert done.exit_code == 0
    assert "labour_share" in done.output and "output prices.csv" in done.output


@pytest.mark.parametrize(
    ("name", "row", "code"),
    [
        ("services", "A,50,40,0.5", "reprice-duplicate"),
        ("services", ",50,40,0.5", "reprice-code"),
        ("services", "C,0,40,0.5", "reprice-range"),
        ("services", "C,-5,40,0.5", "reprice-range"),
        ("services", "C,1.234,40,0.5", "money-fraction"),
        ("services", "C,dear,40,0.5", "money-malformed"),
        ("services", "C,NaN,40,0.5", "money-fraction"),
        ("services", "C,50,40,1.5", "reprice-number"),
        ("services", "C,50,,0.5", "reprice-empty"),
        ("services", "C,50,40", "reprice-width"),
        ("volumes", "Z,H1,tier3,employee,1", "reprice-service"),
        ("volumes", "A,H1,tier3,employee,1", "reprice-duplicate"),
        ("volumes", "A,H1,tier2,minor,1", "reprice-tier"),
        ("volumes", "A,H1,tier3,minor,-1", "reprice-number"),
        ("volumes", "A,H1,tier3,minor,1.5", "reprice-number"),
        ("volumes", "A,,tier3,minor,1", "reprice-empty"),
        ("freed", "H9,employee,1,", "reprice-hospital"),
        ("freed", "H1,nobody,1,", "reprice-group"),
        ("freed", "H1,employee,1,2", "reprice-range"),
        ("freed", "H1,employee,,", "reprice-empty"),
    ],
)
def test_each_bad_row_is_named(files: Path, name: str, row: str, code: str) -> None:
    (files / "freed.csv").write_text("hospital,group,amount,fund\nH1,employee,100.00,\n")
    with (files / f"{name}.csv").open("a") as file:
        file.write(row + "\n" + row + "\n")
    with pytest.raises(BadRows) as raised:
        read_basis(files / "services.csv", files / "volumes.csv", files / "freed.csv")
    first = raised.value.faults[0]
    line = 3 if name == "freed" else 4
    assert (first.code, first.where.split()[0]) == (code, f"{name}.csv:{line}")
    assert any(fault.where.startswith(f"{name}.csv:{line + 1}") for fault in raised.value.faults)


def test_the_command_names_bad_rows_and_writes_nothing(files: Path) -> None:
    (files / "services.csv").write_text(SERVICES + "C,dear,40,0.5\n")
    arguments = ["reprice", str(files / "services.csv"), str(files / "volumes.csv"), "-o", str(files / "out")]
    done = CliRunner().invoke(app, arguments)
    assert isinstance(done.exception, BadRows)
    assert "money-malformed" in done.output and "services.csv:4" in done.output
    assert not (files / "out").exists()


@pytest.mark.parametrize("content", [b"\xff\xfe", b"", b"code,cost,labour_share\n", b"code,code,price\n"])
def test_files_that_are_none(files: Path, content: bytes) -> None:
    (files / "services.csv").write_bytes(content)
    with pytest.raises(Invalid) as raised:
        read_basis(files / "services.csv", files / "volumes.csv")
    assert raised.value.code in {"reprice-file", "reprice-column"}


def test_freed_money_without_groups_is_split_to_the_fen(files: Path) -> None:
    (files / "volumes.csv").write_text(VOLUMES + "A,H1,tier3,resident,3\n")
    (files / "freed.csv").write_text("hospital,amount\nH1,100.01\n")
    basis = read_basis(files / "services.csv", files / "volumes.csv", files / "freed.csv")
    # employee 10 × 50 + 7 × 60.50 = 923.50, resident 150 of 1,073.50 yuan: 100.01 × 150 / 1,073.5 = 13.974…
    assert basis.freed.tolist() == [[8_604, 1_397]]


def shipped() -> dict[str, object]:
    text = resources.files("salus.insurance").joinpath("rules", "repricing_city.toml").read_text("utf-8")
    return tomllib.loads(text)


@pytest.mark.parametrize(
    ("where", "change"),
    [
        ("steps", {"steps": []}),
        ("steps.step", {"steps": [{"below": "10", "step": "0"}]}),
        ("steps.below", {"steps": [{"below": "10", "step": "1"}, {"below": "10", "step": "1"}]}),
        ("bounds.labour", {"bounds": [{"labour": "10", "down": "1", "up": "1"}]}),
        ("limits.moon", {"limits": {"moon": {"free": "0", "most": "1", "weight": 1}}}),
        ("limits.tier", {"limits": {"tier": {"free": "2", "most": "1", "weight": 1}}}),
        ("rates.tier1.employee", {"rates": {"tier1": {"employee": "100.5"}}}),
        ("rates.tier1.employee", {"rates": {"tier1": {"employee": 0.5}}}),
        ("neutral.returned", {"neutral": {"returned": "101", "tolerance": "1"}}),
        ("surprise", {"surprise": {}}),
    ],
)
def test_bad_rules_are_named(where: str, change: dict[str, object]) -> None:
    with pytest.raises(Invalid) as raised:
        rules_from(shipped() | change)
    assert (raised.value.code, raised.value.where) == ("reprice-rules", where)


def test_rules_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_bytes(resources.files("salus.insurance").joinpath("rules", "repricing_city.toml").read_bytes())
    assert read_rules(path) == default_rules()
    path.write_text("neutral = [")
    with pytest.raises(Invalid):
        read_rules(path)
    with pytest.raises(Invalid):
        read_rules(tmp_path / "absent.toml")


def test_a_missing_rate_is_named(files: Path) -> None:
    from salus.insurance.repricing import reprice

    (files / "volumes.csv").write_text(VOLUMES.replace("employee", "pirate"))
    basis = read_basis(files / "services.csv", files / "volumes.csv")
    with pytest.raises(Invalid) as raised:
        reprice(basis, default_rules())
    assert (raised.value.code, raised.value.where) == ("reprice-rate", "rates.tier3.pirate")
