"""What an installation holds of what was acknowledged: counted in its database, not asked of its code."""

import json
from collections import Counter
from dataclasses import dataclass

from tests.resilience.installation import Installation


@dataclass(frozen=True)
class Balance:
    """A source's messages by status, and its stored control ids with how often each stands."""

    received: int
    stored: int
    repeated: int
    dead: int
    control_ids: Counter[str]


def balance(one: Installation, source: str) -> Balance:
    """Count a source's messages in the database."""
    code = f"""
import json
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute(
        "select m.status, m.control_id from connect_message m join connect_sourcesystem s on s.id = m.source_id"
        " where s.code = %s", [{source!r}])
    print(json.dumps(cursor.fetchall()))
"""
    rows = json.loads(one.python(code))
    statuses = Counter(status for status, _ in rows)
    stored = Counter(control_id for status, control_id in rows if status == "stored")
    return Balance(len(rows), statuses["stored"], statuses["repeated"], statuses["dead"], stored)


def patients_by_identifier(one: Installation) -> Counter[str]:
    """Count the current, undeleted Patients that carry each identifier value."""
    code = """
import json
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute("select body from record_resource where deleted = %s", [False])
    values = []
    for (body,) in cursor.fetchall():
        resource = json.loads(bytes(body))
        if resource["resourceType"] == "Patient":
            values += [one["value"] for one in resource.get("identifier", ()) if "value" in one]
    print(json.dumps(values))
"""
    return Counter(json.loads(one.python(code)))
