"""From a bearer token to the one who asks: looked up by checksum, remembered for under a second."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from uuid import UUID

from django.utils import timezone
from oauth2_provider.models import AccessToken

from salus.kernel import policy, smart
from salus.kernel.errors import NotAllowed
from salus.kernel.policy import Principal

REMEMBERED = (
    0.4  # seconds; with the 0.5 s that the kernel believes an epoch, revocation holds within a second
)
MAX_REMEMBERED = 10_000
MAX_TOKEN = 4096  # characters


@dataclass(frozen=True, slots=True)
class SourceIdentity:
    """A source system behind a credential; `scopes` bounds what its tokens may hold, None leaves it open."""

    source_id: int
    code: str
    institution_id: int | None = None
    scopes: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Holder:
    """Who a token was given to: an account or a source system, the scopes agreed, the person launched for."""

    account_id: int | None = None
    source: SourceIdentity | None = None
    scopes: frozenset[str] | None = None
    patient_context: UUID | None = None


@dataclass(slots=True)
class _Known:
    """What was found out of a token, until when it holds, and a source's principals made of it by purpose."""

    until: float
    holder: Holder | None
    sources: dict[str, Principal] = field(default_factory=dict)


Resolver = Callable[[str], SourceIdentity | None]

_clients: list[Resolver] = []
_secrets: list[Resolver] = []
_remembered: dict[bytes, "_Known"] = {}
_lock = threading.Lock()


def register_source_clients(resolver: Resolver) -> None:
    """Ask `resolver(client_id)` whether an OAuth client is a source system's, and which."""
    if resolver not in _clients:
        _clients.append(resolver)


def register_source_secrets(resolver: Resolver) -> None:
    """Ask `resolver(token)` whether a token unknown to OAuth is a source system's own long-lived one."""
    if resolver not in _secrets:
        _secrets.append(resolver)


def source_of(client_id: str) -> SourceIdentity | None:
    """Return the source system that an OAuth client belongs to."""
    return next((found for resolver in _clients if (found := resolver(client_id))), None)


def verify(token: str, *, purpose: str = "") -> Principal | None:
    """Return who holds this bearer token now, or None when it is unknown, expired, revoked or locked out.

    What the token says is at most `REMEMBERED` seconds old. Asks the database on a miss.
    """
    if not token or len(token) > MAX_TOKEN or not token.isascii():
        return None
    key = sha256(token.encode()).digest()
    now = time.monotonic()
    known = _remembered.get(key)
    if known is None or known.until <= now:
        known = _Known(now + REMEMBERED, _look_up(token, key.hex()))
        with _lock:
            if len(_remembered) >= MAX_REMEMBERED:
                _remembered.clear()
            _remembered[key] = known
    return _principal(known, purpose)


def known_now(token: str) -> bool:
    """Tell whether the token was found good within the last `REMEMBERED` seconds; never asks the database."""
    known = _remembered.get(sha256(token.encode(errors="replace")).digest())
    return known is not None and known.until > time.monotonic() and known.holder is not None


def forget() -> None:
    """Drop every remembered answer."""
    with _lock:
        _remembered.clear()


def _principal(known: _Known, purpose: str) -> Principal | None:
    holder = known.holder
    if holder is None:
        return None
    if holder.source is not None:
        made = known.sources.get(purpose)
        if made is None:
            source = holder.source
            made = known.sources[purpose] = policy.principal_for_source(
                source.source_id,
                source.code,
                source.institution_id,
                holder.scopes,
                purpose=purpose or "TREAT",
            )
        return made
    if holder.account_id is None:
        return None
    try:
        return policy.principal_for_account(
            holder.account_id, holder.scopes, purpose=purpose, patient_context=holder.patient_context
        )
    except NotAllowed:
        return None


def _look_up(token: str, checksum: str) -> Holder | None:
    row = (
        AccessToken.objects.filter(token_checksum=checksum, expires__gt=timezone.now())
        .values_list("user_id", "scope", "application__client_id")
        .first()
    )
    if row is None:
        for resolver in _secrets:
            if identity := resolver(token):
                return Holder(source=identity, scopes=identity.scopes)
        return None
    account_id, scope, client_id = row
    scopes = frozenset(scope.split())
    if account_id is not None:
        return Holder(account_id=account_id, scopes=scopes)
    identity = source_of(client_id) if client_id else None
    if identity is None:
        return None
    if identity.scopes is not None:
        scopes = smart.narrow(scopes, identity.scopes)
    return Holder(source=identity, scopes=scopes)
