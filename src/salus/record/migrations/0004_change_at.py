"""When a resource moved to another person: tables as of a date need it."""

from django.db import migrations, models

from salus.kernel import migrating


class Migration(migrating.Migration):
    dependencies = [
        ("record", "0003_registers"),
    ]

    operations = [
        migrations.AddField(
            model_name="change",
            name="at",
            field=models.BigIntegerField(null=True),
        ),
    ]
