"""Reports of cases: by a clinician or infection officer, by an epidemiologist, or from a list.

The same report twice is one case: by the sender's number, by the person and disease within an episode, or by
name and birth where identity is not known. What is only likely to be the same is told, and a person decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from uuid import UUID

from django.db import connection, transaction
from django.utils.translation import gettext_noop as _

from salus.kernel import audit, policy
from salus.kernel.errors import Conflict, Invalid, NotFound
from salus.kernel.events import emit
from salus.kernel.models import Institution
from salus.kernel.policy import Principal, Target
from salus.prevention.events import CaseClassified, CaseReported
from salus.prevention.models import Case, CaseFact, CaseOrigin, CaseOutcome
from salus.prevention.queries.notifiable import duplicates, seeing
from salus.prevention.queries.notifiable.diseases import (
    catalogue,
    district_within,
    exposures,
    registered_districts,
    symptoms,
)
from salus.prevention.services.notifiable import judging
from salus.prevention.surveillance import Disease, Fact, Status
from salus.prevention.surveillance.matching import Likeness, Reported, name_key
from salus.record.identity import queries as identity
from salus.record.models import Person

CERTAINTIES = {"suspected": "provisional", "probable": "confirmed", "confirmed": "confirmed"}
"""What a reporter says of the diagnosis, and the certainty of the fact that it makes."""
_FUTURE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Report:
    """What is reported. `person_id` where identity is known, else at least a name.

    Attributes:
        disease: its code.
        diagnosed: the moment of the diagnosis, aware; not in the future.
        certainty: suspected, probable (diagnosed clinically) or confirmed (by the laboratory).
        icd10: the diagnosis; the disease's first code if none.
        symptoms: codes of `rules/notifiable_symptoms.csv`.
        exposures: codes of `rules/notifiable_exposures.csv`.
        tests: (LOINC code, name, result) with result positive, negative or what was found.
        external_id: the sender's own number, under which the report comes only once.
    """

    disease: str
    diagnosed: datetime
    certainty: str = "suspected"
    person_id: UUID | None = None
    name: str = ""
    birth_date: date | None = None
    age: float | None = None
    sex: str = ""
    district_code: str = ""
    address: str = ""
    icd10: str = ""
    onset: date | None = None
    symptoms: Sequence[str] = ()
    exposures: Sequence[str] = ()
    tests: Sequence[tuple[str, str, str]] = ()
    outcome: str = ""
    died_on: date | None = None
    place_infected: str = ""
    note: str = ""
    external_id: str = ""
    received: datetime | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a report: its case, whether it is new, and cases that may be the same."""

    case: Case
    new: bool
    likely: Sequence[duplicates.Candidate] = field(default_factory=tuple)


def report(
    principal: Principal,
    asked: Report,
    institution: Institution | None,
    *,
    now: datetime,
    origin: str = CaseOrigin.REPORT,
) -> Receipt:
    """Keep a report.

    A report on a case that is there already (from the record, or reported before) adds its facts to it and
    stops its clock. `asked.received` is when it was reported, for a list of old cases; else it is `now`.

    Raises:
        NotAllowed: the principal may not report for the institution or district.
        NotFound: there is no such disease or person.
        Invalid: a value breaks a rule; `where` names it.
    """
    disease = catalogue().get(asked.disease)
    if disease is None:
        raise NotFound("disease-unknown", _("There is no such disease"), where="disease")
    person = _person(asked)
    district = _district(asked, person, institution)
    policy.require(
        principal,
        "create",
        Target(
            "notifiable_case",
            institution_id=institution.pk if institution else None,
            district_code=district or None,
        ),
    )
    _checked(asked, disease, person, now)
    with transaction.atomic(), connection.cursor() as cursor:
        made = _kept(principal, asked, disease, institution, person, district, origin=origin, now=now)
        item = audit.entry(
            principal, "create" if made.new else "update", person_id=made.case.person_id,
            resource_type="NotifiableCase", resource_id=str(made.case.pk), detail={"disease": disease.code},
        )  # fmt: skip
        intent = audit.intend(cursor, [item])
    audit.settle(intent)
    return made


