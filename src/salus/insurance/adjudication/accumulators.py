"""What a person has used up in a year, as sums of events: added by a claim, taken back by its reversal.

An account of a person and year is never written over. Adjudication gives events; reversing a claim gives
their negatives; the balance is the sum, so a reversed claim leaves exactly the state from before it, whatever
came between. To adjudicate a claim anew, reverse it and those after it, then take them again in their order.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from salus.insurance.adjudication.tables import INPUTS

Record = Mapping[str, Any]
State = dict[tuple[str, int, str, str], int]
_KEY = ("person_id", "year", "account", "key")


def balances(events: pa.Table) -> pa.Table:
    """Return the balances that a table of events sums up to: the input table balances, without zeros."""
    summed = events.group_by(list(_KEY)).aggregate([("amount", "sum")])
    summed = summed.rename_columns({"amount_sum": "amount"})
    kept = summed.filter(pc.not_equal(summed.column("amount"), 0))
    return INPUTS["balances"].conform(kept.sort_by([(name, "ascending") for name in _KEY]))


def state(events: Iterable[Record]) -> State:
    """Return the balances that are not zero, by (person_id, year, account, key)."""
    found: State = {}
    for event in events:
        key = (event["person_id"], event["year"], event["account"], event["key"])
        found[key] = found.get(key, 0) + event["amount"]
    return {key: amount for key, amount in found.items() if amount}


def of_person(events: Iterable[Record]) -> dict[tuple[int, str, str], int]:
    """Return one person's balances as `Context.balances` holds them."""
    return {key[1:]: amount for key, amount in state(events).items()}


def reversal(events: Iterable[Record], claim_id: str) -> list[dict[str, Any]]:
    """Return the events that take back what a claim still uses up; none if it was reversed already."""
    own: State = state(event for event in events if event["claim_id"] == claim_id)
    return [
        {"claim_id": claim_id, **dict(zip(_KEY, key, strict=True)), "amount": -amount}
        for key, amount in sorted(own.items())
    ]


def standing(decided: pa.Table, claims: pa.Table) -> pa.Table:
    """Return the claims that later ones are held against, as the input table earlier has them.

    `decided` is `Results.claims`, `claims` the input table; claims returned or not covered are left out.
    """
    chosen = decided.filter(decided.column("standing")).column("claim_id")
    kept = claims.filter(pc.is_in(claims.column("claim_id"), value_set=chosen))
    principal = [codes[0] if codes else None for codes in kept.column("diagnoses").to_pylist()]
    return INPUTS["earlier"].conform(kept.append_column("diagnosis", pa.array(principal, pa.string())))
