"""The worker's side of an import: files are pulled whole, then stored line by line with their place.

The place in a file moves in the transaction that stores its lines, so that a worker that is killed neither
loses a line nor stores one twice. A file that was half pulled is pulled on from where it ended.
"""

import http.client
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import orjson
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.backends.utils import CursorWrapper
from django_tasks import task

from salus.connect.batching import Batcher
from salus.connect.bulk_import_models import ImportInput, ImportJob, ImportState
from salus.connect.errors import Untranslatable
from salus.connect.files import LARGEST_LINE
from salus.connect.models import Load, Message, Status, Via
from salus.connect.pipeline import receive_batch
from salus.connect.receipts import Incoming
from salus.kernel.audit.chain import new_owner, owner_gone
from salus.kernel.errors import Invalid, SalusError
from salus.kernel.events import describe
from salus.kernel.jobs import periodic
from salus.record.fhir import asker, outbound
from salus.record.fhir.bulk.files import Draft
from salus.record.models import AllowedOrigin

LARGEST_FILE = 64 * 1024**3
SLICE = 20.0  # seconds that one task works before it lets another have the thread
LEASE = timedelta(seconds=60)
ATTEMPTS = 6  # to pull one file
BLOCK = 1024 * 1024
LINES = 2000  # lines read into one batch at most
OPEN = (ImportState.QUEUED, ImportState.RUNNING)


class Lost(Exception):
    """The import was cancelled, or another worker took it over."""


class _Envelope(msgspec.Struct):
    resourceType: str = ""  # noqa: N815 - FHIR's name


_envelope = msgspec.json.Decoder(_Envelope)


def folder_of(key: object) -> Path:
    """Return an import's folder, readable by the platform's user only."""
    return Path(settings.DATA_DIR) / "bulk" / "import" / str(key)


def upload_place(code: str, name: str) -> Path:
    """Return a file in a source's upload folder; raises Invalid for what is not there or lies elsewhere."""
    folder = (Path(settings.DATA_DIR) / "bulk" / "uploads" / code).resolve()
    place = (folder / name).resolve()
    if not name or place.parent != folder or not place.is_file():
        raise Invalid("no-upload", "There is no such file in the source's upload folder")
    return place


@task()
def run_import(job_id: int) -> str:
    """Work on an import for a while; returns its state. It queues itself again while there is more to do."""
    state = work(job_id, seconds=SLICE)
    if state == ImportState.RUNNING:
        run_import.enqueue(job_id)
    return state


@periodic(every=30, name="connect.bulk-imports")
def resume_imports() -> int:
    """Go on with imports whose worker died."""
    now = datetime.now(UTC)
    idle = [
        job.pk
        for job in ImportJob.objects.filter(state__in=OPEN)
        if (not job.owner and now - job.created > LEASE)
        or (job.owner and (owner_gone(job.owner) or (job.lease_until and job.lease_until < now)))
    ]
    for job_id in idle:
        run_import.enqueue(job_id)
    return len(idle)


def work(job_id: int, *, seconds: float = float("inf"), most: int = LINES) -> str:
    """Work on an import until it is done or the time is over; returns its state."""
    owner = new_owner()
    job = _claim(job_id, owner)
    if job is None:
        return str(ImportJob.objects.filter(pk=job_id).values_list("state", flat=True).first() or "")
    ends = time.monotonic() + seconds
    try:
        asker.again(job.asker)
        for one in job.inputs.filter(done=False).order_by("number"):
            if not _take(job, one, owner, ends, most):
                ImportJob.objects.filter(pk=job_id, owner=owner).update(owner="", lease_until=None)
                return ImportState.RUNNING
        return _end(job, owner, ImportState.DONE, "")
    except Lost:
        return str(ImportJob.objects.values_list("state", flat=True).get(pk=job_id))
    except SalusError as error:
        return _end(job, owner, ImportState.FAILED, f"{error.code}: {error.message}")
    except DatabaseError:  # it may pass: the next worker goes on
        connection.close_if_unusable_or_obsolete()
        ImportJob.objects.filter(pk=job_id, owner=owner).update(owner="", lease_until=None)
        raise
    except Exception as error:
        _end(job, owner, ImportState.FAILED, describe(error))
        raise


