"""The place where a page ended, as text that the client cannot read into or change."""

import hashlib
from collections.abc import Sequence
from functools import cache
from typing import Any

import orjson
from django.core import signing

from salus.record.store.searching.query import SearchError

SALT = "salus.record.search"


def fingerprint(resource_type: str, parameters: Sequence[tuple[str, str]]) -> str:
    """Return a digest of what was asked, so that a cursor continues only the search that it came from."""
    asked = sorted((n, v) for n, v in parameters if n not in {"_cursor", "_count", "_total"})
    return hashlib.blake2b(orjson.dumps([resource_type, asked]), digest_size=9).hexdigest()


def seal(mark: str, keys: Sequence[Any]) -> str:
    """Return the sort keys of a page's last row as a signed cursor."""
    return _signer().sign_object([mark, list(keys)], compress=len(keys) > 1)


@cache
def _signer() -> signing.TimestampSigner:
    return signing.TimestampSigner(salt=SALT)


def unseal(mark: str, text: str) -> list[Any]:
    """Return the sort keys in a cursor.

    Raises `SearchError` ("bad-cursor") if it was not given out for this search.
    """
    try:
        found, keys = _signer().unsign_object(text)
    except (signing.BadSignature, ValueError, TypeError):
        found, keys = "", []
    if found != mark:
        raise SearchError(
            "bad-cursor", "This page does not belong to the search", where="_cursor", fix="Search again"
        )
    return list(keys)
