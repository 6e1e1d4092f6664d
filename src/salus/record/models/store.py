"""Tables of the resource store: current versions, superseded versions, the change feed, the search index.

Rooms read and write them through `salus.record.store`; the models are here for migrations and the admin.
Times are microseconds since 1970 UTC. `kind` is the number of a resource type in
`rules/r4/resource_types.csv`, `path` the number of an index path in `rules/r4/index_paths.csv`.
"""

from django.db import models


class Resource(models.Model):
    """The current version of a resource; version 0 is a Patient that has not come yet."""

    rid = models.BigAutoField(primary_key=True)
    kind = models.SmallIntegerField()
    id = models.CharField(max_length=64)
    version = models.IntegerField()
    person_id = models.UUIDField(null=True)
    patient_rid = models.BigIntegerField(null=True)
    source_id = models.IntegerField(null=True)
    message_id = models.BigIntegerField(null=True)
    source_time = models.BigIntegerField(null=True)
    updated = models.BigIntegerField()
    deleted = models.BooleanField(default=False)
    body = models.BinaryField()

    class Meta:
        """Names and keys."""

        db_table = "record_resource"
        constraints = [models.UniqueConstraint(fields=["kind", "id"], name="record_resource_kind_id")]
        indexes = [
            models.Index(fields=["kind", "rid"], name="record_resource_kind"),
            models.Index(fields=["person_id", "kind", "rid"], name="record_resource_person"),
            models.Index(fields=["patient_rid"], name="record_resource_patient"),
            models.Index(fields=["kind", "updated"], name="record_resource_updated"),
        ]


class History(models.Model):
    """A superseded version of a resource; the current one is in `Resource`, so no body is stored twice."""

    pk = models.CompositePrimaryKey("rid", "version")
    rid = models.BigIntegerField()
    version = models.IntegerField()
    source_id = models.IntegerField(null=True)
    message_id = models.BigIntegerField(null=True)
    source_time = models.BigIntegerField(null=True)
    updated = models.BigIntegerField()
    deleted = models.BooleanField(default=False)
    body = models.BinaryField()

    class Meta:
        """Names and keys."""

        db_table = "record_history"


class Change(models.Model):
    """One line of the change feed. `xid` is PostgreSQL's transaction, 0 on SQLite.

    `at` is when a resource moved to another person; a version's time is its `updated`.
    """

    seq = models.BigAutoField(primary_key=True)
    xid = models.BigIntegerField(default=0)
    rid = models.BigIntegerField()
    kind = models.SmallIntegerField()
    version = models.IntegerField()
    person_id = models.UUIDField(null=True)
    op = models.SmallIntegerField()
    at = models.BigIntegerField(null=True)

    class Meta:
        """Names and keys."""

        db_table = "record_change"
        indexes = [models.Index(fields=["xid", "seq"], name="record_change_xid_seq")]


class StoreState(models.Model):
    """A named value of the store, such as the fingerprint of the rules that the index was built with."""

    name = models.CharField(max_length=40, primary_key=True)
    value = models.TextField()

    class Meta:
        """Names."""

        db_table = "record_store_state"


class TokenIndex(models.Model):
    """A coded value: `system` is the 64-bit hash of its system's URI, 0 for none."""

    pk = models.CompositePrimaryKey("path", "code", "rid", "system")
    path = models.SmallIntegerField()
    code = models.TextField()
    rid = models.BigIntegerField()
    system = models.BigIntegerField()

    class Meta:
        """Names."""

        db_table = "record_token"


class StringIndex(models.Model):
    """A text, normalised for searching; `exact` is the text as sent where it differs."""

    pk = models.CompositePrimaryKey("path", "value", "rid", "exact")
    path = models.SmallIntegerField()
    value = models.TextField()
    rid = models.BigIntegerField()
    exact = models.TextField()

    class Meta:
        """Names."""

        db_table = "record_string"
        indexes = [models.Index(fields=["rid"], name="record_string_rid")]


class DateIndex(models.Model):
    """A span of time, from `low` to `high` inclusive; `long` is 1 where it is longer than a day."""

    pk = models.CompositePrimaryKey("path", "long", "low", "high", "rid")
    path = models.SmallIntegerField()
    long = models.SmallIntegerField()
    low = models.BigIntegerField()
    high = models.BigIntegerField()
    rid = models.BigIntegerField()

    class Meta:
        """Names."""

        db_table = "record_date"
        indexes = [models.Index(fields=["rid"], name="record_date_rid")]


class ReferenceIndex(models.Model):
    """A reference: its target's `kind` and `id`; kind 0 with the whole address if not a local one."""

    pk = models.CompositePrimaryKey("path", "id", "rid", "kind")
    path = models.SmallIntegerField()
    id = models.TextField()
    rid = models.BigIntegerField()
    kind = models.SmallIntegerField()

    class Meta:
        """Names."""

        db_table = "record_reference"


class QuantityIndex(models.Model):
    """A measured value or range in its unit; `system` is hashed as in `TokenIndex`."""

    pk = models.CompositePrimaryKey("path", "low", "high", "rid", "code", "system")
    path = models.SmallIntegerField()
    low = models.FloatField()
    high = models.FloatField()
    rid = models.BigIntegerField()
    code = models.TextField()
    system = models.BigIntegerField()

    class Meta:
        """Names."""

        db_table = "record_quantity"


class NumberIndex(models.Model):
    """A plain number."""

    pk = models.CompositePrimaryKey("path", "value", "rid")
    path = models.SmallIntegerField()
    value = models.FloatField()
    rid = models.BigIntegerField()

    class Meta:
        """Names."""

        db_table = "record_number"


class UriIndex(models.Model):
    """A URI, kept as it is."""

    pk = models.CompositePrimaryKey("path", "value", "rid")
    path = models.SmallIntegerField()
    value = models.TextField()
    rid = models.BigIntegerField()

    class Meta:
        """Names."""

        db_table = "record_uri"
