"""Bulk imports."""

import uuid

import django.db.models.deletion
from django.db import migrations, models

from salus.kernel import migrating


class Migration(migrating.Migration):
    dependencies = [
        ("connect", "0001_initial"),
    ]

    operations = [
        migrations.AlterField(
            model_name="message",
            name="via",
            field=models.CharField(
                choices=[
                    ("mllp", "MLLP"),
                    ("rest", "FHIR API"),
                    ("file", "File"),
                    ("inbox", "Watch folder"),
                    ("pull", "Database pull"),
                    ("page", "Upload"),
                    ("bulk", "Bulk import"),
                ],
                max_length=16,
                verbose_name="came by",
            ),
        ),
        migrations.CreateModel(
            name="ImportJob",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("key", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("asker", models.JSONField()),
                ("base", models.CharField(max_length=300)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("queued", "Waiting"),
                            ("running", "Running"),
                            ("done", "Done"),
                            ("failed", "Failed"),
                            ("cancelled", "Cancelled"),
                        ],
                        db_index=True,
                        default="queued",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("failure", models.CharField(blank=True, max_length=300)),
                ("owner", models.CharField(blank=True, max_length=80)),
                ("lease_until", models.DateTimeField(null=True)),
                ("created", models.DateTimeField(auto_now_add=True, verbose_name="asked")),
                ("finished", models.DateTimeField(null=True, verbose_name="finished")),
                (
                    "source",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="imports",
                        to="connect.sourcesystem",
                    ),
                ),
            ],
            options={
                "verbose_name": "bulk import",
                "verbose_name_plural": "bulk imports",
                "ordering": ("-id",),
            },
        ),
        migrations.CreateModel(
            name="ImportInput",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("number", models.PositiveIntegerField()),
                ("type", models.CharField(max_length=64)),
                ("url", models.CharField(max_length=2000)),
                ("offset", models.BigIntegerField(default=0)),
                ("line", models.BigIntegerField(default=0)),
                ("done", models.BooleanField(default=False)),
                ("failure", models.CharField(blank=True, max_length=300)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("errors", models.IntegerField(default=0)),
                ("errors_size", models.BigIntegerField(default=0)),
                ("errors_packed", models.BigIntegerField(default=0)),
                ("errors_digest", models.CharField(blank=True, max_length=64)),
                (
                    "load",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="connect.load",
                    ),
                ),
                (
                    "job",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="inputs",
                        to="connect.importjob",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("job", "number"), name="connect_import_input_number")
                ],
            },
        ),
    ]
