"""Registers that every room needs: districts, medical groups, institutions, staff and registrations."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class District(models.Model):
    """An administrative division, under its GB/T 2260 code, with its boundary as GeoJSON text."""

    code = models.CharField(_("code"), max_length=12, primary_key=True)
    name = models.CharField(_("name"), max_length=80)
    name_en = models.CharField(_("English name"), max_length=120, blank=True)
    level = models.CharField(_("level"), max_length=20, default="district")
    parent = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="parts",
        verbose_name=_("part of"),
    )
    polygon = models.TextField(_("boundary (GeoJSON geometry)"), blank=True)
    population = models.PositiveIntegerField(_("population"), null=True, blank=True)

    class Meta:
        verbose_name = _("district")
        verbose_name_plural = _("districts")
        ordering = ["code"]

    def __str__(self) -> str:
        return self.name


class MedicalGroup(models.Model):
    """Institutions that work as one: a hospital group, a county medical community, a speciality alliance."""

    code = models.CharField(_("code"), max_length=40, unique=True)
    name = models.CharField(_("name"), max_length=120)
    name_en = models.CharField(_("English name"), max_length=160, blank=True)

    class Meta:
        verbose_name = _("medical group")
        verbose_name_plural = _("medical groups")
        ordering = ["code"]

    def __str__(self) -> str:
        return self.name


class InstitutionKind(models.TextChoices):
    """What kind of institution it is."""

    GENERAL_HOSPITAL = "general_hospital", _("General hospital")
    TCM_HOSPITAL = "tcm_hospital", _("Traditional Chinese medicine hospital")
    SPECIALTY_HOSPITAL = "specialty_hospital", _("Specialty hospital")
    MATERNAL_CHILD = "maternal_child", _("Maternal and child health hospital")
    COMMUNITY_CENTRE = "community_centre", _("Community health centre")
    COMMUNITY_STATION = "community_station", _("Community health station")
    TOWNSHIP_CENTRE = "township_centre", _("Township health centre")
    VILLAGE_CLINIC = "village_clinic", _("Village clinic")
    CLINIC = "clinic", _("Clinic")
    CDC = "cdc", _("Centre for disease control")
    EMERGENCY_CENTRE = "emergency_centre", _("Emergency medical centre")
    BLOOD_CENTRE = "blood_centre", _("Blood centre")
    LABORATORY = "laboratory", _("Independent laboratory")
    PHARMACY = "pharmacy", _("Pharmacy")
    INSURER = "insurer", _("Insurance agency")
    AUTHORITY = "authority", _("Health authority")
    OTHER = "other", _("Other")


class Institution(models.Model):
    """An institution with its tier, group, district and licence."""

    code = models.CharField(_("code"), max_length=40, unique=True)
    name = models.CharField(_("name"), max_length=120)
    name_en = models.CharField(_("English name"), max_length=160, blank=True)
    kind = models.CharField(
        _("kind"), max_length=40, choices=InstitutionKind.choices, default=InstitutionKind.OTHER
    )
    tier = models.CharField(_("tier"), max_length=20, blank=True)
    group = models.ForeignKey(
        MedicalGroup,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="institutions",
        verbose_name=_("medical group"),
    )
    district = models.ForeignKey(
        District,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="institutions",
        verbose_name=_("district"),
    )
    licence_no = models.CharField(_("licence number"), max_length=60, blank=True)
    licence_scope = models.TextField(_("licensed services"), blank=True)
    latitude = models.FloatField(_("latitude"), null=True, blank=True)
    longitude = models.FloatField(_("longitude"), null=True, blank=True)
    active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("institution")
        verbose_name_plural = _("institutions")
        ordering = ["code"]

    def __str__(self) -> str:
        return self.name


class Staff(models.Model):
    """A person who works in an institution."""

    code = models.CharField(_("code"), max_length=40, unique=True)
    name = models.CharField(_("name"), max_length=80)
    institution = models.ForeignKey(
        Institution, on_delete=models.PROTECT, related_name="staff", verbose_name=_("institution")
    )

    class Meta:
        verbose_name = _("staff member")
        verbose_name_plural = _("staff")
        ordering = ["code"]

    def __str__(self) -> str:
        return self.name


class StaffRegistration(models.Model):
    """A licence to practise: profession and specialty at one institution, from a day to a day."""

    staff = models.ForeignKey(
        Staff, on_delete=models.CASCADE, related_name="registrations", verbose_name=_("staff")
    )
    institution = models.ForeignKey(
        Institution, on_delete=models.PROTECT, related_name="registrations", verbose_name=_("institution")
    )
    profession = models.CharField(_("profession"), max_length=40)
    specialty = models.CharField(_("specialty"), max_length=80, blank=True)
    registration_no = models.CharField(_("registration number"), max_length=60)
    valid_from = models.DateField(_("valid from"))
    valid_to = models.DateField(_("valid to"), null=True, blank=True)

    class Meta:
        verbose_name = _("staff registration")
        verbose_name_plural = _("staff registrations")
        ordering = ["staff", "valid_from"]
        constraints = [
            models.UniqueConstraint(
                fields=["registration_no", "institution", "valid_from"], name="kernel_registration_once"
            )
        ]

    def __str__(self) -> str:
        return self.registration_no
