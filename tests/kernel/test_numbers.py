"""Money adds up; small cells stay hidden."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.kernel import money, suppression
from salus.kernel.errors import Invalid


def test_yuan_and_fen() -> None:
    assert money.to_fen("12.34") == 1234
    assert money.to_fen(7) == 700
    assert money.to_yuan(-5) == Decimal("-0.05")
    assert money.format_yuan(-123456789) == "-¥1,234,567.89"


@pytest.mark.parametrize("amount", ["1.234", "abc", "NaN", "Infinity"])
def test_what_is_no_amount_is_refused(amount: str) -> None:
    with pytest.raises(Invalid):
        money.to_fen(amount)
    with pytest.raises(Invalid):
        money.to_fen(0.1)  # type: ignore[arg-type]


def test_rounding_is_half_away_from_zero() -> None:
    rounded = [money.round_fen(Fraction(n, 2)) for n in (1, 3, -1, -3, 4)]
    assert rounded == [1, 2, -1, -2, 2]
    assert money.share(1001, money.percent("50")) == 501
    with pytest.raises(Invalid):
        money.percent("half")


def test_left_over_fen_go_to_the_largest_remainders() -> None:
    assert money.split(100, [1, 1, 1]) == [34, 33, 33]
    assert money.split(10, [6, 5, 5]) == [4, 3, 3]
    assert money.split(-100, [1, 1, 1]) == [-34, -33, -33]
    assert money.split(5, [0, 1]) == [0, 5]


@pytest.mark.parametrize("weights", [[], [0, 0], [1, -1]])
def test_weights_that_split_nothing_are_refused(weights: list[int]) -> None:
    with pytest.raises(Invalid):
        money.split(10, weights)


@settings(max_examples=200, deadline=None)
@given(
    st.integers(-(10**12), 10**12),
    st.lists(st.fractions(0, 1000, max_denominator=999), min_size=1, max_size=12).filter(any),
)
def test_a_split_adds_up_and_is_within_a_fen_of_fair(fen: int, weights: list[Fraction]) -> None:
    parts = money.split(fen, weights)
    assert sum(parts) == fen
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part - Fraction(fen) * weight / sum(weights)) < 1


def test_small_cells_are_hidden_and_never_alone() -> None:
    assert suppression.suppress([100, 50, 3]) == [100, None, None]
    assert suppression.suppress([100, 4, 3]) == [None, None, None]
    assert suppression.suppress([100, 6, 5]) == [100, None, None]
    assert suppression.suppress([100, 0, 20]) == [100, 0, 20]
    assert suppression.suppress_total(9) is None
    assert suppression.suppress_total(0) == 0


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 60), min_size=1, max_size=9))
def test_no_hidden_cell_follows_from_the_total(counts: list[int]) -> None:
    shown = suppression.suppress(counts)
    hidden = [count for count, seen in zip(counts, shown, strict=True) if seen is None]
    assert all(seen is None or seen == 0 or seen >= 10 for seen in shown)
    if hidden and len(counts) > 1:
        assert len(hidden) >= 2
        assert sum(hidden) >= 10 or len(hidden) == len(counts)


@settings(max_examples=100, deadline=None)
@given(
    st.integers(2, 5).flatmap(
        lambda width: st.lists(
            st.lists(st.integers(0, 40), min_size=width, max_size=width), min_size=2, max_size=5
        )
    )
)
def test_no_row_or_column_of_a_table_has_a_lone_hidden_cell(table: list[list[int]]) -> None:
    values = np.array(table)
    hidden = suppression.hidden_table(values)
    assert hidden[(values > 0) & (values < 10)].all()
    for lines in (hidden, hidden.T):
        assert not (lines.sum(axis=1) == 1).any()
    for lines, numbers in ((hidden, values), (hidden.T, values.T)):
        for line, cells in zip(lines, numbers, strict=True):
            assert not line.any() or line.all() or cells[line].sum() >= 10
