"""False-discovery control: by hand, on simulated trees where nothing or something is, and the folding."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from salus.kernel.errors import Invalid
from salus.prevention.detection.hierarchy import benjamini_hochberg, signals, simes, tree_select

NAN = float("nan")


def test_benjamini_and_hochberg_s_own_example() -> None:
    # The 15 p-values of their paper (thrombolysis in heart attacks): four are selected at 5 %.
    p = [
        0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719,
        0.6528, 0.7590, 1.0,
    ]  # fmt: skip
    assert (benjamini_hochberg(p) <= 0.05).sum() == 4


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_adjusted_p_values_are_scipy_s(p: list[float]) -> None:
    np.testing.assert_allclose(benjamini_hochberg(p), stats.false_discovery_control(p), atol=1e-12)


def test_simes_by_hand() -> None:
    assert simes([0.02, 0.5, 0.03, NAN]) == pytest.approx(0.045)  # 3 × 0.03 / 2
    assert np.isnan(simes([NAN]))


def test_a_tree_by_hand() -> None:
    # Two diseases; the first has districts 2, 3, the second 4, 5. Simes: 2 × 0.004 = 0.008 and 0.6.
    # Joined with their own: 2 × 0.008 = 0.016 and 2 × 0.5 = 1. At 5 %: the first only (0.016 ≤ 0.025).
    # Its districts are tested at 5 % × 1/2: district 2 only (0.004 ≤ 0.0125), district 3 not.
    found = tree_select([-1, -1, 0, 0, 1, 1], [0.3, 0.5, 0.004, 0.03, 0.6, 0.6], q=0.05)
    np.testing.assert_allclose(found.p, [0.016, 1, 0.004, 0.03, 0.6, 0.6])
    np.testing.assert_array_equal(found.selected, [True, False, True, False, False, False])
    np.testing.assert_array_equal(found.level, [0, 0, 1, 1, 1, 1])


def tree(diseases: int, districts: int, institutions: int) -> np.ndarray:
    second = diseases + np.arange(diseases * districts)
    return np.concatenate(
        [
            np.full(diseases, -1),
            np.repeat(np.arange(diseases), districts),
            np.repeat(second, institutions),
        ]
    )


def p_values(
    random: np.random.Generator, parent: np.ndarray, mean: float, planted: dict[int, float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Counts of leaves, summed up the tree, with randomised (exactly uniform) Poisson p-values."""
    leaf = ~np.isin(np.arange(len(parent)), parent)
    observed, expected = np.zeros(len(parent)), np.zeros(len(parent))
    rate = np.full(len(parent), mean)
    for node, ratio in planted.items():
        rate[node] *= ratio
    observed[leaf], expected[leaf] = random.poisson(rate[leaf]), mean
    for node in range(len(parent) - 1, -1, -1):
        if parent[node] >= 0:
            observed[parent[node]] += observed[node]
            expected[parent[node]] += expected[node]
    p = stats.poisson.sf(observed, expected) + random.uniform(size=len(parent)) * stats.poisson.pmf(
        observed, expected
    )
    return observed, expected, np.clip(p, 0, 1)


def test_where_nothing_is_at_most_the_rate_of_weeks_has_any_signal() -> None:
    random = np.random.default_rng(5)
    parent = tree(6, 5, 4)
    any_signal = [
        tree_select(parent, p_values(random, parent, 4.0, {})[2], q=0.1).selected.any() for _ in range(300)
    ]
    assert np.mean(any_signal) <= 0.1 + 2.5 * np.sqrt(0.1 * 0.9 / 300)


