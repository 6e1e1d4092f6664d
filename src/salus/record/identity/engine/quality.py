"""How good a linkage is against known truth: pairs rightly joined, wrongly joined, missed."""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quality:
    """Counts of pairs. Precision and recall of an empty set are 1: nothing was claimed, nothing missed."""

    true_pairs: int
    found_pairs: int
    right_pairs: int

    @property
    def precision(self) -> float:
        """The share of joined pairs that are of one person."""
        return self.right_pairs / self.found_pairs if self.found_pairs else 1.0

    @property
    def recall(self) -> float:
        """The share of one person's pairs that were joined."""
        return self.right_pairs / self.true_pairs if self.true_pairs else 1.0

    @property
    def f1(self) -> float:
        """The harmonic mean of the two."""
        both = self.true_pairs + self.found_pairs
        return 2 * self.right_pairs / both if both else 1.0


def pairwise(found: Sequence[Hashable], truth: Sequence[Hashable]) -> Quality:
    """Compare two partitions of the same records, given as one label a record each."""
    return Quality(
        _pairs(Counter(truth)), _pairs(Counter(found)), _pairs(Counter(zip(found, truth, strict=True)))
    )


def _pairs(counts: Counter[Hashable]) -> int:
    return sum(n * (n - 1) // 2 for n in counts.values())
