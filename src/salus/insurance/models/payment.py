"""Tables of payment by group: settlements with their parameters and results, and comparisons of methods."""

from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from salus.insurance.models.fund import Fund, PaymentBatch
from salus.kernel.errors import Conflict
from salus.kernel.models import Institution


class GroupMethod(models.TextChoices):
    """How stays were paid."""

    DRG = "drg", _("By DRG weight")
    DIP = "dip", _("By DIP points")


class PublicationState(models.TextChoices):
    """Who sees a result: the agency alone, or the institutions too."""

    DRAFT = "draft", _("Draft")
    PUBLISHED = "published", _("Published")
    WITHDRAWN = "withdrawn", _("Withdrawn")


class Immutable(models.Model):
    """A row that is written once: changing or deleting it raises `Conflict`."""

    class Meta:
        """No table of its own."""

        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Store the row; raises `Conflict` where it is stored already."""
        if not self._state.adding:
            raise Conflict("settlement-immutable", "A result is never changed; record a new version")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Raise `Conflict`: results are withdrawn, not deleted."""
        raise Conflict("settlement-immutable", "A result is never deleted; withdraw it")


class SettlementRun(models.Model):
    """A year settled by one method: the version, what it was computed from and with, and who sees it.

    Only the state changes, by `services.settlement`. Money is fen, ratios in `parameters` ten-thousandths.
    """

    method = models.CharField(_("method"), max_length=10, choices=GroupMethod)
    year = models.PositiveSmallIntegerField(_("year"))
    version = models.PositiveSmallIntegerField(_("version"))
    state = models.CharField(
        _("state"), max_length=10, choices=PublicationState, default=PublicationState.DRAFT
    )
    parameters = models.JSONField(_("parameters"))
    parameters_on = models.DateField(_("parameters as of"))
    input_digest = models.CharField(_("digest of the cases"), max_length=64, blank=True)
    result_digest = models.CharField(_("digest of the result"), max_length=64, unique=True)
    cases = models.PositiveIntegerField(_("cases"))
    refused = models.PositiveIntegerField(_("rows refused"))
    recorded_at = models.DateTimeField(_("recorded at"))
    recorded_by = models.CharField(_("recorded by"), max_length=150)

    class Meta:
        """Names; a version stands once."""

        verbose_name = _("settlement")
        verbose_name_plural = _("settlements")
        ordering: ClassVar = ["-year", "method", "-version"]
        constraints = [
            models.UniqueConstraint(
                fields=["method", "year", "version"], name="insurance_settlement_version"
            ),
            models.UniqueConstraint(
                fields=["method", "year"],
                condition=models.Q(state="published"),
                name="insurance_settlement_one_published",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.year} {self.method} {self.version}"


class SettlementChange(Immutable):
    """That a settlement went from one state to another, by whom and why; `undoes` is what it takes back."""

    run = models.ForeignKey(SettlementRun, on_delete=models.PROTECT, related_name="changes")
    before = models.CharField(_("before"), max_length=10, choices=PublicationState)
    after = models.CharField(_("after"), max_length=10, choices=PublicationState)
    reason = models.CharField(_("reason"), max_length=500, blank=True)
    undoes = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="undone_by"
    )
    made_at = models.DateTimeField(_("made at"))
    made_by = models.CharField(_("made by"), max_length=150)

    class Meta:
        """Names, and the newest last."""

        verbose_name = _("change of a settlement")
        verbose_name_plural = _("changes of settlements")
        ordering: ClassVar = ["pk"]


class SettlementPool(Immutable):
    """An insured group's budget in a settlement, in fen: budget = paid + left."""

    run = models.ForeignKey(SettlementRun, on_delete=models.PROTECT, related_name="pools")
    insured = models.CharField(_("insured group"), max_length=10)
    budget = models.BigIntegerField(_("budget"))
    reserve = models.BigIntegerField(_("reserve"))
    paid = models.BigIntegerField(_("paid"))
    forfeited = models.BigIntegerField(_("deposits forfeited"))
    reserve_used = models.BigIntegerField(_("reserve used"))
    left = models.BigIntegerField(_("left with the fund"))

    class Meta:
        """Names; every fen of the budget is accounted for."""

        verbose_name = _("budget of a settlement")
        verbose_name_plural = _("budgets of settlements")
        constraints = [
            models.UniqueConstraint(fields=["run", "insured"], name="insurance_settlement_pool"),
            models.CheckConstraint(
                condition=models.Q(budget=models.F("paid") + models.F("left")),
                name="insurance_settlement_pool_adds_up",
            ),
        ]


