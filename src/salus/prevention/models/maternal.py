"""Tables of mother and child: pregnancies and risks, births, newborn screening, family planning, deaths.

A pregnancy and a child are registrations for a programme (`ProgrammeEntry`), by which their rows here follow
the resident when records are joined or separated; rows that stand by themselves keep `person_id` and
`patient_rid`. Codes are those of `rules/maternal_*.csv`.
"""

from django.db import models
from django.utils.translation import gettext_lazy as _

from salus.kernel.models import Institution
from salus.prevention.models.programme import ProgrammeEntry


class PregnancyOutcome(models.TextChoices):
    """How a pregnancy ended."""

    OPEN = "", _("Goes on")
    BIRTH = "birth", _("Live birth")
    STILLBIRTH = "stillbirth", _("Stillbirth")
    MISCARRIAGE = "miscarriage", _("Miscarriage")
    TERMINATION = "termination", _("Termination")


class Pregnancy(models.Model):
    """What is known of a registered pregnancy besides its visits.

    `colour` (green, yellow, orange, red) is that of its gravest factor and `infectious` the purple mark that
    goes beside it; both follow from the factors that stand. `follow_on` is when a pregnancy at risk is looked
    after next, `report_by` until when its risk has to be reported on.
    """

    entry = models.OneToOneField(ProgrammeEntry, on_delete=models.CASCADE, related_name="pregnancy")
    edd = models.DateField(_("expected delivery"))
    edd_by = models.CharField(_("by"), max_length=12, default="lmp")
    gravidity = models.PositiveSmallIntegerField(_("pregnancies, with this one"), null=True)
    parity = models.PositiveSmallIntegerField(_("births before"), null=True)
    height = models.FloatField(_("height (cm)"), null=True)
    weight = models.FloatField(_("weight before (kg)"), null=True)
    colour = models.CharField(_("risk"), max_length=8, default="green")
    infectious = models.BooleanField(_("infectious disease"), default=False)
    judged_at = models.DateTimeField(_("risk judged"), null=True)
    follow_on = models.DateField(_("looked after next"), null=True)
    report_by = models.DateTimeField(_("report on the risk by"), null=True)
    reported_at = models.DateTimeField(_("risk reported"), null=True)
    outcome = models.CharField(_("outcome"), max_length=12, choices=PregnancyOutcome, blank=True, default="")
    ended_on = models.DateField(_("ended on"), null=True)
    mode = models.CharField(_("mode of delivery"), max_length=16, blank=True)
    place = models.CharField(_("place of delivery"), max_length=120, blank=True)
    blood_loss = models.PositiveIntegerField(_("blood loss (mL)"), null=True)
    updated = models.DateTimeField(_("updated"))

    class Meta:
        """Names and the order of the list of those at risk."""

        verbose_name = _("pregnancy")
        verbose_name_plural = _("pregnancies")
        indexes = [models.Index(fields=["outcome", "follow_on"], name="prevention_pregnancy_follow")]

    def __str__(self) -> str:
        return str(self.pk)


class RiskFactor(models.Model):
    """A factor of risk that was found in a pregnancy, and that stands until it is taken away."""

    pregnancy = models.ForeignKey(Pregnancy, on_delete=models.CASCADE, related_name="factors")
    factor = models.CharField(_("factor"), max_length=40)
    found_on = models.DateField(_("found on"))
    ended_on = models.DateField(_("no longer since"), null=True)
    by_rule = models.BooleanField(_("found by its values"), default=False)
    note = models.CharField(_("note"), max_length=300, blank=True)
    recorded_by = models.CharField(_("recorded by"), max_length=150)
    recorded_at = models.DateTimeField(_("recorded"))

    class Meta:
        """Names; a factor stands once."""

        verbose_name = _("factor of risk")
        verbose_name_plural = _("factors of risk")
        constraints = [
            models.UniqueConstraint(
                fields=["pregnancy", "factor"],
                condition=models.Q(ended_on=None),
                name="prevention_factor_once",
            )
        ]


class RiskAct(models.Model):
    """What was done about a pregnancy's risk: judged, followed up, referred, reported; never changed."""

    pregnancy = models.ForeignKey(Pregnancy, on_delete=models.CASCADE, related_name="acts")
    key = models.UUIDField(unique=True)
    at = models.DateTimeField(_("at"))
    by = models.CharField(_("by"), max_length=150)
    kind = models.CharField(_("kind"), max_length=16)
    colour = models.CharField(_("risk"), max_length=8)
    infectious = models.BooleanField(_("infectious disease"), default=False)
    next_on = models.DateField(_("looked after next"), null=True)
    note = models.CharField(_("note"), max_length=300, blank=True)

    class Meta:
        """Names."""

        verbose_name = _("act on a pregnancy's risk")
        verbose_name_plural = _("acts on pregnancies' risks")
        ordering = ["-id"]


