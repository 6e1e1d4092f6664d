"""Claims of a month at once: the same rules as at the till, set-wise, stored in short transactions.

A bad claim of the file is a typed error of its own; the others are settled.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Max

from salus.engine.contract import Engine
from salus.insurance.adjudication import Rules
from salus.insurance.adjudication.tables import INPUTS
from salus.insurance.models import Adjudication, Claim
from salus.insurance.queries import context, cover
from salus.insurance.queries.claims import rules_of
from salus.insurance.services import claim_storing, claims
from salus.insurance.services.claim_asked import DENYING, AskedClaim, checked, cover_of, rows_of
from salus.insurance.services.claim_storing import Decided, Stamp
from salus.kernel import audit
from salus.kernel.errors import NotFound, SalusError
from salus.kernel.models import Institution
from salus.kernel.policy import Principal
from salus.record.models import Person as Resident

if TYPE_CHECKING:
    from salus.insurance.adjudication import Results

CHUNK = 20
"""Claims stored in one transaction: short enough for a till to wait for."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a claim of the file: its place in it, the claim, or the error."""

    place: int
    claim: Claim | None
    error: SalusError | None


@dataclass(frozen=True, slots=True)
class _One:
    place: int
    asked: AskedClaim
    institution: Institution
    person: UUID
    reason: str
    claim: Mapping[str, Any]
    lines: Sequence[Mapping[str, Any]]


def settle_many(
    principal: Principal,
    asked: Sequence[tuple[Institution, AskedClaim]],
    *,
    now: datetime,
    engine: Engine | None = None,
    progress: Progress | None = None,
) -> list[Outcome]:
    """Settle many claims and return what became of each, in their order.

    A person's claims are taken in the order of discharge. The same file twice changes nothing.

    Raises:
        NotAllowed: the principal may not claim for one of the institutions; nothing is settled then.
    """
    stamp = claims.stamp_of(principal, now)
    rules = rules_of(stamp.as_of)
    outcomes: dict[int, Outcome] = {}
    sound: list[tuple[int, Institution, AskedClaim, UUID]] = []
    seen: set[tuple[int, str]] = set()
    reads: list[audit.AuditEntry] = []
    for institution in dict.fromkeys(institution for institution, _claim in asked):
        claims.require_claiming(principal, institution, _some_person(asked, institution))
    persons = _today({one.person_id for _place, one in asked})
    for place, (institution, one) in enumerate(asked):
        try:
            claims.require_claiming(principal, institution, one.person_id)
            checked(one)
            if one.person_id not in persons:
                raise NotFound("person-unknown", "The resident is not known", where="person")
            if known := claims.known_claim(institution, one):
                outcomes[place] = Outcome(place, known, None)
                reads.append(claims.entry(principal, "read", known))
            elif (key := (institution.pk, one.number)) in seen:
                outcomes[place] = Outcome(place, None, _repeated())
            else:
                seen.add(key)
                sound.append((place, institution, one, persons[one.person_id]))
        except SalusError as error:
            outcomes[place] = Outcome(place, None, error)
    if reads:
        audit.record(reads)
    for outcome in _settled(principal, sound, rules, stamp, engine, progress):
        outcomes[outcome.place] = outcome
    return [outcomes[place] for place in range(len(asked))]


def _repeated() -> SalusError:
    return SalusError(
        "claim-repeated", "Several claims of the file have one number", where="number",
        fix="Give each claim a number of its own",
    )  # fmt: skip


def _some_person(asked: Sequence[tuple[Institution, AskedClaim]], institution: Institution) -> UUID:
    return next(one.person_id for place, one in asked if place == institution)


def _today(ids: set[UUID]) -> dict[UUID, UUID]:
    """Return who each known person is today, after merges."""
    into: dict[UUID, UUID | None] = {}
    todo = list(ids)
    while todo:
        found: dict[UUID, UUID | None] = {}
        for part in cover.parts(todo):
            found |= dict(Resident.objects.filter(pk__in=part).values_list("id", "merged_into"))
        into |= found
        todo = [other for other in found.values() if other is not None and other not in into]
    answer = {}
    for one in ids & set(into):
        at = one
        while (after := into.get(at)) is not None:
            at = after
        answer[one] = at
    return answer


