"""Tables of claims: what institutions ask, every decision on it, what it used up, free treatment."""

from typing import ClassVar

from django.db import models
from django.db.models.expressions import Combinable
from django.utils.translation import gettext_lazy as _

from salus.kernel.models import Institution

PAYERS = ("basic", "serious", "aid", "free", "self_in", "self_out", "institution")
"""Who pays: over them every claim and line adds up to its charge."""


def _adds_up(name: str) -> models.CheckConstraint:
    """Return the constraint by which no row is stored whose parts are not its charge."""
    parts: Combinable = models.F(f"{PAYERS[0]}_fen")
    for payer in PAYERS[1:]:
        parts = parts + models.F(f"{payer}_fen")
    return models.CheckConstraint(condition=models.Q(charge_fen=parts), name=name)


class CatalogueItem(models.Model):
    """An item of the insurance catalogue; of several rows of one code the latest in force counts."""

    item = models.CharField(_("code"), max_length=40)
    name = models.CharField(_("name"), max_length=200)
    name_en = models.CharField(_("name in English"), max_length=200, blank=True)
    kind = models.CharField(_("kind"), max_length=10)
    payment_class = models.CharField(_("class"), max_length=1)
    valid_from = models.DateField(_("from"))
    valid_to = models.DateField(_("to"), null=True, blank=True)
    ceiling_1 = models.BigIntegerField(null=True, blank=True)
    ceiling_2 = models.BigIntegerField(null=True, blank=True)
    ceiling_3 = models.BigIntegerField(null=True, blank=True)
    self_share = models.BigIntegerField(default=0)
    sex = models.CharField(max_length=8, blank=True)
    min_age = models.BigIntegerField(null=True, blank=True)
    max_age = models.BigIntegerField(null=True, blank=True)
    care = models.CharField(max_length=10, blank=True)
    max_day = models.DecimalField(max_digits=12, decimal_places=3, null=True, blank=True)
    max_stay = models.DecimalField(max_digits=12, decimal_places=3, null=True, blank=True)
    max_year = models.DecimalField(max_digits=12, decimal_places=3, null=True, blank=True)
    exclusive_group = models.CharField(max_length=40, blank=True)
    bundle = models.CharField(max_length=40, blank=True)
    indications = models.JSONField(default=list)
    licence = models.CharField(max_length=40, blank=True)
    waiting_days = models.BigIntegerField(null=True, blank=True)

    class Meta:
        """Names; one row a code and first day."""

        verbose_name = _("catalogue item")
        verbose_name_plural = _("catalogue items")
        constraints = [
            models.UniqueConstraint(fields=["item", "valid_from"], name="insurance_catalogue_once")
        ]


class ClaimKind(models.TextChoices):
    """What a claim is for."""

    INPATIENT = "inpatient", _("Inpatient stay")
    OUTPATIENT = "outpatient", _("Outpatient visit")
    CHRONIC = "chronic", _("Chronic or special illness")
    PHARMACY = "pharmacy", _("Pharmacy")


class Referral(models.TextChoices):
    """How the patient came to the institution."""

    REFERRED = "referred", _("Referred")
    EMERGENCY = "emergency", _("Emergency")
    LOCAL = "local", _("At the first place of care")
    BYPASSED = "bypassed", _("Without a referral")


class Outcome(models.TextChoices):
    """What became of a claim."""

    PAID = "paid", _("Paid")
    SELF_PAY = "self_pay", _("Not covered")
    DENIED = "denied", _("Denied")
    RETURNED = "returned", _("Returned to the institution")
    REVERSED = "reversed", _("Reversed")


class Claim(models.Model):
    """What an institution asks to be paid, under its own number, with how it stands now.

    The amounts are those of the latest `Adjudication`, kept here for lists. `checksum` is of the content as
    sent: the same number with the same content is the same claim. `categories` are the sensitive ones of its
    codes, sorted, with spaces between.
    """

    institution = models.ForeignKey(Institution, on_delete=models.PROTECT, related_name="claims")
    number = models.CharField(_("number"), max_length=64)
    person_id = models.UUIDField(_("person"))
    source_id = models.BigIntegerField(null=True)
    kind = models.CharField(_("kind"), max_length=12, choices=ClaimKind)
    admitted = models.DateField(_("from"))
    discharged = models.DateField(_("to"))
    submitted = models.DateField(_("sent on"))
    diagnoses = models.JSONField(_("diagnoses"), default=list)
    procedures = models.JSONField(_("procedures"), default=list)
    referral = models.CharField(_("referral"), max_length=12, choices=Referral)
    illness = models.CharField(_("illness"), max_length=40, blank=True)
    categories = models.CharField(_("sensitive categories"), max_length=60, blank=True)
    charge_fen = models.BigIntegerField(_("charge (fen)"))
    checksum = models.CharField(max_length=64)
    received_at = models.DateTimeField(_("received at"))
    version = models.PositiveIntegerField(_("version"), default=0)
    outcome = models.CharField(_("outcome"), max_length=10, choices=Outcome)
    cover_reason = models.CharField(_("cover"), max_length=24)
    scheme = models.CharField(_("scheme"), max_length=12, blank=True)
    standing = models.BooleanField(default=False)
    fund_fen = models.BigIntegerField(_("paid by the funds (fen)"), default=0)
    resident_fen = models.BigIntegerField(_("paid by the resident (fen)"), default=0)
    withheld_fen = models.BigIntegerField(_("borne by the institution (fen)"), default=0)
    findings = models.PositiveIntegerField(_("findings"), default=0)

    class Meta:
        """Names and indexes."""

        verbose_name = _("claim")
        verbose_name_plural = _("claims")
        constraints = [models.UniqueConstraint(fields=["institution", "number"], name="insurance_claim_once")]
        indexes: ClassVar = [
            models.Index(fields=["person_id", "discharged"], name="insurance_claim_person"),
            models.Index(fields=["institution", "discharged"], name="insurance_claim_place"),
            models.Index(fields=["outcome", "id"], name="insurance_claim_outcome"),
        ]

    def __str__(self) -> str:
        return self.number


