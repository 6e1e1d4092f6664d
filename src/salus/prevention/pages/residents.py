"""Lists that name residents: whoever is named on a page is in the audit."""

from typing import Any
from uuid import UUID

from salus.prevention.queries.programme import seeing
from salus.web import access
from salus.web.tables import Table


class ResidentTable(Table):
    """A table whose rows name residents; each of a page's rows leaves an audit row. It is not exported."""

    exports = False

    def noted(self, rows: list[Any]) -> None:
        """Leave the audit rows of a page."""
        persons = [person for row in rows if (person := self.resident(row)) is not None]
        if persons:
            seeing.audited(access.principal(self.request), persons, self.name)

    def resident(self, row: Any) -> UUID | None:
        """Return whom a row names."""
        person: UUID | None = row.person_id
        return person
