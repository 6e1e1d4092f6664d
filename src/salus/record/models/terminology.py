"""Code systems and maps that a city loaded, each version whole and beside the others."""

from django.db import models


class TerminologyRelease(models.Model):
    """One version of a code system ("codes") or concept map ("map"); `current` is the one that answers."""

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=8)
    url = models.CharField(max_length=400)
    version = models.CharField(max_length=80)
    name = models.CharField(max_length=200, blank=True)
    digest = models.CharField(max_length=64)
    complete = models.BooleanField(default=True)
    size = models.IntegerField(default=0)
    loaded = models.DateTimeField()
    current = models.BooleanField(default=True)

    class Meta:
        """Names and keys."""

        db_table = "record_terminologyrelease"
        constraints = [
            models.UniqueConstraint(fields=["kind", "url", "version"], name="record_terminology_version")
        ]


class TerminologyCode(models.Model):
    """A code of a release, with its display and the code above it ("" at the top)."""

    pk = models.CompositePrimaryKey("release_id", "code")
    release_id = models.BigIntegerField()
    code = models.CharField(max_length=200)
    display = models.CharField(max_length=1000, blank=True)
    parent = models.CharField(max_length=200, blank=True)

    class Meta:
        """Names and indexes."""

        db_table = "record_terminologycode"
        indexes = [models.Index(fields=["release_id", "parent"], name="record_terminology_parent")]


class TerminologyMapping(models.Model):
    """That a code of one system means a code of another, as a map says (`equivalence` is FHIR's)."""

    id = models.BigAutoField(primary_key=True)
    release_id = models.BigIntegerField(db_index=True)
    source = models.CharField(max_length=400, blank=True)
    code = models.CharField(max_length=200)
    target = models.CharField(max_length=400, blank=True)
    target_code = models.CharField(max_length=200, blank=True)
    display = models.CharField(max_length=1000, blank=True)
    equivalence = models.CharField(max_length=20)

    class Meta:
        """Names and indexes."""

        db_table = "record_terminologymapping"
        indexes = [
            models.Index(fields=["code", "source"], name="record_terminology_from"),
            models.Index(fields=["target_code", "target"], name="record_terminology_to"),
        ]
