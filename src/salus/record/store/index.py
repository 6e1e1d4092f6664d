"""The search index of one batch: rows extracted from resources, by table."""

from typing import Any

from salus.record.store.tables import INDEX


class IndexRows:
    """Index rows by table, each a tuple in the table's columns (`tables.INDEX`)."""

    __slots__ = ("tables",)

    def __init__(self) -> None:
        self.tables: dict[str, list[tuple[Any, ...]]] = {table: [] for table in INDEX}

    def extract(self, resource_type: str, resource: dict[str, Any], rid: int) -> None:
        """Add the rows of one resource."""

    def without(self, other: "IndexRows") -> "IndexRows":
        """Return the rows that `other` does not hold."""
        left = IndexRows()
        for table, rows in self.tables.items():
            left.tables[table] = list(set(rows) - set(other.tables[table]))
        return left

    def add(self, other: "IndexRows") -> None:
        """Take over another's rows."""
        for table, rows in other.tables.items():
            self.tables[table] += rows


def patient_id(resource_type: str, resource: dict[str, Any]) -> str | None:
    """Return the id of the Patient that a resource belongs to."""
    for name in ("subject", "patient", "beneficiary"):
        reference = resource.get(name)
        if isinstance(reference, dict) and str(reference.get("reference", "")).startswith("Patient/"):
            return str(reference["reference"])[8:].split("/")[0]
    return None
