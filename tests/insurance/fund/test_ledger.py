"""The journal balances whatever happens, is written once, and a closed month stays as it was."""

from datetime import UTC, date, datetime
from fractions import Fraction

import pytest
from django.db import IntegrityError, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from salus.insurance.models import Fund, JournalEntry, LedgerAccount, Movement
from salus.insurance.queries import fund as asking
from salus.insurance.services import funds, ledger
from salus.insurance.services.ledger import Move
from salus.kernel.errors import Conflict, Invalid, NotAllowed
from salus.kernel.policy import Principal

pytestmark = pytest.mark.django_db(databases=["default", "audit"])
NOW = datetime(2026, 3, 5, 9, tzinfo=UTC)
DAY = date(2026, 2, 10)
OFFICER = Principal(name="officer", roles=frozenset({"fund_officer"}), account_id=1)
ACCOUNTS = st.sampled_from(LedgerAccount.values)
MOVES = st.lists(
    st.tuples(ACCOUNTS, ACCOUNTS, st.integers(0, 10**13))
    .filter(lambda m: m[0] != m[1])
    .map(lambda m: Move(*m)),
    max_size=4,
)
STEPS = st.lists(
    st.tuples(st.sampled_from(Fund.values), st.integers(0, 5), MOVES, st.booleans()), max_size=12
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_debits_are_credits_after_any_history_and_reversing_all_leaves_nothing(steps: list) -> None:  # type: ignore[type-arg]
    with transaction.atomic():
        for n, (fund, key, moves, undo) in enumerate(steps):
            entry = ledger.post(fund, DAY, "test", f"{key}/{n % 7}", moves, by="t", now=NOW)
            if entry and undo and not JournalEntry.objects.filter(reverses=entry).exists():
                ledger.reverse(entry, DAY, by="t", now=NOW)
            assert sum(asking.balances(fund).values()) == 0
        for entry in JournalEntry.objects.filter(reverses=None, reversal=None):
            ledger.reverse(entry, DAY, by="t", now=NOW)
        assert all(asking.balances(fund) == {} for fund in Fund.values)
        transaction.set_rollback(True)


def test_the_same_key_enters_once_and_a_negative_amount_not_at_all() -> None:
    first = ledger.post("resident", DAY, "k", "1", [Move("cash", "premium", 5)], by="t", now=NOW)
    again = ledger.post("resident", DAY, "k", "1", [Move("cash", "premium", 9)], by="t", now=NOW)
    assert first == again and asking.balances("resident") == {"cash": 5, "premium": -5}
    with pytest.raises(Invalid):
        ledger.post("resident", DAY, "k", "2", [Move("cash", "premium", -1)], by="t", now=NOW)


@pytest.mark.parametrize("change", [{"amount_fen": 0}, {"amount_fen": -1}, {"credit": "cash"}])
def test_the_database_itself_refuses_what_would_not_balance(change: dict[str, object]) -> None:
    entry = ledger.post("resident", DAY, "k", "1", [Move("cash", "premium", 5)], by="t", now=NOW)
    with pytest.raises(IntegrityError), transaction.atomic():
        Movement.objects.create(
            **({"entry": entry, "debit": "cash", "credit": "premium", "amount_fen": 1} | change)
        )


def test_an_entry_is_reversed_once() -> None:
    entry = ledger.post("resident", DAY, "k", "1", [Move("cash", "premium", 5)], by="t", now=NOW)
    assert entry is not None
    ledger.reverse(entry, DAY, by="t", now=NOW)
    with pytest.raises(Conflict):
        ledger.reverse(entry, DAY, by="t", now=NOW)


def test_a_closed_month_takes_nothing_and_months_close_in_order() -> None:
    funds.receive(OFFICER, "resident", "reserve", 1_000, date(2026, 1, 1), "R1", now=NOW)
    funds.receive(OFFICER, "resident", "interest", 7, DAY, "I1", now=NOW)
    with pytest.raises(Conflict, match="earlier"):
        funds.close_month(OFFICER, "resident", DAY, now=NOW)
    funds.close_month(OFFICER, "resident", date(2026, 1, 31), now=NOW)
    closed = funds.close_month(OFFICER, "resident", DAY, now=NOW)
    assert closed.balances == {"cash": 1_007, "interest": -7, "reserve": -1_000}
    with pytest.raises(Conflict, match="closed"):
        funds.receive(OFFICER, "resident", "interest", 7, DAY, "I2", now=NOW)
    with pytest.raises(Conflict, match="closed"):
        funds.close_month(OFFICER, "resident", DAY, now=NOW)
    with pytest.raises(Conflict, match="not over"):
        funds.close_month(OFFICER, "resident", date(2026, 3, 1), now=NOW)
    assert [m.surplus for m in asking.months("resident")] == [1_007]


def test_a_month_that_was_passed_over_when_empty_takes_nothing_later_either() -> None:
    funds.receive(OFFICER, "resident", "interest", 7, DAY, "I1", now=NOW)
    closed = funds.close_month(OFFICER, "resident", DAY, now=NOW)
    with pytest.raises(Conflict, match="closed"):
        funds.receive(OFFICER, "resident", "interest", 9, date(2026, 1, 5), "I2", now=NOW)
    assert asking.balances("resident", date(2026, 2, 28)) == closed.balances


def test_the_same_voucher_changes_nothing_even_when_its_month_is_closed_and_another_is_refused() -> None:
    first = funds.receive(OFFICER, "resident", "interest", 7, DAY, "I1", now=NOW)
    funds.transfer(OFFICER, "resident", "serious", 2, DAY, "T1", now=NOW)
    for fund in ("resident", "serious"):
        funds.close_month(OFFICER, fund, DAY, now=NOW)
    assert funds.receive(OFFICER, "resident", "interest", 7, DAY, "I1", now=NOW) == first
    funds.transfer(OFFICER, "resident", "serious", 2, DAY, "T1", now=NOW)
    for amount, day in ((8, DAY), (7, date(2026, 3, 1))):
        with pytest.raises(Conflict) as caught:
            funds.receive(OFFICER, "resident", "interest", amount, day, "I1", now=NOW)
        assert caught.value.code == "voucher-used"
    for giver, taker, amount in (
        ("resident", "serious", 3),
        ("resident", "aid", 2),
        ("serious", "resident", 2),
    ):
        with pytest.raises(Conflict) as caught:
            funds.transfer(OFFICER, giver, taker, amount, DAY, "T1", now=NOW)
        assert caught.value.code == "voucher-used"
    assert asking.surplus("resident") == 5 and asking.surplus("serious") == 2
    assert asking.surplus("aid") == 0
    with pytest.raises(Invalid):
        funds.receive(OFFICER, "resident", "interest", 7, DAY, "I" * 61, now=NOW)
    with pytest.raises(Invalid):
        funds.receive(OFFICER, "resident", "interest", 10**15, DAY, "I3", now=NOW)


def test_a_month_in_which_nothing_moved_is_a_month_of_nothing() -> None:
    """Premiums in November and benefits from January leave no hole: charts, reserves, forecasts count it."""
    ledger.post("resident", date(2025, 11, 9), "k", "1", [Move("cash", "premium", 90)], by="t", now=NOW)
    ledger.post("resident", date(2026, 2, 9), "k", "2", [Move("benefit", "payable", 30)], by="t", now=NOW)
    found = [(one.month, one.total, one.payout, one.surplus) for one in asking.months("resident")]
    assert found == [
        (date(2025, 11, 1), 90, 0, 90),
        (date(2025, 12, 1), 0, 0, 90),
        (date(2026, 1, 1), 0, 0, 90),
        (date(2026, 2, 1), 0, 30, 60),
    ]
    assert asking.reserve_months("resident") == Fraction(60 * 4, 30)
    assert asking.months("employee") == []


def test_a_transfer_leaves_one_fund_and_reaches_the_other() -> None:
    funds.receive(OFFICER, "resident", "premium", 500, DAY, "P", now=NOW)
    funds.transfer(OFFICER, "resident", "serious", 80, DAY, "T", now=NOW)
    assert asking.surplus("resident") == 420 and asking.surplus("serious") == 80
    with pytest.raises(Invalid):
        funds.transfer(OFFICER, "resident", "resident", 80, DAY, "T", now=NOW)


@pytest.mark.parametrize("role", ["resident", "clinician", "manager", "planner", "auditor", "source"])
def test_only_fund_officers_enter_money(role: str) -> None:
    other = Principal(name="x", roles=frozenset({role}))
    with pytest.raises(NotAllowed):
        funds.receive(other, "resident", "interest", 7, DAY, "I1", now=NOW)
    with pytest.raises(NotAllowed):
        funds.close_month(other, "resident", DAY, now=NOW)
