"""Tables of bulk export: the jobs, their files, and whose records were in which export.

Times of day are aware; `transaction_time`, `since` and `until` are microseconds since 1970 UTC, like the
store's own. Rows of jobs stay when their files are gone: a resident may ask years later.
"""

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _


class ExportState(models.TextChoices):
    """How far an export is."""

    QUEUED = "queued", _("Waiting")
    RUNNING = "running", _("Running")
    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")
    EXPIRED = "expired", _("Expired")


class ExportJob(models.Model):
    """One request for many resources: who asked, what for, as of when, and how far the work is.

    `horizon_xid` and `horizon_seq` are the place in the change feed up to which all is in the export;
    `snapshot` says on PostgreSQL which transactions after it are too ("xmin:xmax:running ones");
    `since_xid` and `since_seq` the place that it begins after, where `_since` is an earlier job's
    transaction time. `kind_at` and `after_rid` say what has been published.
    """

    id = models.BigAutoField(primary_key=True)
    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    asker = models.JSONField()
    asker_name = models.CharField(_("asked by"), max_length=150)
    account_id = models.BigIntegerField(null=True)
    source_id = models.IntegerField(null=True)
    level = models.CharField(_("of"), max_length=8)
    group_id = models.CharField(max_length=64, blank=True)
    request = models.TextField()
    base = models.CharField(max_length=300)
    types = models.JSONField(default=list)
    filters = models.JSONField(default=dict)
    elements = models.JSONField(default=dict)
    warnings = models.JSONField(default=list)
    chosen_patients = models.BooleanField(default=False)
    since = models.BigIntegerField(null=True)
    until = models.BigIntegerField(null=True)
    since_xid = models.BigIntegerField(null=True)
    since_seq = models.BigIntegerField(null=True)
    snapshot = models.TextField(default="", blank=True)
    horizon_xid = models.BigIntegerField()
    horizon_seq = models.BigIntegerField()
    transaction_time = models.BigIntegerField()
    last_rid = models.BigIntegerField(default=0)
    state = models.CharField(
        _("state"), max_length=10, choices=ExportState, default=ExportState.QUEUED, db_index=True
    )
    failure = models.CharField(max_length=300, blank=True)
    kind_at = models.IntegerField(default=0)
    after_rid = models.BigIntegerField(default=0)
    resources = models.BigIntegerField(_("resources"), default=0)
    bytes = models.BigIntegerField(_("bytes"), default=0)
    owner = models.CharField(max_length=80, blank=True)
    lease_until = models.DateTimeField(null=True)
    created = models.DateTimeField(_("asked"), auto_now_add=True)
    finished = models.DateTimeField(_("finished"), null=True)
    expires = models.DateTimeField(null=True, db_index=True)

    class Meta:
        """Names and indexes."""

        db_table = "record_exportjob"
        ordering = ("-id",)
        verbose_name = _("export")
        verbose_name_plural = _("exports")
        indexes = [
            models.Index(fields=["transaction_time"], name="record_exportjob_time"),
            models.Index(fields=["source_id", "account_id"], name="record_exportjob_asker"),
        ]

    def __str__(self) -> str:
        return str(self.key)


class ExportFile(models.Model):
    """One published file of an export; `purpose` is output, deleted or error."""

    id = models.BigAutoField(primary_key=True)
    job = models.ForeignKey(ExportJob, on_delete=models.CASCADE, related_name="files")
    name = models.CharField(max_length=80)
    purpose = models.CharField(max_length=8)
    type = models.CharField(max_length=64)
    count = models.IntegerField()
    size = models.BigIntegerField()
    packed_size = models.BigIntegerField()
    digest = models.CharField(max_length=64)

    class Meta:
        """A job's files have different names."""

        db_table = "record_exportfile"
        constraints = [models.UniqueConstraint(fields=["job", "name"], name="record_exportfile_name")]


class ExportPatient(models.Model):
    """A Patient resource whose data an export of a group or of named patients is about."""

    pk = models.CompositePrimaryKey("job", "patient_rid")
    job = models.ForeignKey(ExportJob, on_delete=models.CASCADE, related_name="+")
    patient_rid = models.BigIntegerField()

    class Meta:
        """Names."""

        db_table = "record_exportpatient"


class ExportPerson(models.Model):
    """A person whose data is in an export: what a resident's page of readers asks."""

    pk = models.CompositePrimaryKey("person_id", "job")
    person_id = models.UUIDField()
    job = models.ForeignKey(ExportJob, on_delete=models.PROTECT, related_name="+", db_index=False)

    class Meta:
        """Names."""

        db_table = "record_exportperson"
