"""Envelopes and custodians, and the public check of a whole tender: every change to the file is found."""

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from salus.insurance.tender import custody, load_rulesets, publication, sealing
from salus.kernel.commit_reveal import opens, root
from salus.kernel.errors import Invalid

START = datetime(2026, 3, 1, tzinfo=UTC)


def words(supplier: str, price: int, **more: Any) -> str:
    given = {"strength": "5 mg", "pack": 10, "price_fen": price, **more}
    return sealing.payload("T1", "g", supplier, **given)


def test_any_two_of_three_custodians_open_and_one_does_not() -> None:
    keys = custody.make_keys(2, 3)
    envelope = custody.seal(keys.public, "R", "g/a", "ab" * 32, "secret 12.50")
    assert "12.50" not in envelope
    for pair in combinations(keys.shares, 2):
        private = custody.combine(pair, keys.public)
        assert custody.unseal(private, "R", "g/a", envelope) == ("ab" * 32, "secret 12.50")
    for shares in ([], keys.shares[:1], [keys.shares[0]] * 2):
        with pytest.raises(Invalid):
            custody.combine(shares, keys.public)


def test_the_shares_are_those_of_the_scheme() -> None:
    """By hand for one custodian of one: the share is the key itself, and gives the public key."""
    keys = custody.make_keys(1, 1)
    raw = bytes.fromhex(keys.shares[0].split(":")[4])
    import base64

    public = X25519PrivateKey.from_private_bytes(raw).public_key().public_bytes_raw()
    assert base64.b64encode(public).decode() == keys.public


def test_multiplication_is_that_of_fips_197() -> None:
    """FIPS 197, section 4.2: {57} x {83} = {c1}, and {57} x {13} = {fe}."""
    assert custody._multiply(0x57, 0x83) == 0xC1
    assert custody._multiply(0x57, 0x13) == 0xFE
    assert all(custody._multiply(one, custody._inverse(one)) == 1 for one in range(1, 256))


def test_an_envelope_opens_only_where_it_belongs() -> None:
    keys, others = custody.make_keys(1, 1), custody.make_keys(1, 1)
    private = custody.combine(keys.shares, keys.public)
    envelope = custody.seal(keys.public, "R", "g/a", "ab" * 32, "x")
    assert envelope != custody.seal(keys.public, "R", "g/a", "ab" * 32, "x")
    changed = ("A" if envelope[60] != "A" else "B").join((envelope[:60], envelope[61:]))
    for key, round, party, text in (
        (private, "S", "g/a", envelope),
        (private, "R", "g/b", envelope),
        (private, "R", "g/a", changed),
        (private, "R", "g/a", "rubbish"),
        (custody.combine(others.shares, others.public), "R", "g/a", envelope),
    ):
        with pytest.raises(Invalid) as refused:
            custody.unseal(key, round, party, text)
        assert refused.value.code == "envelope-foreign"
    with pytest.raises(Invalid):
        custody.combine(others.shares, keys.public)
    with pytest.raises(Invalid):
        custody.seal("no key", "R", "g/a", "ab" * 32, "x")
    damaged = keys.shares[0].replace(":1:1:", ":1:2:")
    with pytest.raises(Invalid) as refused:
        custody.combine([damaged], keys.public)
    assert refused.value.code == "custody-share"


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "nonsense", words("a", 0), words("a", 10**13), words("a", 1, pack=0),
        words("a", 1).replace('"capacity":null', '"capacity":-1'),
        words("a", 1).replace('"price_fen":1', '"price_fen":1.0'),
        words("a", 1).replace('"strength":"5 mg"', '"strength":"much"'),
        words("a", 1).replace('"T1"', '"T2"'), words("b", 1),
    ],
)  # fmt: skip
def test_an_opened_text_that_is_no_bid_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        sealing.read_payload(text, "T1", "g", "a")


def made_file(prices: dict[str, int]) -> dict[str, Any]:
    """A tender as a city would publish it, its decisions worked out from the rest."""
    sealed = {name: sealing.seal("R1", "g", name, words(name, price)) for name, price in prices.items()}
    at, revealed = ((START + timedelta(hours=h)).isoformat() for h in (1, 30))
    file: dict[str, Any] = {
        "format": publication.FORMAT, "tender": "T1",
        "ruleset": publication.plain(load_rulesets()["national-2021"].table),
        "round": {
            "code": "R1", "opened_at": START.isoformat(),
            "commit_until": (START + timedelta(hours=24)).isoformat(),
            "reveal_until": (START + timedelta(hours=48)).isoformat(),
            "root": root([(one.party, one.digest) for one in sealed.values()]),
        },
        "groups": [{"code": "g", "reference": "5 mg", "pack": 10, "ceiling": 4000, "old_price": 4200}],
        "demand": [
            {"group": "g", "institution": f"H{n}", "region": "nsw"[n % 3], "units": 1000 * n + 7}
            for n in range(6)
        ],
        "qualification": [
            {"group": "g", "supplier": name, "unmet": [], "evaluated": "2020-01-01", "demand": 0}
            for name in prices
        ],
        "commitments": [
            {"party": one.party, "digest": one.digest, "committed_at": at, "withdrawn_at": None}
            for one in sealed.values()
        ],
        "openings": [
            {
                "party": one.party, "nonce": one.opening.nonce, "payload": one.opening.payload,
                "revealed_at": revealed,
            }
            for one in sealed.values()
        ],
    }  # fmt: skip
    return file | publication.conclude(file).published()


