"""The account's name on a device and the key that locks what it keeps there.

What a device keeps is encrypted. The key is the server's to give, to a signed-in session of that account
only; the device forgets it at sign-out or when somebody else signs in, and what was not sent stays, unread,
until the account signs in there again. Clearing instead would lose visits that nobody has sent.
"""

import base64
import hashlib
import hmac

from django.conf import settings

HOURS = 168
"""Hours without a connection after which a device locks itself: 72 are promised, and a week-end."""


def device_account(pk: int) -> str:
    """Return the name by which a device knows an account; it says nothing about the account."""
    return _derived(pk, b"name")[:12].hex()


def device_key(pk: int) -> str:
    """Return the account's key for devices, 256 bits in base64.

    It is derived from the installation's secret (HMAC-SHA-256, RFC 2104), so that the account's other
    session, or the same after signing in again, can open what was kept.
    """
    return base64.b64encode(_derived(pk, b"key")).decode()


def _derived(pk: int, use: bytes) -> bytes:
    return hmac.new(
        settings.SECRET_KEY.encode(), b"salus.web.offline:" + use + b":" + str(pk).encode(), hashlib.sha256
    ).digest()
