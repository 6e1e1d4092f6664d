"""The chain: durable, once only, and every kind of tampering is found."""

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connections, transaction
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from salus.kernel import audit, policy
from salus.kernel.audit import chain as chains
from salus.kernel.audit import fhir, intents, queries
from salus.kernel.audit.entries import canonical, fields
from salus.kernel.audit.heads import Head, HeadsFile, Keyring, Signer, heads_path, keys_folder
from salus.kernel.errors import NotAllowed
from salus.kernel.models import AuditChain, AuditIntent, AuditRow, AuditSettled

BOTH = ["default", "audit"]
durable = pytest.mark.django_db(transaction=True, databases=BOTH)


def entry(number: int = 0, **changes: Any) -> audit.AuditEntry:
    values: dict[str, Any] = {
        "actor": "doctor",
        "action": "read",
        "roles": ("clinician",),
        "person_id": UUID(int=number % 5),
        "resource_type": "Observation",
        "resource_id": str(number),
        "purpose": "TREAT",
    }
    return audit.AuditEntry(**values | changes)


def write(rows: int, *, batch: int = 7) -> None:
    for start in range(0, rows, batch):
        audit.record([entry(number) for number in range(start, min(rows, start + batch))])


def run_sql(sql: str, *params: Any) -> None:
    with connections["audit"].cursor() as cursor:
        cursor.execute(sql, list(params))


def kinds(report: audit.Report) -> set[str]:
    return {finding.kind for finding in report.findings}


@durable
def test_what_was_recorded_verifies() -> None:
    write(100)
    report = audit.verify()
    assert report.ok and report.rows == 100 and report.heads >= 1


@durable
def test_rows_are_in_the_database_when_record_returns() -> None:
    audit.record([entry(1), entry(2)])
    assert AuditRow.objects.count() == 2


