import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from salus.kernel import migrating


class Migration(migrating.Migration):
    dependencies = [
        ("kernel", "0003_commit_reveal"),
        ("prevention", "0001_notifiable"),
    ]

    operations = [
        migrations.CreateModel(
            name="Emergency",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("title", models.CharField(max_length=120, verbose_name="title")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("infectious", "Infectious disease"),
                            ("unexplained", "Disease of unknown cause in a group"),
                            ("food_poisoning", "Food poisoning"),
                            ("occupational_poisoning", "Acute occupational poisoning"),
                            ("other_poisoning", "Other acute poisoning"),
                            ("vaccination", "Reactions to vaccination or medicine"),
                            ("healthcare_infection", "Healthcare-associated infection"),
                            ("pathogen_loss", "Loss of pathogens"),
                            ("radiation", "Accidental irradiation"),
                            ("environment", "Change of the environment"),
                        ],
                        max_length=24,
                        verbose_name="kind",
                    ),
                ),
                ("disease", models.CharField(blank=True, max_length=40, verbose_name="disease")),
                ("form", models.CharField(blank=True, max_length=20, verbose_name="form of the disease")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("proposed", "Proposed"),
                            ("open", "Open"),
                            ("closed", "Ended"),
                            ("rejected", "Rejected"),
                        ],
                        default="proposed",
                        max_length=8,
                        verbose_name="state",
                    ),
                ),
                (
                    "origin",
                    models.CharField(
                        choices=[
                            ("cases", "From the cases"),
                            ("outbreak", "From an outbreak"),
                            ("report", "Reported by a person"),
                        ],
                        max_length=8,
                        verbose_name="known from",
                    ),
                ),
                (
                    "grade",
                    models.PositiveSmallIntegerField(
                        choices=[
                            (1, "Grade I"),
                            (2, "Grade II"),
                            (3, "Grade III"),
                            (4, "Grade IV"),
                            (5, "To be reported"),
                        ],
                        null=True,
                        verbose_name="grade",
                    ),
                ),
                ("district_code", models.CharField(blank=True, max_length=12, verbose_name="district")),
                ("place", models.CharField(blank=True, max_length=120, verbose_name="place")),
                ("flags", models.JSONField(default=list, verbose_name="statements")),
                ("began_on", models.DateField(verbose_name="began on")),
                ("noticed_at", models.DateTimeField(verbose_name="noticed")),
                ("report_due_at", models.DateTimeField(verbose_name="report due")),
                ("reported_at", models.DateTimeField(null=True, verbose_name="reported upwards")),
                ("next_report_at", models.DateTimeField(null=True, verbose_name="next situation report due")),
                ("danger_removed_on", models.DateField(null=True, verbose_name="danger removed on")),
                ("opened_at", models.DateTimeField(null=True, verbose_name="response begun")),
                ("closed_at", models.DateTimeField(null=True, verbose_name="response ended")),
                ("opened_by", models.CharField(max_length=150, verbose_name="entered by")),
                ("note", models.TextField(blank=True, verbose_name="what is known")),
                ("created", models.DateTimeField(verbose_name="created")),
                ("updated", models.DateTimeField(verbose_name="updated")),
                (
                    "outbreak",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="emergencies",
                        to="prevention.outbreak",
                        verbose_name="outbreak",
                    ),
                ),
            ],
            options={
                "verbose_name": "emergency",
                "verbose_name_plural": "emergencies",
            },
        ),
        migrations.CreateModel(
            name="EmergencyAct",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField(verbose_name="at")),
                ("by", models.CharField(blank=True, max_length=150, verbose_name="by")),
                ("kind", models.CharField(max_length=24, verbose_name="kind")),
                ("params", models.JSONField(default=dict)),
                ("note", models.CharField(blank=True, max_length=500, verbose_name="note")),
                (
                    "emergency",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="acts",
                        to="prevention.emergency",
                    ),
                ),
            ],
            options={
                "verbose_name": "act in an emergency",
                "verbose_name_plural": "acts in emergencies",
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="EmergencyCount",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("day", models.DateField(verbose_name="day")),
                ("district_code", models.CharField(blank=True, max_length=12, verbose_name="district")),
                (
                    "unit",
                    models.CharField(blank=True, max_length=120, verbose_name="school, company or site"),
                ),
                ("cases", models.PositiveIntegerField(verbose_name="persons ill")),
                ("severe", models.PositiveIntegerField(default=0, verbose_name="of them severe")),
                ("in_hospital", models.PositiveIntegerField(default=0, verbose_name="of them in hospital")),
                ("deaths", models.PositiveIntegerField(default=0, verbose_name="deaths")),
                ("entered_by", models.CharField(max_length=150, verbose_name="entered by")),
                ("entered_at", models.DateTimeField(verbose_name="entered at")),
                (
                    "emergency",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="counts",
                        to="prevention.emergency",
                    ),
                ),
            ],
            options={
                "verbose_name": "count of an emergency",
                "verbose_name_plural": "counts of emergencies",
                "ordering": ["day", "district_code", "unit"],
            },
        ),
        migrations.CreateModel(
            name="EmergencyTask",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("code", models.CharField(blank=True, max_length=40)),
                ("title", models.CharField(max_length=160, verbose_name="task")),
                ("title_zh", models.CharField(blank=True, max_length=160, verbose_name="task (Chinese)")),
                ("role", models.CharField(max_length=20, verbose_name="role")),
                (
                    "state",
                    models.CharField(
                        choices=[("open", "Open"), ("done", "Done"), ("dropped", "Not needed")],
                        default="open",
                        max_length=7,
                        verbose_name="state",
                    ),
                ),
                ("due_at", models.DateTimeField(verbose_name="due")),
                ("done_at", models.DateTimeField(null=True, verbose_name="done")),
                ("done_by", models.CharField(blank=True, max_length=150, verbose_name="done by")),
                ("note", models.CharField(blank=True, max_length=500, verbose_name="note")),
                ("created", models.DateTimeField(verbose_name="created")),
                (
                    "assignee",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="taken by",
                    ),
                ),
                (
                    "emergency",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="tasks",
                        to="prevention.emergency",
                    ),
                ),
            ],
            options={
                "verbose_name": "task",
                "verbose_name_plural": "tasks",
                "ordering": ["due_at", "id"],
            },
        ),
        migrations.CreateModel(
            name="GradingProposal",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "act",
                    models.CharField(
                        choices=[
                            ("open", "Begin the response"),
                            ("escalate", "Raise the grade"),
                            ("lower", "Lower the grade"),
                            ("stand-down", "End the response"),
                        ],
                        max_length=10,
                        verbose_name="proposal",
                    ),
                ),
                (
                    "grade",
                    models.PositiveSmallIntegerField(
                        choices=[
                            (1, "Grade I"),
                            (2, "Grade II"),
                            (3, "Grade III"),
                            (4, "Grade IV"),
                            (5, "To be reported"),
                        ],
                        verbose_name="grade",
                    ),
                ),
                ("day", models.DateField(verbose_name="as of")),
                ("evidence", models.JSONField(default=dict, verbose_name="evidence")),
                ("version", models.CharField(max_length=12, verbose_name="rules")),
                ("digest", models.CharField(max_length=16)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waits for a decision"),
                            ("confirmed", "Confirmed"),
                            ("changed", "Confirmed with another grade"),
                            ("rejected", "Rejected"),
                            ("overtaken", "Overtaken by newer evidence"),
                        ],
                        default="waiting",
                        max_length=9,
                        verbose_name="state",
                    ),
                ),
                ("proposed_by", models.CharField(blank=True, max_length=150, verbose_name="proposed by")),
                ("proposed_at", models.DateTimeField(verbose_name="proposed")),
                ("decided_by", models.CharField(blank=True, max_length=150, verbose_name="decided by")),
                ("decided_at", models.DateTimeField(null=True, verbose_name="decided")),
                (
                    "decided_grade",
                    models.PositiveSmallIntegerField(
                        choices=[
                            (1, "Grade I"),
                            (2, "Grade II"),
                            (3, "Grade III"),
                            (4, "Grade IV"),
                            (5, "To be reported"),
                        ],
                        null=True,
                        verbose_name="decided grade",
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=500, verbose_name="reason")),
                (
                    "emergency",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="proposals",
                        to="prevention.emergency",
                    ),
                ),
            ],
            options={
                "verbose_name": "proposal",
                "verbose_name_plural": "proposals",
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="ResourceRequest",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("item", models.CharField(max_length=120, verbose_name="item")),
                ("quantity", models.PositiveIntegerField(verbose_name="quantity")),
                ("unit", models.CharField(blank=True, max_length=24, verbose_name="unit")),
                ("wanted_by", models.DateTimeField(verbose_name="wanted by")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("asked", "Asked for"),
                            ("granted", "Granted"),
                            ("sent", "On its way"),
                            ("arrived", "Arrived"),
                            ("refused", "Refused"),
                        ],
                        default="asked",
                        max_length=8,
                        verbose_name="state",
                    ),
                ),
                ("given", models.PositiveIntegerField(default=0, verbose_name="given so far")),
                ("note", models.CharField(blank=True, max_length=300, verbose_name="note")),
                ("asked_by", models.CharField(max_length=150, verbose_name="asked by")),
                ("asked_at", models.DateTimeField(verbose_name="asked")),
                ("updated", models.DateTimeField(verbose_name="updated")),
                (
                    "emergency",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="requests",
                        to="prevention.emergency",
                    ),
                ),
            ],
            options={
                "verbose_name": "request for resources",
                "verbose_name_plural": "requests for resources",
                "ordering": ["wanted_by", "id"],
            },
        ),
        migrations.CreateModel(
            name="SituationReport",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveIntegerField(verbose_name="number")),
                ("version", models.PositiveIntegerField(default=1, verbose_name="version")),
                ("final", models.BooleanField(default=False, verbose_name="closing report")),
                ("day", models.DateField(verbose_name="as of")),
                (
                    "state",
                    models.CharField(
                        choices=[("draft", "Draft"), ("issued", "Issued"), ("replaced", "Replaced")],
                        default="draft",
                        max_length=8,
                        verbose_name="state",
                    ),
                ),
                ("figures", models.JSONField(default=dict)),
                ("situation", models.TextField(blank=True, verbose_name="situation")),
                ("measures", models.TextField(blank=True, verbose_name="measures")),
                ("needs", models.TextField(blank=True, verbose_name="needs")),
                ("outlook", models.TextField(blank=True, verbose_name="assessment and next steps")),
                ("created", models.DateTimeField(verbose_name="created")),
                ("edited_by", models.CharField(blank=True, max_length=150, verbose_name="edited by")),
                ("issued_by", models.CharField(blank=True, max_length=150, verbose_name="issued by")),
                ("issued_at", models.DateTimeField(null=True, verbose_name="issued")),
                (
                    "emergency",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="reports",
                        to="prevention.emergency",
                    ),
                ),
            ],
            options={
                "verbose_name": "situation report",
                "verbose_name_plural": "situation reports",
                "ordering": ["-number", "-version"],
            },
        ),
        migrations.AddIndex(
            model_name="emergency",
            index=models.Index(fields=["state", "grade", "-noticed_at"], name="prevention_emerg_state"),
        ),
        migrations.AddConstraint(
            model_name="emergency",
            constraint=models.UniqueConstraint(
                condition=models.Q(("origin", "cases"), ("state__in", ["proposed", "open"])),
                fields=("disease", "district_code"),
                name="prevention_emerg_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="emergency",
            constraint=models.UniqueConstraint(
                condition=models.Q(("origin", "outbreak"), ("state__in", ["proposed", "open"])),
                fields=("outbreak",),
                name="prevention_emerg_outbreak",
            ),
        ),
        migrations.AddConstraint(
            model_name="emergencycount",
            constraint=models.UniqueConstraint(
                fields=("emergency", "day", "district_code", "unit"), name="prevention_emerg_count"
            ),
        ),
        migrations.AddConstraint(
            model_name="emergencycount",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("severe__lte", models.F("cases")), ("in_hospital__lte", models.F("cases"))
                ),
                name="prevention_emerg_of_them",
            ),
        ),
        migrations.AddIndex(
            model_name="emergencytask",
            index=models.Index(fields=["state", "due_at"], name="prevention_emerg_task"),
        ),
        migrations.AddConstraint(
            model_name="emergencytask",
            constraint=models.UniqueConstraint(
                condition=models.Q(("code", ""), _negated=True),
                fields=("emergency", "code"),
                name="prevention_emerg_task_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="gradingproposal",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "waiting")),
                fields=("emergency",),
                name="prevention_emerg_waiting",
            ),
        ),
        migrations.AddConstraint(
            model_name="situationreport",
            constraint=models.UniqueConstraint(
                fields=("emergency", "number", "version"), name="prevention_emerg_report"
            ),
        ),
        migrations.AddConstraint(
            model_name="situationreport",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "draft")), fields=("emergency",), name="prevention_emerg_draft"
            ),
        ),
    ]
