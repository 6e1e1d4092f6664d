"""Commit–reveal: binding, hiding, deadlines held by the database itself, draws that anybody can repeat."""

import hashlib
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from salus.kernel import audit
from salus.kernel.commit_reveal import Opening, canonical, commit, draws, nonce, opens, root, rounds
from salus.kernel.errors import Conflict, Invalid, SalusError
from salus.kernel.models import Commitment, CommitRound
from salus.kernel.policy import system_principal

NONCE = "ab" * 32
BID = Opening("tender", "T1", "G1/S1", NONCE, '{"price_fen":1250}')
few = st.sampled_from(["a", "b", "ab", "药"])  # few, so that parts are equal and run into each other
free = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1)
names = st.one_of(few, free)
openings = st.builds(Opening, names, names, names, st.just(NONCE), st.one_of(few, st.text()))


def test_the_digest_is_that_of_the_published_format() -> None:
    """Computed here by the words of the format alone."""
    inner = hashlib.sha256(b'{"price_fen":1250}').hexdigest()
    lines = ["salus-commit-1", "tender", "T1", "G1/S1", NONCE, inner]
    assert commit(BID) == hashlib.sha256("\n".join(lines).encode()).hexdigest()


@given(openings, openings)
def test_two_openings_share_a_digest_only_when_they_are_one(one: Opening, other: Opening) -> None:
    assert (commit(one) == commit(other)) == (one == other)
    assert opens(commit(one), one)


@pytest.mark.parametrize("field", ["purpose", "round", "party", "nonce", "payload"])
def test_any_other_word_does_not_open(field: str) -> None:
    other = {"nonce": "cd" * 32}.get(field, "other")
    changed = Opening(**{name: getattr(BID, name) for name in Opening.__slots__} | {field: other})
    assert not opens(commit(BID), changed)


def test_a_line_break_cannot_move_words_from_one_name_to_the_next() -> None:
    with pytest.raises(Invalid) as refused:
        commit(Opening("tender", "T1\nG1", "S1", NONCE, ""))
    assert refused.value.code == "commit-name"
    assert not opens("0" * 64, Opening("tender", "T1", "S1", "short", ""))


def test_a_small_price_cannot_be_guessed_from_its_digest() -> None:
    """The nonce hides: of all prices tried without it, none gives the digest."""
    secret = Opening("tender", "T1", "G1/S1", nonce(), "1250")
    tried = {commit(Opening("tender", "T1", "G1/S1", NONCE, str(price))) for price in range(2000)}
    assert commit(secret) not in tried
    assert len({nonce() for _ in range(1000)}) == 1000


def test_canonical_text_is_one_and_holds_no_float() -> None:
    assert canonical({"b": [1, {"y": 2, "x": "药"}], "a": None}) == '{"a":null,"b":[1,{"x":"药","y":2}]}'
    for value in ({"a": 1.5}, {"a": [{"b": 0.1}]}, {"a": object()}, {1: 2}):
        with pytest.raises(Invalid):
            canonical(value)  # type: ignore[arg-type]


def test_the_root_tells_one_added_taken_away_or_changed() -> None:
    three = [("a", "1" * 64), ("b", "2" * 64), ("c", "3" * 64)]
    whole = root(three)
    assert root(reversed(three)) == whole
    others = [three[:2], [*three, ("d", "4" * 64)], [("a", "2" * 64), ("b", "1" * 64), three[2]]]
    assert whole not in {root(other) for other in others}


def test_a_draw_depends_on_each_nonce_and_not_on_any_order() -> None:
    names = [f"premises {n}" for n in range(30)]
    made = draws.seed("R", [NONCE, "cd" * 32])
    assert made == draws.seed("R", ["cd" * 32, NONCE])
    assert draws.order(made, names) == draws.order(made, names[::-1])
    assert sorted(draws.order(made, names)) == sorted(names)
    other = draws.seed("R", [NONCE, "ce" * 32])
    assert draws.order(other, names) != draws.order(made, names)
    with pytest.raises(Invalid):
        draws.seed("R", [])
    with pytest.raises(Invalid):
        draws.order(made, ["a", "a"])


