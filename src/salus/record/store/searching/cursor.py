"""The place where a page ended, as text that the client cannot read into or change."""

import hashlib
from collections.abc import Sequence
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
    return signing.dumps([mark, list(keys)], salt=SALT, compress=True)


def unseal(mark: str, text: str) -> list[Any]:
    """Return the sort keys in a cursor.

    Raises `SearchError` ("bad-cursor") if it was not given out for this search.
    """
    try:
        found, keys = signing.loads(text, salt=SALT)
    except (signing.BadSignature, ValueError, TypeError):
        found, keys = "", []
    if found != mark:
        raise SearchError(
            "bad-cursor", "This page does not belong to the search", where="_cursor", fix="Search again"
        )
    return list(keys)
