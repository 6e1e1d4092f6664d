"""Loading many files with a second process that reads and understands ahead while this one stores.

Understanding asks no database and is a third of the work, so a large load gets that much shorter where a
core is idle. For the console; where people are being served, `loading.load_file` leaves them the core.
"""

import multiprocessing
import queue
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salus.connect.translation import SourceProfile
from salus.kernel.errors import SalusError

if TYPE_CHECKING:  # the second process reads this module before Django is set up
    from salus.connect.models import Load, SourceSystem

_AHEAD = 4
"""Batches that may wait; more would only take memory."""
_LOOK_SECONDS = 5.0

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Job:
    """A file to read: of which source (as its translators know it), where, and how it came."""

    number: int
    profile: SourceProfile
    path: Path
    via: str


def _read(jobs: Sequence[Job], size: Any, out: Any) -> None:
    """Read files into understood batches (runs in the second process)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process says when to stop
    import django

    django.setup()
    from salus.connect.batching import Batcher
    from salus.connect.files import items_of
    from salus.connect.loading import batches, with_last
    from salus.connect.preparing import make_ready
    from salus.connect.understanding import arrival_of, understand
    from salus.kernel.collector import calm_collector

    calm_collector()
    pace = Batcher()
    profiles: dict[str, SourceProfile] = {}
    for job in jobs:
        # One object a source, so that its mapping is compiled once.
        profile = profiles.setdefault(job.profile.code, job.profile)
        try:
            pace.size = size.value
            for batch, last in with_last(batches(items_of(job.path, profile, via=job.via), pace)):
                arrivals = []
                for item in batch:
                    arrival = arrival_of(item.incoming)
                    understand(arrival, profile)
                    arrival.item = replace(arrival.item, translation=None)
                    if arrival.prepared is not None:
                        arrival.translation = None
                        make_ready(profile.code, arrival.prepared)
                    arrivals.append(arrival)
                pace.size = size.value
                out.put((job.number, arrivals, batch[-1].read, last))
            out.put((job.number, None, "", True))
        except SalusError as fault:
            out.put((job.number, None, str(fault), True))
    out.put(None)


class _Reader:
    """The second process and what it has read."""

    def __init__(self, jobs: Sequence[Job], size: int) -> None:
        context: SpawnContext = multiprocessing.get_context("spawn")
        self.size = context.Value("i", size)
        self.out: Any = context.Queue(maxsize=_AHEAD)
        self.process: SpawnProcess = context.Process(
            target=_read, args=(jobs, self.size, self.out), daemon=True
        )
        self.process.start()

    def __iter__(self) -> Iterator[tuple[int, Any, Any, bool]]:
        while True:
            try:
                given = self.out.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                if self.process.is_alive():
                    continue
                raise SalusError(
                    "reader-stopped",
                    "the process that reads the files ahead has stopped",
                    fix="Run the load again: what was stored counts as repeated.",
                ) from None
            if given is None:
                return
            yield given

    def stop(self) -> None:
        """End the process."""
        self.process.terminate()
        with suppress(OSError, ValueError):
            self.out.close()
            self.out.cancel_join_thread()
        self.process.join(5)


def load_files(
    files: "Sequence[tuple[SourceSystem, Path]]",
    *,
    via: str = "file",
    target: float = 0.04,
    start: int = 100,
    progress: Progress | None = None,
) -> "Iterator[Load]":
    """Load files in order and yield each one's load when it has ended.

    `target` is how long a transaction may hold the database, in seconds; `start` the size of the first
    batch. `progress(messages, size)` is told after each batch how many messages it held, and how many
    bytes of all files have been taken in.
    """
    from django.db import connection

    from salus.connect.batching import Batcher
    from salus.connect.loading import Course
    from salus.connect.profiles import profile_of
    from salus.record import store

    pace = Batcher(target=target, start=start)
    jobs = [Job(number, profile_of(source), path, via) for number, (source, path) in enumerate(files)]
    reader = _Reader(jobs, start)
    course: Course | None = None
    number_now, before = -1, 0
    try:
        with store.bulk_loading(connection):
            for number, arrivals, read, last in reader:
                if course is None or number != number_now:
                    before += course.load.size if course is not None else 0
                    source, path = files[number]
                    course, number_now = Course(source, path, via=via), number
                if arrivals is None:
                    yield course.end(str(read))
                    continue
                outcome = course.take(arrivals, read, last=last)
                pace.learn(len(arrivals), outcome.held)
                reader.size.value = pace.size
                if progress is not None:
                    progress(len(arrivals), before + read)
    except BaseException as fault:
        if course is not None and not course.ended:
            course.end(f"stopped: {type(fault).__name__}")
        raise
    finally:
        reader.stop()
