"""Whose Consent denies or permits a use now, for jobs that work on everybody (lake, bulk export)."""

from typing import Any

from django.db.backends.utils import CursorWrapper

from salus.record.consent.deciding import BELOW, moment
from salus.record.consent.projecting import TYPE
from salus.record.consent.purposes import wider
from salus.record.identity import rows
from salus.record.rules.r4 import kind_of


def withdrawn(cursor: CursorWrapper, purpose: str, resource_type: str = "") -> set[int]:
    """Return the numbers of the Patients whose Consent denies a purpose now (HL7 v3 PurposeOfUse).

    All linked Patients of the person count. Denials to a named recipient do not: they are about others.
    A denial that is limited to some types counts, unless `resource_type` is given and is not one of them;
    one limited to labels, codes or single resources always counts, since doubt protects.
    """
    return _patients(cursor, purpose, resource_type, denies=True)


def given(cursor: CursorWrapper, purpose: str) -> set[int]:
    """Return the numbers of the Patients whose Consent permits all of their record for a purpose now.

    For uses that the law ties to separate consent (PIPL art. 29); who also denied is not among them.
    """
    return _patients(cursor, purpose, "", denies=False) - withdrawn(cursor, purpose)


def _patients(cursor: CursorWrapper, purpose: str, resource_type: str, *, denies: bool) -> set[int]:
    now, chain = moment(), wider(purpose)
    marks = ", ".join(["%s"] * len(chain))
    kind = kind_of(resource_type) if resource_type else 0
    values: list[Any] = [kind_of(TYPE), *chain, now, now]
    where = f"cr.kind = %s and d.purpose in ('', {marks}) and d.valid_from <= %s and d.valid_to >= %s"
    if denies:
        where += (
            " and d.denies and d.actor = '' and not exists (select 1 from record_consentprovision a"  # noqa: S608 - marks
            f" where a.rid = d.rid and not a.denies and {BELOW} and a.actor = ''"
            " and a.kind in (0, d.kind) and a.label in ('', d.label) and a.code in ('', d.code)"
            f" and a.resource_id in ('', d.resource_id) and a.purpose in ('', {marks})"
            " and a.valid_from <= %s and a.valid_to >= %s)"
        )
        values += [*chain, now, now]
        if kind:
            where += f" and d.kind in (0, {kind})"
    else:
        where += (
            " and not d.denies and d.purpose <> '' and d.actor = '' and d.kind = 0 and d.label = ''"
            " and d.code = '' and d.resource_id = ''"
        )
    found = rows.fetch(
        cursor,
        "select distinct cr.patient_rid, cl.patient_rid from record_consentprovision d"  # noqa: S608 - our own conditions
        " join record_resource cr on cr.rid = d.rid"
        f" left join record_patientlink cl on cl.person_id = cr.person_id where {where}",
        values,
    )
    return {rid for row in found for rid in row if rid is not None}