class SettlementLine(Immutable):
    """What an institution is due for an insured group in a settlement, in fen; see `payment.closing.Line`."""

    run = models.ForeignKey(SettlementRun, on_delete=models.PROTECT, related_name="lines")
    institution = models.ForeignKey(Institution, on_delete=models.PROTECT, related_name="settlement_lines")
    insured = models.CharField(_("insured group"), max_length=10)
    cases = models.PositiveIntegerField(_("cases"))
    points = models.BigIntegerField(_("points"))
    by_group = models.BigIntegerField(_("by group"))
    by_item = models.BigIntegerField(_("by item"))
    kept = models.BigIntegerField(_("surplus kept"))
    borne = models.BigIntegerField(_("overspending borne by the fund"))
    cut = models.BigIntegerField(_("cut for lack of budget"))
    entitled = models.BigIntegerField(_("due"))
    deposit = models.BigIntegerField(_("deposit"))
    forfeited = models.BigIntegerField(_("deposit forfeited"))
    advance = models.BigIntegerField(_("advance"))
    monthly = models.BigIntegerField(_("paid monthly"))
    paid = models.BigIntegerField(_("paid in all"))
    final = models.BigIntegerField(_("final payment"))

    class Meta:
        """Names; what is paid in all is what was paid before and the final payment."""

        verbose_name = _("line of a settlement")
        verbose_name_plural = _("lines of settlements")
        constraints = [
            models.UniqueConstraint(
                fields=["run", "institution", "insured"], name="insurance_settlement_line"
            ),
            models.CheckConstraint(
                condition=models.Q(paid=models.F("advance") + models.F("monthly") + models.F("final"))
                & models.Q(entitled=models.F("paid") + models.F("forfeited")),
                name="insurance_settlement_line_adds_up",
            ),
        ]


class Clearing(models.Model):
    """What a settlement by group adds to what an institution was paid by item, booked and then paid, in fen.

    `amount_fen` is negative where the institution pays back. What earlier versions of the year booked counts.
    """

    line = models.OneToOneField(SettlementLine, on_delete=models.PROTECT, related_name="clearing")
    fund = models.CharField(_("fund"), max_length=10, choices=Fund)
    amount_fen = models.BigIntegerField(_("amount (fen)"))
    day = models.DateField(_("day"))
    booked_at = models.DateTimeField(_("booked at"))
    booked_by = models.CharField(_("booked by"), max_length=150)
    batch = models.ForeignKey(PaymentBatch, on_delete=models.PROTECT, null=True, related_name="clearings")

    class Meta:
        """Names."""

        verbose_name = _("clearing of a settlement")
        verbose_name_plural = _("clearings of settlements")


class SettlementMonth(Immutable):
    """What an institution was paid for a month's discharges: amount = deposit + paid, in fen."""

    run = models.ForeignKey(SettlementRun, on_delete=models.PROTECT, related_name="months")
    institution = models.ForeignKey(Institution, on_delete=models.PROTECT, related_name="settlement_months")
    insured = models.CharField(_("insured group"), max_length=10)
    month = models.DateField(_("month"))
    cases = models.PositiveIntegerField(_("cases"))
    amount = models.BigIntegerField(_("amount"))
    deposit = models.BigIntegerField(_("deposit"))
    paid = models.BigIntegerField(_("paid"))

    class Meta:
        """Names; a month stands once and adds up."""

        verbose_name = _("month of a settlement")
        verbose_name_plural = _("months of settlements")
        constraints = [
            models.UniqueConstraint(
                fields=["run", "institution", "insured", "month"], name="insurance_settlement_month"
            ),
            models.CheckConstraint(
                condition=models.Q(amount=models.F("deposit") + models.F("paid")),
                name="insurance_settlement_month_adds_up",
            ),
        ]


