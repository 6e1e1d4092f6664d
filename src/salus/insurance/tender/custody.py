"""The custodians' key: envelopes that only so many custodians together can open, after the deadline.

A bid's opening is encrypted to the tender's public key: X25519 with a fresh key for each envelope,
HKDF-SHA256 and ChaCha20-Poly1305, bound to the round and the party. The private key is cut into shares, of
which any `needed` give it back and fewer tell nothing; it is made and put together away from the platform.
Sources: RFC 7748, RFC 5869, RFC 8439; Shamir, How to share a secret, 1979, over GF(2^8) as in FIPS 197.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from salus.kernel.errors import Invalid

_INFO = b"salus-envelope-1"
_SHARE = "salus-share-1"
_RAW = (serialization.Encoding.Raw, serialization.PublicFormat.Raw)


@dataclass(frozen=True, slots=True)
class Keys:
    """A tender's public key (base64) and the custodians' shares, one text each."""

    public: str
    shares: tuple[str, ...]


def _multiply(one: int, other: int) -> int:
    """Multiply in GF(2^8) with the polynomial of FIPS 197."""
    product = 0
    while other:
        if other & 1:
            product ^= one
        one = one << 1 ^ (0x11B if one & 0x80 else 0)
        other >>= 1
    return product


def _inverse(one: int) -> int:
    result = 1
    for _ in range(254):
        result = _multiply(result, one)
    return result


def fingerprint(public: str) -> str:
    """Return the first 16 hex digits of a public key's SHA-256, to read out and compare."""
    return hashlib.sha256(public.encode()).hexdigest()[:16]


def make_keys(needed: int, custodians: int) -> Keys:
    """Make a key pair; the private key exists only in the shares.

    Raises:
        Invalid: not 1 ≤ needed ≤ custodians ≤ 20.
    """
    if not 1 <= needed <= custodians <= 20:
        raise Invalid("custody-number", "1 to 20 custodians, and at most as many needed", where="needed")
    private = X25519PrivateKey.generate()
    public = base64.b64encode(private.public_key().public_bytes(*_RAW)).decode()
    secret = private.private_bytes_raw()
    polynomials = [[byte, *secrets.token_bytes(needed - 1)] for byte in secret]
    mark = fingerprint(public)
    shares = []
    for x in range(1, custodians + 1):
        value = bytes(_evaluate(polynomial, x) for polynomial in polynomials).hex()
        body = f"{_SHARE}:{mark}:{needed}:{x}:{value}"
        shares.append(f"{body}:{hashlib.sha256(body.encode()).hexdigest()[:8]}")
    return Keys(public, tuple(shares))


def _evaluate(polynomial: Sequence[int], x: int) -> int:
    total = 0
    for coefficient in reversed(polynomial):
        total = _multiply(total, x) ^ coefficient
    return total


def combine(shares: Sequence[str], public: str) -> bytes:
    """Return the private key of enough shares.

    Raises:
        Invalid: a share is damaged, of another key or given twice, or there are too few.
    """
    points: dict[int, bytes] = {}
    needed = 0
    for number, share in enumerate(shares, 1):
        body, _, check = share.strip().rpartition(":")
        parts = body.split(":")
        sound = (
            len(parts) == 5 and parts[0] == _SHARE and hashlib.sha256(body.encode()).hexdigest()[:8] == check
        )
        if not sound or len(parts[4]) != 64:
            raise Invalid("custody-share", "The share is damaged", where=f"share {number}")
        if parts[1] != fingerprint(public):
            raise Invalid("custody-other", "The share belongs to another key", where=f"share {number}")
        needed = int(parts[2])
        points[int(parts[3])] = bytes.fromhex(parts[4])
    if len(points) < max(needed, 1):
        raise Invalid(
            "custody-few", f"{needed or 'More'} different shares are needed, {len(points)} are here"
        )
    used = sorted(points)[:needed]
    secret = bytearray(32)
    for x in used:
        weight = 1
        for other in used:
            if other != x:
                weight = _multiply(weight, _multiply(other, _inverse(other ^ x)))
        for place, byte in enumerate(points[x]):
            secret[place] ^= _multiply(byte, weight)
    private = X25519PrivateKey.from_private_bytes(bytes(secret))
    if base64.b64encode(private.public_key().public_bytes(*_RAW)).decode() != public:
        raise Invalid("custody-wrong", "The shares do not give the private key")
    return bytes(secret)


def _key(shared: bytes, ephemeral: bytes, round: str, party: str) -> ChaCha20Poly1305:
    info = b"\n".join((_INFO, round.encode(), party.encode(), ephemeral))
    return ChaCha20Poly1305(HKDF(hashes.SHA256(), 32, None, info).derive(shared))


def seal(public: str, round: str, party: str, nonce: str, payload: str) -> str:
    """Return an opening encrypted to a public key, in base64; raises Invalid when the key is none."""
    try:
        key = X25519PublicKey.from_public_bytes(base64.b64decode(public, validate=True))
    except ValueError:
        raise Invalid("custody-key", "This is no public key of a tender", where="key") from None
    private = X25519PrivateKey.generate()
    ephemeral = private.public_key().public_bytes(*_RAW)
    plain = json.dumps({"nonce": nonce, "payload": payload}, ensure_ascii=False).encode()
    # The key serves one message only, so a fixed nonce of the cipher is safe.
    sealed = _key(private.exchange(key), ephemeral, round, party).encrypt(bytes(12), plain, None)
    return base64.b64encode(ephemeral + sealed).decode()


def unseal(private: bytes, round: str, party: str, envelope: str) -> tuple[str, str]:
    """Return nonce and payload of an envelope.

    Raises:
        Invalid: it was not made for this key, round and party, or was changed.
    """
    try:
        raw = base64.b64decode(envelope, validate=True)
        key = X25519PrivateKey.from_private_bytes(private)
        shared = key.exchange(X25519PublicKey.from_public_bytes(raw[:32]))
        found = json.loads(_key(shared, raw[:32], round, party).decrypt(bytes(12), raw[32:], None))
        return str(found["nonce"]), str(found["payload"])
    except (ValueError, KeyError, TypeError, InvalidTag):
        raise Invalid("envelope-foreign", "The envelope does not open", where=party) from None
