"""`salus insurance tender` on files alone: results, one typed error a bad row, sealing to verification."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from salus.insurance.tender.commands import app
from salus.kernel.errors import SalusError

BIDS = """group,supplier,strength,pack,price,qualified,evaluated,regions
amlodipine,S1,5 mg,28,6.16,,2019-05-01,south
amlodipine,S2,5 mg,14,3.50,yes,2019-06-01,
amlodipine,S3,10 mg,7,2.80,,,
amlodipine,S4,5 mg,28,11.10,,,
metformin,S1,0.5 g,60,3.00,,,
metformin,S5,0.5 g,60,2.90,no,,
"""
GROUPS = """group,reference,pack,ceiling,old_price
amlodipine,5 mg,28,28.00,25.20
metformin,0.5 g,60,12.00,
"""
DEMAND = """group,institution,region,strength,pack,packs
amlodipine,H1,north,5 mg,28,1000
amlodipine,H2,south,10 mg,28,250
amlodipine,H2,south,5 mg,14,3
"""


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments])


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in (("bids", BIDS), ("groups", GROUPS), ("demand", DEMAND)):
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
    return tmp_path


def test_a_tender_from_files_by_hand(folder: Path) -> None:
    """S3: 2.80/7/1.7 = 0.235294 → 0.2353 yuan; S1 0.2200; S2 0.2500; S4 0.3964 > 1.8 x 0.2200 = 0.3960."""
    done = invoke(
        "run", folder / "bids.csv", "-o", folder / "out", "--groups", folder / "groups.csv",
        "--demand", folder / "demand.csv", "--ruleset", "national-2021",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    decisions = {(row["group"], row["supplier"]): row for row in rows(folder / "out/decisions.csv")}
    amlodipine = [decisions["amlodipine", f"S{n}"] for n in (1, 3, 2, 4)]
    assert [row["comparable_yuan"] for row in amlodipine] == ["0.2200", "0.2353", "0.2500", "0.3964"]
    assert [row["reason"] for row in amlodipine] == ["winner"] * 3 + ["beyond-number"]
    assert decisions["metformin", "S5"]["unmet"] == "qualified"
    groups = {row["group"]: row for row in rows(folder / "out/groups.csv")}
    assert (groups["amlodipine"]["share_percent"], groups["amlodipine"]["years"]) == ("70", "2")
    assert (groups["metformin"]["share_percent"], groups["metformin"]["bidders"]) == ("50", "1")
    # 28,000 + 14,000 + 42 = 42,042 units; 70 % is 29,429.4.
    volumes = rows(folder / "out/volumes.csv")
    assert sum(int(row["base"]) for row in volumes) == 42_042
    assert sum(int(row["agreed"]) for row in volumes) == 29_429
    regions = {row["region"]: row for row in rows(folder / "out/regions.csv")}
    assert (regions["south"]["main"], regions["north"]["main"]) == ("S1", "S3")
    # Old 0.90 yuan. H1: 19,600 x (0.90 - 0.20) = 13,720.00; H2: 9,829 x (0.90 - 0.22) = 6,683.72.
    saved = {row["institution"]: row["saving_yuan"] for row in rows(folder / "out/savings.csv")}
    assert saved == {"H1": "13720.00", "H2": "6683.72"}
    [effect] = rows(folder / "out/effects.csv")
    assert effect["saving_yuan"] == "20403.72"
    assert (
        int(effect["fund_yuan"].replace(".", "")) + int(effect["residents_yuan"].replace(".", ""))
        == 2_040_372
    )


def test_each_bad_row_gets_a_typed_error_and_nothing_is_written(folder: Path) -> None:
    (folder / "bids.csv").write_text(
        BIDS + "amlodipine,S6,5 stone,28,1.00,,,\n"
        "amlodipine,S7,5 mg,0,1.00,,,\n"
        "amlodipine,S8,5 mg,28,1.005,,,\n"
        "amlodipine,S9,5 mg,28,-1,,,\n"
        "amlodipine,S1,5 mg,28,1.00,,,\n"
        "amlodipine,S10,5 mg,28,1.00,perhaps,,\n"
        "amlodipine,S11,5 mg,28,1.00,,yesterday,\n"
        "amlodipine,S12,5 ml,28,1.00,,,\n"
        "amlodipine,S13\n"
        ",S14,5 mg,28,1.00,,,\n",
        encoding="utf-8",
    )
    done = invoke("run", folder / "bids.csv", "-o", folder / "out", "--groups", folder / "groups.csv")
    assert done.exit_code == 1
    for line, code in (
        (8, "strength-malformed"), (9, "number-malformed"), (10, "money-fraction"), (11, "price-range"),
        (12, "bid-twice"), (13, "yes-or-no"), (14, "date-malformed"), (15, "strength-incomparable"),
        (16, "row-columns"), (17, "code-malformed"),
    ):  # fmt: skip
        assert any(f"bids.csv:{line}" in said and f"[{code}]" in said for said in done.stderr.splitlines()), (
            line, done.stderr,
        )  # fmt: skip
    assert len(done.stderr.strip().splitlines()) == 11
    assert not (folder / "out").exists() and not (folder / "out.partial").exists()


def test_criteria_are_judged_where_the_bids_answer_them(folder: Path) -> None:
    head, *lines = BIDS.splitlines()
    answers = ["yes", "no", "", "yes", "yes", "yes"]
    text = "\n".join([f"{head},gmp", *(f"{line},{word}" for line, word in zip(lines, answers, strict=True))])
    (folder / "bids.csv").write_text(text, encoding="utf-8")
    done = invoke("run", folder / "bids.csv", "-o", folder / "out", "--groups", folder / "groups.csv")
    assert done.exit_code == 0, done.output
    reasons = {
        row["supplier"]: row for row in rows(folder / "out/decisions.csv") if row["group"] == "amlodipine"
    }
    assert {name: row["unmet"] for name, row in reasons.items()} == {
        "S1": "",
        "S2": "gmp",
        "S3": "gmp",
        "S4": "",
    }


def test_a_city_brings_its_own_rules(folder: Path) -> None:
    (folder / "own.toml").write_text(
        """[[ruleset]]
