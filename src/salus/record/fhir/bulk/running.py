"""The worker's side of an export: file after file, each published in one commit, until all is done.

What has been published is in the database; a worker that is killed loses at most the file it was writing,
and the next one begins that file again.
"""

import time
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import orjson
from django.db import DatabaseError, connection, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django_tasks import task

from salus.kernel import audit
from salus.kernel.audit.chain import new_owner, owner_gone
from salus.kernel.errors import SalusError
from salus.kernel.events import describe
from salus.kernel.jobs import periodic
from salus.kernel.policy import Principal
from salus.record.fhir import asker
from salus.record.fhir.bulk import places
from salus.record.fhir.bulk.choosing import Choice, kinds_of
from salus.record.fhir.bulk.files import Draft, Made
from salus.record.fhir.bulk.scratch import Scratch
from salus.record.fhir.shaping import Shape
from salus.record.identity import rows
from salus.record.models import ExportFile, ExportJob, ExportState
from salus.record.rules.r4 import type_names
from salus.record.store import Stored

PART = 500  # resources read at once
FILE_RESOURCES = 50_000
FILE_BYTES = 128 * 1024 * 1024
SLICE = 20.0  # seconds that one task works before it lets another have the thread
LEASE = timedelta(seconds=60)
PERSONS = 2000  # membership rows in one transaction
DELETED_IN_ONE = 500  # entries in one Bundle of deletions
KEEP = timedelta(hours=24)
OPEN = (ExportState.QUEUED, ExportState.RUNNING)


class Cancelled(Exception):
    """The export was cancelled, or another worker took it over."""


@task()
def run_export(job_id: int) -> str:
    """Work on an export for a while; returns its state. It queues itself again while there is more to do."""
    state = work(job_id, seconds=SLICE)
    if state == ExportState.RUNNING:
        run_export.enqueue(job_id)
    return state


@periodic(every=30, name="record.bulk-exports")
def resume_exports() -> int:
    """Go on with exports whose worker died."""
    now = timezone.now()
    open_jobs = ExportJob.objects.filter(state__in=OPEN)
    idle = [
        job.pk
        for job in open_jobs
        if (not job.owner and now - job.created > LEASE)
        or (job.owner and (owner_gone(job.owner) or (job.lease_until and job.lease_until < now)))
    ]
    for job_id in idle:
        run_export.enqueue(job_id)
    return len(idle)


@periodic(every=600, name="record.bulk-expiry")
def remove_expired() -> int:
    """Delete the files of exports whose time is over."""
    over = ExportJob.objects.filter(expires__lt=timezone.now()).exclude(state=ExportState.EXPIRED)
    keys = list(over.values_list("pk", "key"))
    for job_id, key in keys:
        with transaction.atomic():
            ExportFile.objects.filter(job_id=job_id).delete()
            ExportJob.objects.filter(pk=job_id).update(state=ExportState.EXPIRED)
        places.remove(key)
    return len(keys)


def work(job_id: int, *, seconds: float = float("inf"), file_resources: int = FILE_RESOURCES) -> str:
    """Work on an export until it is done or the time is over; returns its state."""
    owner = new_owner()
    job = _claim(job_id, owner)
    if job is None:
        found = ExportJob.objects.filter(pk=job_id).values_list("state", flat=True).first()
        return "held" if found in OPEN else str(found or "")
    ends = time.monotonic() + seconds
    scratch = Scratch(places.folder_of(job.key), job)
    try:
        while True:
            if _one_file(job, owner, scratch, file_resources):
                return _finish(job, owner)
            if time.monotonic() >= ends:
                break
        ExportJob.objects.filter(pk=job.pk, owner=owner).update(owner="", lease_until=None)
        return ExportState.RUNNING
    except Cancelled:
        return str(ExportJob.objects.values_list("state", flat=True).get(pk=job_id))
    except SalusError as error:
        return _fail(job, owner, f"{error.code}: {error.message}")
    except DatabaseError:  # it may pass: the next worker goes on
        connection.close_if_unusable_or_obsolete()
        _mine(job, owner).update(owner="", lease_until=None)
        raise
    except Exception as error:
        if not _mine(job, owner).exists():  # cancelled: its folder went away under us
            return str(ExportJob.objects.values_list("state", flat=True).get(pk=job_id))
        _fail(job, owner, describe(error))
        raise
    finally:
        scratch.close()
        if ExportJob.objects.filter(pk=job_id, state=ExportState.CANCELLED).exists():
            places.remove(job.key)


