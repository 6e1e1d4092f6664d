"""The tables of service prices."""

import django.db.models.deletion
from django.db import migrations, models

from salus.kernel import migrating


class Migration(migrating.Migration):

    dependencies = [
        ('insurance', '0004_procurement'),
    ]

    operations = [
        migrations.CreateModel(
            name='PriceBasis',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('title', models.CharField(max_length=200, verbose_name='title')),
                ('year', models.PositiveSmallIntegerField(verbose_name='year')),
                ('digest', models.CharField(max_length=64, unique=True)),
                ('services', models.PositiveIntegerField(verbose_name='services')),
                ('hospitals', models.JSONField()),
                ('groups', models.JSONField()),
                ('freed', models.JSONField()),
                ('freed_fund', models.JSONField(null=True)),
                ('recorded_at', models.DateTimeField(verbose_name='recorded')),
                ('recorded_by', models.CharField(max_length=150, verbose_name='recorded by')),
            ],
            options={
                'verbose_name': 'basis of prices',
                'verbose_name_plural': 'bases of prices',
                'ordering': ('-pk',),
            },
        ),
        migrations.CreateModel(
            name='PriceStudy',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('title', models.CharField(max_length=200, verbose_name='title')),
                ('rules', models.JSONField()),
                ('closeness', models.PositiveSmallIntegerField(verbose_name='closeness')),
                ('state', models.CharField(choices=[('queued', 'Waiting'), ('running', 'Running'), ('done', 'Done'), ('failed', 'No answer')], default='queued', max_length=10, verbose_name='state')),
                ('stage', models.CharField(blank=True, max_length=40)),
                ('done', models.PositiveIntegerField(default=0)),
                ('total', models.PositiveIntegerField(default=0)),
                ('failure_code', models.CharField(blank=True, max_length=60)),
                ('failure', models.TextField(blank=True)),
                ('conflicts', models.JSONField(default=list)),
                ('summary', models.JSONField(default=dict)),
                ('curve', models.JSONField(default=list)),
                ('impact', models.JSONField(default=list)),
                ('asked_at', models.DateTimeField(verbose_name='asked')),
                ('asked_by', models.CharField(max_length=150, verbose_name='asked by')),
                ('finished_at', models.DateTimeField(null=True, verbose_name='finished')),
                ('basis', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='studies', to='insurance.pricebasis')),
            ],
            options={
                'verbose_name': 'study of prices',
                'verbose_name_plural': 'studies of prices',
                'ordering': ('-pk',),
            },
        ),
        migrations.CreateModel(
            name='PriceList',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField(unique=True, verbose_name='number')),
                ('title', models.CharField(max_length=200, verbose_name='title')),
                ('state', models.CharField(choices=[('draft', 'Draft'), ('published', 'Published'), ('withdrawn', 'Withdrawn before it took effect'), ('discarded', 'Discarded')], default='draft', max_length=10, verbose_name='state')),
                ('effective_from', models.DateField(null=True, verbose_name='in force from')),
                ('made_at', models.DateTimeField(verbose_name='made')),
                ('made_by', models.CharField(max_length=150, verbose_name='made by')),
                ('decided_at', models.DateTimeField(null=True, verbose_name='decided')),
                ('decided_by', models.CharField(blank=True, max_length=150, verbose_name='decided by')),
                ('reason', models.CharField(blank=True, max_length=500, verbose_name='reason')),
                ('based_on', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='insurance.pricelist')),
                ('restores', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='insurance.pricelist')),
                ('study', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='lists', to='insurance.pricestudy')),
            ],
            options={
                'verbose_name': 'price list',
                'verbose_name_plural': 'price lists',
                'ordering': ('-number',),
            },
        ),
        migrations.CreateModel(
            name='PriceBasisService',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('place', models.PositiveIntegerField()),
                ('code', models.CharField(max_length=40)),
                ('tier', models.CharField(blank=True, max_length=20)),
                ('name', models.CharField(blank=True, max_length=300)),
                ('department', models.CharField(blank=True, max_length=100)),
                ('family', models.CharField(blank=True, max_length=40)),
                ('rank', models.BigIntegerField()),
                ('price', models.BigIntegerField()),
                ('cost', models.BigIntegerField()),
                ('labour', models.BigIntegerField()),
                ('difficulty', models.BigIntegerField()),
                ('risk', models.BigIntegerField()),
                ('lowest', models.BigIntegerField()),
                ('highest', models.BigIntegerField()),
                ('target', models.BigIntegerField()),
                ('volumes', models.BinaryField()),
                ('basis', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='rows', to='insurance.pricebasis')),
            ],
            options={
                'ordering': ('basis', 'place'),
                'constraints': [models.UniqueConstraint(fields=('basis', 'place'), name='insurance_basis_place')],
            },
        ),
        migrations.CreateModel(
            name='PriceListItem',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('item', models.CharField(max_length=40, verbose_name='code')),
                ('tier', models.CharField(blank=True, max_length=20, verbose_name='tier')),
                ('name', models.CharField(blank=True, max_length=300, verbose_name='name')),
                ('department', models.CharField(blank=True, max_length=100, verbose_name='department')),
                ('price', models.BigIntegerField(verbose_name='price')),
                ('list', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='items', to='insurance.pricelist')),
            ],
            options={
                'verbose_name': 'price',
                'verbose_name_plural': 'prices',
                'ordering': ('list', 'item', 'tier'),
                'constraints': [models.UniqueConstraint(fields=('list', 'item', 'tier'), name='insurance_price_once')],
            },
        ),
        migrations.CreateModel(
            name='PriceMove',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.CharField(max_length=40)),
                ('tier', models.CharField(blank=True, max_length=20)),
                ('name', models.CharField(blank=True, max_length=300)),
                ('department', models.CharField(blank=True, max_length=100)),
                ('old', models.BigIntegerField()),
                ('new', models.BigIntegerField()),
                ('change', models.BigIntegerField()),
                ('share', models.BigIntegerField()),
                ('target', models.BigIntegerField()),
                ('lowest', models.BigIntegerField()),
                ('highest', models.BigIntegerField()),
                ('volume', models.BigIntegerField()),
                ('reason', models.CharField(max_length=20)),
                ('pulls', models.JSONField(default=dict)),
                ('study', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='moves', to='insurance.pricestudy')),
            ],
            options={
                'ordering': ('study', 'code', 'tier'),
                'constraints': [models.UniqueConstraint(fields=('study', 'code', 'tier'), name='insurance_move_once')],
            },
        ),
        migrations.AddConstraint(
            model_name='pricelist',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'published')), fields=('effective_from',), name='insurance_list_one_a_day'),
        ),
    ]
