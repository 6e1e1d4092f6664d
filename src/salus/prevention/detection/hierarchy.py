"""Ten signals, not a thousand: false-discovery control down a tree of disease, district, institution.

`tree_select` is the procedure TreeBH of Bogomolov, Peterson, Benjamini and Sabatti (Biometrika 2021; 108:
575–90): families of children are tested by Benjamini and Hochberg's procedure (J R Stat Soc B 1995; 57:
289–300) only under a selected parent, at a level that falls with the share selected above. It keeps the
expected share of false signals, averaged over the families selected on a level, at `q` on every level of the
tree, for p-values that are independent or positively dependent as Simes' test asks. Testing every node in one
list does not do so for the coarse levels, and Yekutieli's procedure (JASA 2008; 103: 309–16) only up to a
factor of 2.88. A node's count contains its children's, so that the proof does not cover every step here: the
tests simulate such counts.

A node's p-value joins its own (its counts together: a rise spread thin over its parts) with those of its
children (a rise in one part that drowns in the whole): twice the smaller of its own and the children's by
Simes, or its children's alone where it has none of its own.

`signals` then reports each finding once: at the coarsest node whose excess explains that of its children, or
at a child where the excess is that child's alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from salus.kernel.errors import Invalid

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Selection:
    """What was selected in the tree: `selected` (N,), the joined p-values `p` (N,), `level` (N,) from 0."""

    selected: Bools
    p: Floats
    level: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Signal:
    """One finding: its node, the selected nodes below it that it explains, and how sure it is.

    `p` is the node's joined p-value; `excess` is observed minus expected, 0 where counts are not given.
    """

    node: int
    explains: tuple[int, ...]
    p: float
    excess: float


def benjamini_hochberg(p: ArrayLike) -> Floats:
    """Return adjusted p-values: a node is selected at rate q where its adjusted p-value is at most q.

    Args:
        p: p-values, (N,); NaN (nothing could be tested) stays NaN and is not counted.
    """
    told = np.asarray(p, dtype=np.float64)
    found = np.full(told.shape, np.nan)
    known = np.flatnonzero(~np.isnan(told))
    order = known[np.argsort(told[known], kind="stable")]
    scaled = told[order] * len(order) / np.arange(1, len(order) + 1)
    found[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return found


def simes(p: ArrayLike) -> float:
    """Return Simes' p-value that all of several hypotheses hold (Biometrika 1986; 73: 751–4); NaN if none."""
    told = np.asarray(p, dtype=np.float64)
    told = np.sort(told[~np.isnan(told)])
    if not len(told):
        return float("nan")
    return float(min(1.0, (told * len(told) / np.arange(1, len(told) + 1)).min()))


def tree_select(parent: Sequence[int] | NDArray[np.integer], p: ArrayLike, *, q: float = 0.05) -> Selection:
    """Return which nodes of the tree are selected.

    Args:
        parent: each node's parent, −1 for the roots, (N,); parents may come before or after their children.
        p: each node's own p-value, (N,); NaN where there is none.
        q: the expected share of false signals on each level.

    Raises:
        Invalid: the tree has a cycle or an unknown parent, or p or q are no probabilities.
    """
    above, own = _tree(parent, p)
    if not 0 < q < 1:
        raise Invalid("hierarchy-rate", "The rate of false signals lies between 0 and 1", where="q")
    level = _levels(above)
    children = _children(above)
    joined = _joined(own, children, level)
    selected = np.zeros(len(own), dtype=bool)
    families: list[tuple[NDArray[np.intp], float]] = [(np.flatnonzero(above < 0), q)]
    while families:
        family, rate = families.pop()
        if not len(family):
            continue
        chosen = family[np.nan_to_num(benjamini_hochberg(joined[family]), nan=2.0) <= rate]
        selected[chosen] = True
        tested = int((~np.isnan(joined[family])).sum())
        families += [(children[one], rate * len(chosen) / tested) for one in chosen]
    return Selection(selected, joined, level)


