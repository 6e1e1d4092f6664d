"""django-oauth-toolkit made to speak SMART: open-ended scopes, sources' limits, the patient in the answer.

Named in the settings' OAUTH2_PROVIDER; see `salus.record.smart.settings`.
"""

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

from oauth2_provider.models import AbstractApplication
from oauth2_provider.oauth2_validators import OAuth2Validator
from oauth2_provider.scopes import BaseScopes

from salus.kernel import smart
from salus.kernel.errors import Invalid
from salus.record.smart import assertions, tokens
from salus.record.smart.launch import patient_for

WORDS = frozenset({"launch/patient", "offline_access"})
CLIENT_CREDENTIALS = AbstractApplication.GRANT_CLIENT_CREDENTIALS


class Descriptions(dict[str, str]):
    """A description for every scope that can be asked for; SMART's scopes are too many to list."""

    def __missing__(self, scope: str) -> str:
        return scope

    def __contains__(self, scope: object) -> bool:
        return isinstance(scope, str)

    def get(self, scope: str, default: Any = None) -> Any:
        """Return the scope itself: it is its own description."""
        return super().get(scope, scope)


class Askable:
    """The scopes that an application may ask for: a set that answers `in` without listing its members."""

    def __init__(self, client: AbstractApplication | None) -> None:
        self._client = client

    def __contains__(self, scope: object) -> bool:
        return isinstance(scope, str) and askable(self._client, scope)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(WORDS))


class SmartScopes(BaseScopes):  # type: ignore[misc]  # the library has no types
    """The scopes backend: any well-formed SMART scope that suits the kind of client."""

    def get_all_scopes(self) -> dict[str, str]:
        """Return a description of each scope."""
        return Descriptions()

    def get_available_scopes(
        self, application: Any = None, request: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        """Return what an application may ask for."""
        return Askable(application)

    def get_default_scopes(
        self, application: Any = None, request: Any = None, *args: Any, **kwargs: Any
    ) -> list[str]:
        """Return what a source system gets when it asks for nothing in particular; an app must ask."""
        if application is not None and application.authorization_grant_type == CLIENT_CREDENTIALS:
            source = tokens.source_of(application.client_id)
            if source is not None:
                return sorted(source.scopes) if source.scopes is not None else ["system/*.cruds"]
        return []


class SmartValidator(OAuth2Validator):  # type: ignore[misc]  # the library has no types
    """oauthlib's questions, answered for SMART."""

    def validate_scopes(
        self, client_id: str, scopes: Iterable[str], client: Any, request: Any, *args: Any, **kwargs: Any
    ) -> bool:
        """Tell whether the client may ask for all of these scopes."""
        wanted = list(scopes)
        return bool(wanted) and all(askable(client, scope) for scope in wanted)

    def client_authentication_required(self, request: Any, *args: Any, **kwargs: Any) -> bool:
        """Tell whether the client must prove itself: always when it brings an assertion."""
        if getattr(request, "client_assertion", None):
            return True
        return bool(super().client_authentication_required(request, *args, **kwargs))

    def authenticate_client(self, request: Any, *args: Any, **kwargs: Any) -> bool:
        """Tell whether the client proved who it is, by a signed assertion or by its secret."""
        assertion = getattr(request, "client_assertion", None)
        if not assertion:
            return bool(super().authenticate_client(request, *args, **kwargs))
        if getattr(request, "client_assertion_type", None) != assertions.KIND:
            return False
        # The library gives the path alone; Django has checked the host against those that are ours
        address = f"http://{request.headers.get('HTTP_HOST', '')}{urlsplit(request.uri).path}"
        client_id = assertions.client_of(str(assertion), address)
        return client_id is not None and self._load_application(client_id, request) is not None

    def _save_bearer_token(self, token: dict[str, Any], request: Any, *args: Any, **kwargs: Any) -> None:
        scopes = str(token.get("scope", "")).split()
        if request.grant_type == "authorization_code" and "offline_access" not in scopes:
            token.pop(
                "refresh_token", None
            )  # SMART: without offline_access the app's access ends with its hour
        super()._save_bearer_token(token, request, *args, **kwargs)
        if request.user is not None and any(
            s == "launch/patient" or s.startswith("patient/") for s in scopes
        ):
            person_id = getattr(request.user, "person_id", None)
            patient = patient_for(person_id) if person_id is not None else None
            if patient is not None:
                token["patient"] = patient


def askable(client: AbstractApplication | None, scope: str) -> bool:
    """Tell whether a client may ask for a scope: system/ for back-end services within the source's limits,
    patient/ and user/ for apps that a person authorises.
    """
    if client is None:
        return False
    backend = client.authorization_grant_type == CLIENT_CREDENTIALS
    try:
        parsed = smart.parse(scope)
    except Invalid:
        return False
    if parsed is None:
        return scope in WORDS and not backend
    if not backend:
        return parsed.context in {"patient", "user"} and not parsed.query
    source = tokens.source_of(client.client_id)
    if source is None or parsed.context != "system" or parsed.query:
        return False
    return source.scopes is None or bool(smart.narrow([scope], source.scopes))
