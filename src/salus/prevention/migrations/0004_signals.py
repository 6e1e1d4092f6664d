import django.db.models.deletion
from django.db import migrations, models

from salus.kernel import migrating


class Migration(migrating.Migration):

    dependencies = [("prevention", "0003_programme")]

    operations = [
        migrations.CreateModel(
            name='DetectionRun',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('week', models.DateField(verbose_name='week')),
                ('as_of', models.DateTimeField(verbose_name='data as of')),
                ('started_at', models.DateTimeField(verbose_name='started')),
                ('finished_at', models.DateTimeField(null=True, verbose_name='finished')),
                ('state', models.CharField(choices=[('running', 'Running'), ('done', 'Done'), ('failed', 'Failed')], default='running', max_length=8, verbose_name='state')),
                ('started_by', models.CharField(max_length=150, verbose_name='started by')),
                ('done', models.PositiveIntegerField(default=0, verbose_name='diseases done')),
                ('total', models.PositiveIntegerField(default=0, verbose_name='diseases')),
                ('series', models.PositiveIntegerField(default=0, verbose_name='series')),
                ('judged', models.PositiveIntegerField(default=0, verbose_name='series judged')),
                ('alarms', models.PositiveIntegerField(default=0, verbose_name='alarms')),
                ('signals', models.PositiveIntegerField(default=0, verbose_name='signals')),
                ('seconds', models.JSONField(default=dict, verbose_name='time taken')),
                ('error', models.CharField(blank=True, max_length=300, verbose_name='error')),
            ],
            options={
                'verbose_name': 'detection run',
                'verbose_name_plural': 'detection runs',
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='Alarm',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('week', models.DateField(verbose_name='week')),
                ('use', models.CharField(max_length=40, verbose_name='method in use')),
                ('shadow', models.BooleanField(default=False, verbose_name='silent')),
                ('disease', models.CharField(max_length=40, verbose_name='disease')),
                ('level', models.CharField(choices=[('disease', 'Whole city'), ('district', 'District'), ('institution', 'Institution'), ('cluster', 'Several districts')], max_length=12, verbose_name='level')),
                ('district_code', models.CharField(blank=True, max_length=12, verbose_name='district')),
                ('institution_code', models.CharField(blank=True, max_length=40, verbose_name='institution')),
                ('observed', models.FloatField(verbose_name='observed')),
                ('expected', models.FloatField(null=True, verbose_name='expected')),
                ('bound', models.FloatField(null=True, verbose_name='bound')),
                ('pvalue', models.FloatField(null=True, verbose_name='p-value')),
                ('score', models.FloatField(null=True, verbose_name='score')),
            ],
            options={
                'verbose_name': 'alarm',
                'verbose_name_plural': 'alarms',
                'indexes': [models.Index(fields=['disease', 'week'], name='prevention_alarm_disease')],
                'constraints': [models.UniqueConstraint(fields=('week', 'use', 'disease', 'district_code', 'institution_code'), name='prevention_alarm_once')],
            },
        ),
        migrations.CreateModel(
            name='Signal',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('disease', models.CharField(max_length=40, verbose_name='disease')),
                ('level', models.CharField(choices=[('disease', 'Whole city'), ('district', 'District'), ('institution', 'Institution'), ('cluster', 'Several districts')], max_length=12, verbose_name='level')),
                ('district_code', models.CharField(blank=True, max_length=12, verbose_name='district')),
                ('districts', models.JSONField(default=list, verbose_name='districts')),
                ('institution_code', models.CharField(blank=True, max_length=40, verbose_name='institution')),
                ('first_week', models.DateField(verbose_name='since week')),
                ('last_week', models.DateField(verbose_name='last week')),
                ('weeks', models.PositiveIntegerField(default=1, verbose_name='weeks')),
                ('method', models.CharField(max_length=40, verbose_name='method')),
                ('options', models.JSONField(default=dict, verbose_name='settings')),
                ('reason', models.CharField(blank=True, max_length=40, verbose_name='reason')),
                ('reported', models.FloatField(verbose_name='reported')),
                ('share', models.FloatField(default=1.0, verbose_name='share reported')),
                ('observed', models.FloatField(verbose_name='observed')),
                ('expected', models.FloatField(verbose_name='expected')),
                ('bound', models.FloatField(null=True, verbose_name='bound')),
                ('pvalue', models.FloatField(verbose_name='p-value')),
                ('excess', models.FloatField(verbose_name='excess')),
                ('explains', models.JSONField(default=list, verbose_name='explains')),
                ('as_of', models.DateTimeField(verbose_name='data as of')),
                ('priority', models.FloatField(default=0.0, verbose_name='priority')),
                ('withdrawn', models.BooleanField(default=False, verbose_name='withdrawn')),
                ('verdict', models.CharField(blank=True, choices=[('outbreak', 'True outbreak'), ('false', 'False alarm'), ('known', 'Known already'), ('error', 'Data error'), ('watch', 'Under watch')], default='', max_length=8, verbose_name='verdict')),
                ('verdict_excess', models.FloatField(null=True, verbose_name='excess when judged')),
                ('outbreak', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='signals', to='prevention.outbreak', verbose_name='outbreak')),
            ],
            options={
                'verbose_name': 'signal',
                'verbose_name_plural': 'signals',
            },
        ),
        migrations.CreateModel(
            name='SignalVerdict',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('verdict', models.CharField(choices=[('outbreak', 'True outbreak'), ('false', 'False alarm'), ('known', 'Known already'), ('error', 'Data error'), ('watch', 'Under watch')], max_length=8, verbose_name='verdict')),
                ('note', models.TextField(blank=True, verbose_name='note')),
                ('began_on', models.DateField(null=True, verbose_name='outbreak began on')),
                ('excess', models.FloatField(verbose_name='excess when judged')),
                ('by', models.CharField(max_length=150, verbose_name='by')),
                ('at', models.DateTimeField(verbose_name='at')),
                ('undone_by', models.CharField(blank=True, max_length=150, verbose_name='taken back by')),
                ('undone_at', models.DateTimeField(null=True, verbose_name='taken back')),
                ('outbreak', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='prevention.outbreak', verbose_name='outbreak')),
                ('signal', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='verdicts', to='prevention.signal')),
            ],
            options={
                'verbose_name': 'verdict',
                'verbose_name_plural': 'verdicts',
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='SignalWeek',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('week', models.DateField(verbose_name='week')),
                ('reported', models.FloatField(verbose_name='reported')),
                ('observed', models.FloatField(verbose_name='observed')),
                ('expected', models.FloatField(verbose_name='expected')),
                ('bound', models.FloatField(null=True, verbose_name='bound')),
                ('pvalue', models.FloatField(verbose_name='p-value')),
                ('excess', models.FloatField(verbose_name='excess')),
                ('run', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='found', to='prevention.detectionrun')),
                ('signal', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='history', to='prevention.signal')),
            ],
            options={
                'verbose_name': 'week of a signal',
                'verbose_name_plural': 'weeks of signals',
                'ordering': ['-week'],
            },
        ),
        migrations.AddIndex(
            model_name='signal',
            index=models.Index(fields=['-last_week', '-priority'], name='prevention_signal_newest'),
        ),
        migrations.AddIndex(
            model_name='signal',
            index=models.Index(fields=['disease', 'level', 'district_code', 'last_week'], name='prevention_signal_same'),
        ),
        migrations.AddConstraint(
            model_name='signalweek',
            constraint=models.UniqueConstraint(fields=('signal', 'week'), name='prevention_signal_week_once'),
        ),
    ]