def signals(
    parent: Sequence[int] | NDArray[np.integer],
    p: ArrayLike,
    *,
    observed: ArrayLike | None = None,
    expected: ArrayLike | None = None,
    dispersion: ArrayLike | float = 1.0,
    q: float = 0.05,
    alpha: float = 0.05,
) -> list[Signal]:
    """Return the findings in the tree, each once, the surest first.

    Args:
        parent: each node's parent, −1 for the roots, (N,).
        p: each node's own p-value, (N,); NaN where there is none.
        observed: each node's count, (N,). With `expected`, a child's excess is judged against its parent's;
            without, a parent stands for its children where two or more are selected.
        expected: what its detector expected, (N,).
        dispersion: variance over mean of the counts, a number or (N,).
        q: the expected share of false signals on each level.
        alpha: a child is told from its parent when, were the parent's excess shared out in proportion to
            expected counts, so high a count had at most this probability (shared among the children).

    Raises:
        Invalid: as `tree_select`, or counts are given only in part.
    """
    made = tree_select(parent, p, q=q)
    above = np.asarray(parent, dtype=np.intp)
    children = _children(above)
    size = len(above)
    if (observed is None) != (expected is None):
        raise Invalid("hierarchy-counts", "Give observed and expected counts, or neither")
    counts = None
    if observed is not None and expected is not None:
        spread = np.broadcast_to(np.asarray(dispersion, dtype=np.float64), (size,))
        counts = (np.asarray(observed, dtype=np.float64), np.asarray(expected, dtype=np.float64), spread)
        if any(one.shape != (size,) for one in counts) or np.any(counts[1] < 0) or np.any(spread <= 0):
            raise Invalid("hierarchy-counts", "There is one count from 0 up for each node")
    found: list[Signal] = []
    waiting = [int(one) for one in np.flatnonzero((above < 0) & made.selected)]
    while waiting:
        node = waiting.pop()
        below = children[node][made.selected[children[node]]]
        apart, stays = _apart(node, below, children[node], counts, alpha)
        waiting += apart
        if stays:
            gone = set(apart)
            explained = _under([int(one) for one in below if int(one) not in gone], children, made.selected)
            excess = float(counts[0][node] - counts[1][node]) if counts else 0.0
            if counts and apart:
                excess -= float((counts[0] - counts[1])[apart].sum())
            found.append(Signal(node, tuple(explained), float(made.p[node]), excess))
    return sorted(found, key=lambda one: (one.p, -one.excess, one.node))


def _apart(
    node: int,
    below: NDArray[np.intp],
    family: NDArray[np.intp],
    counts: tuple[Floats, Floats, Floats] | None,
    alpha: float,
) -> tuple[list[int], bool]:
    """Return which selected children stand for themselves, and whether the node is reported too."""
    if not len(below):
        return [], True
    if counts is None:
        return ([], True) if len(below) > 1 else ([int(below[0])], False)
    observed, expected, spread = counts
    total, mean = observed[node], expected[node]
    apart: list[int] = []
    left = [int(one) for one in below]
    # Take the child out whose count the others' ratio explains least, until the rest explain each other.
    while left and mean > 0:
        ratio = max(total / mean, 1.0)
        chances = [_upper(observed[one], expected[one] * ratio, spread[one]) for one in left]
        best = int(np.argmin(chances))
        if chances[best] > alpha / len(family):
            break
        apart.append(left.pop(best))
        total, mean = total - observed[apart[-1]], mean - expected[apart[-1]]
    if not apart:
        return [], True
    # What is left of the node is reported only where it is too high without those children.
    stays = bool(mean > 0 and (left or _upper(total, mean, spread[node]) <= alpha / len(family)))
    return apart, stays


def _upper(count: float, mean: float, spread: float) -> float:
    """Return the probability of so high a count: Poisson, or negative binomial where spread exceeds 1."""
    if count <= 0:
        return 1.0
    if mean <= 0:
        return 0.0
    if spread <= 1 + 1e-9:
        return float(special.gammainc(count, mean))
    size = mean / (spread - 1)
    return float(special.betainc(count, size, 1 - 1 / spread))


def _under(nodes: list[int], children: list[NDArray[np.intp]], selected: Bools) -> list[int]:
    found: list[int] = []
    waiting = nodes[::-1]
    while waiting:
        node = waiting.pop()
        found.append(node)
        waiting += [int(one) for one in children[node][selected[children[node]]]][::-1]
    return found


def _joined(own: Floats, children: list[NDArray[np.intp]], level: NDArray[np.intp]) -> Floats:
    found = own.copy()
    for node in np.argsort(-level, kind="stable"):
        if not len(children[node]):
            continue
        parts = simes(found[children[node]])
        if np.isnan(found[node]):
            found[node] = parts
        elif not np.isnan(parts):
            found[node] = min(1.0, 2 * min(found[node], parts))
    return found


def _children(above: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    order = np.argsort(above, kind="stable")
    edges = np.searchsorted(above[order], np.arange(len(above) + 1))
    return [order[edges[one] : edges[one + 1]] for one in range(len(above))]


def _levels(above: NDArray[np.intp]) -> NDArray[np.intp]:
    found, node = np.zeros(len(above), dtype=np.intp), above.copy()
    for _ in range(len(above) + 1):
        higher = node >= 0
        if not higher.any():
            return found
        found[higher] += 1
        node[higher] = above[node[higher]]
    raise Invalid("hierarchy-cycle", "The tree goes round in a circle", fix="Give roots the parent -1")


def _tree(parent: Sequence[int] | NDArray[np.integer], p: ArrayLike) -> tuple[NDArray[np.intp], Floats]:
    above, own = np.asarray(parent, dtype=np.intp), np.asarray(p, dtype=np.float64)
    if above.shape != own.shape or above.ndim != 1:
        raise Invalid("hierarchy-shape", "There is one p-value for each node")
    if np.any(above >= len(above)) or np.any(above < -1):
        raise Invalid("hierarchy-parent", "A parent is not among the nodes")
    if np.any((own < 0) | (own > 1)):
        raise Invalid("hierarchy-p", "A p-value lies between 0 and 1")
    return above, own