def _claim(job_id: int, owner: str) -> ImportJob | None:
    now = datetime.now(UTC)
    with transaction.atomic():
        job = ImportJob.objects.select_for_update().filter(pk=job_id, state__in=OPEN).first()
        if job is None:
            return None
        if job.owner and not owner_gone(job.owner) and job.lease_until is not None and job.lease_until > now:
            return None
        job.owner, job.lease_until, job.state = owner, now + LEASE, ImportState.RUNNING
        job.save(update_fields=["owner", "lease_until", "state"])
    return job


def _end(job: ImportJob, owner: str, state: str, words: str) -> str:
    ImportJob.objects.filter(pk=job.pk, owner=owner, state=ImportState.RUNNING).update(
        state=state, failure=words[:300], owner="", lease_until=None, finished=datetime.now(UTC)
    )
    return state


def _hold(job: ImportJob, owner: str) -> None:
    lease = datetime.now(UTC) + LEASE
    held = ImportJob.objects.filter(pk=job.pk, owner=owner, state=ImportState.RUNNING)
    if not held.update(lease_until=lease):
        raise Lost


def _take(job: ImportJob, one: ImportInput, owner: str, ends: float, most: int) -> bool:
    """Pull and store one file; returns whether it is done, False when the time was over first."""
    if one.load is None:
        name = one.url.rpartition("/")[2].partition("?")[0][:200] or "import"
        with transaction.atomic():
            one.load = Load.objects.create(source=job.source, name=name, via=Via.BULK)
            one.save(update_fields=["load"])
    place = _place(job, one, owner)
    if place is None:
        _close(one, Load.State.FAILED)
        return True
    Load.objects.filter(pk=one.load.pk).update(size=place.stat().st_size)
    pace = Batcher()
    with place.open("rb") as stream:
        if stream.read(2) == b"\x1f\x8b":
            one.failure = "packed: the file is packed; send it as plain NDJSON"
            _close(one, Load.State.FAILED)
            return True
        stream.seek(one.offset)
        while True:
            items, offset, line = _batch(stream, one, min(pace.size, most))
            if offset == one.offset:
                break
            _hold(job, owner)
            _store(one, items, offset, line, pace)
            if time.monotonic() >= ends:
                return False
    _errors(job, one)
    _close(one, Load.State.DONE)
    if place.parent == folder_of(job.key):
        place.unlink(missing_ok=True)
    return True


def _close(one: ImportInput, state: str) -> None:
    with transaction.atomic():
        one.done = True
        one.save(update_fields=["done", "failure", "errors", "errors_size", "errors_packed", "errors_digest"])
        Load.objects.filter(pk=one.load_id or 0).update(
            state=state, failure=one.failure, finished_at=datetime.now(UTC), done_bytes=one.offset
        )
    if one.failure and not one.errors:
        _failed_file(one)


def _batch(stream: Iterator[bytes], one: ImportInput, most: int) -> tuple[list[Incoming], int, int]:
    """Return the next lines as messages, and the place in bytes and lines after them."""
    items: list[Incoming] = []
    offset, number = one.offset, one.line
    while len(items) < most:
        text = stream.readline(LARGEST_LINE)  # type: ignore[attr-defined]  # an open file
        if not text:
            break
        offset += len(text)
        number += 1
        raw = text.removeprefix(b"\xef\xbb\xbf").strip() if number == 1 else text.strip()
        if raw:
            items.append(
                Incoming(
                    raw,
                    via=Via.BULK,
                    position=number,
                    load_id=one.load_id,
                    translation=_other_type(raw, one.type),
                )
            )
    return items, offset, number


def _other_type(raw: bytes, wanted: str) -> Untranslatable | None:
    """Return what is wrong with a line of another type than its file was said to hold; None otherwise."""
    try:
        found = _envelope.decode(raw).resourceType
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None  # the pipeline says what is wrong with it
    if not found or found == wanted:
        return None
    return Untranslatable(
        "other-type", "the line is of another resource type than its file was said to hold", where=found[:64]
    )


def _store(one: ImportInput, items: list[Incoming], offset: int, line: int, pace: Batcher) -> None:
    """Store lines and the place after them in one transaction."""

    def advance(_: CursorWrapper) -> None:
        ImportInput.objects.filter(pk=one.pk).update(offset=offset, line=line)
        Load.objects.filter(pk=one.load_id or 0).update(done_bytes=offset)

    if items:
        outcome = receive_batch(one.job.source, items, also=advance)
        pace.learn(len(items), outcome.held)
    else:
        with transaction.atomic(), connection.cursor() as cursor:
            advance(cursor)
    one.offset, one.line = offset, line


