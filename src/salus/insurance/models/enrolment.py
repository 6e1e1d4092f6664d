"""Tables of enrolment: households, members, what they paid, where they may be treated."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from salus.kernel.models import Institution


class Scheme(models.TextChoices):
    """The two basic insurances."""

    EMPLOYEE = "employee", _("Employees' insurance")
    RESIDENT = "resident", _("Residents' insurance")


class MemberCategory(models.TextChoices):
    """What kind of member somebody is."""

    WORKER = "worker", _("Employee")
    FLEXIBLE = "flexible", _("Flexible employment")
    RETIRED = "retired", _("Retired")
    ADULT = "adult", _("Adult resident")
    CHILD = "child", _("Child")
    STUDENT = "student", _("Student")
    NEWBORN = "newborn", _("Newborn")


class Service(models.TextChoices):
    """What kind of care is asked for."""

    OUTPATIENT = "outpatient", _("Outpatient care")
    INPATIENT = "inpatient", _("Inpatient care")
    CHRONIC = "chronic", _("Chronic or special illness, outpatient")
    EMERGENCY = "emergency", _("Emergency")
    MATERNITY = "maternity", _("Maternity")
    PHARMACY = "pharmacy", _("Pharmacy")


class Household(models.Model):
    """People who live and are enrolled together, under a number of their own."""

    number = models.CharField(_("number"), max_length=40, unique=True)
    district_code = models.CharField(_("district"), max_length=12, blank=True)
    formed_on = models.DateField(_("formed on"))
    ended_on = models.DateField(_("ended on"), null=True, blank=True)

    class Meta:
        """Names."""

        verbose_name = _("household")
        verbose_name_plural = _("households")

    def __str__(self) -> str:
        return self.number


class HouseholdMember(models.Model):
    """That a person belongs to a household from a day to a day (null: still)."""

    household = models.ForeignKey(Household, on_delete=models.PROTECT, related_name="members")
    person_id = models.UUIDField(_("person"), db_index=True)
    relation = models.CharField(_("relation to the head"), max_length=20, blank=True)
    valid_from = models.DateField(_("from"))
    valid_to = models.DateField(_("to"), null=True, blank=True)

    class Meta:
        """Names; nobody is in one household twice at a time."""

        verbose_name = _("household member")
        verbose_name_plural = _("household members")
        constraints = [
            models.UniqueConstraint(
                fields=["person_id"],
                condition=models.Q(valid_to=None),
                name="insurance_one_household",
            )
        ]


class Enrolment(models.Model):
    """A person's membership of a scheme in an area; at most one is open at a time.

    `previous` is the membership that this one continues after a transfer between schemes or areas.
    """

    person_id = models.UUIDField(_("person"), db_index=True)
    scheme = models.CharField(_("scheme"), max_length=12, choices=Scheme)
    category = models.CharField(_("kind of member"), max_length=12, choices=MemberCategory)
    area = models.CharField(_("area"), max_length=12)
    household = models.ForeignKey(
        Household, on_delete=models.PROTECT, null=True, blank=True, related_name="enrolments"
    )
    start_date = models.DateField(_("from"))
    end_date = models.DateField(_("to"), null=True, blank=True)
    end_reason = models.CharField(_("why it ended"), max_length=20, blank=True)
    previous = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="following"
    )
    recorded_at = models.DateTimeField(_("recorded at"))

    class Meta:
        """Names; one open membership a person."""

        verbose_name = _("enrolment")
        verbose_name_plural = _("enrolments")
        constraints = [
            models.UniqueConstraint(
                fields=["person_id"], condition=models.Q(end_date=None), name="insurance_one_enrolment"
            ),
            models.CheckConstraint(
                condition=models.Q(end_date=None) | models.Q(end_date__gte=models.F("start_date")),
                name="insurance_enrolment_dates",
            ),
        ]


class Contribution(models.Model):
    """A paid period (a *spell* of the eligibility), with who paid which part of it, in fen.

    Nothing is changed once it is written but `cancelled_on`, when it was paid back.
    """

    enrolment = models.ForeignKey(Enrolment, on_delete=models.PROTECT, related_name="contributions")
    person_id = models.UUIDField(_("person"), db_index=True)
    start_date = models.DateField(_("from"))
    end_date = models.DateField(_("to"))
    paid_on = models.DateField(_("paid on"))
    repair_years = models.PositiveSmallIntegerField(_("years of a break paid for"), default=0)
    own_fen = models.BigIntegerField(_("paid by the member (fen)"))
    aid_fen = models.BigIntegerField(_("paid by medical aid (fen)"), default=0)
    finance_fen = models.BigIntegerField(_("paid by public finance (fen)"), default=0)
    employer_fen = models.BigIntegerField(_("paid by the employer (fen)"), default=0)
    aid_status = models.CharField(_("status that aid pays for"), max_length=20, blank=True)
    cancelled_on = models.DateField(_("paid back on"), null=True, blank=True)
    recorded_at = models.DateTimeField(_("recorded at"))

    class Meta:
        """Names; one standing payment a membership and period."""

        verbose_name = _("contribution")
        verbose_name_plural = _("contributions")
        constraints = [
            models.UniqueConstraint(
                fields=["enrolment", "start_date"],
                condition=models.Q(cancelled_on=None),
                name="insurance_contribution_once",
            ),
            models.CheckConstraint(
                condition=models.Q(end_date__gte=models.F("start_date"))
                & models.Q(own_fen__gte=0, aid_fen__gte=0, finance_fen__gte=0, employer_fen__gte=0),
                name="insurance_contribution_sound",
            ),
        ]

    @property
    def total_fen(self) -> int:
        """The fund's income from it."""
        return self.own_fen + self.aid_fen + self.finance_fen + self.employer_fen