class ClaimLine(models.Model):
    """One line of a claim, as sent."""

    claim = models.ForeignKey(Claim, on_delete=models.PROTECT, related_name="lines")
    line_no = models.PositiveIntegerField(_("line"))
    service_date = models.DateField(_("day"))
    item = models.CharField(_("item"), max_length=40)
    quantity = models.DecimalField(_("quantity"), max_digits=12, decimal_places=3)
    unit_price_fen = models.BigIntegerField(_("unit price (fen)"))
    charge_fen = models.BigIntegerField(_("charge (fen)"))
    department = models.CharField(_("department"), max_length=80, blank=True)

    class Meta:
        """One row a claim and line number."""

        verbose_name = _("claim line")
        verbose_name_plural = _("claim lines")
        constraints = [models.UniqueConstraint(fields=["claim", "line_no"], name="insurance_line_once")]


class AdjudicationKind(models.TextChoices):
    """Why a decision was made."""

    SETTLED = "settled", _("First decision")
    AGAIN = "again", _("Decided again")
    REVERSED = "reversed", _("Reversed")


class _Parts(models.Model):
    """The charge and who pays it, in fen."""

    charge_fen = models.BigIntegerField(_("charge (fen)"))
    basic_fen = models.BigIntegerField(_("basic fund (fen)"), default=0)
    serious_fen = models.BigIntegerField(_("serious-illness fund (fen)"), default=0)
    aid_fen = models.BigIntegerField(_("medical aid (fen)"), default=0)
    free_fen = models.BigIntegerField(_("free treatment (fen)"), default=0)
    self_in_fen = models.BigIntegerField(_("resident, within the catalogue (fen)"), default=0)
    self_out_fen = models.BigIntegerField(_("resident, outside the catalogue (fen)"), default=0)
    institution_fen = models.BigIntegerField(_("institution (fen)"), default=0)

    class Meta:
        """Abstract."""

        abstract = True


class Adjudication(_Parts):
    """One decision on a claim, never changed: version 1, 2, … of it; a reversal has no payers and no charge.

    `detail` is the engine's whole row of the claim; `as_of` the day whose rules decided; `batch` the payment
    that holds it, once there is one.
    """

    claim = models.ForeignKey(Claim, on_delete=models.PROTECT, related_name="adjudications")
    version = models.PositiveIntegerField(_("version"))
    kind = models.CharField(_("why"), max_length=10, choices=AdjudicationKind)
    outcome = models.CharField(_("outcome"), max_length=10, choices=Outcome)
    scheme = models.CharField(_("scheme"), max_length=12, blank=True)
    standing = models.BooleanField(default=False)
    as_of = models.DateField(_("rules of"))
    reason = models.CharField(_("reason"), max_length=200, blank=True)
    detail = models.JSONField(default=dict)
    decided_on = models.DateField(_("decided on"))
    decided_at = models.DateTimeField(_("decided at"))
    batch = models.ForeignKey(
        "PaymentBatch", on_delete=models.PROTECT, null=True, related_name="decisions_held"
    )
    decided_by = models.CharField(_("decided by"), max_length=150)

    class Meta:
        """One row a claim and version; its parts are its charge."""

        verbose_name = _("adjudication")
        verbose_name_plural = _("adjudications")
        constraints = [
            models.UniqueConstraint(fields=["claim", "version"], name="insurance_adjudication_once"),
            _adds_up("insurance_adjudication_sum"),
        ]


