"""Persons, links, events and reviews of identity."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

import salus.record.models.identity
from salus.kernel import migrating


def create_keys(apps: object, editor: BaseDatabaseSchemaEditor) -> None:
    """Cluster the table by its key on SQLite, which halves it."""
    without = "" if editor.connection.vendor == "postgresql" else " without rowid"
    editor.execute(
        "create table record_blockingkey (key bigint not null, patient_rid bigint not null,"
        f" primary key (key, patient_rid)){without}"
    )


def drop_keys(apps: object, editor: BaseDatabaseSchemaEditor) -> None:
    editor.execute("drop table record_blockingkey")


class Migration(migrating.Migration):
    dependencies = [
        ("record", "0001_store"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(create_keys, drop_keys)],
            state_operations=[
                migrations.CreateModel(
                    name="BlockingKey",
                    fields=[
                        (
                            "pk",
                            models.CompositePrimaryKey(
                                "key",
                                "patient_rid",
                                blank=True,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("key", models.BigIntegerField()),
                        ("patient_rid", models.BigIntegerField()),
                    ],
                    options={
                        "db_table": "record_blockingkey",
                    },
                ),
            ],
        ),
        migrations.CreateModel(
            name="CareRelation",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "patient_rid",
                        "institution_id",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("patient_rid", models.BigIntegerField()),
                ("institution_id", models.BigIntegerField()),
            ],
            options={
                "db_table": "record_carerelation",
            },
        ),
        migrations.CreateModel(
            name="Contract",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "patient_rid", "code", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("patient_rid", models.BigIntegerField()),
                ("code", models.CharField(db_index=True, max_length=120)),
            ],
            options={
                "db_table": "record_contract",
            },
        ),
        migrations.CreateModel(
            name="LinkFeatures",
            fields=[
                ("patient_rid", models.BigIntegerField(primary_key=True, serialize=False)),
                ("features", models.BinaryField()),
                ("conflicts", models.BooleanField(default=False)),
                ("newborn", models.BooleanField(default=False)),
            ],
            options={
                "db_table": "record_linkfeatures",
            },
        ),
        migrations.CreateModel(
            name="LinkQueue",
            fields=[
                ("patient_rid", models.BigIntegerField(primary_key=True, serialize=False)),
                ("queued", models.DateTimeField(db_index=True)),
            ],
            options={
                "db_table": "record_linkqueue",
            },
        ),
        migrations.CreateModel(
            name="PatientLink",
            fields=[
                ("patient_rid", models.BigIntegerField(primary_key=True, serialize=False)),
                ("person_id", models.UUIDField(db_index=True, verbose_name="person")),
                ("method", models.CharField(max_length=20, verbose_name="method")),
                ("score", models.FloatField(null=True, verbose_name="weight")),
                ("event_id", models.BigIntegerField(null=True)),
            ],
            options={
                "verbose_name": "patient link",
                "verbose_name_plural": "patient links",
                "db_table": "record_patientlink",
            },
        ),
        migrations.CreateModel(
            name="SensitiveResource",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "rid", "category", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("rid", models.BigIntegerField()),
                ("category", models.CharField(max_length=20)),
            ],
            options={
                "db_table": "record_sensitive",
            },
        ),
        migrations.CreateModel(
            name="LinkEvent",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField(verbose_name="at")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("create", "new person"),
                            ("link", "linked"),
                            ("unlink", "unlinked"),
                            ("merge", "merged"),
                            ("split", "split"),
                            ("keep_apart", "kept apart"),
                            ("reverse", "reversed"),
                        ],
                        max_length=12,
                        verbose_name="kind",
                    ),
                ),
                ("actor", models.CharField(max_length=150, verbose_name="who")),
                ("account_id", models.BigIntegerField(null=True)),
                ("method", models.CharField(max_length=20, verbose_name="method")),
                ("score", models.FloatField(null=True, verbose_name="weight")),
                ("person_id", models.UUIDField(db_index=True, verbose_name="person")),
                ("other_id", models.UUIDField(db_index=True, null=True, verbose_name="other person")),
                ("patient_rid", models.BigIntegerField(null=True)),
                ("moves", models.JSONField(null=True)),
                ("apart", models.JSONField(null=True)),
                ("statuses", models.JSONField(null=True)),
                ("evidence", models.JSONField(null=True, verbose_name="evidence")),
                (
                    "reverses",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reversal",
                        to="record.linkevent",
                        verbose_name="takes back",
                    ),
                ),
            ],
            options={
                "verbose_name": "link event",
                "verbose_name_plural": "link events",
                "db_table": "record_linkevent",
            },
        ),
        migrations.CreateModel(
            name="KeepApart",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "low_rid",
                        "high_rid",
                        "event",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("low_rid", models.BigIntegerField()),
                ("high_rid", models.BigIntegerField(db_index=True)),
                (
                    "event",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="record.linkevent"
                    ),
                ),
            ],
            options={
                "db_table": "record_keepapart",
            },
        ),
        migrations.CreateModel(
            name="Person",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=salus.record.models.identity.new_person_id, primary_key=True, serialize=False
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("active", "active"),
                            ("merged", "merged into another"),
                            ("empty", "without records"),
                        ],
                        default="active",
                        max_length=8,
                        verbose_name="status",
                    ),
                ),
                ("merged_into", models.UUIDField(null=True, verbose_name="merged into")),
                ("name", models.CharField(blank=True, max_length=120, verbose_name="name")),
                ("pinyin", models.CharField(blank=True, max_length=120, verbose_name="pinyin")),
                ("birth_date", models.DateField(null=True, verbose_name="birth date")),
                ("sex", models.CharField(blank=True, max_length=8, verbose_name="sex")),
                ("phone", models.CharField(blank=True, max_length=32, verbose_name="phone")),
                ("address", models.CharField(blank=True, max_length=200, verbose_name="address")),
                ("district_code", models.CharField(blank=True, max_length=12, verbose_name="district")),
                ("deceased", models.DateField(null=True, verbose_name="died on")),
                ("provenance", models.JSONField(default=dict, verbose_name="where each field is from")),
                ("updated", models.DateTimeField(verbose_name="updated")),
            ],
            options={
                "verbose_name": "person",
                "verbose_name_plural": "persons",
                "db_table": "record_person",
                "indexes": [
                    models.Index(fields=["birth_date"], name="record_person_birth"),
                    models.Index(fields=["district_code", "id"], name="record_person_district"),
                    models.Index(fields=["phone"], name="record_person_phone"),
                ],
            },
        ),
        migrations.CreateModel(
            name="PersonIdentifier",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "value",
                        "system",
                        "patient_rid",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("system", models.CharField(max_length=16, verbose_name="kind")),
                ("value", models.CharField(max_length=64, verbose_name="value")),
                ("patient_rid", models.BigIntegerField()),
            ],
            options={
                "db_table": "record_personidentifier",
                "indexes": [models.Index(fields=["patient_rid"], name="record_identifier_patient")],
            },
        ),
        migrations.CreateModel(
            name="ReviewPair",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("low_rid", models.BigIntegerField()),
                ("high_rid", models.BigIntegerField(db_index=True)),
                ("score", models.FloatField(null=True, verbose_name="weight")),
                ("reason", models.CharField(max_length=40, verbose_name="reason")),
                ("evidence", models.JSONField(default=dict, verbose_name="evidence")),
                ("sampled", models.BooleanField(default=False, verbose_name="drawn as a sample")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("open", "to be reviewed"),
                            ("same", "same person"),
                            ("different", "different persons"),
                            ("settled", "settled otherwise"),
                        ],
                        default="open",
                        max_length=10,
                        verbose_name="status",
                    ),
                ),
                ("created", models.DateTimeField(verbose_name="since")),
                ("decided", models.DateTimeField(null=True, verbose_name="decided")),
                ("decided_by", models.CharField(blank=True, max_length=150, verbose_name="decided by")),
                (
                    "event",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="record.linkevent",
                    ),
                ),
            ],
            options={
                "verbose_name": "pair to review",
                "verbose_name_plural": "pairs to review",
                "db_table": "record_reviewpair",
                "indexes": [models.Index(fields=["status", "-score", "id"], name="record_reviewpair_queue")],
                "constraints": [
                    models.UniqueConstraint(fields=("low_rid", "high_rid"), name="record_reviewpair_once")
                ],
            },
        ),
    ]
