import django.db.models.deletion
from django.db import migrations, models

from salus.kernel import migrating


class Migration(migrating.Migration):

    dependencies = [("kernel", "0002_handler_lease"), ("record", "0011_export_snapshot")]

    operations = [
        migrations.CreateModel(
            name='Household',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.CharField(max_length=40, unique=True, verbose_name='number')),
                ('district_code', models.CharField(blank=True, max_length=12, verbose_name='district')),
                ('formed_on', models.DateField(verbose_name='formed on')),
                ('ended_on', models.DateField(blank=True, null=True, verbose_name='ended on')),
            ],
            options={
                'verbose_name': 'household',
                'verbose_name_plural': 'households',
            },
        ),
        migrations.CreateModel(
            name='TreatmentFiling',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('person_id', models.UUIDField(db_index=True, verbose_name='person')),
                ('area', models.CharField(max_length=12, verbose_name='area')),
                ('reason', models.CharField(blank=True, max_length=40, verbose_name='reason')),
                ('start_date', models.DateField(verbose_name='from')),
                ('end_date', models.DateField(blank=True, null=True, verbose_name='to')),
                ('recorded_at', models.DateTimeField(verbose_name='recorded at')),
            ],
            options={
                'verbose_name': 'notice of treatment elsewhere',
                'verbose_name_plural': 'notices of treatment elsewhere',
            },
        ),
        migrations.CreateModel(
            name='Designation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('illness', models.CharField(max_length=40, verbose_name='illness')),
                ('start_date', models.DateField(verbose_name='from')),
                ('end_date', models.DateField(blank=True, null=True, verbose_name='to')),
                ('institution', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='insurance_designations', to='kernel.institution')),
            ],
            options={
                'verbose_name': 'designation for free treatment',
                'verbose_name_plural': 'designations for free treatment',
            },
        ),
        migrations.CreateModel(
            name='Enrolment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('person_id', models.UUIDField(db_index=True, verbose_name='person')),
                ('scheme', models.CharField(choices=[('employee', "Employees' insurance"), ('resident', "Residents' insurance")], max_length=12, verbose_name='scheme')),
                ('category', models.CharField(choices=[('worker', 'Employee'), ('flexible', 'Flexible employment'), ('retired', 'Retired'), ('adult', 'Adult resident'), ('child', 'Child'), ('student', 'Student'), ('newborn', 'Newborn')], max_length=12, verbose_name='kind of member')),
                ('area', models.CharField(max_length=12, verbose_name='area')),
                ('start_date', models.DateField(verbose_name='from')),
                ('end_date', models.DateField(blank=True, null=True, verbose_name='to')),
                ('end_reason', models.CharField(blank=True, max_length=20, verbose_name='why it ended')),
                ('recorded_at', models.DateTimeField(verbose_name='recorded at')),
                ('previous', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='following', to='insurance.enrolment')),
                ('household', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='enrolments', to='insurance.household')),
            ],
            options={
                'verbose_name': 'enrolment',
                'verbose_name_plural': 'enrolments',
            },
        ),
        migrations.CreateModel(
            name='Contribution',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('person_id', models.UUIDField(db_index=True, verbose_name='person')),
                ('start_date', models.DateField(verbose_name='from')),
                ('end_date', models.DateField(verbose_name='to')),
                ('paid_on', models.DateField(verbose_name='paid on')),
                ('repair_years', models.PositiveSmallIntegerField(default=0, verbose_name='years of a break paid for')),
                ('own_fen', models.BigIntegerField(verbose_name='paid by the member (fen)')),
                ('aid_fen', models.BigIntegerField(default=0, verbose_name='paid by medical aid (fen)')),
                ('finance_fen', models.BigIntegerField(default=0, verbose_name='paid by public finance (fen)')),
                ('employer_fen', models.BigIntegerField(default=0, verbose_name='paid by the employer (fen)')),
                ('aid_status', models.CharField(blank=True, max_length=20, verbose_name='status that aid pays for')),
                ('cancelled_on', models.DateField(blank=True, null=True, verbose_name='paid back on')),
                ('recorded_at', models.DateTimeField(verbose_name='recorded at')),
                ('enrolment', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='contributions', to='insurance.enrolment')),
            ],
            options={
                'verbose_name': 'contribution',
                'verbose_name_plural': 'contributions',
            },
        ),
        migrations.CreateModel(
            name='HouseholdMember',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('person_id', models.UUIDField(db_index=True, verbose_name='person')),
                ('relation', models.CharField(blank=True, max_length=20, verbose_name='relation to the head')),
                ('valid_from', models.DateField(verbose_name='from')),
                ('valid_to', models.DateField(blank=True, null=True, verbose_name='to')),
                ('household', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='members', to='insurance.household')),
            ],
            options={
                'verbose_name': 'household member',
                'verbose_name_plural': 'household members',
            },
        ),
        migrations.CreateModel(
            name='IllnessRegistration',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('person_id', models.UUIDField(db_index=True, verbose_name='person')),
                ('illness', models.CharField(max_length=40, verbose_name='illness')),
                ('start_date', models.DateField(verbose_name='from')),
                ('end_date', models.DateField(blank=True, null=True, verbose_name='to')),
                ('recorded_at', models.DateTimeField(verbose_name='recorded at')),
                ('institution', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='kernel.institution')),
            ],
            options={
                'verbose_name': 'registered illness',
                'verbose_name_plural': 'registered illnesses',
            },
        ),
        migrations.CreateModel(
            name='InstitutionContract',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('area', models.CharField(max_length=12, verbose_name='area')),
                ('service', models.CharField(choices=[('outpatient', 'Outpatient care'), ('inpatient', 'Inpatient care'), ('chronic', 'Chronic or special illness, outpatient'), ('emergency', 'Emergency'), ('maternity', 'Maternity'), ('pharmacy', 'Pharmacy')], max_length=12, verbose_name='service')),
                ('tier', models.PositiveSmallIntegerField(verbose_name='tier')),
                ('start_date', models.DateField(verbose_name='from')),
                ('end_date', models.DateField(blank=True, null=True, verbose_name='to')),
                ('institution', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='insurance_contracts', to='kernel.institution')),
            ],
            options={
                'verbose_name': 'contract with an institution',
                'verbose_name_plural': 'contracts with institutions',
            },
        ),
        migrations.AddConstraint(
            model_name='designation',
            constraint=models.UniqueConstraint(fields=('institution', 'illness', 'start_date'), name='insurance_designation_once'),
        ),
        migrations.AddConstraint(
            model_name='contribution',
            constraint=models.UniqueConstraint(condition=models.Q(('cancelled_on', None)), fields=('enrolment', 'start_date'), name='insurance_contribution_once'),
        ),
        migrations.AddConstraint(
            model_name='contribution',
            constraint=models.CheckConstraint(condition=models.Q(('end_date__gte', models.F('start_date')), ('aid_fen__gte', 0), ('employer_fen__gte', 0), ('finance_fen__gte', 0), ('own_fen__gte', 0)), name='insurance_contribution_sound'),
        ),
        migrations.AddConstraint(
            model_name='enrolment',
            constraint=models.UniqueConstraint(condition=models.Q(('end_date', None)), fields=('person_id',), name='insurance_one_enrolment'),
        ),
        migrations.AddConstraint(
            model_name='enrolment',
            constraint=models.CheckConstraint(condition=models.Q(('end_date', None), ('end_date__gte', models.F('start_date')), _connector='OR'), name='insurance_enrolment_dates'),
        ),
        migrations.AddConstraint(
            model_name='householdmember',
            constraint=models.UniqueConstraint(condition=models.Q(('valid_to', None)), fields=('person_id',), name='insurance_one_household'),
        ),
        migrations.AddConstraint(
            model_name='institutioncontract',
            constraint=models.UniqueConstraint(fields=('institution', 'area', 'service', 'start_date'), name='insurance_contract_once'),
        ),
    ]
