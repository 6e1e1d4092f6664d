"""Principals from accounts and tokens, cached by each process until anybody's permissions change.

Every process compares the epoch at most `FRESH` seconds after its last look, so a revocation holds
everywhere within one second.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from salus.kernel import epoch
from salus.kernel.errors import NotAllowed
from salus.kernel.models import AccessPolicyEpoch, Account, BreakGlass, RoleGrant
from salus.kernel.policy.words import Grant, Principal

FRESH = 0.5
"""Seconds for which the epoch that was read last is believed."""

_CACHE_SIZE = 50_000
_Key = tuple[int, frozenset[str] | None, str, UUID | None]


@dataclass(frozen=True, slots=True)
class _Held:
    principal: Principal
    until: float


class _Cache:
    """Principals by account, scopes, purpose and launch context; emptied when the epoch moves."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[_Key, _Held] = {}
        self._epoch = -1
        self._generation = -1
        self._checked = float("-inf")

    def fresh(self) -> bool:
        """Say whether the epoch was compared recently enough to use what is held."""
        return time.monotonic() - self._checked < FRESH and self._generation == epoch.generation()

    def look(self, key: _Key) -> Principal | None:
        held = self._held.get(key)
        return held.principal if held is not None and time.time() < held.until else None

    def refresh(self) -> None:
        # The instant is taken before the epoch is read, so a change during the read is seen next time.
        started, generation = time.monotonic(), epoch.generation()
        current = AccessPolicyEpoch.current()
        with self._lock:
            if current != self._epoch or generation != self._generation:
                self._held = {}
            self._epoch, self._generation, self._checked = current, generation, started

    def keep(self, key: _Key, held: _Held, generation: int) -> None:
        with self._lock:
            if generation == self._generation:
                if len(self._held) >= _CACHE_SIZE:
                    self._held = {}
                self._held[key] = held

    def forget(self) -> None:
        with self._lock:
            self._held = {}
            self._checked = float("-inf")


_cache = _Cache()


def bump_epoch() -> None:
    """End all cached permissions in every process when the caller's transaction commits (a token changed)."""
    AccessPolicyEpoch.bump()


def forget() -> None:
    """Forget this process's cached principals now."""
    _cache.forget()


def principal_for(account: Account, *, purpose: str = "") -> Principal:
    """Return who the account is now, read from the database (for a session's request).

    Raises:
        NotAllowed: the account is locked or closed.
    """
    return _build(account, None, purpose, None)[0]


def principal_for_account(
    account_id: int,
    scopes: Iterable[str] | None = None,
    *,
    purpose: str = "",
    patient_context: UUID | None = None,
) -> Principal:
    """Return the principal of a token's account; cached, with one database look each half second when warm.

    Raises:
        NotAllowed: there is no such account, or it is locked or closed.
    """
    key = _key(account_id, scopes, purpose, patient_context)
    if not _cache.fresh():
        _cache.refresh()
    held = _cache.look(key)
    if held is not None:
        return held
    generation = epoch.generation()
    account = Account.objects.select_related("institution").filter(pk=account_id).first()
    if account is None:
        raise NotAllowed("account-unknown", _("The account is not there"))
    principal, until = _build(account, key[1], purpose, patient_context)
    _cache.keep(key, _Held(principal, until), generation)
    return principal


def cached_principal(
    account_id: int,
    scopes: Iterable[str] | None = None,
    *,
    purpose: str = "",
    patient_context: UUID | None = None,
) -> Principal | None:
    """Return the cached principal without touching the database, for an event loop.

    None means: call `principal_for_account` in a thread.
    """
    return _cache.look(_key(account_id, scopes, purpose, patient_context)) if _cache.fresh() else None


def principal_for_source(
    source_id: int,
    code: str,
    institution_id: int | None,
    scopes: Iterable[str] | None = None,
    *,
    purpose: str = "TREAT",
) -> Principal:
    """Return the principal of a source system's credential; without scopes it may do what a source may."""
    return Principal(
        kind="source",
        name=code,
        roles=frozenset({"source"}),
        institution_ids=frozenset() if institution_id is None else frozenset({institution_id}),
        source_id=source_id,
        scopes=None if scopes is None else frozenset(scopes),
        purpose=purpose,
    )


def system_principal(name: str) -> Principal:
    """Return the platform itself at its own work (a job, a command on the server), named for the audit."""
    return Principal(kind="system", name=name, purpose="HOPERAT")


def _key(account_id: int, scopes: Iterable[str] | None, purpose: str, context: UUID | None) -> _Key:
    return account_id, None if scopes is None else frozenset(scopes), purpose, context


def _build(
    account: Account, scopes: frozenset[str] | None, purpose: str, context: UUID | None
) -> tuple[Principal, float]:
    if account.locked or not account.is_active:
        raise NotAllowed(
            "account-locked", _("The account is locked"), fix=_("Ask the administrator of accounts")
        )
    now = timezone.now()
    rows = list(RoleGrant.objects.filter(account=account).filter(Q(valid_to=None) | Q(valid_to__gt=now)))
    emergencies = list(
        BreakGlass.objects.filter(account=account, ended=None, expires__gt=now).values_list(
            "person_id", "expires"
        )
    )
    grants = tuple(
        Grant(
            row.role,
            row.institution_id if row.institution_id is not None else account.institution_id,
            row.district_id if row.district_id is not None else account.district_id,
            frozenset(row.sensitive.split()),
        )
        for row in rows
        if row.valid_from <= now
    )
    boundaries: list[datetime] = [row.valid_to for row in rows if row.valid_to is not None]
    boundaries += [row.valid_from for row in rows if row.valid_from > now]
    boundaries += [expires for _person, expires in emergencies]
    principal = Principal(
        account_id=account.pk,
        name=account.username,
        roles=frozenset(grant.role for grant in grants),
        institution_ids=frozenset(g.institution_id for g in grants if g.institution_id is not None),
        district_codes=frozenset(g.district_code for g in grants if g.district_code is not None),
        staff_id=account.staff_id,
        person_id=account.person_id,
        scopes=scopes,
        purpose=purpose,
        break_glass=frozenset(person for person, _expires in emergencies),
        sensitive=frozenset().union(*(grant.sensitive for grant in grants)),
        grants=grants,
        patient_context=context,
    )
    return principal, min((b.timestamp() for b in boundaries), default=float("inf"))


def with_emergency(principal: Principal, person_id: UUID) -> Principal:
    """Return the principal with a person's record opened."""
    return replace(principal, break_glass=principal.break_glass | {person_id})
