"""Tables of the health programme: who is registered for what, what was given, what is due, who was called.

`person_id` is the resident; `institution` the primary-care institution that answers for her, `doctor` the
member of its staff. What the record told keeps `patient_rid`, by which it follows the resident when records
are joined or separated. `programme` is a code of `rules/programme_programmes.csv`, `service` and `product`
are codes of the schedules (`rules/schedule_*.toml`). `categories` are the sensitive ones, sorted, with
blanks between.
"""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from salus.kernel.models import Institution, Staff


class EntryState(models.TextChoices):
    """Whether a resident is registered for a programme."""

    OPEN = "open", _("Registered")
    CLOSED = "closed", _("Closed")


class EntryOrigin(models.TextChoices):
    """How a resident came to be registered."""

    RECORD = "record", _("From the record")
    AGE = "age", _("By age")
    HAND = "hand", _("By hand")


class CloseReason(models.TextChoices):
    """Why an entry was closed."""

    DIED = "died", _("Died")
    MOVED = "moved", _("Moved away")
    RECOVERED = "recovered", _("Recovered or completed")
    AGED_OUT = "aged_out", _("Too old for the programme")
    NOT_AFFECTED = "not_affected", _("Not affected: wrong diagnosis")
    REFUSED = "refused", _("Refuses the programme")
    TAKEN_BACK = "taken_back", _("The record took the diagnosis back")
    MERGED = "merged", _("Joined with another entry")
    OTHER = "other", _("Other")


class Control(models.TextChoices):
    """How a visit's readings stand against the programme's aims."""

    UNKNOWN = "", _("Not judged")
    GOOD = "good", _("Controlled")
    POOR = "poor", _("Not controlled")


class ProgrammeEntry(models.Model):
    """A resident's registration for a programme: from which event on its services are counted.

    `anchor` and `anchor_on` are those of the schedules (birth, hypertension, lmp, …); `ended_on` is the last
    day of what hangs on it, such as the delivery. `code` is the diagnosis, `rid` the record's resource, that
    brought it about. `placed_by` says how the institution was chosen. `control` is what the last judged visit
    found and `poor_run` how many in a row found it poor. `facts` are the programme's own (a risk, a number).
    """

    person_id = models.UUIDField(_("person"))
    patient_rid = models.BigIntegerField(null=True)
    programme = models.CharField(_("programme"), max_length=24)
    anchor = models.CharField(_("counted from"), max_length=32)
    anchor_on = models.DateField(_("since"))
    ended_on = models.DateField(_("until"), null=True)
    state = models.CharField(_("state"), max_length=8, choices=EntryState, default=EntryState.OPEN)
    origin = models.CharField(_("entered"), max_length=8, choices=EntryOrigin)
    rid = models.BigIntegerField(null=True)
    code = models.CharField(_("diagnosis (ICD-10)"), max_length=10, blank=True)
    institution = models.ForeignKey(
        Institution, null=True, on_delete=models.PROTECT, related_name="+", verbose_name=_("institution")
    )
    doctor = models.ForeignKey(
        Staff, null=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("doctor")
    )
    placed_by = models.CharField(_("placed by"), max_length=10, blank=True)
    district_code = models.CharField(_("district"), max_length=12, blank=True)
    categories = models.CharField(max_length=60, blank=True)
    control = models.CharField(_("control"), max_length=8, choices=Control, blank=True, default="")
    control_on = models.DateField(_("judged on"), null=True)
    poor_run = models.PositiveSmallIntegerField(_("poor visits in a row"), default=0)
    facts = models.JSONField(_("facts"), default=dict)
    opened_at = models.DateTimeField(_("registered"))
    opened_by = models.CharField(_("registered by"), max_length=150)
    closed_on = models.DateField(_("closed on"), null=True)
    close_reason = models.CharField(_("why closed"), max_length=16, choices=CloseReason, blank=True)
    closed_by = models.CharField(_("closed by"), max_length=150, blank=True)
    updated = models.DateTimeField(_("updated"))

    class Meta:
        """Names; a resident has one open entry of a programme."""

        verbose_name = _("registration for a programme")
        verbose_name_plural = _("registrations for programmes")
        constraints = [
            models.UniqueConstraint(
                fields=["person_id", "programme"],
                condition=Q(state="open"),
                name="prevention_entry_open_once",
            )
        ]
        indexes = [
            models.Index(fields=["person_id", "programme", "anchor_on"], name="prevention_entry_person"),
            models.Index(fields=["institution", "programme", "state"], name="prevention_entry_place"),
            models.Index(fields=["doctor", "programme", "state"], name="prevention_entry_doctor"),
            models.Index(fields=["district_code", "programme", "state"], name="prevention_entry_district"),
            models.Index(fields=["patient_rid"], condition=Q(patient_rid__isnull=False),
                         name="prevention_entry_patient"),
            models.Index(fields=["rid"], condition=Q(rid__isnull=False), name="prevention_entry_rid"),
        ]  # fmt: skip

    def __str__(self) -> str:
        return str(self.pk)


