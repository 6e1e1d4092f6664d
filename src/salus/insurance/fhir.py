"""FHIR R4: a Claim becomes what the insurance decides on, and what it decided becomes FHIR.

Pure: resources are plain JSON with decimals. Amounts are yuan in FHIR and fen here. Source: HL7 FHIR R4
(4.0.1), financial module; codes that R4 leaves open are the platform's own (`urn:salus:code:…`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from salus.kernel.errors import Invalid
from salus.kernel.money import Fen, to_fen, to_yuan

Resource = dict[str, Any]
HL7 = "http://terminology.hl7.org/CodeSystem/"
KIND = "urn:salus:code:claim-kind"
ITEM = "urn:salus:code:catalogue-item"
PAYER = "urn:salus:code:payer"
REASON = "urn:salus:code:adjudication-reason"
OUTCOME = "urn:salus:code:claim-outcome"
SCHEME = "urn:salus:code:insurance-scheme"
COVER = "urn:salus:code:cover-reason"
SERVICE = "urn:salus:code:insured-service"
ICD10 = "http://hl7.org/fhir/sid/icd-10"
ICD9CM3 = "http://hl7.org/fhir/sid/icd-9-cm"
NUMBER = "urn:salus:id:claim"
INSTITUTION = "urn:salus:id:institution"
RESIDENT = "urn:oid:2.16.156.10011.1.3"
REFERRAL = "urn:salus:extension:referral"
ILLNESS = "urn:salus:extension:insured-illness"
INSURER = {"display": "Medical security agency"}


@dataclass(frozen=True, slots=True)
class AskedItem:
    """A line of a FHIR Claim; amounts in fen."""

    line_no: int
    service_date: date
    item: str
    quantity: Decimal
    unit_price: Fen
    charge: Fen


@dataclass(frozen=True, slots=True)
class Asked:
    """What a FHIR Claim asks: for whom (system, value), by which institution, and what; amounts in fen."""

    number: str
    person: tuple[str, str]
    institution: str
    kind: str
    admitted: date
    discharged: date
    diagnoses: Sequence[str]
    procedures: Sequence[str]
    referral: str
    illness: str
    charge: Fen
    items: Sequence[AskedItem]


def read_claim(resource: Mapping[str, Any]) -> Asked:
    """Read a Claim that is valid R4 as what it asks.

    Raises:
        Invalid: something that the insurance needs is missing or not of the form expected; `where` is its
            path in the resource.
    """
    if resource.get("resourceType") != "Claim":
        raise Invalid("fhir-type", "This is no Claim", where="resourceType")
    if resource.get("use") != "claim":
        raise Invalid("fhir-use", "Only claims are settled, no predeterminations", where="Claim.use")
    period = resource.get("billablePeriod") or {}
    items = []
    for place, item in enumerate(resource.get("item") or []):
        where = f"Claim.item[{place}]"
        items.append(
            AskedItem(
                int(item.get("sequence") or 0),
                _day(item.get("servicedDate"), f"{where}.servicedDate"),
                _code(item.get("productOrService"), f"{where}.productOrService"),
                _decimal((item.get("quantity") or {}).get("value"), f"{where}.quantity"),
                _fen(item.get("unitPrice"), f"{where}.unitPrice"),
                _fen(item.get("net"), f"{where}.net"),
            )
        )
    return Asked(
        _value(resource.get("identifier"), NUMBER, "Claim.identifier"),
        _person(resource.get("patient") or {}),
        _identified(resource.get("provider") or {}, "Claim.provider"),
        _code(resource.get("subType") or resource.get("type"), "Claim.subType"),
        _day(period.get("start"), "Claim.billablePeriod.start"),
        _day(period.get("end") or period.get("start"), "Claim.billablePeriod.end"),
        [
            _code(one.get("diagnosisCodeableConcept"), "Claim.diagnosis")
            for one in sorted(resource.get("diagnosis") or [], key=lambda one: one.get("sequence") or 0)
        ],
        [
            _code(one.get("procedureCodeableConcept"), "Claim.procedure")
            for one in sorted(resource.get("procedure") or [], key=lambda one: one.get("sequence") or 0)
        ],
        _extension(resource, REFERRAL) or "local",
        _extension(resource, ILLNESS),
        _fen(resource.get("total"), "Claim.total"),
        items,
    )


def _value(identifiers: Any, system: str, where: str) -> str:
    for one in identifiers or []:
        if one.get("system") == system and one.get("value"):
            return str(one["value"])
    raise Invalid("fhir-identifier", f"There is no identifier of {system}", where=where)


def _person(patient: Mapping[str, Any]) -> tuple[str, str]:
    identifier = patient.get("identifier") or {}
    if identifier.get("system") == RESIDENT and identifier.get("value"):
        return "resident-id", str(identifier["value"])
    reference = str(patient.get("reference") or "")
    if reference.startswith("Person/"):
        return "person", reference.removeprefix("Person/")
    raise Invalid(
        "fhir-patient", "The patient is named by resident number or as Person/…", where="Claim.patient",
        fix=f"Give patient.identifier with system {RESIDENT}",
    )  # fmt: skip


def _identified(reference: Mapping[str, Any], where: str) -> str:
    value = (reference.get("identifier") or {}).get("value")
    return _text(value, where)


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise Invalid("fhir-missing", "A value must be given", where=where)
    return value


def _code(concept: Any, where: str) -> str:
    for coding in (concept or {}).get("coding") or []:
        if coding.get("code"):
            return str(coding["code"])
    raise Invalid("fhir-missing", "A code must be given", where=where)


def _day(value: Any, where: str) -> date:
    try:
        return date.fromisoformat(_text(value, where)[:10])
    except ValueError:
        raise Invalid("fhir-date", "A full date must be given", where=where) from None


def _decimal(value: Any, where: str) -> Decimal:
    try:
        return Decimal(str(value))
    except InvalidOperation:
        raise Invalid("fhir-missing", "A number must be given", where=where) from None


def _fen(money: Any, where: str) -> Fen:
    if not isinstance(money, Mapping) or money.get("value") is None:
        raise Invalid("fhir-missing", "An amount must be given", where=where)
    if money.get("currency", "CNY") != "CNY":
        raise Invalid("fhir-currency", "Amounts are in CNY", where=where)
    try:
        return to_fen(Decimal(str(money["value"])))
    except Invalid as error:
        raise Invalid(error.code, error.message, where=where) from None
    except InvalidOperation:
        raise Invalid("money-malformed", "This is no amount of money", where=where) from None


def _extension(resource: Mapping[str, Any], url: str) -> str:
    for one in resource.get("extension") or []:
        if one.get("url") == url:
            return str(one.get("valueCode") or "")
    return ""


@dataclass(frozen=True, slots=True)
class ToldLine:
    """A line of a decided claim, in fen; `reasons` are (payer, amount, code, words), together the charge."""

    line_no: int
    item: str
    name: str
    service_date: date
    quantity: Decimal
    unit_price: Fen
    charge: Fen
    payers: Mapping[str, Fen]
    reasons: Sequence[tuple[str, Fen, str, str]]


@dataclass(frozen=True, slots=True)
class Told:
    """A decided claim as FHIR needs it. `patient` is a reference such as Patient/…; amounts in fen.

    `labels` are security labels of HL7 v3 ActCode: an answer says by them what its codes do not.
    """

    id: str
    patient: str
    number: str
    institution: str
    kind: str
    admitted: date
    discharged: date
    diagnoses: Sequence[str]
    procedures: Sequence[str]
    referral: str
    illness: str
    scheme: str
    outcome: str
    decided_at: datetime
    charge: Fen
    payers: Mapping[str, Fen]
    lines: Sequence[ToldLine]
    words: Sequence[str]
    labels: Sequence[str] = ()


def money(fen: Fen) -> Resource:
    """Return fen as a FHIR Money."""
    return {"value": to_yuan(fen), "currency": "CNY"}


def _concept(system: str, code: str, text: str = "") -> Resource:
    found: Resource = {"coding": [{"system": system, "code": code}]}
    return {**found, "text": text} if text else found


def _type(kind: str) -> Resource:
    return _concept(f"{HL7}claim-type", "pharmacy" if kind == "pharmacy" else "institutional")


def _common(told: Told) -> Resource:
    labels = [{"system": f"{HL7}v3-ActCode", "code": code} for code in told.labels]
    return {
        **({"meta": {"security": labels}} if labels else {}),
        "status": "cancelled" if told.outcome == "reversed" else "active",
        "type": _type(told.kind),
        "subType": _concept(KIND, told.kind),
        "use": "claim",
        "patient": {"reference": told.patient},
        "created": told.decided_at.isoformat(timespec="seconds"),
        "insurer": INSURER,
    }


def _provider(told: Told) -> Resource:
    return {"identifier": {"system": INSTITUTION, "value": told.institution}}


def _insurance(told: Told) -> list[Resource]:
    coverage = {"identifier": {"system": SCHEME, "value": told.scheme or "none"}}
    return [{"sequence": 1, "focal": True, "coverage": coverage}]


def claim(told: Told) -> Resource:
    """Return the Claim as it was asked; `read_claim` reads it back but for the patient's number."""
    extensions = [{"url": REFERRAL, "valueCode": told.referral}]
    if told.illness:
        extensions.append({"url": ILLNESS, "valueCode": told.illness})
    return {
        "resourceType": "Claim", "id": told.id, "extension": extensions,
        "identifier": [{"system": NUMBER, "value": told.number}], **_common(told),
        "billablePeriod": {"start": told.admitted.isoformat(), "end": told.discharged.isoformat()},
        "provider": _provider(told), "priority": _concept(f"{HL7}processpriority", "normal"),
        **_codes(told), "insurance": _insurance(told),
        "item": [
            {
                "sequence": line.line_no, "productOrService": _concept(ITEM, line.item, line.name),
                "servicedDate": line.service_date.isoformat(), "quantity": {"value": line.quantity},
                "unitPrice": money(line.unit_price), "net": money(line.charge),
            }
            for line in told.lines
        ],
        "total": money(told.charge if told.outcome != "reversed" else sum(x.charge for x in told.lines)),
    }  # fmt: skip


