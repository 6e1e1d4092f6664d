"""Audit rows as FHIR R4 AuditEvent resources.

Source: HL7 FHIR R4, AuditEvent; value sets audit-event-type, audit-event-sub-type (restful-interaction),
audit-event-action, audit-event-outcome, v3 PurposeOfUse.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from salus.kernel.audit.queries import detail, moment
from salus.kernel.models import AuditRow

_REST = "http://hl7.org/fhir/restful-interaction"
_ACTIONS = {
    "create": "C",
    "receive": "C",
    "read": "R",
    "history": "R",
    "update": "U",
    "correct": "U",
    "merge": "U",
    "link": "U",
    "unlink": "U",
    "split": "U",
    "delete": "D",
}
_INTERACTIONS = {
    "create": "create",
    "read": "read",
    "history": "history-instance",
    "update": "update",
    "delete": "delete",
    "search": "search-type",
}


def audit_event(row: AuditRow) -> dict[str, Any]:
    """Return one row as an AuditEvent; its id is the row's chain and place."""
    resource: dict[str, Any] = {
        "resourceType": "AuditEvent",
        "id": f"{row.chain}-{row.seq}",
        "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest"},
        "action": _ACTIONS.get(row.action, "E"),
        "recorded": moment(row).isoformat(timespec="milliseconds"),
        "outcome": "0" if row.outcome in {"ok", "success"} else "4",
        "agent": [_agent(row)],
        "source": {"observer": {"display": "Salus"}},
    }
    if row.action in _INTERACTIONS:
        resource["subtype"] = [{"system": _REST, "code": _INTERACTIONS[row.action]}]
    else:
        resource["subtype"] = [{"system": "urn:salus:audit-action", "code": row.action}]
    if row.purpose:
        resource["purposeOfEvent"] = [
            {
                "coding": [
                    {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": row.purpose}
                ]
            }
        ]
    entities = list(_entities(row))
    if entities:
        resource["entity"] = entities
    resource["extension"] = [{"url": "urn:salus:audit-hash", "valueString": bytes(row.hash).hex()}]
    if row.break_glass:
        resource["extension"].append({"url": "urn:salus:break-glass", "valueBoolean": True})
    return resource


def _agent(row: AuditRow) -> dict[str, Any]:
    agent: dict[str, Any] = {
        "who": {"identifier": {"system": f"urn:salus:{row.actor_kind}", "value": row.actor or "unknown"}},
        "requestor": True,
    }
    if row.roles:
        agent["role"] = [
            {"coding": [{"system": "urn:salus:role", "code": role}]} for role in row.roles.split()
        ]
    if row.institution_id is not None:
        agent["location"] = {
            "identifier": {"system": "urn:salus:institution", "value": str(row.institution_id)}
        }
    return agent


def _entities(row: AuditRow) -> Iterator[dict[str, Any]]:
    if row.person_id is not None:
        yield {
            "what": {"identifier": {"system": "urn:salus:person", "value": str(row.person_id)}},
            "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-entity-type", "code": "1"},
            "role": {"system": "http://terminology.hl7.org/CodeSystem/object-role", "code": "1"},
        }
    if row.resource_type:
        entity: dict[str, Any] = {
            "what": {"reference": f"{row.resource_type}/{row.resource_id}"}
            if row.resource_id
            else {"display": row.resource_type},
            "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-entity-type", "code": "2"},
            "role": {"system": "http://terminology.hl7.org/CodeSystem/object-role", "code": "4"},
        }
        told = [{"type": name, "valueString": str(value)} for name, value in detail(row).items()]
        if told:
            entity["detail"] = told
        yield entity


def ndjson(found: Iterable[AuditRow]) -> Iterator[bytes]:
    """Yield rows as NDJSON lines of AuditEvents."""
    for row in found:
        yield orjson.dumps(audit_event(row), option=orjson.OPT_APPEND_NEWLINE)
