"""What an audit entry says, and the canonical bytes that are hashed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from salus.kernel.models.audit import SEQ_BITS

if TYPE_CHECKING:
    from salus.kernel.policy.words import Principal

COLUMNS = (
    "at",
    "actor",
    "actor_kind",
    "actor_id",
    "roles",
    "action",
    "purpose",
    "person_id",
    "resource_type",
    "resource_id",
    "institution_id",
    "source_id",
    "outcome",
    "detail",
    "break_glass",
)
"""The columns of a row that come from its entry, in the order in which they are hashed and inserted."""

PERSON = COLUMNS.index("person_id")
_DETAIL_LIMIT = 2000

Fields = tuple[Any, ...]
"""An entry's columns; the person as 32 hex digits or None."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One thing that somebody did to something.

    `at` is microseconds since 1970 in UTC (now when 0); `actor` the account's or source's name; `detail` is
    small and holds no identifiers of residents; `institution_id` is where the actor acted from.
    """

    actor: str
    action: str
    actor_kind: str = "account"
    roles: tuple[str, ...] = ()
    purpose: str = ""
    person_id: UUID | None = None
    resource_type: str = ""
    resource_id: str = ""
    institution_id: int | None = None
    source_id: int | None = None
    outcome: str = "ok"
    detail: Mapping[str, Any] = field(default_factory=dict)
    break_glass: bool = False
    actor_id: int | None = None
    at: int = 0


def entry(
    principal: Principal,
    action: str,
    *,
    person_id: UUID | None = None,
    resource_type: str = "",
    resource_id: str = "",
    outcome: str = "ok",
    detail: Mapping[str, Any] | None = None,
    break_glass: bool = False,
) -> AuditEntry:
    """Return the entry for something that a principal did now."""
    institutions = principal.institution_ids
    return AuditEntry(
        actor=principal.name,
        actor_kind=principal.kind,
        actor_id=principal.account_id,
        roles=tuple(sorted(principal.roles)),
        action=action,
        purpose=principal.purpose,
        person_id=person_id,
        resource_type=resource_type,
        resource_id=resource_id,
        institution_id=next(iter(institutions)) if len(institutions) == 1 else None,
        source_id=principal.source_id,
        outcome=outcome,
        detail=detail or {},
        break_glass=break_glass,
    )


def _text(value: str, limit: int) -> str:
    if len(value) > limit:
        value = value[:limit]
    if not value.isascii():
        value = value.encode("utf-8", "replace").decode("utf-8")
    # PostgreSQL refuses NUL; one odd entry must not fail the whole batch.
    return value.replace("\0", "") if "\0" in value else value


def _detail(detail: Mapping[str, Any]) -> str:
    if not detail:
        return ""
    try:
        text = orjson.dumps(
            detail, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS, default=str
        ).decode()
    except (TypeError, orjson.JSONEncodeError):
        text = '{"unreadable":true}'
    if len(text) > _DETAIL_LIMIT:
        text = '{"shortened":true}'
    return text.replace("\\u0000", "")


def fields(item: AuditEntry) -> Fields:
    """Return an entry's columns, each within its column's length."""
    return (
        item.at or time.time_ns() // 1000,
        _text(item.actor, 150),
        _text(item.actor_kind, 20),
        item.actor_id,
        _text(" ".join(item.roles), 200),
        _text(item.action, 40),
        _text(item.purpose, 40),
        None if item.person_id is None else item.person_id.hex,
        _text(item.resource_type, 64),
        _text(item.resource_id, 64),
        item.institution_id,
        item.source_id,
        _text(item.outcome, 20),
        _detail(item.detail),
        bool(item.break_glass),
    )


def row_id(chain: int, seq: int) -> int:
    """Return the key of a chain's row."""
    return chain << SEQ_BITS | seq


def canonical(key: int, columns: Fields) -> bytes:
    """Return what is hashed after the previous row's hash: a JSON array of the key and all columns."""
    return orjson.dumps((key, *columns))


def stored_fields(row: Iterable[Any]) -> Fields:
    """Return the columns as hashed from a row read by a raw cursor (either database)."""
    values = list(row)
    person = values[PERSON]
    if isinstance(person, UUID):
        values[PERSON] = person.hex
    values[-1] = bool(values[-1])
    return tuple(values)
