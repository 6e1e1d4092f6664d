"""The rows of the search index that resources give, by table."""

from typing import Any

TABLES = ("token", "string", "date", "reference", "quantity", "number", "uri")
Values = tuple[Any, ...]


class IndexRows:
    """Rows by table, each in the order of the table's columns (`tables.INDEX`)."""

    __slots__ = TABLES

    def __init__(self) -> None:
        self.token: list[Values] = []
        self.string: list[Values] = []
        self.date: list[Values] = []
        self.reference: list[Values] = []
        self.quantity: list[Values] = []
        self.number: list[Values] = []
        self.uri: list[Values] = []

    def of(self, table: str) -> list[Values]:
        """Return the rows of one table."""
        rows: list[Values] = getattr(self, table)
        return rows

    def without(self, other: "IndexRows") -> "IndexRows":
        """Return the rows that `other` does not hold."""
        left = IndexRows()
        for table in TABLES:
            left.of(table).extend(set(self.of(table)) - set(other.of(table)))
        return left

    def add(self, other: "IndexRows") -> None:
        """Take over another's rows."""
        for table in TABLES:
            self.of(table).extend(other.of(table))
