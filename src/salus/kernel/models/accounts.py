"""Accounts, the roles granted to them, emergency access, and the counter that ends cached permissions."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from salus.kernel import epoch
from salus.kernel.models.registers import District, Institution, Staff


class Role(models.TextChoices):
    """The users of the platform."""

    RESIDENT = "resident", _("Resident")
    VILLAGE_DOCTOR = "village_doctor", _("Village or community doctor")
    CLINICIAN = "clinician", _("Hospital clinician")
    MANAGER = "manager", _("Institution manager")
    FUND_OFFICER = "fund_officer", _("Insurance fund officer")
    EPIDEMIOLOGIST = "epidemiologist", _("Epidemiologist")
    DISPATCHER = "dispatcher", _("Dispatcher and rescue planner")
    INSPECTOR = "inspector", _("Inspector")
    PLANNER = "planner", _("Health-commission planner")
    INTEGRATOR = "integrator", _("Integrator")
    AUDITOR = "auditor", _("Auditor")
    ADMINISTRATOR = "administrator", _("Administrator of accounts")


DISTRICT_ROLES = frozenset({Role.EPIDEMIOLOGIST})
"""Roles that belong to a district; a grant of one that names none is for the whole city."""


class SensitiveCategory(models.TextChoices):
    """Categories of health data that need a stronger permission."""

    HIV = "hiv", _("HIV")
    MENTAL = "mental", _("Mental health")
    REPRODUCTIVE = "reproductive", _("Reproductive health")


class Account(AbstractUser):
    """A person who signs in. What the account may do comes only from its role grants."""

    display_name = models.CharField(_("name shown"), max_length=80, blank=True)
    institution = models.ForeignKey(
        Institution,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="accounts",
        verbose_name=_("institution"),
    )
    district = models.ForeignKey(
        District,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="accounts",
        verbose_name=_("district"),
    )
    staff = models.ForeignKey(
        Staff,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="accounts",
        verbose_name=_("staff"),
    )
    person_id = models.UUIDField(_("person"), null=True, blank=True, db_index=True)
    language = models.CharField(_("language"), max_length=10, blank=True)
    locked = models.BooleanField(_("locked"), default=False)
    locked_reason = models.CharField(_("reason for the lock"), max_length=200, blank=True)

    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        verbose_name = _("account")
        verbose_name_plural = _("accounts")
        ordering = ["username"]

    def __str__(self) -> str:
        return self.display_name or self.username

    def save(self, *args: Any, update_fields: Iterable[str] | None = None, **kwargs: Any) -> None:
        """Store the account and end what was cached of its permissions; a sign-in alone ends nothing."""
        super().save(*args, update_fields=update_fields, **kwargs)
        if update_fields is None or set(update_fields) - {"last_login"}:
            AccessPolicyEpoch.bump()


class RoleGrant(models.Model):
    """A role given to an account, for one institution or district or both, from an instant to an instant.

    `sensitive` lists the SensitiveCategory values that this grant opens, separated by spaces.
    """

    account = models.ForeignKey(
        Account, on_delete=models.CASCADE, related_name="grants", verbose_name=_("account")
    )
    role = models.CharField(_("role"), max_length=20, choices=Role.choices)
    institution = models.ForeignKey(
        Institution,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="grants",
        verbose_name=_("institution"),
    )
    district = models.ForeignKey(
        District,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="grants",
        verbose_name=_("district"),
    )
    sensitive = models.CharField(_("sensitive categories"), max_length=80, blank=True)
    valid_from = models.DateTimeField(_("valid from"), default=timezone.now)
    valid_to = models.DateTimeField(_("valid to"), null=True, blank=True)
    granted_by = models.ForeignKey(
        Account,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("granted by"),
    )
    created = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("role grant")
        verbose_name_plural = _("role grants")
        ordering = ["account", "role"]

    def __str__(self) -> str:
        return str(self.get_role_display())

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Store the grant and end what was cached of permissions."""
        super().save(*args, **kwargs)
        AccessPolicyEpoch.bump()

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Delete the grant and end what was cached of permissions."""
        deleted = super().delete(*args, **kwargs)
        AccessPolicyEpoch.bump()
        return deleted


class BreakGlass(models.Model):
    """Emergency access of one account to one person's record, with its reason and its end."""

    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="emergencies", verbose_name=_("account")
    )
    person_id = models.UUIDField(_("person"), db_index=True)
    reason = models.TextField(_("reason"))
    started = models.DateTimeField(_("started"), default=timezone.now)
    expires = models.DateTimeField(_("expires"))
    ended = models.DateTimeField(_("ended"), null=True, blank=True)
    reviewed_by = models.ForeignKey(
        Account,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("reviewed by"),
    )
    reviewed_at = models.DateTimeField(_("reviewed at"), null=True, blank=True)
    finding = models.TextField(_("finding of the review"), blank=True)

    class Meta:
        verbose_name = _("emergency access")
        verbose_name_plural = _("emergency accesses")
        ordering = ["-started"]

    def __str__(self) -> str:
        return f"{self.pk}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Store the emergency access and end what was cached of permissions."""
        super().save(*args, **kwargs)
        AccessPolicyEpoch.bump()


class AccessPolicyEpoch(models.Model):
    """One row whose number grows whenever an account, grant or token changes.

    Every process compares it at least once a second and forgets its cached principals when it has grown.
    """

    value = models.BigIntegerField(_("value"), default=0)

    class Meta:
        verbose_name = _("access policy epoch")
        verbose_name_plural = _("access policy epochs")

    def __str__(self) -> str:
        return str(self.value)

    @classmethod
    def bump(cls) -> None:
        """Raise the number in the caller's transaction and forget this process's own cache at once."""
        if not cls.objects.filter(pk=1).update(value=models.F("value") + 1):
            cls.objects.get_or_create(pk=1, defaults={"value": 1})
        epoch.touch()

    @classmethod
    def current(cls) -> int:
        """Read the number as committed."""
        return cls.objects.filter(pk=1).values_list("value", flat=True).first() or 0
