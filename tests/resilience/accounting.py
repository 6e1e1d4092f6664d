"""What an installation holds of what was acknowledged: counted in its database, not asked of its code."""

import json
from collections import Counter
from dataclasses import dataclass

from tests.resilience.installation import Installation


@dataclass(frozen=True)
class Balance:
    """A source's messages by status, what its counters say, and how often each control id is stored."""

    stored: int
    repeated: int
    dead: int
    counted: tuple[int, int, int, int]
    loads: tuple[int, int, int, int]
    from_files: tuple[int, int, int, int]
    control_ids: Counter[str]

    @property
    def received(self) -> int:
        """All messages that stand in the ledger."""
        return self.stored + self.repeated + self.dead

    @property
    def adds_up(self) -> bool:
        """Say whether the counts by day and by load are those of the ledger's own rows."""
        return (
            self.counted == (self.received, self.stored, self.repeated, self.dead)
            and self.loads == self.from_files
        )


def balance(one: Installation, source: str) -> Balance:
    """Count a source's messages in the database."""
    rows = one.query(
        "select m.status, m.control_id, m.load_id is not null from connect_message m"
        " join connect_sourcesystem s on s.id = m.source_id where s.code = %s",
        [source],
    )
    statuses = Counter(status for status, _, _ in rows)
    filed = Counter(status for status, _, from_file in rows if from_file)
    sums = ", ".join(f"coalesce(sum(c.{name}), 0)" for name in ("received", "stored", "repeated", "dead"))
    sums = f"select {sums} from {{}} c join connect_sourcesystem s on s.id = c.source_id where s.code = %s"
    counted = one.query(sums.format("connect_flowcount"), [source])[0]
    loads = one.query(sums.format("connect_load"), [source])[0]
    return Balance(
        statuses["stored"],
        statuses["repeated"],
        statuses["dead"],
        tuple(int(number) for number in counted),  # type: ignore[arg-type]
        tuple(int(number) for number in loads),  # type: ignore[arg-type]
        (filed.total(), filed["stored"], filed["repeated"], filed["dead"]),
        Counter(control_id for status, control_id, _ in rows if status == "stored"),
    )


def unaudited(one: Installation, source: str) -> list[str]:
    """Return a source's stored messages, and posted Patients, of which no row of the audit chain tells."""
    rows = one.query("select action, resource_id, detail from kernel_auditrow", audit=True)
    told = {json.loads(detail).get("message") for action, _, detail in rows if action == "receive" and detail}
    named = {resource_id for _, resource_id, _ in rows}
    messages = one.query(
        "select m.id, m.control_id from connect_message m join connect_sourcesystem s on s.id = m.source_id"
        " where s.code = %s and m.status = 'stored'",
        [source],
    )
    missing = [control_id for number, control_id in messages if number not in told]
    posted = one.query(
        "select r.id, r.body from record_resource r join connect_sourcesystem s on s.id = r.source_id"
        " where s.code = 'APP'"
    )
    return missing + [id_ for id_, body in posted if b'"Patient"' in bytes(body) and id_ not in named]


def patients_by_identifier(one: Installation) -> Counter[str]:
    """Count the current, undeleted Patients that carry each identifier value."""
    found: Counter[str] = Counter()
    for (body,) in one.query("select body from record_resource where not deleted"):
        if b'"Patient"' in bytes(body):
            resource = json.loads(bytes(body))
            if resource["resourceType"] == "Patient":
                found.update({one["value"] for one in resource.get("identifier", ()) if "value" in one})
    return found
