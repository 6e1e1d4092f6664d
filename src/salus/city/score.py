"""How well a platform linked the city's records, against the truth: pairwise precision and recall."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from salus.kernel.ids import server_id

GROUPS = ("age_group", "sex", "stratum", "district")


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of records: `found` were put together, `true` belong together, `right` are both."""

    found: int
    true: int
    right: int

    @property
    def precision(self) -> float:
        """Return the share of the pairs put together that belong together; 1 where none was."""
        return self.right / self.found if self.found else 1.0

    @property
    def recall(self) -> float:
        """Return the share of the pairs that belong together that were found; 1 where there is none."""
        return self.right / self.true if self.true else 1.0


@dataclass(frozen=True, slots=True)
class Linkage:
    """Precision and recall of the whole city and of groups: `groups["sex"]["female"]`.

    A pair counts in a group when the resident of at least one of its records belongs to it.
    `unknown` links name records that the truth does not hold; `missing` records were not linked at all
    and count as persons of their own.
    """

    overall: Pairs
    groups: Mapping[str, Mapping[str, Pairs]]
    residents: int
    records: int
    persons: int
    unknown: int
    missing: int

    @property
    def precision(self) -> float:
        """Return the overall precision."""
        return self.overall.precision

    @property
    def recall(self) -> float:
        """Return the overall recall."""
        return self.overall.recall

    @property
    def by_group(self) -> list[tuple[str, str, str, str]]:
        """Return a row a group: its name, true pairs, precision and recall, as text for a table."""
        return [
            (f"{group} {value}", f"{pairs.true:,}", f"{pairs.precision:.4f}", f"{pairs.recall:.4f}")
            for group, values in self.groups.items()
            for value, pairs in values.items()
        ]


def linkage(truth_dir: Path, links_iter: Iterable[tuple[str, str]]) -> Linkage:
    """Score links against a city's truth.

    `links_iter` yields (id of the stored Patient, person id), one a record; ids are `kernel.ids.server_id`
    of source, type and the sender's id, persons any text. Every pair of records counts once, so a person
    with n records has n (n - 1) / 2 pairs.
    Source: Christen 2012, Data Matching, section 7.2 (pairwise precision and recall).
    """
    patients = pq.read_table(
        truth_dir / "patients.parquet", columns=["source", "patient", "resident"]
    ).to_pydict()
    columns = ["resident", *GROUPS]
    traits = pq.read_table(truth_dir / "persons.parquet", columns=columns).to_pydict()
    group_of = {
        resident: tuple(str(traits[group][i]) for group in GROUPS)
        for i, resident in enumerate(traits["resident"])
    }
    resident_of = {
        server_id(source, "Patient", patient): resident
        for source, patient, resident in zip(
            patients["source"], patients["patient"], patients["resident"], strict=True
        )
    }
    unknown = 0
    person_of: dict[str, str] = {}
    for patient, person in links_iter:
        if patient in resident_of:
            person_of[patient] = str(person)
        else:
            unknown += 1
    clusters: dict[str, Counter[str]] = {}
    true: Counter[str] = Counter()
    missing = 0
    for key, resident in resident_of.items():
        true[resident] += 1
        linked = person_of.get(key)
        if linked is None:
            missing += 1
            linked = f"\x00{key}"
        clusters.setdefault(linked, Counter())[resident] += 1
    overall, groups = _count(clusters, true, group_of)
    return Linkage(overall, groups, len(true), len(resident_of), len(clusters), unknown, missing)


class _Tally:
    """Counts pairs, overall and a group."""

    def __init__(self) -> None:
        self.found = self.true = self.right = 0

    def pairs(self) -> Pairs:
        return Pairs(self.found, self.true, self.right)


def _two(count: int) -> int:
    return count * (count - 1) // 2


def _count(
    clusters: Mapping[str, Counter[str]], true: Counter[str], group_of: Mapping[str, tuple[str, ...]]
) -> tuple[Pairs, dict[str, dict[str, Pairs]]]:
    overall = _Tally()
    tallies: dict[str, dict[str, _Tally]] = {group: {} for group in GROUPS}

    def of(group: str, value: str) -> _Tally:
        return tallies[group].setdefault(value, _Tally())

    for resident, count in true.items():
        overall.true += _two(count)
        for group, value in zip(GROUPS, group_of[resident], strict=True):
            of(group, value).true += _two(count)
    for members in clusters.values():
        size = members.total()
        overall.found += _two(size)
        overall.right += sum(_two(count) for count in members.values())
        for at, group in enumerate(GROUPS):
            inside: Counter[str] = Counter()
            right: Counter[str] = Counter()
            for resident, count in members.items():
                value = group_of[resident][at]
                inside[value] += count
                right[value] += _two(count)
            for value, count in inside.items():
                tally = of(group, value)
                tally.found += _two(size) - _two(size - count)
                tally.right += right[value]
    return overall.pairs(), {
        group: {value: tally.pairs() for value, tally in sorted(found.items())}
        for group, found in tallies.items()
    }
