"""Upgrades of a store that holds data: in short steps, while it serves, and safe to kill at any moment.

An upgrade copies what there is into new tables, in the order of the resources' numbers. Each step is one
short transaction that also notes how far it came, so the next run goes on from there. Meanwhile searches
and reads use the old tables, and a writer brings those resources up to date in the new ones that are there
already. When all are there, the new tables take the place of the old in one transaction.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.backends.utils import CursorWrapper

from salus.record.store.tables import UPGRADE_LOCK

KEY = "upgrade"
"""The row of `record_store_state` that says which upgrade is under way, and how far."""
STEP_SECONDS = 0.05
SIZE, SIZE_LEAST, SIZE_MOST = 500, 20, 5_000


@dataclass(frozen=True, slots=True)
class State:
    """How far an upgrade is: `phase` "copy" up to the resource `after`, then "clean".

    `mark` says what it leads to; `done` counts resources.
    """

    name: str
    mark: str
    phase: str = "copy"
    after: int = 0
    done: int = 0


class Upgrade(Protocol):
    """What an upgrade of the store does; each method within a transaction that others wait for."""

    name: str

    def mark(self) -> str:
        """Return what the upgrade leads to: another mark begins it anew."""

    def due(self, cursor: CursorWrapper) -> bool:
        """Return whether the store is not there yet."""

    def begin(self, cursor: CursorWrapper) -> None:
        """Make the new tables, empty, whatever an earlier upgrade left."""

    def copy(self, cursor: CursorWrapper, after: int, size: int) -> tuple[int, int] | None:
        """Copy up to `size` resources after a number; return the last one's and how many; None at the end."""

    def swap(self, cursor: CursorWrapper) -> None:
        """Put the new tables in the place of the old, which get other names."""

    def clean(self, cursor: CursorWrapper) -> bool:
        """Take away one of the old tables; return whether there was one."""


Progress = Callable[[str, int, int], None]
"""Told the upgrade's name, how many resources are done, and how many there are."""


def state(cursor: CursorWrapper) -> State | None:
    """Return the upgrade under way, if there is one."""
    cursor.execute("select value from record_store_state where name = %s", [KEY])
    row = cursor.fetchone()
    return parse(row[0]) if row else None


def parse(text: str) -> State:
    """Return a state as it is kept."""
    return State(**json.loads(text))


def _keep(cursor: CursorWrapper, held: State | None) -> None:
    cursor.execute("delete from record_store_state where name = %s", [KEY])
    if held is not None:
        text = json.dumps(asdict(held))
        cursor.execute("insert into record_store_state (name, value) values (%s, %s)", [KEY, text])


def lock(cursor: CursorWrapper) -> None:
    """Wait for the transactions that write and keep others from it. SQLite has one writer anyway."""
    if cursor.db.vendor == "postgresql":
        cursor.execute("select pg_advisory_xact_lock(%s)", [UPGRADE_LOCK])


def step(cursor: CursorWrapper, upgrade: Upgrade, size: int = SIZE) -> State | None:
    """Do one step within the caller's transaction; return how far the upgrade is, None when it has ended.

    Two that run at once share the work: each looks up how far it has come, and waits for the other.
    """
    lock(cursor)
    held = state(cursor)
    if held is None or held.name != upgrade.name or held.mark != upgrade.mark():
        if not upgrade.due(cursor):
            return None
        upgrade.begin(cursor)
        held = State(upgrade.name, upgrade.mark())
    elif held.phase == "clean":
        if not upgrade.clean(cursor):
            _keep(cursor, None)
            return None
    elif (copied := upgrade.copy(cursor, held.after, size)) is not None:
        held = replace(held, after=copied[0], done=held.done + copied[1])
    else:
        upgrade.swap(cursor)
        held = replace(held, phase="clean")
    _keep(cursor, held)
    return held


def run(
    upgrades: Sequence[Upgrade],
    *,
    progress: Progress = lambda name, done, of: None,
    seconds: float | None = None,
    using: str = DEFAULT_DB_ALIAS,
) -> bool:
    """Run upgrades one after the other in steps of about 50 ms; return whether all have ended.

    With `seconds` it stops after the step that ends later than that; the next call goes on. The first step
    is always done: from then on writers know of the upgrade. Not inside a transaction.
    """
    connection = connections[using]
    until = time.monotonic() + seconds if seconds is not None else None
    for upgrade in upgrades:
        size, of = SIZE, 0
        while True:
            began = time.monotonic()
            with transaction.atomic(using=using), connection.cursor() as cursor:
                held = step(cursor, upgrade, size)
                if held is not None and not of:
                    cursor.execute("select max(rid) from record_resource")
                    of = int(cursor.fetchone()[0] or 0)
            if held is None:
                break
            progress(upgrade.name, held.done, max(of, held.done))
            took = time.monotonic() - began
            size = min(SIZE_MOST, max(SIZE_LEAST, int(size * STEP_SECONDS / max(took, 1e-3))))
            if until is not None and time.monotonic() > until:
                return False
            time.sleep(min(took / 2, STEP_SECONDS))  # others write in between
    return True


def pending(cursor: CursorWrapper, upgrades: Sequence[Upgrade]) -> dict[str, Any] | None:
    """Return the upgrade under way or due as name, phase ("due" before it begins) and done; None for none."""
    held = state(cursor)
    if held is not None:
        return {"name": held.name, "phase": held.phase, "done": held.done}
    for upgrade in upgrades:
        if upgrade.due(cursor):
            return {"name": upgrade.name, "phase": "due", "done": 0}
    return None