class Newborn(models.Model):
    """A child born of a pregnancy; `entry` is the child's own registration once the two are linked."""

    pregnancy = models.ForeignKey(Pregnancy, on_delete=models.CASCADE, related_name="newborns")
    number = models.PositiveSmallIntegerField(_("number"))
    alive = models.BooleanField(_("born alive"), default=True)
    sex = models.CharField(_("sex"), max_length=8, blank=True)
    weight = models.PositiveIntegerField(_("birth weight (g)"), null=True)
    length = models.FloatField(_("length (cm)"), null=True)
    apgar_1 = models.PositiveSmallIntegerField(_("Apgar after 1 minute"), null=True)
    apgar_5 = models.PositiveSmallIntegerField(_("Apgar after 5 minutes"), null=True)
    entry = models.OneToOneField(
        ProgrammeEntry, null=True, on_delete=models.SET_NULL, related_name="born", verbose_name=_("child")
    )
    linked_by = models.CharField(_("linked by"), max_length=150, blank=True)
    linked_at = models.DateTimeField(_("linked"), null=True)

    class Meta:
        """Names; children of a birth are numbered."""

        verbose_name = _("newborn")
        verbose_name_plural = _("newborns")
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["pregnancy", "number"], name="prevention_newborn_number")
        ]


class Guardianship(models.Model):
    """That a resident (`person_id`) is a guardian of a child, from a day to a day, and how that is known."""

    person_id = models.UUIDField(_("guardian"), db_index=True)
    patient_rid = models.BigIntegerField(null=True)
    child = models.ForeignKey(ProgrammeEntry, on_delete=models.CASCADE, related_name="guardians")
    relation = models.CharField(_("relation"), max_length=12)
    basis = models.CharField(_("known from"), max_length=120)
    start = models.DateField(_("from"))
    end = models.DateField(_("to"), null=True)
    recorded_by = models.CharField(_("recorded by"), max_length=150)
    recorded_at = models.DateTimeField(_("recorded"))

    class Meta:
        """Names."""

        verbose_name = _("guardianship")
        verbose_name_plural = _("guardianships")


class ScreeningState(models.TextChoices):
    """Where a newborn's screening stands."""

    TAKEN = "taken", _("Waits for the result")
    NEGATIVE = "negative", _("Nothing found")
    POSITIVE = "positive", _("Positive: to be recalled")
    INVALID = "invalid", _("To be taken again")
    RECALLED = "recalled", _("Recalled: waits for the diagnosis")
    CONFIRMED = "confirmed", _("Disease confirmed")
    EXCLUDED = "excluded", _("Disease excluded")
    REFUSED = "refused", _("Refused")


class Screening(models.Model):
    """A newborn's screening test; a positive or invalid one has a day by which the child is recalled."""

    entry = models.ForeignKey(ProgrammeEntry, on_delete=models.CASCADE, related_name="screenings")
    test = models.CharField(_("test"), max_length=12)
    attempt = models.PositiveSmallIntegerField(_("attempt"), default=1)
    taken_on = models.DateField(_("taken on"))
    state = models.CharField(_("state"), max_length=10, choices=ScreeningState, default=ScreeningState.TAKEN)
    value = models.CharField(_("value"), max_length=60, blank=True)
    result_on = models.DateField(_("result on"), null=True)
    recall_by = models.DateField(_("recall by"), null=True)
    recalled_on = models.DateField(_("recalled on"), null=True)
    closed_on = models.DateField(_("settled on"), null=True)
    note = models.CharField(_("note"), max_length=300, blank=True)
    recorded_by = models.CharField(_("recorded by"), max_length=150)
    updated = models.DateTimeField(_("updated"))

    class Meta:
        """Names; an attempt of a test counts once."""

        verbose_name = _("newborn screening")
        verbose_name_plural = _("newborn screenings")
        constraints = [
            models.UniqueConstraint(fields=["entry", "test", "attempt"], name="prevention_screening_once")
        ]
        indexes = [models.Index(fields=["state", "recall_by"], name="prevention_screening_recall")]


