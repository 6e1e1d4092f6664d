"""The HTTP API for institutions: cover, claims at the till and of a month, reversals; the same in FHIR.

Under `/api/insurance/`, described by `/api/insurance/openapi.json`. Who asks shows a bearer token, a source
system's or an account's, as at the FHIR API. Errors are `{"code", "message", "where", "fix"}`.
"""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext
from ninja import NinjaAPI, Schema
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.security import HttpBearer
from pydantic import BeforeValidator, Field

from salus.insurance import fhir
from salus.insurance.eligibility import SERVICES
from salus.insurance.models import Claim
from salus.insurance.models.claims import PAYERS
from salus.insurance.queries import claims as reading
from salus.insurance.queries import cover
from salus.insurance.services import claim_batch, claims, fhir_record
from salus.insurance.services.claim_asked import FIRST, LAST, AskedClaim, AskedLine, storable
from salus.kernel.errors import Conflict, Invalid, NotAllowed, NotFound, SalusError
from salus.kernel.models import Institution
from salus.kernel.policy import Principal
from salus.record import json
from salus.record.smart import tokens
from salus.record.validate import validate

MOST = 500
"""The most claims of one request of a month."""


class Bearer(HttpBearer):
    """A bearer token of a source system or an account."""

    def authenticate(self, request: HttpRequest, token: str) -> Principal | None:
        """Return who holds the token, or None."""
        return tokens.verify(token, purpose="HPAYMT")


api = NinjaAPI(
    title="Salus insurance", version="1", urls_namespace="insurance:insurance-api", auth=Bearer(),
    docs_url=None, description="Cover, immediate settlement and reversal of claims. All money is whole fen.",
)  # fmt: skip

Fen = Annotated[int, Field(ge=0, le=2_000_000_000, strict=True, description="fen")]


def _written(value: object) -> object:
    """Refuse a day that is no text: a number would be read as seconds since 1970."""
    if not isinstance(value, str | date):
        raise ValueError("a day is written as 2025-06-01")
    return value


Day = Annotated[date, BeforeValidator(_written), Field(ge=FIRST, le=LAST)]
Code = Annotated[str, Field(min_length=1, max_length=20)]


class PersonIn(Schema):
    """Who the resident is: by number, passport or the platform's own id."""

    system: Literal["resident-id", "passport", "person"]
    value: Annotated[str, Field(min_length=1, max_length=64)]


class LineIn(Schema):
    """A line of a claim."""

    line_no: Annotated[int, Field(ge=1, lt=1_000_000, strict=True)]
    service_date: Day
    item: Annotated[str, Field(min_length=1, max_length=40)]
    quantity: Annotated[Decimal, Field(gt=0, le=1_000_000, decimal_places=3)]
    unit_price: Fen
    charge: Fen
    department: Annotated[str, Field(max_length=80)] = ""


class ClaimIn(Schema):
    """A claim under the institution's own number; the lines add up to the charge."""

    institution: Annotated[str, Field(max_length=40)] = ""
    number: Annotated[str, Field(min_length=1, max_length=64)]
    person: PersonIn
    kind: Literal["inpatient", "outpatient", "chronic", "pharmacy"]
    admitted: Day
    discharged: Day
    diagnoses: Annotated[list[Code], Field(max_length=60)]
    procedures: Annotated[list[Code], Field(max_length=60)] = []
    referral: Literal["referred", "emergency", "local", "bypassed"] = "local"
    illness: Annotated[str, Field(max_length=40)] = ""
    charge: Fen
    lines: Annotated[list[LineIn], Field(min_length=1, max_length=2_000)]


class MonthIn(Schema):
    """Claims of a month, of any of the asker's institutions."""

    claims: Annotated[list[ClaimIn], Field(max_length=MOST)]


class CoverIn(Schema):
    """The question whether somebody is covered."""

    institution: Annotated[str, Field(max_length=40)] = ""
    person: PersonIn
    day: Day
    service: Literal["outpatient", "inpatient", "chronic", "emergency", "maternity", "pharmacy"]


