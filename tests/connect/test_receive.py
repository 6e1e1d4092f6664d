"""A batch in: every message stored, repeated or dead, and nobody pays for a neighbour's fault."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from django.db import connection
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from salus.connect import ledger
from salus.connect.errors import Untranslatable
from salus.connect.models import FlowCount, Message, MessageRaw, SourceSystem
from salus.connect.pipeline import receive_batch
from salus.connect.preparing import Prepared, prepare
from salus.connect.queries import counts_balance, flow, recount
from salus.connect.services import Incoming, receive
from salus.connect.translation import Entry, SourceProfile, Translation
from salus.kernel.ids import server_id
from salus.kernel.models import AuditRow
from salus.record import store
from tests.connect.conftest import BOTH, observation, patient

pytestmark = pytest.mark.django_db(databases=BOTH)
Sources = Callable[..., SourceSystem]


def stored(kind: str, local: str, code: str = "his") -> dict[str, Any]:
    with connection.cursor() as cursor:
        found = store.read(cursor, kind, server_id(code, kind, local))
    assert found is not None
    return orjson.loads(found.body)


def test_stored_repeated_and_dead(source: Sources) -> None:
    his = source()
    items = [patient("a"), b"not json", patient("a"), observation("o", "a")]
    receipts = receive(his, [Incoming(raw) for raw in items])
    assert [receipt.status for receipt in receipts] == ["stored", "dead", "repeated", "stored"]
    assert receipts[1].code == "not-json"
    assert receipts[2].original_id == receipts[0].message_id
    assert stored("Observation", "o")["subject"]["reference"] == f"Patient/{server_id('his', 'Patient', 'a')}"
    assert flow(his) == recount(his)
    assert flow(his).balances


def test_a_repeat_later_changes_nothing(source: Sources) -> None:
    his = source()
    first = receive(his, [Incoming(patient("a"))])[0]
    again = receive(his, [Incoming(patient("a"))])[0]
    assert (again.status, again.original_id, again.accepted) == ("repeated", first.message_id, True)
    assert stored("Patient", "a")["meta"]["versionId"] == "1"
    assert MessageRaw.objects.count() == 1


def test_sources_do_not_share_ids(source: Sources) -> None:
    receive(source("one"), [Incoming(patient("a", gender="male"))])
    receive(source("two"), [Incoming(patient("a", gender="female"))])
    assert stored("Patient", "a", "one")["gender"] == "male"
    assert stored("Patient", "a", "two")["gender"] == "female"


def test_one_failing_write_leaves_its_neighbours(source: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    his = source()
    bad = server_id("his", "Observation", "o3")
    real = store.write

    def write(cursor: Any, writes: Any, **rest: Any) -> Any:
        if any(one.id == bad for one in writes):
            raise store.InvalidWrite("bad", "this one cannot be stored")
        return real(cursor, writes, **rest)

    monkeypatch.setattr(store, "write", write)
    items = [Incoming(patient("a")), *(Incoming(observation(f"o{n}", "a")) for n in range(7))]
    receipts = receive(his, items)
    assert [receipt.status for receipt in receipts].count("dead") == 1
    assert receipts[4].code == "bad"
    assert all(stored("Observation", f"o{n}") for n in (0, 1, 2, 4, 5, 6))
    assert counts_balance()


def test_a_programming_fault_is_a_dead_letter(source: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(raw: bytes, profile: Any) -> Any:
        raise KeyError("PID")

    monkeypatch.setattr("salus.connect.understanding.translate", stumble)
    receipt = receive(source(), [Incoming(patient())])[0]
    assert (receipt.status, receipt.code) == ("dead", "not-understood")


def test_an_older_state_never_overwrites(source: Sources) -> None:
    his = source()
    newer = patient("a", at="2026-02-01T00:00:00Z", gender="female")
    older = patient("a", at="2026-01-01T00:00:00Z", gender="male")
    receive(his, [Incoming(newer)])
    assert receive(his, [Incoming(older)])[0].status == "stored"
    assert stored("Patient", "a")["gender"] == "female"


def test_a_dead_letter_sent_again_tells_its_reason_again(source: Sources) -> None:
    his = source()
    first = receive(his, [Incoming(b"{}")])[0]
    again = receive(his, [Incoming(b"{}")])[0]
    assert (again.status, again.original_status, again.code) == ("repeated", "dead", "not-fhir")
    assert again.original_id == first.message_id
    assert not again.accepted


def test_a_dead_letter_sent_again_after_a_fix_is_stored(
    source: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    his = source()
    with monkeypatch.context() as patched:
        patched.setattr("salus.connect.preparing.kinds", dict)
        assert receive(his, [Incoming(patient("a"))])[0].code == "unknown-type"
    again = receive(his, [Incoming(patient("a"))])[0]
    assert (again.status, again.original_status) == ("repeated", "stored")
    assert stored("Patient", "a")
    assert flow(his) == recount(his)
    assert flow(his).stored == 1


def test_every_person_touched_has_an_audit_row(source: Sources) -> None:
    receive(source(), [Incoming(patient("a")), Incoming(patient("b")), Incoming(observation("o", "a"))])
    rows = AuditRow.objects.using("audit").filter(action="receive")
    assert rows.exclude(person_id=None).values("person_id").distinct().count() == 2


def test_an_unresolved_conditional_reference_keeps_its_identifier(source: Sources) -> None:
    his = source()
    performer = [{"reference": "Practitioner?identifier=urn:npi|77", "display": "Dr"}]
    receipt = receive(his, [Incoming(patient("a")), Incoming(observation("o", "a", performer=performer))])[1]
    assert receipt.warnings
    assert stored("Observation", "o")["performer"] == [
        {"display": "Dr", "type": "Practitioner", "identifier": {"system": "urn:npi", "value": "77"}}
    ]


def test_a_conditional_reference_finds_what_came_before_or_with_it(source: Sources) -> None:
    his = source()
    doctor = {"resourceType": "Practitioner", "id": "d", "identifier": [{"system": "urn:npi", "value": "77"}]}
    performer = [{"reference": "Practitioner?identifier=urn:npi|77"}]
    batch = [
        patient("a"),
        observation("early", "a", performer=performer),
        orjson.dumps(doctor),
    ]
    receive(his, [Incoming(raw) for raw in batch])
    receive(his, [Incoming(observation("late", "a", performer=performer))])
    wanted = {"reference": f"Practitioner/{server_id('his', 'Practitioner', 'd')}"}
    assert stored("Observation", "early")["performer"] == [wanted]
    assert stored("Observation", "late")["performer"] == [wanted]


def test_nothing_stays_of_a_batch_whose_commit_failed(
    source: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    his = source()

    def full(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(ledger, "count", full)
    with pytest.raises(OSError, match="disk full"):
        receive_batch(his, [Incoming(patient("a"))])
    assert Message.objects.count() == 0


def test_control_characters_of_a_hostile_message_reach_no_column(source: Sources) -> None:
    raw = b'{"resourceType":"Patient","id":"a\\u0000b","gender":"male"}'
    receipt = receive(source(), [Incoming(raw)])[0]
    message = Message.objects.get(pk=receipt.message_id)
    assert "\x00" not in message.control_id + message.reason + message.kind


STATES = st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 5)), min_size=1, max_size=14)


@hypothesis_settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(states=STATES, seed=st.randoms(use_true_random=False), size=st.integers(1, 6))
def test_any_interleaving_ends_alike_and_balances(source: Sources, states: Any, seed: Any, size: int) -> None:
    """The same messages, shuffled, doubled and cut into any batches, give the same record."""
    messages = [
        patient(
            local,
            at=f"2026-01-0{day}T00:00:00Z",
            gender=("male", "female")[day % 2],
            birthDate=f"2000-01-0{day}",
        )
        for local, day in states
    ]
    count = SourceSystem.objects.count()
    shuffled = [*messages, *messages]
    seed.shuffle(shuffled)
    ends = []
    for code, order in ((f"mix{count}", messages), (f"mix{count + 1}", shuffled)):
        system = source(code)
        for start in range(0, len(order), size):
            receive(system, [Incoming(raw) for raw in order[start : start + size]])
        assert flow(system) == recount(system)
        assert flow(system).received == len(order)
        ends.append(
            {
                local: {name: stored("Patient", local, code)[name] for name in ("gender", "birthDate")}
                for local, _ in states
            }
        )
    assert ends[0] == ends[1]


def test_the_database_refuses_counts_that_do_not_add_up(source: Sources) -> None:
    from django.db import IntegrityError, transaction

    with pytest.raises(IntegrityError), transaction.atomic():
        FlowCount.objects.create(source=source(), day="2026-01-01", received=3, stored=1, repeated=1, dead=0)


def test_a_placeholder_prepared_before_stays_what_it_was(source: Sources) -> None:
    profile = SourceProfile("ward-test", "hl7v2")

    def said(name: str, within: str = "h1") -> Prepared:
        ward = {"resourceType": "Location", "id": "w", "name": name}
        ward["partOf"] = {"reference": f"Location/{within}"}  # type: ignore[assignment]
        return prepare(profile.code, Translation("ADT", None, None, [Entry(ward, "ensure")]))

    first, again, other = said("East"), said("East"), said("West")
    assert first.writes == again.writes
    assert first.writes[0].body == {
        "resourceType": "Location",
        "id": server_id(profile.code, "Location", "w"),
        "name": "East",
        "partOf": {"reference": f"Location/{server_id(profile.code, 'Location', 'h1')}"},
    }
    assert other.writes[0].body is not None
    assert other.writes[0].body["name"] == "West"
    for _ in range(2):
        with pytest.raises(Untranslatable):
            said(7)  # type: ignore[arg-type]
        assert said("East", "?bad").warnings == said("East", "?bad").warnings
