"""The audit chain's tables. All but AuditIntent live in the database alias `audit`."""

from django.db import models
from django.utils.translation import gettext_lazy as _

SEQ_BITS = 40
"""A row's key is its chain's number shifted left by this many bits, plus its place in the chain."""


class AuditChain(models.Model):
    """One hash chain: who writes it now and its signed head, changed in the transaction of each batch."""

    id = models.BigIntegerField(primary_key=True)
    owner = models.CharField(_("owner"), max_length=80, blank=True)
    lease_until = models.BigIntegerField(_("leased until (µs)"), default=0)
    head_seq = models.BigIntegerField(_("rows"), default=0)
    head_hash = models.BinaryField(_("head hash"), max_length=32)
    head_at = models.BigIntegerField(_("head written (µs)"), default=0)
    key_id = models.CharField(_("signing key"), max_length=16, blank=True)
    signature = models.BinaryField(_("signature"), max_length=64)

    class Meta:
        verbose_name = _("audit chain")
        verbose_name_plural = _("audit chains")

    def __str__(self) -> str:
        return str(self.pk)


class AuditRow(models.Model):
    """One thing that somebody did; every column goes into `hash` together with the previous row's hash.

    `id` is chain << 40 | place in the chain, `at` is microseconds since 1970 in UTC.
    """

    id = models.BigIntegerField(primary_key=True)
    at = models.BigIntegerField(_("at (µs)"), db_index=True)
    actor = models.CharField(_("who"), max_length=150)
    actor_kind = models.CharField(_("kind of actor"), max_length=20)
    actor_id = models.BigIntegerField(_("account"), null=True)
    roles = models.CharField(_("roles"), max_length=200)
    action = models.CharField(_("action"), max_length=40)
    purpose = models.CharField(_("purpose"), max_length=40)
    person_id = models.UUIDField(_("person"), null=True)
    resource_type = models.CharField(_("type"), max_length=64)
    resource_id = models.CharField(_("id"), max_length=64)
    institution_id = models.BigIntegerField(_("institution"), null=True)
    source_id = models.BigIntegerField(_("source"), null=True)
    outcome = models.CharField(_("outcome"), max_length=20)
    detail = models.TextField(_("detail"))
    break_glass = models.BooleanField(_("emergency access"))
    hash = models.BinaryField(_("hash"), max_length=32)

    class Meta:
        verbose_name = _("audit row")
        verbose_name_plural = _("audit rows")
        indexes = [
            models.Index(fields=["person_id", "at"], name="kernel_auditrow_person"),
            models.Index(fields=["actor", "at"], name="kernel_auditrow_actor"),
            models.Index(fields=["at"], name="kernel_auditrow_glass", condition=models.Q(break_glass=True)),
        ]

    def __str__(self) -> str:
        return f"{self.chain}/{self.seq}"

    @property
    def chain(self) -> int:
        """The number of the chain that the row belongs to."""
        return self.pk >> SEQ_BITS

    @property
    def seq(self) -> int:
        """The row's place in its chain, from 1."""
        return self.pk & ((1 << SEQ_BITS) - 1)


class AuditSettled(models.Model):
    """An intent whose rows are in a chain, kept until the intent itself is gone, so none is written twice."""

    intent = models.UUIDField(primary_key=True)

    class Meta:
        verbose_name = _("settled audit intent")
        verbose_name_plural = _("settled audit intents")

    def __str__(self) -> str:
        return str(self.pk)


class AuditIntent(models.Model):
    """Audit entries that rode in a write's own transaction and wait to enter a chain (alias `default`)."""

    id = models.UUIDField(primary_key=True)
    at = models.BigIntegerField(_("at (µs)"), db_index=True)
    entries = models.BinaryField(_("entries"))

    class Meta:
        verbose_name = _("audit intent")
        verbose_name_plural = _("audit intents")

    def __str__(self) -> str:
        return str(self.pk)
