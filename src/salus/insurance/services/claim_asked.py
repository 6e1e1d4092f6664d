"""A claim as an institution asks it: checked for sense before anything is decided."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from unicodedata import category
from uuid import UUID

import orjson
from django.utils.translation import gettext_noop as _

from salus.insurance.adjudication import Rules
from salus.insurance.adjudication.tables import MOST
from salus.insurance.eligibility import Answer, Contract, Person, decide, load_rules
from salus.insurance.models import ClaimKind, Referral
from salus.insurance.queries.context import claim_id
from salus.kernel.errors import Invalid
from salus.kernel.models import Institution
from salus.kernel.money import Fen
from salus.record import sensitive

LINES = 2_000
"""The most lines of a claim."""
CODES = 60
"""The most diagnoses, and procedures, of a claim."""
FIRST, LAST = date(1950, 1, 1), date(2199, 12, 31)
"""Between which days a claim can lie; what is odd within them the benefit rules tell."""
DELIVERY = ("O80", "O81", "O82", "O83", "O84")
"""ICD-10 chapters of delivery: a stay for one is maternity care."""
DENYING = ("service-not-covered", "too-few-months")
"""Reasons for which a member's scheme does not answer for this service; periods of cover tell the others."""


@dataclass(frozen=True, slots=True)
class AskedLine:
    """A line of a claim; money in fen, `quantity` with at most three decimals."""

    line_no: int
    service_date: date
    item: str
    quantity: Decimal
    unit_price: Fen
    charge: Fen
    department: str = ""


@dataclass(frozen=True, slots=True)
class AskedClaim:
    """A claim under the institution's own number; `charge` is the sum of its lines, in fen."""

    number: str
    person_id: UUID
    kind: str
    admitted: date
    discharged: date
    diagnoses: Sequence[str]
    charge: Fen
    lines: Sequence[AskedLine]
    procedures: Sequence[str] = ()
    referral: str = "local"
    illness: str = ""
    submitted: date | None = None


def storable(text: str) -> bool:
    """Tell whether a text has no control characters and no halves of characters, which no database keeps."""
    return not any(category(one) in ("Cc", "Cs") for one in text)


def checked(asked: AskedClaim) -> AskedClaim:
    """Return the claim if it can be stored and decided on.

    What the benefit rules can judge (sums, prices, dates, codes) is left to them.

    Raises:
        Invalid: a field is missing, malformed or out of bounds; `where` names it.
    """
    if not asked.number or len(asked.number) > 64 or not asked.number.isprintable():
        raise Invalid("claim-number", _("The claim's number must have 1 to 64 characters"), where="number")
    if asked.kind not in ClaimKind.values:
        raise Invalid("claim-kind", _("There is no such kind of claim"), where="kind")
    if asked.referral not in Referral.values:
        raise Invalid("claim-referral", _("There is no such referral status"), where="referral")
    for name in ("admitted", "discharged"):
        _check_day(getattr(asked, name), name)
    if len(asked.illness) > 40 or not storable(asked.illness):
        raise Invalid(
            "claim-illness", _("An illness's code must have at most 40 characters"), where="illness"
        )
    if not 0 <= asked.charge <= MOST:
        raise Invalid("claim-charge", _("The charge is negative or too large"), where="charge")
    if len(asked.diagnoses) > CODES or len(asked.procedures) > CODES:
        raise Invalid("claim-codes", _("There are too many codes"), where="diagnoses")
    for name, codes in (("diagnoses", asked.diagnoses), ("procedures", asked.procedures)):
        if any(not code or len(code) > 20 or not storable(code) for code in codes):
            raise Invalid("claim-codes", _("A code must have 1 to 20 characters"), where=name)
    if not 1 <= len(asked.lines) <= LINES:
        raise Invalid("claim-lines", _("A claim must have 1 to 2,000 lines"), where="lines")
    if len({line.line_no for line in asked.lines}) != len(asked.lines):
        raise Invalid("claim-line-numbers", _("Several lines have one number"), where="lines")
    for place, line in enumerate(asked.lines):
        _check_line(line, f"lines[{place}]")
    return asked


