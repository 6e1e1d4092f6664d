"""Centralised procurement: mandates, tenders, demand, bidders, decisions, contracts and what is supplied.

Bids are not here: a sealed bid is a commitment of the kernel, whose triggers refuse what is late or altered.
"""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from salus.kernel.models import Account, CommitRound, Institution


class Mandate(models.Model):
    """An institution's order to a purchasing organisation to act for it in tenders, by a signed document."""

    agent = models.ForeignKey(
        Institution, on_delete=models.PROTECT, related_name="mandates_held",
        verbose_name=_("purchasing organisation"),
    )  # fmt: skip
    institution = models.ForeignKey(
        Institution, on_delete=models.PROTECT, related_name="mandates_given", verbose_name=_("institution")
    )
    document = models.CharField(_("document"), max_length=80)
    valid_from = models.DateField(_("valid from"))
    valid_to = models.DateField(_("valid to"), null=True, blank=True)

    class Meta:
        verbose_name = _("mandate")
        verbose_name_plural = _("mandates")
        ordering = ["institution", "valid_from"]
        constraints = [
            models.CheckConstraint(condition=~Q(agent=F("institution")), name="insurance_mandate_other"),
            models.CheckConstraint(
                condition=Q(valid_to__isnull=True) | Q(valid_to__gte=F("valid_from")),
                name="insurance_mandate_days",
            ),
            models.UniqueConstraint(
                fields=["agent", "institution", "valid_from"], name="insurance_mandate_once"
            ),
        ]

    def __str__(self) -> str:
        return self.document


class Supplier(models.Model):
    """A company that bids: holder of a marketing authorisation, or its agent."""

    code = models.CharField(_("code"), max_length=40, unique=True)
    name = models.CharField(_("name"), max_length=120)
    name_en = models.CharField(_("English name"), max_length=160, blank=True)

    class Meta:
        verbose_name = _("supplier")
        verbose_name_plural = _("suppliers")
        ordering = ["code"]

    def __str__(self) -> str:
        return self.name


class Tender(models.Model):
    """A tender with its rules as announced; `published` is the file that anybody can verify."""

    class State(models.TextChoices):
        """How far a tender is; between announcement and decision the round's times say more."""

        DRAFT = "draft", _("Collecting demand")
        ANNOUNCED = "announced", _("Announced")
        DECIDED = "decided", pgettext_lazy("tender", "Decided")
        CANCELLED = "cancelled", _("Cancelled")

    code = models.CharField(_("code"), max_length=40, unique=True)
    name = models.CharField(_("name"), max_length=120)
    name_en = models.CharField(_("English name"), max_length=160, blank=True)
    state = models.CharField(_("state"), max_length=12, choices=State.choices, default=State.DRAFT)
    ruleset = models.CharField(_("rule set"), max_length=40)
    rules = models.JSONField(_("rules as announced"), null=True, blank=True)
    demand_until = models.DateField(_("demand until"))
    announced_on = models.DateField(_("announced"), null=True, blank=True)
    public_key = models.CharField(_("custodians' public key"), max_length=80, blank=True)
    round = models.OneToOneField(
        CommitRound,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("round"),
    )
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)
    published = models.JSONField(_("published file"), null=True, blank=True)
    reason = models.CharField(_("reason"), max_length=200, blank=True)
    made_by = models.ForeignKey(
        Account, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("made by")
    )
    made_at = models.DateTimeField(_("made"))

    class Meta:
        verbose_name = _("tender")
        verbose_name_plural = _("tenders")
        ordering = ["-made_at"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(state__in=["announced", "decided"])
                | Q(round__isnull=False, rules__isnull=False, announced_on__isnull=False),
                name="insurance_tender_announced_whole",
            ),
            models.CheckConstraint(
                condition=Q(decided_at__isnull=False, published__isnull=False, state="decided")
                | (Q(decided_at__isnull=True, published__isnull=True) & ~Q(state="decided")),
                name="insurance_tender_decided_whole",
            ),
        ]

    def __str__(self) -> str:
        return self.code


