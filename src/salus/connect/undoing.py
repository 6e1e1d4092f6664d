"""Undoing a whole load: each resource goes back to what it was before, unless something later changed it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from salus.connect import linking
from salus.connect.models import Load, Message, Status
from salus.kernel import audit
from salus.kernel.errors import Conflict
from salus.record import json, store

_BATCH = 100
Progress = Callable[[int, int], None]


@dataclass(slots=True)
class UndoReport:
    """What an undo did: resources put back, taken away, and left because a later message changed them."""

    restored: int = 0
    removed: int = 0
    kept: list[str] = field(default_factory=list)
    messages: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the report as it is kept with the load."""
        return {
            "restored": self.restored,
            "removed": self.removed,
            "messages": self.messages,
            "kept": self.kept[:1000],
            "kept_count": len(self.kept),
        }


def undo_load(load: Load, *, actor: str, progress: Progress | None = None) -> UndoReport:
    """Take back what a load wrote, newest message first, and return what was done.

    The messages stay, marked as undone, and the same file can be loaded again. A resource that a later
    message changed stays as it is and is reported as "Type/id". Raises Conflict if the load was undone
    already or is still running.
    """
    changed = Load.objects.filter(
        pk=load.pk, state__in=(Load.State.DONE, Load.State.FAILED, Load.State.UNDOING)
    ).update(state=Load.State.UNDOING)
    if not changed:
        raise Conflict("not-undoable", "the load is running or was undone already", where=f"load {load.pk}")
    report = UndoReport(**_so_far(load))
    total = Message.objects.filter(load=load, status=Status.STORED, undone=False).count()
    done = 0
    while True:
        batch = list(
            Message.objects.filter(load=load, status=Status.STORED, undone=False)
            .order_by("-id")
            .values_list("id", "written")[:_BATCH]
        )
        if not batch:
            break
        _undo_batch(load, batch, report, actor)
        done += len(batch)
        if progress is not None:
            progress(done, total)
    Load.objects.filter(pk=load.pk).update(state=Load.State.UNDONE, undo_report=report.as_json())
    return report


def _so_far(load: Load) -> dict[str, Any]:
    """Return the report of an undo that was cut off."""
    kept = load.undo_report or {}
    return {name: kept[name] for name in ("restored", "removed", "messages", "kept") if name in kept}


def _undo_batch(load: Load, batch: Sequence[tuple[int, str]], report: UndoReport, actor: str) -> None:
    now = datetime.now(UTC)
    with transaction.atomic(), connection.cursor() as cursor:
        entries = []
        for message_id, written in batch:
            for part in reversed(written.split(",") if written else []):
                rid, version, _ = part.split(":")
                done = _revert(cursor, load, message_id, int(rid), int(version), report, now)
                if done is not None:
                    entries.append(
                        audit.AuditEntry(
                            actor=actor,
                            action="undo",
                            person_id=done.person_id,
                            resource_type=done.type,
                            resource_id=done.id,
                            source_id=load.source_id,
                            detail={"load": load.pk, "message": message_id},
                        )
                    )
        ids = [message_id for message_id, _ in batch]
        Message.objects.filter(pk__in=ids).update(undone=True)
        report.messages += len(ids)
        Load.objects.filter(pk=load.pk).update(undo_report=report.as_json())
        intent = audit.intend(cursor, entries) if entries else None
    if intent is not None:
        audit.settle(intent)


def _revert(
    cursor: CursorWrapper,
    load: Load,
    message_id: int,
    rid: int,
    version: int,
    report: UndoReport,
    now: datetime,
) -> store.Stored | None:
    """Put one resource back to the state before `version`; None where a later message changed it."""
    found = store.read_rids(cursor, [rid])
    if not found:
        return None
    current = found[0]
    if current.message_id != message_id:
        report.kept.append(f"{current.type}/{current.id}")
        return None
    before = _before(cursor, current, version)
    # The state before goes under the message that wrote it, so that undoing further back goes on from it.
    if before is None or before.deleted:
        write = store.Write(
            current.type,
            current.id,
            None,
            "delete",
            load.source_id,
            before.message_id if before else message_id,
        )
        report.removed += 1
    else:
        body = json.loads(before.body)
        write = store.Write(current.type, current.id, body, "put", before.source_id, before.message_id)
        report.restored += 1
    written = store.write(cursor, [write], now=now)
    if current.type == "Patient" and write.body is not None:
        linking.link(cursor, load.source, written, now)
    return current


def _before(cursor: CursorWrapper, current: store.Stored, version: int) -> store.Stored | None:
    """Return the version that the message found when it wrote `version`."""
    return store.vread(cursor, current.type, current.id, version - 1) if version > 1 else None
