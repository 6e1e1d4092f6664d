"""Bulk exports, who was in them, Subscriptions and their deliveries."""

import uuid

import django.db.models.deletion
from django.db import migrations, models

from salus.kernel import migrating


class Migration(migrating.Migration):
    dependencies = [
        ("record", "0004_change_at"),
    ]

    operations = [
        migrations.CreateModel(
            name="Hook",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("resource_id", models.CharField(max_length=64, unique=True, verbose_name="id")),
                ("source_id", models.IntegerField(null=True)),
                ("asker", models.JSONField()),
                ("asker_name", models.CharField(max_length=150, verbose_name="subscriber")),
                ("type", models.CharField(db_index=True, max_length=64, verbose_name="type")),
                ("criteria", models.JSONField(default=list)),
                ("endpoint", models.CharField(max_length=500, verbose_name="address")),
                ("payload", models.CharField(blank=True, max_length=64)),
                ("headers", models.BinaryField(default=b"")),
                ("until", models.DateTimeField(null=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("requested", "Requested"),
                            ("active", "Active"),
                            ("error", "Failing"),
                            ("off", "Off"),
                        ],
                        db_index=True,
                        default="requested",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("failures", models.IntegerField(default=0, verbose_name="failures in a row")),
                ("last_error", models.CharField(blank=True, max_length=200, verbose_name="last failure")),
                ("next_attempt", models.DateTimeField(null=True)),
                ("last_number", models.BigIntegerField(default=0)),
                ("delivered", models.BigIntegerField(default=0, verbose_name="delivered")),
                ("last_delivered", models.DateTimeField(null=True, verbose_name="last delivery")),
                ("from_xid", models.BigIntegerField(default=0)),
                ("from_seq", models.BigIntegerField(default=0)),
                ("owner", models.CharField(blank=True, max_length=80)),
                ("lease_until", models.DateTimeField(null=True)),
                ("created", models.DateTimeField(auto_now_add=True, verbose_name="since")),
            ],
            options={
                "verbose_name": "subscription",
                "verbose_name_plural": "subscriptions",
                "db_table": "record_hook",
                "ordering": ("-id",),
            },
        ),
        migrations.CreateModel(
            name="HookPosition",
            fields=[
                ("id", models.SmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("xid", models.BigIntegerField(default=0)),
                ("seq", models.BigIntegerField(default=0)),
            ],
            options={
                "db_table": "record_hookposition",
            },
        ),
        migrations.CreateModel(
            name="AllowedOrigin",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("source_id", models.IntegerField(db_index=True)),
                (
                    "use",
                    models.CharField(
                        choices=[("subscription", "Deliveries of Subscriptions"), ("import", "Bulk import")],
                        max_length=12,
                        verbose_name="for",
                    ),
                ),
                ("origin", models.CharField(max_length=200, verbose_name="address")),
            ],
            options={
                "verbose_name": "allowed address",
                "verbose_name_plural": "allowed addresses",
                "db_table": "record_allowedorigin",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("source_id", "use", "origin"), name="record_allowedorigin_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ExportJob",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("key", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("asker", models.JSONField()),
                ("asker_name", models.CharField(max_length=150, verbose_name="asked by")),
                ("account_id", models.BigIntegerField(null=True)),
                ("source_id", models.IntegerField(null=True)),
                ("level", models.CharField(max_length=8, verbose_name="of")),
                ("group_id", models.CharField(blank=True, max_length=64)),
                ("request", models.TextField()),
                ("base", models.CharField(max_length=300)),
                ("types", models.JSONField(default=list)),
                ("filters", models.JSONField(default=dict)),
                ("elements", models.JSONField(default=dict)),
                ("warnings", models.JSONField(default=list)),
                ("chosen_patients", models.BooleanField(default=False)),
                ("since", models.BigIntegerField(null=True)),
                ("until", models.BigIntegerField(null=True)),
                ("since_xid", models.BigIntegerField(null=True)),
                ("since_seq", models.BigIntegerField(null=True)),
                ("horizon_xid", models.BigIntegerField()),
                ("horizon_seq", models.BigIntegerField()),
                ("transaction_time", models.BigIntegerField()),
                ("last_rid", models.BigIntegerField(default=0)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("queued", "Waiting"),
                            ("running", "Running"),
                            ("done", "Done"),
                            ("failed", "Failed"),
                            ("cancelled", "Cancelled"),
                            ("expired", "Expired"),
                        ],
                        db_index=True,
                        default="queued",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("failure", models.CharField(blank=True, max_length=300)),
                ("kind_at", models.IntegerField(default=0)),
                ("after_rid", models.BigIntegerField(default=0)),
                ("resources", models.BigIntegerField(default=0, verbose_name="resources")),
                ("bytes", models.BigIntegerField(default=0, verbose_name="bytes")),
                ("owner", models.CharField(blank=True, max_length=80)),
                ("lease_until", models.DateTimeField(null=True)),
                ("created", models.DateTimeField(auto_now_add=True, verbose_name="asked")),
                ("finished", models.DateTimeField(null=True, verbose_name="finished")),
                ("expires", models.DateTimeField(db_index=True, null=True)),
            ],
            options={
                "verbose_name": "export",
                "verbose_name_plural": "exports",
                "db_table": "record_exportjob",
                "ordering": ("-id",),
                "indexes": [
                    models.Index(fields=["transaction_time"], name="record_exportjob_time"),
                    models.Index(fields=["source_id", "account_id"], name="record_exportjob_asker"),
                ],
            },
        ),
        migrations.CreateModel(
            name="ExportPatient",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "job", "patient_rid", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("patient_rid", models.BigIntegerField()),
                (
                    "job",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="record.exportjob"
                    ),
                ),
            ],
            options={
                "db_table": "record_exportpatient",
            },
        ),
        migrations.CreateModel(
            name="ExportPerson",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "person_id", "job", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("person_id", models.UUIDField()),
                (
                    "job",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="record.exportjob",
                    ),
                ),
            ],
            options={
                "db_table": "record_exportperson",
            },
        ),
        migrations.CreateModel(
            name="ExportFile",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=80)),
                ("purpose", models.CharField(max_length=8)),
                ("type", models.CharField(max_length=64)),
                ("count", models.IntegerField()),
                ("size", models.BigIntegerField()),
                ("packed_size", models.BigIntegerField()),
                ("digest", models.CharField(max_length=64)),
                (
                    "job",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="files",
                        to="record.exportjob",
                    ),
                ),
            ],
            options={
                "db_table": "record_exportfile",
                "constraints": [
                    models.UniqueConstraint(fields=("job", "name"), name="record_exportfile_name")
                ],
            },
        ),
        migrations.CreateModel(
            name="Delivery",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("number", models.BigIntegerField(verbose_name="number")),
                ("key", models.UUIDField()),
                ("type", models.CharField(max_length=64, verbose_name="type")),
                ("resource_id", models.CharField(max_length=64, verbose_name="id")),
                ("version", models.IntegerField(verbose_name="version")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("delivered", "Delivered"),
                            ("withheld", "Withheld"),
                            ("given-up", "Given up"),
                        ],
                        default="waiting",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("attempts", models.IntegerField(default=0, verbose_name="attempts")),
                ("status", models.IntegerField(null=True, verbose_name="answer")),
                ("error", models.CharField(blank=True, max_length=200, verbose_name="failure")),
                ("created", models.DateTimeField(auto_now_add=True, verbose_name="since")),
                ("settled", models.DateTimeField(null=True, verbose_name="settled")),
                (
                    "hook",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deliveries",
                        to="record.hook",
                    ),
                ),
            ],
            options={
                "verbose_name": "delivery",
                "verbose_name_plural": "deliveries",
                "db_table": "record_delivery",
                "ordering": ("-id",),
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "waiting")),
                        fields=["hook", "number"],
                        name="record_delivery_waiting",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("hook", "number"), name="record_delivery_number")
                ],
            },
        ),
    ]
