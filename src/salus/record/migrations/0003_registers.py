"""Registers of persons."""

from django.db import migrations, models

from salus.kernel import migrating


class Migration(migrating.Migration):
    dependencies = [
        ("record", "0002_identity"),
    ]

    operations = [
        migrations.CreateModel(
            name="Birth",
            fields=[
                ("rid", models.BigIntegerField(primary_key=True, serialize=False)),
                ("patient_rid", models.BigIntegerField(db_index=True)),
                ("born", models.DateField(db_index=True, null=True, verbose_name="born on")),
                ("weight", models.IntegerField(null=True, verbose_name="weight (g)")),
                ("gestation", models.IntegerField(null=True, verbose_name="gestation (days)")),
                ("certificate", models.BooleanField(default=False, verbose_name="with certificate")),
            ],
            options={
                "verbose_name": "birth",
                "verbose_name_plural": "births",
                "db_table": "record_birth",
            },
        ),
        migrations.CreateModel(
            name="Death",
            fields=[
                ("rid", models.BigIntegerField(primary_key=True, serialize=False)),
                ("patient_rid", models.BigIntegerField(db_index=True)),
                ("died", models.DateField(db_index=True, null=True, verbose_name="died on")),
                (
                    "cause",
                    models.CharField(blank=True, max_length=10, verbose_name="underlying cause (ICD-10)"),
                ),
                ("source_id", models.IntegerField(null=True)),
            ],
            options={
                "verbose_name": "death",
                "verbose_name_plural": "deaths",
                "db_table": "record_death",
            },
        ),
        migrations.CreateModel(
            name="RegisterCursor",
            fields=[
                ("name", models.CharField(max_length=20, primary_key=True, serialize=False)),
                ("xid", models.BigIntegerField(default=0)),
                ("seq", models.BigIntegerField(default=0)),
            ],
            options={
                "db_table": "record_registercursor",
            },
        ),
        migrations.CreateModel(
            name="Residence",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "rid", "place", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("rid", models.BigIntegerField()),
                ("place", models.SmallIntegerField()),
                ("patient_rid", models.BigIntegerField(db_index=True)),
                ("kind", models.CharField(max_length=10, verbose_name="kind")),
                ("district_code", models.CharField(blank=True, max_length=12, verbose_name="district")),
                ("hukou", models.CharField(blank=True, max_length=20, verbose_name="household registration")),
                ("valid_from", models.DateField(null=True, verbose_name="from")),
                ("valid_to", models.DateField(null=True, verbose_name="to")),
                ("at", models.BigIntegerField(default=0, verbose_name="said at (µs)")),
            ],
            options={
                "verbose_name": "residence",
                "verbose_name_plural": "residences",
                "db_table": "record_residence",
            },
        ),
        migrations.CreateModel(
            name="SocialStatus",
            fields=[
                ("rid", models.BigIntegerField(primary_key=True, serialize=False)),
                ("patient_rid", models.BigIntegerField(db_index=True)),
                ("category", models.CharField(max_length=20, verbose_name="category")),
                ("code", models.CharField(max_length=40, verbose_name="code")),
                ("valid_from", models.DateField(null=True, verbose_name="from")),
                ("valid_to", models.DateField(null=True, verbose_name="to")),
                ("source_id", models.IntegerField(null=True)),
            ],
            options={
                "verbose_name": "social status",
                "verbose_name_plural": "social statuses",
                "db_table": "record_socialstatus",
                "indexes": [models.Index(fields=["category", "code"], name="record_social_category")],
            },
        ),
    ]
