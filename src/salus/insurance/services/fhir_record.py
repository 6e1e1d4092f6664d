"""What the insurance decided, kept in the resident's record as FHIR resources."""

from datetime import datetime
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from salus.insurance import fhir
from salus.insurance.events import ClaimDecided, MembershipChanged
from salus.insurance.models import Claim, Enrolment
from salus.insurance.models.claims import PAYERS
from salus.insurance.queries import claims as reading
from salus.kernel import audit
from salus.kernel.errors import Invalid
from salus.kernel.ids import server_id
from salus.kernel.policy import system_principal
from salus.record import sensitive, store
from salus.record.identity import queries as identity
from salus.record.models import PatientLink, Resource
from salus.record.store import Write
from salus.record.validate import validate

SOURCE = "salus-insurance"


def patient_of(person_id: UUID) -> str | None:
    """Return a reference to the person's oldest Patient record, which follows her through merges."""
    links = PatientLink.objects.filter(person_id=identity.current(person_id)).order_by("patient_rid")
    rid = links.values_list("patient_rid", flat=True).first()
    found = Resource.objects.filter(rid=rid).values_list("id", flat=True).first() if rid else None
    return f"Patient/{found}" if found else None


def told_of(claim: Claim, patient: str) -> fhir.Told:
    """Return a decided claim as FHIR needs it. The caller has asked the policy."""
    shown = reading.explained(claim)
    made = shown.decision
    return fhir.Told(
        server_id(SOURCE, "Claim", f"{claim.institution.code}/{claim.number}"), patient, claim.number,
        claim.institution.code, claim.kind, claim.admitted, claim.discharged, claim.diagnoses,
        claim.procedures, claim.referral, claim.illness, claim.scheme, claim.outcome, made.decided_at,
        made.charge_fen, {payer: getattr(made, f"{payer}_fen") for payer in PAYERS},
        [
            fhir.ToldLine(
                line.line_no, line.item, line.name, line.service_date, line.quantity, line.unit_price,
                line.asked, line.payers, [(p.payer, p.amount, p.reason, p.words) for p in line.parts],
            )
            for line in shown.lines
        ],
        [one.words for one in shown.findings],
        [sensitive.label_of(one) for one in claim.categories.split()],
    )  # fmt: skip


def keep(event: ClaimDecided) -> None:
    """Store the resources of a claim's decision; the same decision twice makes no new version.

    An older decision than the one that holds now is passed over: its successor's event follows.
    """
    claim = Claim.objects.select_related("institution").filter(pk=event.claim_id).first()
    if claim is None or claim.version != event.version:
        return
    patient = patient_of(claim.person_id)
    if patient is None:
        raise Invalid("fhir-no-patient", "The person has no patient record to which it could belong")
    told = told_of(claim, patient)
    write(
        [fhir.claim(told), fhir.claim_response(told), fhir.explanation_of_benefit(told)], claim.person_id,
        now=timezone.now(),
    )  # fmt: skip


def keep_membership(event: MembershipChanged) -> None:
    """Store the Coverage of a membership that changed; the same state twice makes no new version.

    If more was paid since, the event is passed over: a later one follows.
    """
    enrolment = Enrolment.objects.filter(pk=event.enrolment_id).first()
    if enrolment is None or enrolment.contributions.filter(pk__gt=event.contribution).exists():
        return
    keep_coverage(enrolment, now=timezone.now())


def keep_coverage(enrolment: Enrolment, *, now: datetime) -> None:
    """Store a membership as a Coverage of the resident's record."""
    patient = patient_of(enrolment.person_id)
    if patient is None:
        raise Invalid("fhir-no-patient", "The person has no patient record to which it could belong")
    periods = enrolment.contributions.filter(cancelled_on=None).values_list("start_date", "end_date")
    number = server_id(SOURCE, "Coverage", str(enrolment.pk))
    body = fhir.coverage(number, patient, enrolment.scheme, enrolment.category, enrolment.area, list(periods))
    write([body], enrolment.person_id, now=now)


def write(resources: list[fhir.Resource], person_id: UUID, *, now: datetime) -> None:
    """Store valid resources in the record with their audit rows, in one transaction.

    Raises:
        Invalid: one of them is no valid R4; nothing is stored then.
    """
    for body in resources:
        faults = [one for one in validate(body) if one.severity == "error"]
        if faults:
            raise Invalid("fhir-invalid", "The resource is no valid R4", where=faults[0].path)
    principal = system_principal(SOURCE)
    with transaction.atomic(), connection.cursor() as cursor:
        writes = [
            Write(
                body["resourceType"], body["id"], body, person_id=identity.current(person_id),
                source=f"urn:salus:source:{SOURCE}",
            )
            for body in resources
        ]  # fmt: skip
        written = store.write(cursor, writes, now=now)
        intent = audit.intend(
            cursor,
            [
                audit.entry(
                    principal, "update", person_id=person_id, resource_type=one.type, resource_id=one.id
                )
                for one in written
                if one.outcome not in ("unchanged", "stale")
            ],
        )
    audit.settle(intent)
