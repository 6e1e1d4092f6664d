"""The health file: what it holds besides the record is written here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from salus.kernel import audit, policy
from salus.kernel.errors import Invalid
from salus.kernel.policy import Principal
from salus.prevention.models import ProgrammeEntry, ResidentFile
from salus.prevention.queries.programme import catalogue, residents, seeing
from salus.prevention.services.programme import placing


def write_file(
    principal: Principal, number: int, values: Mapping[str, str], *, now: datetime
) -> ResidentFile:
    """Write items of the health file of a registered resident; an empty value clears the item.

    Raises:
        NotFound: there is no such entry, or the principal may not see it.
        NotAllowed: the principal may not write the file.
        Invalid: there is no such item or choice, or a value is too long; `where` names it.
    """
    entry: ProgrammeEntry = seeing.open_entry(principal, number, "update")
    today = timezone.localdate(now)
    items = {one.code: one for one in catalogue.file_items(today) if one.kind != "record"}
    for code, value in values.items():
        if code not in items:
            raise Invalid("file-item", _("There is no such item"), where=code)
        if value and items[code].choices and value not in {one[0] for one in items[code].choices}:
            raise Invalid("file-choice", _("There is no such choice"), where=code)
        if len(value) > 200:
            raise Invalid("file-long", _("The text is too long"), where=code)
    person = placing.people([entry.person_id])[entry.person_id]
    with transaction.atomic(), connection.cursor() as cursor:
        query = ResidentFile.objects.filter(pk=person.pk)
        held = (query.select_for_update() if connection.vendor == "postgresql" else query).first()
        policy.require(principal, "update", residents.file_target(person.pk, held, entry))
        held = held or ResidentFile(
            person_id=person.pk, institution_id=entry.institution_id, district_code=entry.district_code,
            opened_on=today,
        )  # fmt: skip
        kept = {**held.values, **{code: value.strip() for code, value in values.items()}}
        held.values = {code: value for code, value in kept.items() if value}
        held.complete = residents.completeness(residents.file_values(person, held.values, today))
        held.updated_by, held.updated = principal.name[:150], now
        held.save()
        item = audit.entry(
            principal, "update", person_id=person.pk, resource_type="HealthFile",
            detail={"items": sorted(values)},
        )  # fmt: skip
        intent = audit.intend(cursor, [item])
    audit.settle(intent)
    return held
