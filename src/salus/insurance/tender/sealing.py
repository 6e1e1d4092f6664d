"""A sealed bid: its words, its commitment, and reading it again after the opening."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from salus.insurance.tender import custody
from salus.insurance.tender.selecting import Bid
from salus.insurance.tender.units import Strength
from salus.kernel.commit_reveal import Opening, canonical, commit, nonce
from salus.kernel.errors import Invalid

PURPOSE = "insurance.tender"
_KEYS = frozenset({"tender", "group", "supplier", "strength", "pack", "price_fen", "capacity", "regions"})
_MOST = 10**12


@dataclass(frozen=True, slots=True)
class Sealed:
    """What a bidder hands in (party, digest, envelope) and what it keeps until the opening."""

    party: str
    digest: str
    envelope: str
    opening: Opening


def party(group: str, supplier: str) -> str:
    """Return the name under which a supplier commits for a group."""
    return f"{group}/{supplier}"


def payload(
    tender: str,
    group: str,
    supplier: str,
    *,
    strength: str,
    pack: int,
    price_fen: int,
    capacity: int | None = None,
    regions: Sequence[str] = (),
) -> str:
    """Return a bid's words in their canonical form."""
    return canonical(
        {
            "tender": tender,
            "group": group,
            "supplier": supplier,
            "strength": strength,
            "pack": pack,
            "price_fen": price_fen,
            "capacity": capacity,
            "regions": list(regions),
        }  # fmt: skip
    )


def seal(round: str, group: str, supplier: str, words: str, *, key: str = "") -> Sealed:
    """Seal a bid's words under a fresh nonce, and in an envelope when the tender has custodians."""
    name = party(group, supplier)
    opening = Opening(PURPOSE, round, name, nonce(), words)
    envelope = custody.seal(key, round, name, opening.nonce, words) if key else ""
    return Sealed(name, commit(opening), envelope, opening)


def read_payload(text: str, tender: str, group: str, supplier: str) -> Bid:
    """Read an opened bid.

    Raises:
        Invalid: it is no bid, or one for another tender, group or supplier.
    """
    try:
        words = json.loads(text)
        known = isinstance(words, dict) and set(words) == _KEYS
    except (ValueError, RecursionError):
        known = False
    if not known:
        raise Invalid("bid-unreadable", "The opened text is no bid", where=party(group, supplier))
    if (words["tender"], words["group"], words["supplier"]) != (tender, group, supplier):
        raise Invalid("bid-elsewhere", "The opened bid is for another place", where=party(group, supplier))
    regions, capacity = words["regions"], words["capacity"]
    whole = all(type(words[name]) is int and 0 < words[name] <= _MOST for name in ("pack", "price_fen"))
    sound = capacity is None or (type(capacity) is int and 0 <= capacity <= _MOST)
    listed = isinstance(regions, list) and all(isinstance(one, str) for one in regions)
    if not (whole and sound and listed and isinstance(words["strength"], str)):
        raise Invalid("bid-values", "A value of the opened bid is out of range", where=party(group, supplier))
    return Bid(
        supplier, Strength.parse(words["strength"]), words["pack"], words["price_fen"],
        capacity=capacity, regions=tuple(regions),
    )  # fmt: skip
