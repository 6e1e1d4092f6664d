"""Benefit years whose claims should be decided again."""

import django.db.models.deletion
from django.db import migrations, models

from salus.kernel import migrating


class Migration(migrating.Migration):

    dependencies = [
        ('insurance', '0006_review'),
    ]

    operations = [
        migrations.CreateModel(
            name='OutdatedYear',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('person_id', models.UUIDField(verbose_name='person')),
                ('year', models.PositiveSmallIntegerField(verbose_name='year')),
                ('why', models.CharField(choices=[('late', 'A claim came late'), ('reversed', 'A claim was taken back')], max_length=10, verbose_name='why')),
                ('found_at', models.DateTimeField(verbose_name='since')),
                ('cause', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='insurance.claim')),
            ],
            options={
                'verbose_name': 'year to decide again',
                'verbose_name_plural': 'years to decide again',
                'indexes': [models.Index(fields=['found_at', 'id'], name='insurance_outdated_since')],
                'constraints': [models.UniqueConstraint(fields=('person_id', 'year'), name='insurance_outdated_once')],
            },
        ),
    ]
