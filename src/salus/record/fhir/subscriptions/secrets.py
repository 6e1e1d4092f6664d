"""The headers that a subscriber wants to be sent, which often hold a secret: encrypted, never shown again."""

import base64
import re
from collections.abc import Sequence

import orjson
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from salus.kernel.errors import Invalid

HIDDEN = "(kept secret)"
MOST = 20
_NAME = re.compile(r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$")
_OWN = frozenset(
    {"host", "content-length", "content-type", "connection", "transfer-encoding", "te", "upgrade", "trailer"}
)


def read(headers: Sequence[str], before: dict[str, str]) -> dict[str, str]:
    """Return headers by name from FHIR's form "Name: value".

    A value that is the mark of a hidden one stands for what was kept `before` under the name.

    Raises:
        Invalid: a header cannot be sent, or is one that the platform sets itself.
    """
    found: dict[str, str] = {}
    for line in headers:
        name, colon, value = line.partition(":")
        name, value = name.strip(), value.strip()
        if (
            not colon
            or not _NAME.match(name)
            or not value.isascii()
            or not value.isprintable()
            or name.lower() in _OWN
            or name.lower().startswith("x-salus-")
            or len(value) > 4000
        ):
            raise Invalid("bad-header", "A header cannot be sent", fix="Write it as Name: value")
        found[name] = before.get(name, "") if value == HIDDEN else value
    if len(found) > MOST:
        raise Invalid("bad-header", "Too many headers")
    return found


def shown(headers: dict[str, str]) -> list[str]:
    """Return the headers as they may be shown: their names."""
    return [f"{name}: {HIDDEN}" for name in headers]


def seal(headers: dict[str, str]) -> bytes:
    """Return the headers encrypted; nothing for none."""
    return _cipher().encrypt(orjson.dumps(headers)) if headers else b""


def unseal(sealed: bytes) -> dict[str, str]:
    """Return encrypted headers; raises Invalid where the installation's key is another one now."""
    if not sealed:
        return {}
    try:
        found: dict[str, str] = orjson.loads(_cipher().decrypt(bytes(sealed)))
    except InvalidToken:
        raise Invalid(
            "headers-lost", "The headers cannot be read any more", fix="Send the Subscription again"
        ) from None
    return found


def _cipher() -> Fernet:
    key = HKDF(SHA256(), 32, salt=None, info=b"salus subscription headers").derive(
        settings.SECRET_KEY.encode()
    )
    return Fernet(base64.urlsafe_b64encode(key))
