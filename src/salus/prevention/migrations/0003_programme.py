import django.db.models.deletion
from django.db import migrations, models

from salus.kernel import migrating


class Migration(migrating.Migration):
    dependencies = [("prevention", "0002_emergencies"), ("kernel", "0003_commit_reveal")]

    operations = [
        migrations.CreateModel(
            name="ServiceBar",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("person_id", models.UUIDField(db_index=True, verbose_name="person")),
                ("patient_rid", models.BigIntegerField(null=True)),
                ("code", models.CharField(max_length=40, verbose_name="service or product")),
                ("start", models.DateField(verbose_name="from")),
                ("end", models.DateField(null=True, verbose_name="to")),
                ("reason", models.CharField(max_length=200, verbose_name="reason")),
                ("recorded_by", models.CharField(max_length=150, verbose_name="recorded by")),
                ("recorded_at", models.DateTimeField(verbose_name="recorded")),
            ],
            options={
                "verbose_name": "contraindication",
                "verbose_name_plural": "contraindications",
            },
        ),
        migrations.CreateModel(
            name="ProgrammeEntry",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("person_id", models.UUIDField(verbose_name="person")),
                ("patient_rid", models.BigIntegerField(null=True)),
                ("programme", models.CharField(max_length=24, verbose_name="programme")),
                ("anchor", models.CharField(max_length=32, verbose_name="counted from")),
                ("anchor_on", models.DateField(verbose_name="since")),
                ("ended_on", models.DateField(null=True, verbose_name="until")),
                (
                    "state",
                    models.CharField(
                        choices=[("open", "Registered"), ("closed", "Closed")],
                        default="open",
                        max_length=8,
                        verbose_name="state",
                    ),
                ),
                (
                    "origin",
                    models.CharField(
                        choices=[("record", "From the record"), ("age", "By age"), ("hand", "By hand")],
                        max_length=8,
                        verbose_name="entered",
                    ),
                ),
                ("rid", models.BigIntegerField(null=True)),
                ("code", models.CharField(blank=True, max_length=10, verbose_name="diagnosis (ICD-10)")),
                ("placed_by", models.CharField(blank=True, max_length=10, verbose_name="placed by")),
                ("district_code", models.CharField(blank=True, max_length=12, verbose_name="district")),
                ("categories", models.CharField(blank=True, max_length=60)),
                (
                    "control",
                    models.CharField(
                        blank=True,
                        choices=[("", "Not judged"), ("good", "Controlled"), ("poor", "Not controlled")],
                        default="",
                        max_length=8,
                        verbose_name="control",
                    ),
                ),
                ("control_on", models.DateField(null=True, verbose_name="judged on")),
                (
                    "poor_run",
                    models.PositiveSmallIntegerField(default=0, verbose_name="poor visits in a row"),
                ),
                ("facts", models.JSONField(default=dict, verbose_name="facts")),
                ("opened_at", models.DateTimeField(verbose_name="registered")),
                ("opened_by", models.CharField(max_length=150, verbose_name="registered by")),
                ("closed_on", models.DateField(null=True, verbose_name="closed on")),
                (
                    "close_reason",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("died", "Died"),
                            ("moved", "Moved away"),
                            ("recovered", "Recovered or completed"),
                            ("aged_out", "Too old for the programme"),
                            ("not_affected", "Not affected: wrong diagnosis"),
                            ("refused", "Refuses the programme"),
                            ("taken_back", "The record took the diagnosis back"),
                            ("merged", "Joined with another entry"),
                            ("other", "Other"),
                        ],
                        max_length=16,
                        verbose_name="why closed",
                    ),
                ),
                ("closed_by", models.CharField(blank=True, max_length=150, verbose_name="closed by")),
                ("updated", models.DateTimeField(verbose_name="updated")),
                (
                    "doctor",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="kernel.staff",
                        verbose_name="doctor",
                    ),
                ),
                (
                    "institution",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="kernel.institution",
                        verbose_name="institution",
                    ),
                ),
            ],
            options={
                "verbose_name": "registration for a programme",
                "verbose_name_plural": "registrations for programmes",
            },
        ),
        migrations.CreateModel(
            name="EntryEvent",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField(verbose_name="at")),
                ("by", models.CharField(max_length=150, verbose_name="by")),
                ("kind", models.CharField(max_length=20, verbose_name="kind")),
                ("detail", models.CharField(blank=True, max_length=300, verbose_name="detail")),
                (
                    "entry",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="events",
                        to="prevention.programmeentry",
                    ),
                ),
            ],
            options={
                "verbose_name": "event of a registration",
                "verbose_name_plural": "events of registrations",
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="DueService",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("person_id", models.UUIDField(verbose_name="person")),
                ("programme", models.CharField(max_length=24, verbose_name="programme")),
                ("service", models.CharField(max_length=40, verbose_name="service")),
                ("anchor_on", models.DateField(verbose_name="since")),
                ("step", models.SmallIntegerField(verbose_name="step")),
                ("counted", models.SmallIntegerField(verbose_name="given so far")),
                ("missed", models.SmallIntegerField(default=0, verbose_name="missed")),
                ("due_on", models.DateField(verbose_name="due from")),
                ("overdue_on", models.DateField(verbose_name="overdue since")),
                ("closes_on", models.DateField(null=True, verbose_name="no longer given from")),
                ("reason", models.CharField(blank=True, max_length=10, verbose_name="due because of")),
                ("call_on", models.DateField(verbose_name="to be called from")),
                ("planned_on", models.DateField(null=True, verbose_name="appointment")),
                ("tries", models.PositiveSmallIntegerField(default=0, verbose_name="tries")),
                ("last_outcome", models.CharField(blank=True, max_length=12, verbose_name="last try")),
                ("level", models.PositiveSmallIntegerField(default=0, verbose_name="passed on")),
                ("district_code", models.CharField(blank=True, max_length=12, verbose_name="district")),
                ("categories", models.CharField(blank=True, max_length=60)),
                (
                    "doctor",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="kernel.staff",
                    ),
                ),
                (
                    "institution",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="kernel.institution",
                    ),
                ),
                (
                    "entry",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="due",
                        to="prevention.programmeentry",
                        verbose_name="entry",
                    ),
                ),
            ],
            options={
                "verbose_name": "service due",
                "verbose_name_plural": "services due",
            },
        ),
        migrations.CreateModel(
            name="RecallTry",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.UUIDField(unique=True)),
                ("person_id", models.UUIDField(db_index=True, verbose_name="person")),
                ("services", models.JSONField(default=list, verbose_name="services")),
                ("day", models.DateField(verbose_name="day")),
                ("way", models.CharField(max_length=12, verbose_name="how")),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("reached", "Reached: will come"),
                            ("appointment", "Appointment made"),
                            ("not_reached", "Not reached"),
                            ("refused", "Refused"),
                            ("moved", "Moved away"),
                        ],
                        max_length=12,
                        verbose_name="outcome",
                    ),
                ),
                ("appointment", models.DateField(null=True, verbose_name="appointment")),
                ("note", models.CharField(blank=True, max_length=300, verbose_name="note")),
                ("before", models.JSONField(default=list)),
                ("recorded_by", models.CharField(max_length=150, verbose_name="recorded by")),
                ("recorded_at", models.DateTimeField(verbose_name="recorded")),
                ("undone_at", models.DateTimeField(null=True, verbose_name="taken back")),
                (
                    "institution",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="kernel.institution",
                    ),
                ),
            ],
            options={
                "verbose_name": "try to reach a resident",
                "verbose_name_plural": "tries to reach residents",
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="ResidentFile",
            fields=[
                ("person_id", models.UUIDField(primary_key=True, serialize=False, verbose_name="person")),
                ("district_code", models.CharField(blank=True, max_length=12, verbose_name="district")),
                ("values", models.JSONField(default=dict, verbose_name="values")),
                ("complete", models.PositiveSmallIntegerField(default=0, verbose_name="complete (%)")),
                ("opened_on", models.DateField(verbose_name="opened on")),
                ("updated_by", models.CharField(max_length=150, verbose_name="updated by")),
                ("updated", models.DateTimeField(verbose_name="updated")),
                (
                    "institution",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="kernel.institution",
                    ),
                ),
            ],
            options={
                "verbose_name": "resident's health file",
                "verbose_name_plural": "residents' health files",
            },
        ),
        migrations.CreateModel(
            name="ServiceGiven",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.UUIDField(unique=True)),
                ("person_id", models.UUIDField(verbose_name="person")),
                ("patient_rid", models.BigIntegerField(null=True)),
                ("rid", models.BigIntegerField(null=True)),
                ("programme", models.CharField(blank=True, max_length=24, verbose_name="programme")),
                ("product", models.CharField(max_length=40, verbose_name="service")),
                ("day", models.DateField(verbose_name="day")),
                ("way", models.CharField(blank=True, max_length=12, verbose_name="how")),
                ("district_code", models.CharField(blank=True, max_length=12, verbose_name="district")),
                ("categories", models.CharField(blank=True, max_length=60)),
                ("given_by", models.CharField(max_length=150, verbose_name="given by")),
                ("values", models.JSONField(default=dict, verbose_name="values")),
                (
                    "control",
                    models.CharField(
                        blank=True,
                        choices=[("", "Not judged"), ("good", "Controlled"), ("poor", "Not controlled")],
                        default="",
                        max_length=8,
                        verbose_name="control",
                    ),
                ),
                ("on_time", models.BooleanField(null=True, verbose_name="on time")),
                ("note", models.CharField(blank=True, max_length=300, verbose_name="note")),
                ("recorded_by", models.CharField(max_length=150, verbose_name="recorded by")),
                ("recorded_at", models.DateTimeField(verbose_name="recorded")),
                ("undone_at", models.DateTimeField(null=True, verbose_name="taken back")),
                ("undone_by", models.CharField(blank=True, max_length=150, verbose_name="taken back by")),
                (
                    "entry",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="given",
                        to="prevention.programmeentry",
                        verbose_name="entry",
                    ),
                ),
                (
                    "institution",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="kernel.institution",
                        verbose_name="institution",
                    ),
                ),
            ],
            options={
                "verbose_name": "service given",
                "verbose_name_plural": "services given",
            },
        ),
        migrations.AddIndex(
            model_name="programmeentry",
            index=models.Index(
                fields=["person_id", "programme", "anchor_on"], name="prevention_entry_person"
            ),
        ),
        migrations.AddIndex(
            model_name="programmeentry",
            index=models.Index(fields=["institution", "programme", "state"], name="prevention_entry_place"),
        ),
        migrations.AddIndex(
            model_name="programmeentry",
            index=models.Index(fields=["doctor", "programme", "state"], name="prevention_entry_doctor"),
        ),
        migrations.AddIndex(
            model_name="programmeentry",
            index=models.Index(
                fields=["district_code", "programme", "state"], name="prevention_entry_district"
            ),
        ),
        migrations.AddIndex(
            model_name="programmeentry",
            index=models.Index(
                condition=models.Q(("patient_rid__isnull", False)),
                fields=["patient_rid"],
                name="prevention_entry_patient",
            ),
        ),
        migrations.AddIndex(
            model_name="programmeentry",
            index=models.Index(
                condition=models.Q(("rid__isnull", False)), fields=["rid"], name="prevention_entry_rid"
            ),
        ),
        migrations.AddConstraint(
            model_name="programmeentry",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "open")),
                fields=("person_id", "programme"),
                name="prevention_entry_open_once",
            ),
        ),
        migrations.AddIndex(
            model_name="dueservice",
            index=models.Index(fields=["doctor", "call_on"], name="prevention_due_doctor"),
        ),
        migrations.AddIndex(
            model_name="dueservice",
            index=models.Index(fields=["institution", "call_on"], name="prevention_due_place"),
        ),
        migrations.AddIndex(
            model_name="dueservice",
            index=models.Index(fields=["district_code", "call_on"], name="prevention_due_district"),
        ),
        migrations.AddIndex(
            model_name="dueservice",
            index=models.Index(fields=["call_on"], name="prevention_due_call"),
        ),
        migrations.AddConstraint(
            model_name="dueservice",
            constraint=models.UniqueConstraint(
                fields=("person_id", "service", "anchor_on"), name="prevention_due_once"
            ),
        ),
        migrations.AddIndex(
            model_name="servicegiven",
            index=models.Index(fields=["person_id", "product", "day"], name="prevention_given_person"),
        ),
        migrations.AddIndex(
            model_name="servicegiven",
            index=models.Index(fields=["institution", "day"], name="prevention_given_place"),
        ),
        migrations.AddIndex(
            model_name="servicegiven",
            index=models.Index(fields=["product", "day"], name="prevention_given_product"),
        ),
        migrations.AddIndex(
            model_name="servicegiven",
            index=models.Index(
                condition=models.Q(("patient_rid__isnull", False)),
                fields=["patient_rid"],
                name="prevention_given_patient",
            ),
        ),
        migrations.AddIndex(
            model_name="servicegiven",
            index=models.Index(
                condition=models.Q(("rid__isnull", False)), fields=["rid"], name="prevention_given_rid"
            ),
        ),
    ]