def _place(job: ImportJob, one: ImportInput, owner: str) -> Path | None:
    """Return the whole file on this machine's disk, pulled if need be; None, with the reason kept, if not."""
    if one.url.startswith("upload:"):
        try:
            return upload_place(job.source.code, one.url.removeprefix("upload:"))
        except Invalid as error:
            one.failure = f"{error.code}: {error.message}"
            return None
    folder = folder_of(job.key)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    place = folder / f"{one.number}.ndjson"
    if place.is_file():
        return place
    while one.attempts < ATTEMPTS:
        one.attempts += 1
        ImportInput.objects.filter(pk=one.pk).update(attempts=one.attempts)
        try:
            address = outbound.check(job.source_id, AllowedOrigin.Use.IMPORT, one.url)
            _pull(job, address, place.with_suffix(".part"), owner)
        except outbound.Unreachable as error:
            one.failure = f"{error.code}: {error.message}"
            time.sleep(min(0.2 * 2**one.attempts, 10))
            continue
        except SalusError as error:
            one.failure = f"{error.code}: {error.message}"
            return None
        os.replace(place.with_suffix(".part"), place)
        one.failure = ""
        return place
    return None


def _pull(job: ImportJob, address: outbound.Address, part: Path, owner: str) -> None:
    """Pull a file into `part`, going on where an earlier try ended if the other side can."""
    have = part.stat().st_size if part.is_file() else 0
    headers = {"accept": "application/fhir+ndjson, */*", "accept-encoding": "identity"}
    if have:
        headers["range"] = f"bytes={have}-"
    link = outbound.connect(address)
    try:
        link.request("GET", address.target, headers=headers)
        answer = link.getresponse()
        if answer.status == 416 and have:
            return  # everything had come
        if answer.status not in {200, 206}:
            raise outbound.Unreachable("bad-answer", f"The other side answered {answer.status}")
        if answer.status == 200:
            have = 0
        elif not (answer.getheader("content-range") or "").startswith(f"bytes {have}-"):
            part.unlink(missing_ok=True)
            raise outbound.Unreachable("bad-answer", "The other side sent another part than asked for")
        with part.open("ab" if have else "wb") as target:
            while block := answer.read(BLOCK):
                target.write(block)
                have += len(block)
                if have > LARGEST_FILE:
                    raise Invalid("file-too-large", "The file is too large")
                _hold(job, owner)
            target.flush()
            os.fsync(target.fileno())
        if answer.length:
            raise outbound.Unreachable("cut-off", "The file did not come to its end")
    except (OSError, http.client.HTTPException) as error:
        raise outbound.Unreachable("no-answer", f"No answer ({type(error).__name__})") from None
    finally:
        link.close()


def _errors(job: ImportJob, one: ImportInput) -> None:
    """Write what could not be stored as OperationOutcomes, a line each, without any resident's data."""
    dead = Message.objects.filter(load_id=one.load_id or 0, status=Status.DEAD).order_by("id")
    rows = dead.values_list("position", "reason_code", "reason", "reason_where").iterator(2000)
    with Draft(folder_of(job.key), f"{one.number}.errors.ndjson") as draft:
        draft.write(_outcome(*row) for row in rows)
        if draft.count:
            _keep(one, draft)


def _failed_file(one: ImportInput) -> None:
    """Write why a whole file was not taken."""
    with Draft(folder_of(one.job.key), f"{one.number}.errors.ndjson") as draft:
        code, _, reason = one.failure.partition(": ")
        draft.write([_outcome(0, code, reason, "")])
        _keep(one, draft)
    one.save(update_fields=["errors", "errors_size", "errors_packed", "errors_digest"])


def _keep(one: ImportInput, draft: Draft) -> None:
    made = draft.publish()
    one.errors, one.errors_size = made.count, made.size
    one.errors_packed, one.errors_digest = made.packed_size, made.digest


def _outcome(line: int | None, code: str, reason: str, where: str) -> bytes:
    place = f"Line {line}: " if line else ""
    issue = {"severity": "error", "code": "processing", "diagnostics": f"{place}{reason} ({code})"}
    if where:
        issue["expression"] = [where]  # type: ignore[assignment]
    return orjson.dumps({"resourceType": "OperationOutcome", "issue": [issue]})