def _settled(
    principal: Principal,
    sound: Sequence[tuple[int, Institution, AskedClaim, UUID]],
    rules: Rules,
    stamp: Stamp,
    engine: Engine | None,
    progress: Progress | None,
) -> Iterator[Outcome]:
    if not sound:
        return
    persons = list(dict.fromkeys(person for *_rest, person in sound))
    marks = _marks(persons)
    found = context.context(
        persons,
        {line.item for _place, _institution, one, _person in sound for line in one.lines},
        {institution.pk for _place, institution, *_rest in sound},
        as_of=stamp.as_of,
        since=min(min(one.admitted, one.discharged) for _place, _institution, one, _person in sound),
    )
    contracts = {pk: cover.contracts(pk) for pk in {institution.pk for _p, institution, *_r in sound}}
    ready: list[_One] = []
    for place, institution, one, person in sound:
        answer = cover_of(one, found.facts[person], contracts[institution.pk])
        claim, lines = rows_of(one, institution, person, answer, stamp.today)
        ready.append(_One(place, one, institution, person, answer.reason, claim, lines))
    denied = [one for one in ready if one.reason in DENYING]
    others = [one for one in ready if one.reason not in DENYING]
    decided = _run(others, found.rows, rules, stamp, engine)
    decided |= _run(denied, {**found.rows, "coverage": []}, rules, stamp, engine)
    ready.sort(key=lambda one: (one.claim["discharged"], one.claim["claim_id"]))
    for start in range(0, len(ready), CHUNK):
        chunk = ready[start : start + CHUNK]
        yield from _store(principal, chunk, decided, rules, stamp, marks)
        if progress:
            progress("storing", min(start + CHUNK, len(ready)), len(ready))


def _run(
    ready: Sequence[_One],
    rows: Mapping[str, context.Rows],
    rules: Rules,
    stamp: Stamp,
    engine: Engine | None,
) -> dict[str, Decided]:
    """Adjudicate claims set-wise and return each decision by its claim's id."""
    if not ready:
        return {}
    given = {
        **{name: rows[name] for name in INPUTS if name not in ("claims", "claim_lines")},
        "claims": [dict(one.claim) for one in ready],
        "claim_lines": [dict(line) for one in ready for line in one.lines],
    }
    from salus.insurance.adjudication import adjudicate_batch  # loads the engine

    results = adjudicate_batch(context.arrow(given), rules, as_of=stamp.as_of, engine=engine)
    return _by_claim(results)


def _by_claim(results: "Results") -> dict[str, Decided]:
    held: dict[str, dict[str, list[Any]]] = {}
    for name in ("lines", "parts", "findings", "events"):
        held[name] = defaultdict(list)
        for row in getattr(results, name).to_pylist():
            held[name][row["claim_id"]].append(row)
    return {
        row["claim_id"]: Decided(
            row, held["lines"][row["claim_id"]], held["parts"][row["claim_id"]],
            held["findings"][row["claim_id"]], held["events"][row["claim_id"]],
        )
        for row in results.claims.to_pylist()
    }  # fmt: skip


def _marks(persons: Sequence[UUID]) -> dict[UUID, int]:
    """Return the number of each person's newest decision: when it has grown, somebody decided meanwhile."""
    found: dict[UUID, int] = {}
    for part in cover.parts(persons):
        rows = Adjudication.objects.filter(claim__person_id__in=part).values_list("claim__person_id")
        found |= dict(rows.annotate(newest=Max("id")))
    return found


def _store(
    principal: Principal,
    chunk: Sequence[_One],
    decided: Mapping[str, Decided],
    rules: Rules,
    stamp: Stamp,
    marks: dict[UUID, int],
) -> list[Outcome]:
    """Store a chunk; who was decided on meanwhile elsewhere is decided on anew, as at the till."""
    done: list[Outcome] = []
    entries = []
    with transaction.atomic(), connection.cursor() as cursor:
        people = sorted({one.person for one in chunk})
        for person in people:
            claims.only_one(cursor, person)
        now_marks = _marks(people)
        for one in chunk:
            try:
                known = claims.known_claim(one.institution, one.asked)
            except SalusError as error:
                marks[one.person] = -1
                done.append(Outcome(one.place, None, error))
                continue
            if known is not None:
                entries.append(claims.entry(principal, "read", known))
                done.append(Outcome(one.place, known, None))
                continue
            result, reason = decided[one.claim["claim_id"]], one.reason
            anew = now_marks.get(one.person, 0) != marks.get(one.person, 0)
            if anew:
                answer, result = claims.decide_now(one.asked, one.institution, one.person, rules, stamp)
                reason = answer.reason
            try:
                made = claims.stored(principal, one.asked, one.institution, one.person, result, reason, stamp)
            except SalusError as error:
                # What was decided on this person's later claims counts with this one.
                marks[one.person] = -1
                done.append(Outcome(one.place, None, error))
                continue
            if not anew:
                now_marks[one.person] = marks[one.person] = claim_storing.latest(made).pk
            entries.append(claims.entry(principal, "create", made))
            done.append(Outcome(one.place, made, None))
        intent = audit.intend(cursor, entries)
    audit.settle(intent)
    return done
