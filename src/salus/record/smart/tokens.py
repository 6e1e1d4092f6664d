"""From a bearer token to the one who asks: looked up by checksum, remembered for under a second."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from django.utils import timezone
from oauth2_provider.models import AccessToken

from salus.kernel import policy
from salus.kernel.policy import Principal

REMEMBERED = 0.8  # seconds that an answer is kept: revocation must hold within one second
MAX_REMEMBERED = 10_000
MAX_TOKEN = 4096  # characters


@dataclass(frozen=True, slots=True)
class SourceIdentity:
    """A source system behind a credential; `scopes` bounds what its tokens may hold, None leaves it open."""

    source_id: int
    code: str
    institution_id: int | None = None
    scopes: frozenset[str] | None = None


ClientResolver = Callable[[str], SourceIdentity | None]
SecretResolver = Callable[[str], SourceIdentity | None]

_clients: list[ClientResolver] = []
_secrets: list[SecretResolver] = []
_remembered: dict[bytes, tuple[float, Principal | None]] = {}
_lock = threading.Lock()


def register_source_clients(resolver: ClientResolver) -> None:
    """Ask `resolver(client_id)` whether an OAuth client is a source system's."""
    if resolver not in _clients:
        _clients.append(resolver)


def register_source_secrets(resolver: SecretResolver) -> None:
    """Ask `resolver(token)` whether an unknown bearer token is a source system's own long-lived one."""
    if resolver not in _secrets:
        _secrets.append(resolver)


def source_of(client_id: str) -> SourceIdentity | None:
    """Return the source system that an OAuth client belongs to."""
    for resolver in _clients:
        if found := resolver(client_id):
            return found
    return None


def verify(token: str) -> Principal | None:
    """Return who holds this bearer token now, or None when it is unknown, expired, revoked or locked out.

    An answer is at most `REMEMBERED` seconds old, so a revoked token stops working within a second.
    Runs a query on a miss; call it where a database may be asked.
    """
    if not token or len(token) > MAX_TOKEN or not token.isascii():
        return None
    key = sha256(token.encode()).digest()
    now = time.monotonic()
    known = _remembered.get(key)
    if known is not None and known[0] > now:
        return known[1]
    principal = _look_up(token, key.hex())
    with _lock:
        if len(_remembered) >= MAX_REMEMBERED:
            _remembered.clear()
        _remembered[key] = (now + REMEMBERED, principal)
    return principal


def remembered(token: str) -> Principal | None:
    """Return who holds the token if that was looked up within the last `REMEMBERED` seconds; never asks."""
    known = _remembered.get(sha256(token.encode(errors="replace")).digest())
    return known[1] if known is not None and known[0] > time.monotonic() else None


def forget() -> None:
    """Drop every remembered answer."""
    with _lock:
        _remembered.clear()


def _look_up(token: str, checksum: str) -> Principal | None:
    row = (
        AccessToken.objects.filter(token_checksum=checksum, expires__gt=timezone.now())
        .select_related("application", "user")
        .first()
    )
    if row is None:
        for resolver in _secrets:
            if identity := resolver(token):
                return policy.principal_for_source(identity)
        return None
    return None
