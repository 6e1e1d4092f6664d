"""Tables of vaccines: batches, what clinics hold and every move of it, the cold chain, adverse events.

`left` of a holding is kept with every move and never below nothing: what was received equals what was given,
lost, passed on and is left. `product` is a code of the schedules.
"""

from django.db import models
from django.utils.translation import gettext_lazy as _

from salus.kernel.models import Institution
from salus.prevention.models.programme import ServiceGiven


class VaccineBatch(models.Model):
    """A batch of a vaccine as its maker released it."""

    product = models.CharField(_("vaccine"), max_length=40)
    number = models.CharField(_("batch number"), max_length=40)
    maker = models.CharField(_("maker"), max_length=120)
    expires_on = models.DateField(_("last day of use"))
    recalled_at = models.DateTimeField(_("recalled"), null=True)

    class Meta:
        """Names; a maker's batch number of a vaccine is unique."""

        verbose_name = _("vaccine batch")
        verbose_name_plural = _("vaccine batches")
        constraints = [
            models.UniqueConstraint(fields=["product", "number", "maker"], name="prevention_batch_once")
        ]

    def __str__(self) -> str:
        return f"{self.product} {self.number}"


class Fridge(models.Model):
    """A place where an institution keeps vaccines, with the temperatures that it has to keep (°C)."""

    institution = models.ForeignKey(
        Institution, on_delete=models.PROTECT, related_name="+", verbose_name=_("institution")
    )
    name = models.CharField(_("name"), max_length=60)
    low = models.FloatField(_("not below (°C)"), default=2.0)
    high = models.FloatField(_("not above (°C)"), default=8.0)

    class Meta:
        """Names; an institution's fridges have different names."""

        verbose_name = _("fridge")
        verbose_name_plural = _("fridges")
        constraints = [models.UniqueConstraint(fields=["institution", "name"], name="prevention_fridge_once")]

    def __str__(self) -> str:
        return self.name


class Holding(models.Model):
    """How many doses of a batch an institution has left in a fridge, and whether they may be given."""

    batch = models.ForeignKey(VaccineBatch, on_delete=models.PROTECT, related_name="holdings")
    institution = models.ForeignKey(
        Institution, on_delete=models.PROTECT, related_name="+", verbose_name=_("institution")
    )
    fridge = models.ForeignKey(Fridge, on_delete=models.PROTECT, related_name="holdings")
    left = models.PositiveIntegerField(_("doses left"), default=0)
    quarantined_at = models.DateTimeField(_("in quarantine since"), null=True)
    quarantine = models.CharField(_("why"), max_length=200, blank=True)

    class Meta:
        """Names; a batch stands once in a fridge, and never below nothing."""

        verbose_name = _("vaccine holding")
        verbose_name_plural = _("vaccine holdings")
        constraints = [
            models.UniqueConstraint(fields=["batch", "fridge"], name="prevention_holding_once"),
            models.CheckConstraint(condition=models.Q(left__gte=0), name="prevention_holding_not_negative"),
        ]


class MoveKind(models.TextChoices):
    """Why doses came or went."""

    RECEIPT = "receipt", _("Received")
    DOSE = "dose", _("Given")
    BACK = "back", _("Dose taken back")
    LOSS = "loss", _("Lost")
    OUT = "out", _("Passed on")
    IN = "in", _("Taken over")


class StockMove(models.Model):
    """A move of doses: `change` is what it adds to what is left. Never altered; a mistake is moved back.

    `given` is the dose's service given, `other` the holding at the other end of a transfer, `returned` says
    that a dose that was taken back is on the shelf again. `key` makes a move count once.
    """

    key = models.UUIDField(unique=True)
    holding = models.ForeignKey(Holding, on_delete=models.PROTECT, related_name="moves")
    kind = models.CharField(_("kind"), max_length=8, choices=MoveKind)
    change = models.IntegerField(_("doses"))
    day = models.DateField(_("day"))
    reason = models.CharField(_("reason"), max_length=200, blank=True)
    given = models.ForeignKey(ServiceGiven, null=True, on_delete=models.PROTECT, related_name="moves")
    other = models.ForeignKey(Holding, null=True, on_delete=models.PROTECT, related_name="+")
    returned = models.BooleanField(default=False)
    by = models.CharField(_("by"), max_length=150)
    at = models.DateTimeField(_("at"))

    class Meta:
        """Names."""

        verbose_name = _("move of vaccine")
        verbose_name_plural = _("moves of vaccine")
        ordering = ["-id"]
        indexes = [models.Index(fields=["kind", "returned"], name="prevention_move_kind")]


