"""What is known of one claim and its lines when edits look at it: the row-wise twin of `screening.sql`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from salus.insurance.adjudication.edits import UNITS, thousandths
from salus.insurance.adjudication.rules import GENERAL, Rules
from salus.insurance.adjudication.tables import MOST

Record = Mapping[str, Any]
FORM = "[A-Z][0-9][0-9A-Z](\\.[0-9A-Za-z+*]{1,8})?"
"""What an ICD-10 code looks like, Chinese extensions included."""
_FORM = re.compile(FORM, re.ASCII)
_LAST = date(9999, 12, 31)


@dataclass(frozen=True, slots=True)
class Context:
    """What one claim is judged beside: of every input table the rows that concern it.

    `person` and `institution` are None where nobody of that code is known. `catalogue` has all rows of each
    item by its code, `diagnoses` the sex (or None) of each known ICD-10 code; without codes only their form
    is checked. `balances` has amounts by (year, account, key); `earlier` the person's standing claims before.
    """

    person: Record | None
    institution: Record | None
    coverage: Sequence[Record] = ()
    statuses: Sequence[Record] = ()
    registrations: Sequence[Record] = ()
    catalogue: Mapping[str, Sequence[Record]] = field(default_factory=dict)
    diagnoses: Mapping[str, str | None] = field(default_factory=dict)
    earlier: Sequence[Record] = ()
    balances: Mapping[tuple[int, str, str], int] = field(default_factory=dict)


def claim_facts(
    claim: Record, lines: Sequence[Record], context: Context, rules: Rules, as_of: date
) -> dict[str, Any]:
    """Return the facts of a claim by the columns of `screening.sql`'s step facts."""
    admitted, discharged = claim["admitted"], claim["discharged"]
    person, institution = context.person or {}, context.institution or {}
    codes = list(claim["diagnoses"] or ())
    sex = person.get("sex")
    other = {"male": "female", "female": "male"}.get(sex or "")
    cover = _cover(context.coverage, admitted)
    charges = (line["charge"] for line in lines)
    unknown = sum(
        code is None or not _FORM.fullmatch(code) or bool(context.diagnoses and code not in context.diagnoses)
        for code in codes
    )
    illness = claim["illness"]
    return {
        "year": discharged.year if discharged else None,
        "day": discharged or admitted or claim["submitted"] or as_of,
        "as_of": as_of, "claim_known": True, "claim_copies": 1, "claim_lines": len(lines),
        "claim_line_sum": sum(one for one in charges if one is not None and -MOST <= one <= MOST),
        "claim_person": claim["person_id"], "claim_institution": claim["institution"],
        "claim_kind": claim["kind"], "claim_admitted": admitted, "claim_discharged": discharged,
        "claim_submitted": claim["submitted"], "claim_diagnoses": claim["diagnoses"],
        "claim_procedures": claim["procedures"], "claim_principal": codes[0] if codes else None,
        "claim_referral": claim["referral"], "claim_illness": illness, "claim_charge": claim["charge"],
        "claim_unknown_diagnoses": unknown,
        "claim_sex_clashes": sum(
            code is not None and other is not None and context.diagnoses.get(code) == other for code in codes
        ),
        "claim_illness_fits": None if illness is None else _fits(illness, codes, rules),
        "claim_registered": any(
            one["illness"] == illness and _holds(one, admitted) for one in context.registrations
        ),
        "person_known": context.person is not None, "person_sex": sex,
        "person_birth_date": person.get("birth_date"), "person_death_date": person.get("death_date"),
        "person_age": _age(person.get("birth_date"), admitted),
        "person_class": _class(context.statuses, discharged, rules),
        "institution_known": context.institution is not None,
        "institution_contracted": admitted is not None and institution.get("valid_from") is not None
        and institution["valid_from"] <= admitted
        and (institution["valid_to"] is None or institution["valid_to"] >= admitted),
        "institution_tier": institution.get("tier"), "institution_district": institution.get("district"),
        "institution_licences": institution.get("licences"),
        "institution_designated": institution.get("designated"),
        "cover_scheme": cover.get("scheme"), "cover_starts": cover.get("starts"),
        "cover_waiting_until": cover.get("waiting_until"),
    }  # fmt: skip


