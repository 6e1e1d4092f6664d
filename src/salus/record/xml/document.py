"""XML parsed with the doors shut: no document type, no entities, no network, bounded size and depth."""

import re
from typing import Any

from lxml import etree

from salus.kernel.errors import Invalid
from salus.record.xml.start import BOM, UTF_16

LARGEST = 64 * 1024 * 1024  # bytes
MOST_TAGS = 2_000_000  # a tag takes about 300 bytes of memory
_LONG_TEXT = 9_000_000  # bytes; libxml2 refuses a single value of 10 million unless asked
_DECLARED = re.compile(rb"<\?xml[^>]*?\sencoding\s*=\s*[\"']([A-Za-z0-9._-]+)")
_FAULTS = {
    etree.ErrorTypes.ERR_DOCUMENT_EMPTY: "there is no element",
    etree.ErrorTypes.ERR_INVALID_CHAR: "a character that XML does not allow",
    etree.ErrorTypes.ERR_UNDECLARED_ENTITY: "an entity that XML does not define (write the character itself)",
    etree.ErrorTypes.WAR_UNDECLARED_ENTITY: "an entity that XML does not define (write the character itself)",
    etree.ErrorTypes.ERR_UNSUPPORTED_ENCODING: "an encoding that is not known here",
    etree.ErrorTypes.ERR_ATTRIBUTE_REDEFINED: "an attribute stands twice",
    etree.ErrorTypes.ERR_GT_REQUIRED: "a tag is not closed",
    etree.ErrorTypes.ERR_TAG_NAME_MISMATCH: "an end tag does not match its start tag",
    etree.ErrorTypes.ERR_TAG_NOT_FINISHED: "the text ends inside an element",
    etree.ErrorTypes.ERR_INVALID_ENCODING: "bytes outside the declared encoding",
    etree.ErrorTypes.NS_ERR_UNDEFINED_NAMESPACE: "a prefix without a namespace",
}


class UnreadableXml(Invalid):
    """These bytes cannot be read as the XML that they should be. `where` is the line, never the content."""


def parse(raw: bytes, charset: str = "") -> Any:
    """Return the root element (lxml) of an XML document.

    `charset` is used where the document declares none and has no byte order mark. Raises `UnreadableXml`
    ("too-large", "too-deep", "xml-doctype", "not-xml").
    """
    if len(raw) > LARGEST or raw.count(b"<") > MOST_TAGS:
        raise UnreadableXml(
            "too-large", "the XML is larger than can be taken at once", fix="Send smaller Bundles, or NDJSON."
        )
    declared = _DECLARED.match(raw.removeprefix(BOM).lstrip()[:200])
    told = not declared and not raw.startswith((BOM, *UTF_16))
    encoding = charset if told and charset else None
    # Without a document type there are no entities, and nothing else grows: then long values (scanned
    # documents in base64) need no bound of their own. Only encodings where the bytes show it are trusted.
    seen = declared is None or declared[1].lower() in {b"utf-8", b"us-ascii", b"ascii"}
    plain = encoding is None or encoding.lower().replace("-", "") in {"utf8", "ascii"}
    long = len(raw) > _LONG_TEXT and seen and plain and not raw.startswith(UTF_16)
    text = raw if raw.startswith(UTF_16) else raw.strip()
    try:
        root = etree.fromstring(text, _parser(long and b"<!DOCTYPE" not in raw, encoding))
    except etree.XMLSyntaxError as fault:
        raise _refused(fault) from None
    except (LookupError, UnicodeError, ValueError):
        raise UnreadableXml(
            "not-xml", "the message is not well-formed XML: its encoding is unknown"
        ) from None
    tree: Any = root.getroottree()
    if tree.docinfo.doctype:
        raise UnreadableXml("xml-doctype", "XML with a type declaration is not taken", fix="Send it without.")
    return root


def _parser(huge: bool, encoding: str | None) -> Any:
    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=huge,
        remove_comments=False,
        encoding=encoding,
    )


def _refused(fault: Any) -> UnreadableXml:
    """Return the error for lxml's: its own words may quote the document, so they are not repeated."""
    line, column = fault.position
    where = f"line {line}, column {column}"
    if "depth" in str(fault.msg):
        return UnreadableXml("too-deep", "the XML nests deeper than is taken", where=where)
    if fault.code == etree.ErrorTypes.ERR_RESOURCE_LIMIT or "too long" in str(fault.msg):
        return UnreadableXml("too-large", "a single value is longer than can be taken", where=where)
    reason = _FAULTS.get(fault.code)
    return UnreadableXml(
        "not-xml", f"the message is not well-formed XML{': ' + reason if reason else ''}", where=where
    )