def test_the_share_of_false_signals_is_kept_on_every_level() -> None:
    random = np.random.default_rng(6)
    parent = tree(8, 6, 5)
    leaves = np.flatnonzero(~np.isin(np.arange(len(parent)), parent))
    shares: list[list[float]] = [[], [], []]
    power = []
    for _ in range(120):
        hit = random.choice(leaves[:90], 8, replace=False)
        true = np.zeros(len(parent), dtype=bool)
        for node in hit:
            while node >= 0:
                true[node] = True
                node = parent[node]
        p = p_values(random, parent, 5.0, dict.fromkeys(hit.tolist(), 4.0))[2]
        found = tree_select(parent, p, q=0.1)
        for level in range(3):
            chosen = found.selected & (found.level == level)
            shares[level].append((chosen & ~true).sum() / max(chosen.sum(), 1))
        power.append(found.selected[hit].mean())
    for level in range(3):
        assert np.mean(shares[level]) <= 0.1 + 2.5 * np.std(shares[level]) / np.sqrt(120)
    assert np.mean(power) > 0.6


def test_one_institution_s_outbreak_is_one_signal_at_that_institution() -> None:
    random = np.random.default_rng(7)
    parent = tree(4, 5, 6)
    leaf = len(parent) - 1
    observed, expected, p = p_values(random, parent, 5.0, {leaf: 8.0})
    found = signals(parent, p, observed=observed, expected=expected)
    assert [one.node for one in found] == [leaf]
    assert found[0].excess == observed[leaf] - expected[leaf]


def test_a_rise_everywhere_is_one_signal_of_the_disease() -> None:
    random = np.random.default_rng(8)
    parent = tree(4, 5, 6)
    leaves = np.flatnonzero(~np.isin(np.arange(len(parent)), parent))
    observed, expected, p = p_values(random, parent, 5.0, dict.fromkeys(leaves[:30].tolist(), 2.5))
    found = signals(parent, p, observed=observed, expected=expected)
    assert [one.node for one in found] == [0]
    assert len(found[0].explains) > 10


def test_an_outbreak_in_the_midst_of_a_rise_is_told_apart() -> None:
    parent = np.array([-1, 0, 0, 0, 0])
    observed, expected = np.array([260, 40, 40, 40, 140.0]), np.array([80, 20, 20, 20, 20.0])
    p = stats.poisson.sf(observed - 1, expected)
    found = signals(parent, p, observed=observed, expected=expected)
    assert {one.node: one.explains for one in found} == {4: (), 0: (1, 2, 3)}
    assert [one.excess for one in sorted(found, key=lambda one: one.node)] == [60, 120]


def test_without_counts_two_children_are_one_signal_and_one_stands_for_itself() -> None:
    assert [s.node for s in signals([-1, 0, 0, 0], [1e-6, 1e-5, 1e-5, 0.9])] == [0]
    assert [s.node for s in signals([-1, 0, 0, 0], [1e-6, 1e-7, 0.5, 0.9])] == [1]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40), st.sampled_from([0.0, 0.2]))
def test_never_a_surprise(seed: int, size: int, gaps: float) -> None:
    random = np.random.default_rng(seed)
    parent = np.array([int(random.integers(-1, one)) for one in range(size)])
    p = np.where(random.uniform(size=size) < gaps, NAN, random.uniform(size=size) ** 6)
    made = tree_select(parent, p)
    chosen = np.flatnonzero(made.selected & (parent >= 0))
    assert np.all(made.selected[parent[chosen]])
    expected = random.uniform(0, 9, size)
    found = signals(parent, p, observed=random.poisson(2 * expected), expected=expected)
    told = [node for one in found for node in (one.node, *one.explains)]
    assert len(told) == len(set(told))
    assert np.all(made.selected[told]) if told else not made.selected.any()
    turned = tree_select(np.where(parent < 0, -1, size - 1 - parent)[::-1], p[::-1])
    np.testing.assert_array_equal(turned.selected[::-1], made.selected)


def test_what_cannot_be_is_said() -> None:
    with pytest.raises(Invalid, match="circle"):
        tree_select([1, 0], [0.1, 0.1])
    with pytest.raises(Invalid, match="not among"):
        tree_select([5], [0.1])
    with pytest.raises(Invalid, match="between 0 and 1"):
        tree_select([-1], [1.5])