class EntryEvent(models.Model):
    """What happened to an entry: opened, moved, closed, referred; never changed."""

    entry = models.ForeignKey(ProgrammeEntry, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField(_("at"))
    by = models.CharField(_("by"), max_length=150)
    kind = models.CharField(_("kind"), max_length=20)
    detail = models.CharField(_("detail"), max_length=300, blank=True)

    class Meta:
        """Names."""

        verbose_name = _("event of a registration")
        verbose_name_plural = _("events of registrations")
        ordering = ["-id"]


class ServiceGiven(models.Model):
    """A visit, check or dose that a resident was given, with its outcome values.

    `key` is made where it is entered: sent twice it counts once. `undone_at` takes it back without a trace
    lost; what was undone counts nowhere. `control` is the verdict on its readings.
    """

    key = models.UUIDField(unique=True)
    person_id = models.UUIDField(_("person"))
    patient_rid = models.BigIntegerField(null=True)
    rid = models.BigIntegerField(null=True)
    entry = models.ForeignKey(
        ProgrammeEntry, null=True, on_delete=models.SET_NULL, related_name="given", verbose_name=_("entry")
    )
    programme = models.CharField(_("programme"), max_length=24, blank=True)
    product = models.CharField(_("service"), max_length=40)
    day = models.DateField(_("day"))
    way = models.CharField(_("how"), max_length=12, blank=True)
    institution = models.ForeignKey(
        Institution, null=True, on_delete=models.PROTECT, related_name="+", verbose_name=_("institution")
    )
    district_code = models.CharField(_("district"), max_length=12, blank=True)
    categories = models.CharField(max_length=60, blank=True)
    given_by = models.CharField(_("given by"), max_length=150)
    values = models.JSONField(_("values"), default=dict)
    control = models.CharField(_("control"), max_length=8, choices=Control, blank=True, default="")
    on_time = models.BooleanField(_("on time"), null=True)
    note = models.CharField(_("note"), max_length=300, blank=True)
    recorded_by = models.CharField(_("recorded by"), max_length=150)
    recorded_at = models.DateTimeField(_("recorded"))
    undone_at = models.DateTimeField(_("taken back"), null=True)
    undone_by = models.CharField(_("taken back by"), max_length=150, blank=True)

    class Meta:
        """Names, and the ways in which what was given is looked for."""

        verbose_name = _("service given")
        verbose_name_plural = _("services given")
        indexes = [
            models.Index(fields=["person_id", "product", "day"], name="prevention_given_person"),
            models.Index(fields=["institution", "day"], name="prevention_given_place"),
            models.Index(fields=["product", "day"], name="prevention_given_product"),
            models.Index(fields=["patient_rid"], condition=Q(patient_rid__isnull=False),
                         name="prevention_given_patient"),
            models.Index(fields=["rid"], condition=Q(rid__isnull=False), name="prevention_given_rid"),
        ]  # fmt: skip

    def __str__(self) -> str:
        return str(self.pk)


class ServiceBar(models.Model):
    """That a resident must not be given a service or product from a day to a day; for good without an end."""

    person_id = models.UUIDField(_("person"), db_index=True)
    patient_rid = models.BigIntegerField(null=True)
    code = models.CharField(_("service or product"), max_length=40)
    start = models.DateField(_("from"))
    end = models.DateField(_("to"), null=True)
    reason = models.CharField(_("reason"), max_length=200)
    recorded_by = models.CharField(_("recorded by"), max_length=150)
    recorded_at = models.DateTimeField(_("recorded"))

    class Meta:
        """Names."""

        verbose_name = _("contraindication")
        verbose_name_plural = _("contraindications")


class DueService(models.Model):
    """The next time a resident is owed a service, as the schedules say; kept, not entered.

    Whether it is upcoming, due or overdue follows from the days. `call_on` is from when on the resident
    stands on the recall list (when due, or when a try put it off), `tries` how often she was tried since,
    `level` how far a defaulter has been passed on (0: the doctor, 1: a home visit, 2: the institution).
    """

    person_id = models.UUIDField(_("person"))
    entry = models.ForeignKey(
        ProgrammeEntry, on_delete=models.CASCADE, related_name="due", verbose_name=_("entry")
    )
    programme = models.CharField(_("programme"), max_length=24)
    service = models.CharField(_("service"), max_length=40)
    anchor_on = models.DateField(_("since"))
    step = models.SmallIntegerField(_("step"))
    counted = models.SmallIntegerField(_("given so far"))
    missed = models.SmallIntegerField(_("missed"), default=0)
    due_on = models.DateField(_("due from"))
    overdue_on = models.DateField(_("overdue since"))
    closes_on = models.DateField(_("no longer given from"), null=True)
    reason = models.CharField(_("due because of"), max_length=10, blank=True)
    call_on = models.DateField(_("to be called from"))
    planned_on = models.DateField(_("appointment"), null=True)
    tries = models.PositiveSmallIntegerField(_("tries"), default=0)
    last_outcome = models.CharField(_("last try"), max_length=12, blank=True)
    level = models.PositiveSmallIntegerField(_("passed on"), default=0)
    institution = models.ForeignKey(Institution, null=True, on_delete=models.PROTECT, related_name="+")
    doctor = models.ForeignKey(Staff, null=True, on_delete=models.SET_NULL, related_name="+")
    district_code = models.CharField(_("district"), max_length=12, blank=True)
    categories = models.CharField(max_length=60, blank=True)

    class Meta:
        """Names, and the ways in which recall lists are read."""

        verbose_name = _("service due")
        verbose_name_plural = _("services due")
        constraints = [
            models.UniqueConstraint(fields=["person_id", "service", "anchor_on"], name="prevention_due_once")
        ]
        indexes = [
            models.Index(fields=["doctor", "call_on"], name="prevention_due_doctor"),
            models.Index(fields=["institution", "call_on"], name="prevention_due_place"),
            models.Index(fields=["district_code", "call_on"], name="prevention_due_district"),
            models.Index(fields=["call_on"], name="prevention_due_call"),
        ]

    def __str__(self) -> str:
        return str(self.pk)


class RecallOutcome(models.TextChoices):
    """What a try to reach a resident came to."""

    REACHED = "reached", _("Reached: will come")
    APPOINTMENT = "appointment", _("Appointment made")
    NOT_REACHED = "not_reached", _("Not reached")
    REFUSED = "refused", _("Refused")
    MOVED = "moved", _("Moved away")


class RecallTry(models.Model):
    """A try to reach a resident about what is due: a call, a message, a home visit."""

    key = models.UUIDField(unique=True)
    person_id = models.UUIDField(_("person"), db_index=True)
    services = models.JSONField(_("services"), default=list)
    day = models.DateField(_("day"))
    way = models.CharField(_("how"), max_length=12)
    outcome = models.CharField(_("outcome"), max_length=12, choices=RecallOutcome)
    appointment = models.DateField(_("appointment"), null=True)
    note = models.CharField(_("note"), max_length=300, blank=True)
    before = models.JSONField(default=list)
    institution = models.ForeignKey(Institution, null=True, on_delete=models.PROTECT, related_name="+")
    recorded_by = models.CharField(_("recorded by"), max_length=150)
    recorded_at = models.DateTimeField(_("recorded"))
    undone_at = models.DateTimeField(_("taken back"), null=True)

    class Meta:
        """Names."""

        verbose_name = _("try to reach a resident")
        verbose_name_plural = _("tries to reach residents")
        ordering = ["-id"]


class ResidentFile(models.Model):
    """What a resident's health file holds besides the record, and how complete it is (percent)."""

    person_id = models.UUIDField(_("person"), primary_key=True)
    institution = models.ForeignKey(Institution, null=True, on_delete=models.PROTECT, related_name="+")
    district_code = models.CharField(_("district"), max_length=12, blank=True)
    values = models.JSONField(_("values"), default=dict)
    complete = models.PositiveSmallIntegerField(_("complete (%)"), default=0)
    opened_on = models.DateField(_("opened on"))
    updated_by = models.CharField(_("updated by"), max_length=150)
    updated = models.DateTimeField(_("updated"))

    class Meta:
        """Names."""

        verbose_name = _("resident's health file")
        verbose_name_plural = _("residents' health files")
