"""Tables of notifiable disease: cases with their facts and history, contacts and visits, outbreaks.

`person_id` is the resident where identity is known; a report without identity keeps name, birth or age and
sex. `district_code` is where the person lives, as a district of the register; `institution` is who reported,
or who owes the report.
"""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from salus.kernel.models import FeedPlace, Institution


class CaseStatus(models.TextChoices):
    """What a case is taken for."""

    SUSPECTED = "suspected", _("Suspected")
    PROBABLE = "probable", _("Probable")
    CONFIRMED = "confirmed", _("Confirmed")
    DISCARDED = "discarded", _("Discarded")


class CaseOrigin(models.TextChoices):
    """How the platform came to know of a case."""

    RECORD = "record", _("From the record")
    REPORT = "report", _("Reported")
    IMPORT = "import", _("Imported")


class CaseOutcome(models.TextChoices):
    """What became of the person."""

    UNKNOWN = "", _("Not known")
    ILL = "ill", _("Still ill")
    RECOVERED = "recovered", _("Recovered")
    DIED = "died", _("Died")


class OutbreakState(models.TextChoices):
    """Whether an outbreak goes on."""

    OPEN = "open", _("Open")
    CLOSED = "closed", _("Closed")


class Outbreak(models.Model):
    """Cases of one disease that belong together, investigated as a unit."""

    title = models.CharField(_("title"), max_length=120)
    disease = models.CharField(_("disease"), max_length=40)
    state = models.CharField(_("state"), max_length=8, choices=OutbreakState, default=OutbreakState.OPEN)
    district_code = models.CharField(_("district"), max_length=12, blank=True)
    place = models.CharField(_("place"), max_length=120, blank=True)
    definition = models.TextField(_("outbreak's case definition"), blank=True)
    note = models.TextField(_("findings"), blank=True)
    signal_id = models.BigIntegerField(_("signal"), null=True)
    opened_on = models.DateField(_("opened on"))
    closed_on = models.DateField(_("closed on"), null=True)
    opened_by = models.CharField(_("opened by"), max_length=150)
    updated = models.DateTimeField(_("updated"))

    class Meta:
        """Names."""

        verbose_name = _("outbreak")
        verbose_name_plural = _("outbreaks")
        indexes = [models.Index(fields=["state", "-opened_on"], name="prevention_outbreak_state")]

    def __str__(self) -> str:
        return self.title


class Case(models.Model):
    """One person's notifiable disease.

    `first_day` is the onset or else the diagnosis: weeks are counted by it. `due_at` is when the report was
    or is due, `reported_at` when it was made (null: not reported). `decided` is true when a person, not the
    definition, set the status. `evidence` is the definition's criteria met, `missing` what the next level
    lacks. `categories` are the sensitive ones, sorted, with blanks between.
    """

    disease = models.CharField(_("disease"), max_length=40)
    status = models.CharField(_("status"), max_length=10, choices=CaseStatus)
    decided = models.BooleanField(_("decided by a person"), default=False)
    origin = models.CharField(_("known from"), max_length=8, choices=CaseOrigin)
    person_id = models.UUIDField(_("person"), null=True)
    name = models.CharField(_("name"), max_length=120, blank=True)
    name_key = models.CharField(max_length=80, blank=True)
    birth_date = models.DateField(_("birth date"), null=True)
    age = models.FloatField(_("age (years)"), null=True)
    sex = models.CharField(_("sex"), max_length=8, blank=True)
    district_code = models.CharField(_("district"), max_length=12, blank=True)
    address = models.CharField(_("address"), max_length=200, blank=True)
    institution = models.ForeignKey(
        Institution, null=True, on_delete=models.PROTECT, related_name="+", verbose_name=_("institution")
    )
    categories = models.CharField(max_length=60, blank=True)
    external_id = models.CharField(_("sender's number"), max_length=80, blank=True)
    onset = models.DateField(_("onset"), null=True)
    diagnosed_at = models.DateTimeField(_("diagnosed"))
    first_day = models.DateField(_("counted on"))
    due_at = models.DateTimeField(_("report due"), null=True)
    reported_at = models.DateTimeField(_("reported"), null=True)
    reported_by = models.CharField(_("reported by"), max_length=150, blank=True)
    defined = models.DateField(_("definition of"), null=True)
    evidence = models.JSONField(_("evidence"), default=list)
    missing = models.JSONField(_("missing"), default=list)
    outcome = models.CharField(_("outcome"), max_length=10, choices=CaseOutcome, blank=True, default="")
    died_on = models.DateField(_("died on"), null=True)
    place_infected = models.CharField(_("place of infection"), max_length=120, blank=True)
    outbreak = models.ForeignKey(
        Outbreak, null=True, on_delete=models.SET_NULL, related_name="cases", verbose_name=_("outbreak")
    )
    duplicate_of = models.ForeignKey(
        "self", null=True, on_delete=models.PROTECT, related_name="duplicates", verbose_name=_("same as")
    )
    note = models.TextField(_("note"), blank=True)
    created = models.DateTimeField(_("created"))
    updated = models.DateTimeField(_("updated"))

    class Meta:
        """Names, and the ways in which cases are looked for."""

        verbose_name = _("case")
        verbose_name_plural = _("cases")
        constraints = [
            models.UniqueConstraint(
                fields=["institution", "disease", "external_id"],
                condition=~Q(external_id=""),
                name="prevention_case_sent_once",
            )
        ]
        indexes = [
            models.Index(fields=["person_id", "disease", "first_day"], name="prevention_case_person"),
            models.Index(fields=["name_key", "disease", "first_day"], name="prevention_case_name"),
            models.Index(fields=["disease", "first_day", "status"], name="prevention_case_disease"),
            models.Index(fields=["first_day", "id"], name="prevention_case_day"),
            models.Index(fields=["district_code", "first_day"], name="prevention_case_district"),
            models.Index(fields=["institution", "first_day"], name="prevention_case_place"),
            models.Index(fields=["due_at"], condition=Q(reported_at=None), name="prevention_case_owed"),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def late(self) -> bool:
        """Whether it was reported after it was due."""
        return self.reported_at is not None and self.due_at is not None and self.reported_at > self.due_at


class CaseFact(models.Model):
    """One fact of a case, as `surveillance.Fact`; `rid` is the record's resource that states it, if any."""

    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="facts")
    rid = models.BigIntegerField(null=True)
    kind = models.CharField(_("kind"), max_length=12)
    code = models.CharField(_("code"), max_length=40, blank=True)
    name = models.CharField(_("name"), max_length=120, blank=True)
    value = models.CharField(_("value"), max_length=120, blank=True)
    number = models.FloatField(_("number"), null=True)
    day = models.DateField(_("day"), null=True)
    ref = models.CharField(_("from"), max_length=120, blank=True)

    class Meta:
        """Names."""

        verbose_name = _("fact")
        verbose_name_plural = _("facts")
        indexes = [models.Index(fields=["rid"], condition=Q(rid__isnull=False), name="prevention_fact_rid")]


