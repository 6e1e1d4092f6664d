"""What can be asked about identity: persons, the review queue, both records of a pair, a person's history."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Q

from salus.kernel import policy
from salus.kernel.policy import Principal, Target
from salus.record import json
from salus.record.identity import golden, rows
from salus.record.identity.engine import normalise
from salus.record.identity.engine.resident import read, unpack
from salus.record.identity.scoring import records
from salus.record.identity.weighing import scorer
from salus.record.models import (
    LinkEvent,
    LinkFeatures,
    PatientLink,
    Person,
    Resource,
    ReviewPair,
    ReviewStatus,
)

_COLUMNS = "p.id, p.name, p.pinyin, p.birth_date, p.sex, p.phone, p.address, p.district_code, p.deceased"


@dataclass(frozen=True, slots=True)
class Found:
    """One person of a search."""

    person_id: UUID
    name: str
    pinyin: str
    birth_date: date | None
    sex: str
    phone: str
    address: str
    district_code: str
    deceased: date | None


@dataclass(frozen=True, slots=True)
class FoundPage:
    """One page of a search; `after` is where the next one begins, None at the end."""

    persons: list[Found]
    after: UUID | None


@dataclass(frozen=True, slots=True)
class RecordView:
    """One patient record as a reviewer sees it."""

    patient_rid: int
    person_id: UUID
    source_id: int | None
    values: dict[str, Any]
    identifiers: list[str]


@dataclass(frozen=True, slots=True)
class FieldView:
    """One field of two records: how far it agrees, and its weight in bits."""

    name: str
    left: str
    right: str
    agreement: str
    weight: float


@dataclass(frozen=True, slots=True)
class PairView:
    """A pair under review: both records, field by field; `weight` in bits, prior included."""

    pair: ReviewPair
    left: RecordView
    right: RecordView
    fields: list[FieldView]
    weight: float


def search(
    principal: Principal,
    text: str = "",
    *,
    birth_date: date | None = None,
    identifier: str = "",
    phone: str = "",
    after: UUID | None = None,
    limit: int = 50,
) -> FoundPage:
    """Find persons that the principal may see, by the beginning of the name or pinyin and exact facts.

    All given facts must hold; with none, everybody in the principal's scope is listed. Pages by person id.
    """
    visible, params = policy.scope(principal, "search", "Patient").sql("p.person_id")
    where, values = ["p.status = 'active'", visible], list(params)
    if name := unicodedata.normalize("NFKC", text).strip():
        conditions = []
        hanzi = normalise.hanzi(name)
        columns = {"p.name": hanzi or name} | (
            {} if hanzi else {"p.pinyin": name.casefold().replace(" ", "")}
        )
        for column, prefix in columns.items():
            conditions.append(_prefix(column))
            values += _bounds(prefix)
        where.append("(" + " or ".join(conditions) + ")")
    if birth_date:
        where.append("p.birth_date = %s")
        values.append(birth_date)
    if digits := normalise.phone(phone):
        where.append("p.phone = %s")
        values.append(digits)
    if value := normalise.identifier(identifier):
        where.append(
            "p.id in (select l.person_id from record_personidentifier i"
            " join record_patientlink l on l.patient_rid = i.patient_rid where i.value = %s)"
        )
        values.append(value)
    elif phone.strip() and not digits or identifier.strip():
        return FoundPage([], None)
    with connection.cursor() as cursor:
        if after:
            where.append("p.id > %s")
            values.append(rows.key(cursor, after))
        cursor.execute(
            f"select {_COLUMNS} from"  # noqa: S608 - our own columns and the policy's fragments
            " (select *, id as person_id, 0 as rid, cast(null as integer) as source_id from record_person) p"
            f" where {' and '.join(where)} order by p.id limit %s",
            [*values, limit + 1],
        )
        found = [_found(row) for row in cursor.fetchall()]
    more = len(found) > limit
    return FoundPage(found[:limit], found[limit - 1].person_id if more else None)


def _prefix(column: str) -> str:
    if connection.vendor == "postgresql":
        return f'({column} collate "C" >= %s and {column} collate "C" < %s)'
    return f"({column} >= %s and {column} < %s)"


def _bounds(prefix: str) -> list[str]:
    return [prefix, prefix + "\U0010ffff"]


def _found(row: Sequence[Any]) -> Found:
    born, died = (date.fromisoformat(v) if isinstance(v, str) else v for v in (row[3], row[8]))
    return Found(rows.person(row[0]), row[1], row[2], born, row[4], row[5], row[6], row[7], died)


def reviews(
    principal: Principal, *, reason: str = "", sampled: bool | None = None, offset: int = 0, limit: int = 50
) -> tuple[list[ReviewPair], int]:
    """Return the open pairs, most likely first, and how many there are."""
    policy.require(principal, "review", Target("identity_review"))
    query = ReviewPair.objects.filter(status=ReviewStatus.OPEN)
    if reason:
        query = query.filter(reason=reason)
    if sampled is not None:
        query = query.filter(sampled=sampled)
    return list(query.order_by("-score", "id")[offset : offset + limit]), query.count()


def pair(principal: Principal, pair_id: int) -> PairView | None:
    """Return a pair with both records side by side and each field's agreement; None if there is none."""
    policy.require(principal, "review", Target("identity_review"))
    found = ReviewPair.objects.filter(pk=pair_id).first()
    return side_by_side(found) if found else None


