"""What translators may know of a source, and which translator reads a message."""

import re
from collections.abc import Callable
from functools import lru_cache

from salus.connect.errors import Untranslatable
from salus.connect.models import SourceSystem
from salus.connect.tabular.mapping import read_toml
from salus.connect.translation import SourceProfile, Translation
from salus.record.xml.start import is_fhir_xml, is_xml

_TABULAR = frozenset({"csv", "excel", "database"})
_CDA = re.compile(rb"<\s*(?:[A-Za-z_][\w.-]*:)?(ClinicalDocument)\b")


@lru_cache(maxsize=1024)
def _profile(code: str, form: str, charset: str, zone: str, mapping: str, base: str) -> SourceProfile:
    return SourceProfile(
        code=code,
        format=form,
        charset=charset or "utf-8",
        timezone=zone,
        mapping=read_toml(mapping) if mapping else {},
        system_base=base or f"urn:salus:source:{code}",
    )


def profile_of(source: SourceSystem) -> SourceProfile:
    """Return the profile of a source; the same object as long as the register's row says the same.

    Raises Invalid if the source's mapping is not TOML.
    """
    return _profile(
        source.code, source.format, source.charset, source.timezone, source.mapping, source.system_base
    )


def format_of(raw: bytes, declared: str) -> str:
    """Return the format that the bytes show ("fhir", "hl7v2", "row", "document"), or the declared one.

    What the bytes show wins: one system may send HL7 messages and documents through the same door.
    """
    start = raw[:512].removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n\x0b\x1c")
    if start.startswith((b"MSH", b"FHS", b"BHS")):
        return "hl7v2"
    if is_xml(raw):
        return _markup(raw, declared)
    if start.startswith(b"{"):
        return "row" if start.startswith(b'{"table":') else "fhir"
    return "row" if declared in _TABULAR else declared


def _markup(raw: bytes, declared: str) -> str:
    """Return whether XML is FHIR or a document: the namespace of its first tag decides where it is FHIR's."""
    if is_fhir_xml(raw):
        return "fhir"
    return "document" if declared == "document" or _CDA.search(raw[:65536]) else "fhir"


def translator_for(form: str) -> Callable[[bytes, SourceProfile], Translation]:
    """Return the translator of a format."""
    if form == "hl7v2":
        from salus.connect.hl7v2 import translate as hl7v2

        return hl7v2
    if form == "document":
        from salus.connect.documents import translate as document

        return document
    if form == "row":
        from salus.connect.tabular.translate import translate as row

        return row
    from salus.connect.fhir.translate import translate as fhir

    return fhir


def translate(raw: bytes, profile: SourceProfile) -> Translation:
    """Return what a message says, by the translator of its format.

    Raises Untranslatable with a reason that a person understands.
    """
    if not raw.strip(b" \t\r\n\x00\x0b\x1c"):
        raise Untranslatable("empty", "the message is empty")
    return translator_for(format_of(raw, profile.format))(raw, profile)