class CaseEvent(models.Model):
    """What happened to a case: a change of status, a report, a decision; never changed."""

    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField(_("at"))
    by = models.CharField(_("by"), max_length=150)
    kind = models.CharField(_("kind"), max_length=20)
    before = models.CharField(_("before"), max_length=20, blank=True)
    after = models.CharField(_("after"), max_length=20, blank=True)
    reason = models.CharField(_("reason"), max_length=300, blank=True)

    class Meta:
        """Names."""

        verbose_name = _("event of a case")
        verbose_name_plural = _("events of cases")
        ordering = ["-id"]


class Exposure(models.Model):
    """Where or by what a case may have been infected, or may have infected others."""

    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="exposures")
    kind = models.CharField(_("kind"), max_length=24)
    place = models.CharField(_("place"), max_length=120, blank=True)
    latitude = models.FloatField(_("latitude"), null=True)
    longitude = models.FloatField(_("longitude"), null=True)
    start = models.DateField(_("from"), null=True)
    end = models.DateField(_("to"), null=True)
    source = models.BooleanField(_("suspected source"), default=False)
    note = models.CharField(_("note"), max_length=300, blank=True)
    recorded_by = models.CharField(_("recorded by"), max_length=150)
    recorded_at = models.DateTimeField(_("recorded"))

    class Meta:
        """Names."""

        verbose_name = _("exposure")
        verbose_name_plural = _("exposures")


class Transmission(models.Model):
    """That one case infected another, with the basis for it."""

    source = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="infected")
    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="sources")
    basis = models.CharField(_("basis"), max_length=120, blank=True)
    recorded_by = models.CharField(_("recorded by"), max_length=150)
    recorded_at = models.DateTimeField(_("recorded"))

    class Meta:
        """Names; a pair stands once, and nobody infects herself."""

        verbose_name = _("transmission")
        verbose_name_plural = _("transmissions")
        constraints = [
            models.UniqueConstraint(fields=["source", "case"], name="prevention_transmission_once"),
            models.CheckConstraint(condition=~Q(source=F("case")), name="prevention_transmission_two"),
        ]


class Sample(models.Model):
    """A specimen of a case, its result, and the sequence made of it."""

    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="samples")
    number = models.CharField(_("number"), max_length=60)
    kind = models.CharField(_("specimen"), max_length=40)
    taken_on = models.DateField(_("taken on"))
    laboratory = models.CharField(_("laboratory"), max_length=120, blank=True)
    test = models.CharField(_("test"), max_length=120, blank=True)
    loinc = models.CharField(_("LOINC code"), max_length=20, blank=True)
    result = models.CharField(_("result"), max_length=120, blank=True)
    result_on = models.DateField(_("result on"), null=True)
    lineage = models.CharField(_("lineage or type"), max_length=60, blank=True)
    accession = models.CharField(_("sequence's accession number"), max_length=60, blank=True)
    recorded_by = models.CharField(_("recorded by"), max_length=150)
    recorded_at = models.DateTimeField(_("recorded"))

    class Meta:
        """Names; a number is a case's once."""

        verbose_name = _("sample")
        verbose_name_plural = _("samples")
        constraints = [models.UniqueConstraint(fields=["case", "number"], name="prevention_sample_once")]


