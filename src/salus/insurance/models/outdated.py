"""Benefit years whose claims should be decided again."""

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from salus.insurance.models.claims import Claim
from salus.kernel.models import FeedPlace


class OutdatedWhy(models.TextChoices):
    """Why the claims after another one no longer stand on what is known."""

    LATE = "late", _("A claim came late")
    REVERSED = "reversed", _("A claim was taken back")
    JOINED = "joined", _("Records of two residents were joined")
    SEPARATED = "separated", _("Records of a resident were separated")


class OutdatedYear(models.Model):
    """A person's benefit year with claims that were decided before the `cause` came or went.

    Where records were joined or separated, the cause is the first claim of the year.
    It goes when the year is decided again.
    """

    person_id = models.UUIDField(_("person"))
    year = models.PositiveSmallIntegerField(_("year"))
    cause = models.ForeignKey(Claim, on_delete=models.CASCADE, related_name="+")
    why = models.CharField(_("why"), max_length=10, choices=OutdatedWhy)
    found_at = models.DateTimeField(_("since"))

    class Meta:
        """Names; one row a person and year."""

        verbose_name = _("year to decide again")
        verbose_name_plural = _("years to decide again")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["person_id", "year"], name="insurance_outdated_once")
        ]
        indexes: ClassVar = [models.Index(fields=["found_at", "id"], name="insurance_outdated_since")]


class FeedCursor(FeedPlace):
    """How far a reader of this room has read the record's change feed."""

    class Meta(FeedPlace.Meta):
        """A table of its own, with the names of all such tables."""

        abstract = False
