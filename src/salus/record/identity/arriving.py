"""Patients that arrive: linked at once by what is certain, within a minute by what is likely."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import orjson
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from salus.kernel.ids import uuid7
from salus.record import json
from salus.record.identity import golden, rows
from salus.record.identity.engine import resident
from salus.record.identity.engine.resident import Features, Patient, agree, blocking_keys, pack, unpack
from salus.record.models import LinkKind
from salus.record.store import Written


@dataclass(frozen=True, slots=True)
class PersonLink:
    """Whose a patient record is, by which method: "new", "known" (linked before) or a kind of identifier."""

    patient_rid: int
    person_id: UUID
    method: str


@dataclass(slots=True)
class _Arrival:
    written: Written
    body: dict[str, Any]
    patient: Patient
    person: UUID | None = None
    method: str = "new"
    doubtful: list[tuple[int, str, tuple[str, ...]]] | None = None

    @property
    def rid(self) -> int:
        return self.written.rid


def link_patient(
    cursor: CursorWrapper, written: Written, *, institution_id: int | None = None, now: datetime | None = None
) -> PersonLink:
    """Link one Patient that was just written; see `link_patients`."""
    return link_patients(cursor, [written], institution_id=institution_id, now=now)[0]


def link_patients(
    cursor: CursorWrapper,
    written: Sequence[Written],
    *,
    institution_id: int | None = None,
    now: datetime | None = None,
) -> list[PersonLink]:
    """Link Patients that were just written to persons, in the writer's transaction; return each one's person.

    A record keeps the person it has. A new one joins the person whose record carries the same valid
    resident identity number, passport or temporary newborn id, unless name, birth date or sex contradict:
    then it becomes a person of its own and the pair goes to review. All others become new persons. All
    wait in the queue for `link_arriving`, which also chooses the golden record anew. `institution_id`
    runs the source: it has the patient in its care. Resources of the patient follow it to its person.
    """
    at = now or timezone.now()
    today = at.astimezone(UTC).date()
    arrivals = {w.rid: _read(w, today) for w in written if w.type == "Patient" and w.rid and w.body}
    held = _held(cursor, list(arrivals))
    for rid, person_id in held.items():
        arrivals[rid].person, arrivals[rid].method = person_id, "known"
    new = [a for a in arrivals.values() if a.person is None]
    _by_identifier(cursor, new)
    _make_persons(cursor, new, at)
    _keep(cursor, list(arrivals.values()), held, at)
    if institution_id is not None:
        care = [(rid, institution_id) for rid in arrivals]
        rows.insert_or_skip(cursor, "record_carerelation", "patient_rid, institution_id", care)
    _review_doubts(cursor, arrivals, at)
    rows.reassign_many(cursor, [(a.rid, a.person) for a in arrivals.values() if a.person], now=at)
    return [
        PersonLink(w.rid, a.person, a.method)
        for w in written
        if (a := arrivals.get(w.rid)) is not None and a.person is not None
    ]


def _read(written: Written, today: date) -> _Arrival:
    body = json.loads(written.body)
    return _Arrival(written, body, resident.read(body, today=today))


def _held(cursor: CursorWrapper, rids: Sequence[int]) -> dict[int, UUID]:
    sql = "select patient_rid, person_id from record_patientlink where patient_rid in ({marks})"
    return {rid: rows.person(p) for rid, p in rows.fetch_in(cursor, sql, rids)}


def _by_identifier(cursor: CursorWrapper, new: Sequence[_Arrival]) -> None:
    """Give new records the person of a record with the same strong identifier, where nothing contradicts."""
    wanted: dict[tuple[str, str], list[_Arrival]] = defaultdict(list)
    for one in new:
        for pair in one.patient.strong:
            wanted[pair].append(one)
    if not wanted:
        return
    if cursor.db.vendor == "postgresql":
        names = sorted({f"{system}|{value}" for system, value in wanted})
        cursor.execute(
            "select pg_advisory_xact_lock(k) from (select distinct hashtextextended(v, 7) k"
            " from unnest(%s::text[]) v order by 1) keys",
            [names],
        )
    found: dict[tuple[str, str], list[tuple[int, UUID, Features]]] = defaultdict(list)
    sql = (
        "select i.system, i.value, i.patient_rid, l.person_id, f.features from record_personidentifier i"
        " join record_patientlink l on l.patient_rid = i.patient_rid"
        " join record_linkfeatures f on f.patient_rid = i.patient_rid where i.value in ({marks})"
        " order by i.patient_rid"
    )
    for system, value, rid, person_id, packed in rows.fetch_in(cursor, sql, {v for _, v in wanted}):
        if (system, value) in wanted:
            found[system, value].append((rid, rows.person(person_id), unpack(bytes(packed))))
    for one in new:
        _decide(one, found)
        if one.person is None:
            one.person = uuid7()
        for pair in one.patient.strong:
            found[pair].append((one.rid, one.person, one.patient.features))


def _decide(one: _Arrival, found: dict[tuple[str, str], list[tuple[int, UUID, Features]]]) -> None:
    matches: dict[UUID, str] = {}
    doubts: list[tuple[int, str, tuple[str, ...]]] = []
    for system, value in one.patient.strong:
        for rid, person_id, features in found.get((system, value), ()):
            against = agree(one.patient.features, features)
            if one.patient.newborn and system == resident.NEWBORN:
                against = tuple(a for a in against if a != "name")
            if system == resident.RESIDENT_ID and one.patient.number_conflicts:
                against = against or ("number",)
            if against:
                doubts.append((rid, system, against))
            else:
                matches.setdefault(person_id, system)
    if len(matches) == 1 and not any(a == ("number",) for _, _, a in doubts):
        [(one.person, one.method)] = matches.items()
    elif matches:
        doubts += [
            (rid, system, ("several",))
            for system, value in one.patient.strong
            for rid, person_id, _ in found[system, value]
            if person_id in matches
        ]
    if one.person is None:
        one.doubtful = doubts
    else:
        one.doubtful = None


def _make_persons(cursor: CursorWrapper, new: Sequence[_Arrival], at: datetime) -> None:
    made: dict[UUID, list[Any]] = {}
    linked: list[tuple[Any, ...]] = []
    events: list[tuple[Any, ...]] = []
    when = rows.moment(cursor, at)
    for one in new:
        if one.person is None:
            one.person = uuid7()
        person = rows.key(cursor, one.person)
        kind = LinkKind.CREATE if one.method == "new" else LinkKind.LINK
        if one.method == "new":
            shown = golden.choose([golden.hold(one.rid, one.body, one.patient)])
            made[one.person] = [person, "active", *golden.row(cursor, shown, at)]
        events.append((when, kind.value, "machine", one.method, person, one.rid))
        linked.append((one.rid, person, one.method))
    width = ", ".join(["%s"] * (2 + golden.COLUMNS.count(",") + 1))
    rows.many(
        cursor,
        f"insert into record_person (id, status, {golden.COLUMNS}) values ({width})",  # noqa: S608 - our own columns
        list(made.values()),
    )
    rows.many(
        cursor,
        "insert into record_linkevent (at, kind, actor, method, person_id, patient_rid)"
        " values (%s, %s, %s, %s, %s, %s)",
        events,
    )
    rows.many(
        cursor, "insert into record_patientlink (patient_rid, person_id, method) values (%s, %s, %s)", linked
    )


def _keep(cursor: CursorWrapper, arrivals: Sequence[_Arrival], held: dict[int, UUID], at: datetime) -> None:
    """Keep features, blocking keys, identifiers and contracts of the records; queue them."""
    sql = "select patient_rid, features from record_linkfeatures where patient_rid in ({marks})"
    before = {
        rid: bytes(f) for rid, f in rows.fetch_in(cursor, sql, [a.rid for a in arrivals if a.rid in held])
    }
    packed = {a.rid: pack(a.patient.features) for a in arrivals}
    changed = [a for a in arrivals if before.get(a.rid) != packed[a.rid]]
    gone = [(key, a.rid) for a in changed if a.rid in before for key in blocking_keys(unpack(before[a.rid]))]
    rows.many(cursor, "delete from record_blockingkey where key = %s and patient_rid = %s", gone)
    kept = [(key, a.rid) for a in changed for key in blocking_keys(a.patient.features)]
    rows.insert_or_skip(cursor, "record_blockingkey", "key, patient_rid", kept)
    rows.many(
        cursor,
        "insert into record_linkfeatures (patient_rid, features, conflicts, newborn) values (%s, %s, %s, %s)"
        " on conflict (patient_rid) do update set features = excluded.features,"
        " conflicts = excluded.conflicts, newborn = excluded.newborn",
        [(a.rid, packed[a.rid], a.patient.number_conflicts, a.patient.newborn) for a in changed],
    )
    again = [(a.rid,) for a in arrivals if a.rid in held]
    rows.many(cursor, "delete from record_personidentifier where patient_rid = %s", again)
    names = [(s, v, a.rid) for a in arrivals for s, v in {*a.patient.identifiers, *a.patient.strong}]
    rows.insert_or_skip(cursor, "record_personidentifier", "system, value, patient_rid", names)
    rows.many(cursor, "delete from record_contract where patient_rid = %s", again)
    contracts = [(a.rid, code) for a in arrivals for code in _doctors(a.body)]
    rows.insert_or_skip(cursor, "record_contract", "patient_rid, code", contracts)
    when = rows.moment(cursor, at)
    rows.insert_or_skip(cursor, "record_linkqueue", "patient_rid, queued", [(a.rid, when) for a in arrivals])


def _doctors(body: dict[str, Any]) -> list[str]:
    """Return the codes, or references, of a Patient's general practitioners."""
    found = []
    value = body.get("generalPractitioner")
    for item in value if isinstance(value, list) else ():
        if not isinstance(item, dict):
            continue
        identifier, reference = item.get("identifier"), item.get("reference")
        if isinstance(identifier, dict) and isinstance(identifier.get("value"), str):
            found.append(identifier["value"][:120])
        elif isinstance(reference, str) and reference.startswith(("Practitioner", "Organization")):
            found.append(reference[:120])
    return list(dict.fromkeys(found))


def _review_doubts(cursor: CursorWrapper, arrivals: dict[int, _Arrival], at: datetime) -> None:
    found = []
    for one in arrivals.values():
        for rid, system, against in one.doubtful or ():
            low, high = sorted((one.rid, rid))
            evidence = orjson.dumps({"identifier": system, "against": list(against)}).decode()
            reason = "identifier-" + ("several" if against == ("several",) else "contradicts")
            found.append((low, high, reason, evidence, "open", rows.moment(cursor, at), False, ""))
    columns = "low_rid, high_rid, reason, evidence, status, created, sampled, decided_by"
    rows.insert_or_skip(cursor, "record_reviewpair", columns, found)
