"""Code systems and maps that a city loaded."""

from django.db import migrations, models

from salus.kernel import migrating


class Migration(migrating.Migration):
    dependencies = [
        ("record", "0009_client_keys"),
    ]

    operations = [
        migrations.CreateModel(
            name="TerminologyCode",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "release_id", "code", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("release_id", models.BigIntegerField()),
                ("code", models.CharField(max_length=200)),
                ("display", models.CharField(blank=True, max_length=1000)),
                ("parent", models.CharField(blank=True, max_length=200)),
            ],
            options={
                "db_table": "record_terminologycode",
                "indexes": [models.Index(fields=["release_id", "parent"], name="record_terminology_parent")],
            },
        ),
        migrations.CreateModel(
            name="TerminologyMapping",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("release_id", models.BigIntegerField(db_index=True)),
                ("source", models.CharField(blank=True, max_length=400)),
                ("code", models.CharField(max_length=200)),
                ("target", models.CharField(blank=True, max_length=400)),
                ("target_code", models.CharField(blank=True, max_length=200)),
                ("display", models.CharField(blank=True, max_length=1000)),
                ("equivalence", models.CharField(max_length=20)),
            ],
            options={
                "db_table": "record_terminologymapping",
                "indexes": [
                    models.Index(fields=["code", "source"], name="record_terminology_from"),
                    models.Index(fields=["target_code", "target"], name="record_terminology_to"),
                ],
            },
        ),
        migrations.CreateModel(
            name="TerminologyRelease",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("kind", models.CharField(max_length=8)),
                ("url", models.CharField(max_length=400)),
                ("version", models.CharField(max_length=80)),
                ("name", models.CharField(blank=True, max_length=200)),
                ("digest", models.CharField(max_length=64)),
                ("complete", models.BooleanField(default=True)),
                ("size", models.IntegerField(default=0)),
                ("loaded", models.DateTimeField()),
                ("current", models.BooleanField(default=True)),
            ],
            options={
                "db_table": "record_terminologyrelease",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("kind", "url", "version"), name="record_terminology_version"
                    )
                ],
            },
        ),
    ]