class CoverOut(Schema):
    """The answer, with its reason and the rule that decided."""

    covered: bool
    reason: str
    scheme: str | None
    category: str | None
    area: str | None
    statuses: list[str]
    entitled_from: date | None
    entitled_to: date | None
    waiting_until: date | None
    away: bool
    rule: str


class PartOut(Schema):
    """A part of a line: who pays, how much (fen), by which rule of which version, and why."""

    payer: str
    amount: int
    reason: str
    words: str
    rule: str
    version: int


class LineOut(Schema):
    """A line with who pays it, in fen; the payers add up to the charge."""

    line_no: int
    item: str
    charge: int
    payers: dict[str, int]
    parts: list[PartOut]


class FindingOut(Schema):
    """An edit that the claim or a line failed."""

    line_no: int | None
    code: str
    effect: str
    words: str
    amount: int


class ClaimOut(Schema):
    """What was decided on a claim, in fen; the payers add up to the charge."""

    institution: str
    number: str
    version: int
    outcome: str
    cover: str
    scheme: str
    charge: int
    payers: dict[str, int]
    lines: list[LineOut]
    findings: list[FindingOut]


class NumberIn(Schema):
    """A claim that was settled, by the institution's own number."""

    institution: Annotated[str, Field(max_length=40)] = ""
    number: Annotated[str, Field(min_length=1, max_length=64)]


class ReversalIn(NumberIn):
    """A claim that is taken back, and why."""

    reason: Annotated[str, Field(min_length=5, max_length=200)]


class ErrorOut(Schema):
    """What went wrong: a stable code, words, where, and what to do."""

    code: str
    message: str
    where: str = ""
    fix: str = ""


class OutcomeOut(Schema):
    """What became of one claim of a month's request: its decision or its error."""

    number: str
    outcome: str | None = None
    fund: int | None = None
    resident: int | None = None
    error: ErrorOut | None = None


ERRORS: dict[Any, Any] = dict.fromkeys((401, 403, 404, 409, 422), ErrorOut)


@api.post("/eligibility", response={200: CoverOut, **ERRORS}, summary="Is this person covered here?")
def eligibility(request: HttpRequest, body: CoverIn) -> dict[str, Any]:
    """Say whether a person is covered on the day for the service at the institution, and why."""
    principal = _principal(request)
    person = claims.find_person(principal, "read", body.person.system, body.person.value)
    answer = cover.covered(principal, person, body.day, body.service, _place(principal, body.institution))
    return {name: getattr(answer, name) for name in CoverOut.model_fields if name != "statuses"} | {
        "statuses": list(answer.statuses)
    }


@api.post("/claims", response={200: ClaimOut, **ERRORS}, summary="Settle a claim at the till")
def settle(request: HttpRequest, body: ClaimIn) -> dict[str, Any]:
    """Decide on a claim at once; the answer leaves after it is stored. The same claim twice is one claim."""
    principal = _principal(request)
    place = _place(principal, body.institution)
    person = claims.find_person(principal, "create", body.person.system, body.person.value)
    claim = claims.settle(principal, place, _asked(body, person), now=timezone.now())
    return _told(claim)


@api.post("/claims/month", response={200: list[OutcomeOut], **ERRORS}, summary="Settle the claims of a month")
def month(request: HttpRequest, body: MonthIn) -> list[dict[str, Any]]:
    """Decide on many claims as at the till; each bad one is an error of its own."""
    principal = _principal(request)
    asked: list[tuple[Institution, AskedClaim]] = []
    errors: dict[int, SalusError] = {}
    places: list[int] = []
    known: dict[str, Institution] = {}
    for at, one in enumerate(body.claims):
        try:
            place = known.get(one.institution) or _place(principal, one.institution)
            known[one.institution] = place
            person = claims.find_person(principal, "create", one.person.system, one.person.value)
        except NotFound as error:
            errors[at] = error
            continue
        places.append(at)
        asked.append((place, _asked(one, person)))
    outcomes = dict(zip(places, claim_batch.settle_many(principal, asked, now=timezone.now()), strict=True))
    found = []
    for at, one in enumerate(body.claims):
        outcome = outcomes.get(at)
        fault: SalusError | None = errors.get(at) or (outcome.error if outcome else None)
        claim = outcome.claim if outcome else None
        found.append(
            {
                "number": one.number,
                "outcome": claim.outcome if claim else None,
                "fund": claim.fund_fen if claim else None,
                "resident": claim.resident_fen if claim else None,
                "error": _error(fault) if fault else None,
            }
        )
    return found


