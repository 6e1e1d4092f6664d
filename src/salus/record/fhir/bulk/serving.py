"""How an export goes, its manifest, its files, and its cancellation."""

import re
from datetime import datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from django.utils import timezone

from salus.record.fhir import access
from salus.record.fhir.bulk import places, running
from salus.record.fhir.exchange import Exchange
from salus.record.fhir.outcome import FhirError, FilePart, Response, not_found, outcome
from salus.record.models import ExportFile, ExportJob, ExportState
from salus.record.store import stamp

POLL = 2  # seconds that a client should wait between two looks
NDJSON = "application/fhir+ndjson"
_RANGE = re.compile(r"^bytes=(\d{0,18})-(\d{0,18})$")


def status(exchange: Exchange) -> Response:
    """Answer GET of an export's status: 202 while it goes on, 200 with the manifest, 404 when it is gone."""
    job = _job(exchange)
    if job.state in running.OPEN:
        headers = (("x-progress", running.progress_of(job)[:100]), ("retry-after", str(POLL)))
        return Response(202, b"", headers)
    if job.state == ExportState.FAILED:
        said = outcome("exception", f"The export failed: {job.failure}")
        return Response(500, orjson.dumps(said))
    until = [] if job.expires is None else [("expires", format_datetime(job.expires, usegmt=True))]
    return Response(200, orjson.dumps(manifest(job)), tuple(until), media="application/json")


def manifest(job: ExportJob) -> dict[str, Any]:
    """Return the manifest of a finished export.

    Source: http://hl7.org/fhir/uv/bulkdata/STU2/export.html#response---complete-status.
    """
    address = f"{job.base}/bulk/export/{job.key}"
    listed: dict[str, list[dict[str, Any]]] = {"output": [], "deleted": [], "error": []}
    for one in ExportFile.objects.filter(job=job).order_by("name"):
        listed[one.purpose].append({"type": one.type, "url": f"{address}/{one.name}", "count": one.count})
    return {
        "transactionTime": stamp.instant(job.transaction_time),
        "request": job.request,
        "requiresAccessToken": True,
        **listed,
    }


def cancel(exchange: Exchange) -> Response:
    """Answer DELETE of an export: the work ends, the files go; from now on it is 404."""
    job = _job(exchange)
    running.cancel(job)
    exchange.entries.append(
        access.entry(exchange, "delete", "Bundle", id=str(job.key), detail={"export": "cancelled"})
    )
    return Response(202)


def file(exchange: Exchange) -> Response:
    """Answer GET or HEAD of one file, or a part of it; packed if the asker takes gzip.

    Each answer is an audit row; the persons whose data the export holds are in its own table.
    """
    job = _job(exchange)
    found = ExportFile.objects.filter(job=job, name=exchange.route.file).first()
    if found is None or job.state != ExportState.DONE:
        raise not_found()
    path = places.folder_of(job.key) / found.name
    answer = deliver(exchange, path, found.size, found.packed_size, found.digest)
    if answer.file is not None:
        exchange.entries.append(
            access.entry(
                exchange,
                "export",
                found.type,
                id=str(job.key),
                detail={
                    "file": found.name,
                    "from": answer.file.start,
                    "bytes": answer.file.length,
                    "fetched": True,
                },
            )
        )
    return answer


def deliver(exchange: Exchange, path: Path, size: int, packed_size: int, digest: str) -> Response:
    """Return a job's NDJSON file, which lies beside its packed form, or the part that is asked for."""
    packed = _takes_gzip(exchange.request.headers.get("accept-encoding", ""))
    if packed:
        path, size = path.with_name(f"{path.name}.gz"), packed_size
    tag = f'"{digest[:32]}{"-gz" if packed else ""}"'
    headers = [("etag", tag), ("accept-ranges", "bytes"), ("vary", "Accept-Encoding")]
    if packed:
        headers.append(("content-encoding", "gzip"))
    if not path.is_file() or path.stat().st_size != size:
        raise FhirError(503, "transient", "The file is not there now", fix="Try later, or ask again")
    if exchange.request.headers.get("if-none-match", "").strip() == tag:
        return Response(304, headers=tuple(headers))
    start, length, partial = _span(exchange, tag, size)
    if partial:
        headers.append(("content-range", f"bytes {start}-{start + length - 1}/{size}"))
    return Response(
        206 if partial else 200, b"", tuple(headers), media=NDJSON, file=FilePart(str(path), start, length)
    )


def _job(exchange: Exchange) -> ExportJob:
    """Return the export of the address, if the asker is who started it; 404 alike for all else."""
    try:
        key = UUID(exchange.route.id)
    except ValueError:
        raise not_found() from None
    job = ExportJob.objects.filter(key=key).first()
    principal = exchange.principal
    if job is None or (job.account_id, job.source_id) != (principal.account_id, principal.source_id):
        raise not_found()
    if job.state in {ExportState.CANCELLED, ExportState.EXPIRED} or _over(job, timezone.now()):
        raise FhirError(404, "not-found", "The export was cancelled, or its time is over", fix="Export again")
    return job


def _over(job: ExportJob, now: datetime) -> bool:
    return job.expires is not None and job.expires < now


def _takes_gzip(header: str) -> bool:
    for part in header.lower().split(","):
        name, *options = (piece.strip() for piece in part.split(";"))
        if name in {"gzip", "*"} and not any(
            o.replace(" ", "") in {"q=0", "q=0.0", "q=0.00"} for o in options
        ):
            return True
    return False


def _span(exchange: Exchange, tag: str, size: int) -> tuple[int, int, bool]:
    """Return start and length of what is asked for, and whether it is a part (RFC 9110, section 14)."""
    asked = exchange.request.headers.get("range", "").strip()
    match = _RANGE.match(asked)
    condition = exchange.request.headers.get("if-range")
    if match is None or match[0] == "bytes=-" or (condition is not None and condition.strip() != tag):
        return 0, size, False
    first, last = match[1], match[2]
    if not first:  # the last so many bytes
        start, end = max(0, size - int(last)), size - 1
    else:
        start, end = int(first), min(int(last), size - 1) if last else size - 1
    if start > end or start >= size:
        if first and last and int(last) < int(first):
            return 0, size, False
        raise FhirError(
            416, "value", "The range is not within the file", headers=(("content-range", f"bytes */{size}"),)
        )
    return start, end - start + 1, True
