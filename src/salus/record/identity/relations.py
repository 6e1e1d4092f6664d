"""What the policy asks of identity: in whose care, under whose contract and where a person is."""

from collections.abc import Sequence
from typing import Any

from django.db import connection
from django.db.backends.utils import CursorWrapper

from salus.kernel import policy
from salus.kernel.models import InstitutionKind
from salus.kernel.policy import Principal, Target
from salus.record import sensitive
from salus.record.identity import rows

Fragment = tuple[str, list[Any]]


def _marks(values: Sequence[Any]) -> str:
    return ", ".join(["%s"] * len(values))


KEEPERS = (
    InstitutionKind.CDC.value,
    InstitutionKind.INSURER.value,
    InstitutionKind.AUTHORITY.value,
    InstitutionKind.BLOOD_CENTRE.value,
    InstitutionKind.PHARMACY.value,
)
"""Institutions that keep registers of people and treat nobody: what they send makes no care relation."""


def care_sql(principal: Principal, column: str) -> Fragment:
    """Return the condition that one of the principal's institutions has the row's person in its care.

    An institution that only keeps a register of people (`KEEPERS`) has nobody in its care.
    """
    institutions = sorted(principal.institution_ids)
    if not institutions:
        return "1=0", []
    return (
        "exists (select 1 from record_patientlink cl"  # noqa: S608 - a column's name and marks
        " join record_carerelation cr on cr.patient_rid = cl.patient_rid"
        " join kernel_institution ci on ci.id = cr.institution_id"
        f" where cl.person_id = {column} and cr.institution_id in ({_marks(institutions)})"
        f" and ci.kind not in ({_marks(KEEPERS)}))",
        [*institutions, *KEEPERS],
    )


def contract_sql(principal: Principal, column: str) -> Fragment:
    """Return the condition that the row's person is contracted to the principal.

    A doctor sees the residents who named her, and those who named her centre and nobody there; an
    account without a register entry of its own sees what its institutions' doctors see.
    """
    institutions = sorted(principal.institution_ids)
    if not institutions:
        return "1=0", []
    marks = _marks(institutions)
    if principal.staff_id is None:
        doctors, values = f"institution_id in ({marks})", [*institutions]
    else:
        doctors, values = "id = %s", [principal.staff_id]
    return (
        "exists (select 1 from record_patientlink cl join record_contract c on c.patient_rid = cl.patient_rid"  # noqa: S608
        f" where cl.person_id = {column} and c.code in"
        f" (select code from kernel_staff where {doctors}"
        f" union all select code from kernel_institution where id in ({marks})))",
        [*values, *institutions],
    )


def residence_sql(principal: Principal, column: str) -> Fragment:
    """Return the condition that the person lives in one of the principal's districts or in a part of it."""
    codes = sorted(principal.district_codes)
    if not codes:
        return "1=0", []
    tests = " or ".join(["rp.district_code = %s or substr(rp.district_code, 1, %s) = %s"] * len(codes))
    values = [v for code in codes for v in (code, len(code), code)]
    return f"exists (select 1 from record_person rp where rp.id = {column} and ({tests}))", values  # noqa: S608


def _check(build: Any) -> Any:
    def check(principal: Principal, target: Target) -> bool:
        if target.person_id is None:
            return False
        text, values = build(principal, "x.person_id")
        with connection.cursor() as cursor:
            person = rows.key(cursor, target.person_id)
            cast = "%s::uuid" if cursor.db.vendor == "postgresql" else "%s"
            sql = f"select 1 from (select {cast} as person_id) x where {text}"  # noqa: S608 - our own fragments
            return bool(rows.fetch(cursor, sql, [person, *values]))

    return check


def register() -> None:
    """Register the policy's providers."""
    for name, build in (
        ("care_relation", care_sql),
        ("contract", contract_sql),
        ("residence", residence_sql),
    ):
        policy.register_provider(name, check=_check(build), filter_sql=build)
    policy.register_provider("sensitive", check=sensitive.check, filter_sql=sensitive.filter_sql)


def note_care(cursor: CursorWrapper, pairs: Sequence[tuple[int, int]]) -> None:
    """Keep that institutions have patient records in their care: (patient_rid, institution_id)."""
    rows.insert_or_skip(cursor, "record_carerelation", "patient_rid, institution_id", pairs)
