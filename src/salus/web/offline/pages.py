"""The pages and addresses of forms that work without a connection. None has an identifier in its address."""

import json
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from salus.web import access
from salus.web.offline import keys, receiving, registry, schema

AT_ONCE = 20
"""Forms that a device sends in one request at most."""


def _pk(request: HttpRequest) -> int:
    return int(request.user.pk or 0)


def _page(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    mine = registry.visible(access.roles(request))
    settled = {
        "schemas": json.dumps([schema.schema(form) for form in mine], ensure_ascii=False),
        "words": json.dumps(schema.words(), ensure_ascii=False),
        "pages": json.dumps([reverse("web:offline"), *(_address(form) for form in mine)]),
        "pause": int(getattr(settings, "OFFLINE_FIRST_PAUSE_MS", 1000)),
        **context,
    }
    answer = render(request, template, settled)
    answer["Cache-Control"] = "no-store"
    answer["Salus-Device"] = keys.device_account(_pk(request))  # the worker keeps no page of anybody else
    return answer


def _address(form: registry.Form) -> str:
    return reverse("web:offline-form", args=[form.name])


@access.requires()
def outbox(request: HttpRequest) -> HttpResponse:
    """Show what waits on this device, and the forms there are."""
    mine = registry.visible(access.roles(request))
    links = [(form, _address(form)) for form in mine]
    return _page(request, "web/offline/outbox.html", {"title": _("Outbox"), "forms": links})


@access.requires()
def show(request: HttpRequest, name: str) -> HttpResponse:
    """Show a form; the page holds nobody's data, the list comes apart from it."""
    form = _form(request, name)
    context = {
        "title": form.title,
        "lead": form.lead,
        "offline_form": form,
        "has_list": form.snapshot is not None,
        "form": form.form(),
        "breadcrumbs": [(_("Outbox"), reverse("web:offline"))],
    }
    return _page(request, "web/offline/form.html", context)


def _form(request: HttpRequest, name: str) -> registry.Form:
    try:
        form = registry.get(name)
    except KeyError:
        raise Http404 from None
    if form.roles and not access.roles(request) & form.roles:
        raise PermissionDenied
    return form


@require_GET
def worker(request: HttpRequest) -> HttpResponse:
    """Answer with the service worker, from the folder whose pages it serves."""
    path = finders.find("web/offline/worker.js")
    if path is None:
        raise Http404
    with open(str(path), encoding="utf-8") as file:
        answer = HttpResponse(file.read(), content_type="text/javascript; charset=utf-8")
    answer["Cache-Control"] = "no-cache"
    return answer


def _stopped(request: HttpRequest, account: object) -> JsonResponse | None:
    """Return the answer when nobody is signed in, or somebody else than whose device this is."""
    if not request.user.is_authenticated:
        return _json({"state": "signed-out"}, 401)
    if account is not None and account != keys.device_account(_pk(request)):
        return _json({"state": "other-account"}, 409)
    return None


def _json(content: dict[str, Any], status: int = 200) -> JsonResponse:
    answer = JsonResponse(content, status=status, json_dumps_params={"ensure_ascii": False})
    answer["Cache-Control"] = "no-store"
    return answer


@require_GET
def session(request: HttpRequest) -> HttpResponse:
    """Hand the signed-in account its key for this device, and a fresh token to send with."""
    if (stopped := _stopped(request, None)) is not None:
        return stopped
    get_token(request)  # sets the cookie that the script reads
    pk = _pk(request)
    return _json({"account": keys.device_account(pk), "key": keys.device_key(pk), "hours": keys.HOURS})


@require_POST
def snapshot(request: HttpRequest, name: str) -> HttpResponse:
    """Hand out what the device needs for a form."""
    content = _read(request)
    if content is None:
        return _json({"state": "bad-request"}, 400)
    if (stopped := _stopped(request, content.get("account"))) is not None:
        return stopped
    form = _form(request, name)
    now = timezone.now()
    found = form.snapshot(access.principal(request), now) if form.snapshot is not None else []
    subjects = [
        {
            "key": subject.key,
            "title": subject.title,
            "lines": [str(line) for line in subject.lines],
            "version": subject.version,
            "values": schema.plain_values(subject.values),
            "due": subject.due.isoformat() if subject.due else "",
        }
        for subject in found
    ]
    return _json({"subjects": subjects, "taken": now.isoformat(timespec="seconds")})


@require_POST
def submit(request: HttpRequest) -> HttpResponse:
    """Take in up to `AT_ONCE` forms, each in a transaction of its own, and say what became of each."""
    content = _read(request)
    if content is None:
        return _json({"state": "bad-request"}, 400)
    if (stopped := _stopped(request, content.get("account"))) is not None:
        return stopped
    try:
        items = [_item(raw) for raw in content["items"]]
    except (KeyError, TypeError, ValueError, AttributeError):
        return _json({"state": "bad-request"}, 400)
    if len(items) > AT_ONCE:
        return _json({"state": "bad-request"}, 400)
    return _json({"answers": [_taken(request, item).as_json() for item in items]})


def _taken(request: HttpRequest, item: receiving.Item) -> receiving.Answer:
    try:
        form = _form(request, item.form)
    except (Http404, PermissionDenied):
        words = _(
            "Your account may no longer send this form. Export it, or ask an administrator of accounts."
        )
        return receiving.Answer(item.id, "rejected", words)
    return receiving.receive(form, item, _pk(request), access.principal(request), now=timezone.now())


def _read(request: HttpRequest) -> dict[str, Any] | None:
    try:
        content = json.loads(request.body)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _item(raw: dict[str, Any]) -> receiving.Item:
    """Read one form of a request; ValueError, KeyError or TypeError when it is none."""
    values = raw["values"]
    if not isinstance(values, dict):
        raise TypeError
    made = datetime.fromisoformat(str(raw["made"]))
    if timezone.is_naive(made):
        raise ValueError
    return receiving.Item(
        id=UUID(str(raw["id"])),
        form=str(raw["form"]),
        key=str(raw.get("key") or ""),
        base=str(raw.get("base") or ""),
        values=values,
        made=made,
        amends=UUID(str(raw["amends"])) if raw.get("amends") else None,
    )
