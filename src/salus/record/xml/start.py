"""What the first bytes of a message show of its XML. Loads no parser: every message is asked."""

import re

UTF_16 = (b"\xff\xfe", b"\xfe\xff")
BOM = b"\xef\xbb\xbf"
_PROLOG = re.compile(rb"\s*(?:<\?.*?\?>|<!--.*?-->)", re.DOTALL)
_ROOT = re.compile(rb"\s*<[^<>]*[\"']http://hl7\.org/fhir[\"'][^<>]*>?")


def _plain(start: bytes) -> bytes:
    """Return a text's beginning as one byte a character where it is UTF-16."""
    if start.startswith(UTF_16):
        return start[2:].replace(b"\x00", b"")
    return start.removeprefix(BOM)


def is_xml(raw: bytes) -> bool:
    """Return whether a message begins like XML, in any encoding that contains ASCII, or UTF-16."""
    return _plain(raw[:512]).lstrip()[:1] == b"<"


def is_fhir_xml(raw: bytes) -> bool:
    """Return whether XML's first tag is in FHIR's namespace; looks at the first 64 KiB only."""
    start = _plain(raw[:65536])
    at = 0
    while (skipped := _PROLOG.match(start, at)) is not None:
        at = skipped.end()
    return _ROOT.match(start, at) is not None
