"""The little of a database cursor that the FHIR API needs: Django's own, `%s` placeholders."""

from collections.abc import Sequence
from typing import Any, Protocol


class Cursor(Protocol):
    """A Django cursor inside the caller's transaction."""

    def execute(self, sql: str, params: Sequence[Any] | None = None) -> Any: ...

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...
