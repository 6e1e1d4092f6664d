"""Cases that arise by themselves: the record's change feed is read for diagnoses, tests and causes of death.

Each batch is one short transaction that keeps its cases and its place in the feed together: it can stop and
begin again anywhere, and reading a change twice gives the same cases. A resource that changes takes its old
facts back; one whose person changed carries its case along.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from salus.kernel import notifications
from salus.kernel.events import emit
from salus.kernel.feed import Position
from salus.kernel.jobs import periodic
from salus.kernel.models import Institution
from salus.prevention.events import CaseClassified
from salus.prevention.models import Case, CaseFact, CaseOrigin, CaseOutcome, FeedCursor
from salus.prevention.queries.notifiable import duplicates
from salus.prevention.queries.notifiable.diseases import catalogue, district_within, registered_districts
from salus.prevention.services.notifiable import (
    judging,
    reminding,  # noqa: F401  declares its job beside this one
)
from salus.prevention.surveillance import Catalogue, Disease, Fact, Status, diseases_of
from salus.prevention.surveillance.matching import name_key
from salus.prevention.surveillance.reading import (
    encounter_of,
    facts_of,
    known_at,
    onset_of,
    provider_of,
)
from salus.record import json, store
from salus.record.models import CareRelation, Person, Resource
from salus.record.rules.r4 import kind_of

NAME = "notifiable"
_BATCH = 500
_TYPES = frozenset({"Condition", "Observation"})
_BY = "record"


@dataclass(frozen=True, slots=True)
class _Told:
    """What one resource tells of one person: its facts, when it was known, the onset and the institution."""

    rid: int
    person_id: UUID
    patient_rid: int | None
    facts: tuple[Fact, ...]
    at: datetime
    onset: date | None
    encounter: str


def catch_up(limit: int = 1_000_000, *, now: datetime | None = None) -> int:
    """Read the change feed from where this stopped; return how many changes were read.

    Args:
        limit: the most changes to read.
        now: when cases are noted to have come up; the present if none.
    """
    done = 0
    while done < limit:
        with transaction.atomic(), connection.cursor() as cursor:
            query = FeedCursor.objects.filter(name=NAME)
            at = (query.select_for_update() if connection.vendor == "postgresql" else query).first()
            at = at or FeedCursor.objects.create(name=NAME)
            found = store.changes(cursor, Position(at.xid, at.seq), min(_BATCH, limit - done))
            if not found:
                return done
            follow(
                cursor,
                list(dict.fromkeys(c.rid for c in found if c.type in _TYPES)),
                now=now or timezone.now(),
            )
            at.xid, at.seq = found[-1].position.xid, found[-1].position.seq
            at.save()
        done += len(found)
    return done


def follow(cursor: CursorWrapper, rids: Sequence[int], *, now: datetime) -> None:
    """Bring the cases that these resources speak of up to date, in the caller's transaction."""
    if not rids:
        return
    zone = timezone.get_current_timezone()
    diseases = catalogue()
    told = _told(cursor, rids, diseases, zone, now)
    held: dict[int, Case] = {}
    for start in range(0, len(rids), 500):
        rows = CaseFact.objects.filter(rid__in=rids[start : start + 500]).select_related("case")
        for row in rows:
            held[row.case_id] = row.case
        CaseFact.objects.filter(pk__in=[row.pk for row in rows]).delete()
    carried = _carry(held, told)
    people = _people({one.person_id for one in told})
    places = _places(told)
    districts = registered_districts()
    touched: dict[int, Case] = dict(carried)
    for one in told:
        by_disease = diseases_of(one.facts, diseases, judging.local_day(one.at))
        for code, facts in by_disease.items():
            case = _case(one, diseases[code], facts, people, places, districts, now=now)
            if case is not None:
                CaseFact.objects.bulk_create(judging.fact_row(case, fact, one.rid) for fact in facts)
                touched[case.pk] = case
    for case in touched.values():
        _died(case)
        judging.refresh(case, by=_BY, now=now)


