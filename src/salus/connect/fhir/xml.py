"""A FHIR message in XML: read into what JSON would say, or refused with the line of the fault."""

from salus.connect.errors import Untranslatable
from salus.connect.translation import SourceProfile
from salus.record.xml import reading
from salus.record.xml.document import UnreadableXml


def read_xml(raw: bytes, source: SourceProfile) -> reading.Read:
    """Return the resource of a FHIR message in XML.

    Raises Untranslatable ("not-xml", "xml-doctype", "not-fhir", "not-a-number"...) with the line.
    """
    try:
        return reading.read_xml(raw, source.charset)
    except UnreadableXml as fault:
        raise Untranslatable(fault.code, fault.message, fix=fault.fix, where=fault.where) from None
