"""Empty PostgreSQL between tests that commit: only the tables that hold something, not all of them.

Django truncates every table, which on PostgreSQL makes a new file for each table and index: seconds a test
where there are hundreds. Here rows are deleted, with triggers and foreign keys off while it lasts.
"""

from typing import Any

from django.core.management import call_command
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

KEPT = frozenset({"django_migrations", "django_content_type", "auth_permission"})


def empty(connection: BaseDatabaseWrapper) -> None:
    """Delete all rows but what migrations and Django's own registers keep."""
    quoted = [connection.ops.quote_name(name) for name in tables(connection)]
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute("set local session_replication_role = replica")
        cursor.execute(" union all ".join(f"(select '{name}' from {name} limit 1)" for name in quoted))
        for (name,) in cursor.fetchall():
            cursor.execute(f"delete from {name}")


def tables(connection: BaseDatabaseWrapper) -> list[str]:
    """Return the tables that hold what tests write; parts of a table are emptied with it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select relname from pg_class where relnamespace = 'public'::regnamespace"
            " and relkind in ('r', 'p') and not relispartition"
        )
        return [name for (name,) in cursor.fetchall() if name not in KEPT]


def teardown(case: Any) -> None:
    """Leave the databases of a test that commits empty, as Django's own does."""
    for alias in case._databases_names(include_mirrors=False):
        if connections[alias].vendor == "postgresql":
            empty(connections[alias])
        else:
            call_command(
                "flush", verbosity=0, interactive=False, database=alias, reset_sequences=False,
                inhibit_post_migrate=False,
            )  # fmt: skip