@api.post("/claims/decision", response={200: ClaimOut, **ERRORS}, summary="What was decided")
def show(request: HttpRequest, body: NumberIn) -> dict[str, Any]:
    """Return the decision that holds now; it is a read of the resident's data.

    A claim's number may tell who the patient is, so it stands in the body, not in an address.
    """
    principal = _principal(request)
    return _told(reading.open_by_number(principal, _place(principal, body.institution), _number(body)))


@api.post("/claims/reversal", response={200: ClaimOut, **ERRORS}, summary="Take a claim back")
def reversal(request: HttpRequest, body: ReversalIn) -> dict[str, Any]:
    """Take a claim back; twice changes nothing."""
    principal = _principal(request)
    place = _place(principal, body.institution)
    return _told(claims.take_back(principal, place, _number(body), body.reason, now=timezone.now()))


@api.post("/fhir/Claim", response=ERRORS, summary="Settle a FHIR R4 Claim; answers with a ClaimResponse")
def fhir_claim(request: HttpRequest) -> HttpResponse:
    """Decide on a FHIR Claim as `/claims` does."""
    principal, body = _principal(request), _resource(request)
    read = fhir.read_claim(body)
    person = claims.find_person(principal, "create", *read.person)
    patient = fhir_record.patient_of(person)
    if patient is None:
        raise NotFound("person-unknown", "The resident is not known", where="Claim.patient")
    asked = AskedClaim(
        read.number, person, read.kind, read.admitted, read.discharged, read.diagnoses, read.charge,
        [
            AskedLine(x.line_no, x.service_date, x.item, x.quantity, x.unit_price, x.charge)
            for x in read.items
        ],
        read.procedures, read.referral, read.illness,
    )  # fmt: skip
    claim = claims.settle(principal, _place(principal, read.institution), asked, now=timezone.now())
    return _fhir(fhir.claim_response(fhir_record.told_of(claim, patient)))


@api.post(
    "/fhir/CoverageEligibilityRequest", response=ERRORS,
    summary="Ask in FHIR R4 whether a person is covered; answers with a CoverageEligibilityResponse",
)  # fmt: skip
def fhir_eligibility(request: HttpRequest) -> HttpResponse:
    """Answer a FHIR CoverageEligibilityRequest as `/eligibility` does."""
    principal, body = _principal(request), _resource(request)
    who, place, day, service = fhir.read_eligibility(body)
    if service not in SERVICES:
        raise Invalid("service-unknown", "There is no such service", where="item[0].category")
    if not FIRST <= day <= LAST:
        raise Invalid("claim-day", "The day is out of all bounds", where="servicedDate")
    person = claims.find_person(principal, "read", *who)
    answer = cover.covered(principal, person, day, service, _place(principal, place))
    return _fhir(fhir.eligibility_response(body, answer, service, day, timezone.now()))


def _resource(request: HttpRequest) -> dict[str, Any]:
    """Return the body as a valid R4 resource."""
    try:
        body = json.loads(request.body)
    except RequestDataTooBig:
        raise Invalid("body-too-large", "The body is too large") from None
    except ValueError:
        raise Invalid("body-invalid", "The body is no JSON") from None
    if not isinstance(body, dict):
        raise Invalid("fhir-invalid", "The body is no resource")
    faults = [one for one in validate(body, size=len(request.body)) if one.severity == "error"]
    if faults:
        raise Invalid("fhir-invalid", faults[0].expected, where=faults[0].path)
    return body


