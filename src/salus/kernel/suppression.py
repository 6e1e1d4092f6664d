"""Hiding small cells: counts under 10 are not shown, nor any count from which one could be reckoned.

Source of the threshold: the platform's own rule for what planners and the public see; the method is
complementary cell suppression (Willenborg and de Waal, Elements of Statistical Disclosure Control, 2001).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

THRESHOLD = 10
"""The smallest count that is shown. A zero is shown: it speaks of nobody."""

Counts = NDArray[np.int64]
Mask = NDArray[np.bool_]


def hidden_cells(counts: Sequence[int] | Counts, *, threshold: int = THRESHOLD) -> Mask:
    """Return which cells of a row with a known total must be hidden, as a boolean array.

    Counts from 1 to `threshold - 1` are hidden; if the hidden cells' sum, which the total gives away, still
    tells one of them or is itself under the threshold, the smallest other cells are hidden too.
    """
    values = np.asarray(counts, dtype=np.int64)
    hidden = (values > 0) & (values < threshold)
    return _complete(values, hidden, threshold)


def hidden_table(table: Sequence[Sequence[int]] | Counts, *, threshold: int = THRESHOLD) -> Mask:
    """Return which cells of a two-way table with known row and column totals must be hidden.

    After it, no row and no column has exactly one hidden cell, and no row's or column's hidden cells sum to
    less than the threshold (unless the whole row or column is hidden).
    """
    values = np.asarray(table, dtype=np.int64)
    hidden = (values > 0) & (values < threshold)
    while True:
        before = hidden.sum()
        for row in range(values.shape[0]):
            hidden[row] = _complete(values[row], hidden[row], threshold)
        for column in range(values.shape[1]):
            hidden[:, column] = _complete(values[:, column], hidden[:, column], threshold)
        if hidden.sum() == before:
            return hidden


def _complete(values: Counts, hidden: Mask, threshold: int) -> Mask:
    hidden = hidden.copy()
    if not hidden.any():
        return hidden
    # Zeros come last: they hide little, but a lone hidden cell must get company.
    shown = [
        int(place)
        for place in np.argsort(np.where(values == 0, np.iinfo(np.int64).max, values), kind="stable")
    ]
    for place in shown:
        if hidden.sum() >= 2 and values[hidden].sum() >= threshold:
            break
        hidden[place] = True
    return hidden


def suppress(counts: Sequence[int], *, threshold: int = THRESHOLD) -> list[int | None]:
    """Return the row with hidden cells as None; the total may be shown beside it."""
    hidden = hidden_cells(counts, threshold=threshold)
    return [None if hide else int(count) for count, hide in zip(counts, hidden, strict=True)]


def suppress_total(total: int, *, threshold: int = THRESHOLD) -> int | None:
    """Return a lone count, or None when it is too small to show."""
    return None if 0 < total < threshold else total
