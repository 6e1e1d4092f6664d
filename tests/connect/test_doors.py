"""The other doors: documents, database pulls, REST writes, the watch folder, notices."""

import os
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pytest
from django.db import connection

from salus.connect import jobs, pulling
from salus.connect.documents import translate
from salus.connect.errors import Untranslatable
from salus.connect.journal import ConnectJournal
from salus.connect.models import Load, Message, PullSchedule, RestAnswer, SourceSystem
from salus.connect.queries import counts_balance, flow
from salus.connect.services import Incoming, receive
from salus.connect.translation import SourceProfile
from salus.kernel.errors import Invalid
from salus.kernel.ids import server_id
from salus.kernel.models import Account, Notification, RoleGrant
from salus.record import store
from salus.record.fhir.journal import Arrival, Closing, Reply
from tests.connect.conftest import BOTH, patient

Sources = Callable[..., SourceSystem]
database = pytest.mark.django_db(databases=BOTH)

SHARED_DOCUMENT = """<?xml version="1.0" encoding="UTF-8"?>
<ClinicalDocument xmlns="urn:hl7-org:v3">
<realmCode code="CN"/><typeId root="2.16.840.1.113883.1.3" extension="POCD_MT000040"/>
<id root="2.16.156.10011.1.1" extension="RN001"/><code code="C0007" codeSystem="2.16.156.10011.2.4"/>
<title>检验报告</title><effectiveTime value="20240102093000"/>
<languageCode code="zh-CN"/><setId/><versionNumber/>
<recordTarget><patientRole><id root="2.16.156.10011.1.33" extension="R1"/>
<id root="2.16.156.10011.1.11" extension="MZ001"/><telecom value="tel:13800000000"/>
<patient><id root="2.16.156.10011.1.3" extension="110101199003078515"/><name>张三</name>
<administrativeGenderCode code="1" codeSystem="2.16.156.10011.2.3.3.4"/><birthTime value="19900307"/>
</patient>
</patientRole></recordTarget>
<author><assignedAuthor><id root="2.16.156.10011.1.7" extension="D1"/>
<assignedPerson><name>李医生</name></assignedPerson></assignedAuthor></author>
<custodian><assignedCustodian><representedCustodianOrganization>
<id root="2.16.156.10011.1.5" extension="45"/><name>第一医院</name>
</representedCustodianOrganization></assignedCustodian></custodian>
</ClinicalDocument>"""


def body(kind: str, local: str, code: str) -> dict[str, Any]:
    with connection.cursor() as cursor:
        found = store.read(cursor, kind, server_id(code, kind, local))
    assert found is not None
    return orjson.loads(found.body)


@database
def test_a_shared_document_is_kept_whole_and_indexed(source: Sources) -> None:
    receipt = receive(source("docs", "document"), [Incoming(SHARED_DOCUMENT.encode())])[0]
    assert (receipt.status, receipt.kind, receipt.warnings) == ("stored", "document C0007", ())
    local = "2.16.156.10011.1.1|RN001"
    index = body("DocumentReference", local, "docs")
    person = "2.16.156.10011.1.3|110101199003078515"
    assert index["subject"]["reference"] == f"Patient/{server_id('docs', 'Patient', person)}"
    assert index["date"] == "2024-01-02T09:30:00+08:00"
    assert index["custodian"]["display"] == "第一医院"
    assert index["author"][0]["display"] == "李医生"
    attachment = index["content"][0]["attachment"]
    assert attachment["url"] == f"Binary/{server_id('docs', 'Binary', local)}"
    assert attachment["size"] == len(SHARED_DOCUMENT.encode())
    made = body("Patient", person, "docs")
    assert (made["gender"], made["birthDate"]) == ("male", "1990-03-07")
    assert {one["system"] for one in made["identifier"]} == {
        "urn:oid:2.16.156.10011.1.3",
        "urn:oid:2.16.156.10011.1.11",
    }


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>', "xml-doctype"),
        ('<!DOCTYPE l [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><l>&b;</l>', "xml-doctype"),
        ("<x>", "not-xml"),
        ("<x/>", "not-a-document"),
        ("<a>" * 5000, "too-deep"),
        (SHARED_DOCUMENT.replace("110101199003078515", "").replace("MZ001", ""), "no-patient"),
        (SHARED_DOCUMENT.replace("20240102093000", "soon"), "no-document-time"),
        (SHARED_DOCUMENT.replace("20240102093000", "20241332"), "no-document-time"),
    ],
)
def test_documents_that_are_refused(text: str, code: str) -> None:
    with pytest.raises(Untranslatable) as fault:
        translate(text.encode(), SourceProfile("docs", "document"))
    assert fault.value.code == code


