"""The exact instant of an export on PostgreSQL."""

from django.db import migrations, models


class Migration(migrations.Migration):
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
