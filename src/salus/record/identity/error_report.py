"""How often linkage errs: against known truth, or estimated from pairs that humans reviewed.

Estimation: clerical review of a sample of joined pairs gives precision; the share of reviewed grey-zone
pairs found to be one person, applied to all of them, gives the joins that were missed.
Source: H. Harron et al., Challenges in administrative data linkage for research, Big Data & Society (2017).
"""

import random
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import combinations

from django.db import connection
from django.utils import timezone
from django.utils.dateparse import parse_date

from salus.kernel import policy
from salus.kernel.policy import Principal, Target
from salus.record.identity.engine.quality import Quality
from salus.record.models import PatientLink, Person, ReviewPair, ReviewStatus


@dataclass(frozen=True, slots=True)
class GroupError:
    """Precision and recall of pairs in one group ("age", "60-79"); None where nothing can be said."""

    by: str
    group: str
    pairs: int
    precision: float | None
    recall: float | None


def age_band(born: date | None, today: date) -> str:
    """Return the age in bands of twenty years, "" if unknown."""
    if born is None:
        return ""
    low = max(0, (today.year - born.year) // 20 * 20)
    return f"{low}-{low + 19}" if low < 80 else "80+"


def _groupers(today: date) -> dict[str, Callable[["Person | _Face"], str]]:
    return {
        "all": lambda p: "",
        "age": lambda p: age_band(p.birth_date, today),
        "sex": lambda p: p.sex,
        "district": lambda p: p.district_code[:6],
    }


def against_truth(
    principal: Principal,
    truth: Mapping[int, Hashable],
    *,
    today: date,
    strata: Mapping[int, str] | None = None,
) -> list[GroupError]:
    """Score present links against the truth (patient_rid → who it is), whole and by group.

    `strata` names the stratum (income, say) of records. A pair is counted in the group of its first
    record's person.
    """
    policy.require(principal, "review", Target("identity_review"))
    links = dict(PatientLink.objects.values_list("patient_rid", "person_id"))
    persons = Person.objects.in_bulk(set(links.values()))
    by_truth: dict[Hashable, list[int]] = defaultdict(list)
    by_person: dict[Hashable, list[int]] = defaultdict(list)
    for rid, who in sorted(truth.items()):
        if rid in links:
            by_truth[who].append(rid)
            by_person[links[rid]].append(rid)
    counts: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])

    def groups(rid: int) -> list[tuple[str, str]]:
        person = persons[links[rid]]
        found = [(name, group(person)) for name, group in _groupers(today).items()]
        return [*found, ("stratum", strata.get(rid, ""))] if strata else found

    for members in by_truth.values():
        for a, b in combinations(members, 2):
            for group in groups(a):
                counts[group][0] += 1
                counts[group][2] += links[a] == links[b]
    for members in by_person.values():
        for a, _ in combinations(members, 2):
            for group in groups(a):
                counts[group][1] += 1
    return [
        GroupError(by, group, true, quality.precision, quality.recall)
        for (by, group), (true, found, right) in sorted(counts.items())
        for quality in [Quality(true, found, right)]
    ]


def from_reviews(principal: Principal, *, today: date) -> list[GroupError]:
    """Estimate precision and recall from the pairs that humans reviewed, whole and by group."""
    policy.require(principal, "review", Target("identity_review"))
    tallies: dict[tuple[str, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for face, pairs in _joined_pairs():
        for name, group in _groupers(today).items():
            tallies[name, group(face)]["joined"] += pairs
    reviewed = ReviewPair.objects.exclude(status=ReviewStatus.SETTLED)
    links = dict(
        PatientLink.objects.filter(patient_rid__in=reviewed.values("low_rid")).values_list(
            "patient_rid", "person_id"
        )
    )
    persons = Person.objects.in_bulk(set(links.values()))
    for low, sampled, status in reviewed.values_list("low_rid", "sampled", "status"):
        if low not in links:
            continue
        kind = "sample" if sampled else "grey"
        for name, group in _groupers(today).items():
            tally = tallies[name, group(persons[links[low]])]
            tally[kind] += 1
            tally[f"{kind}-{status}"] += 1
    return [_estimate(by, group, tally) for (by, group), tally in sorted(tallies.items())]


def _joined_pairs() -> Iterator[tuple["_Face", int]]:
    """Yield how many pairs of records are joined, by all that the groups are made of."""
    with connection.cursor() as cursor:
        cursor.execute(
            "with sizes as (select person_id, count(*) as n from record_patientlink group by person_id)"
            " select p.birth_date, p.sex, p.district_code, sum(s.n * (s.n - 1) / 2) from sizes s"
            " join record_person p on p.id = s.person_id group by p.birth_date, p.sex, p.district_code"
        )
        for born, sex, district, pairs in cursor.fetchall():
            yield _Face(parse_date(born) if isinstance(born, str) else born, sex, district), int(pairs)


@dataclass(frozen=True, slots=True)
class _Face:
    """What the groups ask of a person."""

    birth_date: date | None
    sex: str
    district_code: str


def _estimate(by: str, group: str, tally: Mapping[str, int]) -> GroupError:
    judged = tally["sample-same"] + tally["sample-different"]
    precision = tally["sample-same"] / judged if judged else None
    grey = tally["grey-same"] + tally["grey-different"]
    recall = None
    if grey:  # no pair judged tells nothing of the joins that were missed
        missed = tally["grey-open"] * (tally["grey-same"] / grey)
        right = tally["joined"] * (1.0 if precision is None else precision)
        recall = right / (right + missed) if right + missed else None
    return GroupError(by, group, tally["joined"], precision, recall)


def draw_sample(principal: Principal, size: int, *, seed: int) -> int:
    """Put a random sample of joined pairs before the reviewers; return how many were added."""
    policy.require(principal, "review", Target("identity_review"))
    members: dict[object, list[int]] = defaultdict(list)
    for rid, person_id in PatientLink.objects.order_by("patient_rid").values_list("patient_rid", "person_id"):
        members[person_id].append(rid)
    several = [m for _, m in sorted(members.items(), key=lambda x: str(x[0])) if len(m) > 1]
    if not several:
        return 0
    r = random.Random(seed)  # noqa: S311 - a sample, not a secret
    weights = [len(m) * (len(m) - 1) // 2 for m in several]
    chosen = {tuple(sorted(r.sample(m, 2))) for m in r.choices(several, weights, k=size)}
    known = set(ReviewPair.objects.values_list("low_rid", "high_rid"))
    fresh = [
        ReviewPair(low_rid=a, high_rid=b, reason="sample", sampled=True, created=timezone.now())
        for a, b in sorted(chosen)
        if (a, b) not in known
    ]
    ReviewPair.objects.bulk_create(fresh)
    return len(fresh)