@durable
def test_many_threads_share_one_chain_and_lose_nothing() -> None:
    def work(base: int) -> None:
        for number in range(20):
            audit.record([entry(base + number)])

    threads = [threading.Thread(target=work, args=(base * 100,)) for base in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert AuditRow.objects.count() == 160
    assert AuditChain.objects.count() == 1
    assert audit.verify().ok


@durable
def test_many_tasks_of_an_event_loop_share_commits() -> None:
    async def work() -> None:
        await asyncio.gather(*(audit.record_async([entry(number)]) for number in range(300)))

    asyncio.run(work())
    assert AuditRow.objects.count() == 300
    assert audit.verify().ok


@durable
def test_who_does_not_wait_is_told_when_the_rows_are_durable() -> None:
    told: list[tuple[BaseException | None, int]] = []
    heard = threading.Event()

    def done(error: BaseException | None) -> None:
        told.append((error, AuditRow.objects.count()))
        connections["audit"].close()
        heard.set()

    audit.record_then([entry(1), entry(2)], done)
    assert heard.wait(10)
    heard.clear()
    with transaction.atomic(), connections["default"].cursor() as cursor:
        wanted = [audit.intend(cursor, [entry(number)]) for number in (3, 4)]
    audit.settle_then([*wanted, wanted[0]], done)
    assert heard.wait(10)
    assert told == [(None, 2), (None, 4)]
    audit.record_then([], done)
    assert told[2] == (None, 4)
    assert audit.verify().ok


@durable
def test_a_process_takes_a_free_chain_over_instead_of_making_new_ones() -> None:
    for _ in range(5):
        write(3)
        audit.close()
    assert AuditChain.objects.count() == 1
    assert audit.verify().rows == 15


@durable
def test_a_chain_held_by_a_living_process_is_left_alone() -> None:
    write(3)
    second = chains.Appender(Signer(keys_folder()), "elsewhere:1:x")
    second.write([chains.Item([fields(entry(1))])])
    assert AuditChain.objects.count() == 2
    assert audit.verify().rows == 4


@durable
def test_a_chain_of_a_killed_process_of_this_host_is_taken_over_at_once() -> None:
    write(3)
    audit.close()
    owner = chains.new_owner().split(":")
    AuditChain.objects.update(owner=f"{owner[0]}:{2**22 + 1}:x", lease_until=2**60)
    write(3)
    assert AuditChain.objects.count() == 1


@durable
def test_an_owner_whose_chain_was_taken_writes_to_another() -> None:
    write(3)
    AuditChain.objects.update(owner="elsewhere:1:x", lease_until=2**60)
    write(3)
    assert AuditChain.objects.count() == 2
    assert audit.verify().ok


TAMPERINGS: dict[str, Callable[[], None]] = {
    "altered column": lambda: run_sql("update kernel_auditrow set actor = 'nobody' where resource_id = '20'"),
    "altered detail": lambda: run_sql("update kernel_auditrow set detail = '{}' where resource_id = '20'"),
    "altered person": lambda: run_sql("update kernel_auditrow set person_id = null where resource_id = '20'"),
    "altered hash": lambda: run_sql(
        "update kernel_auditrow set hash = %s where resource_id = '20'", b"x" * 32
    ),
    "altered last row": lambda: run_sql(
        "update kernel_auditrow set outcome = 'refused' where resource_id = '49'"
    ),
    "deleted": lambda: run_sql("delete from kernel_auditrow where resource_id = '20'"),
    "deleted first": lambda: run_sql("delete from kernel_auditrow where resource_id = '0'"),
    "deleted many": lambda: run_sql("delete from kernel_auditrow where at > 0 and mod(id, 3) = 0"),
    "deleted all": lambda: run_sql("delete from kernel_auditrow"),
    "inserted": lambda: insert_row(20),
    "inserted at the end": lambda: append_row(),
    "inserted in a chain of its own": lambda: append_row(chain=77),
    "reordered": lambda: swap(20, 21),
    "deleted and closed up": lambda: close_up(20),
    "cut tail": lambda: cut_tail(30),
    "whole chain removed": lambda: remove_chain(),
}


def seq_of(number: int) -> int:
    return AuditRow.objects.get(resource_id=str(number)).pk


def swap(one: int, other: int) -> None:
    first, second = seq_of(one), seq_of(other)
    run_sql("update kernel_auditrow set id = -1 where id = %s", first)
    run_sql("update kernel_auditrow set id = %s where id = %s", first, second)
    run_sql("update kernel_auditrow set id = %s where id = -1", second)


def shift(after: int, by: int) -> None:
    rows = list(AuditRow.objects.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True))
    for key in reversed(rows) if by > 0 else rows:
        run_sql("update kernel_auditrow set id = %s where id = %s", key + by, key)


def insert_row(after: int) -> None:
    key = seq_of(after)
    shift(key, 1)
    row = AuditRow.objects.get(pk=key)
    row.pk = key + 1
    row.save(force_insert=True)
    AuditChain.objects.update(head_seq=51)


def append_row(chain: int | None = None) -> None:
    """Insert a row that is hashed rightly, as somebody would who knows how but has no key."""
    last = AuditRow.objects.order_by("-pk")[0]
    key = last.pk + 1 if chain is None else chains.row_id(chain, 1)
    before = bytes(last.hash) if chain is None else chains.GENESIS
    row = fields(entry(99))
    digest = chains.sha256(before + canonical(key, row)).digest()
    with connections["audit"].cursor() as cursor:
        chains._insert(cursor, [(key, *row, digest)], connections["audit"].vendor == "postgresql")


def close_up(number: int) -> None:
    key = seq_of(number)
    AuditRow.objects.filter(pk=key).delete()
    shift(key, -1)
    AuditChain.objects.update(head_seq=49)


