"""Who was merged into a person is found without reading all persons."""

from django.db import migrations, models

from salus.kernel import migrating


class Migration(migrating.Migration):

    dependencies = [
        ('record', '0011_export_snapshot'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='person',
            index=models.Index(
                fields=['merged_into'],
                name='record_person_merged',
                condition=models.Q(('merged_into__isnull', False)),
            ),
        ),
    ]
