"""`$import`: a source system names NDJSON files, the platform pulls them and stores every line.

FHIR has no final standard for this. What is taken is the Parameters of the servers in use (`inputFormat`,
`inputSource`, `input` with `type` and `url`, as HAPI FHIR and Microsoft's server have it) and the JSON body
of SMART's draft "Bulk Data Import" with the same names; the answer is the asynchronous pattern of export.
"""

from typing import Any
from uuid import UUID

import orjson
from django.db import transaction

from salus.connect.bulk_import_models import ImportInput, ImportJob, ImportState
from salus.connect.bulk_import_work import folder_of, run_import, upload_place
from salus.connect.models import SourceSystem
from salus.kernel import audit
from salus.kernel.errors import Invalid, NotAllowed
from salus.record.fhir import access, asker, outbound
from salus.record.fhir.body import decode
from salus.record.fhir.bulk.serving import POLL, deliver
from salus.record.fhir.exchange import Exchange
from salus.record.fhir.operations import Operation, register
from salus.record.fhir.outcome import FhirError, Response, forbidden, not_found, outcome
from salus.record.fhir.request import check_content_type, prefer
from salus.record.fhir.types import types
from salus.record.models import AllowedOrigin

FORMATS = frozenset({"application/fhir+ndjson", "application/ndjson", "ndjson"})
MOST_INPUTS = 1000
MOST_OPEN = 3
OPEN = (ImportState.QUEUED, ImportState.RUNNING)
UPLOAD = "upload:"


def kick_off(exchange: Exchange) -> Response:
    """Answer POST $import: 202 with where to ask how it goes.

    Raises `FhirError`: 400 for what is not understood, 403 for who is no source system or names an address
    that is not allowed for it, 429 while too many imports of the source are under way.
    """
    principal = exchange.principal
    source = SourceSystem.objects.filter(pk=principal.source_id or 0, active=True).first()
    if source is None:
        exchange.entries.append(access.entry(exchange, "create", "Bundle", outcome=access.REFUSED))
        raise forbidden("Only a source system's own token can start an import")
    if "respond-async" not in prefer(exchange.request):
        raise FhirError(
            400, "required", "An import is answered later", fix="Send the header Prefer: respond-async"
        )
    inputs = _inputs(exchange)
    for type, url in inputs:
        access.check_type(exchange, "create", type)
        _check_url(source, url)
    if ImportJob.objects.filter(source=source, state__in=OPEN).count() >= MOST_OPEN:
        raise FhirError(
            429, "throttled", "Too many of your imports are under way", headers=(("retry-after", "60"),)
        )
    with transaction.atomic():
        job = ImportJob.objects.create(
            source=source, asker=asker.kept(principal), base=exchange.request.base[:300]
        )
        ImportInput.objects.bulk_create(
            ImportInput(job=job, number=number, type=type, url=url)
            for number, (type, url) in enumerate(inputs, start=1)
        )
        detail = {"import": "started", "files": len(inputs)}
        entry = access.entry(exchange, "create", "Bundle", id=str(job.key), detail=detail)
        intent = audit.intend(exchange.cursor, [entry])
        run_import.enqueue(job.pk)
    audit.settle(intent)
    return Response(202, b"", (("content-location", f"{exchange.request.base}/bulk/import/{job.key}"),))


def status(exchange: Exchange) -> Response:
    """Answer GET of an import's status: 202 while it goes on, then 200 with what became of each file."""
    job = _job(exchange)
    if job.state in OPEN:
        lines = sum(job.inputs.values_list("line", flat=True))
        headers = (("x-progress", f"{lines} lines stored or kept"), ("retry-after", str(POLL)))
        return Response(202, b"", headers)
    if job.state == ImportState.FAILED:
        return Response(500, orjson.dumps(outcome("exception", f"The import failed: {job.failure}")))
    return Response(200, orjson.dumps(manifest(job)), media="application/json")


def manifest(job: ImportJob) -> dict[str, Any]:
    """Return what became of an import: stored lines a file, and the errors of each as OperationOutcomes."""
    output, errors = [], []
    for one in job.inputs.select_related("load").order_by("number"):
        stored = one.load.stored + one.load.repeated if one.load else 0
        output.append({"type": one.type, "inputUrl": one.url, "count": stored})
        if one.errors:
            address = f"{job.base}/bulk/import/{job.key}/{one.number}.errors.ndjson"
            errors.append(
                {"type": "OperationOutcome", "inputUrl": one.url, "count": one.errors, "url": address}
            )
    return {
        "transactionTime": (job.finished or job.created).isoformat(),
        "request": f"{job.base}/$import",
        "requiresAccessToken": True,
        "output": output,
        "error": errors,
    }


