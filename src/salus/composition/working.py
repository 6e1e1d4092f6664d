"""The background worker: tasks, periodic jobs, events, and audit intents that a crash left behind."""

import signal
import threading
import time
from collections.abc import Callable

from salus.composition import installation


def run() -> None:
    """Work until SIGINT or SIGTERM."""
    installation.ensure(wait=False)
    stop = threading.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, lambda _signal, _frame: stop.set())
    from salus import subscriptions
    from salus.kernel import audit, events, jobs
    from salus.record.fhir.subscriptions import delivering

    subscriptions.register()
    audit.recover()
    loops: dict[str, Callable[[], object]] = {
        "events": lambda: events.run_dispatcher(stop),
        "scheduler": lambda: jobs.run_scheduler(stop),
        "tasks": lambda: jobs.run_tasks(stop),
        "subscriptions": lambda: delivering.run(stop),
    }
    threads = [
        threading.Thread(target=_keep_on, args=(loop, stop), name=f"salus-{name}", daemon=True)
        for name, loop in loops.items()
    ]
    for thread in threads:
        thread.start()
    stop.wait()
    for thread in threads:
        thread.join(timeout=10)


def _keep_on(loop: Callable[[], object], stop: threading.Event) -> None:
    """Run a loop again when the database went away under it; anything else stops the whole worker, loudly.

    The supervisor starts a stopped worker again.
    """
    from django.db import DatabaseError, connections

    try:
        while not stop.is_set():
            try:
                loop()
            except DatabaseError:
                connections.close_all()
                time.sleep(1)
    finally:
        stop.set()
