"""What people see of SMART apps: the question whether to let one in, and the apps that they let in."""

import re
from typing import Any, cast
from urllib.parse import urlsplit

from django.contrib import messages
from django.core.exceptions import ObjectDoesNotExist
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe
from oauth2_provider.views import AuthorizationView
from oauthlib.oauth2.rfc6749 import errors

from salus.kernel import audit
from salus.record.smart import apps, wording
from salus.web import access

_ORIGIN = re.compile(r"^https?://[A-Za-z0-9.\-\[\]:]+$")
_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.\-]*$")
UNKNOWN = (
    gettext_lazy("No app is registered here by the name (client_id) that was sent."),
    gettext_lazy("Go back to the app and start again. If it happens again, tell whoever offers the app."),
)
ELSEWHERE = (
    gettext_lazy("The app wants to send you to an address that is not registered for it."),
    gettext_lazy("Do not go on: somebody may be posing as the app. Tell whoever offers the app."),
)
WRONG = (
    gettext_lazy("The app's request is incomplete or cannot be understood."),
    gettext_lazy("Go back to the app and start again. If it happens again, tell whoever offers the app."),
)
FAULTS = {
    errors.InvalidClientIdError: UNKNOWN,
    errors.MissingClientIdError: UNKNOWN,
    errors.MismatchingRedirectURIError: ELSEWHERE,
    errors.InvalidRedirectURIError: ELSEWHERE,
    errors.MissingRedirectURIError: ELSEWHERE,
}


class Authorize(AuthorizationView):  # type: ignore[misc]  # the library has no types
    """Ask the person at the screen whether an app may have what it asks for."""

    def render_to_response(self, context: dict[str, Any], **more: Any) -> Any:
        """Show the question, or what is wrong with it."""
        error = context.get("error")
        if error is not None:
            wrong, advice = FAULTS.get(type(error), WRONG)
            context |= {"title": _("The app could not be connected"), "wrong": wrong, "advice": advice}
            return super().render_to_response(context, **more)
        name = apps.name_of(context["application"])
        context |= {
            "title": _("Let %(app)s use data in your name?") % {"app": name},
            "name": name,
            "asked": wording.asked(context["scopes"]),
            "host": place(context["redirect_uri"]),
        }
        response = super().render_to_response(context, **more)
        # Browsers hold a form's redirects to form-action too, and both answers lead back to the app
        response._csp_update = {"form-action": origin(context["redirect_uri"])}
        return response

    def form_valid(self, form: Any) -> Any:
        """Take the answer, audited before the app hears it; whoever was never asked about is no client."""
        try:
            answer = super().form_valid(form)
        except ObjectDoesNotExist:
            return self.render_to_response({"error": errors.InvalidClientIdError()}, status=400)
        if answer.status_code == 302:
            allowed = bool(form.cleaned_data.get("allow"))
            detail = {"scopes": form.cleaned_data.get("scope", "")}
            client_id = form.cleaned_data["client_id"]
            _note(self.request, "authorize", client_id, "ok" if allowed else "denied", detail)
        return answer

    def form_invalid(self, form: Any) -> Any:
        """Refuse an answer whose question is missing."""
        return self.render_to_response({"error": errors.InvalidRequestError()}, status=400)


def origin(address: str) -> list[str]:
    """Return what a content security policy calls the place of an address: its origin, or its scheme."""
    parts = urlsplit(address)
    whole = f"{parts.scheme}://{parts.netloc}"
    if _ORIGIN.match(whole):
        return [whole]
    return [f"{parts.scheme}:"] if _SCHEME.match(parts.scheme) else []


def place(address: str) -> str:
    """Return the host that an address leads to; what opens an app on the device is shown whole."""
    return urlsplit(address).netloc or address


@access.requires()
@require_safe
def connected(request: HttpRequest) -> HttpResponseBase:
    """List the apps that the reader let in."""
    found = apps.connected(_reader(request), now=timezone.now())
    context = {
        "title": _("Apps that may use my data"),
        "apps": [(app, wording.asked(app.scopes)) for app in found],
    }
    return render(request, "oauth2_provider/authorized-tokens.html", context)


@access.requires()
@require_http_methods(["GET", "POST"])
def disconnect(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Ask, then take back all that the reader gave one app (`pk` of the application)."""
    now, account_id = timezone.now(), _reader(request)
    app = next((app for app in apps.connected(account_id, now=now) if app.application_id == pk), None)
    if app is None:
        raise Http404
    if request.method == "POST":
        apps.disconnect(account_id, pk, now=now)
        _note(request, "revoke", app.client_id, "ok", {})
        messages.success(request, _("%(app)s can no longer use data in your name.") % {"app": app.name})
        return HttpResponseRedirect(reverse("oauth2_provider:authorized-token-list"))
    context = {
        "title": _("Take back what you gave %(app)s?") % {"app": app.name},
        "app": app,
        "asked": wording.asked(app.scopes),
    }
    return render(request, "oauth2_provider/authorized-token-delete.html", context)


def _note(request: HttpRequest, action: str, client_id: str, outcome: str, detail: dict[str, str]) -> None:
    """Write into the audit what the reader decided about an app."""
    entry = audit.entry(
        access.principal(request),
        action,
        person_id=cast(Any, request.user).person_id,
        resource_type="Application",
        resource_id=client_id,
        outcome=outcome,
        detail=detail,
    )
    audit.record([entry])


def _reader(request: HttpRequest) -> int:
    return int(cast(Any, request.user).pk)
