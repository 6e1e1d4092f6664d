"""Tables of emergencies: events with their grade, proposals, counts, tasks, requests, reports and acts.

An emergency names no resident: persons are counted by day and place. `grade` is what a person confirmed (1 to
4; 5: to be reported, below grade IV), null until then.
"""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from salus.kernel.models import Account
from salus.prevention.models.notifiable import Outbreak


class EmergencyKind(models.TextChoices):
    """Kinds of events, as the grading rules name them."""

    INFECTIOUS = "infectious", _("Infectious disease")
    UNEXPLAINED = "unexplained", _("Disease of unknown cause in a group")
    FOOD_POISONING = "food_poisoning", _("Food poisoning")
    OCCUPATIONAL_POISONING = "occupational_poisoning", _("Acute occupational poisoning")
    OTHER_POISONING = "other_poisoning", _("Other acute poisoning")
    VACCINATION = "vaccination", _("Reactions to vaccination or medicine")
    HEALTHCARE_INFECTION = "healthcare_infection", _("Healthcare-associated infection")
    PATHOGEN_LOSS = "pathogen_loss", _("Loss of pathogens")
    RADIATION = "radiation", _("Accidental irradiation")
    ENVIRONMENT = "environment", _("Change of the environment")


class EmergencyGrade(models.IntegerChoices):
    """The four grades, and what is reported below them."""

    I = 1, _("Grade I")  # noqa: E741 - the norm's own name
    II = 2, _("Grade II")
    III = 3, _("Grade III")
    IV = 4, _("Grade IV")
    NOTICE = 5, _("To be reported")


class EmergencyState(models.TextChoices):
    """How far an emergency has come."""

    PROPOSED = "proposed", _("Proposed")
    OPEN = "open", pgettext_lazy("emergency", "Open")
    CLOSED = "closed", _("Ended")
    REJECTED = "rejected", _("Rejected")


class EmergencyOrigin(models.TextChoices):
    """How the platform came to know of it."""

    CASES = "cases", _("From the cases")
    OUTBREAK = "outbreak", _("From an outbreak")
    REPORT = "report", _("Reported by a person")


class Emergency(models.Model):
    """An event that is or may be a public health emergency.

    `noticed_at` starts the clock: `report_due_at` is when the first report upwards is due, `reported_at` when
    it was made. `flags` are statements of a person that rules ask for. `next_report_at` is when the next
    situation report is due. `danger_removed_on` is a person's statement for the stand-down.
    """

    title = models.CharField(_("title"), max_length=120)
    kind = models.CharField(_("kind"), max_length=24, choices=EmergencyKind)
    disease = models.CharField(_("disease"), max_length=40, blank=True)
    form = models.CharField(_("form of the disease"), max_length=20, blank=True)
    state = models.CharField(
        _("state"), max_length=8, choices=EmergencyState, default=EmergencyState.PROPOSED
    )
    origin = models.CharField(_("known from"), max_length=8, choices=EmergencyOrigin)
    grade = models.PositiveSmallIntegerField(_("grade"), choices=EmergencyGrade, null=True)
    district_code = models.CharField(_("district"), max_length=12, blank=True)
    place = models.CharField(_("place"), max_length=120, blank=True)
    flags = models.JSONField(_("statements"), default=list)
    outbreak = models.ForeignKey(
        Outbreak, null=True, on_delete=models.SET_NULL, related_name="emergencies", verbose_name=_("outbreak")
    )
    began_on = models.DateField(_("began on"))
    noticed_at = models.DateTimeField(_("noticed"))
    report_due_at = models.DateTimeField(_("report due"))
    reported_at = models.DateTimeField(_("reported upwards"), null=True)
    next_report_at = models.DateTimeField(_("next situation report due"), null=True)
    danger_removed_on = models.DateField(_("danger removed on"), null=True)
    opened_at = models.DateTimeField(_("response begun"), null=True)
    closed_at = models.DateTimeField(_("response ended"), null=True)
    opened_by = models.CharField(_("entered by"), max_length=150)
    note = models.TextField(_("what is known"), blank=True)
    created = models.DateTimeField(_("created"))
    updated = models.DateTimeField(_("updated"))

    class Meta:
        """Names; cases raise one emergency of a disease in a place at a time."""

        verbose_name = _("emergency")
        verbose_name_plural = _("emergencies")
        indexes = [models.Index(fields=["state", "grade", "-noticed_at"], name="prevention_emerg_state")]
        constraints = [
            models.UniqueConstraint(
                fields=["disease", "district_code"],
                condition=Q(origin="cases", state__in=["proposed", "open"]),
                name="prevention_emerg_once",
            ),
            models.UniqueConstraint(
                fields=["outbreak"],
                condition=Q(origin="outbreak", state__in=["proposed", "open"]),
                name="prevention_emerg_outbreak",
            ),
        ]

    def __str__(self) -> str:
        return self.title


