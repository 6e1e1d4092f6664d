"""Registers of persons, projected from the record: births, deaths with cause, residence, social status.

Every row belongs to one patient record and was read from one resource (`rid`); whose it is follows
`PatientLink`. Nothing is entered here: `registers.catch_up` rebuilds a row whenever its resource changes.
"""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Birth(models.Model):
    """A birth: day, weight and gestation, as far as a resource says."""

    rid = models.BigIntegerField(primary_key=True)
    patient_rid = models.BigIntegerField(db_index=True)
    born = models.DateField(_("born on"), null=True, db_index=True)
    weight = models.IntegerField(_("weight (g)"), null=True)
    gestation = models.IntegerField(_("gestation (days)"), null=True)
    certificate = models.BooleanField(_("with certificate"), default=False)

    class Meta:
        """Names."""

        db_table = "record_birth"
        verbose_name = _("birth")
        verbose_name_plural = _("births")


class Death(models.Model):
    """A death: day and underlying cause (ICD-10)."""

    rid = models.BigIntegerField(primary_key=True)
    patient_rid = models.BigIntegerField(db_index=True)
    died = models.DateField(_("died on"), null=True, db_index=True)
    cause = models.CharField(_("underlying cause (ICD-10)"), max_length=10, blank=True)
    source_id = models.IntegerField(null=True)

    class Meta:
        """Names."""

        db_table = "record_death"
        verbose_name = _("death")
        verbose_name_plural = _("deaths")


class Residence(models.Model):
    """Where a person lived from a day to a day (null: not said); `kind` "departed" means out of the city."""

    pk = models.CompositePrimaryKey("rid", "place")
    rid = models.BigIntegerField()
    place = models.SmallIntegerField()
    patient_rid = models.BigIntegerField(db_index=True)
    kind = models.CharField(_("kind"), max_length=10)
    district_code = models.CharField(_("district"), max_length=12, blank=True)
    hukou = models.CharField(_("household registration"), max_length=20, blank=True)
    valid_from = models.DateField(_("from"), null=True)
    valid_to = models.DateField(_("to"), null=True)
    at = models.BigIntegerField(_("said at (µs)"), default=0)

    class Meta:
        """Names."""

        db_table = "record_residence"
        verbose_name = _("residence")
        verbose_name_plural = _("residences")


class SocialStatus(models.Model):
    """A status that changes what a person is entitled to (poverty, disability), with source and validity."""

    rid = models.BigIntegerField(primary_key=True)
    patient_rid = models.BigIntegerField(db_index=True)
    category = models.CharField(_("category"), max_length=20)
    code = models.CharField(_("code"), max_length=40)
    valid_from = models.DateField(_("from"), null=True)
    valid_to = models.DateField(_("to"), null=True)
    source_id = models.IntegerField(null=True)

    class Meta:
        """Names."""

        db_table = "record_socialstatus"
        verbose_name = _("social status")
        verbose_name_plural = _("social statuses")
        indexes = [models.Index(fields=["category", "code"], name="record_social_category")]


class RegisterCursor(models.Model):
    """How far the registers have read the change feed."""

    name = models.CharField(max_length=20, primary_key=True)
    xid = models.BigIntegerField(default=0)
    seq = models.BigIntegerField(default=0)

    class Meta:
        """Names."""

        db_table = "record_registercursor"
