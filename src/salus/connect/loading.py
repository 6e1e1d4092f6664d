"""Loads: the messages of a file taken in batches that keep transactions short; preview before, undo after."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from django.db import transaction
from django.db.backends.utils import CursorWrapper

from salus.connect.batching import Batcher
from salus.connect.files import Item, items_of
from salus.connect.models import Load, SourceSystem
from salus.connect.pipeline import Outcome, receive_arrivals, receive_batch, understood_unless_known
from salus.connect.profiles import profile_of
from salus.connect.receipts import Incoming, Receipt
from salus.connect.understanding import Arrival
from salus.kernel.errors import SalusError

_BATCH_BYTES = 8 * 1024 * 1024
_TELL_SECONDS = 2.0

Progress = Callable[[int], None]
"""Told how many of a file's bytes have been taken in."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a load would do: counts, and each message's receipt with its position, up to a limit."""

    counts: Counter[str]
    reasons: Counter[str]
    rows: list[tuple[int | None, Receipt]] = field(default_factory=list)
    complete: bool = True


def batches(items: Iterable[Item], batcher: Batcher) -> Iterator[list[Item]]:
    """Yield items in batches of the batcher's present size, smaller where the bytes are many."""
    batch: list[Item] = []
    size = 0
    for item in items:
        batch.append(item)
        size += len(item.incoming.raw)
        if len(batch) >= batcher.size or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


class Course:
    """A load under way: begun, given batches, ended. The last batch ends it in its own transaction."""

    def __init__(
        self, source: SourceSystem, path: Path, *, via: str, name: str | None = None, started_by: Any = None
    ) -> None:
        shown = (name or path.name)[:300]
        cut_off = Load.objects.filter(source=source, name=shown, state=Load.State.RUNNING)
        if cut_off.exists():
            cut_off.update(state=Load.State.FAILED, failure="interrupted", finished_at=datetime.now(UTC))
        self.source = source
        self.load = Load.objects.create(
            source=source, name=shown, via=via, size=path.stat().st_size, started_by=started_by
        )
        self.done = 0
        self.ended = False
        self._told = time.monotonic()

    def take(self, arrivals: Sequence[Arrival], read: int, *, last: bool) -> Outcome:
        """Store a batch; `read` is how many bytes of the file it ends at."""
        for arrival in arrivals:
            arrival.load_id = self.load.pk

        def end(_: CursorWrapper) -> None:
            self._end(Load.State.DONE, "", read)

        outcome = receive_arrivals(self.source, arrivals, also=end if last else None)
        self.done, self.ended = read, last
        if not last and time.monotonic() - self._told > _TELL_SECONDS:
            Load.objects.filter(pk=self.load.pk).update(done_bytes=read)
            self._told = time.monotonic()
        return outcome

    def end(self, failure: str = "") -> Load:
        """End the load if its last batch has not, and return it with its counts."""
        if not self.ended or failure:
            self._end(Load.State.FAILED if failure else Load.State.DONE, failure[:500], self.done)
            self.ended = True
        self.load.refresh_from_db()
        return self.load

    def _end(self, state: str, failure: str, done: int) -> None:
        Load.objects.filter(pk=self.load.pk).update(
            state=state, failure=failure, done_bytes=done, finished_at=datetime.now(UTC)
        )


Given = TypeVar("Given")


def with_last(given: Iterable[Given]) -> Iterator[tuple[Given, bool]]:
    """Yield each element with whether it is the last."""
    rest = iter(given)
    for held in rest:
        for following in rest:
            yield held, False
            held = following
        yield held, True


def load_file(
    source: SourceSystem,
    path: Path,
    *,
    via: str = "file",
    name: str | None = None,
    started_by: Any = None,
    progress: Progress | None = None,
    batcher: Batcher | None = None,
) -> Load:
    """Load a file and return its load with the counts.

    Each batch is one transaction. A load that was cut off is safe to run again: what was taken in is
    a repeat. A file that cannot be read at all ends as a failed load with the reason.
    """
    course = Course(source, path, via=via, name=name, started_by=started_by)
    pace = batcher or Batcher()
    profile = profile_of(source)
    try:
        for batch, last in with_last(batches(items_of(path, profile, via=via, name=name), pace)):
            arrivals = understood_unless_known(source, [item.incoming for item in batch])
            outcome = course.take(arrivals, batch[-1].read, last=last)
            pace.learn(len(batch), outcome.held)
            if progress is not None:
                progress(course.done)
    except SalusError as fault:
        return course.end(str(fault))
    except BaseException as fault:
        course.end(f"stopped: {type(fault).__name__}")
        raise
    return course.end()


def rehearse(source: SourceSystem, items: Sequence[Incoming]) -> Outcome:
    """Return the receipts that a batch would get, leaving nothing behind."""
    with transaction.atomic():
        outcome = receive_batch(source, items, rehearsal=True)
        transaction.set_rollback(True)
    return outcome


def preview_file(source: SourceSystem, path: Path, *, name: str | None = None, limit: int = 2000) -> Preview:
    """Return what loading a file would do, in transactions that are rolled back.

    At most `limit` messages are tried. Raises Invalid if the file cannot be read at all.
    """
    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    rows: list[tuple[int | None, Receipt]] = []
    seen: set[bytes] = set()
    pace = Batcher(start=50)
    for batch in batches(items_of(path, profile_of(source), name=name), pace):
        if len(rows) >= limit:
            return Preview(counts, reasons, rows, complete=False)
        kept = batch[: limit - len(rows)]
        outcome = rehearse(source, [item.incoming for item in kept])
        pace.learn(len(kept), outcome.held)
        for item, receipt, digest in zip(kept, outcome.receipts, outcome.digests, strict=True):
            status = "repeated" if receipt.status == "stored" and digest in seen else receipt.status
            seen.add(digest)
            counts[status] += 1
            if status == "dead":
                reasons[receipt.code] += 1
            rows.append((item.incoming.position, receipt))
        if len(kept) < len(batch):
            return Preview(counts, reasons, rows, complete=False)
    return Preview(counts, reasons, rows)