def test_a_draw_is_fair() -> None:
    """Each of ten names is drawn first as often: chi-square (9 degrees) under its 99.9 % point, 27.88."""
    names = [f"n{n}" for n in range(10)]
    drawn = 5000
    first = [draws.order(draws.seed("R", [f"{n:064x}"]), names)[0] for n in range(drawn)]
    expected = drawn / 10
    assert sum((first.count(name) - expected) ** 2 / expected for name in names) < 27.88


# --- rounds in the database ------------------------------------------------------------------------

in_database = pytest.mark.django_db(databases=["default", "audit"])


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def make_round(db: None) -> Callable[..., CommitRound]:
    def make(commit_in: float = 60, reveal_in: float = 120, opened: float = -60) -> CommitRound:
        at = now()
        return rounds.open_round(
            f"T{CommitRound.objects.count()}", "tender",
            opened_at=at + timedelta(seconds=opened), commit_until=at + timedelta(seconds=commit_in),
            reveal_until=at + timedelta(seconds=reveal_in),
        )  # fmt: skip

    return make


def sealed(round: CommitRound, party: str, words: str = "12.50") -> tuple[Commitment, Opening]:
    opening = Opening(round.purpose, round.code, party, nonce(), words)
    return rounds.commit(round, party, commit(opening), now=now()), opening


def wait(until: datetime) -> None:
    time.sleep(max(0.0, (until - now()).total_seconds()) + 0.01)


def refused(code: str, run: Callable[[], object]) -> None:
    with pytest.raises(SalusError) as error:
        run()
    assert error.value.code == code


@in_database
def test_a_round_from_commitment_to_opening(make_round: Callable[..., CommitRound]) -> None:
    round = make_round(commit_in=1.5)
    one, opening = sealed(round, "a")
    other, _ = sealed(round, "b")
    rounds.withdraw(other, now=now())
    again, opening_again = sealed(round, "b", "11.00")
    refused("commit-twice", lambda: sealed(round, "b"))
    refused("reveal-early", lambda: rounds.reveal(one, opening.nonce, opening.payload, now=now()))
    refused("close-early", lambda: rounds.close(round, now=now()))
    wait(round.commit_until)
    refused("commit-late", lambda: sealed(round, "c"))
    refused("withdraw-late", lambda: rounds.withdraw(one, now=now()))
    assert rounds.close(round, now=now()) == root([("a", one.digest), ("b", again.digest)])
    refused("reveal-differs", lambda: rounds.reveal(one, opening.nonce, "12.40", now=now()))
    refused("reveal-differs", lambda: rounds.reveal(again, opening.nonce, opening.payload, now=now()))
    rounds.reveal(one, opening.nonce, opening.payload, now=now())
    refused("reveal-twice", lambda: rounds.reveal(one, opening.nonce, opening.payload, now=now()))
    rounds.reveal(again, opening_again.nonce, opening_again.payload, now=now())
    assert Commitment.objects.get(party="a").payload == "12.50"


@in_database
def test_times_are_in_order_and_codes_are_single(make_round: Callable[..., CommitRound]) -> None:
    refused("commit-times", lambda: make_round(commit_in=10, reveal_in=5))
    made = make_round(opened=30, commit_in=60)
    refused("commit-early", lambda: sealed(made, "a"))
    times = {
        "opened_at": made.opened_at,
        "commit_until": made.commit_until,
        "reveal_until": made.reveal_until,
    }
    refused("commit-round-exists", lambda: rounds.open_round(made.code, "tender", **times))
    refused("commit-digest", lambda: rounds.commit(made, "a", "A" * 64, now=now()))


@in_database
def test_a_clock_set_back_does_not_let_a_late_one_in(make_round: Callable[..., CommitRound]) -> None:
    """The service is told an earlier time; the database looks at its own clock."""
    round = make_round(commit_in=-20, reveal_in=60, opened=-60)
    before = round.commit_until - timedelta(seconds=5)
    refused("commit-late", lambda: rounds.commit(round, "a", "0" * 64, now=before))
    over = make_round(commit_in=-20, reveal_in=-10)
    assert not over.commitments.exists()


