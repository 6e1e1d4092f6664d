"""For tests of rooms that keep commitments: a deadline that is over now, and emptying what refuses it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from django.db import connection

from salus.kernel.models import CommitRound


@contextmanager
def without_trigger(name: str) -> Iterator[None]:
    """Take one of SQLite's triggers away for a while."""
    with connection.cursor() as cursor:
        cursor.execute("select sql from sqlite_master where type = 'trigger' and name = %s", [name])
        [statement] = cursor.fetchone()
        cursor.execute(f"drop trigger {name}")
        yield
        cursor.execute(statement)


def pass_deadline(round: CommitRound, name: str = "commit_until") -> None:
    """Let a round's deadline be now, as if the time until then had gone by: a test need not sit it out.

    What refuses the change is taken away for this one statement, as only the table's owner can.
    """
    sql, values = f"update kernel_commitround set {name} = %s where id = %s", [datetime.now(UTC), round.pk]
    if connection.vendor == "sqlite":
        with without_trigger("kernel_commitround_fixed"), connection.cursor() as cursor:
            cursor.execute(sql, values)
    else:
        with connection.cursor() as cursor:
            if connection.in_atomic_block:  # waiting checks of foreign keys would block the change
                cursor.execute("set constraints all immediate")
            cursor.execute("alter table kernel_commitround disable trigger kernel_commitround_guard")
            cursor.execute(sql, values)
            cursor.execute("alter table kernel_commitround enable trigger kernel_commitround_guard")
    round.refresh_from_db()


@contextmanager
def emptied() -> Iterator[None]:
    """Empty the commitments at the end of a transactional test: on SQLite a trigger refuses the deletion.

    Use it in a fixture that asks for `transactional_db`; the trigger stands again for the next test.
    """
    yield
    if connection.vendor == "sqlite":
        with without_trigger("kernel_commitment_delete"), connection.cursor() as cursor:
            cursor.execute("delete from kernel_commitment")