class ContactState(models.TextChoices):
    """How a contact's follow-up stands."""

    FOLLOWED = "followed", _("Followed up")
    DONE = "done", _("Follow-up completed")
    CASE = "case", _("Became a case")
    LOST = "lost", _("Lost")
    RELEASED = "released", _("Released early")


class Contact(models.Model):
    """Who was exposed to a case, followed up daily until `follow_until` (included)."""

    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="contacts")
    person_id = models.UUIDField(_("person"), null=True)
    name = models.CharField(_("name"), max_length=120)
    phone = models.CharField(_("telephone"), max_length=32, blank=True)
    address = models.CharField(_("address"), max_length=200, blank=True)
    sex = models.CharField(_("sex"), max_length=8, blank=True)
    age = models.FloatField(_("age (years)"), null=True)
    district_code = models.CharField(_("district"), max_length=12, blank=True)
    institution = models.ForeignKey(
        Institution, null=True, on_delete=models.PROTECT, related_name="+", verbose_name=_("followed by")
    )
    categories = models.CharField(max_length=60, blank=True)
    setting = models.CharField(_("setting"), max_length=24)
    last_exposure = models.DateField(_("last exposure"))
    follow_until = models.DateField(_("followed until"))
    state = models.CharField(_("state"), max_length=10, choices=ContactState, default=ContactState.FOLLOWED)
    became = models.ForeignKey(
        Case, null=True, on_delete=models.SET_NULL, related_name="was_contact", verbose_name=_("case")
    )
    last_visit = models.DateField(_("last visit"), null=True)
    alert_on = models.DateField(_("alert on"), null=True)
    recorded_by = models.CharField(_("recorded by"), max_length=150)
    recorded_at = models.DateTimeField(_("recorded"))

    class Meta:
        """Names."""

        verbose_name = _("contact")
        verbose_name_plural = _("contacts")
        indexes = [
            models.Index(fields=["state", "district_code", "last_visit"], name="prevention_contact_due"),
            models.Index(fields=["person_id"], name="prevention_contact_person"),
        ]

    def __str__(self) -> str:
        return str(self.pk)


class ContactVisit(models.Model):
    """One day's follow-up. `key` is the entry's own, made where it was entered: sent twice it counts once."""

    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="visits")
    key = models.UUIDField(unique=True)
    day = models.DateField(_("day"))
    way = models.CharField(_("how"), max_length=8)
    temperature = models.DecimalField(_("temperature (°C)"), max_digits=3, decimal_places=1, null=True)
    symptoms = models.JSONField(_("symptoms"), default=list)
    isolating = models.BooleanField(_("keeps to isolation"), default=True)
    note = models.CharField(_("note"), max_length=300, blank=True)
    alert = models.BooleanField(_("alert"), default=False)
    recorded_by = models.CharField(_("recorded by"), max_length=150)
    recorded_at = models.DateTimeField(_("recorded"))

    class Meta:
        """Names; a contact is visited once a day."""

        verbose_name = _("visit of a contact")
        verbose_name_plural = _("visits of contacts")
        ordering = ["-day"]
        constraints = [models.UniqueConstraint(fields=["contact", "day"], name="prevention_visit_daily")]


class Isolation(models.Model):
    """A stay of a case or a contact in isolation."""

    case = models.ForeignKey(Case, null=True, on_delete=models.CASCADE, related_name="isolations")
    contact = models.ForeignKey(Contact, null=True, on_delete=models.CASCADE, related_name="isolations")
    kind = models.CharField(_("where"), max_length=10)
    place = models.CharField(_("place"), max_length=120, blank=True)
    start = models.DateField(_("from"))
    end = models.DateField(_("to"), null=True)
    recorded_by = models.CharField(_("recorded by"), max_length=150)
    recorded_at = models.DateTimeField(_("recorded"))

    class Meta:
        """Names; it is of a case or of a contact."""

        verbose_name = _("isolation")
        verbose_name_plural = _("isolations")
        constraints = [
            models.CheckConstraint(
                condition=Q(case__isnull=True) ^ Q(contact__isnull=True), name="prevention_isolation_of_one"
            )
        ]


class FeedCursor(FeedPlace):
    """How far a reader of this room has read the record's change feed."""

    class Meta(FeedPlace.Meta):
        """A table of its own, with the names of all such tables."""

        abstract = False
