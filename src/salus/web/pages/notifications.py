"""Notifications: newest first, with those not yet read marked."""

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from salus.kernel import notifications
from salus.web import access

PAGE = 50


def unread(request: HttpRequest) -> int:
    """Return how many notifications the signed-in account has not read."""
    return notifications.unread_count(int(request.user.pk or 0))


@access.requires()
def show(request: HttpRequest) -> HttpResponse:
    """Show a page of notifications."""
    before = request.GET.get("before", "")
    mark = int(before) if before.isdecimal() and len(before) < 19 else None
    found = notifications.inbox(int(request.user.pk or 0), limit=PAGE + 1, before_id=mark)
    context = {
        "title": _("Notifications"),
        "notices": found[:PAGE],
        "older": found[PAGE - 1].id if len(found) > PAGE else None,
    }
    return render(request, "web/notifications.html", context)


@require_POST
@access.requires()
def read(request: HttpRequest) -> HttpResponse:
    """Mark one notification as read and go where it points, or mark all."""
    which = request.POST.get("id", "")
    ids = [int(which)] if which.isdecimal() and len(which) < 19 else None
    notifications.mark_read(int(request.user.pk or 0), ids, now=timezone.now())
    target = request.POST.get("next", "")
    if not target or not url_has_allowed_host_and_scheme(target, allowed_hosts={request.get_host()}):
        target = reverse("web:notifications")
    return HttpResponseRedirect(target)
