"""Tables of the master patient index: persons, which patient is whose, and every decision that made it so.

`patient_rid` is the store's number of a source's Patient resource. What belongs to a patient record
(identifiers, contracts, care) is keyed by it, so that it follows the record when a link changes.
"""

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from salus.kernel.ids import uuid7


def new_person_id() -> uuid.UUID:
    """Return a fresh person id."""
    return uuid7()


class PersonStatus(models.TextChoices):
    """Whether a person stands on its own."""

    ACTIVE = "active", _("active")
    MERGED = "merged", _("merged into another")
    EMPTY = "empty", _("without records")


class Person(models.Model):
    """One resident, under an id that is never used again; the columns are the golden record, for search."""

    id = models.UUIDField(primary_key=True, default=new_person_id)
    status = models.CharField(_("status"), max_length=8, choices=PersonStatus, default=PersonStatus.ACTIVE)
    merged_into = models.UUIDField(_("merged into"), null=True)
    name = models.CharField(_("name"), max_length=120, blank=True)
    pinyin = models.CharField(_("pinyin"), max_length=120, blank=True)
    birth_date = models.DateField(_("birth date"), null=True)
    sex = models.CharField(_("sex"), max_length=8, blank=True)
    phone = models.CharField(_("phone"), max_length=32, blank=True)
    address = models.CharField(_("address"), max_length=200, blank=True)
    district_code = models.CharField(_("district"), max_length=12, blank=True)
    deceased = models.DateField(_("died on"), null=True)
    provenance = models.JSONField(_("where each field is from"), default=dict)
    updated = models.DateTimeField(_("updated"))

    class Meta:
        """Names and indexes."""

        db_table = "record_person"
        verbose_name = _("person")
        verbose_name_plural = _("persons")
        indexes = [
            models.Index(fields=["birth_date"], name="record_person_birth"),
            models.Index(fields=["district_code", "id"], name="record_person_district"),
            models.Index(fields=["phone"], name="record_person_phone"),
            models.Index(
                fields=["merged_into"],
                name="record_person_merged",
                condition=models.Q(merged_into__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)


class PatientLink(models.Model):
    """Whose a source's patient record is, since which event, by which method and at what weight (bits)."""

    patient_rid = models.BigIntegerField(primary_key=True)
    person_id = models.UUIDField(_("person"), db_index=True)
    method = models.CharField(_("method"), max_length=20)
    score = models.FloatField(_("weight"), null=True)
    event_id = models.BigIntegerField(null=True)

    class Meta:
        """Names."""

        db_table = "record_patientlink"
        verbose_name = _("patient link")
        verbose_name_plural = _("patient links")


class PersonIdentifier(models.Model):
    """An identifier of a patient record, normalised; `system` is a kind of `identity.engine.resident`."""

    pk = models.CompositePrimaryKey("value", "system", "patient_rid")
    system = models.CharField(_("kind"), max_length=16)
    value = models.CharField(_("value"), max_length=64)
    patient_rid = models.BigIntegerField()

    class Meta:
        """Names."""

        db_table = "record_personidentifier"
        indexes = [models.Index(fields=["patient_rid"], name="record_identifier_patient")]


class LinkKind(models.TextChoices):
    """What a link event did."""

    CREATE = "create", _("new person")
    LINK = "link", _("linked")
    UNLINK = "unlink", _("unlinked")
    MERGE = "merge", _("merged")
    SPLIT = "split", _("split")
    KEEP_APART = "keep_apart", _("kept apart")
    REVERSE = "reverse", _("reversed")


class LinkEvent(models.Model):
    """One decision about identity, never changed or erased; `reverses` names the event that it takes back.

    `moves` are [patient_rid, person before, person after]; `apart` the pairs of records that the decision
    separated for good; `statuses` are [person, status before, merged into before] of persons it changed.
    """

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(_("at"))
    kind = models.CharField(_("kind"), max_length=12, choices=LinkKind)
    actor = models.CharField(_("who"), max_length=150)
    account_id = models.BigIntegerField(null=True)
    method = models.CharField(_("method"), max_length=20)
    score = models.FloatField(_("weight"), null=True)
    person_id = models.UUIDField(_("person"), db_index=True)
    other_id = models.UUIDField(_("other person"), null=True, db_index=True)
    patient_rid = models.BigIntegerField(null=True)
    moves = models.JSONField(null=True)
    apart = models.JSONField(null=True)
    statuses = models.JSONField(null=True)
    evidence = models.JSONField(_("evidence"), null=True)
    reverses = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, related_name="reversal", verbose_name=_("takes back")
    )

    class Meta:
        """Names."""

        db_table = "record_linkevent"
        verbose_name = _("link event")
        verbose_name_plural = _("link events")


class KeepApart(models.Model):
    """Two patient records that a human separated: no machine ever puts them into one person again."""

    pk = models.CompositePrimaryKey("low_rid", "high_rid", "event")
    low_rid = models.BigIntegerField()
    high_rid = models.BigIntegerField(db_index=True)
    event = models.ForeignKey(LinkEvent, on_delete=models.PROTECT, related_name="+")

    class Meta:
        """Names."""

        db_table = "record_keepapart"


class ReviewStatus(models.TextChoices):
    """What became of a pair in the grey zone."""

    OPEN = "open", _("to be reviewed")
    SAME = "same", _("same person")
    DIFFERENT = "different", _("different persons")
    SETTLED = "settled", _("settled otherwise")


class ReviewPair(models.Model):
    """Two patient records that may be of one person; a human decides. `sampled`: drawn to measure errors."""

    id = models.BigAutoField(primary_key=True)
    low_rid = models.BigIntegerField()
    high_rid = models.BigIntegerField(db_index=True)
    score = models.FloatField(_("weight"), null=True)
    reason = models.CharField(_("reason"), max_length=40)
    evidence = models.JSONField(_("evidence"), default=dict)
    sampled = models.BooleanField(_("drawn as a sample"), default=False)
    status = models.CharField(_("status"), max_length=10, choices=ReviewStatus, default=ReviewStatus.OPEN)
    created = models.DateTimeField(_("since"))
    decided = models.DateTimeField(_("decided"), null=True)
    decided_by = models.CharField(_("decided by"), max_length=150, blank=True)
    event = models.ForeignKey(LinkEvent, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        """Names."""

        db_table = "record_reviewpair"
        verbose_name = _("pair to review")
        verbose_name_plural = _("pairs to review")
        constraints = [models.UniqueConstraint(fields=["low_rid", "high_rid"], name="record_reviewpair_once")]
        indexes = [models.Index(fields=["status", "-score", "id"], name="record_reviewpair_queue")]


class LinkFeatures(models.Model):
    """A patient record's normalised features (`identity.engine.resident.pack`)."""

    patient_rid = models.BigIntegerField(primary_key=True)
    features = models.BinaryField()
    conflicts = models.BooleanField(default=False)
    newborn = models.BooleanField(default=False)

    class Meta:
        """Names."""

        db_table = "record_linkfeatures"


class BlockingKey(models.Model):
    """A key under which a patient record is found for comparison."""

    pk = models.CompositePrimaryKey("key", "patient_rid")
    key = models.BigIntegerField()
    patient_rid = models.BigIntegerField()

    class Meta:
        """Names."""

        db_table = "record_blockingkey"


class LinkQueue(models.Model):
    """Patient records that wait to be compared with all others."""

    patient_rid = models.BigIntegerField(primary_key=True)
    queued = models.DateTimeField(db_index=True)

    class Meta:
        """Names."""

        db_table = "record_linkqueue"


class CareRelation(models.Model):
    """An institution that has, or had, a patient record's holder in its care."""

    pk = models.CompositePrimaryKey("patient_rid", "institution_id")
    patient_rid = models.BigIntegerField()
    institution_id = models.BigIntegerField()

    class Meta:
        """Names."""

        db_table = "record_carerelation"


class Contract(models.Model):
    """A patient record's general practitioner: a staff or institution code, or a reference."""

    pk = models.CompositePrimaryKey("patient_rid", "code")
    patient_rid = models.BigIntegerField()
    code = models.CharField(max_length=120, db_index=True)

    class Meta:
        """Names."""

        db_table = "record_contract"


class SensitiveResource(models.Model):
    """A resource that belongs to a sensitive category (`rules/identity/sensitive.csv`)."""

    pk = models.CompositePrimaryKey("rid", "category")
    rid = models.BigIntegerField()
    category = models.CharField(max_length=20)

    class Meta:
        """Names."""

        db_table = "record_sensitive"
