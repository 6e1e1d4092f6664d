"""Tables of Subscriptions: what each stands for, what waits to be delivered, which addresses are allowed."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class AllowedOrigin(models.Model):
    """An address that the platform may call on behalf of a source: scheme, host and port, nothing else."""

    class Use(models.TextChoices):
        """What for."""

        SUBSCRIPTION = "subscription", _("Deliveries of Subscriptions")
        IMPORT = "import", _("Bulk import")

    id = models.BigAutoField(primary_key=True)
    source_id = models.IntegerField(db_index=True)
    use = models.CharField(_("for"), max_length=12, choices=Use)
    origin = models.CharField(_("address"), max_length=200)

    class Meta:
        """One row a source, use and address."""

        db_table = "record_allowedorigin"
        verbose_name = _("allowed address")
        verbose_name_plural = _("allowed addresses")
        constraints = [
            models.UniqueConstraint(fields=["source_id", "use", "origin"], name="record_allowedorigin_once")
        ]

    def __str__(self) -> str:
        return self.origin


class HookState(models.TextChoices):
    """How a Subscription stands; the words of FHIR's SubscriptionStatus value set."""

    REQUESTED = "requested", _("Requested")
    ACTIVE = "active", _("Active")
    ERROR = "error", _("Failing")
    OFF = "off", _("Off")


class Hook(models.Model):
    """The working side of a Subscription resource: its parsed criteria, its secret headers, how it stands.

    `headers` is encrypted. `asker` is who subscribed, asked anew for every delivery. `last_number` is the
    number of the newest delivery.
    """

    id = models.BigAutoField(primary_key=True)
    resource_id = models.CharField(_("id"), max_length=64, unique=True)
    source_id = models.IntegerField(null=True)
    asker = models.JSONField()
    asker_name = models.CharField(_("subscriber"), max_length=150)
    type = models.CharField(_("type"), max_length=64, db_index=True)
    criteria = models.JSONField(default=list)
    endpoint = models.CharField(_("address"), max_length=500)
    payload = models.CharField(max_length=64, blank=True)
    headers = models.BinaryField(default=b"")
    until = models.DateTimeField(null=True)
    state = models.CharField(
        _("state"), max_length=10, choices=HookState, default=HookState.REQUESTED, db_index=True
    )
    failures = models.IntegerField(_("failures in a row"), default=0)
    last_error = models.CharField(_("last failure"), max_length=200, blank=True)
    next_attempt = models.DateTimeField(null=True)
    last_number = models.BigIntegerField(default=0)
    delivered = models.BigIntegerField(_("delivered"), default=0)
    last_delivered = models.DateTimeField(_("last delivery"), null=True)
    from_xid = models.BigIntegerField(default=0)
    from_seq = models.BigIntegerField(default=0)
    owner = models.CharField(max_length=80, blank=True)
    lease_until = models.DateTimeField(null=True)
    created = models.DateTimeField(_("since"), auto_now_add=True)

    class Meta:
        """Names."""

        db_table = "record_hook"
        ordering = ("-id",)
        verbose_name = _("subscription")
        verbose_name_plural = _("subscriptions")

    def __str__(self) -> str:
        return self.resource_id


class DeliveryState(models.TextChoices):
    """What became of a delivery."""

    WAITING = "waiting", _("Waiting")
    DELIVERED = "delivered", _("Delivered")
    WITHHELD = "withheld", _("Withheld")
    GIVEN_UP = "given-up", _("Given up")


class Delivery(models.Model):
    """One version of one resource to be told to one subscriber; `number` is its place in the order."""

    id = models.BigAutoField(primary_key=True)
    hook = models.ForeignKey(Hook, on_delete=models.CASCADE, related_name="deliveries")
    number = models.BigIntegerField(_("number"))
    key = models.UUIDField()
    type = models.CharField(_("type"), max_length=64)
    resource_id = models.CharField(_("id"), max_length=64)
    version = models.IntegerField(_("version"))
    state = models.CharField(_("state"), max_length=10, choices=DeliveryState, default=DeliveryState.WAITING)
    attempts = models.IntegerField(_("attempts"), default=0)
    status = models.IntegerField(_("answer"), null=True)
    error = models.CharField(_("failure"), max_length=200, blank=True)
    created = models.DateTimeField(_("since"), auto_now_add=True)
    settled = models.DateTimeField(_("settled"), null=True)

    class Meta:
        """One row a subscription and number."""

        db_table = "record_delivery"
        ordering = ("-id",)
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        constraints = [models.UniqueConstraint(fields=["hook", "number"], name="record_delivery_number")]
        indexes = [
            models.Index(
                fields=["hook", "number"],
                name="record_delivery_waiting",
                condition=models.Q(state="waiting"),
            )
        ]


class HookPosition(models.Model):
    """How far the change feed has been looked through for subscribers (one row)."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    xid = models.BigIntegerField(default=0)
    seq = models.BigIntegerField(default=0)

    class Meta:
        """Names."""

        db_table = "record_hookposition"