def cut_tail(keep: int) -> None:
    """Remove the newest rows and set the chain's end back, all of it consistent within the database."""
    key = seq_of(keep)
    AuditRow.objects.filter(pk__gt=key).delete()
    row = AuditRow.objects.get(pk=key)
    AuditChain.objects.update(head_seq=row.seq, head_hash=bytes(row.hash))


def remove_chain() -> None:
    AuditRow.objects.all().delete()
    AuditChain.objects.all().delete()


@durable
@pytest.mark.parametrize("name", TAMPERINGS)
def test_tampering_is_found(name: str) -> None:
    write(50)
    audit.close()
    assert audit.verify().ok
    TAMPERINGS[name]()
    report = audit.verify()
    assert not report.ok, name


@durable
def test_somebody_who_rewrites_the_whole_chain_has_no_key_to_sign_it() -> None:
    write(50)
    audit.close()
    AuditRow.objects.filter(resource_id="20").update(actor="nobody")
    digest = chains.GENESIS
    names = ", ".join(("id", *chains.COLUMNS))
    with connections["audit"].cursor() as cursor:
        cursor.execute(f"select {names} from kernel_auditrow order by id")
        rows = cursor.fetchall()
    for row in rows:
        digest = chains.sha256(digest + canonical(row[0], audit.verifying.stored_fields(row[1:]))).digest()
        AuditRow.objects.filter(pk=row[0]).update(hash=digest)
    AuditChain.objects.update(head_hash=digest)
    assert kinds(audit.verify()) >= {"head", "altered"}


def _copy() -> dict[str, list[tuple[Any, ...]]]:
    copied = {}
    with connections["audit"].cursor() as cursor:
        for table in ("kernel_auditrow", "kernel_auditchain"):
            cursor.execute(f"select * from {table}")
            copied[table] = [tuple(row) for row in cursor.fetchall()]
    return copied


def _put_back(copied: dict[str, list[tuple[Any, ...]]]) -> None:
    with transaction.atomic(using="audit"), connections["audit"].cursor() as cursor:
        for table, rows in copied.items():
            cursor.execute(f"delete from {table}")
            marks = ", ".join(["%s"] * len(rows[0]))
            cursor.executemany(f"insert into {table} values ({marks})", rows)


@durable
def test_an_older_database_put_back_is_found_even_after_it_went_on() -> None:
    write(30)
    audit.close()
    older = _copy()
    write(30)
    audit.close()
    _put_back(older)
    assert kinds(audit.verify()) == {"cut"}
    write(40)
    audit.close()
    assert "altered" in kinds(audit.verify())


@durable
def test_a_copy_of_the_heads_kept_elsewhere_outlives_the_installations_own(tmp_path: Path) -> None:
    write(30)
    audit.close()
    elsewhere = tmp_path / "elsewhere.jsonl"
    elsewhere.write_bytes(heads_path().read_bytes())
    remove_chain()
    heads_path().unlink()
    assert audit.verify().ok
    assert kinds(audit.verify(heads_file=elsewhere)) == {"cut"}


@durable
def test_a_forged_or_broken_head_is_found_but_a_line_cut_by_a_power_loss_is_not() -> None:
    write(10)
    audit.close()
    with heads_path().open("ab") as file:
        file.write(b'{"chain":1,"se')
    assert audit.verify().ok
    with heads_path().open("ab") as file:
        file.write(b"\n" + Head(1, 4, b"\1" * 32, 1, "feed", b"\2" * 64).line())
    assert kinds(audit.verify()) == {"head", "heads-file"}


def test_the_heads_file_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from salus.kernel.audit import heads

    monkeypatch.setattr(heads, "COMPACT_AT", 20_000)
    signer, file = Signer(tmp_path / "keys"), HeadsFile(tmp_path / "heads.jsonl")
    for number in range(300):
        file.append(signer.sign(1 + number % 2, number, number.to_bytes(32), number * 10**9))
    read, broken = file.read()
    assert (tmp_path / "heads.jsonl").stat().st_size <= 21_000
    assert broken == 0 and max(head.seq for head in read) == 299
    assert all(Keyring(tmp_path / "keys").genuine(head) for head in read)


