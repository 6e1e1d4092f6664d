"""Rounds of commit–reveal and their commitments; triggers of the database hold their rules."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from salus.kernel.models.accounts import Account


class CommitRound(models.Model):
    """A round: commitments are taken from `opened_at` until `commit_until`, revealed until `reveal_until`.

    Its times never change; `root` is set once, after the deadline, over all commitments that stand.
    """

    code = models.CharField(_("code"), max_length=80, unique=True)
    purpose = models.CharField(_("purpose"), max_length=40)
    opened_at = models.DateTimeField(_("opens"))
    commit_until = models.DateTimeField(_("commitments until"))
    reveal_until = models.DateTimeField(_("revealing until"))
    root = models.CharField(_("root"), max_length=64, blank=True)
    made_by = models.ForeignKey(
        Account, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("made by")
    )

    class Meta:
        verbose_name = _("commit–reveal round")
        verbose_name_plural = _("commit–reveal rounds")
        ordering = ["-commit_until"]
        constraints = [
            models.CheckConstraint(
                condition=Q(opened_at__lt=F("commit_until")) & Q(commit_until__lt=F("reveal_until")),
                name="kernel_commitround_times",
            )
        ]

    def __str__(self) -> str:
        return self.code


class Commitment(models.Model):
    """One party's commitment in a round; withdrawn before the deadline, revealed after it, never changed.

    `envelope` holds the opening encrypted to the round's custodians, where there are any.
    """

    round = models.ForeignKey(
        CommitRound, on_delete=models.PROTECT, related_name="commitments", verbose_name=_("round")
    )
    party = models.CharField(_("party"), max_length=120)
    digest = models.CharField(_("commitment"), max_length=64)
    envelope = models.TextField(_("sealed envelope"), blank=True)
    committed_at = models.DateTimeField(_("committed"))
    withdrawn_at = models.DateTimeField(_("withdrawn"), null=True, blank=True)
    revealed_at = models.DateTimeField(_("revealed"), null=True, blank=True)
    nonce = models.CharField(_("nonce"), max_length=64, blank=True)
    payload = models.TextField(_("payload"), blank=True)

    class Meta:
        verbose_name = _("commitment")
        verbose_name_plural = _("commitments")
        ordering = ["round", "party", "committed_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["round", "party"],
                condition=Q(withdrawn_at__isnull=True),
                name="kernel_commitment_one_a_party",
            ),
            models.UniqueConstraint(fields=["round", "digest"], name="kernel_commitment_once"),
            models.CheckConstraint(
                condition=Q(revealed_at__isnull=True, nonce="", payload="")
                | (Q(revealed_at__isnull=False, withdrawn_at__isnull=True) & ~Q(nonce="")),
                name="kernel_commitment_revealed_whole",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.party} {self.digest[:12]}"
