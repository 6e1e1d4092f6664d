"""Which sensitive categories a resource is in: what the store found in its codes, and what its labels say."""

import orjson
from django.db.backends.utils import CursorWrapper

from salus.kernel.models import SensitiveCategory

NONE = frozenset[str]()
LABELS = {
    "HIV": SensitiveCategory.HIV.value,
    "PSY": SensitiveCategory.MENTAL.value,
    "MH": SensitiveCategory.MENTAL.value,
    "BH": SensitiveCategory.MENTAL.value,
    "SEX": SensitiveCategory.REPRODUCTIVE.value,
    "STD": SensitiveCategory.REPRODUCTIVE.value,
}
"""Codes of HL7 v3 ActCode's information sensitivity policies, as `meta.security` carries them."""


def of(cursor: CursorWrapper, rid: int, body: bytes) -> frozenset[str]:
    """Return the sensitive categories of a stored resource."""
    cursor.execute("select category from record_sensitive where rid = %s", (rid,))
    found = cursor.fetchall()
    labelled = _labels(body) if b'"security"' in body[:2000] else NONE
    return labelled | {row[0] for row in found} if found else labelled


def _labels(body: bytes) -> frozenset[str]:
    labels = (orjson.loads(body).get("meta") or {}).get("security")
    codes = (
        {one.get("code") for one in labels if isinstance(one, dict)} if isinstance(labels, list) else set()
    )
    return frozenset(category for code, category in LABELS.items() if code in codes)