def _codes(told: Told) -> Resource:
    found: Resource = {}
    if told.diagnoses:
        found["diagnosis"] = [
            {"sequence": n, "diagnosisCodeableConcept": _concept(ICD10, code)}
            for n, code in enumerate(told.diagnoses, 1)
        ]
    if told.procedures:
        found["procedure"] = [
            {"sequence": n, "procedureCodeableConcept": _concept(ICD9CM3, code)}
            for n, code in enumerate(told.procedures, 1)
        ]
    return found


def _adjudication(charge: Fen, payers: Mapping[str, Fen]) -> list[Resource]:
    found: list[Resource] = [
        {"category": _concept(f"{HL7}adjudication", "submitted"), "amount": money(charge)}
    ]
    found += [
        {"category": _concept(PAYER, payer), "amount": money(amount)}
        for payer, amount in payers.items()
        if amount
    ]
    return found


def _reasoned(line: ToldLine) -> list[Resource]:
    found: list[Resource] = [
        {"category": _concept(f"{HL7}adjudication", "submitted"), "amount": money(line.charge)}
    ]
    for payer, amount, code, words in line.reasons:
        found.append(
            {
                "category": _concept(PAYER, payer), "reason": _concept(REASON, code, words),
                "amount": money(amount),
            }
        )  # fmt: skip
    return found


