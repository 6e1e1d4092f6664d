"""Tables of the connect room: who sends, what came, what became of it.

The invariant that the whole room keeps: every message received has exactly one row in `Message`,
whose status is stored, repeated or dead; `FlowCount` counts the same thing a second way.
"""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class Format(models.TextChoices):
    """What a source system speaks."""

    FHIR = "fhir", _("FHIR R4")
    HL7V2 = "hl7v2", _("HL7 v2")
    CSV = "csv", _("CSV")
    EXCEL = "excel", _("Excel")
    DATABASE = "database", _("Database")
    DOCUMENT = "document", _("Clinical documents")


class SourceSystem(models.Model):
    """One system of one institution that sends messages."""

    code = models.CharField(_("code"), max_length=64, unique=True)
    name = models.CharField(_("name"), max_length=200)
    name_en = models.CharField(_("name in English"), max_length=200, blank=True)
    institution = models.ForeignKey(
        "kernel.Institution", on_delete=models.PROTECT, null=True, blank=True, related_name="source_systems"
    )
    vendor = models.CharField(_("vendor"), max_length=200, blank=True)
    format = models.CharField(_("format"), max_length=16, choices=Format.choices)
    charset = models.CharField(_("character set"), max_length=32, default="utf-8")
    timezone = models.CharField(_("time zone"), max_length=64, default="Asia/Shanghai")
    mapping = models.TextField(_("mapping"), blank=True, help_text=_("TOML; see docs/connect.md"))
    mapping_revision = models.PositiveIntegerField(default=0)
    system_base = models.CharField(
        _("identifier namespace"),
        max_length=200,
        blank=True,
        help_text=_("Prefix of the identifier systems that this source does not name itself"),
    )
    error_rate_limit = models.FloatField(
        _("error rate that raises a notice"), default=0.05, help_text=_("Share of the last hour's messages")
    )
    active = models.BooleanField(_("active"), default=True)
    made_on_load = models.BooleanField(default=False, editable=False)
    last_heard = models.DateTimeField(_("last heard from"), null=True, editable=False)
    noticed_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        """Ordering and names."""

        ordering = ("code",)
        verbose_name = _("source system")
        verbose_name_plural = _("source systems")

    def __str__(self) -> str:
        return self.code


class MappingRevision(models.Model):
    """One state of a source's mapping; the newest is also on the source itself."""

    source = models.ForeignKey(SourceSystem, on_delete=models.CASCADE, related_name="mapping_revisions")
    number = models.PositiveIntegerField()
    text = models.TextField()
    note = models.CharField(max_length=300, blank=True)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        """One row a source and number."""

        ordering = ("source", "-number")
        constraints = (
            models.UniqueConstraint(fields=("source", "number"), name="connect_one_mapping_number"),
        )


class SourceCredential(models.Model):
    """What a source system proves itself with; the secret is kept only as a hash."""

    class Kind(models.TextChoices):
        """How the source proves itself."""

        TOKEN = "token", _("Bearer token")
        CERTIFICATE = "certificate", _("Client certificate")
        CLIENT = "client", _("SMART backend client")

    source = models.ForeignKey(SourceSystem, on_delete=models.CASCADE, related_name="credentials")
    kind = models.CharField(max_length=16, choices=Kind.choices)
    label = models.CharField(_("label"), max_length=100, blank=True)
    prefix = models.CharField(max_length=12, blank=True, db_index=True)
    secret_hash = models.CharField(max_length=128, blank=True, editable=False)
    fingerprint = models.CharField(
        _("certificate fingerprint"),
        max_length=64,
        blank=True,
        db_index=True,
        help_text=_("SHA-256, hexadecimal"),
    )
    client_id = models.CharField(_("OAuth client"), max_length=200, blank=True, db_index=True)
    scopes = models.CharField(_("scopes"), max_length=500, blank=True)
    valid_from = models.DateTimeField(auto_now_add=True)
    valid_to = models.DateTimeField(_("valid until"), null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used = models.DateTimeField(null=True, editable=False)
    replaces = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="replaced_by")
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )

    class Meta:
        """Newest first."""

        ordering = ("source", "-id")


