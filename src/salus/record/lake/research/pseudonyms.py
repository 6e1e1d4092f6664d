"""Pseudonyms and date shifts by keyed hash (HMAC-SHA256, RFC 2104): no table of who is who is kept. Pure.

Source: ISO 25237:2017 (pseudonymization); date shifting as in 45 CFR 164.514(b) practice: one offset a
person, so that intervals stay.
"""

import hashlib
import hmac

LENGTH = 32
"""Hex digits of a pseudonym: 128 bits."""
BLOCK = 64


def pseudonym(key: bytes, domain: str, value: str) -> str:
    """Return the pseudonym of a value of a domain ("person", "key")."""
    return hmac.new(key, f"{domain}:{value}".encode(), hashlib.sha256).hexdigest()[:LENGTH]


def shift(key: bytes, person: str, days: int) -> int:
    """Return a person's offset in days, from -days to days, never 0."""
    drawn = int.from_bytes(hmac.new(key, f"shift:{person}".encode(), hashlib.sha256).digest()[:8], "big")
    found = drawn % (2 * days) - days
    return found if found < 0 else found + 1


def pads(key: bytes) -> tuple[str, str]:
    """Return the inner and outer key of HMAC as hex, for `sql`."""
    block = (hashlib.sha256(key).digest() if len(key) > BLOCK else key).ljust(BLOCK, b"\0")
    return bytes(b ^ 0x36 for b in block).hex(), bytes(b ^ 0x5C for b in block).hex()


def sql(domain: str, value: str) -> str:
    """Return `pseudonym` in DuckDB's SQL, of an expression that gives text; $inner and $outer are `pads`."""
    inner = f"unhex(sha256(unhex($inner) || encode('{domain}:' || {value})))"
    return f"case when {value} is not null then substr(sha256(unhex($outer) || {inner}), 1, {LENGTH}) end"
