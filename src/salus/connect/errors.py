"""Errors of the connect room."""

from salus.kernel.errors import SalusError


class Untranslatable(SalusError):
    """A message that cannot become FHIR resources; it is kept whole as a dead letter with this reason."""


class NotHl7(Untranslatable):
    """Bytes that are not an HL7 v2 message at all (answered AR, not AE)."""