def side_by_side(found: ReviewPair) -> PairView:
    """Compare the two records of a pair field by field, with the weights in force."""
    left, right = _record(found.low_rid), _record(found.high_rid)
    with connection.cursor() as cursor:
        weigher = scorer(records(cursor))
    packed = dict(
        LinkFeatures.objects.filter(patient_rid__in=(found.low_rid, found.high_rid)).values_list(
            "patient_rid", "features"
        )
    )
    one, two = (unpack(bytes(packed[r])) for r in (found.low_rid, found.high_rid))
    fields = [
        FieldView(a.field, _shown(one, a.field), _shown(two, a.field), a.label, round(a.weight, 1))
        for a in weigher.explain(one, two)
    ]
    return PairView(found, left, right, fields, round(weigher.weight(one, two), 1))


def _shown(features: dict[str, str | None], name: str) -> str:
    letters, characters = features.get(name) or "", features.get(f"{name}_hanzi") or ""
    return f"{characters} ({letters})" if characters else letters


def _record(rid: int) -> RecordView:
    stored = Resource.objects.get(rid=rid)
    body = json.loads(bytes(stored.body)) if not stored.deleted else {}
    patient = read(body, today=date.today())
    held = golden.hold(rid, body, patient, source_id=stored.source_id)
    person = PatientLink.objects.get(patient_rid=rid).person_id
    return RecordView(rid, person, stored.source_id, held.values, [v for _, v in patient.identifiers])


def history(principal: Principal, person_id: UUID) -> list[LinkEvent]:
    """Return the decisions that a person was part of, newest first."""
    policy.require(principal, "read", Target("identity_review"))
    query = LinkEvent.objects.filter(Q(person_id=person_id) | Q(other_id=person_id))
    return list(query.select_related("reverses").order_by("-id"))


def joined_into(person_id: UUID) -> set[UUID]:
    """Return the persons whose records stand under this person today, by merges that hold."""
    found: set[UUID] = set()
    asked = {person_id}
    while asked:
        others = LinkEvent.objects.filter(person_id__in=asked, other_id__isnull=False)
        merged = Person.objects.filter(
            pk__in=set(others.values_list("other_id", flat=True)), merged_into__in=asked
        )
        asked = set(merged.values_list("pk", flat=True)) - found
        found |= asked
    return found


def current(person_id: UUID) -> UUID:
    """Return the person that an id stands for today, following merges."""
    seen = {person_id}
    while True:
        person = Person.objects.filter(id=person_id, merged_into__isnull=False).first()
        if person is None or person.merged_into is None or person.merged_into in seen:
            return person_id
        person_id = person.merged_into
        seen.add(person_id)
