"""Make an installation ready: databases, translations, static files."""

import os
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from salus.kernel.collector import calm_collector
from salus.kernel.errors import SalusError


def ensure() -> None:
    """Set Django up and bring both databases to this version; safe to repeat."""
    compile_translations()
    data_dir = Path(os.environ.get("SALUS_DATA_DIR", "var"))
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    import django
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connections
    from django.db.migrations.executor import MigrationExecutor

    django.setup()
    for alias in settings.DATABASES:
        if settings.DATABASES[alias]["ENGINE"].endswith("postgresql"):
            create_database(settings.DATABASES[alias])
        executor = MigrationExecutor(connections[alias])
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            call_command("migrate", database=alias, interactive=False, verbosity=0)
    _index()
    calm_collector()


def _index() -> None:
    """Build the search index anew when an upgrade changed its rules."""
    from django.db import connection, transaction

    from salus.record import store

    with transaction.atomic(), connection.cursor() as cursor:
        if not store.index_is_current(cursor):
            store.reindex(cursor)


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
