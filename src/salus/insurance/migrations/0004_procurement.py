"""The tables of centralised procurement."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from salus.kernel import migrating


class Migration(migrating.Migration):

    dependencies = [
        ("insurance", "0003_payment"),
        ("kernel", "0003_commit_reveal"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Supplier',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.CharField(max_length=40, unique=True, verbose_name='code')),
                ('name', models.CharField(max_length=120, verbose_name='name')),
                ('name_en', models.CharField(blank=True, max_length=160, verbose_name='English name')),
            ],
            options={
                'verbose_name': 'supplier',
                'verbose_name_plural': 'suppliers',
                'ordering': ['code'],
            },
        ),
        migrations.CreateModel(
            name='ContractLine',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('base', models.PositiveBigIntegerField(verbose_name='base volume a year')),
                ('units', models.PositiveBigIntegerField(verbose_name='agreed volume a year')),
                ('institution', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='kernel.institution', verbose_name='institution')),
            ],
            options={
                'verbose_name': 'line of a supply contract',
                'verbose_name_plural': 'lines of supply contracts',
                'ordering': ['contract', 'institution'],
            },
        ),
        migrations.CreateModel(
            name='Mandate',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('document', models.CharField(max_length=80, verbose_name='document')),
                ('valid_from', models.DateField(verbose_name='valid from')),
                ('valid_to', models.DateField(blank=True, null=True, verbose_name='valid to')),
                ('agent', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='mandates_held', to='kernel.institution', verbose_name='purchasing organisation')),
                ('institution', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='mandates_given', to='kernel.institution', verbose_name='institution')),
            ],
            options={
                'verbose_name': 'mandate',
                'verbose_name_plural': 'mandates',
                'ordering': ['institution', 'valid_from'],
            },
        ),
        migrations.CreateModel(
            name='Supply',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('ordered', 'Ordered'), ('delivered', 'Delivered'), ('used', 'Used'), ('substituted', 'Another product used')], max_length=12, verbose_name='kind')),
                ('on', models.DateField(verbose_name='day')),
                ('units', models.BigIntegerField(verbose_name='reference units')),
                ('entered_at', models.DateTimeField(verbose_name='entered')),
                ('entered_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='entered by')),
                ('line', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='supplies', to='insurance.contractline', verbose_name='line')),
                ('reverses', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='reversed_by', to='insurance.supply', verbose_name='takes back')),
            ],
            options={
                'verbose_name': 'supply',
                'verbose_name_plural': 'supplies',
                'ordering': ['-on', '-id'],
            },
        ),
        migrations.CreateModel(
            name='SupplyContract',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('region', models.CharField(max_length=40, verbose_name='region')),
                ('strength', models.CharField(max_length=80, verbose_name='strength')),
                ('pack', models.PositiveIntegerField(verbose_name='units a pack')),
                ('price', models.PositiveBigIntegerField(verbose_name='price (fen a pack)')),
                ('starts', models.DateField(verbose_name='from')),
                ('ends', models.DateField(verbose_name='to')),
                ('second', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='standing_by', to='insurance.supplier', verbose_name='second supplier')),
                ('supplier', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='contracts', to='insurance.supplier', verbose_name='supplier')),
            ],
            options={
                'verbose_name': 'supply contract',
                'verbose_name_plural': 'supply contracts',
                'ordering': ['group', 'region'],
            },
        ),
        migrations.AddField(
            model_name='contractline',
            name='contract',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='lines', to='insurance.supplycontract', verbose_name='contract'),
        ),
        migrations.CreateModel(
            name='Tender',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.CharField(max_length=40, unique=True, verbose_name='code')),
                ('name', models.CharField(max_length=120, verbose_name='name')),
                ('name_en', models.CharField(blank=True, max_length=160, verbose_name='English name')),
                ('state', models.CharField(choices=[('draft', 'Collecting demand'), ('announced', 'Announced'), ('decided', 'Decided'), ('cancelled', 'Cancelled')], default='draft', max_length=12, verbose_name='state')),
                ('ruleset', models.CharField(max_length=40, verbose_name='rule set')),
                ('rules', models.JSONField(blank=True, null=True, verbose_name='rules as announced')),
                ('demand_until', models.DateField(verbose_name='demand until')),
                ('announced_on', models.DateField(blank=True, null=True, verbose_name='announced')),
                ('public_key', models.CharField(blank=True, max_length=80, verbose_name="custodians' public key")),
                ('decided_at', models.DateTimeField(blank=True, null=True, verbose_name='decided')),
                ('published', models.JSONField(blank=True, null=True, verbose_name='published file')),
                ('reason', models.CharField(blank=True, max_length=200, verbose_name='reason')),
                ('made_at', models.DateTimeField(verbose_name='made')),
                ('made_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='made by')),
                ('round', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='kernel.commitround', verbose_name='round')),
            ],
            options={
                'verbose_name': 'tender',
                'verbose_name_plural': 'tenders',
                'ordering': ['-made_at'],
            },
        ),
        migrations.CreateModel(
            name='Bidder',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('token', models.CharField(blank=True, db_index=True, max_length=64, verbose_name='digest of the bid token')),
                ('admitted_at', models.DateTimeField(verbose_name='admitted')),
                ('admitted_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='admitted by')),
                ('supplier', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='bids', to='insurance.supplier', verbose_name='supplier')),
                ('tender', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='bidders', to='insurance.tender', verbose_name='tender')),
            ],
            options={
                'verbose_name': 'bidder',
                'verbose_name_plural': 'bidders',
                'ordering': ['tender', 'supplier'],
            },
        ),
        migrations.CreateModel(
            name='TenderGroup',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.CharField(max_length=40, verbose_name='code')),
                ('molecule', models.CharField(max_length=120, verbose_name='molecule')),
                ('molecule_en', models.CharField(blank=True, max_length=120, verbose_name='molecule in English')),
                ('atc', models.CharField(blank=True, max_length=10, verbose_name='ATC code')),
                ('form', models.CharField(max_length=80, verbose_name='form')),
                ('reference', models.CharField(max_length=80, verbose_name='reference strength')),
                ('pack', models.PositiveIntegerField(verbose_name='units a pack')),
                ('ceiling', models.PositiveBigIntegerField(blank=True, null=True, verbose_name='ceiling (fen a pack)')),
                ('old_price', models.PositiveBigIntegerField(blank=True, null=True, verbose_name='price up to now (fen a pack)')),
                ('tender', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='groups', to='insurance.tender', verbose_name='tender')),
            ],
            options={
                'verbose_name': 'group of a tender',
                'verbose_name_plural': 'groups of tenders',
                'ordering': ['tender', 'code'],
            },
        ),
        migrations.CreateModel(
            name='TenderDecision',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reason', models.CharField(max_length=20, verbose_name='reason')),
                ('rank', models.PositiveIntegerField(blank=True, null=True, verbose_name='rank')),
                ('comparable', models.CharField(blank=True, max_length=60, verbose_name='comparable price')),
                ('limit', models.CharField(blank=True, max_length=60, verbose_name='limit')),
                ('kept_by', models.CharField(blank=True, max_length=20, verbose_name='kept by')),
                ('tie', models.CharField(blank=True, max_length=20, verbose_name='tie decided by')),
                ('unmet', models.JSONField(default=list, verbose_name='not met')),
                ('supplier', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='decisions', to='insurance.supplier', verbose_name='supplier')),
                ('group', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='decisions', to='insurance.tendergroup', verbose_name='group')),
            ],
            options={
                'verbose_name': 'decision of a tender',
                'verbose_name_plural': 'decisions of tenders',
                'ordering': ['group', 'rank', 'supplier'],
            },
        ),
        migrations.AddField(
            model_name='supplycontract',
            name='group',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='contracts', to='insurance.tendergroup', verbose_name='group'),
        ),
        migrations.CreateModel(
            name='Qualification',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('answers', models.JSONField(default=dict, verbose_name='answers')),
                ('unmet', models.JSONField(default=list, verbose_name='not met')),
                ('evaluated', models.DateField(blank=True, null=True, verbose_name='quality evaluated')),
                ('demand', models.PositiveBigIntegerField(default=0, verbose_name='reported of its product (units)')),
                ('bidder', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='qualifications', to='insurance.bidder', verbose_name='bidder')),
                ('group', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='qualifications', to='insurance.tendergroup', verbose_name='group')),
            ],
            options={
                'verbose_name': 'qualification',
                'verbose_name_plural': 'qualifications',
            },
        ),
        migrations.CreateModel(
            name='Demand',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('strength', models.CharField(max_length=80, verbose_name='strength')),
                ('pack', models.PositiveIntegerField(verbose_name='units a pack')),
                ('packs', models.PositiveBigIntegerField(verbose_name='packs a year')),
                ('units', models.PositiveBigIntegerField(verbose_name='reference units a year')),
                ('reported_at', models.DateTimeField(verbose_name='reported')),
                ('institution', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='kernel.institution', verbose_name='institution')),
                ('reported_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='reported by')),
                ('mandate', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='insurance.mandate', verbose_name='mandate')),
                ('group', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='demand', to='insurance.tendergroup', verbose_name='group')),
            ],
            options={
                'verbose_name': 'reported demand',
                'verbose_name_plural': 'reported demand',
                'ordering': ['group', 'institution'],
            },
        ),
        migrations.AddConstraint(
            model_name='mandate',
            constraint=models.CheckConstraint(condition=models.Q(('agent', models.F('institution')), _negated=True), name='insurance_mandate_other'),
        ),
        migrations.AddConstraint(
            model_name='mandate',
            constraint=models.CheckConstraint(condition=models.Q(('valid_to__isnull', True), ('valid_to__gte', models.F('valid_from')), _connector='OR'), name='insurance_mandate_days'),
        ),
        migrations.AddConstraint(
            model_name='mandate',
            constraint=models.UniqueConstraint(fields=('agent', 'institution', 'valid_from'), name='insurance_mandate_once'),
        ),
        migrations.AddConstraint(
            model_name='supply',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('reverses__isnull', True), ('units__gt', 0)), models.Q(('reverses__isnull', False), ('units__lt', 0)), _connector='OR'), name='insurance_supply_sign'),
        ),
        migrations.AddConstraint(
            model_name='contractline',
            constraint=models.UniqueConstraint(fields=('contract', 'institution'), name='insurance_contractline_once'),
        ),
        migrations.AddConstraint(
            model_name='contractline',
            constraint=models.CheckConstraint(condition=models.Q(('units__lte', models.F('base'))), name='insurance_contractline_share'),
        ),
        migrations.AddConstraint(
            model_name='tender',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state__in', ['announced', 'decided']), _negated=True), models.Q(('announced_on__isnull', False), ('round__isnull', False), ('rules__isnull', False)), _connector='OR'), name='insurance_tender_announced_whole'),
        ),
        migrations.AddConstraint(
            model_name='tender',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('decided_at__isnull', False), ('published__isnull', False), ('state', 'decided')), models.Q(('decided_at__isnull', True), ('published__isnull', True), models.Q(('state', 'decided'), _negated=True)), _connector='OR'), name='insurance_tender_decided_whole'),
        ),
        migrations.AddConstraint(
            model_name='bidder',
            constraint=models.UniqueConstraint(fields=('tender', 'supplier'), name='insurance_bidder_once'),
        ),
        migrations.AddConstraint(
            model_name='tendergroup',
            constraint=models.UniqueConstraint(fields=('tender', 'code'), name='insurance_tendergroup_once'),
        ),
        migrations.AddConstraint(
            model_name='tendergroup',
            constraint=models.CheckConstraint(condition=models.Q(('pack__gt', 0)), name='insurance_tendergroup_pack'),
        ),
        migrations.AddConstraint(
            model_name='tenderdecision',
            constraint=models.UniqueConstraint(fields=('group', 'supplier'), name='insurance_tenderdecision_once'),
        ),
        migrations.AddConstraint(
            model_name='supplycontract',
            constraint=models.UniqueConstraint(fields=('group', 'region'), name='insurance_supplycontract_once'),
        ),
        migrations.AddConstraint(
            model_name='supplycontract',
            constraint=models.CheckConstraint(condition=models.Q(('ends__gt', models.F('starts'))), name='insurance_supplycontract_days'),
        ),
        migrations.AddConstraint(
            model_name='qualification',
            constraint=models.UniqueConstraint(fields=('bidder', 'group'), name='insurance_qualification_once'),
        ),
        migrations.AddConstraint(
            model_name='demand',
            constraint=models.UniqueConstraint(fields=('group', 'institution', 'strength', 'pack'), name='insurance_demand_once'),
        ),
    ]
