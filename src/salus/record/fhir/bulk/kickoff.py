"""`$export`: the kick-off. It fixes who asks, what for and as of when, and leaves the work to a worker."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.backends.utils import CursorWrapper

from salus.kernel import audit, feed, policy
from salus.kernel.feed import Position
from salus.record import json, store
from salus.record.fhir import access, asker
from salus.record.fhir.bulk import running
from salus.record.fhir.bulk.asking import Wanted, wanted
from salus.record.fhir.exchange import Exchange
from salus.record.fhir.outcome import FhirError, Response, forbidden, gone, issue, not_found
from salus.record.fhir.request import prefer
from salus.record.fhir.types import types
from salus.record.identity import rows
from salus.record.models import ExportJob
from salus.record.rules.r4 import kind_of
from salus.record.store import Stored, stamp

MOST_OPEN = 5  # exports that one asker may have under way
ACTION = "export"


def export(exchange: Exchange) -> Response:
    """Answer `$export` of the system, of all Patients, or of a Group: 202 with where to ask how it goes.

    Raises `FhirError`: 400 for what is not understood or not served, 403 where nothing may be exported,
    404 for a Group that the asker may not see, 429 where too many exports are under way.
    """
    route = exchange.route
    level = {"": "system", "Patient": "patient", "Group": "group"}[route.type]
    if (level == "group") != bool(route.id):
        raise FhirError(404, "not-supported", "There is no such operation here", fix="See metadata")
    if "respond-async" not in prefer(exchange.request):
        raise FhirError(
            400, "required", "An export is answered later", fix="Send the header Prefer: respond-async"
        )
    asked = wanted(exchange, level)
    _check_types(exchange, asked)
    group = _group(exchange) if level == "group" else None
    principal = exchange.principal
    if running.open_exports(principal.account_id, principal.source_id) >= MOST_OPEN:
        raise FhirError(
            429,
            "throttled",
            "Too many of your exports are under way",
            fix="Wait for one to end, or cancel one",
            headers=(("retry-after", "60"),),
        )
    patients = _patients(exchange, asked, group)
    with transaction.atomic():
        job = _create(exchange, level, asked, patients)
        entry = audit.entry(
            principal,
            ACTION,
            resource_type=route.type or "Bundle",
            resource_id=str(job.key),
            detail={"level": level, "types": asked.types[:40], "started": True},
        )
        intent = audit.intend(exchange.cursor, [entry])
        running.run_export.enqueue(job.pk)
    audit.settle(intent)
    return Response(202, b"", (("content-location", f"{exchange.request.base}/bulk/export/{job.key}"),))


def _check_types(exchange: Exchange, asked: Wanted) -> None:
    """Refuse types that the asker may never export; leave them out where he is lenient."""
    lenient = prefer(exchange.request).get("handling") == "lenient"
    allowed = {
        type for type in asked.types or types() if not policy.scope(exchange.principal, ACTION, type).nothing
    }
    refused = [type for type in asked.types if type not in allowed]
    if not allowed or (refused and not lenient):
        exchange.entries.append(access.entry(exchange, ACTION, "Bundle", outcome=access.REFUSED))
        raise forbidden(
            "Your token does not allow to export " + (", ".join(refused[:10]) if refused else "anything")
        )
    if refused:
        asked.types = [type for type in asked.types if type in allowed]
        asked.warnings.append(
            issue("forbidden", "Left out, since not allowed: " + ", ".join(refused), severity="warning")
        )


def _group(exchange: Exchange) -> Stored:
    found = store.read(exchange.cursor, "Group", exchange.route.id)
    if found is None:
        raise not_found()
    access.check(exchange, "read", found)
    if found.deleted:
        raise gone()
    return found


def _patients(exchange: Exchange, asked: Wanted, group: Stored | None) -> set[int] | None:
    """Return the store's numbers of the Patients that the export is about; None for all."""
    if group is None and asked.patients is None:
        return None
    chosen: set[int] | None = None
    if group is not None:
        chosen = _linked(exchange.cursor, _visible(exchange, _members(group, exchange.request.base)))
    if asked.patients is not None:
        found = _visible(exchange, asked.patients)
        if len(found) != len(set(asked.patients)):
            raise FhirError(404, "not-found", "A patient is not among those that you may export")
        named = _linked(exchange.cursor, found)
        if chosen is not None and not set(found) <= chosen:
            raise FhirError(404, "not-found", "A patient is not a member of the group")
        chosen = named if chosen is None else named & chosen
    return chosen


