"""An HTTP request to the FHIR API, and what its headers ask for."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from functools import lru_cache
from urllib.parse import parse_qsl, unquote_to_bytes

from salus.record.fhir.outcome import FhirError

MAX_QUERY = 16_384  # characters; longer searches go by POST _search
MAX_PARAMETERS = 200
JSON_MEDIA = {"application/fhir+json", "application/json", "text/json", "application/*", "*/*", "text/*"}
JSON_FORMATS = {"json", "application/json", "application/fhir+json", "text/json", "application/fhir json"}
TAKEN = frozenset({"", "*/*", "application/fhir+json", "application/json"})
_TAG = re.compile(r'^(?:W/)?"(\d{1,9})"$')

Parameters = list[tuple[str, str]]


@dataclass(slots=True)
class Request:
    """One request: upper-case method, path segments below /fhir, decoded query, lower-case headers, body.

    `base` is the address of the API without a trailing slash, as the asker reached it.
    """

    method: str
    segments: tuple[str, ...]
    query: Parameters
    headers: dict[str, str]
    body: bytes
    base: str
    target: str = ""
    received: datetime = field(default_factory=lambda: datetime.now(UTC))

    def parameter(self, name: str) -> str | None:
        """Return a query parameter's first value."""
        return next((value for key, value in self.query if key == name), None)


def decode_text(raw: bytes) -> str:
    """Return the bytes as text; raises `FhirError` 400 for other than UTF-8, or control characters."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise FhirError(400, "invalid", "The address is not valid UTF-8") from None
    if not text.isprintable():
        raise FhirError(400, "invalid", "The address holds control characters")
    return text


def split_path(raw: bytes) -> tuple[str, ...]:
    """Return the decoded path segments below /fhir."""
    path = raw.split(b"?", 1)[0]
    if path.startswith(b"/fhir"):
        path = path[5:]
    parts = [part for part in path.split(b"/") if part]
    if b"%" in path:
        return tuple(decode_text(unquote_to_bytes(part)) for part in parts)
    decode_text(path)
    return tuple(part.decode() for part in parts)


def parse_query(raw: bytes, *, limit: int = MAX_QUERY) -> Parameters:
    """Return decoded name-value pairs in order; raises `FhirError` on too long or badly encoded queries."""
    if len(raw) > limit:
        raise FhirError(
            414, "too-long", f"The query is longer than {limit} bytes", fix="Use POST with _search"
        )
    try:
        pairs = parse_qsl(
            raw.decode("ascii", errors="strict") if raw.isascii() else raw.decode(),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MAX_PARAMETERS,
        )
    except UnicodeDecodeError:
        raise FhirError(400, "invalid", "The query is not valid UTF-8") from None
    except ValueError:
        raise FhirError(400, "too-costly", f"The query has more than {MAX_PARAMETERS} parameters") from None
    if any("\x00" in name or "\x00" in value for name, value in pairs):
        raise FhirError(400, "invalid", "The query holds a NUL character")
    return pairs


def check_accept(request: Request) -> None:
    """Raise `FhirError` 406 unless the asker takes JSON by `_format` or Accept.

    Source: http://hl7.org/fhir/R4/http.html#mime-type (`_format` overrides Accept). A bulk job's manifest and
    files have media types of their own, and one form each.
    """
    if request.segments[:1] == ("bulk",):
        return
    chosen = request.parameter("_format")
    if chosen is not None:
        if chosen.split(";")[0].strip().lower() in JSON_FORMATS:
            return
    else:
        accept = request.headers.get("accept", "")
        if accept in TAKEN:
            return
        for part in accept.split(","):
            media, *options = part.strip().lower().split(";")
            if media.strip() in JSON_MEDIA and not any(o.strip() in {"q=0", "q=0.0"} for o in options):
                return
    raise FhirError(406, "not-supported", "Only JSON is spoken here", fix="Ask for application/fhir+json")


def check_content_type(request: Request, *allowed: str) -> str:
    """Return the body's media type; raises `FhirError` 415 unless it is one of `allowed`."""
    media = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if media not in allowed:
        raise FhirError(
            415, "not-supported", "The body's Content-Type is not taken here", fix=f"Use {allowed[0]}"
        )
    return media


def prefer(request: Request) -> dict[str, str]:
    """Return the Prefer header's preferences (RFC 7240) by lower-case name."""
    found: dict[str, str] = {}
    for part in request.headers.get("prefer", "").split(","):
        name, _, value = part.strip().partition("=")
        if name:
            found.setdefault(name.strip().lower(), value.strip().strip('"').lower())
    return found


def version_of(tag: str) -> int:
    """Return the version in an ETag; raises `FhirError` 400 for anything else."""
    match = _TAG.match(tag.strip())
    if match is None:
        raise FhirError(
            400, "value", "The ETag is not one of this server's", fix='Send it as received: W/"3"'
        )
    return int(match[1])


def if_match(request: Request) -> int | None:
    """Return the version that If-Match demands."""
    tag = request.headers.get("if-match")
    return None if tag is None or tag.strip() == "*" else version_of(tag)


def unchanged_since(request: Request, version: int, updated: int) -> bool:
    """Tell whether the asker already holds this version (`updated` in µs since 1970), so that 304 suffices.

    If-None-Match wins over If-Modified-Since (RFC 9110, section 13.2.2).
    """
    tags = request.headers.get("if-none-match")
    if tags is not None:
        return any(
            t.strip() == "*" or ((m := _TAG.match(t.strip())) and int(m[1]) == version)
            for t in tags.split(",")
        )
    since = request.headers.get("if-modified-since")
    if since is None:
        return False
    try:
        moment = parsedate_to_datetime(since)
    except (TypeError, ValueError):
        return False
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return updated // 1_000_000 <= int(moment.timestamp())
    except (OverflowError, OSError):
        return False


def http_date(micros: int) -> str:
    """Return µs since 1970 as an HTTP date."""
    return _http_date(micros // 1_000_000)


@lru_cache(maxsize=4096)
def _http_date(seconds: int) -> str:
    return format_datetime(datetime.fromtimestamp(seconds, UTC), usegmt=True)
