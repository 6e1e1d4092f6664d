"""Stage a file, carry it out row by row, undo it row by row; each can be cut off and resumed."""

import hashlib
import time

from django.db import transaction
from django.db.models import Count
from django.utils import timezone
from django.utils.translation import gettext as _

from salus.kernel import audit, policy
from salus.kernel.errors import SalusError
from salus.kernel.policy import Principal, Target
from salus.web.imports.importers import Importer
from salus.web.imports.reading import read_rows
from salus.web.models import ImportBatch, ImportRow, RowState

_STATES = {"ready": RowState.READY, "same": RowState.SAME, "wrong": RowState.WRONG}
_CHUNK = 500
_WORDS = 400


def stage(principal: Principal, importer: Importer, filename: str, content: bytes) -> ImportBatch:
    """Read and judge every row of a file; nothing of it is carried out yet.

    Raises:
        NotAllowed: the policy refuses; Invalid: the file cannot be read.
    """
    policy.require(principal, importer.action, Target(importer.kind))
    lines = read_rows(content, importer.columns)
    verdicts = list(importer.check(principal, [row for _number, row in lines]))
    required = [column.name for column in importer.columns if column.required]
    rows = []
    for (number, row), verdict in zip(lines, verdicts, strict=True):
        state, words = _STATES[verdict.state], verdict.words
        if empty := [name for name in required if not row.get(name)]:
            state, words = RowState.WRONG, _("%(name)s is empty.") % {"name": ", ".join(empty)}
        rows.append(ImportRow(number=number, cells=row, state=state, words=words[:_WORDS]))
    with transaction.atomic():
        batch = ImportBatch.objects.create(
            importer=importer.name,
            account_id=principal.account_id or 0,
            filename=filename[:200],
            digest=hashlib.sha256(content).hexdigest(),
        )
        for staged in rows:
            staged.batch = batch
        ImportRow.objects.bulk_create(rows, batch_size=_CHUNK)
    return batch


def apply(principal: Principal, importer: Importer, batch: ImportBatch, *, seconds: float = 10.0) -> int:
    """Carry out the rows that are ready, for at most `seconds`; returns how many are left.

    A row that fails is kept with the reason and stops no other. Call again while rows are left.

    Raises:
        NotAllowed: the policy refuses.
    """
    policy.require(principal, importer.action, Target(importer.kind))
    if batch.undone is not None:
        return 0
    if batch.begun is None:
        batch.begun = timezone.now()
        batch.save(update_fields=["begun"])
        _audit(principal, "import", importer, batch)
    until = time.monotonic() + seconds
    for row in batch.rows.filter(state=RowState.READY).order_by("number").iterator(chunk_size=_CHUNK):
        if time.monotonic() > until:
            break
        try:
            with transaction.atomic():
                row.way_back = importer.apply(principal, row.cells)
                row.state = RowState.DONE
                row.save(update_fields=["way_back", "state"])
        except SalusError as error:
            row.state, row.words, row.way_back = RowState.FAILED, error.message[:_WORDS], None
            row.save(update_fields=["state", "words", "way_back"])
    return batch.rows.filter(state=RowState.READY).count()


def undo(principal: Principal, importer: Importer, batch: ImportBatch, *, seconds: float = 10.0) -> int:
    """Take back the rows that were carried out, last first, for at most `seconds`; returns how many are left.

    Raises:
        NotAllowed: the policy refuses.
    """
    policy.require(principal, importer.action, Target(importer.kind))
    if batch.undone is None:
        batch.undone = timezone.now()
        batch.save(update_fields=["undone"])
        _audit(principal, "undo-import", importer, batch)
    until = time.monotonic() + seconds
    for row in batch.rows.filter(state=RowState.DONE).order_by("-number").iterator(chunk_size=_CHUNK):
        if time.monotonic() > until:
            break
        try:
            with transaction.atomic():
                if row.way_back is not None:
                    importer.undo(principal, row.way_back)
                row.state = RowState.UNDONE
                row.save(update_fields=["state"])
        except SalusError as error:
            row.state, row.words = RowState.KEPT, error.message[:_WORDS]
            row.save(update_fields=["state", "words"])
    return batch.rows.filter(state=RowState.DONE).count()


def counts(batch: ImportBatch) -> dict[str, int]:
    """Return how many rows stand in each state."""
    return dict(batch.rows.order_by().values_list("state").annotate(Count("pk")))


def _audit(principal: Principal, action: str, importer: Importer, batch: ImportBatch) -> None:
    told = {"importer": importer.name, "sha256": batch.digest}
    audit.record(
        [audit.entry(principal, action, resource_type="ImportBatch", resource_id=str(batch.pk), detail=told)]
    )
