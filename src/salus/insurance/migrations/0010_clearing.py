"""What settlements by group add to payment by item is booked and paid."""

import django.db.models.deletion
from django.db import migrations, models

from salus.kernel import migrating


class Migration(migrating.Migration):

    dependencies = [
        ('insurance', '0009_joined'),
    ]

    operations = [
        migrations.AddField(
            model_name='paymentbatch',
            name='cleared_fen',
            field=models.BigIntegerField(default=0, verbose_name='by settlements by group (fen)'),
        ),
        migrations.CreateModel(
            name='Clearing',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                (
                    'fund',
                    models.CharField(
                        choices=[
                            ('employee', "Employees' basic fund"),
                            ('resident', "Residents' basic fund"),
                            ('serious', 'Serious-illness fund'),
                            ('aid', 'Medical aid'),
                            ('free', 'Free treatment'),
                        ],
                        max_length=10,
                        verbose_name='fund',
                    ),
                ),
                ('amount_fen', models.BigIntegerField(verbose_name='amount (fen)')),
                ('day', models.DateField(verbose_name='day')),
                ('booked_at', models.DateTimeField(verbose_name='booked at')),
                ('booked_by', models.CharField(max_length=150, verbose_name='booked by')),
                (
                    'batch',
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name='clearings',
                        to='insurance.paymentbatch',
                    ),
                ),
                (
                    'line',
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name='clearing',
                        to='insurance.settlementline',
                    ),
                ),
            ],
            options={
                'verbose_name': 'clearing of a settlement',
                'verbose_name_plural': 'clearings of settlements',
            },
        ),
    ]
