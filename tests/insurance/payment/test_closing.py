"""The year's clearing: bands by hand, and every fen of every budget accounted for."""

from datetime import date
from typing import Any

import numpy as np
import pytest

from salus.insurance.payment import parameters
from salus.insurance.payment.closing import advances, close, in_bands, monthly
from salus.insurance.payment.parameters import bands
from salus.insurance.payment.rates import Budget, budgets
from salus.kernel.errors import Invalid

RATE = parameters.parameters("rate", on=date(2025, 12, 31))
POINTS = parameters.parameters("points", on=date(2025, 12, 31))


def row(institution: str, fund_pay: int, fund: int, **more: Any) -> dict[str, Any]:
    return {
        "institution": institution, "insured": "employee", "month": date(2025, 1, 1), "cases": 10, "own": 0,
        "fund": fund, "points": 10_000, "fixed": 0, "fund_pay": fund_pay,
    } | more  # fmt: skip


def test_surplus_is_kept_up_to_a_tenth_and_overspending_shared() -> None:
    """By group 1,000,000: by item 850,000 leaves 150,000, of which 100,000 is kept; by item 1,200,000 is
    200,000 over, of which the fund bears 60 % of the first 100,000."""
    lines, (pool,) = close(
        [row("A", 1_000_000, 850_000), row("B", 1_000_000, 1_200_000), row("C", 1_000_000, 950_000)],
        {"employee": Budget("employee", 4_000_000, 200_000)}, RATE,
    )  # fmt: skip
    a, b, c = lines
    assert (a.kept, a.entitled) == (100_000, 950_000)
    assert (b.borne, b.entitled) == (60_000, 1_060_000)
    assert (c.kept, c.entitled) == (50_000, 1_000_000)
    assert (pool.paid, pool.left, pool.reserve_used) == (3_010_000, 990_000, 0)


def test_deposit_advance_and_final_payment() -> None:
    """5 % held of 1,000,000; half of it earned back; 60,000 paid at the start of the year."""
    assert advances({("A", "employee"): 720_000}, RATE) == {("A", "employee"): 60_000}
    (line,), (pool,) = close(
        [row("A", 600_000, 600_000), row("A", 400_000, 400_000, month=date(2025, 2, 1))],
        {"employee": Budget("employee", 1_000_000, 0)}, RATE,
        returned={"A": 5_000}, advance={("A", "employee"): 60_000},
    )  # fmt: skip
    assert (line.deposit, line.forfeited, line.monthly, line.advance) == (50_000, 25_000, 950_000, 60_000)
    assert line.final == -35_000  # 975,000 due, 1,010,000 had
    assert (pool.paid, pool.left) == (975_000, 25_000)


def test_more_than_the_budget_is_cut_in_proportion() -> None:
    lines, (pool,) = close(
        [row("A", 200, 200), row("B", 100, 100)], {"employee": Budget("employee", 200, 50)}, RATE
    )
    assert [(line.entitled, line.cut) for line in lines] == [(133, 67), (67, 33)]
    assert (pool.left, pool.reserve_used) == (0, 50)


def test_points_share_the_whole_budget() -> None:
    """950 of a budget of 1,000 and 50 paid by others are shared 3 to 1, after 200 by item for A."""
    lines, (pool,) = close(
        [row("A", 0, 500, points=30_000, fixed=200, own=50), row("B", 0, 300, points=10_000)],
        budgets({"employee": 1_000}, POINTS), POINTS,
    )  # fmt: skip
    assert [line.entitled for line in lines] == [200 + 600 - 50, 200]
    assert (pool.paid, pool.left, pool.reserve) == (950, 50, 50)


def test_points_whose_patients_paid_too_much_get_nothing_but_do_not_pay() -> None:
    lines, (pool,) = close(
        [row("A", 0, 1, points=1, own=900), row("B", 0, 300, points=99)],
        {"employee": Budget("employee", 1_000, 0)}, POINTS,
    )  # fmt: skip
    assert [line.entitled for line in lines] == [0, 1_000] and pool.left == 0


@pytest.mark.parametrize("rule", [RATE, POINTS], ids=["fixed", "floating"])
def test_every_fen_is_accounted_for(rule: parameters.Parameters) -> None:
    rng = np.random.default_rng(3)
    for _ in range(300):
        rows = [
            row(
                f"H{h}", int(rng.integers(0, 10**9)), int(rng.integers(0, 10**9)), insured=insured,
                month=date(2025, month, 1), points=int(rng.integers(1, 10**8)),
                own=int(rng.integers(0, 10**6)), fixed=int(rng.integers(0, 10**5)),
            )
            for h in range(rng.integers(1, 7)) for insured in ("employee", "resident") for month in (1, 2)
        ]  # fmt: skip
        budget = budgets({name: int(rng.integers(10**8, 10**10)) for name in ("employee", "resident")}, rule)
        lines, pools = close(
            rows, budget, rule, returned={f"H{h}": int(rng.integers(0, 10_001)) for h in range(7)},
            advance={("H0", "employee"): 12_345},
        )  # fmt: skip
        assert len(pools) == 2
        for pool in pools:
            mine = [line for line in lines if line.insured == pool.insured]
            paid = sum(line.advance + line.monthly + line.final for line in mine)
            assert paid + pool.left == budget[pool.insured].total
            assert pool.left >= 0
            for line in mine:
                assert line.entitled == line.paid + line.forfeited and line.forfeited >= 0
            if rule is POINTS:
                assert sum(line.entitled for line in mine) == budget[pool.insured].payable
        whole = sum(m.amount for m in monthly(rows, rule))
        assert whole == sum(r["fund_pay"] for r in rows)
        assert all(m.amount == m.paid + m.deposit for m in monthly(rows, rule))


def test_bands_are_read_in_order_and_ended() -> None:
    found = bands([{"to": "0.1", "share": "1"}, {"to": "0.2", "share": "0.5"}, {"to": "", "share": "0"}], "x")
    assert in_bands(250, 1_000, found) == 100 + 50
    assert in_bands(100, 1_000, found) == 100 and in_bands(101, 1_000, found) == 101  # 100.5 rounds up
    for rows in ([{"to": "0.2"}, {"to": "0.1"}, {"to": ""}], [{"to": "0.2"}], [{"to": "", "share": "2"}]):
        with pytest.raises(Invalid):
            bands(rows, "x")


def test_by_item_beyond_the_budget_is_an_error() -> None:
    with pytest.raises(Invalid) as error:
        close([row("A", 0, 1, fixed=2_000)], {"employee": Budget("employee", 1_000, 0)}, POINTS)
    assert error.value.code == "closing-budget"
    with pytest.raises(Invalid):
        close([row("A", 1, 1)], {}, RATE)
