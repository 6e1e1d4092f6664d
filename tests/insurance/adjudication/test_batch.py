"""The batch: equal to the till on random histories, over batches in a row, and after reversals."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.insurance.adjudication import adjudicate_batch, balances, load_rules, reversal, standing
from salus.insurance.adjudication.accumulators import state
from salus.insurance.adjudication.tables import OUTPUTS, PAYERS
from salus.kernel.errors import Invalid
from tests.insurance.adjudication.histories import AS_OF, Row, Tables, arrow, differences, draw, one_by_one

RULES = load_rules(as_of=AS_OF)


@settings(max_examples=2, deadline=None, database=None, derandomize=True)
@given(st.integers(0, 10**6))
def test_batch_and_till_decide_alike(seed: int) -> None:
    tables = draw(seed, 60)
    results = adjudicate_batch(arrow(tables), RULES, as_of=AS_OF)
    assert differences(one_by_one(tables, RULES), results) == []


@pytest.fixture(scope="module")
def tables() -> Tables:
    return draw(20250131, 120)


@pytest.fixture(scope="module")
def results(tables: Tables) -> Any:
    return adjudicate_batch(arrow(tables), RULES, as_of=AS_OF)


def test_every_line_adds_up_to_its_charge(tables: Tables, results: Any) -> None:
    charged = sorted(
        (line["claim_id"], line["line_no"], line["charge"] or 0) for line in tables["claim_lines"]
    )
    lines = results.lines.to_pylist()
    assert sorted((line["claim_id"], line["line_no"], line["charge"]) for line in lines) == charged
    for line in lines:
        assert sum(line[payer] for payer in PAYERS) == line["charge"]
    parts: dict[tuple[str, int], int] = {}
    for part in results.parts.to_pylist():
        key = (part["claim_id"], part["line_no"])
        parts[key] = parts.get(key, 0) + part["amount"]
    totals: dict[tuple[str, int], int] = {}
    for line in lines:
        totals[line["claim_id"], line["line_no"]] = (
            totals.get((line["claim_id"], line["line_no"]), 0) + line["charge"]
        )
    assert parts == {key: amount for key, amount in totals.items() if amount}


def test_every_claim_adds_up_and_nobody_is_paid_below_zero(results: Any) -> None:
    for claim in results.claims.to_pylist():
        assert sum(claim[payer] for payer in PAYERS) == claim["charge"]
        if claim["outcome"] == "paid":
            assert min(claim[payer] for payer in PAYERS) >= 0
    for part in results.parts.to_pylist():
        assert part["amount"] > 0 or part["payer"] == "institution"


def test_every_part_names_its_rule(results: Any) -> None:
    known = {edit.rule for edit in RULES.edits}
    known |= {row["rule"] for rows in RULES.tables.values() for row in rows if "rule" in row}
    for part in results.parts.to_pylist():
        assert part["reason"] in RULES.reasons
        if part["reason"] == "no-benefit":
            assert part["rule"] is None
        elif part["reason"] in ("class-b", "class-c"):
            assert part["rule"].startswith("catalogue:") and part["version"] >= 20200101
        else:
            assert part["rule"] in known and part["version"] == 1, part


def test_months_in_a_row_give_what_one_batch_gives(tables: Tables, results: Any) -> None:
    """What a batch used up and its standing claims are all that the next one needs."""
    ordered = sorted(
        (one for one in tables["claims"] if one["discharged"]),
        key=lambda one: (one["discharged"], one["claim_id"]),
    )
    events: list[Any] = []
    decided: list[Any] = []
    earlier: list[Any] = []
    found: dict[str, list[Row]] = {"claims": [], "lines": [], "parts": []}
    months = (date(2024, 3, 1), date(2024, 8, 1), date(2027, 1, 1))
    begins = date.min
    for ends in months:
        chosen = [one for one in ordered if begins <= one["discharged"] < ends]
        begins = ends
        names = {one["claim_id"] for one in chosen}
        month = tables | {
            "claims": chosen,
            "claim_lines": [x for x in tables["claim_lines"] if x["claim_id"] in names],
        }
        given = arrow(month)
        if events:
            given["balances"] = balances(pa.concat_tables(events))
            given["earlier"] = pa.concat_tables(earlier)
        part = adjudicate_batch(given, RULES, as_of=AS_OF)
        events.append(part.events)
        decided.append(part)
        earlier.append(standing(part.claims, given["claims"]))
        for name, rows in found.items():
            rows += getattr(part, name).to_pylist()
    whole = {one["claim_id"] for one in ordered}
    for name, rows in found.items():
        expected = [row for row in getattr(results, name).to_pylist() if row["claim_id"] in whole]
        assert _sorted(rows) == _sorted(expected)


def _sorted(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: repr(list(row.values())))


def test_a_reversal_gives_back_the_state_of_before(results: Any) -> None:
    events = results.events.to_pylist()
    by_claim: dict[str, list[Row]] = {}
    for event in events:
        by_claim.setdefault(event["claim_id"], []).append(event)
    assert len(by_claim) > 100
    for claim_id in list(by_claim)[::7]:
        without = state(event for event in events if event["claim_id"] != claim_id)
        undone = reversal(events, claim_id)
        assert state([*events, *undone]) == without
        assert reversal([*events, *undone], claim_id) == []
        assert state([*events, *undone, *by_claim[claim_id]]) == state(events)


def test_balances_are_the_sums_of_events(results: Any) -> None:
    table = balances(results.events)
    expected = {key: amount for key, amount in state(results.events.to_pylist()).items() if amount}
    rows = table.to_pylist()
    assert {
        (row["person_id"], row["year"], row["account"], row["key"]): row["amount"] for row in rows
    } == expected


def test_claims_that_repeat_a_number_and_lines_of_no_claim_are_sent_back(tables: Tables) -> None:
    line = {**tables["claim_lines"][0], "claim_id": "nowhere", "charge": 700}
    claim = next(one for one in tables["claims"] if one["claim_id"] == tables["claim_lines"][0]["claim_id"])
    broken = tables | {"claims": [claim, claim], "claim_lines": [*tables["claim_lines"][:1], line]}
    found = adjudicate_batch(arrow(broken), RULES, as_of=AS_OF)
    outcomes = {row["claim_id"]: row["outcome"] for row in found.claims.to_pylist()}
    assert outcomes == {claim["claim_id"]: "returned", "nowhere": "returned"}
    codes = {(row["claim_id"], row["code"]) for row in found.findings.to_pylist()}
    assert {(claim["claim_id"], "claim-id-repeated"), ("nowhere", "claim-unknown")} <= codes
    parts = [row for row in found.parts.to_pylist() if row["claim_id"] == "nowhere"]
    assert [(row["payer"], row["amount"], row["reason"]) for row in parts] == [
        ("institution", 700, "claim-unknown")
    ]


def test_no_claims_give_no_results(tables: Tables) -> None:
    empty = adjudicate_batch(arrow(tables | {"claims": [], "claim_lines": []}), RULES, as_of=AS_OF)
    for name in OUTPUTS:
        assert getattr(empty, name).num_rows == 0


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda t: t.pop("catalogue"), "adjudication-table"),
        (lambda t: t.update(prices=t["claims"]), "adjudication-table"),
        (lambda t: t.update(persons=pa.concat_tables([t["persons"], t["persons"]])), "adjudication-repeated"),
        (lambda t: t.update(claims=t["claims"].drop_columns(["kind"])), "adjudication-column"),
        (
            lambda t: t.update(
                claims=t["claims"].set_column(
                    11, "charge", t["claims"].column("charge").cast(pa.float64(), safe=False)
                )
            ),
            "adjudication-float",
        ),
        (
            lambda t: t.update(
                coverage=t["coverage"].set_column(1, "scheme", pa.nulls(t["coverage"].num_rows, pa.string()))
            ),
            "adjudication-rows",
        ),
    ],
)
def test_tables_that_cannot_be_joined_are_refused(tables: Tables, change: Any, code: str) -> None:
    given = arrow(tables)
    change(given)
    with pytest.raises(Invalid) as refused:
        adjudicate_batch(given, RULES, as_of=AS_OF)
    assert refused.value.code == code
