"""Who is asking: the principal of a request, and the guard that a page puts before its view."""

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from salus.kernel import policy

View = Callable[..., HttpResponseBase]


def principal(request: HttpRequest) -> policy.Principal:
    """Return the principal of the signed-in account, made once a request.

    Raises:
        PermissionDenied: nobody is signed in.
    """
    held: policy.Principal | None = getattr(request, "_salus_principal", None)
    if held is None:
        if not request.user.is_authenticated:
            raise PermissionDenied
        held = policy.principal_for(cast(Any, request.user))
        request._salus_principal = held  # type: ignore[attr-defined]
    return held


def roles(request: HttpRequest) -> frozenset[str]:
    """Return the roles of the signed-in account; none when nobody is signed in."""
    if not request.user.is_authenticated:
        return frozenset()
    return frozenset(str(role) for role in principal(request).roles)


def requires(*allowed: str) -> Callable[[View], View]:
    """Let only accounts with one of these roles into the view; no roles means everybody signed in.

    Somebody who is not signed in is sent to the sign-in page; somebody without the role gets 403.
    This guards the page only: what a page shows of a resident is decided by `kernel.policy`.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if allowed and not roles(request) & set(allowed):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return cast(View, login_required(guarded))

    return decorate


def may(action: str, kind: str) -> Callable[[View], View]:
    """Let only those into the view to whom some rule of the policy allows `action` on things of `kind`."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not policy.permits(principal(request), action, kind):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return cast(View, login_required(guarded))

    return decorate