class FamilyAct(models.Model):
    """An act of family planning: a check before pregnancy, a supply, a birth registered, support granted.

    `kind` is check, supply, follow-up, registration or support; `code` the method, result or scheme of the
    rules. `next_on` is when she is seen again. `amount` (fen a year) belongs to support.
    """

    key = models.UUIDField(unique=True)
    person_id = models.UUIDField(_("person"), db_index=True)
    patient_rid = models.BigIntegerField(null=True)
    institution = models.ForeignKey(
        Institution, null=True, on_delete=models.PROTECT, related_name="+", verbose_name=_("institution")
    )
    district_code = models.CharField(_("district"), max_length=12, blank=True)
    categories = models.CharField(max_length=60, default="reproductive", blank=True)
    kind = models.CharField(_("kind"), max_length=12)
    code = models.CharField(_("what"), max_length=40)
    day = models.DateField(_("day"))
    quantity = models.PositiveIntegerField(_("quantity"), null=True)
    amount = models.BigIntegerField(_("amount a year (fen)"), null=True)
    next_on = models.DateField(_("seen again"), null=True)
    values = models.JSONField(_("values"), default=dict)
    child = models.ForeignKey(
        ProgrammeEntry, null=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("child")
    )
    note = models.CharField(_("note"), max_length=300, blank=True)
    recorded_by = models.CharField(_("recorded by"), max_length=150)
    recorded_at = models.DateTimeField(_("recorded"))
    undone_at = models.DateTimeField(_("taken back"), null=True)

    class Meta:
        """Names, and the list of who is seen again."""

        verbose_name = _("act of family planning")
        verbose_name_plural = _("acts of family planning")
        ordering = ["-day", "-id"]
        indexes = [models.Index(fields=["institution", "next_on"], name="prevention_family_next")]


class DeathKind(models.TextChoices):
    """Whose death is reviewed."""

    MATERNAL = "maternal", _("Maternal death")
    INFANT = "infant", _("Death of an infant")
    CHILD = "child", _("Death of a child under 5")


class ReviewState(models.TextChoices):
    """Where a review stands."""

    OPEN = "open", _("To be investigated")
    READY = "ready", _("Before the committee")
    CLOSED = "closed", _("Concluded")


class Avoidable(models.TextChoices):
    """What the committee concluded."""

    NONE = "", _("Not concluded")
    AVOIDABLE = "avoidable", _("Avoidable")
    WITH_CONDITIONS = "conditional", _("Avoidable under better conditions")
    UNAVOIDABLE = "unavoidable", _("Not avoidable")


class DeathReview(models.Model):
    """A maternal or child death that is reviewed case by case; the committee sees it without a name."""

    person_id = models.UUIDField(_("person"), db_index=True)
    patient_rid = models.BigIntegerField(null=True)
    kind = models.CharField(_("kind"), max_length=8, choices=DeathKind)
    died_on = models.DateField(_("died on"))
    cause = models.CharField(_("underlying cause (ICD-10)"), max_length=10, blank=True)
    age_days = models.PositiveIntegerField(_("age (days)"), null=True)
    from_record = models.BooleanField(_("from the record"), default=False)
    institution = models.ForeignKey(
        Institution, null=True, on_delete=models.PROTECT, related_name="+", verbose_name=_("institution")
    )
    district_code = models.CharField(_("district"), max_length=12, blank=True)
    state = models.CharField(_("state"), max_length=8, choices=ReviewState, default=ReviewState.OPEN)
    due_on = models.DateField(_("review due"))
    story = models.TextField(_("course of events"), blank=True)
    conclusion = models.CharField(_("conclusion"), max_length=12, choices=Avoidable, blank=True, default="")
    advice = models.TextField(_("what should change"), blank=True)
    concluded_on = models.DateField(_("concluded on"), null=True)
    concluded_by = models.CharField(_("concluded by"), max_length=150, blank=True)
    recorded_by = models.CharField(_("recorded by"), max_length=150)
    updated = models.DateTimeField(_("updated"))

    class Meta:
        """Names, and the list of what is to be reviewed."""

        verbose_name = _("review of a death")
        verbose_name_plural = _("reviews of deaths")
        indexes = [models.Index(fields=["state", "due_on"], name="prevention_death_review_due")]


class ReviewItem(models.Model):
    """An item of the three delays in a review: whether it played a part, and how."""

    review = models.ForeignKey(DeathReview, on_delete=models.CASCADE, related_name="items")
    item = models.CharField(_("item"), max_length=40)
    present = models.BooleanField(_("played a part"))
    note = models.CharField(_("note"), max_length=300, blank=True)

    class Meta:
        """Names; an item is judged once."""

        verbose_name = _("item of a review")
        verbose_name_plural = _("items of reviews")
        constraints = [models.UniqueConstraint(fields=["review", "item"], name="prevention_review_item_once")]
