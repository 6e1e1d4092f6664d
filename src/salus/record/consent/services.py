"""What a resident says about the use of her data, at the desk of her own: written as FHIR Consents."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext_noop as _

from salus.kernel import audit, policy
from salus.kernel.errors import Invalid, NotFound
from salus.kernel.ids import uuid7
from salus.kernel.policy import Principal, Target
from salus.kernel.policy.words import uuid_value
from salus.record import json, store
from salus.record.consent.projecting import TYPE
from salus.record.rules.r4 import kind_of, kinds
from salus.record.store import Stored, Write

SCOPE = "http://terminology.hl7.org/CodeSystem/consentscope"
REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
TYPES = "http://hl7.org/fhir/resource-types"
INSTITUTIONS = "urn:salus:institution"
MOST = 500
"""Consents of one person that are shown."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a Consent says, as far as a page shows it; `institutions` and `types` empty: all."""

    id: str
    version: int
    active: bool
    denies: bool
    purposes: tuple[str, ...]
    institutions: tuple[str, ...]
    types: tuple[str, ...]
    sensitive: bool
    until: str
    updated: datetime


def say(
    principal: Principal,
    *,
    denies: bool,
    purpose: str = "",
    institutions: Sequence[tuple[str, str]] = (),
    types: Sequence[str] = (),
    sensitive: bool = False,
    until: date | None = None,
    now: datetime,
) -> str:
    """Write a Consent of the asking resident; it holds at once, in all records of hers. Returns its id.

    Args:
        denies: refuse the use; otherwise allow it.
        purpose: a code of HL7 v3 PurposeOfUse; empty for all that needs consent.
        institutions: code and name of those that it is about; none: all.
        types: FHIR resource types; none: all.
        sensitive: only what belongs to a sensitive category.
        until: the last day.

    Raises:
        NotAllowed: the asker may not say so.
        NotFound: she has no record that it could be about.
        Invalid: the last day is over, or a type is not one of FHIR R4.
    """
    if until is not None and until < now.date():
        raise Invalid("consent-over", _("The last day is over already"), where="until")
    if unknown := set(types) - set(kinds()):
        raise Invalid("consent-type", _("This is not a resource type of FHIR R4"), where=min(unknown))
    policy.require(principal, "create", _target(principal))
    body = _body(denies, purpose, institutions, types, sensitive, until, now)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "select id from record_resource where person_id = %s and kind = %s"
            " and version > 0 and not deleted order by rid limit 1",
            [uuid_value(principal.person_id) if principal.person_id else None, kind_of("Patient")],
        )
        row = cursor.fetchone()
        if row is None:
            raise NotFound("no-record", _("There is no record of yours yet"))
        patient = {"reference": f"Patient/{row[0]}"}
        made = {"resourceType": TYPE, **body, "patient": patient, "performer": [patient]}
        id = str(uuid7())
        store.write(cursor, [Write(TYPE, id, made, method="create", source_time=now)], now=now)
        intent = audit.intend(cursor, [_entry(principal, "create", id, 1)])
    audit.settle(intent)
    return id


def withdraw(principal: Principal, id: str, *, now: datetime) -> None:
    """Take back what a Consent of the asking resident says; its versions stay as the history.

    Raises:
        NotFound: there is no such Consent of hers.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        stored = store.read(cursor, TYPE, id)
        if stored is None or stored.deleted or not _own(principal, stored):
            raise NotFound("no-consent", _("There is no such statement of yours"))
        policy.require(principal, "update", _target(principal))
        body = {**json.loads(stored.body), "status": "inactive"}
        [written] = store.write(
            cursor,
            [Write(TYPE, id, body, source_id=stored.source_id, source_time=now, if_version=stored.version)],
            now=now,
        )
        intent = audit.intend(cursor, [_entry(principal, "update", id, written.version)])
    audit.settle(intent)


def said(principal: Principal) -> list[Said]:
    """Return all that the asking resident's Consents say, those in force first, newest first."""
    if principal.person_id is None:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "select rid from record_resource where person_id = %s and kind = %s"
            " and version > 0 and not deleted order by updated desc limit %s",
            [uuid_value(principal.person_id), kind_of(TYPE), MOST],
        )
        found = store.read_rids(cursor, [row[0] for row in cursor.fetchall()])
    return sorted((_said(one) for one in found), key=lambda one: not one.active)


def history(principal: Principal, id: str) -> list[Said]:
    """Return the versions of one Consent of the asking resident, newest first."""
    with connection.cursor() as cursor:
        versions = store.history(cursor, TYPE, id)
    return [_said(one) for one in versions if not one.deleted and _own(principal, one)]


def _own(principal: Principal, stored: Stored) -> bool:
    return principal.person_id is not None and stored.person_id == principal.person_id


def _target(principal: Principal) -> Target:
    return Target("resource", person_id=principal.person_id, resource_type=TYPE)


def _entry(principal: Principal, action: str, id: str, version: int) -> audit.AuditEntry:
    return audit.entry(
        principal,
        action,
        person_id=principal.person_id,
        resource_type=TYPE,
        resource_id=id,
        detail={"version": version},
    )


def _body(
    denies: bool,
    purpose: str,
    institutions: Sequence[tuple[str, str]],
    types: Sequence[str],
    sensitive: bool,
    until: date | None,
    now: datetime,
) -> dict[str, Any]:
    provision: dict[str, Any] = {"type": "deny" if denies else "permit"}
    period = {"start": now.isoformat()} | ({"end": until.isoformat()} if until else {})
    if purpose:
        provision["purpose"] = [{"system": REASON, "code": purpose}]
    if institutions:
        role = {"coding": [{"system": PARTICIPATION, "code": "PRCP"}]}
        provision["actor"] = [
            {
                "role": role,
                "reference": {
                    "type": "Organization",
                    "identifier": {"system": INSTITUTIONS, "value": code},
                    "display": name,
                },
            }
            for code, name in institutions
        ]
    if types:
        provision["class"] = [{"system": TYPES, "code": one} for one in types]
    if sensitive:
        provision["securityLabel"] = [{"system": CONFIDENTIALITY, "code": "R"}]
    return {
        "status": "active",
        "scope": {"coding": [{"system": SCOPE, "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": ACT, "code": "IDSCL"}]}],
        "dateTime": now.isoformat(),
        "policyRule": {"coding": [{"system": ACT, "code": "OPTIN"}]},
        "provision": {**provision, "period": period},
    }


def _said(stored: Stored) -> Said:
    """Return what a stored Consent says; of one with nested provisions, the outermost."""
    body = json.loads(stored.body)
    root = body.get("provision") or {}
    rule = {one.get("code") for one in (body.get("policyRule") or {}).get("coding", ())}
    actors = [one.get("reference") or {} for one in root.get("actor", ())]
    return Said(
        id=stored.id,
        version=stored.version,
        active=body.get("status") == "active",
        denies=root.get("type") == "deny" or (not root.get("type") and bool(rule & {"OPTOUT", "OPTOUTE"})),
        purposes=tuple(str(one.get("code")) for one in root.get("purpose", ())),
        institutions=tuple(
            str(one.get("display") or (one.get("identifier") or {}).get("value") or one.get("reference"))
            for one in actors
        ),
        types=tuple(str(one.get("code")) for one in root.get("class", ())),
        sensitive=bool(root.get("securityLabel")),
        until=str((root.get("period") or {}).get("end") or ""),
        updated=store.stamp.EPOCH + store.stamp.MICROSECOND * stored.updated,
    )
