"""Tables of bulk import: the jobs that sources ask for, and how far each of their files is."""

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _


class ImportState(models.TextChoices):
    """How far an import is."""

    QUEUED = "queued", _("Waiting")
    RUNNING = "running", _("Running")
    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")


class ImportJob(models.Model):
    """One request of a source to pull files."""

    id = models.BigAutoField(primary_key=True)
    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    source = models.ForeignKey("connect.SourceSystem", on_delete=models.PROTECT, related_name="imports")
    asker = models.JSONField()
    base = models.CharField(max_length=300)
    state = models.CharField(
        _("state"), max_length=10, choices=ImportState, default=ImportState.QUEUED, db_index=True
    )
    failure = models.CharField(max_length=300, blank=True)
    owner = models.CharField(max_length=80, blank=True)
    lease_until = models.DateTimeField(null=True)
    created = models.DateTimeField(_("asked"), auto_now_add=True)
    finished = models.DateTimeField(_("finished"), null=True)

    class Meta:
        """Newest first."""

        ordering = ("-id",)
        verbose_name = _("bulk import")
        verbose_name_plural = _("bulk imports")

    def __str__(self) -> str:
        return str(self.key)


class ImportInput(models.Model):
    """One file of an import; `offset` and `line` say how far it has been stored."""

    id = models.BigAutoField(primary_key=True)
    job = models.ForeignKey(ImportJob, on_delete=models.CASCADE, related_name="inputs")
    number = models.PositiveIntegerField()
    type = models.CharField(max_length=64)
    url = models.CharField(max_length=2000)
    load = models.ForeignKey("connect.Load", on_delete=models.PROTECT, null=True, related_name="+")
    offset = models.BigIntegerField(default=0)
    line = models.BigIntegerField(default=0)
    done = models.BooleanField(default=False)
    failure = models.CharField(max_length=300, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    errors = models.IntegerField(default=0)
    errors_size = models.BigIntegerField(default=0)
    errors_packed = models.BigIntegerField(default=0)
    errors_digest = models.CharField(max_length=64, blank=True)

    class Meta:
        """A job's inputs are numbered."""

        constraints = (models.UniqueConstraint(fields=("job", "number"), name="connect_import_input_number"),)