def _told(
    cursor: CursorWrapper, rids: Sequence[int], diseases: Catalogue, zone: tzinfo, now: datetime
) -> list[_Told]:
    may = _Sieve(diseases)
    found = []
    for stored in store.read_rids(cursor, rids):
        if stored.deleted or stored.person_id is None:
            continue  # without identity nothing arises yet: the link comes as a change of its own
        body = json.loads(stored.body)
        ref = f"{stored.type}/{stored.id}"
        facts = tuple(f for f in facts_of(stored.type, body, zone, ref=ref) if may.speak(f))
        if not facts:
            continue
        at = known_at(stored.type, body, zone) or datetime.fromtimestamp(stored.updated / 1e6, tz=zone)
        onset = onset_of(body, zone) if stored.type == "Condition" else None
        at = min(at, now)
        if onset is not None and onset > judging.local_day(at):
            onset = None
        found.append(
            _Told(stored.rid, stored.person_id, stored.patient_rid, facts, at, onset, encounter_of(body))
        )
    return sorted(found, key=lambda one: (one.at, one.rid))


class _Sieve:
    """A quick look whether a fact may speak of any disease, before all definitions are gone through."""

    def __init__(self, diseases: Catalogue) -> None:
        self._icd = {code[:3] for one in diseases.values() for code in one.icd10}
        self._loinc: set[str] = set()
        self._numbers: set[str] = set()
        for one in diseases.values():
            for definition in one.definitions:
                for criterion in definition.criteria.values():
                    if criterion.kind == "laboratory":
                        self._loinc.update(criterion.codes)
                        if criterion.at_least is not None:
                            self._numbers.update(criterion.codes)

    def speak(self, fact: Fact) -> bool:
        """Say whether the fact is worth a closer look."""
        match fact.kind:
            case "diagnosis" | "death":
                return fact.code[:3] in self._icd
            case "laboratory":
                return bool(fact.value) or fact.code in self._numbers
            case _:
                return False


def _carry(held: Mapping[int, Case], told: Sequence[_Told]) -> dict[int, Case]:
    """Return the cases that lost facts, by number; one whose every fact moved goes to the new person.

    The facts of the resources read now are gone from them; those that still speak of them come again.
    """
    whose = {one.rid: one.person_id for one in told}
    persons = set(whose.values())
    for case in held.values():
        if case.person_id is None or case.person_id in persons or not persons:
            continue
        if len(persons) == 1 and not case.facts.exclude(rid=None).exists():
            target = next(iter(persons))
            if not Case.objects.filter(
                person_id=target, disease=case.disease, first_day=case.first_day, duplicate_of=None
            ).exists():
                case.person_id = target
                case.save(update_fields=["person_id"])
    return dict(held)


def _people(ids: set[UUID]) -> dict[UUID, Person]:
    found: dict[UUID, Person] = {}
    ordered = sorted(ids)
    for start in range(0, len(ordered), 500):
        found |= {p.pk: p for p in Person.objects.filter(pk__in=ordered[start : start + 500])}
    return found


def _places(told: Sequence[_Told]) -> dict[int, Institution]:
    """Return the institution of each resource: its Encounter's, else the only one that has the patient."""
    ids = sorted({one.encounter for one in told if one.encounter})
    codes: dict[str, str] = {}
    for start in range(0, len(ids), 500):
        rows = Resource.objects.filter(kind=kind_of("Encounter"), id__in=ids[start : start + 500])
        for number, body in rows.values_list("id", "body"):
            codes[number] = provider_of(json.loads(bytes(body))) if body else ""
    by_code = {one.code: one for one in Institution.objects.filter(code__in=set(codes.values()) - {""})}
    found = {one.rid: by_code[codes[one.encounter]] for one in told if codes.get(one.encounter) in by_code}
    open_ = sorted({one.patient_rid for one in told if one.rid not in found and one.patient_rid})
    cared: dict[int, set[int]] = defaultdict(set)
    for start in range(0, len(open_), 500):
        for patient, place in CareRelation.objects.filter(
            patient_rid__in=open_[start : start + 500]
        ).values_list("patient_rid", "institution_id"):
            cared[patient].add(place)
    only = {patient: next(iter(places)) for patient, places in cared.items() if len(places) == 1}
    by_id = {one.pk: one for one in Institution.objects.filter(pk__in=set(only.values()))}
    for one in told:
        cared_by = by_id.get(only.get(one.patient_rid or 0, 0))
        if one.rid not in found and cared_by is not None:
            found[one.rid] = cared_by
    return found


