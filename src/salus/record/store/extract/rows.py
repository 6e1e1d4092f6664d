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

    def part(self, other: "IndexRows", mine: "IndexRows", others: "IndexRows") -> None:
        """Add the rows that only this one holds to `mine` and those that only the other holds to `others`."""
        for table in TABLES:
            here, there = self.of(table), other.of(table)
            if here or there:
                ours, theirs = set(here), set(there)
                mine.of(table).extend(ours - theirs)
                others.of(table).extend(theirs - ours)
