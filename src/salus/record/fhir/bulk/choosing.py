"""Which resources an export holds: a part at a time, by number, as they were at the export's instant."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.backends.utils import CursorWrapper

from salus.kernel import policy
from salus.kernel.policy import Principal, Target
from salus.record import consent, sensitive
from salus.record.fhir.bulk.scratch import Scratch
from salus.record.fhir.request import parse_query
from salus.record.models import ExportJob
from salus.record.rules.r4 import kind_of, type_names
from salus.record.store import SearchQuery, Stored
from salus.record.store.reading import COLUMNS, stored
from salus.record.store.searching.plan import plan

PATIENT = "Patient"
ACTION = "export"
IN_ONE = 400


@dataclass(frozen=True, slots=True)
class Part:
    """Some resources of one kind; `last` is the number up to which the kind is done, None when it all is."""

    resources: list[Stored]
    last: int | None


class Choice:
    """One type of an export: the conditions that its resources meet."""

    def __init__(self, cursor: CursorWrapper, job: ExportJob, principal: Principal, kind: int) -> None:
        self._cursor = cursor
        self._job = job
        self._principal = principal
        self.kind = kind
        self.type = type_names()[kind]
        self._belonging, self._belonging_values = self._belongs()
        self._withdrawn = (
            consent.withdrawn(cursor, principal.purpose, self.type) if principal.purpose else set()
        )
        self._seen, self._seen_values = policy.scope(principal, ACTION, self.type).sql("r.person_id")

    def part(self, scratch: Scratch, after: int, limit: int) -> Part:
        """Return the next resources after a number, at most about `limit` of them."""
        numbers: list[int] = []
        if scratch.incremental:
            numbers = scratch.changed(self.kind, after, limit)
            found = self._these(numbers, seen=True)
            last = numbers[-1] if len(numbers) == limit else None
        else:
            found = self._next(after, limit)
            last = found[-1].rid if len(found) == limit else None
        scratch.follow(self._cursor)
        before = scratch.touched(self.kind, after, last)
        if scratch.incremental:
            before = {rid: before[rid] for rid in numbers if rid in before}
        kept = [one for one in found if one.rid not in before or before[one.rid] == one.version]
        there = {one.rid for one in kept}
        past = self._past({rid: version for rid, version in before.items() if rid not in there and version})
        chosen = [one for one in (*kept, *past) if self._wanted(one)]
        return Part(sorted(chosen, key=lambda one: one.rid), last)

    def _next(self, after: int, limit: int) -> list[Stored]:
        job = self._job
        where = ["r.kind = %s", "r.rid > %s", "r.rid <= %s", "r.version > 0"]
        where += [self._belonging, f"({self._seen})"]
        values = [self.kind, after, job.last_rid, *self._belonging_values, *self._seen_values]
        where.append("not r.deleted" if job.since is None else "r.updated >= %s")
        values += [] if job.since is None else [job.since]
        self._cursor.execute(
            f"select {COLUMNS} from record_resource r where {' and '.join(where)} order by r.rid limit %s",  # noqa: S608 - conditions hold placeholders only
            [*values, limit],
        )
        return [stored(row) for row in self._cursor.fetchall()]

    def _these(self, numbers: Sequence[int], *, seen: bool) -> list[Stored]:
        """Return the present versions of these that belong to the export; `seen`: that may be seen."""
        where, values = f"r.version > 0 and {self._belonging}", list(self._belonging_values)
        if seen:
            where += f" and ({self._seen})"
            values += self._seen_values
        found: list[Stored] = []
        for start in range(0, len(numbers), IN_ONE):
            part = list(numbers[start : start + IN_ONE])
            self._cursor.execute(
                f"select {COLUMNS} from record_resource r where r.rid in ({', '.join(['%s'] * len(part))})"  # noqa: S608 - conditions hold placeholders only
                f" and {where}",
                [*part, *values],
            )
            found += [stored(row) for row in self._cursor.fetchall()]
        return found

    def _past(self, versions: dict[int, int]) -> list[Stored]:
        """Return earlier versions, as far as the policy lets that version be seen."""
        found: list[Stored] = []
        for one in self._these(sorted(versions), seen=False):
            version = versions[one.rid]
            old: Stored | None = one
            if one.version != version:
                self._cursor.execute(
                    "select r.rid, r.kind, r.id, h.version, r.person_id, r.patient_rid, h.source_id,"
                    " h.message_id, h.source_time, h.updated, h.deleted, h.body"
                    " from record_resource r join record_history h on h.rid = r.rid"
                    " where r.rid = %s and h.version = %s",
                    [one.rid, version],
                )
                row = self._cursor.fetchone()
                old = stored(row) if row else None
            if old is not None and self._may_see(one, old):
                found.append(old)
        return found

    def _may_see(self, present: Stored, old: Stored) -> bool:
        target = Target(
            "resource",
            person_id=present.person_id,
            resource_type=self.type,
            source_id=present.source_id,
            categories=sensitive.categories(self.type, old.body) if old.body else frozenset(),
        )
        return policy.decide(self._principal, ACTION, target).allowed

    def _wanted(self, one: Stored) -> bool:
        job = self._job
        if (one.patient_rid or one.rid) in self._withdrawn:
            return False
        if one.deleted and job.since is None:
            return False
        exact = job.since_seq is not None
        if job.since is not None and not exact and one.updated < job.since:
            return False
        return job.until is None or one.updated <= job.until

    def _belongs(self) -> tuple[str, list[Any]]:
        """Return the condition that a resource is of the export's level, patients and filters."""
        where, values = ["1=1"], list[Any]()
        job = self._job
        number = "r.rid" if self.type == PATIENT else "r.patient_rid"
        if job.chosen_patients:
            where.append(
                f"{number} in (select c.patient_rid from record_exportpatient c where c.job_id = %s)"  # noqa: S608 - our own names
            )
            values.append(job.pk)
        elif job.level != "system":
            where.append(f"{number} is not null")
        alternatives: list[str] = []
        for query in job.filters.get(self.type, ()):
            asked = SearchQuery(tuple(parse_query(query.encode())), base=job.base)
            made = plan(self.type, asked, self._search_scope, datetime.now(UTC))
            texts = ["1=1"]
            for condition in made.conditions:
                text, given = condition.sql("r")
                texts.append(text)
                values += given
            alternatives.append(f"({' and '.join(texts)})")
        if alternatives:
            where.append(f"({' or '.join(alternatives)})")
        return " and ".join(where), values

    def _search_scope(self, type: str) -> policy.Scope:
        return policy.scope(self._principal, "search", type)


def kinds_of(cursor: CursorWrapper, job: ExportJob, principal: Principal) -> list[int]:
    """Return the kinds of resource that an export goes through, in order."""
    if job.types:
        kinds: Iterable[int] = (kind_of(type) for type in job.types)
    else:
        cursor.execute("select distinct kind from record_resource")
        kinds = (row[0] for row in cursor.fetchall())
    names = type_names()
    return sorted(kind for kind in set(kinds) if not policy.scope(principal, ACTION, names[kind]).nothing)