name = "city"
valid_from = 2026-01-01
strength_price = "linear"
ties = ["draw"]
[[ruleset.winners]]
bidders_from = 1
winners = 1
[[ruleset.terms]]
winners_from = 1
share = "100"
years = 2
"""
    )
    done = invoke(
        "run", folder / "bids.csv", "-o", folder / "out", "--rules", folder / "own.toml", "--on", "2026-05-01"
    )
    assert done.exit_code == 0, done.output
    assert {row["winners"] for row in rows(folder / "out/groups.csv")} == {"1"}
    assert "at most 1 winners" in invoke("rules", "--file", folder / "own.toml").output


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"], ["run", "not-there.csv", "-o", "x"], ["run", "bids.csv"],
        ["run", "bids.csv", "-o", "."], ["run", "bids.csv", "-o", "x", "--ruleset", "none"],
        ["run", "bids.csv", "-o", "x", "--seed", "short"],
        ["run", "bids.csv", "-o", "x", "--rules", "bids.csv"],
        ["run", "bids.csv", "-o", "x", "--on", "2001-01-01"],
        ["keys"], ["keys", "k", "--needed", "4"], ["seal"], ["seal", "bids.csv", "-o", "x"],
        ["open"], ["open", "bids.csv", "-o", "x"], ["verify"], ["verify", "bids.csv"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_bad_arguments_are_typed_errors(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(folder)
    done = invoke(*arguments)
    assert done.exit_code != 0
    assert isinstance(done.exception, SalusError), done.output
    assert sorted(path.name for path in folder.iterdir()) == ["bids.csv", "demand.csv", "groups.csv"]


@pytest.mark.parametrize("command", ["run", "rules", "keys", "seal", "open", "verify"])
def test_every_command_prints_its_schema(command: str) -> None:
    done = invoke(command, "--schema")
    assert done.exit_code == 0 and done.output.strip()


def test_a_bid_from_the_bidders_machine_to_the_custodians(tmp_path: Path) -> None:
    assert invoke("keys", tmp_path / "keys", "--needed", 2, "--custodians", 3).exit_code == 0
    public = (tmp_path / "keys/tender.pub").read_text().strip()
    announcement = {"tender": "T1", "round": {"code": "R1"}, "groups": [{"code": "g"}], "public_key": public}
    (tmp_path / "tender.json").write_text(json.dumps(announcement))
    done = invoke(
        "seal", tmp_path / "tender.json", "-o", tmp_path / "bid", "--group", "g", "--supplier", "S1",
        "--strength", "5mg", "--pack", 28, "--price", "6.16", "--regions", "n; s",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    sealed = json.loads((tmp_path / "bid/sealed.json").read_text())
    assert set(sealed) == {"party", "digest", "envelope"} and "price" not in json.dumps(sealed)
    assert (tmp_path / "bid/opening.json").stat().st_mode & 0o077 == 0
    envelopes = {"round": "R1", "public_key": public, "envelopes": [sealed, {**sealed, "party": "g/S2"}]}
    (tmp_path / "envelopes.json").write_text(json.dumps(envelopes))
    alone = invoke(
        "open",
        tmp_path / "envelopes.json",
        "--share",
        tmp_path / "keys/share-1.txt",
        "-o",
        tmp_path / "o.json",
    )
    assert isinstance(alone.exception, SalusError) and alone.exception.code == "custody-few"
    opened = invoke(
        "open", tmp_path / "envelopes.json", "--share", tmp_path / "keys/share-1.txt",
        "--share", tmp_path / "keys/share-3.txt", "-o", tmp_path / "o.json",
    )  # fmt: skip
    assert opened.exit_code == 0 and "1 envelopes opened, 1 void" in opened.output
    [row] = json.loads((tmp_path / "o.json").read_text())["openings"]
    assert row == json.loads((tmp_path / "bid/opening.json").read_text())
    assert json.loads(row["payload"])["price_fen"] == 616


def test_no_command_needs_django(folder: Path) -> None:
    """The engine and its commands run where Django cannot be imported."""
    program = (
        "import sys; sys.modules['django'] = None\n"
        "from salus.insurance.tender.commands import app\n"
        f"app(['run', {str(folder / 'bids.csv')!r}, '-o', {str(folder / 'out')!r}])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (folder / "out/decisions.csv").exists()