@pytest.fixture
def file() -> dict[str, Any]:
    return made_file({"a": 1000, "b": 1000, "c": 1300, "d": 2500, "e": 1200})


def codes(file: dict[str, Any]) -> set[str]:
    return {one.code for one in publication.verify(file)}


def test_a_sound_tender_verifies_after_a_journey_through_json(file: dict[str, Any]) -> None:
    assert publication.verify(json.loads(json.dumps(file))) == []
    won = [row["supplier"] for row in file["decisions"] if row["reason"] == "winner"]
    assert set(won) == {"a", "b", "c", "e"}
    assert file["outcomes"][0]["share"] == "4/5" and file["outcomes"][0]["years"] == 3


def change(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def apply(file: dict[str, Any]) -> None:
        *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
        node: Any = file
        for step in steps:
            node = node[step]
        node[last] = value(node[last]) if callable(value) else value

    return apply


def dearer(text: str) -> str:
    return text.replace("1000", "999")


def drop(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda file: file[name].pop()


def slip_in(file: dict[str, Any]) -> None:
    one = sealing.seal("R1", "g", "z", words("z", 1))
    at = file["commitments"][0]["committed_at"]
    file["commitments"].append(
        {"party": one.party, "digest": one.digest, "committed_at": at, "withdrawn_at": None}
    )


@pytest.mark.parametrize(
    ("tamper", "code"),
    [
        (change("openings.0.payload", dearer), "opening-differs"),
        (change("openings.0.nonce", "00" * 32), "opening-differs"),
        (change("commitments.0.digest", "00" * 32), "root-differs"),
        (drop("commitments"), "root-differs"),
        (slip_in, "root-differs"),
        (change("round.root", "00" * 32), "root-differs"),
        (change("commitments.1.committed_at", "2026-03-02T00:00:00+00:00"), "commitment-late"),
        (change("commitments.1.committed_at", "2026-02-28T00:00:00+00:00"), "commitment-late"),
        (change("openings.1.revealed_at", "2026-03-03T00:00:00+00:00"), "opening-time"),
        (change("openings.1.revealed_at", "2026-03-01T12:00:00+00:00"), "opening-time"),
        (drop("openings"), "decisions-differs"),
        (change("decisions.0.reason", "above-multiple"), "decisions-differs"),
        (drop("decisions"), "decisions-differs"),
        (change("seed", "00" * 32), "seed-differs"),
        (change("outcomes.0.share", "1/2"), "outcomes-differs"),
        (change("regions.0.main", "d"), "regions-differs"),
        (change("volumes.3.agreed", lambda units: units + 1), "volumes-differs"),
        (change("ruleset.exclusion.multiple", "3"), "decisions-differs"),
        (change("groups.0.ceiling", 1100), "decisions-differs"),
        (change("qualification.2.unmet", ["gmp"]), "decisions-differs"),
        (change("demand.5.units", 9), "volumes-differs"),
    ],
)
def test_every_change_to_the_published_file_is_found(
    file: dict[str, Any], tamper: Callable[[dict[str, Any]], None], code: str
) -> None:
    changed = copy.deepcopy(file)
    tamper(changed)
    assert code in codes(changed)


def test_a_silent_bidder_and_a_bid_for_elsewhere_get_their_reasons() -> None:
    file = made_file({"a": 1000, "b": 1100, "c": 1200})
    file["openings"] = [row for row in file["openings"] if row["party"] != "g/b"]
    other = sealing.seal("R1", "g", "c", words("b", 1))
    file["commitments"][2]["digest"] = other.digest
    file["openings"][1] |= {"nonce": other.opening.nonce, "payload": other.opening.payload}
    file["round"]["root"] = root([(row["party"], row["digest"]) for row in file["commitments"]])
    assert opens(other.digest, other.opening)
    again = file | publication.conclude(file).published()
    assert publication.verify(again) == []
    assert {row["supplier"]: row["reason"] for row in again["decisions"]} == {
        "a": "winner", "b": "not-opened", "c": "void",
    }  # fmt: skip


def test_a_malformed_file_is_a_typed_error(file: dict[str, Any]) -> None:
    for broken in ("round", "openings", "ruleset", "decisions"):
        changed = {name: part for name, part in file.items() if name != broken}
        with pytest.raises(Invalid):
            publication.verify(changed)
    with pytest.raises(Invalid):
        publication.verify({**file, "openings": [{"party": 1}]})
