"""The exact instant of an export on PostgreSQL."""

from django.db import migrations, models

from salus.kernel import migrating


class Migration(migrating.Migration):
    dependencies = [
        ("record", "0010_terminology"),
    ]

    operations = [
        migrations.AddField(
            model_name="exportjob",
            name="snapshot",
            field=models.TextField(blank=True, default=""),
        ),
    ]
