"""FHIR in XML: recognised and refused with words that say what to do."""

from typing import Any

from salus.connect.errors import Untranslatable


def read_xml(raw: bytes) -> dict[str, Any]:
    """Refuse a FHIR resource in XML.

    Raises Untranslatable ("xml-not-taken") always: feeds are taken as JSON.
    """
    raise Untranslatable(
        "xml-not-taken",
        "the message is XML, and feeds are taken as FHIR JSON",
        fix="Have the source send JSON.",
    )
