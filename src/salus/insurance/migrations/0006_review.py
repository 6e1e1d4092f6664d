"""Suspicious claims and what examiners made of them."""

import django.db.models.deletion
from django.db import migrations, models

from salus.kernel import migrating


class Migration(migrating.Migration):

    dependencies = [
        ('insurance', '0005_prices'),
    ]

    operations = [
        migrations.CreateModel(
            name='Suspicion',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=24, verbose_name='kind')),
                ('what', models.CharField(blank=True, max_length=60, verbose_name='what it turns on')),
                ('department', models.CharField(blank=True, max_length=80, verbose_name='department')),
                ('probability', models.FloatField(verbose_name='probability')),
                ('false_share', models.FloatField(verbose_name='false alarms down to here')),
                ('measures', models.JSONField(default=dict)),
                ('found_at', models.DateTimeField(verbose_name='found at')),
                ('verdict', models.CharField(blank=True, choices=[('confirmed', 'Confirmed'), ('dismissed', 'Dismissed')], default='', max_length=10, verbose_name='verdict')),
                ('note', models.CharField(blank=True, max_length=500, verbose_name='note')),
                ('judged_by', models.CharField(blank=True, max_length=150, verbose_name='judged by')),
                ('judged_at', models.DateTimeField(null=True, verbose_name='judged at')),
                ('claim', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='suspicions', to='insurance.claim')),
                ('other', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='insurance.claim')),
            ],
            options={
                'verbose_name': 'suspicion',
                'verbose_name_plural': 'suspicions',
                'indexes': [models.Index(fields=['-probability', 'id'], name='insurance_suspicion_rank'), models.Index(fields=['verdict', '-probability'], name='insurance_suspicion_verdict')],
                'constraints': [models.UniqueConstraint(fields=('claim', 'kind'), name='insurance_suspicion_once')],
            },
        ),
    ]