def sql(statement: str, *values: object) -> None:
    """Write past every service, as a program or a hand with the database's password would."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, values)


@in_database
@pytest.mark.parametrize("column", ["party", "digest", "envelope"])
def test_the_database_refuses_to_alter_a_commitment(
    make_round: Callable[..., CommitRound], column: str
) -> None:
    one, _ = sealed(make_round(), "a")
    with pytest.raises(IntegrityError, match="commit-altered"):
        sql(f"update kernel_commitment set {column} = %s where id = %s", "f" * 64, one.pk)
    with pytest.raises(IntegrityError, match="commit-delete"):
        sql("delete from kernel_commitment where id = %s", one.pk)


@in_database
def test_the_database_refuses_what_is_late_or_early(make_round: Callable[..., CommitRound]) -> None:
    round = make_round(commit_in=1.5)
    one, opening = sealed(round, "a")
    early = "update kernel_commitment set nonce = %s, payload = %s, revealed_at = %s where id = %s"
    with pytest.raises(IntegrityError, match="reveal-refused"):
        sql(early, opening.nonce, opening.payload, now(), one.pk)
    wait(round.commit_until)
    insert = "insert into kernel_commitment (round_id, party, digest, envelope, committed_at, nonce, payload)"
    with pytest.raises(IntegrityError, match="commit-late"):
        sql(f"{insert} values (%s, 'late', %s, '', %s, '', '')", round.pk, "0" * 64, round.opened_at)
    with pytest.raises(IntegrityError, match="withdraw-late"):
        sql("update kernel_commitment set withdrawn_at = %s where id = %s", round.opened_at, one.pk)
    with pytest.raises(IntegrityError, match="reveal-refused"):
        sql(early, opening.nonce, "another price", now(), one.pk)
    sql(early, opening.nonce, opening.payload, now(), one.pk)
    for column in ("nonce", "payload"):
        with pytest.raises(IntegrityError, match="reveal-refused"):
            sql(f"update kernel_commitment set {column} = 'x' where id = %s", one.pk)


@in_database
def test_the_database_keeps_the_times_and_the_root(make_round: Callable[..., CommitRound]) -> None:
    round = make_round(commit_in=-20, reveal_in=60)
    for column in ("commit_until", "reveal_until", "opened_at"):
        with pytest.raises(IntegrityError, match="commit-round-fixed"):
            sql(f"update kernel_commitround set {column} = %s where id = %s", now() + timedelta(1), round.pk)
    rounds.close(round, now=now())
    with pytest.raises(IntegrityError, match="commit-root-fixed"):
        sql("update kernel_commitround set root = %s where id = %s", "0" * 64, round.pk)
    open_still = make_round()
    with pytest.raises(IntegrityError, match="commit-root-fixed"):
        sql("update kernel_commitround set root = %s where id = %s", "0" * 64, open_still.pk)


@in_database
def test_the_audit_chain_shows_what_somebody_did_who_took_the_triggers_away(
    make_round: Callable[..., CommitRound],
) -> None:
    round = make_round()
    who = system_principal("test")
    for party in ("altered", "missing", "left"):
        one, _ = sealed(round, party)
        audit.record([rounds.audited(who, "commit", one)])
    assert rounds.against_audit(round) == []
    without_triggers()
    sql("update kernel_commitment set digest = %s where party = 'altered'", "0" * 64)
    sql("delete from kernel_commitment where party = 'missing'")
    sql(
        "insert into kernel_commitment (round_id, party, digest, envelope, committed_at, nonce, payload)"
        " values (%s, 'slipped in', %s, '', %s, '', '')", round.pk, "1" * 64, now(),
    )  # fmt: skip
    found = {(one.party, one.kind) for one in rounds.against_audit(round)}
    assert found == {("altered", "altered"), ("missing", "missing"), ("slipped in", "unaudited")}


def without_triggers() -> None:
    """Take the triggers away within this test's own transaction."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Deferred checks of the foreign keys that wait would block the change of the table.
            cursor.execute("set constraints all immediate")
            cursor.execute("drop trigger kernel_commitment_guard on kernel_commitment")
            return
        cursor.execute(
            "select name from sqlite_master where type = 'trigger' and tbl_name = 'kernel_commitment'"
        )
        for (name,) in cursor.fetchall():
            cursor.execute(f"drop trigger {name}")


@in_database
def test_a_conflict_leaves_the_callers_transaction_usable(make_round: Callable[..., CommitRound]) -> None:
    round = make_round(commit_in=-20, reveal_in=60)
    with transaction.atomic():
        with pytest.raises(Conflict):
            rounds.commit(round, "a", "0" * 64, now=round.opened_at)
        assert not round.commitments.exists()
