"""Public keys of SMART clients, and the assertions that were used."""

from django.db import migrations, models

from salus.kernel import migrating


class Migration(migrating.Migration):
    dependencies = [
        ("record", "0008_research_copy"),
    ]

    operations = [
        migrations.CreateModel(
            name="ClientKeys",
            fields=[
                (
                    "client_id",
                    models.CharField(
                        max_length=200, primary_key=True, serialize=False, verbose_name="OAuth client"
                    ),
                ),
                ("jwks", models.JSONField(verbose_name="public keys")),
            ],
            options={
                "verbose_name": "client's keys",
                "verbose_name_plural": "clients' keys",
                "db_table": "record_clientkeys",
            },
        ),
        migrations.CreateModel(
            name="SeenAssertion",
            fields=[
                ("mark", models.BinaryField(max_length=32, primary_key=True, serialize=False)),
                ("ends", models.BigIntegerField(db_index=True)),
            ],
            options={
                "db_table": "record_seenassertion",
            },
        ),
    ]
