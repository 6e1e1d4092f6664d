"""From weighted pairs to persons: where to cut without labels, and joining under constraints."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


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


@dataclass(frozen=True, slots=True)
class Joined:
    """`label[i]` is the smallest member of record i's cluster; `refused` are pairs kept apart, shape (n, 2).

    `contested` is the number of groups of linked records in which some pair had to be refused or weighed.
    """

    label: NDArray[np.int32]
    refused: Ints
    contested: int


def tiers(strong: Ints, likeness: NDArray[np.uint64]) -> tuple[NDArray[np.int32], Ints]:
    """Put records that carry the same number and say the same into one group before anything is weighed.

    `strong[i]` is record i's valid number, 0 if it has none; `likeness[i]` a fingerprint of its name and
    birth date. Returns for each record the smallest member of its group, and the records whose number also
    stands in a larger group (or in one as large that begins earlier): whether those are one person with
    the larger group is for the weights to say.
    """
    size = len(strong)
    first = np.arange(size, dtype=np.int32)
    held = np.flatnonzero(strong > 0)
    if not len(held):
        return first, np.zeros(0, dtype=np.int64)
    order = held[np.argsort(strong[held], kind="stable")]
    numbers, like = strong[order], likeness[order]
    begins = np.flatnonzero(np.r_[True, numbers[1:] != numbers[:-1]])
    lengths = np.diff(np.r_[begins, len(order)])
    same = np.minimum.reduceat(like, begins) == np.maximum.reduceat(like, begins)
    agreed = np.repeat(same, lengths)
    first[order[agreed]] = np.repeat(order[begins[same]], lengths[same])
    rest = order[~agreed]
    if not len(rest):
        return first, np.zeros(0, dtype=np.int64)
    rest = rest[np.lexsort((rest, likeness[rest], strong[rest]))]
    numbers, like = strong[rest], likeness[rest]
    starts = np.flatnonzero(np.r_[True, (numbers[1:] != numbers[:-1]) | (like[1:] != like[:-1])])
    sizes = np.diff(np.r_[starts, len(rest)])
    leaders = rest[starts]
    first[rest] = np.repeat(leaders, sizes)
    ranked = np.lexsort((leaders, -sizes, numbers[starts]))
    chief = np.zeros(len(starts), dtype=bool)
    chief[ranked[np.r_[True, numbers[starts][ranked][1:] != numbers[starts][ranked][:-1]]]] = True
    return first, np.sort(rest[np.repeat(~chief, sizes)])


def join_arrays(
    first: NDArray[np.int32],
    left: NDArray[np.int32],
    right: NDArray[np.int32],
    weight: Floats,
    *,
    strong: Ints,
    source: Ints | None = None,
) -> Joined:
    """Do what `join` does, for tens of millions: groups first, then pairs best first (ties by number).

    `first` are the groups of `tiers`, `strong[i]` record i's number or 0, `source[i]` its source where no
    source has a person twice. Where all linked records can be one cluster, the order of joining does not
    matter and they are one; only the others are joined pair by pair.
    """
    size = len(first)
    a, b = first[left], first[right]
    label = first.copy()
    used, ends = np.unique(np.concatenate([a, b]), return_inverse=True)
    if not len(used):
        return Joined(label, np.zeros((0, 2), dtype=np.int64), 0)
    count = len(used)
    ones = np.ones(len(a), dtype=np.int8)
    graph = coo_array((ones, (ends[: len(a)], ends[len(a) :])), shape=(count, count))
    parts, part = connected_components(graph, directed=False)
    contested = _differs(part, strong[used], parts)
    if source is not None:
        contested |= _repeats(part, source[used], parts)
    lowest = np.full(parts, size, dtype=np.int64)
    np.minimum.at(lowest, part, used)
    root = np.arange(size, dtype=np.int32)
    free = ~contested[part]
    root[used[free]] = lowest[part[free]]
    refused = np.zeros((0, 2), dtype=np.int64)
    if contested.any():
        among = np.flatnonzero(contested[part[ends[: len(a)]]])
        among = among[np.lexsort((right[among], left[among], -weight[among]))]
        nodes, at = np.unique(np.concatenate([a[among], b[among]]), return_inverse=True)
        found = join(
            len(nodes),
            zip(at[: len(among)].tolist(), at[len(among) :].tolist(), strict=True),
            strong=[str(n) if n else None for n in strong[nodes].tolist()],
            one_each=[str(s) for s in source[nodes].tolist()] if source is not None else (),
        )
        root[nodes] = nodes[np.array(found.label, dtype=np.int64)]
        again = {
            pair: i
            for i, pair in zip(
                among.tolist(),
                zip(at[: len(among)].tolist(), at[len(among) :].tolist(), strict=True),
                strict=True,
            )
        }
        refused = np.array(
            [(left[i], right[i]) for i in (again[p] for p in found.refused)], dtype=np.int64
        ).reshape(-1, 2)
    label = root[first]
    return Joined(label, refused, int(contested.sum()))


def _differs(part: NDArray[np.int32], strong: Ints, parts: int) -> NDArray[np.bool_]:
    """Return the components that hold two numbers."""
    held = np.flatnonzero(strong > 0)
    out = np.zeros(parts, dtype=bool)
    if len(held):
        order = held[np.argsort(part[held], kind="stable")]
        begins = np.flatnonzero(np.r_[True, part[order][1:] != part[order][:-1]])
        low, high = np.minimum.reduceat(strong[order], begins), np.maximum.reduceat(strong[order], begins)
        out[part[order[begins]]] = low != high
    return out


def _repeats(part: NDArray[np.int32], source: Ints, parts: int) -> NDArray[np.bool_]:
    """Return the components in which a source stands twice."""
    order = np.lexsort((source, part))
    twice = (part[order][1:] == part[order][:-1]) & (source[order][1:] == source[order][:-1])
    out = np.zeros(parts, dtype=bool)
    out[part[order[1:][twice]]] = True
    return out
