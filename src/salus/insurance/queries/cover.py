"""Cover: what is known of a person for the eligibility, and the answer, for one or for many."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Q

from salus.insurance.eligibility import (
    Answer,
    Contract,
    Filing,
    Person,
    Spell,
    Status,
    decide,
    load_rules,
)
from salus.insurance.models import Contribution, InstitutionContract, TreatmentFiling
from salus.kernel import audit, policy
from salus.kernel.errors import NotFound
from salus.kernel.models import Institution
from salus.kernel.policy import Principal, Target
from salus.record.identity import rows
from salus.record.models import Person as Resident

EARLIEST = date(1900, 1, 1)
_PART = 500


def parts(values: Iterable[Any]) -> Iterator[Sequence[Any]]:
    """Yield values in parts that a database takes as parameters."""
    found = list(values)
    for start in range(0, len(found), _PART):
        yield found[start : start + _PART]


def owners(persons: Iterable[UUID]) -> dict[UUID, UUID]:
    """Return under which person each id stands today: of these persons and those merged into them."""
    held = {person: person for person in persons}
    todo = list(held)
    while todo:
        more = []
        for part in parts(todo):
            for merged, into in Resident.objects.filter(merged_into__in=part).values_list(
                "id", "merged_into"
            ):
                if into is not None and merged not in held:
                    held[merged] = held[into]
                    more.append(merged)
        todo = more
    return held


def statuses(ids: Sequence[UUID]) -> Iterator[tuple[UUID, Status]]:
    """Yield the social statuses that the record keeps of persons, in the words of the eligibility."""
    rules = load_rules()
    sql = (
        "select l.person_id, s.category, s.code, s.valid_from, s.valid_to from record_socialstatus s"
        " join record_patientlink l on l.patient_rid = s.patient_rid where l.person_id in ({marks})"
    )
    with connection.cursor() as cursor:
        keys = [rows.key(cursor, one) for one in ids]
        for person, category, words, start, end in rows.fetch_in(cursor, sql, keys):
            status = rules.status_of(category, words)
            if status is None:
                continue
            first, after = _day(start), _day(end)
            # The record's last day is the first one on which it no longer holds.
            last = None if after is None else after - timedelta(days=1)
            if last is None or first is None or last >= first:
                yield rows.person(person), Status(status, first or EARLIEST, last)


def _day(value: object) -> date | None:
    if value is None or isinstance(value, date):
        return value
    return date.fromisoformat(str(value)[:10])


def facts_of(held: Mapping[UUID, UUID]) -> dict[UUID, Person]:
    """Return what is known of the cover of each person of `owners`: paid periods, statuses, filings."""
    spells: dict[UUID, list[Spell]] = defaultdict(list)
    filings: dict[UUID, list[Filing]] = defaultdict(list)
    found: dict[UUID, list[Status]] = defaultdict(list)
    for part in parts(held):
        for row in Contribution.objects.filter(person_id__in=part, cancelled_on=None).values_list(
            "person_id", "enrolment__scheme", "enrolment__category", "enrolment__area", "start_date",
            "end_date", "paid_on", "repair_years",
        ):  # fmt: skip
            spells[held[row[0]]].append(Spell(*row[1:]))
        for person, area, start, end in TreatmentFiling.objects.filter(person_id__in=part).values_list(
            "person_id", "area", "start_date", "end_date"
        ):
            filings[held[person]].append(Filing(area, start, end))
    for person, status in statuses(list(held)):
        found[held[person]].append(status)
    return {p: Person(spells[p], found[p], filings[p]) for p in dict.fromkeys(held.values())}


def facts(person_id: UUID) -> Person:
    """Return what is known of one person's cover."""
    return facts_of(owners([person_id]))[person_id]


def contracts(institution_id: int) -> list[Contract]:
    """Return an institution's contracts with the funds."""
    held = InstitutionContract.objects.filter(institution_id=institution_id)
    return [Contract(*row) for row in held.values_list("area", "service", "start_date", "end_date")]


def covered(
    principal: Principal, person_id: UUID, day: date, service: str, institution: Institution
) -> Answer:
    """Say whether a person is covered on a day for a service at an institution; it is a read of her data.

    A source system asks only for the institution whose system it is.

    Raises:
        NotAllowed: the principal may not read her coverage, or not ask for the institution.
        NotFound: there is no such person.
    """
    foreign = principal.source_id is not None and institution.pk not in principal.institution_ids
    target = Target(
        "resource", person_id=person_id, resource_type="CoverageEligibilityRequest",
        source_id=-1 if foreign else principal.source_id,
    )  # fmt: skip
    decision = policy.decide(principal, "read", target)
    audit.record(
        [
            audit.entry(
                principal, "read", person_id=person_id, resource_type="Coverage",
                outcome="ok" if decision.allowed else "refused",
                detail={"service": service, "institution": institution.code},
            )
        ]
    )  # fmt: skip
    policy.require(principal, "read", target)
    if not Resident.objects.filter(pk=person_id).exists():
        raise NotFound("person-unknown", "The resident is not known")
    return decide(facts(person_id), contracts(institution.pk), day, service, load_rules())


def poor_households(on: date) -> Iterator[tuple[int, str, list[tuple[UUID, str]]]]:
    """Yield the households that hold somebody poor on a day: id, number, members poor by which status.

    Poor is who has a status that `rules/enrolment_statuses.csv` calls so; who belongs to no household is one
    of her own, with the id 0 and no number.
    """
    from salus.insurance.models import HouseholdMember

    rules = load_rules()
    with connection.cursor() as cursor:
        known = rows.fetch(
            cursor,
            "select distinct l.person_id from record_socialstatus s"
            " join record_patientlink l on l.patient_rid = s.patient_rid where s.category = %s",
            ["poverty"],
        )
    persons = [rows.person(row[0]) for row in known]
    poor: dict[UUID, str] = {}
    for person, status in statuses(persons):
        holds = status.start <= on and (status.end is None or status.end >= on)
        if holds and rules.poor(status.status):
            before = poor.get(person)
            if before is None or rules.statuses[status.status].rank < rules.statuses[before].rank:
                poor[person] = status.status
    homes: dict[int, tuple[str, list[tuple[UUID, str]]]] = {}
    alone = dict(poor)
    for part in parts(sorted(poor)):
        members = HouseholdMember.objects.filter(
            Q(valid_to=None) | Q(valid_to__gte=on), person_id__in=part, valid_from__lte=on
        )
        for home, number, person in members.values_list("household_id", "household__number", "person_id"):
            homes.setdefault(home, (number, []))[1].append((person, poor[person]))
            alone.pop(person, None)
    for home, (number, held) in sorted(homes.items()):
        yield home, number, held
    for person, reason in sorted(alone.items()):
        yield 0, "", [(person, reason)]