def test_the_signing_key_is_its_owners_alone(tmp_path: Path) -> None:
    first, second = Signer(tmp_path / "keys"), Signer(tmp_path / "keys")
    assert first.key_id == second.key_id
    assert (tmp_path / "keys" / "audit-signing.pem").stat().st_mode & 0o777 == 0o600


@durable
def test_an_intent_lives_and_dies_with_its_transaction() -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic(), connections["default"].cursor() as cursor:
        audit.intend(cursor, [entry(1)])
        raise ZeroDivisionError
    assert audit.recover() == 0 and AuditRow.objects.count() == 0
    with transaction.atomic(), connections["default"].cursor() as cursor:
        intent = audit.intend(cursor, [entry(1), entry(2)])
    audit.settle(intent)
    assert AuditRow.objects.count() == 2


@durable
def test_an_intent_left_by_a_killed_process_is_settled_once() -> None:
    with transaction.atomic(), connections["default"].cursor() as cursor:
        intent = audit.intend(cursor, [entry(1)])
    assert audit.recover() == 1
    audit.settle(intent)
    assert audit.recover() == 0
    assert AuditRow.objects.count() == 1 and AuditIntent.objects.count() == 0
    assert audit.verify().ok


@durable
def test_settling_twice_at_the_same_time_writes_once() -> None:
    with transaction.atomic(), connections["default"].cursor() as cursor:
        intent = audit.intend(cursor, [entry(1)])
    threads = [threading.Thread(target=audit.settle, args=(intent,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert AuditRow.objects.count() == 1


@durable
def test_settled_intents_are_cleared_with_the_next_one() -> None:
    for number in range(3):
        with transaction.atomic(), connections["default"].cursor() as cursor:
            intent = audit.intend(cursor, [entry(number)])
        audit.settle(intent)
    assert AuditIntent.objects.count() <= 1


@durable
def test_marks_of_settled_intents_are_dropped_when_old(monkeypatch: pytest.MonkeyPatch) -> None:
    with transaction.atomic(), connections["default"].cursor() as cursor:
        audit.settle(audit.intend(cursor, [entry(1)]))
    audit.recover()
    assert AuditSettled.objects.count() == 1
    monkeypatch.setattr(intents, "_KEEP_SETTLED", -5000)
    audit.recover()
    assert AuditSettled.objects.count() == 0


@durable
def test_odd_texts_neither_fail_nor_break_the_chain() -> None:
    odd = "\0\ud800" + "名" * 500
    audit.record(
        [
            entry(1, actor=odd, action=odd, resource_id=odd, detail={"x": odd, "y": {1, 2}}),
            entry(2, detail={"a": "b" * 9000}),
        ]
    )
    audit.close()
    assert audit.verify().ok and AuditRow.objects.count() == 2


@durable
def test_an_audit_that_cannot_be_stored_stops_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    from salus.kernel.audit import writer

    monkeypatch.setattr(writer, "_RETRIES", (0.0,))
    monkeypatch.setattr(chains, "_insert", lambda *args: run_sql("select * from no_such_table"))
    with pytest.raises(audit.AuditUnavailable):
        audit.record([entry(1)])
    monkeypatch.undo()
    audit.record([entry(2)])
    assert AuditRow.objects.count() == 1


@durable
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_child_does_not_share_its_parents_chain() -> None:
    from salus.kernel.audit import writer

    write(1)
    parent = writer._current()
    old = parent.pid
    try:
        parent.pid = -1
        assert writer._current() is not parent
    finally:
        parent.pid = old
        writer._writer = parent


@pytest.mark.django_db(databases=BOTH)
def test_inside_a_transaction_on_the_audit_database_rows_join_it() -> None:
    audit.record([entry(1)])
    audit.record([entry(2)])
    assert AuditRow.objects.count() == 2
    assert not heads_path().exists()
    assert audit.verify().ok


@pytest.fixture
def people(db: None, account: Callable[..., Any]) -> Iterator[dict[str, policy.Principal]]:
    person = UUID(int=1)
    yield {
        "auditor": policy.principal_for(account("auditor", "auditor")),
        "resident": policy.principal_for(account("resident", "resident", person_id=person)),
        "clinician": policy.principal_for(account("clinician", "clinician")),
    }


@pytest.mark.django_db(databases=BOTH)
def test_the_auditor_pages_through_everything_once(people: dict[str, policy.Principal]) -> None:
    audit.record([entry(number, at=1_000 + number // 4) for number in range(50)])
    found, after = [], None
    while True:
        page = queries.search(people["auditor"], queries.AuditFilter(), limit=7, after=after)
        found += [row.resource_id for row in page.rows]
        audit.record([entry(1000, at=10**15)])
        if (after := page.next) is None:
            break
    assert [int(number) for number in found] == list(range(49, -1, -1))


@pytest.mark.django_db(databases=BOTH)
def test_only_an_auditor_searches_the_audit(people: dict[str, policy.Principal]) -> None:
    for who in ("resident", "clinician"):
        with pytest.raises(NotAllowed):
            queries.search(people[who], queries.AuditFilter())


@pytest.mark.django_db(databases=BOTH)
def test_a_resident_sees_who_read_her_record_and_no_one_elses(people: dict[str, policy.Principal]) -> None:
    audit.record([entry(1), entry(2), entry(6, action="update", break_glass=True, actor="li")])
    seen, more = queries.accesses(people["resident"], UUID(int=1))
    assert more is None and [(access.what, access.resource_type) for access in seen] == [
        ("Changed", "Observation"),
        ("Read", "Observation"),
    ]
    assert seen[0].emergency and seen[0].who == "Hospital clinician" and seen[0].why == "Treatment"
    with pytest.raises(NotAllowed):
        queries.accesses(people["resident"], UUID(int=2))


@pytest.mark.django_db(databases=BOTH)
def test_rows_leave_as_fhir_audit_events() -> None:
    audit.record(
        [entry(1, detail={"count": 3}), entry(2, outcome="refused", action="search", resource_id="")]
    )
    first, second = (fhir.audit_event(row) for row in queries.rows())
    assert first["type"]["code"] == "rest" and first["action"] == "R" and first["outcome"] == "0"
    assert first["entity"][1]["what"] == {"reference": "Observation/1"}
    assert first["entity"][1]["detail"] == [{"type": "count", "valueString": "3"}]
    assert second["outcome"] == "4" and second["subtype"][0]["code"] == "search-type"
    assert len(list(fhir.ndjson(queries.rows()))) == 2


@hypothesis_settings(max_examples=60, deadline=None)
@given(
    a=st.builds(
        audit.AuditEntry, actor=st.text(max_size=5), action=st.text(max_size=5), at=st.integers(1, 9)
    ),
    b=st.builds(
        audit.AuditEntry, actor=st.text(max_size=5), action=st.text(max_size=5), at=st.integers(1, 9)
    ),
)
def test_different_entries_have_different_bytes(a: audit.AuditEntry, b: audit.AuditEntry) -> None:
    assert (fields(a) == fields(b)) == (canonical(1, fields(a)) == canonical(1, fields(b)))
    assert canonical(1, fields(a)) != canonical(2, fields(a))


@durable
def test_a_head_says_which_row_it_speaks_of() -> None:
    write(5)
    audit.close()
    read, _ = HeadsFile(heads_path()).read()
    row = AuditRow.objects.order_by("-pk")[0]
    assert (read[-1].chain, read[-1].seq, read[-1].hash) == (row.chain, row.seq, bytes(row.hash))
    assert uuid4() != row.person_id
