"""What residents' Consents permit and deny, projected from those stored."""

from typing import Any

from django.db import migrations, models

from salus.kernel import migrating


def project(apps: Any, schema_editor: Any) -> None:
    """Project the Consents that are stored already."""
    from salus.record import consent

    with schema_editor.connection.cursor() as cursor:
        consent.rebuild(cursor)


class Migration(migrating.Migration):
    dependencies = [
        ("record", "0005_bulk"),
    ]

    operations = [
        migrations.CreateModel(
            name="ConsentProvision",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("rid", models.BigIntegerField()),
                ("place", models.CharField(blank=True, max_length=80)),
                ("denies", models.BooleanField()),
                ("valid_from", models.BigIntegerField()),
                ("valid_to", models.BigIntegerField()),
                ("purpose", models.CharField(blank=True, max_length=40)),
                ("actor", models.CharField(blank=True, max_length=120)),
                ("kind", models.SmallIntegerField(default=0)),
                ("resource_kind", models.SmallIntegerField(default=0)),
                ("resource_id", models.CharField(blank=True, max_length=64)),
                ("label", models.CharField(blank=True, max_length=120)),
                ("label_system", models.BigIntegerField(default=0)),
                ("category", models.CharField(blank=True, max_length=20)),
                ("code", models.CharField(blank=True, max_length=120)),
                ("code_system", models.BigIntegerField(default=0)),
            ],
            options={
                "db_table": "record_consentprovision",
                "indexes": [
                    models.Index(fields=["rid"], name="record_consent_rid"),
                    models.Index(fields=["purpose", "denies"], name="record_consent_purpose"),
                ],
            },
        ),
        migrations.RunPython(project, migrations.RunPython.noop),
    ]
