"""Keeps the provisions of Consents beside them, in the transaction that writes them."""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from django.db.backends.utils import CursorWrapper

from salus.record import json, sensitive
from salus.record.consent.purposes import wider
from salus.record.consent.reading import Provision, read
from salus.record.identity import rows
from salus.record.rules.r4 import kind_of, kinds
from salus.record.store.extract.values import EARLIEST, LATEST, reference, system_hash
from salus.record.store.index import extractor

if TYPE_CHECKING:
    from salus.record.store.types import Written

TYPE = "Consent"
COLUMNS = (
    "rid, place, denies, valid_from, valid_to, purpose, actor, kind, resource_kind, resource_id,"
    " label, label_system, category, code, code_system"
)
RESTRICTED = frozenset({"R", "V"})
"""Confidentiality codes that stand for all sensitive categories (HL7 Healthcare Classification System)."""
PART = 500


@cache
def _types() -> frozenset[str]:
    return frozenset(kinds())


def _row(rid: int, one: Provision) -> tuple[Any, ...]:
    target = reference(one.resource) if one.resource else None
    system, label = one.label
    category = ""
    if label in RESTRICTED:
        category = "*"
    elif "v3-ActCode" in system or not system:
        category = sensitive.of_label(label)
    return (
        rid,
        one.place,
        one.denies,
        *one.valid,
        one.purpose[:40],
        one.actor,
        kind_of(one.type) if one.type else 0,
        target[0] if target else 0,
        target[1][:64] if target else "",
        label,
        system_hash(system),
        category,
        one.code[1],
        system_hash(one.code[0]),
    )


def _provisions(body: bytes) -> list[Provision]:
    return read(
        json.loads(body),
        span=extractor().calendar.span,
        always=(EARLIEST, LATEST),
        known_types=_types(),
        covers=lambda wide, narrow: wide in wider(narrow),
    )


def note(cursor: CursorWrapper, written: "Sequence[Written]") -> None:
    """Keep the provisions of Consents just written or deleted; in the writer's transaction."""
    changed = {w.rid: w for w in written if w.type == TYPE and w.outcome not in ("unchanged", "stale")}
    if not changed:
        return
    rows.many(cursor, "delete from record_consentprovision where rid = %s", [(rid,) for rid in changed])
    _insert(cursor, [_row(w.rid, one) for w in changed.values() if w.body for one in _provisions(w.body)])


def _insert(cursor: CursorWrapper, found: Sequence[tuple[Any, ...]]) -> None:
    marks = ", ".join(["%s"] * (COLUMNS.count(",") + 1))
    rows.many(cursor, f"insert into record_consentprovision ({COLUMNS}) values ({marks})", found)  # noqa: S608 - our own columns


def rebuild(cursor: CursorWrapper) -> int:
    """Project all stored Consents anew, as after a change of the rules; return how many there are."""
    cursor.execute("delete from record_consentprovision")
    last = done = 0
    while True:
        found = rows.fetch(
            cursor,
            "select rid, body from record_resource"
            " where kind = %s and rid > %s and version > 0 and not deleted order by rid limit %s",
            [kind_of(TYPE), last, PART],
        )
        if not found:
            return done
        _insert(cursor, [_row(rid, one) for rid, body in found for one in _provisions(bytes(body))])
        last, done = found[-1][0], done + len(found)