class AdjudicationLine(_Parts):
    """Who pays one line of a claim."""

    adjudication = models.ForeignKey(Adjudication, on_delete=models.PROTECT, related_name="lines")
    line_no = models.PositiveIntegerField(_("line"))
    item = models.CharField(_("item"), max_length=40)

    class Meta:
        """One row a line; its parts are its charge."""

        verbose_name = _("adjudicated line")
        verbose_name_plural = _("adjudicated lines")
        constraints = [
            models.UniqueConstraint(fields=["adjudication", "line_no"], name="insurance_result_once"),
            _adds_up("insurance_result_sum"),
        ]


class AdjudicationPart(models.Model):
    """A part of a line: who pays it, by which rule of which version, and why."""

    adjudication = models.ForeignKey(Adjudication, on_delete=models.PROTECT, related_name="parts")
    line_no = models.PositiveIntegerField(_("line"))
    payer = models.CharField(_("payer"), max_length=12)
    amount_fen = models.BigIntegerField(_("amount (fen)"))
    reason = models.CharField(_("reason"), max_length=60)
    rule = models.CharField(_("rule"), max_length=60)
    version = models.BigIntegerField(_("version"))
    params = models.CharField(_("details"), max_length=300, blank=True)

    class Meta:
        """Names."""

        verbose_name = _("part of a line")
        verbose_name_plural = _("parts of lines")


class AdjudicationFinding(models.Model):
    """An edit that a claim or one of its lines failed."""

    adjudication = models.ForeignKey(Adjudication, on_delete=models.PROTECT, related_name="findings")
    line_no = models.PositiveIntegerField(_("line"), null=True)
    code = models.CharField(_("code"), max_length=60)
    effect = models.CharField(_("effect"), max_length=12)
    rule = models.CharField(_("rule"), max_length=60)
    version = models.BigIntegerField(_("version"))
    amount_fen = models.BigIntegerField(_("amount (fen)"))
    params = models.CharField(_("details"), max_length=300, blank=True)

    class Meta:
        """Names."""

        verbose_name = _("finding")
        verbose_name_plural = _("findings")
        indexes: ClassVar = [models.Index(fields=["code"], name="insurance_finding_code")]


class AccumulatorEvent(models.Model):
    """What a decision used up of a person's year; events sum to the balance, a reversal negates them."""

    adjudication = models.ForeignKey(Adjudication, on_delete=models.PROTECT, related_name="events")
    person_id = models.UUIDField(_("person"))
    year = models.PositiveSmallIntegerField(_("year"))
    account = models.CharField(_("account"), max_length=20)
    key = models.CharField(_("key"), max_length=80, blank=True)
    amount = models.BigIntegerField(_("amount"))

    class Meta:
        """Names and the index by which balances are summed."""

        verbose_name = _("accumulator event")
        verbose_name_plural = _("accumulator events")
        indexes: ClassVar = [models.Index(fields=["person_id", "year"], name="insurance_event_person")]


class FollowUpState(models.TextChoices):
    """How a patient of free treatment stands."""

    OPEN = "open", _("Being followed")
    CURED = "cured", _("Cured")
    STABLE = "stable", _("Stable")
    DIED = "died", _("Died")
    LOST = "lost", _("Moved away")


class FreeTreatment(models.Model):
    """A poor resident's free treatment of a serious illness, from its first settlement to its end.

    `due` is the day of the next follow-up while it is open.
    """

    person_id = models.UUIDField(_("person"), db_index=True)
    illness = models.CharField(_("illness"), max_length=40)
    institution = models.ForeignKey(Institution, on_delete=models.PROTECT, related_name="free_treatments")
    claim = models.ForeignKey(Claim, on_delete=models.PROTECT, related_name="+")
    opened_on = models.DateField(_("opened on"))
    state = models.CharField(_("state"), max_length=8, choices=FollowUpState, default=FollowUpState.OPEN)
    due = models.DateField(_("next follow-up due"), null=True, db_index=True)
    closed_on = models.DateField(_("closed on"), null=True)

    class Meta:
        """Names; one open treatment a person and illness."""

        verbose_name = _("free treatment")
        verbose_name_plural = _("free treatments")
        constraints = [
            models.UniqueConstraint(
                fields=["person_id", "illness"],
                condition=models.Q(state="open"),
                name="insurance_free_treatment_once",
            )
        ]


class FollowUp(models.Model):
    """One look at a patient of free treatment: how, what was found, what comes next."""

    treatment = models.ForeignKey(FreeTreatment, on_delete=models.PROTECT, related_name="follow_ups")
    day = models.DateField(_("day"))
    way = models.CharField(_("how"), max_length=12)
    state = models.CharField(_("state"), max_length=8, choices=FollowUpState)
    note = models.CharField(_("note"), max_length=500, blank=True)
    recorded_by = models.CharField(_("recorded by"), max_length=150)
    recorded_at = models.DateTimeField(_("recorded at"))

    class Meta:
        """Names; one entry a treatment and day."""

        verbose_name = _("follow-up")
        verbose_name_plural = _("follow-ups")
        constraints = [models.UniqueConstraint(fields=["treatment", "day"], name="insurance_follow_up_once")]