def _number(body: NumberIn) -> str:
    """Return a claim's number; one that no claim can have is told as unknown."""
    if not body.number.isprintable():
        raise NotFound("claim-unknown", "There is no such claim", where="number")
    return body.number


def _fhir(body: dict[str, Any]) -> HttpResponse:
    return HttpResponse(json.dumps(body), content_type="application/fhir+json")


def _principal(request: HttpRequest) -> Principal:
    found: Principal = request.auth  # type: ignore[attr-defined]
    return found


def _place(principal: Principal, code: str) -> Institution:
    """Return the institution named, or the only one that the asker stands for."""
    if code:
        found = Institution.objects.filter(code=code).first() if storable(code) else None
    else:
        found = (
            Institution.objects.get(pk=next(iter(principal.institution_ids)))
            if len(principal.institution_ids) == 1
            else None
        )
    if found is None:
        raise NotFound("institution-unknown", "The institution is not known", where="institution")
    return found


def _asked(body: ClaimIn, person: UUID) -> AskedClaim:
    return AskedClaim(
        body.number, person, body.kind, body.admitted, body.discharged, body.diagnoses, body.charge,
        [
            AskedLine(x.line_no, x.service_date, x.item, x.quantity, x.unit_price, x.charge, x.department)
            for x in body.lines
        ],
        body.procedures, body.referral, body.illness,
    )  # fmt: skip


def _told(claim: Claim) -> dict[str, Any]:
    shown = reading.explained(claim)
    return {
        "institution": claim.institution.code, "number": claim.number, "version": claim.version,
        "outcome": claim.outcome, "cover": claim.cover_reason, "scheme": claim.scheme,
        "charge": shown.decision.charge_fen,
        "payers": {payer: getattr(shown.decision, f"{payer}_fen") for payer in PAYERS},
        "lines": [
            {
                "line_no": line.line_no, "item": line.item, "charge": line.charge, "payers": line.payers,
                "parts": [
                    {
                        "payer": part.payer, "amount": part.amount, "reason": part.reason,
                        "words": part.words, "rule": part.rule, "version": part.version,
                    }
                    for part in line.parts
                ],
            }
            for line in shown.lines
        ],
        "findings": [
            {
                "line_no": one.line_no, "code": one.code, "effect": one.effect, "words": one.words,
                "amount": one.amount,
            }
            for one in shown.findings
        ],
    }  # fmt: skip


def _error(error: SalusError) -> dict[str, str]:
    return {
        "code": error.code, "message": gettext(error.message), "where": error.where,
        "fix": gettext(error.fix) if error.fix else "",
    }  # fmt: skip


_STATUS = ((NotAllowed, 403), (NotFound, 404), (Conflict, 409), (Invalid, 422))


@api.exception_handler(SalusError)
def _refused(request: HttpRequest, error: SalusError) -> HttpResponse:
    status = next((code for kind, code in _STATUS if isinstance(error, kind)), 503)
    return api.create_response(request, _error(error), status=status)


@api.exception_handler(AuthenticationError)
def _nobody(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    words = {"code": "token-unknown", "message": gettext("The token is unknown or expired")}
    answer = api.create_response(request, words, status=401)
    answer["WWW-Authenticate"] = "Bearer"
    return answer


@api.exception_handler(HttpError)
def _unreadable(request: HttpRequest, error: HttpError) -> HttpResponse:
    words = {"code": "body-invalid", "message": gettext("The body is too large or no JSON")}
    return api.create_response(request, words, status=error.status_code)


@api.exception_handler(ValidationError)
def _malformed(request: HttpRequest, error: ValidationError) -> HttpResponse:
    first = error.errors[0]
    where = ".".join(str(step) for step in first["loc"] if step not in ("body", "data"))
    words = {"code": "body-invalid", "message": str(first["msg"])[:200], "where": where[:200]}
    return api.create_response(request, words, status=422)


if set(CoverIn.model_fields["service"].annotation.__args__) != set(SERVICES):  # type: ignore[union-attr]
    raise AssertionError("the services of the API are not those of the eligibility")
