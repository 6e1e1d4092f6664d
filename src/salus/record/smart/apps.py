"""The apps that an account let in: which they are, and taking it back."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Min
from oauth2_provider.models import (
    AccessToken,
    Application,
    Grant,
    RefreshToken,
    refresh_token_expire_timedelta,
)

from salus.record.smart import tokens


@dataclass(frozen=True, slots=True)
class Connected:
    """An app that holds good tokens of an account: its scopes, since when, and until when if unused.

    `renews`: the app may renew its tokens, which moves the end.
    """

    application_id: int
    client_id: str
    name: str
    scopes: tuple[str, ...]
    since: datetime
    until: datetime
    renews: bool


def name_of(application: Application) -> str:
    """Return what an app is called: its name, or its client id where it has none."""
    return str(application.name or application.client_id)


def connected(account_id: int, *, now: datetime) -> list[Connected]:
    """Return the apps that hold an access token in force, or may still renew one, by name.

    An app's tokens are one entry. A renewal slides: it ends the refresh token's lifetime after the access
    token's own end, as the token endpoint holds it.
    """
    lifetime = refresh_token_expire_timedelta()
    found: dict[int, Connected] = {}
    held = AccessToken.objects.filter(user_id=account_id, application__isnull=False)
    first = dict(
        RefreshToken.objects.filter(user_id=account_id, token_family__isnull=False)
        .values_list("token_family")
        .annotate(first=Min("created"))
    )
    for token in held.select_related("application", "refresh_token").order_by("pk"):
        renewal = getattr(token, "refresh_token", None)
        since, until = token.created, token.expires
        renews = False
        if renewal is not None and renewal.revoked is None:
            renews = True
            since = min(since, first.get(renewal.token_family, since))
            until = until + lifetime if lifetime else until
        if until <= now:
            continue
        before = found.get(token.application_id)
        scopes = tuple(dict.fromkeys((*(before.scopes if before else ()), *token.scope.split())))
        found[token.application_id] = Connected(
            token.application_id,
            token.application.client_id,
            name_of(token.application),
            scopes,
            min(since, before.since) if before else since,
            max(until, before.until) if before else until,
            renews or (before is not None and before.renews),
        )
    return sorted(found.values(), key=lambda app: (app.name.casefold(), app.application_id))


def disconnect(account_id: int, application_id: int, *, now: datetime) -> None:
    """Take back everything that an account gave an app: codes, refresh tokens and access tokens."""
    theirs = {"user_id": account_id, "application_id": application_id}
    with transaction.atomic():
        Grant.objects.filter(**theirs).delete()
        RefreshToken.objects.filter(**theirs, revoked__isnull=True).update(revoked=now)
        AccessToken.objects.filter(**theirs).delete()
    tokens.forget()
