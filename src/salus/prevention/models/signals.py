"""Tables of detection: runs, alarms of every method, signals with their weeks, verdicts.

A signal is one finding in the tree of disease, district and institution (or a cluster of districts) in a
week; found again in the next weeks it continues. Nobody is named here: all are counts.
"""

from django.db import models
from django.utils.translation import gettext_lazy as _

from salus.prevention.models.notifiable import Outbreak


class RunState(models.TextChoices):
    """How a run stands."""

    RUNNING = "running", _("Running")
    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")


class SignalLevel(models.TextChoices):
    """Where in the tree a signal stands."""

    DISEASE = "disease", _("Whole city")
    DISTRICT = "district", _("District")
    INSTITUTION = "institution", _("Institution")
    CLUSTER = "cluster", _("Several districts")


class Verdict(models.TextChoices):
    """What an epidemiologist made of a signal."""

    OUTBREAK = "outbreak", _("True outbreak")
    FALSE = "false", _("False alarm")
    KNOWN = "known", _("Known already")
    ERROR = "error", _("Data error")
    WATCH = "watch", _("Under watch")


class DetectionRun(models.Model):
    """One look at all series: which week, what was known, how far it came and what it found."""

    week = models.DateField(_("week"))
    as_of = models.DateTimeField(_("data as of"))
    started_at = models.DateTimeField(_("started"))
    finished_at = models.DateTimeField(_("finished"), null=True)
    state = models.CharField(_("state"), max_length=8, choices=RunState, default=RunState.RUNNING)
    started_by = models.CharField(_("started by"), max_length=150)
    done = models.PositiveIntegerField(_("diseases done"), default=0)
    total = models.PositiveIntegerField(_("diseases"), default=0)
    series = models.PositiveIntegerField(_("series"), default=0)
    judged = models.PositiveIntegerField(_("series judged"), default=0)
    alarms = models.PositiveIntegerField(_("alarms"), default=0)
    signals = models.PositiveIntegerField(_("signals"), default=0)
    seconds = models.JSONField(_("time taken"), default=dict)
    error = models.CharField(_("error"), max_length=300, blank=True)

    class Meta:
        """Names."""

        verbose_name = _("detection run")
        verbose_name_plural = _("detection runs")
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.week} ({self.state})"


class Alarm(models.Model):
    """A series and week in which a method found the count too high, whether shown or run silently beside."""

    week = models.DateField(_("week"))
    use = models.CharField(_("method in use"), max_length=40)
    shadow = models.BooleanField(_("silent"), default=False)
    disease = models.CharField(_("disease"), max_length=40)
    level = models.CharField(_("level"), max_length=12, choices=SignalLevel)
    district_code = models.CharField(_("district"), max_length=12, blank=True)
    institution_code = models.CharField(_("institution"), max_length=40, blank=True)
    observed = models.FloatField(_("observed"))
    expected = models.FloatField(_("expected"), null=True)
    bound = models.FloatField(_("bound"), null=True)
    pvalue = models.FloatField(_("p-value"), null=True)
    score = models.FloatField(_("score"), null=True)

    class Meta:
        """Names; one row a method, series and week."""

        verbose_name = _("alarm")
        verbose_name_plural = _("alarms")
        constraints = [
            models.UniqueConstraint(
                fields=["week", "use", "disease", "district_code", "institution_code"],
                name="prevention_alarm_once",
            )
        ]
        indexes = [models.Index(fields=["disease", "week"], name="prevention_alarm_disease")]

    def __str__(self) -> str:
        return f"{self.disease} {self.week} {self.use}"


