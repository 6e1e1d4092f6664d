"""A synthetic round with planted cases: the engine decides every bid as the round's own truth says."""

import csv
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from salus.city.insurance.tender import KINDS, tender_round, write_round
from salus.insurance.tender import load_rulesets
from salus.insurance.tender.running import run


@pytest.mark.parametrize("seed", [1, 2, 20261130])
def test_every_planted_bid_ends_as_planted(tmp_path: Path, seed: int) -> None:
    made = write_round(tmp_path / "round", seed, groups=90)
    decided = run(
        tmp_path / "round/bids.csv", load_rulesets()["national-2021"], groups=tmp_path / "round/groups.csv",
        demand=tmp_path / "round/demand.csv", on=date(2026, 1, 1),
    )  # fmt: skip
    with (tmp_path / "round/truth/decisions.csv").open(newline="") as file:
        truth = {
            (row["group"], row["supplier"]): (row["reason"], row["rank"]) for row in csv.DictReader(file)
        }
    found = {
        (one.group.code, made_.supplier): (made_.reason, str(made_.rank or ""))
        for one in decided
        for made_ in one.outcome.decisions
    }
    assert len(found) == len(made.bids) == len(truth)
    assert {key: (found[key], truth[key]) for key in truth if found[key] != truth[key]} == {}


def test_every_kind_is_planted_and_every_reason_occurs() -> None:
    made = tender_round(1, groups=90)
    assert Counter(row["kind"] for row in made.groups) == dict.fromkeys(KINDS, 10)
    assert {row["reason"] for row in made.truth} == {
        "winner", "beyond-number", "above-multiple", "above-ceiling", "not-qualified",
    }  # fmt: skip
    assert tender_round(1, groups=90) == made != tender_round(2, groups=90)
