"""What residents' Consents permit and deny, one row for each combination of criteria.

Kept by `record.consent.note` in the transaction that writes a Consent; whose it is follows the Consent's
own row in `record_resource`.
"""

from django.db import models


class ConsentProvision(models.Model):
    """A rule of a Consent in force. "" (0 for `kind` and the hashed systems) means: any."""

    id = models.BigAutoField(primary_key=True)
    rid = models.BigIntegerField()
    place = models.CharField(max_length=80, blank=True)
    denies = models.BooleanField()
    valid_from = models.BigIntegerField()
    valid_to = models.BigIntegerField()
    purpose = models.CharField(max_length=40, blank=True)
    actor = models.CharField(max_length=120, blank=True)
    kind = models.SmallIntegerField(default=0)
    resource_kind = models.SmallIntegerField(default=0)
    resource_id = models.CharField(max_length=64, blank=True)
    label = models.CharField(max_length=120, blank=True)
    label_system = models.BigIntegerField(default=0)
    category = models.CharField(max_length=20, blank=True)
    code = models.CharField(max_length=120, blank=True)
    code_system = models.BigIntegerField(default=0)

    class Meta:
        """Names and indexes."""

        db_table = "record_consentprovision"
        indexes = [
            models.Index(fields=["rid"], name="record_consent_rid"),
            models.Index(fields=["purpose", "denies"], name="record_consent_purpose"),
        ]
