"""Errors of the connect room."""

from salus.kernel.errors import SalusError


class Untranslatable(SalusError):
    """A message that cannot become FHIR resources; it is kept whole as a dead letter with this reason.

    `kind` and `control_id` are what could be read of the message all the same.
    """

    def __init__(
        self, code: str, message: str, *, fix: str = "", where: str = "", kind: str = "", control_id: str = ""
    ) -> None:
        super().__init__(code, message, fix=fix, where=where)
        self.kind = kind
        self.control_id = control_id


class NotHl7(Untranslatable):
    """Bytes that are not an HL7 v2 message at all (answered AR, not AE)."""
