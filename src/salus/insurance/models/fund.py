"""Tables of the fund: a double-entry journal, payments to institutions, closed months."""

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from salus.insurance.models.claims import Adjudication
from salus.kernel.models import Institution


class Fund(models.TextChoices):
    """Whose money it is."""

    EMPLOYEE = "employee", _("Employees' basic fund")
    RESIDENT = "resident", _("Residents' basic fund")
    SERIOUS = "serious", _("Serious-illness fund")
    AID = "aid", _("Medical aid")
    FREE = "free", _("Free treatment")


class LedgerAccount(models.TextChoices):
    """The accounts of each fund."""

    CASH = "cash", _("Cash at bank")
    PAYABLE = "payable", _("Owed to institutions")
    RESERVE = "reserve", _("Reserves")
    PREMIUM = "premium", _("Premiums of members")
    EMPLOYER = "employer", _("Contributions of employers")
    SUBSIDY = "subsidy", _("Subsidies of public finance")
    AID_PREMIUM = "aid_premium", _("Premiums paid by medical aid")
    INTEREST = "interest", _("Interest")
    BUDGET = "budget", _("Allotted by the budget")
    BENEFIT = "benefit", _("Benefits")
    TRANSFER_OUT = "transfer_out", _("Passed to another fund")
    TRANSFER_IN = "transfer_in", _("Received from another fund")


INCOME = ("premium", "employer", "subsidy", "aid_premium", "interest", "budget", "transfer_in")
EXPENSE = ("benefit", "transfer_out")


class JournalEntry(models.Model):
    """One business event of one fund on one day, never changed; `key` makes writing it twice impossible."""

    fund = models.CharField(_("fund"), max_length=10, choices=Fund)
    day = models.DateField(_("day"))
    kind = models.CharField(_("kind"), max_length=20)
    key = models.CharField(_("key"), max_length=80)
    reverses = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="reversal"
    )
    recorded_at = models.DateTimeField(_("recorded at"))
    recorded_by = models.CharField(_("recorded by"), max_length=150)

    class Meta:
        """Names, the key, and the index by which months are summed."""

        verbose_name = _("journal entry")
        verbose_name_plural = _("journal entries")
        constraints = [models.UniqueConstraint(fields=["fund", "key"], name="insurance_entry_once")]
        indexes: ClassVar = [models.Index(fields=["fund", "day"], name="insurance_entry_day")]


class Movement(models.Model):
    """An amount that goes from one account to another: it stands on both sides, so the ledger balances."""

    entry = models.ForeignKey(JournalEntry, on_delete=models.PROTECT, related_name="movements")
    debit = models.CharField(_("debit"), max_length=14, choices=LedgerAccount)
    credit = models.CharField(_("credit"), max_length=14, choices=LedgerAccount)
    amount_fen = models.BigIntegerField(_("amount (fen)"))

    class Meta:
        """Names; an amount is positive and moves between two accounts."""

        verbose_name = _("movement")
        verbose_name_plural = _("movements")
        constraints = [
            models.CheckConstraint(condition=models.Q(amount_fen__gt=0), name="insurance_movement_positive"),
            models.CheckConstraint(
                condition=~models.Q(debit=models.F("credit")), name="insurance_movement_two_accounts"
            ),
        ]


class MonthClose(models.Model):
    """That a fund's month is closed to further entries; `balances` are as of its last day."""

    fund = models.CharField(_("fund"), max_length=10, choices=Fund)
    month = models.DateField(_("month"))
    balances = models.JSONField(_("balances (fen)"), default=dict)
    closed_at = models.DateTimeField(_("closed at"))
    closed_by = models.CharField(_("closed by"), max_length=150)

    class Meta:
        """Names; a month is closed once."""

        verbose_name = _("closed month")
        verbose_name_plural = _("closed months")
        constraints = [models.UniqueConstraint(fields=["fund", "month"], name="insurance_month_once")]


class BatchState(models.TextChoices):
    """How far a payment batch has come."""

    PREPARED = "prepared", _("Prepared")
    APPROVED = "approved", _("Approved")
    PAID = "paid", _("Paid")


class PaymentBatch(models.Model):
    """What one institution is paid for the decisions of a month, in fen.

    claimed = approved + deducted + resident; payable = approved, less what earlier batches paid too much,
    and `cleared`: what settlements by group add to payment by item, negative where they take.
    """

    institution = models.ForeignKey(Institution, on_delete=models.PROTECT, related_name="payment_batches")
    month = models.DateField(_("month"))
    state = models.CharField(_("state"), max_length=10, choices=BatchState, default=BatchState.PREPARED)
    decisions = models.PositiveIntegerField(_("decisions"))
    claimed_fen = models.BigIntegerField(_("claimed (fen)"))
    approved_fen = models.BigIntegerField(_("approved (fen)"))
    resident_fen = models.BigIntegerField(_("paid by residents (fen)"))
    deducted_fen = models.BigIntegerField(_("deducted (fen)"))
    cleared_fen = models.BigIntegerField(_("by settlements by group (fen)"), default=0)
    prepared_by = models.CharField(_("prepared by"), max_length=150)
    prepared_at = models.DateTimeField(_("prepared at"))
    approved_by = models.CharField(_("approved by"), max_length=150, blank=True)
    approved_at = models.DateTimeField(_("approved at"), null=True)
    paid_on = models.DateField(_("paid on"), null=True)

    class Meta:
        """Names; the parts are what was claimed."""

        verbose_name = _("payment batch")
        verbose_name_plural = _("payment batches")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(
                    claimed_fen=models.F("approved_fen") + models.F("resident_fen") + models.F("deducted_fen")
                ),
                name="insurance_batch_sum",
            )
        ]
        indexes: ClassVar = [models.Index(fields=["institution", "month"], name="insurance_batch_month")]

    def decided(self) -> "models.QuerySet[Adjudication]":
        """Return the decisions that the batch holds, by the institution's number and version."""
        return (
            Adjudication.objects.filter(batch=self)
            .select_related("claim")
            .order_by("claim__number", "version")
        )


class PaymentItem(models.Model):
    """A decision that a batch pays (or, after a reversal, takes back) from one fund; it is paid once."""

    batch = models.ForeignKey(PaymentBatch, on_delete=models.PROTECT, related_name="items")
    adjudication = models.ForeignKey(Adjudication, on_delete=models.PROTECT, related_name="payments")
    fund = models.CharField(_("fund"), max_length=10, choices=Fund)
    amount_fen = models.BigIntegerField(_("amount (fen)"))

    class Meta:
        """Names; once a decision and fund."""

        verbose_name = _("paid decision")
        verbose_name_plural = _("paid decisions")
        constraints = [models.UniqueConstraint(fields=["adjudication", "fund"], name="insurance_paid_once")]
