"""Prices of services: lists in versions, what a re-pricing starts from, and studies of new prices."""

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from salus.kernel.errors import Conflict


class PriceListState(models.TextChoices):
    """How far a list is."""

    DRAFT = "draft", _("Draft")
    PUBLISHED = "published", _("Published")
    WITHDRAWN = "withdrawn", _("Withdrawn before it took effect")
    DISCARDED = "discarded", _("Discarded")


class StudyState(models.TextChoices):
    """How far a study is."""

    QUEUED = "queued", _("Waiting")
    RUNNING = "running", _("Running")
    DONE = "done", _("Done")
    FAILED = "failed", _("No answer")


class PriceBasis(models.Model):
    """A year of services: prices, costs, volumes by hospital and group, and the money that was freed.

    `hospitals` holds [code, tier] pairs; `freed` and `freed_fund` fen by hospital and group.
    """

    title = models.CharField(_("title"), max_length=200)
    year = models.PositiveSmallIntegerField(_("year"))
    digest = models.CharField(max_length=64, unique=True)
    services = models.PositiveIntegerField(_("services"))
    hospitals = models.JSONField()
    groups = models.JSONField()
    freed = models.JSONField()
    freed_fund = models.JSONField(null=True)
    recorded_at = models.DateTimeField(_("recorded"))
    recorded_by = models.CharField(_("recorded by"), max_length=150)

    class Meta:
        """Newest first."""

        ordering = ("-pk",)
        verbose_name = _("basis of prices")
        verbose_name_plural = _("bases of prices")

    def __str__(self) -> str:
        return self.title


class PriceBasisService(models.Model):
    """A service of a basis; `volumes` is its row by hospital and group, 64-bit little-endian, compressed."""

    basis = models.ForeignKey(PriceBasis, on_delete=models.CASCADE, related_name="rows")
    place = models.PositiveIntegerField()
    code = models.CharField(max_length=40)
    tier = models.CharField(max_length=20, blank=True)
    name = models.CharField(max_length=300, blank=True)
    department = models.CharField(max_length=100, blank=True)
    family = models.CharField(max_length=40, blank=True)
    rank = models.BigIntegerField()
    price = models.BigIntegerField()
    cost = models.BigIntegerField()
    labour = models.BigIntegerField()
    difficulty = models.BigIntegerField()
    risk = models.BigIntegerField()
    lowest = models.BigIntegerField()
    highest = models.BigIntegerField()
    target = models.BigIntegerField()
    volumes = models.BinaryField()

    class Meta:
        """In the basis's order."""

        ordering = ("basis", "place")
        constraints = [
            models.UniqueConstraint(fields=["basis", "place"], name="insurance_basis_place"),
        ]


class PriceStudy(models.Model):
    """A question for new prices and its answer.

    `rules` is the table of rules it was asked with; `summary`, `curve` and `impact` its answer in fen.
    """

    basis = models.ForeignKey(PriceBasis, on_delete=models.PROTECT, related_name="studies")
    title = models.CharField(_("title"), max_length=200)
    rules = models.JSONField()
    closeness = models.PositiveSmallIntegerField(_("closeness"))
    state = models.CharField(_("state"), max_length=10, choices=StudyState.choices, default=StudyState.QUEUED)
    stage = models.CharField(max_length=40, blank=True)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    failure_code = models.CharField(max_length=60, blank=True)
    failure = models.TextField(blank=True)
    conflicts = models.JSONField(default=list)
    summary = models.JSONField(default=dict)
    curve = models.JSONField(default=list)
    impact = models.JSONField(default=list)
    asked_at = models.DateTimeField(_("asked"))
    asked_by = models.CharField(_("asked by"), max_length=150)
    finished_at = models.DateTimeField(_("finished"), null=True)

    class Meta:
        """Newest first."""

        ordering = ("-pk",)
        verbose_name = _("study of prices")
        verbose_name_plural = _("studies of prices")

    def __str__(self) -> str:
        return self.title


class PriceMove(models.Model):
    """What a study says of a service: prices in fen, `share` in hundredths of a percent, and why."""

    study = models.ForeignKey(PriceStudy, on_delete=models.CASCADE, related_name="moves")
    code = models.CharField(max_length=40)
    tier = models.CharField(max_length=20, blank=True)
    name = models.CharField(max_length=300, blank=True)
    department = models.CharField(max_length=100, blank=True)
    old = models.BigIntegerField()
    new = models.BigIntegerField()
    change = models.BigIntegerField()
    share = models.BigIntegerField()
    target = models.BigIntegerField()
    lowest = models.BigIntegerField()
    highest = models.BigIntegerField()
    volume = models.BigIntegerField()
    reason = models.CharField(max_length=20)
    pulls = models.JSONField(default=dict)

    class Meta:
        """By code."""

        ordering = ("study", "code", "tier")
        constraints = [
            models.UniqueConstraint(fields=["study", "code", "tier"], name="insurance_move_once"),
        ]


class PriceList(models.Model):
    """A whole list of prices; the published list with the latest first day is in force on a day.

    Its prices never change; a new list restores an old one (`restores`). `based_on` was in force when it was
    made.
    """

    number = models.PositiveIntegerField(_("number"), unique=True)
    title = models.CharField(_("title"), max_length=200)
    state = models.CharField(
        _("state"), max_length=10, choices=PriceListState.choices, default=PriceListState.DRAFT
    )
    effective_from = models.DateField(_("in force from"), null=True)
    based_on = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="+")
    restores = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="+")
    study = models.ForeignKey(PriceStudy, on_delete=models.PROTECT, null=True, related_name="lists")
    made_at = models.DateTimeField(_("made"))
    made_by = models.CharField(_("made by"), max_length=150)
    decided_at = models.DateTimeField(_("decided"), null=True)
    decided_by = models.CharField(_("decided by"), max_length=150, blank=True)
    reason = models.CharField(_("reason"), max_length=500, blank=True)

    class Meta:
        """Newest first; no two published lists begin on one day."""

        ordering = ("-number",)
        verbose_name = _("price list")
        verbose_name_plural = _("price lists")
        constraints = [
            models.UniqueConstraint(
                fields=["effective_from"],
                condition=models.Q(state="published"),
                name="insurance_list_one_a_day",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.number} · {self.title}"


class PriceListItem(models.Model):
    """A price of a list, in fen; `tier` is empty when it is every tier's. Written once, with its list."""

    list = models.ForeignKey(PriceList, on_delete=models.CASCADE, related_name="items")
    item = models.CharField(_("code"), max_length=40)
    tier = models.CharField(_("tier"), max_length=20, blank=True)
    name = models.CharField(_("name"), max_length=300, blank=True)
    department = models.CharField(_("department"), max_length=100, blank=True)
    price = models.BigIntegerField(_("price"))

    class Meta:
        """By code; a code and tier stands once."""

        ordering = ("list", "item", "tier")
        verbose_name = _("price")
        verbose_name_plural = _("prices")
        constraints = [
            models.UniqueConstraint(fields=["list", "item", "tier"], name="insurance_price_once"),
        ]

    def save(self, *args: Any, **options: Any) -> None:
        """Refuse: a list's prices are written together and stay.

        Raises:
            Conflict: always.
        """
        raise Conflict("price-fixed", "A price of a list does not change; make a new list")
