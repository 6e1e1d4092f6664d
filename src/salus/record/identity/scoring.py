"""Probabilistic linking of arriving records, with the weights that were trained in batch."""

import time
from dataclasses import asdict, dataclass
from uuid import UUID

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from salus.kernel.errors import Conflict
from salus.record.identity import golden, ledger, rows
from salus.record.identity.engine.resident import Features, blocking_keys, unpack
from salus.record.identity.ledger import MACHINE, By
from salus.record.identity.weighing import scorer, thresholds
from salus.record.models import LinkQueue, ReviewPair

_BATCH = 40
_counted: dict[str, tuple[float, int]] = {}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A record that may be of the same person: its person, and the match weight in bits."""

    patient_rid: int
    person_id: UUID
    weight: float
    features: Features


@dataclass(frozen=True, slots=True)
class Linked:
    """What a run of the worker did."""

    scored: int = 0
    joined: int = 0
    reviews: int = 0


def records(cursor: CursorWrapper) -> int:
    """Return about how many patient records there are; counted again each minute."""
    name = str(cursor.db.settings_dict["NAME"])
    cached = _counted.get(name)
    now = time.monotonic()
    if cached is None or now - cached[0] > 60:
        cached = _counted[name] = (
            now,
            int(rows.fetch(cursor, "select count(*) from record_patientlink")[0][0]),
        )
    return cached[1]


def score_one(
    cursor: CursorWrapper, features: Features, *, but: int = 0, beyond: UUID | None = None
) -> list[Candidate]:
    """Return the records that share a blocking key and reach the review weight, best first.

    `but` is the record's own number and `beyond` a person; both are left out.
    """
    keys = blocking_keys(features)
    if not keys:
        return []
    limit = thresholds().block
    block = f"(select patient_rid from record_blockingkey where key = %s limit {limit}) k"  # noqa: S608
    blocks = " union ".join([f"select patient_rid from {block}"] * len(keys))  # noqa: S608
    found = rows.fetch(
        cursor,
        "select f.patient_rid, f.features, l.person_id from record_linkfeatures f"  # noqa: S608 - our own numbers
        " join record_patientlink l on l.patient_rid = f.patient_rid"
        f" where f.patient_rid in ({blocks})" + (" and l.person_id <> %s" if beyond else ""),
        [*keys, *([rows.key(cursor, beyond)] if beyond else [])],
    )
    weigh = scorer(records(cursor)).weight
    floor = thresholds().review
    candidates = []
    for rid, packed, person_id in found:
        if rid != but:
            other = unpack(bytes(packed))
            weight = weigh(features, other)
            if weight >= floor:
                candidates.append(Candidate(rid, rows.person(person_id), weight, other))
    return sorted(candidates, key=lambda c: (-c.weight, c.patient_rid))


def link_arriving(limit: int = 1000, *, batch: int = _BATCH) -> Linked:
    """Compare up to `limit` queued records with all others: join what is certain, send the rest to review.

    Each transaction takes `batch` records, oldest first, and takes them off the queue: few while others
    wait to write, many when nobody does.
    """
    total = Linked()
    while total.scored < limit:
        with transaction.atomic(), connection.cursor() as cursor:
            some = _take(cursor, min(batch, limit - total.scored))
            if not some:
                break
            known = _compared(cursor, some)
            done = [link_one(cursor, rid) for rid in some if rid not in known]
            _refresh(cursor, some)
        joined, reviews = (sum(d[i] for d in done) for i in (0, 1))
        total = Linked(total.scored + len(some), total.joined + joined, total.reviews + reviews)
    return total


def _take(cursor: CursorWrapper, count: int) -> list[int]:
    locked = " for update skip locked" if cursor.db.vendor == "postgresql" else ""
    found = rows.fetch(
        cursor,
        f"select patient_rid from record_linkqueue order by queued, patient_rid limit %s{locked}",  # noqa: S608
        [count],
    )
    rids = [rid for (rid,) in found]
    LinkQueue.objects.filter(patient_rid__in=rids).delete()
    return rids


def _compared(cursor: CursorWrapper, rids: list[int]) -> set[int]:
    """Return the records that say, word for word, what an earlier record of their person says.

    The earlier one has been compared, or comes first in this very batch.
    """
    sql = (
        "select f.patient_rid from record_linkfeatures f"
        " join record_patientlink l on l.patient_rid = f.patient_rid"
        " where f.patient_rid in ({marks}) and exists (select 1 from record_patientlink m"
        " join record_linkfeatures g on g.patient_rid = m.patient_rid"
        " left join record_linkqueue q on q.patient_rid = m.patient_rid"
        " where m.person_id = l.person_id and m.patient_rid < f.patient_rid and g.features = f.features"
        " and q.patient_rid is null)"
    )
    return {rid for (rid,) in rows.fetch_in(cursor, sql, rids)}


def _refresh(cursor: CursorWrapper, rids: list[int]) -> None:
    """Choose these records' persons' golden records anew; of a person with more in the queue, later."""
    sql = (
        "select distinct l.person_id from record_patientlink l where l.patient_rid in ({marks})"
        " and not exists (select 1 from record_patientlink m"
        " join record_linkqueue q on q.patient_rid = m.patient_rid where m.person_id = l.person_id)"
    )
    now = timezone.now()
    golden.refresh(
        cursor, {rows.person(p) for (p,) in rows.fetch_in(cursor, sql, rids)}, now=now, today=now.date()
    )


def link_one(cursor: CursorWrapper, patient_rid: int) -> tuple[int, int]:
    """Compare one record with the others and act; return how many persons it joined and pairs it left."""
    found = rows.fetch(
        cursor,
        "select f.features, f.conflicts, l.person_id from record_linkfeatures f"
        " join record_patientlink l on l.patient_rid = f.patient_rid where f.patient_rid = %s",
        [patient_rid],
    )
    if not found:
        return 0, 0
    features, contradicts, mine = unpack(bytes(found[0][0])), bool(found[0][1]), rows.person(found[0][2])
    joined = reviews = 0
    became: dict[UUID, UUID] = {}
    for candidate in score_one(cursor, features, but=patient_rid, beyond=mine):
        other = became.get(candidate.person_id, candidate.person_id)
        if other == mine:
            continue
        certain = candidate.weight >= thresholds().link and not contradicts
        if certain and not _maybe_twins(features, candidate.features):
            kept, retired = min(mine, other), max(mine, other)
            if _join(cursor, patient_rid, kept, retired, features, candidate):
                became |= {person: kept for person, at in became.items() if at == retired} | {retired: kept}
                mine = kept
                joined += 1
                continue
        reviews += _review(cursor, patient_rid, features, candidate)
    return joined, reviews


def _maybe_twins(left: Features, right: Features) -> bool:
    """Whether two who were born on one day and live together have given names that sound different."""
    if left["number"] and left["number"] == right["number"]:
        return False
    together = any(left[c] and left[c] == right[c] for c in ("phone", "address"))
    named = left["given_hanzi"] and right["given_hanzi"] and left["given"] != right["given"]
    crossed = left["given"] == right["family"] and left["family"] == right["given"]
    return bool(together and named and not crossed and left["birth"] == right["birth"])


def _join(
    cursor: CursorWrapper, rid: int, kept: UUID, retired: UUID, features: Features, candidate: Candidate
) -> bool:
    agreement = explain(cursor, features, candidate.features)
    evidence = {"records": [rid, candidate.patient_rid], "agreement": agreement}
    by = By(MACHINE, "probabilistic", score=round(candidate.weight, 2), evidence=evidence)
    try:
        ledger.join(cursor, kept, retired, by=by, refresh=False)  # the whole batch's persons, at its end
    except Conflict:
        return False
    return True


def _reason(features: Features, candidate: Candidate) -> str:
    if candidate.weight < thresholds().link:
        return "grey-zone"
    return "twins" if _maybe_twins(features, candidate.features) else "constraint"


def explain(cursor: CursorWrapper, left: Features, right: Features) -> list[dict[str, object]]:
    """Return each field's level of agreement and weight, without the values themselves."""
    found = scorer(records(cursor)).explain(left, right)
    return [{**asdict(a), "weight": round(a.weight, 2)} for a in found]


def _review(cursor: CursorWrapper, rid: int, features: Features, candidate: Candidate) -> int:
    low, high = sorted((rid, candidate.patient_rid))
    if ledger.apart([low], [high]):
        return 0
    _, created = ReviewPair.objects.get_or_create(
        low_rid=low,
        high_rid=high,
        defaults={
            "score": round(candidate.weight, 2),
            "reason": _reason(features, candidate),
            "evidence": {"agreement": explain(cursor, features, candidate.features)},
            "created": timezone.now(),
        },
    )
    return int(created)