def _result(told: Told) -> str:
    return "error" if told.outcome == "returned" else "complete"


def claim_response(told: Told) -> Resource:
    """Return the ClaimResponse to the institution: each line with who pays it and why."""
    body = {
        "resourceType": "ClaimResponse", "id": told.id, **_common(told),
        "requestor": _provider(told), "request": {"reference": f"Claim/{told.id}"},
        "outcome": _result(told), "disposition": told.outcome,
        "item": [{"itemSequence": line.line_no, "adjudication": _reasoned(line)} for line in told.lines],
        "total": _adjudication(told.charge, told.payers),
    }  # fmt: skip
    if told.words:
        body["processNote"] = [{"number": n, "text": words} for n, words in enumerate(told.words, 1)]
    return body


def explanation_of_benefit(told: Told) -> Resource:
    """Return the ExplanationOfBenefit to the resident: what was done, who pays it and why."""
    return {
        "resourceType": "ExplanationOfBenefit", "id": told.id,
        "identifier": [{"system": NUMBER, "value": told.number}], **_common(told),
        "billablePeriod": {"start": told.admitted.isoformat(), "end": told.discharged.isoformat()},
        "provider": _provider(told), "claim": {"reference": f"Claim/{told.id}"},
        "claimResponse": {"reference": f"ClaimResponse/{told.id}"}, "outcome": _result(told),
        "disposition": told.outcome, **_codes(told),
        "insurance": [{k: v for k, v in one.items() if k != "sequence"} for one in _insurance(told)],
        "item": [
            {
                "sequence": line.line_no, "productOrService": _concept(ITEM, line.item, line.name),
                "servicedDate": line.service_date.isoformat(), "quantity": {"value": line.quantity},
                "unitPrice": money(line.unit_price), "net": money(line.charge),
                "adjudication": _reasoned(line),
            }
            for line in told.lines
        ],
        "total": _adjudication(told.charge, told.payers),
    }  # fmt: skip


