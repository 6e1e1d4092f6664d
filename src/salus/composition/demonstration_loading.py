"""Sends a city's files through the real connectors, two source systems at a time."""

import os
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path
from typing import Any

MESSAGES_AT_ONCE = 400  # nobody waits for the database yet, so a transaction may be long
_done: Any = None


def send_all(inbox: Path, *, tell: Callable[[int], None], processes: int | None = None) -> None:
    """Load every source's folder, the fullest first, and tell how many messages have been taken in so far.

    While one process holds SQLite's write lock, the other translates.
    """
    context = get_context("spawn")
    done = context.Value("q", 0)
    folders = sorted(inbox.iterdir(), key=lambda folder: -sum(f.stat().st_size for f in folder.iterdir()))
    workers = processes or min(2, os.cpu_count() or 1)
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(done,)) as pool:
        waiting: list[Future[None]] = [pool.submit(_send, str(folder)) for folder in folders]
        for future in waiting:
            while not future.done():
                tell(done.value)
                wait([future], timeout=0.2)
            future.result()
    tell(done.value)


def _begin(done: Any) -> None:
    global _done
    import django

    from salus.composition import installation

    django.setup()
    installation.calm_collector()
    _done = done


def _send(folder: str) -> None:
    """Load one source's files in the order of their names."""
    from salus.connect.batching import Batcher
    from salus.connect.loading import load_file
    from salus.connect.sources import source_named

    source = source_named(Path(folder).name)
    pace = Batcher(start=MESSAGES_AT_ONCE, least=MESSAGES_AT_ONCE, most=MESSAGES_AT_ONCE)
    for path in sorted(Path(folder).iterdir()):
        load = load_file(source, path, batcher=pace)
        with _done.get_lock():
            _done.value += load.received