def _case(
    told: _Told,
    disease: Disease,
    facts: Sequence[Fact],
    people: Mapping[UUID, Person],
    places: Mapping[int, Institution],
    districts: frozenset[str],
    *,
    now: datetime,
) -> Case | None:
    """Return the case that a resource belongs to: the one of the episode, or a new one if it makes one."""
    diagnosed_on = judging.local_day(told.at)
    first = min(told.onset or diagnosed_on, diagnosed_on)
    held = duplicates.of_person(told.person_id, disease.code, first, disease.episode_days)
    place = places.get(told.rid)
    if held is not None:
        _earlier(held, told, first, disease, facts, place)
        return held
    if disease.listed(diagnosed_on) is None:
        return None
    person = people.get(told.person_id)
    district = person.district_code if person and person.district_code else ""
    if not district and place is not None:
        district = place.district_id or ""
    case = Case(
        disease=disease.code, origin=CaseOrigin.RECORD, person_id=told.person_id,
        name=person.name if person else "", name_key=name_key(person.name) if person else "",
        birth_date=person.birth_date if person else None, sex=person.sex if person else "",
        district_code=district_within(district, districts) if district else "",
        address=person.address if person else "", institution=place,
        categories=" ".join(sorted(disease.categories)), onset=told.onset, diagnosed_at=told.at,
        first_day=first, due_at=judging.due_at(disease, told.at, facts), created=now, updated=now,
    )  # fmt: skip
    found = judging.judged(case, facts, disease)
    if found.status in (Status.NONE, Status.DISCARDED):
        return None
    case.status, case.defined = found.status.value, found.defined
    case.evidence, case.missing = judging.kept_evidence(found.evidence), list(found.missing)
    case.save()
    judging.note(case, "arose", by=_BY, now=now, after=case.status)
    emit(CaseClassified(case.pk, case.disease, case.district_code, "", case.status))
    _warn(case, disease, now)
    return case


def _earlier(
    case: Case, told: _Told, first: date, disease: Disease, facts: Sequence[Fact], place: Institution | None
) -> None:
    """Bring a case's first days forward when a resource that comes later tells of an earlier one."""
    if told.onset is not None and (case.onset is None or told.onset < case.onset):
        case.onset = told.onset
    case.first_day = min(case.first_day, first)
    if case.origin == CaseOrigin.RECORD and told.at < case.diagnosed_at:
        case.diagnosed_at = told.at
        case.due_at = judging.due_at(disease, told.at, facts)
        case.institution = place or case.institution
    elif case.institution is None:
        case.institution = place
    case.save()


def _died(case: Case) -> None:
    died = case.facts.filter(kind="death").order_by("-day").first()
    if died is not None and case.outcome != CaseOutcome.DIED:
        case.outcome, case.died_on = CaseOutcome.DIED, died.day
        case.save(update_fields=["outcome", "died_on"])


def _warn(case: Case, disease: Disease, now: datetime) -> None:
    """Tell disease control and the institution of a case that is to be reported within hours."""
    if case.due_at is None or case.due_at < now or (case.due_at - case.diagnosed_at).total_seconds() > 7200:
        return
    said: dict[str, Any] = {"disease": disease.name}
    words = _("%(disease)s: a case is to be reported within two hours")
    link, key = f"/prevention/cases/{case.pk}/", f"prevention.urgent:{case.pk}"
    notifications.notify_role(
        "epidemiologist", "prevention", words, said, link=link, urgent=True, key=key,
        district_code=case.district_code or None,
    )  # fmt: skip
    if case.institution_id:
        notifications.notify_role(
            "clinician", "prevention", words, said, link=link, urgent=True, key=key,
            institution_id=case.institution_id,
        )  # fmt: skip


@periodic(every=10, name="prevention.notifiable")
def keep_up() -> None:
    """Follow the change feed."""
    catch_up(20_000)
