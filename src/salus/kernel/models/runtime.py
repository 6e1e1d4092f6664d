"""Notifications, the event outbox with its handlers' cursors, and periodic jobs."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from salus.kernel.feed import TransactionId
from salus.kernel.models.accounts import Account


class Notification(models.Model):
    """A message to one account. `text` is an English message id; it is translated when shown.

    `params` fills its placeholders and must hold no identifiers of residents.
    """

    account = models.ForeignKey(
        Account, on_delete=models.CASCADE, related_name="notifications", verbose_name=_("account")
    )
    kind = models.CharField(_("kind"), max_length=40)
    text = models.CharField(_("text"), max_length=400)
    params = models.JSONField(_("values"), default=dict, blank=True)
    link = models.CharField(_("address"), max_length=300, blank=True)
    urgent = models.BooleanField(_("urgent"), default=False)
    key = models.CharField(_("once-only key"), max_length=120, null=True, blank=True)
    created = models.DateTimeField(_("created"), default=timezone.now)
    read_at = models.DateTimeField(_("read at"), null=True, blank=True)

    class Meta:
        verbose_name = _("notification")
        verbose_name_plural = _("notifications")
        ordering = ["-created", "-id"]
        indexes = [models.Index(fields=["account", "read_at", "-created"], name="kernel_notification_inbox")]
        constraints = [models.UniqueConstraint(fields=["account", "key"], name="kernel_notification_once")]

    def __str__(self) -> str:
        return self.kind


class OutboxEvent(models.Model):
    """An event written in the transaction that caused it; handlers read it later, each by its own cursor."""

    seq = models.BigAutoField(primary_key=True)
    xid = models.BigIntegerField(db_default=TransactionId(), editable=False)
    type = models.CharField(_("type"), max_length=120)
    payload = models.JSONField(_("payload"))
    at = models.DateTimeField(_("at"), default=timezone.now)

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        indexes = [models.Index(fields=["xid", "seq"], name="kernel_outbox_order")]

    def __str__(self) -> str:
        return f"{self.type} {self.seq}"


class HandlerCursor(models.Model):
    """How far one handler has read the outbox, and whether it is stuck."""

    name = models.CharField(_("handler"), max_length=120, primary_key=True)
    xid = models.BigIntegerField(default=0)
    seq = models.BigIntegerField(_("position"), default=0)
    handled = models.BigIntegerField(_("events handled"), default=0)
    attempts = models.PositiveIntegerField(_("failed attempts"), default=0)
    next_attempt = models.DateTimeField(_("next attempt"), null=True, blank=True)
    last_error = models.CharField(_("last error"), max_length=400, blank=True)
    paused = models.BooleanField(_("paused"), default=False)
    owner = models.CharField(_("owner"), max_length=80, blank=True)
    running_since = models.DateTimeField(_("running since"), null=True, blank=True)
    updated = models.DateTimeField(_("updated"), default=timezone.now)

    class Meta:
        verbose_name = _("event handler")
        verbose_name_plural = _("event handlers")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class FeedPlace(models.Model):
    """How far a reader of a room has read a change feed; each room has its own table of them."""

    name = models.CharField(max_length=40, primary_key=True)
    xid = models.BigIntegerField(default=0)
    seq = models.BigIntegerField(default=0)
    updated = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        abstract = True
        verbose_name = _("place in the change feed")
        verbose_name_plural = _("places in the change feed")


class HandlerFailure(models.Model):
    """An event that a handler gave up on after its last attempt; somebody retries or drops it."""

    handler = models.CharField(_("handler"), max_length=120)
    event = models.ForeignKey(
        OutboxEvent, on_delete=models.CASCADE, related_name="failures", verbose_name=_("event")
    )
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    error = models.CharField(_("error"), max_length=400)
    failed_at = models.DateTimeField(_("failed at"), default=timezone.now)
    resolved_at = models.DateTimeField(_("resolved at"), null=True, blank=True)
    resolution = models.CharField(_("resolution"), max_length=40, blank=True)

    class Meta:
        verbose_name = _("handler failure")
        verbose_name_plural = _("handler failures")
        ordering = ["-failed_at"]
        constraints = [models.UniqueConstraint(fields=["handler", "event"], name="kernel_failure_once")]

    def __str__(self) -> str:
        return f"{self.handler} {self.pk}"


class PeriodicJob(models.Model):
    """When a periodic job is due and how its last run went; the row's lock lets one scheduler start it."""

    name = models.CharField(_("job"), max_length=120, primary_key=True)
    every = models.PositiveIntegerField(_("every (seconds)"))
    next_run = models.DateTimeField(_("next run"))
    running_since = models.DateTimeField(_("running since"), null=True, blank=True)
    last_started = models.DateTimeField(_("last started"), null=True, blank=True)
    last_finished = models.DateTimeField(_("last finished"), null=True, blank=True)
    last_error = models.CharField(_("last error"), max_length=400, blank=True)
    runs = models.BigIntegerField(_("runs"), default=0)
    failures = models.BigIntegerField(_("failures"), default=0)
    enabled = models.BooleanField(_("enabled"), default=True)

    class Meta:
        verbose_name = _("periodic job")
        verbose_name_plural = _("periodic jobs")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