class Load(models.Model):
    """Messages that came together: a file, a watch-folder pick-up or a database pull."""

    class State(models.TextChoices):
        """How far the load is."""

        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")
        UNDOING = "undoing", _("Being undone")
        UNDONE = "undone", _("Undone")

    source = models.ForeignKey(SourceSystem, on_delete=models.PROTECT, related_name="loads")
    name = models.CharField(_("name"), max_length=300)
    via = models.CharField(max_length=16)
    state = models.CharField(_("state"), max_length=16, choices=State.choices, default=State.RUNNING)
    started_at = models.DateTimeField(_("started"), auto_now_add=True)
    finished_at = models.DateTimeField(_("finished"), null=True)
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    size = models.BigIntegerField(_("bytes"), default=0)
    done_bytes = models.BigIntegerField(default=0)
    received = models.PositiveIntegerField(_("received"), default=0)
    stored = models.PositiveIntegerField(_("stored"), default=0)
    repeated = models.PositiveIntegerField(_("repeated"), default=0)
    dead = models.PositiveIntegerField(_("dead letters"), default=0)
    resources = models.PositiveIntegerField(_("resources"), default=0)
    failure = models.CharField(max_length=500, blank=True)
    undo_report = models.JSONField(default=dict)

    class Meta:
        """Newest first."""

        ordering = ("-id",)
        verbose_name = _("load")
        verbose_name_plural = _("loads")


class Status(models.TextChoices):
    """What became of a message."""

    STORED = "stored", _("Stored")
    REPEATED = "repeated", _("Repeated")
    DEAD = "dead", _("Dead letter")


class Via(models.TextChoices):
    """The way a message came in."""

    MLLP = "mllp", _("MLLP")
    REST = "rest", _("FHIR API")
    FILE = "file", _("File")
    INBOX = "inbox", _("Watch folder")
    PULL = "pull", _("Database pull")
    PAGE = "page", _("Upload")
    BULK = "bulk", _("Bulk import")


class Message(models.Model):
    """One message received, whatever became of it.

    `digest` is the BLAKE2b-128 of the bytes (of the row's canonical text for tables). `written` lists
    what the message wrote as `rid:version:outcome`, comma separated, so a load can be undone.
    """

    class Resolution(models.TextChoices):
        """What a person did about a dead letter."""

        NONE = "", _("Open")
        REPLAYED = "replayed", _("Replayed")
        DISCARDED = "discarded", _("Discarded")

    source = models.ForeignKey(SourceSystem, on_delete=models.PROTECT, related_name="messages")
    load = models.ForeignKey(Load, on_delete=models.PROTECT, null=True, related_name="messages")
    credential_id = models.BigIntegerField(null=True)
    control_id = models.CharField(_("control id"), max_length=200, blank=True)
    digest = models.BinaryField(max_length=16)
    kind = models.CharField(_("kind"), max_length=64)
    via = models.CharField(_("came by"), max_length=16, choices=Via.choices)
    position = models.BigIntegerField(
        _("position"), null=True, help_text=_("Line or row in its file, from 1")
    )
    size = models.BigIntegerField(_("bytes"))
    received_at = models.DateTimeField(_("received"))
    occurred = models.DateTimeField(_("occurred"), null=True)
    status = models.CharField(_("status"), max_length=16, choices=Status.choices)
    reason_code = models.CharField(_("reason"), max_length=64, blank=True)
    reason = models.CharField(_("explanation"), max_length=1000, blank=True)
    reason_where = models.CharField(_("where"), max_length=300, blank=True)
    warnings = models.TextField(blank=True)
    repeat_of = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, related_name="repeats", db_index=False
    )
    resources = models.PositiveIntegerField(default=0)
    written = models.TextField(blank=True)
    undone = models.BooleanField(default=False)
    resolution = models.CharField(max_length=16, choices=Resolution.choices, blank=True)
    resolved_at = models.DateTimeField(null=True)
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    resolution_note = models.CharField(max_length=500, blank=True)
    attempts = models.PositiveSmallIntegerField(default=1)

    class Meta:
        """A message's bytes are taken once a source; repeats point at the first."""

        ordering = ("-id",)
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        constraints = (
            models.UniqueConstraint(
                fields=("source", "digest"),
                condition=~models.Q(status="repeated") & models.Q(undone=False),
                name="connect_one_message_a_digest",
            ),
        )
        indexes = (
            models.Index(
                fields=("source", "control_id"),
                name="connect_message_control",
                condition=~models.Q(control_id=""),
            ),
            models.Index(
                fields=("source", "reason_code", "id"),
                name="connect_message_dead",
                condition=models.Q(status="dead"),
            ),
        )