def _person(asked: Report) -> Person | None:
    if asked.person_id is None:
        return None
    found = Person.objects.filter(pk=identity.current(asked.person_id)).first()
    if found is None:
        raise NotFound("person-unknown", _("There is no such resident"), where="person")
    return found


def _district(asked: Report, person: Person | None, institution: Institution | None) -> str:
    code = asked.district_code or (person.district_code if person else "")
    if not code and institution is not None:
        code = institution.district_id or ""
    return district_within(code, registered_districts()) if code else ""


def _checked(asked: Report, disease: Disease, person: Person | None, now: datetime) -> None:
    day = judging.local_day(asked.diagnosed)
    if asked.diagnosed > now + _FUTURE:
        raise Invalid("report-future", _("The diagnosis lies in the future"), where="diagnosed")
    if disease.listed(day) is None:
        raise Invalid("disease-not-listed", _("The disease was not notifiable on that day"), where="disease")
    if disease.definition(asked.onset or day) is None and disease.definition(day) is None:
        raise Invalid("disease-undefined", _("No case definition held on that day"), where="diagnosed")
    if asked.certainty not in CERTAINTIES:
        raise Invalid("report-certainty", _("There is no such certainty"), where="certainty")
    if asked.onset is not None and asked.onset > day:
        raise Invalid("report-onset", _("The onset lies after the diagnosis"), where="onset")
    if asked.icd10 and not disease.has_code(asked.icd10):
        raise Invalid("report-icd10", _("The code is none of the disease's"), where="icd10")
    if person is None and not name_key(asked.name):
        raise Invalid("report-name", _("A report without identity needs a name"), where="name")
    if asked.birth_date is not None and asked.birth_date > day:
        raise Invalid("report-birth", _("The birth lies after the diagnosis"), where="birth_date")
    if asked.age is not None and not 0 <= asked.age <= 130:
        raise Invalid("report-age", _("The age lies between 0 and 130 years"), where="age")
    if asked.sex not in ("", "male", "female", "other"):
        raise Invalid("report-sex", _("There is no such sex"), where="sex")
    if asked.outcome not in CaseOutcome.values:
        raise Invalid("report-outcome", _("There is no such outcome"), where="outcome")
    if set(asked.symptoms) - set(symptoms()):
        raise Invalid("report-symptom", _("There is no such symptom"), where="symptoms")
    if set(asked.exposures) - set(exposures()):
        raise Invalid("report-exposure", _("There is no such exposure"), where="exposures")
    if len(asked.external_id) > 80 or len(asked.name) > 120 or len(asked.note) > 4000:
        raise Invalid("report-length", _("A text is too long"), where="note")


def facts(asked: Report, disease: Disease) -> list[Fact]:
    """Return the facts that a report states."""
    day, seen = judging.local_day(asked.diagnosed), asked.onset
    found = [
        Fact(
            "diagnosis", asked.icd10.upper() or disease.icd10[0], "", CERTAINTIES[asked.certainty], None, day,
            "report",
        )
    ]  # fmt: skip
    found += [Fact("symptom", code, "", "", None, seen or day, "report") for code in asked.symptoms]
    found += [Fact("exposure", code, "", "", None, None, "report") for code in asked.exposures]
    found += [
        Fact("laboratory", code, name, result, None, day, "report") for code, name, result in asked.tests
    ]
    return found


