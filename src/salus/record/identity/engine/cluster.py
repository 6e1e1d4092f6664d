"""From weighted pairs to persons: where to cut without labels, and joining under constraints."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def calibrate_prior(weights: Floats, prior_weight: float, pairs: float, rounds: int = 50) -> float:
    """Return the share of matching pairs among all pairs that the weights themselves imply.

    Expectation maximisation on the prior alone: the expected matches among the blocked pairs, divided
    by all pairs, until it stands still. `weights` are in bits and include `prior_weight`.
    """
    evidence = weights - prior_weight
    prior = float(1 / (1 + np.exp2(-prior_weight)))
    for _ in range(rounds):
        shift = float(np.log2(prior / (1 - prior)))
        expected = float(_probabilities(evidence + shift).sum())
        updated = min(max(expected / pairs, 1e-12), 0.5)
        if abs(updated - prior) < 1e-9 * prior:
            break
        prior = updated
    return prior


def best_threshold(weights: Floats) -> float:
    """Return the weight from which joining gives the highest expected F1, by the model's own account.

    With p the match probability of each pair, joining all pairs from a threshold up expects as many
    true joins as their p add up to; no label is used.
    """
    if not len(weights):
        return 0.0
    ordered = np.sort(weights)[::-1]
    p = _probabilities(ordered)
    true = np.cumsum(p)
    f1 = 2 * true / (np.arange(1, len(p) + 1) + p.sum())
    return float(ordered[int(np.argmax(f1))])


def _probabilities(weights: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp2(-np.clip(weights, -60, 60))), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Clusters:
    """`label[i]` is the smallest member of record i's cluster; `refused` are pairs kept apart."""

    label: list[int]
    refused: list[tuple[int, int]]


def join(
    size: int,
    pairs: Iterable[tuple[int, int]],
    *,
    strong: Sequence[str | None] = (),
    one_each: Sequence[str | None] = (),
    apart: Mapping[int, frozenset[int]] | None = None,
) -> Clusters:
    """Join records pair by pair, best first, refusing a join that would break a constraint.

    `strong[i]` is record i's valid identity number: a cluster holds one at most. `one_each[i]` is the
    source of record i where a source has nobody twice. `apart` are pairs that must never meet, not even
    through others.
    """
    parent = list(range(size))
    members: dict[int, list[int]] = {}
    numbers = {i: s for i, s in enumerate(strong) if s}
    sources = {i: {s} for i, s in enumerate(one_each) if s}
    refused: list[tuple[int, int]] = []

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for a, b in pairs:
        x, y = root(a), root(b)
        if x == y:
            continue
        if x > y:
            x, y = y, x
        in_x, in_y = members.get(x, [x]), members.get(y, [y])
        if (
            (numbers.get(x) and numbers.get(y) and numbers[x] != numbers[y])
            or (x in sources and y in sources and sources[x] & sources[y])
            or (apart and any(not apart.get(i, frozenset()).isdisjoint(in_y) for i in in_x))
        ):
            refused.append((a, b))
            continue
        parent[y] = x
        members[x] = in_x + in_y
        members.pop(y, None)
        if y in numbers:
            numbers[x] = numbers.get(x) or numbers[y]
        if y in sources:
            sources[x] = sources.get(x, set()) | sources[y]
    return Clusters([root(i) for i in range(size)], refused)