class ColdReading(models.Model):
    """A temperature read in a fridge."""

    fridge = models.ForeignKey(Fridge, on_delete=models.CASCADE, related_name="readings")
    at = models.DateTimeField(_("at"))
    celsius = models.FloatField(_("temperature (°C)"))
    by = models.CharField(_("by"), max_length=150)

    class Meta:
        """Names; a fridge has one reading at an instant."""

        verbose_name = _("cold chain reading")
        verbose_name_plural = _("cold chain readings")
        constraints = [models.UniqueConstraint(fields=["fridge", "at"], name="prevention_reading_once")]


class Excursion(models.Model):
    """A time in which a fridge was too warm or too cold; open until a reading is in range again."""

    fridge = models.ForeignKey(Fridge, on_delete=models.CASCADE, related_name="excursions")
    began = models.DateTimeField(_("began"))
    ended = models.DateTimeField(_("ended"), null=True)
    lowest = models.FloatField(_("lowest (°C)"))
    highest = models.FloatField(_("highest (°C)"))
    decided = models.CharField(_("decided"), max_length=10, blank=True)
    decided_by = models.CharField(_("decided by"), max_length=150, blank=True)
    decided_at = models.DateTimeField(_("decided at"), null=True)
    reason = models.CharField(_("reason"), max_length=300, blank=True)

    class Meta:
        """Names; a fridge has one open excursion."""

        verbose_name = _("cold chain excursion")
        verbose_name_plural = _("cold chain excursions")
        ordering = ["-began"]
        constraints = [
            models.UniqueConstraint(
                fields=["fridge"], condition=models.Q(ended=None), name="prevention_excursion_open_once"
            )
        ]


class AdverseEvent(models.Model):
    """Something untoward after a vaccination: what, how grave, by when it is reported, what caused it."""

    given = models.ForeignKey(ServiceGiven, on_delete=models.PROTECT, related_name="adverse_events")
    product = models.CharField(_("vaccine"), max_length=40)
    batch = models.ForeignKey(VaccineBatch, null=True, on_delete=models.PROTECT, related_name="+")
    institution = models.ForeignKey(
        Institution, null=True, on_delete=models.PROTECT, related_name="+", verbose_name=_("institution")
    )
    district_code = models.CharField(_("district"), max_length=12, blank=True)
    reaction = models.CharField(_("reaction"), max_length=40)
    onset = models.DateTimeField(_("onset"))
    serious = models.BooleanField(_("serious"))
    found_at = models.DateTimeField(_("became known"))
    report_by = models.DateTimeField(_("report by"))
    reported_at = models.DateTimeField(_("reported"), null=True)
    story = models.TextField(_("course"), blank=True)
    outcome = models.CharField(_("outcome"), max_length=12, blank=True)
    causality = models.CharField(_("cause"), max_length=20, blank=True)
    judged_by = models.CharField(_("judged by"), max_length=150, blank=True)
    judged_on = models.DateField(_("judged on"), null=True)
    recorded_by = models.CharField(_("recorded by"), max_length=150)
    updated = models.DateTimeField(_("updated"))

    class Meta:
        """Names, and the list of what has to be reported."""

        verbose_name = _("adverse event after vaccination")
        verbose_name_plural = _("adverse events after vaccination")
        indexes = [models.Index(fields=["reported_at", "report_by"], name="prevention_aefi_report")]


class BatchRecall(models.Model):
    """That a batch is recalled: its doses are not given any more, and who received it is told."""

    batch = models.OneToOneField(VaccineBatch, on_delete=models.PROTECT, related_name="recall")
    reason = models.CharField(_("reason"), max_length=300)
    advice = models.CharField(_("what to tell residents"), max_length=300)
    at = models.DateTimeField(_("recalled"))
    by = models.CharField(_("recalled by"), max_length=150)

    class Meta:
        """Names."""

        verbose_name = _("batch recall")
        verbose_name_plural = _("batch recalls")


class RecalledDose(models.Model):
    """A resident's dose of a recalled batch, worked off by the institution that answers for her."""

    recall = models.ForeignKey(BatchRecall, on_delete=models.CASCADE, related_name="doses")
    given = models.OneToOneField(ServiceGiven, on_delete=models.PROTECT, related_name="recalled")
    state = models.CharField(_("state"), max_length=12, default="open")
    at = models.DateTimeField(_("at"), null=True)
    by = models.CharField(_("by"), max_length=150, blank=True)
    note = models.CharField(_("note"), max_length=300, blank=True)

    class Meta:
        """Names."""

        verbose_name = _("recalled dose")
        verbose_name_plural = _("recalled doses")
