"""The policy's word on each resource, and the audit row that goes with it."""

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Any, NoReturn
from uuid import UUID

from salus.kernel import audit, policy
from salus.kernel.audit import AuditEntry
from salus.kernel.policy import Decision, Principal, Scope, Target
from salus.record import sensitive
from salus.record.fhir.exchange import Exchange
from salus.record.fhir.outcome import Response, forbidden, not_found
from salus.record.store import Stored, Written

OK, REFUSED, FAILED = "ok", "refused", "failed"


def target_of(stored: Stored | Written, source_id: int | None) -> Target:
    """Return what the policy judges of a stored resource."""
    return Target(
        "resource",
        person_id=stored.person_id,
        resource_type=stored.type,
        source_id=source_id,
        categories=sensitive.categories(stored.type, stored.body),
        rid=stored.rid,
    )


@lru_cache(maxsize=1024)
def open_to(principal: Principal, action: str, type: str) -> Scope:
    """Return the policy's scope, which follows from the principal (looked up anew) and the rules alone."""
    return policy.scope(principal, action, type)


def scope(exchange: Exchange, action: str, type: str) -> Scope:
    """Return which resources of a type the asker may list; raises `FhirError` 403 when none ever."""
    found = open_to(exchange.principal, action, type)
    if found.nothing:
        exchange.entries.append(entry(exchange, action, type, outcome=REFUSED))
        raise forbidden()
    return found


def check_type(exchange: Exchange, action: str, type: str) -> None:
    """Raise `FhirError` 403, before anything is looked up, when no resource of this type is ever allowed."""
    scope(exchange, action, type)


def decide(exchange: Exchange, action: str, stored: Stored) -> Decision:
    """Return the policy's decision on a stored resource, without an audit row."""
    return policy.decide(exchange.principal, action, target_of(stored, stored.source_id))


def may_see(exchange: Exchange, stored: Stored) -> bool:
    """Tell whether the asker may read this resource."""
    return decide(exchange, "read", stored).allowed


def check(exchange: Exchange, action: str, stored: Stored, *, version: int | None = None) -> None:
    """Leave an audit row for an access to a stored resource; raises 404 where the policy refuses.

    A refusal looks like absence, so that it tells nothing about who is a patient where.
    """
    decision = decide(exchange, action, stored)
    exchange.entries.append(
        entry(
            exchange,
            action,
            stored.type,
            id=stored.id,
            person_id=stored.person_id,
            outcome=OK if decision.allowed else REFUSED,
            detail={"version": version} if version else {},
            break_glass="break_glass" in decision.flags,
        )
    )
    if not decision.allowed:
        absent(exchange, action, stored.type)


def absent(exchange: Exchange, action: str, type: str) -> NoReturn:
    """Raise the answer for what is not there or may not be seen: 404; 403 where no such resource ever may."""
    if open_to(exchange.principal, action, type).nothing:
        raise forbidden()
    raise not_found()


def require(exchange: Exchange, action: str, type: str, *, person_id: UUID | None = None) -> None:
    """Raise `FhirError` 403 unless the asker may do the action to a resource that is not stored yet."""
    target = Target(
        "resource", person_id=person_id, resource_type=type, source_id=exchange.principal.source_id
    )
    if not policy.decide(exchange.principal, action, target).allowed:
        exchange.entries.append(entry(exchange, action, type, person_id=person_id, outcome=REFUSED))
        raise forbidden()


def listed(
    exchange: Exchange,
    action: str,
    type: str,
    persons: Iterable[UUID | None],
    *,
    parameters: Iterable[str] = (),
    count: int = 0,
) -> None:
    """Leave the audit rows of a list: one for each person on it, so that each resident finds her own.

    They hold the names of the query's parameters, never their values.
    """
    found = sorted({person for person in persons if person is not None})
    detail: dict[str, Any] = {"count": count}
    if names := sorted({name[:40] for name in parameters})[:30]:
        detail["parameters"] = names
    for person in found or (None,):
        glass = person is not None and person in exchange.principal.break_glass
        exchange.entries.append(
            entry(exchange, action, type, person_id=person, detail=detail, break_glass=glass)
        )


def entry(
    exchange: Exchange,
    action: str,
    type: str,
    *,
    id: str = "",
    person_id: UUID | None = None,
    outcome: str = OK,
    detail: dict[str, Any] | None = None,
    break_glass: bool = False,
) -> AuditEntry:
    """Return an audit entry about this request."""
    return audit.entry(
        exchange.principal,
        action,
        person_id=person_id,
        resource_type=type,
        resource_id=id,
        outcome=outcome,
        detail=detail,
        break_glass=break_glass,
    )


def refused(exchange: Exchange, response: Response) -> list[AuditEntry]:
    """Return the audit entries of a write that was rolled back, marked as refused or failed."""
    outcome = REFUSED if response.status in {401, 403, 404} else FAILED
    return [replace(one, outcome=outcome) for one in exchange.entries]