def cancel(exchange: Exchange) -> Response:
    """Answer DELETE of an import: what is stored stays (a load can be undone), the rest is not pulled."""
    job = _job(exchange)
    ImportJob.objects.filter(pk=job.pk).update(state=ImportState.CANCELLED, owner="", lease_until=None)
    exchange.entries.append(
        access.entry(exchange, "delete", "Bundle", id=str(job.key), detail={"import": "cancelled"})
    )
    return Response(202)


def file(exchange: Exchange) -> Response:
    """Answer the errors of one file, as NDJSON of OperationOutcomes."""
    job = _job(exchange)
    number = exchange.route.file.removesuffix(".errors.ndjson")
    one = job.inputs.filter(number=int(number)).first() if number.isdecimal() and len(number) < 6 else None
    if one is None or not one.errors_digest or job.state != ImportState.DONE:
        raise not_found()
    exchange.entries.append(
        access.entry(exchange, "read", "OperationOutcome", id=str(job.key), detail={"file": number})
    )
    place = folder_of(job.key) / f"{one.number}.errors.ndjson"
    return deliver(exchange, place, one.errors_size, one.errors_packed, one.errors_digest)


def _job(exchange: Exchange) -> ImportJob:
    try:
        job = ImportJob.objects.filter(key=UUID(exchange.route.id)).first()
    except ValueError:
        raise not_found() from None
    if job is None or job.source_id != exchange.principal.source_id or job.state == ImportState.CANCELLED:
        raise not_found()
    return job


def _check_url(source: SourceSystem, url: str) -> None:
    """Raise `FhirError` unless the address is in the source's upload folder or allowed for it."""
    try:
        if url.startswith(UPLOAD):
            upload_place(source.code, url.removeprefix(UPLOAD))
        else:
            outbound.check(source.pk, AllowedOrigin.Use.IMPORT, url)
    except NotAllowed as error:
        raise FhirError(403, "forbidden", error.message, fix=error.fix, expression="input.url") from None
    except Invalid as error:
        raise FhirError(400, "value", error.message, fix=error.fix, expression="input.url") from None


def _inputs(exchange: Exchange) -> list[tuple[str, str]]:
    """Return type and address of each file of a kick-off, from either form of body."""
    check_content_type(exchange.request, "application/fhir+json", "application/json")
    body = decode(exchange.request.body)
    if not isinstance(body, dict):
        raise FhirError(400, "structure", "The body is not a JSON object")
    given = _of_parameters(body) if body.get("resourceType") == "Parameters" else body
    unknown = sorted(set(given) - {"inputFormat", "inputSource", "storageDetail", "input", "mode"})
    if (unknown or given.get("mode") not in {None, "IncrementalLoad"}) and (
        prefer(exchange.request).get("handling") != "lenient"
    ):
        raise FhirError(400, "not-supported", "An import does not know this parameter or mode")
    if str(given.get("inputFormat", "application/fhir+ndjson")).lower() not in FORMATS:
        raise FhirError(400, "not-supported", "This format is not taken", fix="Use application/fhir+ndjson")
    found: list[tuple[str, str]] = []
    listed = given.get("input")
    for one in listed if isinstance(listed, list) else ():
        type, url = (one.get("type"), one.get("url")) if isinstance(one, dict) else (None, None)
        if type not in types() or not isinstance(type, str) or not isinstance(url, str):
            raise FhirError(400, "value", "An input has no resource type or no address", expression="input")
        found.append((type, url))
    if not 0 < len(found) <= MOST_INPUTS:
        raise FhirError(400, "required", f"An import names 1 to {MOST_INPUTS} files", expression="input")
    return found


def _of_parameters(body: dict[str, Any]) -> dict[str, Any]:
    """Return Parameters in the form of the JSON body."""
    found: dict[str, Any] = {}
    listed = body.get("parameter")
    for one in listed if isinstance(listed, list) else ():
        name = one.get("name") if isinstance(one, dict) else None
        if not isinstance(name, str):
            raise FhirError(400, "structure", "A parameter has no name", expression="parameter")
        if isinstance(one.get("part"), list):
            parts = {part.get("name"): _value(part) for part in one["part"] if isinstance(part, dict)}
            if name == "input":
                found.setdefault(name, []).append(parts)
            else:
                found[name] = parts
        else:
            found[name] = _value(one)
    return found


def _value(one: dict[str, Any]) -> Any:
    return next((value for key, value in one.items() if key.startswith("value")), None)


def serve() -> None:
    """Offer the operation to the FHIR API."""
    register(
        Operation(
            "$import",
            "https://github.com/smart-on-fhir/bulk-import/blob/master/import-manifest.md",
            kick_off,
            frozenset({"-"}),
            on_type=False,
            on_instance=False,
            methods=frozenset({"POST"}),
            on_system=True,
        ),
        status=status,
        cancel=cancel,
        file=file,
    )
