"""Years to decide again where the records of two residents were joined or separated."""

from django.db import migrations, models

from salus.kernel import migrating


class Migration(migrating.Migration):

    dependencies = [
        ('insurance', '0008_english_names'),
    ]

    operations = [
        migrations.CreateModel(
            name='FeedCursor',
            fields=[
                ('name', models.CharField(max_length=40, primary_key=True, serialize=False)),
                ('xid', models.BigIntegerField(default=0)),
                ('seq', models.BigIntegerField(default=0)),
                ('updated', models.DateTimeField(auto_now=True, verbose_name='updated')),
            ],
            options={
                'verbose_name': 'place in the change feed',
                'verbose_name_plural': 'places in the change feed',
            },
        ),
        migrations.AlterField(
            model_name='outdatedyear',
            name='why',
            field=models.CharField(
                choices=[
                    ('late', 'A claim came late'),
                    ('reversed', 'A claim was taken back'),
                    ('joined', 'Records of two residents were joined'),
                    ('separated', 'Records of a resident were separated'),
                ],
                max_length=10,
                verbose_name='why',
            ),
        ),
    ]