def _claim(job_id: int, owner: str) -> ExportJob | None:
    now = timezone.now()
    with transaction.atomic():
        job = ExportJob.objects.select_for_update().filter(pk=job_id, state__in=OPEN).first()
        if job is None:
            return None
        if job.owner and not owner_gone(job.owner) and job.lease_until is not None and job.lease_until > now:
            return None
        job.owner, job.lease_until, job.state = owner, now + LEASE, ExportState.RUNNING
        job.save(update_fields=["owner", "lease_until", "state"])
    return job


def _one_file(job: ExportJob, owner: str, scratch: Scratch, most: int) -> bool:
    """Write and publish the next file; returns whether nothing is left."""
    principal = asker.again(job.asker)  # anew for each file: a role may be gone by now
    with connection.cursor() as cursor:
        scratch.gather(cursor)
        kinds = [kind for kind in kinds_of(cursor, job, principal) if kind >= job.kind_at]
        if not kinds:
            return True
        choice = Choice(cursor, job, principal, kinds[0])
        after = job.after_rid if kinds[0] == job.kind_at else 0
        shape = _shape(job, choice.type)
        number = f"{choice.kind:03}-{after:012}-{choice.type}"
        folder = places.folder_of(job.key)
        with (
            Draft(folder, f"{number}.ndjson") as output,
            Draft(folder, f"{number}-deleted.ndjson") as deleted,
        ):
            gone: list[Stored] = []
            last: int | None = after
            while last is not None and output.count < most and output.size < FILE_BYTES:
                part = choice.part(scratch, last, min(PART, most))
                alive = [one for one in part.resources if not one.deleted]
                output.write(shape.apply(one.body).replace(b"\n", b" ") for one in alive)
                gone += [one for one in part.resources if one.deleted]
                _remember(job, alive)
                last = part.last
                _hold(job, owner)
            deleted.write(_deletions(gone))
            made = [
                (purpose, draft.publish())
                for purpose, draft in (("output", output), ("deleted", deleted))
                if draft.count
            ]
    place = (choice.kind, last) if last is not None else (choice.kind + 1, 0)
    _publish(job, owner, principal, choice.type, made, place)
    return False


def _shape(job: ExportJob, type: str) -> Shape:
    names = [*job.elements.get("", ()), *job.elements.get(type, ())]
    return Shape(frozenset(names))


def _deletions(gone: Sequence[Stored]) -> Iterable[bytes]:
    """Return transaction Bundles of deletions, as the guide asks."""
    for start in range(0, len(gone), DELETED_IN_ONE):
        entries = [
            {"request": {"method": "DELETE", "url": f"{one.type}/{one.id}"}}
            for one in gone[start : start + DELETED_IN_ONE]
        ]
        yield orjson.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries})


def _remember(job: ExportJob, resources: Iterable[Stored]) -> None:
    """Note whose data is in the export, before anybody can read it."""
    persons = sorted({one.person_id for one in resources if one.person_id is not None}, key=str)
    if not persons:
        return
    with transaction.atomic(), connection.cursor() as cursor:
        rows.insert_or_skip(
            cursor,
            "record_exportperson",
            "person_id, job_id",
            [(rows.key(cursor, person), job.pk) for person in persons],
        )


def _hold(job: ExportJob, owner: str) -> None:
    """Stretch the lease now and then; raises `Cancelled` when the export is no longer ours."""
    now = timezone.now()
    if job.lease_until is not None and job.lease_until - now > LEASE * 0.9:
        return
    if not _mine(job, owner).update(lease_until=now + LEASE):
        raise Cancelled
    job.lease_until = now + LEASE


def _mine(job: ExportJob, owner: str) -> QuerySet[ExportJob]:
    return ExportJob.objects.filter(pk=job.pk, owner=owner, state=ExportState.RUNNING)


