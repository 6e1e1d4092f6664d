"""The kernel's registers in Django's admin; what the program keeps for itself is shown, never edited."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from salus.kernel import models


class ReadOnly(admin.ModelAdmin[Any]):
    """Rows that may be looked at only."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse adding."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse changing."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse deleting."""
        return False


@admin.register(models.Account)
class AccountAdmin(UserAdmin[models.Account]):
    """Accounts with the scope that the platform adds to Django's."""

    list_display = ("username", "display_name", "institution", "district", "locked", "is_active")
    list_filter = ("locked", "is_active")
    search_fields = ("username", "display_name")
    raw_id_fields = ("institution", "district", "staff")
    fieldsets = (
        *(UserAdmin.fieldsets or ()),
        (_("Scope"), {"fields": ("display_name", "institution", "district", "staff", "language")}),
        (_("Lock"), {"fields": ("locked", "locked_reason")}),
    )


@admin.register(models.District)
class DistrictAdmin(admin.ModelAdmin[models.District]):
    """Districts."""

    list_display = ("code", "name", "name_en", "level", "population")
    search_fields = ("code", "name", "name_en")
    raw_id_fields = ("parent",)


@admin.register(models.MedicalGroup)
class MedicalGroupAdmin(admin.ModelAdmin[models.MedicalGroup]):
    """Medical groups."""

    list_display = ("code", "name", "name_en")
    search_fields = ("code", "name", "name_en")


@admin.register(models.Institution)
class InstitutionAdmin(admin.ModelAdmin[models.Institution]):
    """Institutions."""

    list_display = ("code", "name", "kind", "tier", "group", "district", "active")
    list_filter = ("kind", "tier", "active")
    search_fields = ("code", "name", "name_en", "licence_no")
    raw_id_fields = ("group", "district")


@admin.register(models.Staff)
class StaffAdmin(admin.ModelAdmin[models.Staff]):
    """Staff."""

    list_display = ("code", "name", "institution")
    search_fields = ("code", "name")
    raw_id_fields = ("institution",)


@admin.register(models.StaffRegistration)
class StaffRegistrationAdmin(admin.ModelAdmin[models.StaffRegistration]):
    """Registrations of staff."""

    list_display = ("registration_no", "staff", "profession", "institution", "valid_from", "valid_to")
    search_fields = ("registration_no",)
    raw_id_fields = ("staff", "institution")


# Audit rows, events and emergency accesses are not here: a superuser would see them past the policy.
for _model in (
    models.RoleGrant,
    models.AuditChain,
    models.HandlerCursor,
    models.PeriodicJob,
):
    admin.site.register(_model, ReadOnly)
