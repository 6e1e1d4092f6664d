"""Cases from other systems: rows of a line list, and FHIR bundles; each becomes a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from salus.kernel import audit
from salus.kernel.errors import Conflict, Invalid, SalusError
from salus.kernel.models import Institution
from salus.kernel.policy import Principal
from salus.prevention.models import Case, CaseOrigin
from salus.prevention.queries.notifiable import seeing
from salus.prevention.queries.notifiable.diseases import catalogue
from salus.prevention.services.notifiable import reporting
from salus.prevention.services.notifiable.reporting import Receipt, Report
from salus.prevention.surveillance import diseases_of, spellings
from salus.prevention.surveillance.linelists import Line, columns, read_line
from salus.prevention.surveillance.reading import facts_of, known_at, moment_of, onset_of

_NOON = time(12)


def line_of(row: Mapping[str, str], disease: str = "") -> Line:
    """Return a row of a file as a case; raises Invalid."""
    return read_line(row, columns(list(row)), disease=disease, diseases=spellings(catalogue()))


def _instant(day: date, now: datetime) -> datetime:
    """Return noon of a day in the city's zone, but never later than now: lists give days only."""
    return min(datetime.combine(day, _NOON, timezone.get_current_timezone()), now)


def report_of(line: Line, now: datetime) -> Report:
    """Return a line as a report.

    Raises:
        Invalid: it names no day, or one in the future.
    """
    diagnosed = line.diagnosed or line.reported or line.onset
    if diagnosed is None:
        raise Invalid("line-undated", _("No onset, diagnosis or report day is given"), where="diagnosed")
    if diagnosed > timezone.localdate(now):
        raise Invalid("report-future", _("The diagnosis lies in the future"), where="diagnosed")
    onset = line.onset if line.onset is not None and line.onset <= diagnosed else None
    received = _instant(line.reported, now) if line.reported else _instant(diagnosed, now)
    return Report(
        line.disease, _instant(diagnosed, now), line.classification, None, line.name or line.number,
        line.birth_date, line.age, line.sex, line.district if line.district.isdigit() else "", "",
        line.icd10, onset, line.symptoms, line.exposures, [("", name, result) for name, result in line.tests],
        line.outcome, line.died_on if line.outcome == "died" else None, line.place_infected, "", line.number,
        max(received, _instant(diagnosed, now)),
    )  # fmt: skip


def take_line(principal: Principal, line: Line, *, now: datetime) -> Receipt:
    """Report a line of a list; its institution is looked up by code or name. Raises as `reporting.report`."""
    place = None
    if line.institution:
        known = Institution.objects
        place = known.filter(code=line.institution).first() or known.filter(name=line.institution).first()
    if place is None and len(principal.institution_ids) == 1:
        place = Institution.objects.filter(pk__in=principal.institution_ids).first()
    return reporting.report(principal, report_of(line, now), place, now=now, origin=CaseOrigin.IMPORT)


def take_back(principal: Principal, number: int) -> None:
    """Delete an imported case that nobody has worked on since.

    Raises:
        NotFound: it is not there, or the principal may not decide on it.
        Conflict: somebody has worked on it, or other cases are joined to it.
    """
    case = seeing.open_case(principal, number, "decide")
    worked = (
        case.events.exclude(kind="reported").exists()
        or case.contacts.exists()
        or case.samples.exists()
        or case.exposures.exists()
        or case.sources.exists()
        or case.infected.exists()
        or Case.objects.filter(duplicate_of=case).exists()
    )
    if case.origin != CaseOrigin.IMPORT or worked:
        raise Conflict("case-worked-on", _("Somebody has worked on the case since"), where=str(number))
    with transaction.atomic(), connection.cursor() as cursor:
        item = audit.entry(
            principal, "delete", person_id=case.person_id, resource_type="NotifiableCase",
            resource_id=str(number), detail={"did": "undo-import"},
        )  # fmt: skip
        case.delete()
        intent = audit.intend(cursor, [item])
    audit.settle(intent)


