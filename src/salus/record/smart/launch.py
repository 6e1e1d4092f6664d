"""Which Patient resource a SMART app is told about when a resident authorises it for her own record."""

from uuid import UUID

from django.db import connection

from salus.kernel.policy.words import uuid_value
from salus.record.rules.r4 import kind_of


def patient_for(person_id: UUID) -> str | None:
    """Return the id of the person's Patient resource that was updated last; None when no source knows her.

    The person has one Patient for each source; `Patient/[id]/$everything` of any one follows the person.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "select id from record_resource where person_id = %s and kind = %s and version > 0"
            " order by deleted, updated desc, rid limit 1",
            [uuid_value(person_id), kind_of("Patient")],
        )
        row = cursor.fetchone()
    return str(row[0]) if row else None