class TenderGroup(models.Model):
    """What is bought together: a molecule and form; its prices are of the reference pack."""

    tender = models.ForeignKey(
        Tender, on_delete=models.CASCADE, related_name="groups", verbose_name=_("tender")
    )
    code = models.CharField(_("code"), max_length=40)
    molecule = models.CharField(_("molecule"), max_length=120)
    molecule_en = models.CharField(_("molecule in English"), max_length=120, blank=True)
    atc = models.CharField(_("ATC code"), max_length=10, blank=True)
    form = models.CharField(_("form"), max_length=80)
    reference = models.CharField(_("reference strength"), max_length=80)
    pack = models.PositiveIntegerField(_("units a pack"))
    ceiling = models.PositiveBigIntegerField(_("ceiling (fen a pack)"), null=True, blank=True)
    old_price = models.PositiveBigIntegerField(_("price up to now (fen a pack)"), null=True, blank=True)

    class Meta:
        verbose_name = _("group of a tender")
        verbose_name_plural = _("groups of tenders")
        ordering = ["tender", "code"]
        constraints = [
            models.UniqueConstraint(fields=["tender", "code"], name="insurance_tendergroup_once"),
            models.CheckConstraint(condition=Q(pack__gt=0), name="insurance_tendergroup_pack"),
        ]

    def __str__(self) -> str:
        return self.code