class MessageRaw(models.Model):
    """The bytes as the sender sent them. A repeat has none: its original's are the same."""

    message = models.OneToOneField(Message, on_delete=models.CASCADE, primary_key=True, related_name="raw")
    body = models.BinaryField()


class MessageEdit(models.Model):
    """A dead letter's text as a person corrected it before a replay; the original bytes stay."""

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="edits")
    number = models.PositiveIntegerField()
    body = models.BinaryField()
    note = models.CharField(max_length=500, blank=True)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        """Newest first."""

        ordering = ("message", "-number")
        constraints = (models.UniqueConstraint(fields=("message", "number"), name="connect_one_edit_number"),)


class FlowCount(models.Model):
    """Messages a source and day (in the city's zone), kept in the transaction that stores them."""

    source = models.ForeignKey(SourceSystem, on_delete=models.CASCADE, related_name="flow")
    day = models.DateField()
    received = models.BigIntegerField(default=0)
    stored = models.BigIntegerField(default=0)
    repeated = models.BigIntegerField(default=0)
    dead = models.BigIntegerField(default=0)
    resources = models.BigIntegerField(default=0)

    class Meta:
        """One row a source and day; the database itself refuses a row that does not add up."""

        constraints = (
            models.UniqueConstraint(fields=("source", "day"), name="connect_one_flow_a_day"),
            models.CheckConstraint(
                condition=models.Q(received=models.F("stored") + models.F("repeated") + models.F("dead")),
                name="connect_flow_balances",
            ),
        )


class PullSchedule(models.Model):
    """A read-only query on a hospital's own database, run on a schedule from its watermark on."""

    source = models.ForeignKey(SourceSystem, on_delete=models.CASCADE, related_name="pulls")
    name = models.CharField(_("name"), max_length=100)
    url_variable = models.CharField(
        _("environment variable with the address"),
        max_length=100,
        help_text=_("The address holds a secret, so only the variable's name is kept here"),
    )
    table = models.CharField(_("table of the mapping"), max_length=100, blank=True)
    query = models.TextField(
        _("query"),
        help_text=_("One select; :watermark and :limit are filled in; ordered by the watermark column"),
    )
    watermark_column = models.CharField(_("watermark column"), max_length=100)
    watermark = models.JSONField(null=True)
    every = models.PositiveIntegerField(_("seconds between runs"), default=300)
    batch = models.PositiveIntegerField(_("rows a batch"), default=500)
    enabled = models.BooleanField(_("enabled"), default=True)
    last_run = models.DateTimeField(null=True)
    last_rows = models.PositiveIntegerField(default=0)
    last_failure = models.CharField(max_length=500, blank=True)

    class Meta:
        """A source's pulls have different names."""

        constraints = (models.UniqueConstraint(fields=("source", "name"), name="connect_one_pull_name"),)


class RestAnswer(models.Model):
    """The first answer to a write sent over REST, given again when the same request is repeated."""

    source = models.ForeignKey(SourceSystem, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=200)
    request_digest = models.BinaryField(max_length=16)
    message = models.ForeignKey(Message, on_delete=models.CASCADE, null=True, related_name="+")
    status = models.PositiveSmallIntegerField()
    headers = models.JSONField(default=dict)
    body = models.BinaryField()
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        """One answer a source and key."""

        constraints = (models.UniqueConstraint(fields=("source", "key"), name="connect_one_answer_a_key"),)


from salus.connect.bulk_import_models import (  # noqa: E402  after the tables that they name
    ImportInput as ImportInput,
)
from salus.connect.bulk_import_models import ImportJob as ImportJob  # noqa: E402
