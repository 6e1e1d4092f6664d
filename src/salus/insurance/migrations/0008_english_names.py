"""Items of the catalogue have a name in English too."""

from django.db import migrations, models

from salus.kernel import migrating


class Migration(migrating.Migration):

    dependencies = [
        ('insurance', '0007_outdated'),
    ]

    operations = [
        migrations.AddField(
            model_name='catalogueitem',
            name='name_en',
            field=models.CharField(blank=True, max_length=200, verbose_name='name in English'),
        ),
    ]