def take_bundle(
    principal: Principal, bundle: Mapping[str, Any], *, now: datetime
) -> tuple[list[Receipt], list[tuple[str, SalusError]]]:
    """Report the notifiable diseases of a FHIR Bundle's Conditions, with its Observations as their tests.

    Returns the receipts, and what was refused: (the Condition's id, why). What is not notifiable is passed
    over.

    Raises:
        Invalid: it is no Bundle.
    """
    entries = bundle.get("entry") if isinstance(bundle, Mapping) else None
    if not isinstance(entries, list) or bundle.get("resourceType") != "Bundle":
        raise Invalid("bundle", _("The file is no FHIR Bundle"), where="file")
    resources = [
        e["resource"] for e in entries if isinstance(e, Mapping) and isinstance(e.get("resource"), Mapping)
    ]
    patients = {f"Patient/{r.get('id')}": r for r in resources if r.get("resourceType") == "Patient"}
    tests: dict[str, list[Mapping[str, Any]]] = {}
    for one in resources:
        if one.get("resourceType") == "Observation":
            tests.setdefault(_subject(one), []).append(one)
    receipts: list[Receipt] = []
    refused: list[tuple[str, SalusError]] = []
    for one in resources:
        if one.get("resourceType") != "Condition":
            continue
        for asked in _asked(one, patients.get(_subject(one), {}), tests.get(_subject(one), []), now):
            try:
                receipts.append(_taken(principal, asked, now))
            except SalusError as error:
                refused.append((str(one.get("id") or ""), error))
    return receipts, refused


def _subject(resource: Mapping[str, Any]) -> str:
    subject = resource.get("subject")
    return str(subject.get("reference") or "") if isinstance(subject, Mapping) else ""


def _taken(principal: Principal, asked: Report, now: datetime) -> Receipt:
    place = None
    if len(principal.institution_ids) == 1:
        place = Institution.objects.filter(pk__in=principal.institution_ids).first()
    return reporting.report(principal, asked, place, now=now, origin=CaseOrigin.IMPORT)


def _asked(
    condition: Mapping[str, Any],
    patient: Mapping[str, Any],
    tests: Sequence[Mapping[str, Any]],
    now: datetime,
) -> list[Report]:
    """Return the reports that a Condition makes, one a disease (mostly one or none)."""
    zone = timezone.get_current_timezone()
    at = known_at("Condition", condition, zone)
    onset = onset_of(condition, zone)
    if at is None or at > now + timedelta(minutes=10):
        at = now
    day = timezone.localtime(at).date()
    facts = facts_of("Condition", condition, zone)
    results = [fact for one in tests for fact in facts_of("Observation", one, zone)]
    names = patient.get("name")
    name = names[0] if isinstance(names, list) and names and isinstance(names[0], Mapping) else {}
    said = str(
        name.get("text") or " ".join([*map(str, name.get("given") or []), str(name.get("family") or "")])
    )
    born = moment_of(patient.get("birthDate"), zone)
    addresses = patient.get("address")
    address = addresses[0] if isinstance(addresses, list) and addresses else {}
    district = str(address.get("district") or "") if isinstance(address, Mapping) else ""
    found = []
    for code, own in diseases_of([*facts, *results], catalogue().on(day), day).items():
        diagnosis = next((f for f in own if f.kind == "diagnosis"), None)
        if diagnosis is None or diagnosis.value == "refuted":
            continue
        verified = {
            coding.get("code") for coding in ((condition.get("verificationStatus") or {}).get("coding") or [])
        }
        certainty = "suspected" if verified & {"unconfirmed", "differential"} else "probable"
        if "confirmed" in verified:
            certainty = "confirmed"
        found.append(
            Report(
                code, at, certainty, None, said.strip(),
                born.astimezone(zone).date() if born and len(str(patient.get("birthDate"))) == 10 else None,
                None, str(patient.get("gender") or "") if patient.get("gender") != "unknown" else "",
                district if district.isdigit() else "", "", diagnosis.code,
                onset if onset and onset <= day else None,
                tests=[(f.code, f.name, f.value) for f in own if f.kind == "laboratory" and f.value],
                external_id=_number(condition),
            )
        )  # fmt: skip
    return found


def _number(condition: Mapping[str, Any]) -> str:
    for one in condition.get("identifier") or []:
        if isinstance(one, Mapping) and one.get("value"):
            return str(one["value"])[:80]
    return str(condition.get("id") or "")[:80]
