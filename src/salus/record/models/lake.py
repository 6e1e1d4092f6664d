"""Copies of the lake that were asked for, for studies."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class CopyState(models.TextChoices):
    """How far a copy for research is."""

    WAITING = "waiting", _("waiting")
    RUNNING = "running", _("being made")
    READY = "ready", _("ready")
    FAILED = "failed", _("failed")
    DELETED = "deleted", _("deleted")


class ResearchCopy(models.Model):
    """One copy: for which study, on what basis, what it holds; its files are in the folder `research`."""

    id = models.BigAutoField(primary_key=True)
    project = models.CharField(_("study"), max_length=40, db_index=True)
    title = models.CharField(_("title"), max_length=200)
    basis = models.CharField(_("ethics approval"), max_length=120)
    tables = models.JSONField(_("tables"), default=list)
    as_of = models.DateField(_("as of"), null=True)
    k = models.IntegerField(_("least group"), default=5)
    state = models.CharField(_("state"), max_length=8, choices=CopyState, default=CopyState.WAITING)
    asked_by = models.CharField(_("asked by"), max_length=150)
    asked = models.DateTimeField(_("asked on"))
    made = models.DateTimeField(_("made on"), null=True)
    failure = models.CharField(_("failure"), max_length=200, blank=True)
    report = models.JSONField(_("report"), default=dict)

    class Meta:
        """Names."""

        db_table = "record_researchcopy"
        verbose_name = _("copy for research")
        verbose_name_plural = _("copies for research")

    def __str__(self) -> str:
        return f"{self.project} {self.pk}"