def _kept(
    principal: Principal,
    asked: Report,
    disease: Disease,
    institution: Institution | None,
    person: Person | None,
    district: str,
    *,
    origin: str,
    now: datetime,
) -> Receipt:
    received = asked.received or now
    stated = facts(asked, disease)
    if asked.external_id:
        held = Case.objects.filter(
            institution=institution, disease=disease.code, external_id=asked.external_id
        ).first()
        if held is not None:
            return Receipt(_added(held, stated, principal, received, now), False)
    first = asked.onset or judging.local_day(asked.diagnosed)
    who = Reported(
        disease.code, first, person.pk if person else None, person.name if person else asked.name,
        (person.birth_date if person else None) or asked.birth_date, asked.age,
        (person.sex if person else "") or asked.sex, district,
    )  # fmt: skip
    candidates = duplicates.candidates(who, disease.episode_days)
    same = next((one for one in candidates if one.likeness is Likeness.SAME), None)
    if same is not None:
        held = Case.objects.get(pk=same.case_id)
        if asked.external_id and not held.external_id and held.institution_id == _pk(institution):
            held.external_id = asked.external_id
        return Receipt(_added(held, stated, principal, received, now), False)
    case = Case(
        disease=disease.code, origin=origin, person_id=who.person_id, name=who.name[:120],
        name_key=name_key(who.name), birth_date=who.born, age=asked.age, sex=who.sex,
        district_code=district, address=asked.address[:200] or (person.address if person else ""),
        institution=institution, categories=" ".join(sorted(disease.categories)),
        external_id=asked.external_id, onset=asked.onset, diagnosed_at=asked.diagnosed, first_day=first,
        due_at=judging.due_at(disease, asked.diagnosed, stated), reported_at=received,
        reported_by=principal.name[:150], outcome=asked.outcome, died_on=asked.died_on,
        place_infected=asked.place_infected[:120], note=asked.note, created=now, updated=now,
    )  # fmt: skip
    found = judging.judged(case, stated, disease)
    case.status = "suspected" if found.status is Status.NONE else found.status.value
    case.evidence, case.missing = judging.kept_evidence(found.evidence), list(found.missing)
    case.defined = found.defined
    if origin == CaseOrigin.IMPORT and asked.certainty != case.status:
        case.status, case.decided = (
            asked.certainty,
            True,
        )  # a list of old cases: as who investigated them said
    case.save()
    CaseFact.objects.bulk_create(judging.fact_row(case, one) for one in stated)
    judging.note(case, "reported", by=principal.name, now=now, after=case.status)
    emit(CaseReported(case.pk, case.disease, case.district_code, case.institution_id))
    emit(CaseClassified(case.pk, case.disease, case.district_code, "", case.status))
    return Receipt(case, True, [one for one in candidates if one.likeness is Likeness.LIKELY])


def _pk(institution: Institution | None) -> int | None:
    return institution.pk if institution else None


def _added(case: Case, stated: Sequence[Fact], principal: Principal, at: datetime, now: datetime) -> Case:
    known = {judging.fact_of(row) for row in case.facts.all()}
    CaseFact.objects.bulk_create(
        judging.fact_row(case, one) for one in dict.fromkeys(stated) if one not in known
    )
    if case.reported_at is None:
        case.reported_at, case.reported_by = at, principal.name[:150]
        judging.note(case, "reported", by=principal.name, now=now)
        emit(CaseReported(case.pk, case.disease, case.district_code, case.institution_id))
    judging.refresh(case, by=principal.name, now=now)
    return case


def report_arisen(principal: Principal, number: int, *, now: datetime) -> Case:
    """Report a case that arose from the record: its clock stops.

    Raises:
        NotFound: there is no such case, or the principal may not change it.
        Conflict: it is reported already.
    """
    case = seeing.open_case(principal, number, "update")
    with transaction.atomic(), connection.cursor() as cursor:
        done = Case.objects.filter(pk=number, reported_at=None).update(
            reported_at=now, reported_by=principal.name[:150], updated=now
        )
        if not done:
            raise Conflict("case-reported", _("The case is reported already"), where=str(number))
        judging.note(case, "reported", by=principal.name, now=now)
        emit(CaseReported(case.pk, case.disease, case.district_code, case.institution_id))
        item = audit.entry(
            principal, "update", person_id=case.person_id, resource_type="NotifiableCase",
            resource_id=str(case.pk), detail={"did": "report"},
        )  # fmt: skip
        intent = audit.intend(cursor, [item])
    audit.settle(intent)
    case.refresh_from_db()
    return case