class Demand(models.Model):
    """What an institution needs a year of one strength and pack; `units` is the same in reference units."""

    group = models.ForeignKey(
        TenderGroup, on_delete=models.CASCADE, related_name="demand", verbose_name=_("group")
    )
    institution = models.ForeignKey(
        Institution, on_delete=models.PROTECT, related_name="+", verbose_name=_("institution")
    )
    strength = models.CharField(_("strength"), max_length=80)
    pack = models.PositiveIntegerField(_("units a pack"))
    packs = models.PositiveBigIntegerField(_("packs a year"))
    units = models.PositiveBigIntegerField(_("reference units a year"))
    mandate = models.ForeignKey(
        Mandate, null=True, blank=True, on_delete=models.PROTECT, related_name="+", verbose_name=_("mandate")
    )
    reported_by = models.ForeignKey(
        Account, null=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("reported by")
    )
    reported_at = models.DateTimeField(_("reported"))

    class Meta:
        verbose_name = _("reported demand")
        verbose_name_plural = _("reported demand")
        ordering = ["group", "institution"]
        constraints = [
            models.UniqueConstraint(
                fields=["group", "institution", "strength", "pack"], name="insurance_demand_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.pk}"


class Bidder(models.Model):
    """A supplier admitted to a tender, with the digest of its bid token: the token itself is shown once."""

    tender = models.ForeignKey(
        Tender, on_delete=models.PROTECT, related_name="bidders", verbose_name=_("tender")
    )
    supplier = models.ForeignKey(
        Supplier, on_delete=models.PROTECT, related_name="bids", verbose_name=_("supplier")
    )
    token = models.CharField(_("digest of the bid token"), max_length=64, blank=True, db_index=True)
    admitted_by = models.ForeignKey(
        Account, null=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("admitted by")
    )
    admitted_at = models.DateTimeField(_("admitted"))

    class Meta:
        verbose_name = _("bidder")
        verbose_name_plural = _("bidders")
        ordering = ["tender", "supplier"]
        constraints = [models.UniqueConstraint(fields=["tender", "supplier"], name="insurance_bidder_once")]

    def __str__(self) -> str:
        return f"{self.pk}"


class Qualification(models.Model):
    """A bidder's answers to the criteria for a group, and which of them it does not meet."""

    bidder = models.ForeignKey(
        Bidder, on_delete=models.PROTECT, related_name="qualifications", verbose_name=_("bidder")
    )
    group = models.ForeignKey(
        TenderGroup, on_delete=models.PROTECT, related_name="qualifications", verbose_name=_("group")
    )
    answers = models.JSONField(_("answers"), default=dict)
    unmet = models.JSONField(_("not met"), default=list)
    evaluated = models.DateField(_("quality evaluated"), null=True, blank=True)
    demand = models.PositiveBigIntegerField(_("reported of its product (units)"), default=0)

    class Meta:
        verbose_name = _("qualification")
        verbose_name_plural = _("qualifications")
        constraints = [
            models.UniqueConstraint(fields=["bidder", "group"], name="insurance_qualification_once")
        ]

    def __str__(self) -> str:
        return f"{self.pk}"


class TenderDecision(models.Model):
    """What was decided on one bid, and why; prices in fen a reference unit as exact fractions."""

    group = models.ForeignKey(
        TenderGroup, on_delete=models.PROTECT, related_name="decisions", verbose_name=_("group")
    )
    supplier = models.ForeignKey(
        Supplier, on_delete=models.PROTECT, related_name="decisions", verbose_name=_("supplier")
    )
    reason = models.CharField(_("reason"), max_length=20)
    rank = models.PositiveIntegerField(_("rank"), null=True, blank=True)
    comparable = models.CharField(_("comparable price"), max_length=60, blank=True)
    limit = models.CharField(_("limit"), max_length=60, blank=True)
    kept_by = models.CharField(_("kept by"), max_length=20, blank=True)
    tie = models.CharField(_("tie decided by"), max_length=20, blank=True)
    unmet = models.JSONField(_("not met"), default=list)

    class Meta:
        verbose_name = _("decision of a tender")
        verbose_name_plural = _("decisions of tenders")
        ordering = ["group", "rank", "supplier"]
        constraints = [
            models.UniqueConstraint(fields=["group", "supplier"], name="insurance_tenderdecision_once")
        ]

    def __str__(self) -> str:
        return f"{self.pk}"


class SupplyContract(models.Model):
    """A winner's contract to supply a region for a term at its price; `second` stands by."""

    group = models.ForeignKey(
        TenderGroup, on_delete=models.PROTECT, related_name="contracts", verbose_name=_("group")
    )
    supplier = models.ForeignKey(
        Supplier, on_delete=models.PROTECT, related_name="contracts", verbose_name=_("supplier")
    )
    second = models.ForeignKey(
        Supplier, null=True, blank=True, on_delete=models.PROTECT, related_name="standing_by",
        verbose_name=_("second supplier"),
    )  # fmt: skip
    region = models.CharField(_("region"), max_length=40)
    strength = models.CharField(_("strength"), max_length=80)
    pack = models.PositiveIntegerField(_("units a pack"))
    price = models.PositiveBigIntegerField(_("price (fen a pack)"))
    starts = models.DateField(_("from"))
    ends = models.DateField(_("to"))

    class Meta:
        verbose_name = _("supply contract")
        verbose_name_plural = _("supply contracts")
        ordering = ["group", "region"]
        constraints = [
            models.UniqueConstraint(fields=["group", "region"], name="insurance_supplycontract_once"),
            models.CheckConstraint(condition=Q(ends__gt=F("starts")), name="insurance_supplycontract_days"),
        ]

    def __str__(self) -> str:
        return f"{self.pk}"


class ContractLine(models.Model):
    """What one institution has agreed to buy in a year under a contract, in reference units."""

    contract = models.ForeignKey(
        SupplyContract, on_delete=models.PROTECT, related_name="lines", verbose_name=_("contract")
    )
    institution = models.ForeignKey(
        Institution, on_delete=models.PROTECT, related_name="+", verbose_name=_("institution")
    )
    base = models.PositiveBigIntegerField(_("base volume a year"))
    units = models.PositiveBigIntegerField(_("agreed volume a year"))

    class Meta:
        verbose_name = _("line of a supply contract")
        verbose_name_plural = _("lines of supply contracts")
        ordering = ["contract", "institution"]
        constraints = [
            models.UniqueConstraint(fields=["contract", "institution"], name="insurance_contractline_once"),
            models.CheckConstraint(condition=Q(units__lte=F("base")), name="insurance_contractline_share"),
        ]

    def __str__(self) -> str:
        return f"{self.pk}"


class Supply(models.Model):
    """Something delivered, used or used instead, in reference units; taken back by a row that reverses it."""

    class Kind(models.TextChoices):
        """What happened."""

        ORDERED = "ordered", _("Ordered")
        DELIVERED = "delivered", _("Delivered")
        USED = "used", _("Used")
        SUBSTITUTED = "substituted", _("Another product used")

    line = models.ForeignKey(
        ContractLine, on_delete=models.PROTECT, related_name="supplies", verbose_name=_("line")
    )
    kind = models.CharField(_("kind"), max_length=12, choices=Kind.choices)
    on = models.DateField(_("day"))
    units = models.BigIntegerField(_("reference units"))
    reverses = models.OneToOneField(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="reversed_by",
        verbose_name=_("takes back"),
    )  # fmt: skip
    entered_by = models.ForeignKey(
        Account, null=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("entered by")
    )
    entered_at = models.DateTimeField(_("entered"))

    class Meta:
        verbose_name = _("supply")
        verbose_name_plural = _("supplies")
        ordering = ["-on", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(reverses__isnull=True, units__gt=0) | Q(reverses__isnull=False, units__lt=0),
                name="insurance_supply_sign",
            )
        ]

    def __str__(self) -> str:
        return f"{self.pk}"