def _publish(
    job: ExportJob,
    owner: str,
    principal: Principal,
    type: str,
    made: Sequence[tuple[str, Made]],
    place: tuple[int, int],
) -> None:
    """Make files known and note how far the export is, in one commit with its audit."""
    found = sum(one.count for purpose, one in made if purpose == "output")
    entries = [
        audit.entry(
            principal,
            "export",
            resource_type=type,
            resource_id=str(job.key),
            detail={"file": one.name, "count": one.count, "purpose": purpose, "sha256": one.digest},
        )
        for purpose, one in made
    ]
    intent = None
    with transaction.atomic(), connection.cursor() as cursor:
        updated = _mine(job, owner).update(
            kind_at=place[0],
            after_rid=place[1],
            resources=F("resources") + found,
            bytes=F("bytes") + sum(one.size for _, one in made),
            lease_until=timezone.now() + LEASE,
        )
        if not updated:
            raise Cancelled
        for purpose, one in made:
            ExportFile.objects.create(
                job=job,
                name=one.name,
                purpose=purpose,
                type=type if purpose == "output" else "Bundle",
                count=one.count,
                size=one.size,
                packed_size=one.packed_size,
                digest=one.digest,
            )
        if entries:
            intent = audit.intend(cursor, entries)
    if intent is not None:
        audit.settle(intent)
    job.kind_at, job.after_rid = place
    job.refresh_from_db(fields=["lease_until"])


def _finish(job: ExportJob, owner: str) -> str:
    """Write what was left out, mark the export as done, and remove the worker's notes."""
    folder = places.folder_of(job.key)
    made: Made | None = None
    if job.warnings:
        with Draft(folder, "999-warnings.ndjson") as draft:
            draft.write(
                orjson.dumps({"resourceType": "OperationOutcome", "issue": [one]}) for one in job.warnings
            )
            made = draft.publish()
    now = timezone.now()
    with transaction.atomic():
        if not _mine(job, owner).update(
            state=ExportState.DONE, owner="", lease_until=None, finished=now, expires=now + keep_for()
        ):
            raise Cancelled
        if made is not None:
            ExportFile.objects.create(
                job=job,
                name=made.name,
                purpose="error",
                type="OperationOutcome",
                count=made.count,
                size=made.size,
                packed_size=made.packed_size,
                digest=made.digest,
            )
    for suffix in ("", "-wal", "-shm"):
        (folder / f"changes.sqlite3{suffix}").unlink(missing_ok=True)
    return ExportState.DONE


def keep_for() -> timedelta:
    """Return how long an export's files are kept."""
    import os

    hours = os.environ.get("SALUS_BULK_KEEP_HOURS", "")
    return timedelta(hours=float(hours)) if hours.replace(".", "", 1).isdigit() else KEEP


def _fail(job: ExportJob, owner: str, words: str) -> str:
    now = timezone.now()
    _mine(job, owner).update(
        state=ExportState.FAILED,
        failure=words[:300],
        owner="",
        lease_until=None,
        finished=now,
        expires=now + keep_for(),
    )
    return ExportState.FAILED


def progress_of(job: ExportJob) -> str:
    """Say how far an export is, in words for the X-Progress header (English: programs read it)."""
    if job.state == ExportState.QUEUED or not job.last_rid:
        return "waiting for a worker"
    at = type_names().get(job.kind_at, "")
    words = f"{job.resources} resources written"
    return f"{words}; at {at}" if at else words


def cancel(job: ExportJob, *, now: datetime | None = None) -> None:
    """End an export: a worker stops at its next step, the files go, the row stays."""
    moment = now or timezone.now()
    with transaction.atomic():
        ExportFile.objects.filter(job=job).delete()
        ExportJob.objects.filter(pk=job.pk).exclude(state=ExportState.EXPIRED).update(
            state=ExportState.CANCELLED, finished=moment, expires=None, owner="", lease_until=None
        )
    places.remove(job.key)


def open_exports(account_id: int | None, source_id: int | None) -> int:
    """Return how many exports of one asker are not at their end."""
    return ExportJob.objects.filter(Q(account_id=account_id) & Q(source_id=source_id), state__in=OPEN).count()


def persons_in(job: ExportJob) -> set[UUID]:
    """Return whose data is in an export (for tests and the bench; it may be everybody)."""
    from salus.record.models import ExportPerson

    return set(ExportPerson.objects.filter(job=job).values_list("person_id", flat=True))