def _check_line(line: AskedLine, where: str) -> None:
    if not 0 < line.line_no < 1_000_000:
        raise Invalid("claim-line-numbers", _("A line's number must be positive"), where=where)
    _check_day(line.service_date, f"{where}.service_date")
    if len(line.department) > 80 or not storable(line.department):
        raise Invalid(
            "claim-department", _("A department must have at most 80 characters"), where=f"{where}.department"
        )
    if not line.item or len(line.item) > 40 or not storable(line.item):
        raise Invalid("claim-item", _("An item's code must have 1 to 40 characters"), where=f"{where}.item")
    if not 0 <= line.charge <= MOST or not 0 <= line.unit_price <= MOST:
        raise Invalid("claim-charge", _("The charge is negative or too large"), where=f"{where}.charge")
    exponent = line.quantity.as_tuple().exponent
    if not line.quantity.is_finite() or not isinstance(exponent, int) or exponent < -3:
        raise Invalid("claim-quantity", _("A quantity has three decimals at most"), where=f"{where}.quantity")
    if not 0 < line.quantity <= 1_000_000:
        raise Invalid("claim-quantity", _("A quantity must be positive"), where=f"{where}.quantity")


def _check_day(day: date, where: str) -> None:
    if not FIRST <= day <= LAST:
        raise Invalid("claim-day", _("The day is out of all bounds"), where=where)


def checksum(asked: AskedClaim) -> str:
    """Return a checksum of what was asked: the same number with the same checksum is the same claim."""
    content = [
        asked.person_id.hex, asked.kind, asked.admitted, asked.discharged, list(asked.diagnoses),
        list(asked.procedures), asked.charge, asked.referral, asked.illness,
        [
            [x.line_no, x.service_date, x.item, f"{x.quantity:.3f}", x.unit_price, x.charge, x.department]
            for x in sorted(asked.lines, key=lambda x: x.line_no)
        ],
    ]  # fmt: skip
    return hashlib.sha256(orjson.dumps(content)).hexdigest()


def service_of(asked: AskedClaim) -> str:
    """Return which service of the eligibility a claim is for."""
    if asked.kind == ClaimKind.INPATIENT and asked.diagnoses and asked.diagnoses[0].startswith(DELIVERY):
        return "maternity"
    if asked.referral == Referral.EMERGENCY and asked.kind == ClaimKind.OUTPATIENT:
        return "emergency"
    return asked.kind


def cover_of(asked: AskedClaim, facts: Person, contracts: Sequence[Contract]) -> Answer:
    """Return what the eligibility says of a claim: on its first day, for its service, at its institution."""
    return decide(facts, contracts, asked.admitted, service_of(asked), load_rules())


def rows_of(
    asked: AskedClaim, institution: Institution, person_id: UUID, cover: Answer, today: date
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return a claim and its lines as the adjudication reads them.

    Who is treated in another area without a notice has come without a referral, whatever the claim says.
    """
    number = claim_id(institution.code, asked.number)
    away = cover.reason == "other-area" and asked.referral != Referral.EMERGENCY
    claim = {
        "claim_id": number, "person_id": person_id.hex, "institution": institution.code, "kind": asked.kind,
        "admitted": asked.admitted, "discharged": asked.discharged, "submitted": asked.submitted or today,
        "diagnoses": list(asked.diagnoses), "procedures": list(asked.procedures),
        "referral": Referral.BYPASSED.value if away else asked.referral, "illness": asked.illness or None,
        "charge": asked.charge,
    }  # fmt: skip
    lines = [
        {
            "claim_id": number, "line_no": x.line_no, "service_date": x.service_date, "item": x.item,
            "quantity": x.quantity, "unit_price": x.unit_price, "charge": x.charge,
            "department": x.department or None,
        }
        for x in sorted(asked.lines, key=lambda x: x.line_no)
    ]  # fmt: skip
    return claim, lines


def categories_of(asked: AskedClaim, rules: Rules) -> str:
    """Return the sensitive categories of a claim, sorted, with spaces between.

    They follow from its diagnoses and procedures, its special illness, and medicines by ATC code.
    """
    codes = [
        *(("icd-10", code) for code in asked.diagnoses),
        *(("icd-10", code) for code in rules.prefixes.get(asked.illness, ())),
        *(("icd-9-cm", code) for code in asked.procedures),
        *(("atc", item) for item in sorted({line.item for line in asked.lines})),
    ]
    concepts = [{"system": system, "code": code} for system, code in codes]
    body = orjson.dumps({"resourceType": "Claim", "diagnosis": concepts})
    return " ".join(sorted(sensitive.categories("Claim", body)))
