"""The commitment itself: canonical text, domain-separated, under SHA-256. Pure.

What is hashed is six lines of UTF-8 text: the domain, the purpose, the round, the party, the nonce and the
SHA-256 of the payload. None of the first five may hold a control character, so no two openings give the
same lines. Round and party stand inside, so a commitment cannot be copied into another round or by another
party. Source: the hash commitment of Halevi and Micali, CRYPTO '96, with SHA-256 (FIPS 180-4) as the
collision-resistant function.
"""

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from salus.kernel.errors import Invalid

DOMAIN = "salus-commit-1"
NONCE_BYTES = 32
_NONCE = re.compile(r"[0-9a-f]{64}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Opening:
    """What opens a commitment: who promised which text in which round, and the nonce (64 hex digits)."""

    purpose: str
    round: str
    party: str
    nonce: str
    payload: str


def nonce() -> str:
    """Return 256 fresh random bits as 64 hex digits; a nonce is used once."""
    return secrets.token_hex(NONCE_BYTES)


def canonical(value: Mapping[str, Any]) -> str:
    """Return the one JSON text of a value: keys sorted, no blanks, no floats.

    Raises:
        Invalid: the value holds a float or something that JSON does not know.
    """
    _no_float(value)
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError):
        raise Invalid("commit-payload", "The payload is no plain JSON value") from None


def _no_float(value: object) -> None:
    if isinstance(value, float):
        raise Invalid(
            "commit-float", "A sealed payload must not hold a float", fix="Give whole numbers or text"
        )
    if isinstance(value, Mapping):
        for key, one in value.items():
            if not isinstance(key, str):
                raise Invalid("commit-payload", "The payload's keys must be text")
            _no_float(one)
    elif isinstance(value, list | tuple):
        for one in value:
            _no_float(one)


def is_digest(text: str) -> bool:
    """Say whether a text has the form of a commitment: 64 hex digits in lower case."""
    return _DIGEST.fullmatch(text) is not None


def commit(opening: Opening) -> str:
    """Return the commitment: 64 hex digits.

    Raises:
        Invalid: the nonce is not 64 hex digits, or a name is empty or holds a control character.
    """
    if not _NONCE.fullmatch(opening.nonce):
        raise Invalid("commit-nonce", "The nonce must be 64 hex digits in lower case", where="nonce")
    for name in ("purpose", "round", "party"):
        text = getattr(opening, name)
        if not text or _CONTROL.search(text):
            raise Invalid("commit-name", "The name is empty or holds a control character", where=name)
    inner = _sha256(opening.payload, "payload")
    return _sha256(
        "\n".join((DOMAIN, opening.purpose, opening.round, opening.party, opening.nonce, inner)), "party"
    )


def opens(digest: str, opening: Opening) -> bool:
    """Say whether an opening is the one that the commitment was made of; malformed openings are not."""
    try:
        return hmac.compare_digest(digest.encode(), commit(opening).encode())
    except (Invalid, UnicodeEncodeError):
        return False


def root(commitments: Iterable[tuple[str, str]]) -> str:
    """Return one digest over all (party, digest) of a round, in any order: what is published at the deadline.

    Whoever holds it can tell later whether a commitment was added, taken away or changed.
    """
    lines = sorted(f"{digest} {party}" for party, digest in commitments)
    return _sha256("\n".join(("salus-commit-root-1", str(len(lines)), *lines)), "party")


def _sha256(text: str, where: str) -> str:
    try:
        return hashlib.sha256(text.encode("utf-8")).hexdigest()
    except UnicodeEncodeError:
        raise Invalid("commit-text", "The text is no valid Unicode", where=where) from None
