"""What a reader chooses for herself: language and colours; and her account as it stands."""

from typing import Any, cast

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from salus.kernel.models import Account, RoleGrant
from salus.web import access
from salus.web.context import THEME_COOKIE, THEMES

_YEAR = 365 * 24 * 3600  # seconds


def _back(request: HttpRequest) -> HttpResponseRedirect:
    # The page that was left is known from the browser: written into the form, an error page would repeat it.
    target = request.POST.get("next", "") or request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(target, allowed_hosts={request.get_host()}):
        target = "/"
    return HttpResponseRedirect(target)


@require_POST
def choose_language(request: HttpRequest) -> HttpResponse:
    """Keep the language on the account when somebody is signed in, and on the device."""
    chosen = request.POST.get("language", "")
    answer = _back(request)
    if chosen in dict(settings.LANGUAGES):
        answer.set_cookie(settings.LANGUAGE_COOKIE_NAME, chosen, max_age=_YEAR, samesite="Lax", httponly=True)
        if request.user.is_authenticated:
            Account.objects.filter(pk=request.user.pk).update(language=chosen)
    return answer


@require_POST
def choose_theme(request: HttpRequest) -> HttpResponse:
    """Keep the colours chosen on the device."""
    chosen = request.POST.get("theme", "")
    answer = _back(request)
    if chosen in THEMES:
        answer.set_cookie(THEME_COOKIE, chosen, max_age=_YEAR, samesite="Lax", httponly=True)
    return answer


@access.requires()
def account(request: HttpRequest) -> HttpResponse:
    """Show the reader's own account: roles with their scope, and how she signs in."""
    from allauth.mfa.utils import is_mfa_enabled

    person = cast(Account, request.user)
    grants = (
        RoleGrant.objects.filter(account=person).select_related("institution", "district").order_by("role")
    )
    context: dict[str, Any] = {
        "title": _("Your account"),
        "person": person,
        "grants": grants,
        "two_step": is_mfa_enabled(cast(Any, person)),
    }
    return render(request, "web/account.html", context)