def coverage(
    id: str, patient: str, scheme: str, category: str, area: str, periods: Iterable[tuple[date, date]]
) -> Resource:
    """Return a membership as a Coverage over what was paid: active while there is any period."""
    paid = sorted(periods)
    body: Resource = {
        "resourceType": "Coverage", "id": id, "status": "active" if paid else "cancelled",
        "type": _concept(SCHEME, scheme), "beneficiary": {"reference": patient}, "payor": [INSURER],
        "class": [
            {"type": _concept(f"{HL7}coverage-class", "group"), "value": category},
            {"type": _concept(f"{HL7}coverage-class", "plan"), "value": area},
        ],
    }  # fmt: skip
    if paid:
        body["period"] = {
            "start": paid[0][0].isoformat(),
            "end": max(end for _start, end in paid).isoformat(),
        }
    return body


def read_eligibility(resource: Mapping[str, Any]) -> tuple[tuple[str, str], str, date, str]:
    """Read a CoverageEligibilityRequest: person, institution, day and service.

    Raises:
        Invalid: something that the insurance needs is missing.
    """
    name = "CoverageEligibilityRequest"
    if resource.get("resourceType") != name:
        raise Invalid("fhir-type", f"This is no {name}", where="resourceType")
    items = resource.get("item") or [{}]
    period = resource.get("servicedPeriod") or {}
    return (
        _person(resource.get("patient") or {}),
        _identified(resource.get("provider") or {}, f"{name}.provider"),
        _day(resource.get("servicedDate") or period.get("start"), f"{name}.servicedDate"),
        _code(items[0].get("category"), f"{name}.item[0].category"),
    )


def eligibility_response(
    request: Mapping[str, Any], answer: Any, service: str, day: date, created: datetime
) -> Resource:
    """Return the CoverageEligibilityResponse to a request; `answer` is the eligibility's `Answer`."""
    insurance: Resource = {
        "coverage": {"identifier": {"system": SCHEME, "value": answer.scheme or "none"}},
        "inforce": answer.covered,
        "item": [
            {
                "category": _concept(SERVICE, service), "excluded": not answer.covered,
                "description": answer.reason,
            }
        ],
    }  # fmt: skip
    if answer.covered and answer.entitled_from and answer.entitled_to:
        insurance["benefitPeriod"] = {
            "start": answer.entitled_from.isoformat(), "end": answer.entitled_to.isoformat(),
        }  # fmt: skip
    return {
        "resourceType": "CoverageEligibilityResponse", "status": "active", "purpose": ["validation"],
        "patient": dict(request["patient"]), "servicedDate": day.isoformat(),
        "created": created.isoformat(timespec="seconds"),
        "request": {"display": "CoverageEligibilityRequest"}, "outcome": "complete",
        "disposition": answer.reason, "insurer": INSURER, "insurance": [insurance],
    }  # fmt: skip
