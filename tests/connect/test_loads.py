"""Loads, previews, undoing; dead letters edited and replayed; the register; the commands."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from django.db import connection
from typer.testing import CliRunner

from salus.connect import commands, dead_letters, loading
from salus.connect.ahead import load_files
from salus.connect.batching import Batcher
from salus.connect.checking import check_file
from salus.connect.loading import load_file, preview_file
from salus.connect.models import Load, MappingRevision, Message, PullSchedule, SourceCredential, SourceSystem
from salus.connect.queries import counts_balance, flow
from salus.connect.services import Incoming, receive
from salus.connect.sources import (
    bind_client,
    by_certificate,
    by_client,
    by_token,
    import_sources,
    issue_token,
    read_mapping,
    revoke,
    set_mapping,
    trust_certificate,
)
from salus.connect.undoing import undo_load
from salus.kernel.errors import Conflict, Invalid
from salus.kernel.ids import server_id
from salus.kernel.models import Institution
from salus.record import store
from tests.connect.conftest import BOTH, observation, patient

pytestmark = pytest.mark.django_db(databases=BOTH)
Sources = Callable[..., SourceSystem]

MAPPING = """
[codes.sex]
values = { "1" = "male", "2" = "female" }
[[table]]
name = "people"
file = "people*.csv"
key = ["ID"]
[[table.resource]]
type = "Patient"
id = "{ID}"
[table.resource.set]
"name[0].text" = "{NAME}"
"gender" = "{SEX|code:sex}"
"""


def current(kind: str, local: str, code: str = "his") -> store.Stored:
    with connection.cursor() as cursor:
        found = store.read(cursor, kind, server_id(code, kind, local))
    assert found is not None
    return found


def content(kind: str, local: str, code: str = "his") -> dict[str, Any]:
    return orjson.loads(current(kind, local, code).body)


def ndjson(path: Path, *lines: bytes) -> Path:
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def test_a_load_counts_what_it_did_and_may_be_repeated(source: Sources, tmp_path: Path) -> None:
    his = source()
    path = ndjson(tmp_path / "a.ndjson", patient("a"), b"junk", observation("o", "a"))
    done = load_file(his, path, batcher=Batcher(start=1, least=1))
    assert (done.state, done.received, done.stored, done.repeated, done.dead) == ("done", 3, 2, 0, 1)
    assert done.done_bytes == done.size
    again = load_file(his, path)
    assert (again.received, again.stored, again.repeated, again.dead) == (3, 0, 3, 0)
    assert counts_balance()


def test_a_load_that_was_cut_off_goes_on(
    source: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    his = source()
    path = ndjson(tmp_path / "a.ndjson", *(patient(f"p{n}") for n in range(9)))
    real, calls = loading.receive_arrivals, []

    def dying(*args: Any, **rest: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*args, **rest)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(loading, "receive_arrivals", dying)
        load_file(his, path, batcher=Batcher(start=2, least=1, most=2))
    cut = Load.objects.get()
    assert (cut.state, cut.stored) == ("failed", 4)
    rest = load_file(his, path)
    assert (rest.stored, rest.repeated) == (5, 4)


def test_a_file_that_cannot_be_read_is_a_failed_load(source: Sources, tmp_path: Path) -> None:
    lis = source("lis", "csv", mapping=MAPPING)
    path = tmp_path / "people.csv"
    path.write_text("ID,WRONG\n1,a\n")
    done = load_file(lis, path)
    assert done.state == "failed"
    assert "NAME" in done.failure
    assert done.received == 0


def test_files_read_ahead_by_a_second_process(source: Sources, tmp_path: Path) -> None:
    his, lis = source(), source("lis", "csv", mapping=MAPPING)
    good = ndjson(tmp_path / "a.ndjson", patient("a"), b"junk", observation("o", "a"), patient("a"))
    table, wrong, empty = tmp_path / "people.csv", tmp_path / "people2.csv", tmp_path / "people3.csv"
    table.write_text("ID,NAME,SEX\n1,a,1\n2,b,9\n")
    wrong.write_text("ID,WRONG\n1,a\n")
    empty.write_text("ID,NAME,SEX\n")
    told: list[tuple[int, int]] = []
    done = list(
        load_files(
            [(his, good), (lis, table), (lis, wrong), (lis, empty)],
            start=2,
            progress=lambda count, size: told.append((count, size)),
        )
    )
    assert [one.state for one in done] == ["done", "done", "failed", "done"]
    assert [(one.received, one.stored, one.dead) for one in done[:2]] == [(4, 2, 1), (2, 1, 1)]
    assert "NAME" in done[2].failure
    assert sum(count for count, _ in told) == 6
    letter = dead_letters.open_letters(source="lis").get()
    assert (letter.reason_code, letter.reason_where) == ("unknown-code", "SEX → gender")
    assert counts_balance()


def test_a_preview_says_what_would_happen_and_leaves_nothing(source: Sources, tmp_path: Path) -> None:
    his = source()
    receive(his, [Incoming(patient("old"))])
    path = ndjson(tmp_path / "a.ndjson", patient("old"), patient("new"), patient("new"), b"junk")
    seen = preview_file(his, path)
    assert dict(seen.counts) == {"stored": 1, "repeated": 2, "dead": 1}
    assert seen.reasons == {"not-json": 1}
    assert Message.objects.count() == 1
    assert Load.objects.count() == 0
    assert flow(his).received == 1
    assert not preview_file(his, path, limit=2).complete


def test_undo_puts_everything_back(source: Sources, tmp_path: Path) -> None:
    his = source()
    receive(his, [Incoming(patient("a", gender="male")), Incoming(observation("x", "a"))])
    path = ndjson(
        tmp_path / "a.ndjson",
        patient("a", gender="female"),
        patient("a", gender="other"),
        patient("b"),
        observation("o", "b"),
        observation("x", "a", status="amended"),
    )
    load = load_file(his, path)
    receive(his, [Incoming(observation("x", "a", status="corrected"))])
    report = undo_load(load, actor="tester")
    assert content("Patient", "a")["gender"] == "male"
    assert current("Patient", "b").deleted
    assert current("Observation", "o").deleted
    assert content("Observation", "x")["status"] == "corrected"
    assert report.kept == [f"Observation/{server_id('his', 'Observation', 'x')}"]
    assert counts_balance()
    with pytest.raises(Conflict):
        undo_load(Load.objects.get(pk=load.pk), actor="tester")


def test_an_undone_load_may_be_loaded_again(source: Sources, tmp_path: Path) -> None:
    lis = source("lis", "csv", mapping=MAPPING.replace('id = "{ID}"', 'id = "{ID}"\nmethod = "ensure"'))
    path = tmp_path / "people.csv"
    path.write_text("ID,NAME,SEX\n1,a,1\n")
    undo_load(load_file(lis, path), actor="tester")
    assert current("Patient", "1", "lis").deleted
    again = load_file(lis, path)
    assert again.stored == 1
    assert content("Patient", "1", "lis")["gender"] == "male"


def test_replay_after_a_mapping_fix(source: Sources, tmp_path: Path) -> None:
    lis = source("lis", "csv")
    set_mapping(lis, MAPPING)
    path = tmp_path / "people.csv"
    path.write_text("ID,NAME,SEX\n1,a,1\n2,b,9\n3,c,8\n")
    done = load_file(lis, path)
    assert (done.stored, done.dead) == (1, 2)
    letters = dead_letters.open_letters(source="lis", reason="unknown-code")
    assert letters.count() == 2
    assert letters[0].reason_where == "SEX → gender"
    set_mapping(lis, MAPPING.replace('"2" = "female"', '"2" = "female", "9" = "unknown"'))
    result = dead_letters.replay(letters)
    assert (result.tried, result.stored, dict(result.failed)) == (2, 1, {"unknown-code": 1})
    assert content("Patient", "2", "lis")["gender"] == "unknown"
    assert dead_letters.open_letters().count() == 1
    done.refresh_from_db()
    assert (done.stored, done.dead) == (2, 1)
    assert counts_balance()
    assert MappingRevision.objects.filter(source=lis).count() == 2


def test_edit_and_replay_keeps_what_was_sent(source: Sources) -> None:
    his = source()
    raw = patient("a", gender="mail")
    receipt = receive(his, [Incoming(raw)])[0]
    letter = Message.objects.get(pk=receipt.message_id)
    dead_letters.edit(letter, patient("a", gender="male"), note="typing error")
    assert dead_letters.replay([letter.pk]).stored == 1
    letter.refresh_from_db()
    assert (letter.status, letter.resolution, letter.attempts) == ("stored", "replayed", 2)
    assert dead_letters.raw_of(letter) == raw
    assert content("Patient", "a")["gender"] == "male"
    with pytest.raises(Conflict):
        dead_letters.edit(letter, b"x")
    assert counts_balance()


def test_discard_needs_a_reason(source: Sources) -> None:
    letter = Message.objects.get(pk=receive(source(), [Incoming(b"junk")])[0].message_id)
    with pytest.raises(Invalid):
        dead_letters.discard(letter, note=" ")
    dead_letters.discard(letter, note="a test of the sender")
    assert not dead_letters.open_letters().exists()
    assert dead_letters.replay([letter.pk]).tried == 0
    assert counts_balance()


def test_check_needs_no_source(tmp_path: Path) -> None:
    mapping = tmp_path / "m.toml"
    mapping.write_text(MAPPING)
    path = tmp_path / "people.csv"
    path.write_text("ID,NAME,SEX\n1,a,1\n1,a,1\n2,b,7\n")
    rows, counts = check_file(path, mapping=mapping)
    assert [row["would"] for row in rows] == ["stored", "repeated", "dead"]
    assert rows[2]["where"] == "SEX → gender"
    assert dict(counts) == {"stored": 1, "repeated": 1, "dead": 1}


def test_commands(source: Sources, tmp_path: Path) -> None:
    path = ndjson(tmp_path / "a.ndjson", patient("a"), b"junk")
    runner = CliRunner()
    loaded = runner.invoke(commands.app, ["load", str(path), "--source", "new-one", "--json"])
    assert loaded.exit_code == 0
    row = orjson.loads(loaded.stdout.splitlines()[-1])
    assert (row["received"], row["stored"], row["dead"]) == (2, 1, 1)
    assert SourceSystem.objects.get(code="new-one").made_on_load
    checked = runner.invoke(commands.app, ["check", str(path), "--source", "new-one", "--json"])
    assert checked.exit_code == 0  # all repeats by now
    assert '"would":"repeated"' in checked.stdout
    for name in ("sources", "dead-letters", "loads"):
        assert runner.invoke(commands.app, [name, "--json"]).exit_code == 0
        assert "output columns" in runner.invoke(commands.app, [name, "--schema"]).stdout
    assert runner.invoke(commands.app, ["replay", "--source", "new-one"]).exit_code == 0
    assert runner.invoke(commands.app, ["undo", str(Load.objects.get().pk)]).exit_code == 0
    previewed = runner.invoke(commands.app, ["load", str(path), "--source", "other", "--preview", "--json"])
    assert previewed.exit_code == 0
    assert not SourceSystem.objects.filter(code="other").exists()


def test_import_of_sources(db: None, tmp_path: Path) -> None:
    Institution.objects.create(code="110101001", name="医院", kind="general_hospital")
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings" / "sex.csv").write_text('local,code,display\n"1",male,Male\n"""2",female,\n')
    text = MAPPING.replace(
        'values = { "1" = "male", "2" = "female" }', 'file = "sex.csv"\notherwise = "drop"'
    )
    pull = (
        '[[pull]]\nname = "people"\ntable = "people"\nurl_env = "X"\nwatermark = "ID"\nstart = 0\n'
        'query = "select * from p where id > :watermark limit :limit"\n'
    )
    (tmp_path / "mappings" / "lis.toml").write_text(text + pull)
    listed = """[[source]]
code = "lis"
name = "检验"
institution = "110101001"
format = "csv"
charset = "gb18030"
mapping = "mappings/lis.toml"
[[source]]
code = "his"
name = "HIS"
institution = "none"
format = "hl7v2"
"""
    path = tmp_path / "sources.toml"
    path.write_text(listed)
    report = import_sources(path)
    assert (report.created, len(report.warnings)) == (["lis", "his"], 1)
    lis = SourceSystem.objects.get(code="lis")
    assert lis.institution is not None
    assert '["male", "Male", ""]' in lis.mapping
    assert PullSchedule.objects.get(source=lis).watermark == 0
    assert import_sources(path).unchanged == ["lis", "his"]
    path.write_text(listed.replace("hl7v2", "telex"))
    with pytest.raises(Invalid, match="format"):
        import_sources(path)
    outside = tmp_path / "m.toml"
    outside.write_text('[codes.x]\nfile = "../../etc/passwd"')
    with pytest.raises(Invalid):
        read_mapping(outside)


def test_credentials(source: Sources) -> None:
    his = source()
    old, secret = issue_token(his, label="first")
    new, fresh = issue_token(his, replaces=old)
    assert by_token(secret) == old
    assert by_token(fresh) == new
    assert secret not in SourceCredential.objects.get(pk=old.pk).secret_hash
    revoke(old)
    assert by_token(secret) is None
    assert by_token("slc_guess") is None
    trust_certificate(his, "AB:" * 31 + "AB")
    assert by_certificate("ab" * 32) is not None
    bind_client(his, "client-1")
    assert by_client("client-1") is not None
    SourceSystem.objects.update(active=False)
    assert by_client("client-1") is None
    with pytest.raises(Invalid):
        trust_certificate(his, "abc")
