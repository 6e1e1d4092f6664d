"""The insurance catalogue: what may be billed, with class, prices and limits, entered from a table."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import pyarrow as pa
from django.db import connection, transaction
from django.utils.translation import gettext_noop as _

from salus.insurance.adjudication.tables import INPUTS
from salus.insurance.models import CatalogueItem
from salus.insurance.services import locking
from salus.kernel import audit, policy
from salus.kernel.errors import Invalid
from salus.kernel.policy import Principal, Target

_BATCH = 500
_TEXTS = ("name_en", "sex", "care", "exclusive_group", "bundle", "licence")
_LONGEST = {"item": 40, "name": 200, "name_en": 200, "exclusive_group": 40, "bundle": 40, "licence": 40}


def enter_catalogue(principal: Principal, table: pa.Table) -> int:
    """Enter items that are not in the catalogue from their first day; return how many were new.

    `table` has the columns of the adjudication's `catalogue`, perhaps `name_en`, and may have more. A row is
    never changed: an item's next class or price is a row with a later first day.

    Raises:
        NotAllowed: the principal may not.
        Invalid: a column or a value is missing, a text is too long, or an item stands twice for one day;
            nothing is entered then.
    """
    policy.require(principal, "create", Target("enrolment"))
    wanted = INPUTS["catalogue"].schema.names
    if missing := [name for name in wanted if name not in table.column_names]:
        raise Invalid("catalogue-column", _("The catalogue lacks a column"), where=missing[0])
    rows: dict[tuple[str, date], CatalogueItem] = {}
    taken = [*wanted, *({"name_en"} & set(table.column_names))]
    for number, row in enumerate(table.select(taken).to_pylist(), 1):
        item = _item(row, number)
        if (key := (item.item, item.valid_from)) in rows:
            raise Invalid("catalogue-repeated", _("An item stands twice for one day"), where=f"row {number}")
        rows[key] = item
    with transaction.atomic(), connection.cursor() as cursor:
        locking.alone(cursor, "catalogue")
        known = set(CatalogueItem.objects.values_list("item", "valid_from"))
        new = [item for key, item in rows.items() if key not in known]
        CatalogueItem.objects.bulk_create(new, batch_size=_BATCH)
        detail = {"rows": len(rows), "new": len(new)}
        entry = audit.entry(principal, "create", resource_type="CatalogueItem", detail=detail)
        intent = audit.intend(cursor, [entry])
    audit.settle(intent)
    return len(new)


def _item(row: Mapping[str, Any], number: int) -> CatalogueItem:
    values = dict(row)
    values["payment_class"] = values.pop("class")
    for name in ("item", "name", "kind", "payment_class", "valid_from"):
        if not values[name]:
            raise Invalid("catalogue-value", _("A value is missing"), where=f"row {number}, {name}")
    for name, most in _LONGEST.items():
        if len(values.get(name) or "") > most:
            raise Invalid("catalogue-text", _("A text is too long"), where=f"row {number}, {name}")
    for name in _TEXTS:
        values[name] = values.get(name) or ""
    values["self_share"] = values["self_share"] or 0
    values["indications"] = list(values["indications"] or [])
    return CatalogueItem(**values)
