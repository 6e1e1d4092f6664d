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

    def __reduce__(self) -> tuple[object, ...]:
        """Let a fault travel from the process that read a file to the one that stores it."""
        told = (self.code, self.message, self.fix, self.where, self.kind, self.control_id)
        return _told, (type(self), *told)


class NotHl7(Untranslatable):
    """Bytes that are not an HL7 v2 message at all (answered AR, not AE)."""


def _told(
    kind_of_fault: type[Untranslatable],
    code: str,
    message: str,
    fix: str,
    where: str,
    kind: str,
    control_id: str,
) -> Untranslatable:
    return kind_of_fault(code, message, fix=fix, where=where, kind=kind, control_id=control_id)
