"""What a review of claims found suspicious, and what the agency's examiners made of it."""

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from salus.insurance.models.claims import Claim


class ReviewVerdict(models.TextChoices):
    """What an examiner made of a suspicion."""

    CONFIRMED = "confirmed", _("Confirmed")
    DISMISSED = "dismissed", _("Dismissed")


class Suspicion(models.Model):
    """A claim that a review ranked: why (a kind of `rules/review_kinds.csv`), how likely, held against what.

    `measures` are x1 to x6 of the job that measured it, from which its words are made; `false_share` is the
    share of false alarms to expect in the list down to here.
    """

    claim = models.ForeignKey(Claim, on_delete=models.CASCADE, related_name="suspicions")
    other = models.ForeignKey(Claim, null=True, on_delete=models.SET_NULL, related_name="+")
    kind = models.CharField(_("kind"), max_length=24)
    what = models.CharField(_("what it turns on"), max_length=60, blank=True)
    department = models.CharField(_("department"), max_length=80, blank=True)
    probability = models.FloatField(_("probability"))
    false_share = models.FloatField(_("false alarms down to here"))
    measures = models.JSONField(default=dict)
    found_at = models.DateTimeField(_("found at"))
    verdict = models.CharField(_("verdict"), max_length=10, choices=ReviewVerdict, blank=True, default="")
    note = models.CharField(_("note"), max_length=500, blank=True)
    judged_by = models.CharField(_("judged by"), max_length=150, blank=True)
    judged_at = models.DateTimeField(_("judged at"), null=True)

    class Meta:
        """Names; one row a claim and kind."""

        verbose_name = _("suspicion")
        verbose_name_plural = _("suspicions")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["claim", "kind"], name="insurance_suspicion_once")
        ]
        indexes: ClassVar = [
            models.Index(fields=["-probability", "id"], name="insurance_suspicion_rank"),
            models.Index(fields=["verdict", "-probability"], name="insurance_suspicion_verdict"),
        ]
