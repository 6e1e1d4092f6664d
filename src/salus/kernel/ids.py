"""Identifiers: time-ordered UUIDs for persons and derived ids for resources."""

import secrets
import time
import uuid
from hashlib import blake2b


def uuid7() -> uuid.UUID:
    """Return a time-ordered UUID, version 7.

    Source: RFC 9562, section 5.7 (48-bit Unix milliseconds, 74 random bits).
    """
    ms = time.time_ns() // 1_000_000
    value = (ms & ((1 << 48) - 1)) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return uuid.UUID(int=value)


def server_id(source_code: str, resource_type: str, local_id: str) -> str:
    """Return the id under which Salus stores a source's resource, as UUID-shaped text (version 8).

    It is a function of the source, the type and the sender's id alone, so a reference can be
    rewritten before (or without) its target having arrived, and a repeat meets the same id.
    Source: RFC 9562, section 5.8.
    """
    digest = blake2b(f"{source_code}\x1f{resource_type}\x1f{local_id}".encode(), digest_size=16).digest()
    value = int.from_bytes(digest)
    value = value & ~(0xF << 76) | 0x8 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    h = f"{value:032x}"
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"