def line_facts(
    line: Record, copies: int, codes: Sequence[str | None], tier: int | None, context: Context
) -> dict[str, Any]:
    """Return the facts of a line by the columns of `screening.sql`'s step line_facts."""
    periods = listed(context.catalogue.get(line["item"], ()))
    day = line["service_date"]
    row: Record = {}
    if day is not None:
        row = next((one for one, begins, ends in periods if begins <= day <= ends), {})
    quantity, price = thousandths(line["quantity"]), line["unit_price"]
    expected = None
    if quantity is not None and price is not None and 1 <= quantity <= UNITS * 1000 and 0 <= price <= MOST:
        expected = (quantity * price + 500) // 1000
    indications = row.get("indications") or ()
    indicated = None
    if row:
        prefixes = tuple(one for one in indications if one is not None)
        indicated = not indications or any(code is not None and code.startswith(prefixes) for code in codes)
    ceiling = {3: "ceiling_3", 2: "ceiling_2"}.get(tier or 0, "ceiling_1")
    return {
        "line_no": line["line_no"], "item_from": row.get("valid_from"), "self_share": row.get("self_share"),
        "exclusive_group": row.get("exclusive_group"), "bundle": row.get("bundle"),
        "max_day": thousandths(row.get("max_day")), "max_stay": thousandths(row.get("max_stay")),
        "ceiling": row.get(ceiling), "line_copies": copies, "line_service_date": day,
        "line_item": line["item"], "line_quantity": quantity, "line_unit_price": price,
        "line_charge": line["charge"], "line_expected": expected, "line_department": line["department"],
        "item_known": bool(periods), "item_listed": bool(row), "item_kind": row.get("kind"),
        "item_class": row.get("class"), "item_sex": row.get("sex"), "item_min_age": row.get("min_age"),
        "item_max_age": row.get("max_age"), "item_care": row.get("care"), "item_licence": row.get("licence"),
        "item_waiting_days": row.get("waiting_days"), "item_indicated": indicated,
    }  # fmt: skip


def listed(rows: Sequence[Record]) -> list[tuple[Record, date, date]]:
    """Return an item's rows with their first and last day: a row ends where the next begins."""
    ordered = sorted(rows, key=lambda row: row["valid_from"])
    found = []
    for number, row in enumerate(ordered):
        ends: date = row["valid_to"] or _LAST
        if number + 1 < len(ordered):
            ends = min(ends, ordered[number + 1]["valid_from"] - timedelta(days=1))
        found.append((row, row["valid_from"], ends))
    return found


def _holds(one: Record, day: date | None) -> bool:
    return day is not None and one["starts"] <= day and (one["ends"] is None or one["ends"] >= day)


def _cover(coverage: Sequence[Record], day: date | None) -> Record:
    held = [one for one in coverage if _holds(one, day)]
    if not held:
        return {}
    return min(
        held, key=lambda one: (-one["starts"].toordinal(), one["scheme"], one["waiting_until"] or _LAST)
    )


def _class(statuses: Sequence[Record], day: date | None, rules: Rules) -> str:
    found = [
        (one["priority"], one["class"])
        for status in statuses
        if _holds(status, day)
        for one in rules.by_status.get(status["status"], ())
        if day is not None and one["valid_from"] <= day <= one["valid_to"]
    ]
    return min(found)[1] if found else GENERAL


def _fits(illness: str, codes: Sequence[str | None], rules: Rules) -> bool:
    prefixes = rules.prefixes.get(illness, ())
    return bool(prefixes) and any(code is not None and code.startswith(prefixes) for code in codes)


def _age(birth: date | None, day: date | None) -> int | None:
    if birth is None or day is None or birth > day:
        return None
    return (
        day.year * 10000 + day.month * 100 + day.day - birth.year * 10000 - birth.month * 100 - birth.day
    ) // 10000
