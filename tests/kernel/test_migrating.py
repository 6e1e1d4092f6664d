"""Migrations that make their tables together: the same schema as Django's, one operation at a time."""

import re
from pathlib import Path

import pytest
from django.apps.registry import Apps
from django.db import connections, migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.backends.sqlite3.base import DatabaseWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState
from pytest_django import DjangoDbBlocker

from salus.kernel.migrating import Migration

SALUS = {"kernel", "connect", "record", "web", "insurance", "prevention"}


def fill(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    apps.get_model("kernel", "Ward").objects.using(schema_editor.connection.alias).create(name="east")


OPERATIONS = [
    migrations.CreateModel(
        "Ward",
        fields=[("id", models.BigAutoField(primary_key=True)), ("name", models.CharField(max_length=9))],
    ),
    migrations.CreateModel(
        "Bed",
        fields=[
            ("id", models.BigAutoField(primary_key=True)),
            ("ward", models.ForeignKey("kernel.Ward", on_delete=models.PROTECT)),
        ],
        options={"indexes": [models.Index(fields=["ward"], name="bed_ward")]},
    ),
    migrations.AddField("ward", "best", models.ForeignKey("kernel.Bed", null=True, on_delete=models.PROTECT)),
    migrations.AddIndex("ward", models.Index(fields=["name"], name="ward_name")),
    migrations.AddConstraint(
        "ward",
        models.UniqueConstraint(fields=["name"], condition=models.Q(best=None), name="ward_one"),
    ),
    migrations.RunPython(fill),
    migrations.AddField("ward", "storey", models.IntegerField(default=3)),
    migrations.CreateModel(
        "Bell",
        fields=[
            ("id", models.BigAutoField(primary_key=True)),
            ("bed", models.OneToOneField("kernel.Bed", on_delete=models.CASCADE)),
        ],
    ),
]


def made_by(kind: type[migrations.Migration], path: Path) -> tuple[dict[str, object], list[object]]:
    """Apply the operations to a new database; return its schema, columns in any order, and the rows."""
    settings = connections.databases["default"] | {"ENGINE": "django.db.backends.sqlite3", "NAME": str(path)}
    connection = DatabaseWrapper(settings | {"OPTIONS": {}}, alias="default")
    held, connections["default"] = connections["default"], connection
    try:
        migration = type("Made", (kind,), {"operations": OPERATIONS})("0001", "kernel")
        with connection.schema_editor() as editor:
            after = migration.apply(ProjectState(), editor)
        assert set(after.models) == {("kernel", "ward"), ("kernel", "bed"), ("kernel", "bell")}
        with connection.cursor() as cursor:
            cursor.execute("select name, sql from sqlite_master where name not like 'sqlite%'")
            schema = {name: sorted(re.split(r"[(),]\s*", sql or "")) for name, sql in cursor.fetchall()}
            cursor.execute("select name, storey, best_id from kernel_ward")
            return schema, cursor.fetchall()
    finally:
        connections["default"] = held
        connection.close()


def test_tables_made_together_are_those_made_one_by_one(
    tmp_path: Path, django_db_blocker: DjangoDbBlocker
) -> None:
    with django_db_blocker.unblock():
        together = made_by(Migration, tmp_path / "together")
        one_by_one = made_by(migrations.Migration, tmp_path / "one-by-one")
    assert together == one_by_one
    assert together[1] == [("east", 3, None)]
    assert {"ward_name", "ward_one", "bed_ward", "kernel_bell"} <= set(together[0])


@pytest.mark.parametrize("room", sorted(SALUS))
def test_every_migration_of_salus_makes_its_tables_together(room: str) -> None:
    loader = MigrationLoader(None)
    ours = [one for (label, _name), one in loader.disk_migrations.items() if label == room]
    assert ours and all(isinstance(one, Migration) for one in ours)