class EmergencyCount(models.Model):
    """Persons newly affected on a day in a place, as somebody reports them."""

    emergency = models.ForeignKey(Emergency, on_delete=models.CASCADE, related_name="counts")
    day = models.DateField(_("day"))
    district_code = models.CharField(_("district"), max_length=12, blank=True)
    unit = models.CharField(_("school, company or site"), max_length=120, blank=True)
    cases = models.PositiveIntegerField(_("persons ill"))
    severe = models.PositiveIntegerField(_("of them severe"), default=0)
    in_hospital = models.PositiveIntegerField(_("of them in hospital"), default=0)
    deaths = models.PositiveIntegerField(_("deaths"), default=0)
    entered_by = models.CharField(_("entered by"), max_length=150)
    entered_at = models.DateTimeField(_("entered at"))

    class Meta:
        """Names; a day and place stands once, entering it again corrects it."""

        verbose_name = _("count of an emergency")
        verbose_name_plural = _("counts of emergencies")
        ordering = ["day", "district_code", "unit"]
        constraints = [
            models.UniqueConstraint(
                fields=["emergency", "day", "district_code", "unit"], name="prevention_emerg_count"
            ),
            models.CheckConstraint(
                condition=Q(severe__lte=models.F("cases")) & Q(in_hospital__lte=models.F("cases")),
                name="prevention_emerg_of_them",
            ),
        ]


class ProposalAct(models.TextChoices):
    """What is proposed."""

    OPEN = "open", _("Begin the response")
    ESCALATE = "escalate", _("Raise the grade")
    LOWER = "lower", _("Lower the grade")
    STAND_DOWN = "stand-down", _("End the response")


class ProposalState(models.TextChoices):
    """What became of a proposal."""

    WAITING = "waiting", _("Waits for a decision")
    CONFIRMED = "confirmed", pgettext_lazy("proposal", "Confirmed")
    CHANGED = "changed", _("Confirmed with another grade")
    REJECTED = "rejected", _("Rejected")
    OVERTAKEN = "overtaken", _("Overtaken by newer evidence")


class GradingProposal(models.Model):
    """What the rules propose, with the evidence, and what a person made of it; never changed after.

    `evidence` holds each rule met (its number, words, source, counts, window, places) and what a higher grade
    lacks; `version` is the digest of the rules asked; `digest` tells whether the evidence is new.
    """

    emergency = models.ForeignKey(Emergency, on_delete=models.CASCADE, related_name="proposals")
    act = models.CharField(_("proposal"), max_length=10, choices=ProposalAct)
    grade = models.PositiveSmallIntegerField(_("grade"), choices=EmergencyGrade)
    day = models.DateField(_("as of"))
    evidence = models.JSONField(_("evidence"), default=dict)
    version = models.CharField(_("rules"), max_length=12)
    digest = models.CharField(max_length=16)
    state = models.CharField(_("state"), max_length=9, choices=ProposalState, default=ProposalState.WAITING)
    proposed_by = models.CharField(_("proposed by"), max_length=150, blank=True)
    proposed_at = models.DateTimeField(_("proposed"))
    decided_by = models.CharField(_("decided by"), max_length=150, blank=True)
    decided_at = models.DateTimeField(_("decided"), null=True)
    decided_grade = models.PositiveSmallIntegerField(_("decided grade"), choices=EmergencyGrade, null=True)
    reason = models.CharField(_("reason"), max_length=500, blank=True)

    class Meta:
        """Names; one proposal of an emergency waits at a time."""

        verbose_name = _("proposal")
        verbose_name_plural = _("proposals")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["emergency"], condition=Q(state="waiting"), name="prevention_emerg_waiting"
            )
        ]


class TaskState(models.TextChoices):
    """How a task stands."""

    OPEN = "open", pgettext_lazy("task", "Open")
    DONE = "done", pgettext_lazy("task", "Done")
    DROPPED = "dropped", _("Not needed")


