"""What a write becomes: version, outcome, bytes, owner, history and feed."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from salus.kernel.errors import Invalid
from salus.kernel.ids import uuid7
from salus.record import store
from salus.record.rules.r4 import type_names
from salus.record.store import Op, VersionConflict, Write
from salus.record.store.writing import as_uuid

pytestmark = pytest.mark.django_db(databases=["default"])
NOW = datetime(2026, 3, 1, 8, 30, 0, 123456, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def cursor() -> Iterator[CursorWrapper]:
    with transaction.atomic(), connection.cursor() as cursor:
        yield cursor


def one(cursor: CursorWrapper, write: Write, now: datetime = NOW) -> store.Written:
    return store.write(cursor, [write], now=now)[0]


def patient(id_: str = "p1", **elements: Any) -> Write:
    return Write("Patient", id_, {"resourceType": "Patient", **elements})


def observation(id_: str, patient_id: str = "p1", **more: Any) -> Write:
    body = {
        "resourceType": "Observation",
        "status": "final",
        "subject": {"reference": f"Patient/{patient_id}"},
    }
    return Write("Observation", id_, body, **more)


def feed(cursor: CursorWrapper) -> list[tuple[str, UUID | None, int]]:
    """Return the feed's lines: on PostgreSQL `changes` shows a transaction's lines only after its end."""
    cursor.execute("select kind, person_id, op from record_change order by seq")
    return [(type_names()[kind], as_uuid(who), op) for kind, who, op in cursor.fetchall()]


def test_the_stored_bytes_are_the_resource_with_the_store_s_meta(cursor: CursorWrapper) -> None:
    sent = {
        "resourceType": "Patient",
        "id": "local",
        "meta": {"versionId": "77", "lastUpdated": "1999-01-01T00:00:00Z", "tag": [{"code": "t"}]},
        "gender": "male",
        "active": None,
    }
    written = one(cursor, Write("Patient", "p1", sent, source_id=7))
    assert orjson.loads(written.body) == {
        "resourceType": "Patient",
        "id": "p1",
        "meta": {
            "versionId": "1",
            "lastUpdated": "2026-03-01T08:30:00.123456Z",
            "source": "urn:salus:source:7",
            "tag": [{"code": "t"}],
        },
        "gender": "male",
    }
    found = store.read(cursor, "Patient", "p1")
    assert found is not None and found.body == written.body and found.source_id == 7
    assert sent["id"] == "local", "the caller's resource is left as it was"


def test_a_repeat_makes_no_version_whatever_the_order_of_its_elements(cursor: CursorWrapper) -> None:
    first = one(cursor, patient(gender="male", birthDate="1980"))
    again = one(cursor, patient(birthDate="1980", gender="male"), NOW + DAY)
    assert (again.outcome, again.version, again.body) == ("unchanged", 1, first.body)
    assert one(cursor, patient(gender="male", birthDate="1981")).outcome == "updated"
    assert len(store.history(cursor, "Patient", "p1")) == 2


def test_overlay_replaces_keeps_and_removes(cursor: CursorWrapper) -> None:
    one(cursor, patient(gender="male", birthDate="1980", active=True))
    body = {"resourceType": "Patient", "gender": "female", "active": None}
    written = one(cursor, Write("Patient", "p1", body, method="overlay"))
    resource = orjson.loads(written.body)
    assert (resource["gender"], resource["birthDate"], "active" in resource) == ("female", "1980", False)
    assert one(cursor, Write("Patient", "p9", body, method="overlay")).outcome == "created"


def test_overlay_of_a_period_keeps_the_end_that_is_not_given(cursor: CursorWrapper) -> None:
    stay = {"resourceType": "Encounter", "status": "in-progress", "period": {"start": "2026-01-01"}}
    one(cursor, Write("Encounter", "e1", stay, method="overlay"))
    left = {"resourceType": "Encounter", "status": "finished", "period": {"end": "2026-01-05"}}
    written = one(cursor, Write("Encounter", "e1", left, method="overlay"))
    assert orjson.loads(written.body)["period"] == {"start": "2026-01-01", "end": "2026-01-05"}


def test_ensure_creates_once_and_create_refuses(cursor: CursorWrapper) -> None:
    assert (
        one(cursor, Write("Patient", "p1", {"resourceType": "Patient"}, method="ensure")).outcome == "created"
    )
    kept = one(cursor, Write("Patient", "p1", {"resourceType": "Patient", "gender": "male"}, method="ensure"))
    assert (kept.outcome, b"gender" in kept.body) == ("unchanged", False)
    with pytest.raises(VersionConflict) as error:
        one(cursor, Write("Patient", "p1", {"resourceType": "Patient"}, method="create"))
    assert error.value.code == "already-exists"


def test_an_older_state_never_overwrites_a_newer(cursor: CursorWrapper) -> None:
    def at(when: datetime | None, gender: str, method: store.Method = "put") -> store.Written:
        return one(
            cursor,
            Write("Patient", "p1", {"resourceType": "Patient", "gender": gender}, method, source_time=when),
        )

    at(NOW, "male")
    assert at(NOW - DAY, "female").outcome == "stale"
    assert at(NOW - DAY, "female", "delete").outcome == "stale"
    assert at(NOW, "female").outcome == "updated"
    assert at(None, "other").outcome == "updated"
    assert at(NOW - DAY, "male").outcome == "stale", "a state without a time keeps the last known one"
    assert at(NOW + DAY, "other").outcome == "unchanged"
    assert at(NOW, "male").outcome == "stale", "an unchanged state still held at its time"


def test_delete_leaves_a_tombstone_that_can_be_written_again(cursor: CursorWrapper) -> None:
    assert one(cursor, Write("Patient", "p1", None, method="delete")).outcome == "unchanged"
    one(cursor, patient(gender="male"))
    gone = one(cursor, Write("Patient", "p1", None, method="delete"))
    assert (gone.outcome, gone.version, gone.body) == ("deleted", 2, b"")
    assert one(cursor, Write("Patient", "p1", None, method="delete")).outcome == "unchanged"
    assert (
        one(cursor, Write("Patient", "p1", {"resourceType": "Patient"}, method="ensure")).outcome
        == "unchanged"
    )
    back = one(cursor, patient(gender="male"))
    assert (back.outcome, back.version) == ("created", 3)
    versions = store.history(cursor, "Patient", "p1")
    assert [(v.version, v.deleted) for v in versions] == [(3, False), (2, True), (1, False)]
    assert [v.version for v in store.history(cursor, "Patient", "p1", limit=1, before=3)] == [2]
    assert store.vread(cursor, "Patient", "p1", 2) == versions[1]
    assert store.vread(cursor, "Patient", "p1", 4) is None


def test_if_version_guards_a_change(cursor: CursorWrapper) -> None:
    one(cursor, patient(gender="male"))
    with pytest.raises(VersionConflict) as error:
        one(cursor, Write("Patient", "p1", {"resourceType": "Patient"}, if_version=2))
    assert error.value.code == "version-conflict"
    assert one(cursor, Write("Patient", "p1", {"resourceType": "Patient"}, if_version=1)).version == 2
    assert one(cursor, Write("Patient", "p2", {"resourceType": "Patient"}, if_version=0)).version == 1


@pytest.mark.parametrize(
    ("write", "code"),
    [
        (Write("Patient", "a/b", {}), "bad-id"),
        (Write("Patient", "", {}), "bad-id"),
        (Write("Patients", "a", {}), "unknown-type"),
        (Write("Patient", "a", None), "no-body"),
        (Write("Patient", "a", {"x": {1, 2}}), "not-json"),
        (Write("Patient", "a", {"gender": "a\x00"}), "not-json"),
        (Write("Patient", "a", {"name": "x"}), "not-fhir"),
        (Write("Patient", "a", {"birthDate": "when"}), "not-fhir"),
    ],
)
def test_what_cannot_be_stored_is_a_typed_error(cursor: CursorWrapper, write: Write, code: str) -> None:
    with pytest.raises(Invalid) as error, transaction.atomic():
        store.write(cursor, [write], now=NOW)
    assert error.value.code == code
    assert feed(cursor) == []


def test_a_written_backslash_is_not_a_null(cursor: CursorWrapper) -> None:
    text = "\\u0000 \\\\"
    written = one(cursor, patient(name=[{"text": text}]))
    assert orjson.loads(written.body)["name"][0]["text"] == text


def test_dependants_follow_a_patient_that_comes_later(cursor: CursorWrapper) -> None:
    early = one(cursor, observation("o1"))
    assert early.person_id is None and early.patient_rid is not None
    assert store.read(cursor, "Patient", "p1") is None, "it has not come"
    assert store.history(cursor, "Patient", "p1") == []
    came = one(cursor, patient())
    assert (came.outcome, came.rid, came.version) == ("created", early.patient_rid, 1)
    person = uuid7()
    assert store.reassign(cursor, came.rid, person) == 2
    assert store.reassign(cursor, came.rid, person) == 0
    late = one(cursor, observation("o2"))
    assert late.person_id == person
    found = store.read(cursor, "Observation", "o1")
    assert found is not None and found.person_id == person
    moves = [(kind, who) for kind, who, op in feed(cursor) if op == Op.MOVE]
    assert sorted(moves) == [("Observation", person), ("Patient", person)]


def test_a_resource_that_names_another_patient_changes_person(cursor: CursorWrapper) -> None:
    people: list[UUID] = [uuid7(), uuid7()]
    for id_, person in zip(("p1", "p2"), people, strict=True):
        store.reassign(cursor, one(cursor, patient(id_)).rid, person)
    assert one(cursor, observation("o1", "p1")).person_id == people[0]
    assert one(cursor, observation("o1", "p2")).person_id == people[1]
    body = {"resourceType": "Observation", "status": "final", "subject": {"reference": "Group/g"}}
    assert one(cursor, Write("Observation", "o1", body)).person_id is None


def test_a_patient_may_arrive_with_its_person(cursor: CursorWrapper) -> None:
    person = uuid7()
    writes = [
        observation("o1"),
        Write("Patient", "p1", {"resourceType": "Patient"}, person_id=person),
        Write("Coverage", "c", {"resourceType": "Coverage", "beneficiary": {"reference": "Patient/p1"}}),
        Write("Organization", "g", {"resourceType": "Organization", "name": "x"}),
    ]
    assert [w.person_id for w in store.write(cursor, writes, now=NOW)] == [person, person, person, None]


def test_one_batch_is_as_its_writes_one_by_one(cursor: CursorWrapper) -> None:
    writes = [
        patient(gender="male"),
        patient(gender="female"),
        patient(gender="female"),
        Write("Patient", "p1", {"resourceType": "Patient", "active": True}, method="overlay"),
        Write("Patient", "p1", None, method="delete"),
        patient(gender="other"),
    ]
    written = store.write(cursor, writes, now=NOW)
    assert [w.outcome for w in written] == [
        "created",
        "updated",
        "unchanged",
        "updated",
        "deleted",
        "created",
    ]
    assert [w.version for w in written] == [1, 2, 2, 3, 4, 5]
    assert [v.body for v in store.history(cursor, "Patient", "p1")] == [
        written[5].body,
        b"",
        written[3].body,
        written[1].body,
        written[0].body,
    ]
    cursor.execute("select version, op from record_change order by seq")
    assert cursor.fetchall() == [
        (1, Op.CREATE),
        (2, Op.UPDATE),
        (3, Op.UPDATE),
        (4, Op.DELETE),
        (5, Op.CREATE),
    ]


def test_bodies_are_not_stored_twice(cursor: CursorWrapper) -> None:
    one(cursor, patient(gender="male"))
    one(cursor, patient(gender="female"))
    cursor.execute("select count(*) from record_history")
    assert cursor.fetchone() == (1,)


def test_an_empty_batch_is_nothing(cursor: CursorWrapper) -> None:
    assert store.write(cursor, [], now=NOW) == []