class TreatmentFiling(models.Model):
    """A person's notice that she will be treated in another area, from a day to a day."""

    person_id = models.UUIDField(_("person"), db_index=True)
    area = models.CharField(_("area"), max_length=12)
    reason = models.CharField(_("reason"), max_length=40, blank=True)
    start_date = models.DateField(_("from"))
    end_date = models.DateField(_("to"), null=True, blank=True)
    recorded_at = models.DateTimeField(_("recorded at"))

    class Meta:
        """Names."""

        verbose_name = _("notice of treatment elsewhere")
        verbose_name_plural = _("notices of treatment elsewhere")


class IllnessRegistration(models.Model):
    """That a person is registered for a chronic, special or free-treatment illness."""

    person_id = models.UUIDField(_("person"), db_index=True)
    illness = models.CharField(_("illness"), max_length=40)
    institution = models.ForeignKey(Institution, on_delete=models.PROTECT, related_name="+")
    start_date = models.DateField(_("from"))
    end_date = models.DateField(_("to"), null=True, blank=True)
    recorded_at = models.DateTimeField(_("recorded at"))

    class Meta:
        """Names."""

        verbose_name = _("registered illness")
        verbose_name_plural = _("registered illnesses")


class InstitutionContract(models.Model):
    """An institution's right to bill the fund of an area for a service, at a tier, from a day to a day."""

    institution = models.ForeignKey(Institution, on_delete=models.PROTECT, related_name="insurance_contracts")
    area = models.CharField(_("area"), max_length=12)
    service = models.CharField(_("service"), max_length=12, choices=Service)
    tier = models.PositiveSmallIntegerField(_("tier"))
    start_date = models.DateField(_("from"))
    end_date = models.DateField(_("to"), null=True, blank=True)

    class Meta:
        """Names; one contract an institution, area, service and first day."""

        verbose_name = _("contract with an institution")
        verbose_name_plural = _("contracts with institutions")
        constraints = [
            models.UniqueConstraint(
                fields=["institution", "area", "service", "start_date"], name="insurance_contract_once"
            )
        ]


class Designation(models.Model):
    """That a hospital gives free treatment of an illness to the poor, from a day to a day."""

    institution = models.ForeignKey(
        Institution, on_delete=models.PROTECT, related_name="insurance_designations"
    )
    illness = models.CharField(_("illness"), max_length=40)
    start_date = models.DateField(_("from"))
    end_date = models.DateField(_("to"), null=True, blank=True)

    class Meta:
        """Names."""

        verbose_name = _("designation for free treatment")
        verbose_name_plural = _("designations for free treatment")
        constraints = [
            models.UniqueConstraint(
                fields=["institution", "illness", "start_date"], name="insurance_designation_once"
            )
        ]
