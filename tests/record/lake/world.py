"""A small record whose every state is remembered: what the lake must say as of each instant."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
from django.db import connection, transaction

from salus.engine import duckdb_engine
from salus.kernel.errors import Conflict
from salus.record import store
from salus.record.identity import ledger
from salus.record.identity.arriving import link_patients
from salus.record.identity.ledger import By
from salus.record.lake.manifest import Manifest
from salus.record.lake.reading import attach
from salus.record.models import LinkEvent, LinkKind, PatientLink
from salus.record.store import Write
from salus.record.store.stamp import micros
from tests.record.lake.views import rows

START = datetime(2026, 1, 1, tzinfo=UTC)
TABLES = (
    "keepapart reviewpair change history resource linkevent patientlink person personidentifier linkfeatures"
    " blockingkey linkqueue contract sensitive token string date reference"
).split()
BY = By("tester", "human")
State = dict[str, list[tuple[Any, ...]]]


def wipe() -> None:
    """Empty the record's tables: faster than the test runner's flush."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("update record_linkevent set reverses_id = null")
        for table in TABLES:
            cursor.execute(f"delete from record_{table}")


@dataclass
class World:
    """The record and a clock that each step moves on; `states` are what stood at the end of each step."""

    names: tuple[str, ...] = ("patient", "patient_name", "observation")
    now: datetime = START
    states: dict[int, State] = field(default_factory=dict)

    def step(self, seconds: int = 10) -> None:
        self.now += timedelta(seconds=seconds)

    def write(self, *writes: Write) -> None:
        """Write resources; Patients are linked as they arrive."""
        with transaction.atomic(), connection.cursor() as cursor:
            written = store.write(cursor, list(writes), now=self.now)
            arrived = [w for w in written if w.type == "Patient" and w.body and w.version]
            link_patients(cursor, arrived, now=self.now)

    def merge(self, left: int, right: int) -> None:
        """Merge the persons of two records, if they are two."""
        links = self.links()
        persons = [links[sorted(links)[n % len(links)]] for n in (left, right)] if links else []
        if persons and persons[0] != persons[1]:
            with transaction.atomic(), connection.cursor() as cursor:
                ledger.join(cursor, *persons, by=BY, now=self.now, human=True, refresh=False)

    def split(self, which: int) -> None:
        """Give a record a person of its own, if it is not alone."""
        links = self.links()
        if not links:
            return
        rid = sorted(links)[which % len(links)]
        person = links[rid]
        if list(links.values()).count(person) > 1:
            with transaction.atomic(), connection.cursor() as cursor:
                new = ledger.new_person(now=self.now)
                moves = [(rid, person, new.id)]
                ledger.move(
                    cursor, LinkKind.SPLIT, moves, by=BY, person_id=person, now=self.now, refresh=False
                )

    def undo(self, which: int) -> None:
        """Take a decision back, if it can be."""
        events = list(LinkEvent.objects.order_by("id"))
        if not events:
            return
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                ledger.take_back(cursor, events[which % len(events)], by=BY, now=self.now)
        except Conflict:
            return

    def links(self) -> dict[int, Any]:
        """Whose each patient record is now."""
        return dict(PatientLink.objects.values_list("patient_rid", "person_id"))

    def remember(self) -> None:
        """Keep what stands now."""
        self.states[micros(self.now)] = self.standing()

    def standing(self) -> State:
        """Return each view's rows of the present versions, made by Python."""
        links = self.links()
        found: State = {name: [] for name in self.names}
        with connection.cursor() as cursor:
            cursor.execute("select rid from record_resource where version > 0 and not deleted order by rid")
            present = store.read_rids(cursor, [row[0] for row in cursor.fetchall()])
        for one in present:
            if one.deleted:
                continue
            person = links.get(one.patient_rid) if one.patient_rid else None
            head = (str(person) if person else None, one.rid, one.version, one.patient_rid, one.updated)
            for name in self.names:
                kind = "Observation" if name == "observation" else "Patient"
                if one.type == kind:
                    found[name] += [(*head, *row) for row in rows(name, orjson.loads(one.body))]
        return {name: sorted(lines, key=repr) for name, lines in found.items()}


def told(root: Path, manifest: Manifest, at: int | None, persons: Any = "as-of") -> State:
    """Return what the lake says, as `World.standing` does."""
    found: State = {}
    with duckdb_engine(threads=1) as engine:
        lake = attach(engine, root, manifest, manifest.tables.values(), at=at, persons=persons)
        for name in lake.tables:
            lines = [
                tuple(row.values())
                for row in lake.run(f"select * exclude (source_id) from {name}").to_pylist()
            ]
            found[name] = sorted(lines, key=repr)
    return found