class SettlementFigure(Immutable):
    """How an institution (department "") or one of its departments compares with the city in a year."""

    run = models.ForeignKey(SettlementRun, on_delete=models.PROTECT, related_name="figures")
    institution = models.ForeignKey(Institution, on_delete=models.PROTECT, related_name="settlement_figures")
    department = models.CharField(_("department"), max_length=80, blank=True)
    cases = models.PositiveIntegerField(_("cases"))
    weighed = models.PositiveIntegerField(_("cases with a weight"))
    groups = models.PositiveIntegerField(_("groups"))
    weight = models.BigIntegerField(_("weight (ten-thousandths)"))
    charge = models.BigIntegerField(_("charges"))
    mean_los = models.FloatField(_("mean days in hospital"), null=True)
    case_mix_index = models.FloatField(_("case-mix index"), null=True)
    cost_index = models.FloatField(_("cost efficiency index"), null=True)
    time_index = models.FloatField(_("time efficiency index"), null=True)
    outliers = models.PositiveIntegerField(_("outliers"))
    low_risk = models.PositiveIntegerField(_("cases of low-risk groups"))
    low_risk_deaths = models.PositiveIntegerField(_("deaths in low-risk groups"))
    at_risk = models.PositiveIntegerField(_("discharges alive"))
    readmitted = models.PositiveIntegerField(_("readmissions"))

    class Meta:
        """Names; an institution's department stands once."""

        verbose_name = _("figures of an institution")
        verbose_name_plural = _("figures of institutions")
        constraints = [
            models.UniqueConstraint(
                fields=["run", "institution", "department"], name="insurance_settlement_figure"
            )
        ]


class PaymentComparison(Immutable):
    """Payment methods compared on a year's cases: `options` say by which choices."""

    title = models.CharField(_("title"), max_length=120)
    year = models.PositiveSmallIntegerField(_("year"))
    options = models.JSONField(_("choices"))
    result_digest = models.CharField(_("digest of the result"), max_length=64, unique=True)
    recorded_at = models.DateTimeField(_("recorded at"))
    recorded_by = models.CharField(_("recorded by"), max_length=150)

    class Meta:
        """Names, the newest first."""

        verbose_name = _("comparison of payment methods")
        verbose_name_plural = _("comparisons of payment methods")
        ordering: ClassVar = ["-recorded_at", "-pk"]

    def __str__(self) -> str:
        return self.title


class ComparisonLine(Immutable):
    """What the fund would pay by each method, in fen, for one value of a dimension."""

    comparison = models.ForeignKey(PaymentComparison, on_delete=models.PROTECT, related_name="lines")
    dimension = models.CharField(_("dimension"), max_length=24)
    institution = models.ForeignKey(
        Institution, on_delete=models.PROTECT, null=True, blank=True, related_name="comparison_lines"
    )
    department = models.CharField(_("department"), max_length=80, blank=True)
    tier = models.CharField(_("tier"), max_length=20, blank=True)
    insured = models.CharField(_("insured group"), max_length=10, blank=True)
    cases = models.PositiveIntegerField(_("cases"))
    pilot_cases = models.PositiveIntegerField(_("cases of pilots"))
    charge = models.BigIntegerField(_("charges"))
    item = models.BigIntegerField(_("by item"))
    drg = models.BigIntegerField(_("by DRG"))
    dip = models.BigIntegerField(_("by DIP"))
    pilot = models.BigIntegerField(_("with the pilot"))
    drg_gaining = models.PositiveIntegerField(_("cases that bring more by DRG"))
    dip_gaining = models.PositiveIntegerField(_("cases that bring more by DIP"))

    class Meta:
        """Names; a value of a dimension stands once."""

        verbose_name = _("line of a comparison")
        verbose_name_plural = _("lines of comparisons")
        constraints = [
            models.UniqueConstraint(
                fields=["comparison", "dimension", "institution", "department", "tier", "insured"],
                name="insurance_comparison_line",
            ),
            models.UniqueConstraint(
                fields=["comparison", "dimension", "department", "tier", "insured"],
                condition=models.Q(institution__isnull=True),
                name="insurance_comparison_line_city",
            ),
        ]
