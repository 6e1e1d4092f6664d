"""Make an installation ready: databases, translations, static files."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from salus.kernel.collector import calm_collector
from salus.kernel.errors import SalusError


def ensure(*, progress: Callable[[str, int, int], None] | None = None, wait: bool = True) -> None:
    """Set Django up and bring both databases to this version; safe to repeat, and to kill at any moment.

    `progress` is told how far an upgrade of the record is: its name, resources done, and of how many.
    Without `wait` such an upgrade is left to the background worker, since the record serves meanwhile.
    """
    compile_translations()
    data_dir = Path(os.environ.get("SALUS_DATA_DIR", "var"))
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    import django
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connections
    from django.db.migrations.executor import MigrationExecutor

    from salus.kernel.routers import AUDIT_ALIAS

    django.setup()
    for alias in settings.DATABASES:
        if settings.DATABASES[alias]["ENGINE"].endswith("postgresql"):
            create_database(settings.DATABASES[alias])
        executor = MigrationExecutor(connections[alias])
        room = "kernel" if alias == AUDIT_ALIAS else None  # the audit's tables are all the kernel's
        if executor.migration_plan(executor.loader.graph.leaf_nodes(room)):
            call_command("migrate", *filter(None, [room]), database=alias, interactive=False, verbosity=0)
    upgrade(progress=progress, seconds=None if wait else 0)
    calm_collector()


def upgrade(*, progress: Callable[[str, int, int], None] | None = None, seconds: float | None = None) -> bool:
    """Take the record's data to this version's form, in short steps; return whether it has got there."""
    from salus.record import store

    return store.run_upgrades(store.UPGRADES, progress=progress or (lambda *_: None), seconds=seconds)


def compile_translations() -> None:
    """Compile the catalogues whose compiled form is missing or older."""
    from salus.web import translation

    translation.compile_catalogues()


def create_database(database: dict[str, Any]) -> None:
    """Create a PostgreSQL database that does not exist yet; raises when the server refuses."""
    names = {"USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    given = {to: database[key] for key, to in names.items() if database.get(key)}
    name = database["NAME"]
    try:
        with psycopg.connect(make_conninfo(dbname="postgres", **given), autocommit=True) as connection:
            if connection.execute("select 1 from pg_database where datname = %s", [name]).fetchone() is None:
                connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    except psycopg.errors.InsufficientPrivilege:
        raise SalusError(
            "database-missing",
            f"The database {name} does not exist and this role may not create it",
            fix="Create it, or let the role create databases.",
        ) from None
    except psycopg.OperationalError:
        raise SalusError(
            "database-refused",
            "The database server does not answer or refuses this role",
            fix="Check DATABASE_URL.",
        ) from None


def collect_static() -> None:
    """Gather every room's static files under names that carry their hash."""
    from django.core.management import call_command

    call_command("collectstatic", interactive=False, verbosity=0)