PULL_MAPPING = """
[[table]]
name = "people"
time = "CHANGED"
[[table.resource]]
type = "Patient"
id = "{ID}"
[table.resource.set]
"gender" = "{SEX}"
[[pull]]
name = "people"
table = "people"
url_env = "TEST_PULL_URL"
query = '''
select id as "ID", sex as "SEX", changed as "CHANGED" from people
where changed >= :watermark order by changed, id limit :limit'''
watermark = "CHANGED"
start = "2026-01-01 00:00:00"
batch = 2
"""


def pull_source(source: Sources) -> PullSchedule:
    from salus.connect.sources import set_mapping

    lis = source("lis", "database")
    set_mapping(lis, PULL_MAPPING)
    return PullSchedule.objects.select_related("source").get()


@database
def test_a_pull_goes_on_from_its_watermark(
    source: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = pull_source(source)
    place = tmp_path / "his.sqlite"
    his = sqlite3.connect(place)
    his.execute("create table people (id integer, sex text, changed text)")
    rows = [(n, "male", "2026-03-01 08:00:00") for n in range(5)]
    his.executemany("insert into people values (?, ?, ?)", [*rows, (9, "telex", "2026-03-02 08:00:00")])
    his.commit()
    monkeypatch.setenv("TEST_PULL_URL", f"sqlite:///{place}")
    done = pulling.run_pull(schedule)
    assert (done.failure, done.stored, done.dead) == ("", 5, 1)
    schedule.refresh_from_db()
    assert schedule.watermark == "2026-03-02 08:00:00"
    his.execute("insert into people values (10, 'female', '2026-03-03 08:00:00')")
    his.commit()
    again = pulling.run_pull(schedule)
    assert (again.stored, again.dead, again.failure) == (1, 0, "")
    with pytest.raises(sqlite3.OperationalError, match=r"readonly|read-only"):
        pulling.open_database(f"sqlite:///{place}", "delete from people")[1]("", 1)
    his.close()
    assert counts_balance()


@database
@pytest.mark.postgres
def test_a_pull_from_postgresql_cannot_write(source: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("this run is on SQLite; the whole run is made on PostgreSQL too")
    facts = connection.settings_dict
    address = f"postgresql://{facts['USER']}@{facts['HOST']}:{facts['PORT']}/{facts['NAME']}"
    schedule = pull_source(source)
    schedule.query = (
        'select 1 as "ID", \'male\' as "SEX", timestamp \'2026-03-01 08:00\' as "CHANGED" '
        "where timestamp '2026-03-01 08:00' >= :watermark limit :limit"
    )
    schedule.save()
    monkeypatch.setenv("TEST_PULL_URL", address)
    assert pulling.run_pull(schedule).stored == 1
    opened, fetch = pulling.open_database(address, "create table evil as select :watermark, :limit")
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        fetch("x", 1)
    opened.close()


@database
def test_a_pull_that_cannot_be_made_says_why_without_the_address(
    source: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = pull_source(source)
    monkeypatch.delenv("TEST_PULL_URL", raising=False)
    assert "TEST_PULL_URL" in pulling.run_pull(schedule).failure
    monkeypatch.setenv("TEST_PULL_URL", "postgresql://user:secret@127.0.0.1:1/none")
    failure = pulling.run_pull(schedule).failure
    assert failure
    assert "secret" not in failure
    assert jobs.run_due_pulls() == 0  # it ran just now


@pytest.mark.parametrize(
    "query",
    [
        "delete from t where a > :watermark limit :limit",
        "select 1",
        "select :watermark, :limit; drop table t",
    ],
)
def test_a_query_that_is_no_single_select(query: str) -> None:
    with pytest.raises(Invalid):
        pulling.check_query(query)


def arrival(source: SourceSystem, raw: bytes, **fields: Any) -> Arrival:
    values: dict[str, Any] = {
        "source_id": source.pk,
        "method": "POST",
        "target": "Patient",
        "body": raw,
        "request_id": None,
        "received": datetime.now(UTC),
        "repeatable": True,
    }
    return Arrival(**(values | fields))


@database
def test_rest_writes_are_messages_and_repeats_get_the_first_answer(source: Sources) -> None:
    his, journal = source(), ConnectJournal()
    reply = Reply(201, (("Location", "Patient/1"),), b"{}")
    with connection.cursor() as cursor:
        (opened,) = journal.open(cursor, [arrival(his, patient("a"))])
        assert opened.message_id is not None
        journal.close(cursor, [Closing(opened, reply, 1)])
        assert journal.open(cursor, [arrival(his, patient("a"))])[0].reply == reply
        put = arrival(his, patient("a"), method="PUT", target="Patient/a", repeatable=False)
        later = arrival(
            his,
            patient("a"),
            method="PUT",
            target="Patient/a",
            repeatable=False,
            received=datetime.now(UTC) + timedelta(seconds=1),
        )
        for one in (put, later):
            (opened,) = journal.open(cursor, [one])
            assert opened.reply is None
            journal.close(cursor, [Closing(opened, reply, 1)])
        named = arrival(his, patient("a"), method="PUT", repeatable=False, request_id="r1")
        journal.close(cursor, [Closing(journal.open(cursor, [named])[0], reply, 1)])
        assert journal.open(cursor, [named])[0].reply == reply
    assert (flow(his).received, flow(his).stored, flow(his).repeated) == (6, 4, 2)
    # Nobody can ask for the answer to a PUT that names no request: it is kept for the other two only.
    assert RestAnswer.objects.count() == 2
    assert counts_balance()


@database
def test_a_refused_rest_write_is_a_dead_letter_until_it_succeeds(source: Sources) -> None:
    his, journal = source(), ConnectJournal()
    raw = patient("a", gender="telex")
    refused = Reply(422, (), b"{}")
    journal.refuse(arrival(his, raw), refused, "invalid", "not a code")
    journal.refuse(arrival(his, raw), refused, "invalid", "not a code")
    assert (flow(his).dead, flow(his).repeated) == (1, 1)
    with connection.cursor() as cursor:
        (opened,) = journal.open(cursor, [arrival(his, raw)])
        journal.close(cursor, [Closing(opened, Reply(201, (), b"{}"), 1)])
    assert Message.objects.get(pk=opened.message_id).status == "stored"
    assert (flow(his).dead, flow(his).stored, flow(his).repeated) == (0, 1, 2)
    assert counts_balance()


@database
def test_the_watch_folder(source: Sources) -> None:
    source("his")
    folder = jobs.inbox() / "his"
    folder.mkdir(parents=True)
    old = (datetime.now(UTC) - timedelta(minutes=1)).timestamp()
    for name, content in (("a.ndjson", patient("a")), ("b.part", b"x"), (".c", b"x")):
        (folder / name).write_bytes(content)
        os.utime(folder / name, (old, old))
    (folder / "fresh.ndjson").write_bytes(patient("b"))
    assert jobs.take_inbox() == 1
    load = Load.objects.get()
    assert (load.via, load.stored) == ("inbox", 1)
    assert (folder / "done" / f"{load.pk}-a.ndjson").exists()
    assert jobs.take_inbox() == 0


@database
def test_a_rising_error_rate_is_noticed_once(source: Sources) -> None:
    account = Account.objects.create(username="integrator")
    RoleGrant.objects.create(account=account, role="integrator")
    his = source()
    receive(his, [Incoming(b"junk %d" % n) for n in range(30)])
    assert jobs.watch_error_rates() == 1
    assert jobs.watch_error_rates() == 0
    notice = Notification.objects.get()
    assert notice.params["source"] == "his"


@database
def test_a_load_left_running_by_a_killed_process_is_closed(source: Sources) -> None:
    load = Load.objects.create(source=source(), name="a", via="file")
    Load.objects.update(started_at=datetime.now(UTC) - timedelta(days=1))
    assert jobs.close_silent_loads() == 1
    load.refresh_from_db()
    assert load.state == "failed"


@database
def test_a_source_writes_by_rest_with_its_own_token(source: Sources) -> None:
    from salus.connect.sources import issue_token, revoke
    from salus.record.smart import tokens

    his = source()
    credential, secret = issue_token(his, scopes="system/*.cruds")
    tokens.forget()
    holder = tokens.verify(secret)
    assert holder is not None
    assert (holder.source_id, holder.kind) == (his.pk, "source")
    revoke(credential)
    tokens.forget()
    assert tokens.verify(secret) is None