class EmergencyTask(models.Model):
    """Something to be done in the response; `code` is the plan's, empty where a person added it."""

    emergency = models.ForeignKey(Emergency, on_delete=models.CASCADE, related_name="tasks")
    code = models.CharField(max_length=40, blank=True)
    title = models.CharField(_("task"), max_length=160)
    title_zh = models.CharField(_("task (Chinese)"), max_length=160, blank=True)
    role = models.CharField(_("role"), max_length=20)
    state = models.CharField(_("state"), max_length=7, choices=TaskState, default=TaskState.OPEN)
    due_at = models.DateTimeField(_("due"))
    assignee = models.ForeignKey(
        Account, null=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("taken by")
    )
    done_at = models.DateTimeField(_("done"), null=True)
    done_by = models.CharField(_("done by"), max_length=150, blank=True)
    note = models.CharField(_("note"), max_length=500, blank=True)
    created = models.DateTimeField(_("created"))

    class Meta:
        """Names; a task of the plan stands once in an emergency."""

        verbose_name = _("task")
        verbose_name_plural = _("tasks")
        ordering = ["due_at", "id"]
        indexes = [models.Index(fields=["state", "due_at"], name="prevention_emerg_task")]
        constraints = [
            models.UniqueConstraint(
                fields=["emergency", "code"], condition=~Q(code=""), name="prevention_emerg_task_once"
            )
        ]


class RequestState(models.TextChoices):
    """How a request for resources stands."""

    ASKED = "asked", _("Asked for")
    GRANTED = "granted", _("Granted")
    SENT = "sent", _("On its way")
    ARRIVED = "arrived", _("Arrived")
    REFUSED = "refused", _("Refused")


class ResourceRequest(models.Model):
    """What the response needs: so many of an item by an instant."""

    emergency = models.ForeignKey(Emergency, on_delete=models.CASCADE, related_name="requests")
    item = models.CharField(_("item"), max_length=120)
    quantity = models.PositiveIntegerField(_("quantity"))
    unit = models.CharField(_("unit"), max_length=24, blank=True)
    wanted_by = models.DateTimeField(_("wanted by"))
    state = models.CharField(_("state"), max_length=8, choices=RequestState, default=RequestState.ASKED)
    given = models.PositiveIntegerField(_("given so far"), default=0)
    note = models.CharField(_("note"), max_length=300, blank=True)
    asked_by = models.CharField(_("asked by"), max_length=150)
    asked_at = models.DateTimeField(_("asked"))
    updated = models.DateTimeField(_("updated"))

    class Meta:
        """Names."""

        verbose_name = _("request for resources")
        verbose_name_plural = _("requests for resources")
        ordering = ["wanted_by", "id"]


class ReportState(models.TextChoices):
    """How a situation report stands."""

    DRAFT = "draft", _("Draft")
    ISSUED = "issued", _("Issued")
    REPLACED = "replaced", _("Replaced")


class SituationReport(models.Model):
    """A day's report on an emergency. Once issued it is never changed: a correction is its next version.

    `figures` are the numbers as they stood (and names in both languages), so that it can be written again.
    """

    emergency = models.ForeignKey(Emergency, on_delete=models.CASCADE, related_name="reports")
    number = models.PositiveIntegerField(_("number"))
    version = models.PositiveIntegerField(_("version"), default=1)
    final = models.BooleanField(_("closing report"), default=False)
    day = models.DateField(_("as of"))
    state = models.CharField(_("state"), max_length=8, choices=ReportState, default=ReportState.DRAFT)
    figures = models.JSONField(default=dict)
    situation = models.TextField(_("situation"), blank=True)
    measures = models.TextField(_("measures"), blank=True)
    needs = models.TextField(_("needs"), blank=True)
    outlook = models.TextField(_("assessment and next steps"), blank=True)
    created = models.DateTimeField(_("created"))
    edited_by = models.CharField(_("edited by"), max_length=150, blank=True)
    issued_by = models.CharField(_("issued by"), max_length=150, blank=True)
    issued_at = models.DateTimeField(_("issued"), null=True)

    class Meta:
        """Names."""

        verbose_name = _("situation report")
        verbose_name_plural = _("situation reports")
        ordering = ["-number", "-version"]
        constraints = [
            models.UniqueConstraint(
                fields=["emergency", "number", "version"], name="prevention_emerg_report"
            ),
            models.UniqueConstraint(
                fields=["emergency"], condition=Q(state="draft"), name="prevention_emerg_draft"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.number}.{self.version}"


class EmergencyAct(models.Model):
    """What happened in an emergency, in order; never changed."""

    emergency = models.ForeignKey(Emergency, on_delete=models.CASCADE, related_name="acts")
    at = models.DateTimeField(_("at"))
    by = models.CharField(_("by"), max_length=150, blank=True)
    kind = models.CharField(_("kind"), max_length=24)
    params = models.JSONField(default=dict)
    note = models.CharField(_("note"), max_length=500, blank=True)

    class Meta:
        """Names."""

        verbose_name = _("act in an emergency")
        verbose_name_plural = _("acts in emergencies")
        ordering = ["-id"]