def _members(group: Stored, base: str) -> list[str]:
    """Return the ids of the Patients that are active members of a Group."""
    found: list[str] = []
    members = json.loads(group.body).get("member")
    for one in members if isinstance(members, list) else ():
        reference = (one.get("entity") or {}).get("reference") if isinstance(one, dict) else None
        if not isinstance(reference, str) or one.get("inactive") is True:
            continue
        type, _, id = reference.removeprefix(f"{base}/").partition("/")
        if type == "Patient" and id:
            found.append(id.partition("/")[0])
    return found


def _visible(exchange: Exchange, ids: Iterable[str]) -> dict[int, UUID | str | None]:
    """Return number and person of those Patients that the asker may export."""
    seen, values = policy.scope(exchange.principal, ACTION, "Patient").sql("r.person_id")
    sql = (
        f"select r.rid, r.person_id from record_resource r where r.kind = {kind_of('Patient')}"  # noqa: S608 - our own names and the policy's placeholders
        f" and not r.deleted and r.version > 0 and ({seen}) and r.id in ({{marks}})"
    )
    return dict(rows.fetch_in(exchange.cursor, sql, sorted(set(ids)), before=values))


def _linked(cursor: CursorWrapper, found: dict[int, UUID | str | None]) -> set[int]:
    """Return the Patients and the others of the same persons."""
    persons = {person for person in found.values() if person is not None}
    sql = "select patient_rid from record_patientlink where person_id in ({marks})"
    return set(found) | {row[0] for row in rows.fetch_in(cursor, sql, persons)}


def _create(exchange: Exchange, level: str, asked: Wanted, patients: set[int] | None) -> ExportJob:
    cursor, request, principal = exchange.cursor, exchange.request, exchange.principal
    horizon, snapshot = _instant(cursor)
    earlier = (
        ExportJob.objects.filter(transaction_time=asked.since).order_by("id").first()
        if asked.since is not None
        else None
    )
    job = ExportJob.objects.create(
        asker=asker.kept(principal),
        asker_name=principal.name[:150],
        account_id=principal.account_id,
        source_id=principal.source_id,
        level=level,
        group_id=exchange.route.id,
        request=f"{request.base}/{request.target}"[:8000],
        base=request.base[:300],
        types=asked.types,
        filters=asked.filters,
        elements=asked.elements,
        warnings=asked.warnings,
        chosen_patients=patients is not None,
        since=asked.since,
        until=asked.until,
        since_xid=earlier.horizon_xid if earlier else None,
        since_seq=earlier.horizon_seq if earlier else None,
        snapshot=snapshot,
        horizon_xid=horizon.xid,
        horizon_seq=horizon.seq,
        transaction_time=stamp.micros(datetime.now(UTC)),  # after the look, so that nothing in it is later
        last_rid=_last_rid(cursor),
    )
    _keep_patients(cursor, job, sorted(patients or ()))
    return job


def _instant(cursor: CursorWrapper) -> tuple[Position, str]:
    """Return the place in the change feed up to which all is there now, and PostgreSQL's snapshot."""
    if cursor.db.vendor != "postgresql":
        # The caller's transaction holds the one write lock: the feed ends here and now
        return feed.newest(cursor, "record_change"), ""
    cursor.execute("select (pg_current_snapshot())::text")
    snapshot = str(cursor.fetchone()[0])
    return Position(int(snapshot.partition(":")[0]) - 1, 2**63 - 1), snapshot


def _keep_patients(cursor: CursorWrapper, job: ExportJob, patients: Sequence[int]) -> None:
    values: list[tuple[Any, ...]] = [(job.pk, rid) for rid in patients]
    rows.insert_or_skip(cursor, "record_exportpatient", "job_id, patient_rid", values)


def _last_rid(cursor: CursorWrapper) -> int:
    cursor.execute("select coalesce(max(rid), 0) from record_resource")
    return int(cursor.fetchone()[0])
