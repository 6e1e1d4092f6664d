"""The insurance's registers in Django's admin, to be looked at: every change goes through a service.

Memberships, contributions, claims and what is kept by household are not here: an administrator would see
residents past the policy and without an audit row.
"""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin

from salus.insurance import models
from salus.kernel.admin import ReadOnly


def _register(
    model: Any, columns: Sequence[str], searched: Sequence[str], filters: Sequence[str] = ()
) -> None:
    shown = {"list_display": columns, "search_fields": searched, "list_filter": filters}
    admin.site.register(model, type(f"{model.__name__}Admin", (ReadOnly,), shown))


_register(
    models.CatalogueItem,
    ("item", "name", "kind", "payment_class", "valid_from", "valid_to"),
    ("item", "name"),
    ("kind", "payment_class"),
)
_register(
    models.InstitutionContract,
    ("institution", "area", "service", "tier", "start_date", "end_date"),
    ("institution__code", "institution__name"),
    ("service", "tier"),
)
_register(
    models.Designation,
    ("institution", "illness", "start_date", "end_date"),
    ("institution__code", "institution__name", "illness"),
)
_register(models.Supplier, ("code", "name"), ("code", "name"))
_register(
    models.Tender, ("code", "name", "state", "announced_on", "decided_at"), ("code", "name"), ("state",)
)
_register(
    models.SupplyContract,
    ("group", "supplier", "region", "price", "starts", "ends"),
    ("group__code", "supplier__code"),
)
_register(models.PriceList, ("number", "title", "state", "effective_from"), ("title",), ("state",))
_register(
    models.SettlementRun,
    ("year", "method", "version", "state", "recorded_at"),
    ("year",),
    ("method", "state"),
)
_register(models.MonthClose, ("fund", "month", "closed_at", "closed_by"), (), ("fund",))
