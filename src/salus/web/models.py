"""What the kit keeps: files being imported, row by row, so that they can be previewed, resumed and undone."""

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class ImportBatch(models.Model):
    """One file that somebody imports."""

    importer = models.CharField(_("kind"), max_length=60)
    account = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", verbose_name=_("by")
    )
    filename = models.CharField(_("file"), max_length=200)
    digest = models.CharField(_("SHA-256"), max_length=64)
    created = models.DateTimeField(_("uploaded"), default=timezone.now)
    begun = models.DateTimeField(_("begun"), null=True, blank=True)
    undone = models.DateTimeField(_("undone"), null=True, blank=True)

    class Meta:
        verbose_name = _("import")
        verbose_name_plural = _("imports")
        ordering = ["-created"]
        indexes = [models.Index(fields=["importer", "-created"], name="web_importbatch_kind")]

    def __str__(self) -> str:
        return self.filename


class RowState(models.TextChoices):
    """Where a row of an import stands."""

    WRONG = "wrong", _("Wrong")
    SAME = "same", _("Nothing to do")
    READY = "ready", _("Ready")
    DONE = "done", _("Imported")
    FAILED = "failed", _("Failed")
    UNDONE = "undone", _("Undone")
    KEPT = "kept", _("Could not be undone")


class ImportRow(models.Model):
    """One row of a file: its cells, what was found about it, and what undoes it."""

    batch = models.ForeignKey(
        ImportBatch, on_delete=models.CASCADE, related_name="rows", verbose_name=_("import")
    )
    number = models.PositiveIntegerField(_("line"))
    cells = models.JSONField(_("cells"))
    state = models.CharField(_("state"), max_length=10, choices=RowState.choices)
    words = models.CharField(_("what was found"), max_length=400, blank=True)
    way_back = models.JSONField(_("way back"), null=True, blank=True)

    class Meta:
        verbose_name = _("row of an import")
        verbose_name_plural = _("rows of imports")
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["batch", "number"], name="web_importrow_once")]
        indexes = [models.Index(fields=["batch", "state"], name="web_importrow_state")]

    def __str__(self) -> str:
        return str(self.number)


class OfflineReceipt(models.Model):
    """That a form from a device was taken in, written in the transaction of what it wrote.

    It holds what was answered and no value of the form, so that the same form sent again changes nothing.
    """

    account = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", verbose_name=_("by")
    )
    item = models.UUIDField(_("id made on the device"))
    form = models.CharField(_("form"), max_length=60)
    digest = models.CharField(_("SHA-256"), max_length=64)
    received = models.DateTimeField(_("taken in"))
    words = models.CharField(_("what was answered"), max_length=400, blank=True)
    key = models.CharField(_("subject"), max_length=80, blank=True)
    version = models.CharField(_("version"), max_length=80, blank=True)

    class Meta:
        verbose_name = _("receipt of a form")
        verbose_name_plural = _("receipts of forms")
        constraints = [models.UniqueConstraint(fields=["account", "item"], name="web_offlinereceipt_once")]

    def __str__(self) -> str:
        return str(self.item)