class Signal(models.Model):
    """A count too high, as shown to an epidemiologist, with all that explains it.

    Counts: `reported` are the cases known, `observed` what they come to once the reports under way are in,
    `expected` and `bound` of the whole week. `share` is the part of the week's cases that was reported.
    `verdict` repeats the latest of `verdicts` that stands. `withdrawn`: later reports took the finding back
    before anybody judged it.
    """

    disease = models.CharField(_("disease"), max_length=40)
    level = models.CharField(_("level"), max_length=12, choices=SignalLevel)
    district_code = models.CharField(_("district"), max_length=12, blank=True)
    districts = models.JSONField(_("districts"), default=list)
    institution_code = models.CharField(_("institution"), max_length=40, blank=True)
    first_week = models.DateField(_("since week"))
    last_week = models.DateField(_("last week"))
    weeks = models.PositiveIntegerField(_("weeks"), default=1)
    method = models.CharField(_("method"), max_length=40)
    options = models.JSONField(_("settings"), default=dict)
    reason = models.CharField(_("reason"), max_length=40, blank=True)
    reported = models.FloatField(_("reported"))
    share = models.FloatField(_("share reported"), default=1.0)
    observed = models.FloatField(_("observed"))
    expected = models.FloatField(_("expected"))
    bound = models.FloatField(_("bound"), null=True)
    pvalue = models.FloatField(_("p-value"))
    excess = models.FloatField(_("excess"))
    explains = models.JSONField(_("explains"), default=list)
    as_of = models.DateTimeField(_("data as of"))
    priority = models.FloatField(_("priority"), default=0.0)
    withdrawn = models.BooleanField(_("withdrawn"), default=False)
    verdict = models.CharField(_("verdict"), max_length=8, choices=Verdict, blank=True, default="")
    verdict_excess = models.FloatField(_("excess when judged"), null=True)
    outbreak = models.ForeignKey(
        Outbreak, null=True, on_delete=models.SET_NULL, related_name="signals", verbose_name=_("outbreak")
    )

    class Meta:
        """Names."""

        verbose_name = _("signal")
        verbose_name_plural = _("signals")
        indexes = [
            models.Index(fields=["-last_week", "-priority"], name="prevention_signal_newest"),
            models.Index(
                fields=["disease", "level", "district_code", "last_week"], name="prevention_signal_same"
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.disease} {self.level} {self.district_code or '-'} {self.first_week}"

    @property
    def ratio(self) -> float | None:
        """How many times the expected count; None where nothing was expected."""
        return self.observed / self.expected if self.expected > 0 else None

    @property
    def grown(self) -> bool:
        """Whether the excess has grown by half or more since the verdict."""
        return self.verdict_excess is not None and self.excess >= 1.5 * max(self.verdict_excess, 1.0)


class SignalWeek(models.Model):
    """What a signal was in one of its weeks; judged again, the latest data count."""

    signal = models.ForeignKey(Signal, on_delete=models.CASCADE, related_name="history")
    run = models.ForeignKey(DetectionRun, on_delete=models.PROTECT, related_name="found")
    week = models.DateField(_("week"))
    reported = models.FloatField(_("reported"))
    observed = models.FloatField(_("observed"))
    expected = models.FloatField(_("expected"))
    bound = models.FloatField(_("bound"), null=True)
    pvalue = models.FloatField(_("p-value"))
    excess = models.FloatField(_("excess"))

    class Meta:
        """Names; one row a week."""

        verbose_name = _("week of a signal")
        verbose_name_plural = _("weeks of signals")
        ordering = ["-week"]
        constraints = [models.UniqueConstraint(fields=["signal", "week"], name="prevention_signal_week_once")]

    def __str__(self) -> str:
        return f"{self.signal_id} {self.week}"


class SignalVerdict(models.Model):
    """A verdict on a signal; one taken back stays, with who took it back."""

    signal = models.ForeignKey(Signal, on_delete=models.CASCADE, related_name="verdicts")
    verdict = models.CharField(_("verdict"), max_length=8, choices=Verdict)
    note = models.TextField(_("note"), blank=True)
    outbreak = models.ForeignKey(
        Outbreak, null=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("outbreak")
    )
    began_on = models.DateField(_("outbreak began on"), null=True)
    excess = models.FloatField(_("excess when judged"))
    by = models.CharField(_("by"), max_length=150)
    at = models.DateTimeField(_("at"))
    undone_by = models.CharField(_("taken back by"), max_length=150, blank=True)
    undone_at = models.DateTimeField(_("taken back"), null=True)

    class Meta:
        """Names, the newest first."""

        verbose_name = _("verdict")
        verbose_name_plural = _("verdicts")
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.signal_id} {self.verdict}"
