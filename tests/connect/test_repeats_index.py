"""Repeats are looked up by index: what a batch costs does not grow with what a source has sent before."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from salus.connect import ledger
from tests.connect.conftest import BOTH

pytestmark = pytest.mark.django_db(databases=BOTH)


@pytest.mark.parametrize(
    ("look", "index"),
    [
        (lambda cursor: ledger.known_digests(cursor, 1, [b"a", b"b"]), "connect_one_message_a_digest"),
        (lambda cursor: ledger.known_controls(cursor, 1, ["a", "b"]), "connect_message_control"),
    ],
)
def test_the_partial_index_is_used(look: Callable[[Any], object], index: str) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL's planner scans a small table whatever the condition's wording")
    with connection.cursor() as cursor:
        said: list[str] = []
        connection.connection.set_trace_callback(said.append)
        look(cursor)
        connection.connection.set_trace_callback(None)
        cursor.execute("explain query plan " + said[-1])
        plan = " ".join(row[3] for row in cursor.fetchall())
    assert index in plan
