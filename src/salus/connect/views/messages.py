"""The pages of messages and dead letters: listed, looked at, edited, replayed, discarded."""

from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from salus.connect import dead_letters, tasks
from salus.connect.models import Message, Status
from salus.connect.reasons import reason_title
from salus.connect.views.sources import stored_words
from salus.connect.views.tables import DeadLetterTable, MessageTable
from salus.kernel import audit, policy
from salus.kernel.errors import SalusError
from salus.record import store
from salus.web import access, confirm

_SHOWN_BYTES = 200_000
_AT_ONCE = 200


def _visible(request: HttpRequest, number: int, action: str) -> Message:
    """Return a message that the reader may do `action` to; raises NotAllowed."""
    message = get_object_or_404(Message.objects.select_related("source", "load", "resolved_by"), pk=number)
    target = policy.Target(
        "message", institution_id=message.source.institution_id, source_id=message.source_id
    )
    policy.require(access.principal(request), action, target)
    return message


@access.may("search", "message")
def show(request: HttpRequest) -> HttpResponseBase:
    """List the messages."""
    rows = Message.objects.select_related("source")
    return MessageTable(request, rows).respond("connect/messages.html", {"title": _("Messages")})


@access.may("search", "dead_letter")
def dead(request: HttpRequest) -> HttpResponseBase:
    """List the open dead letters, and their reasons with how many each has."""
    rows = dead_letters.open_letters()
    grouped = rows.select_related(None).order_by().values("source__code", "reason_code")
    reasons = grouped.annotate(count=Count("id")).order_by("-count")
    context = {
        "title": _("Dead letters"),
        "reasons": [{**row, "title": reason_title(row["reason_code"])} for row in reasons[:20]],
    }
    return DeadLetterTable(request, rows).respond("connect/dead_letters.html", context)


class EditForm(forms.Form):
    """A dead letter's text, to be corrected."""

    text = forms.CharField(
        label=gettext_lazy("The message"),
        help_text=gettext_lazy("The message as it was sent is kept beside your correction."),
        widget=forms.Textarea(attrs={"rows": 18, "spellcheck": "false", "class": "code"}),
        strip=False,
    )
    note = forms.CharField(label=gettext_lazy("Why it was corrected"), max_length=500, required=False)


def _written(message: Message) -> list[dict[str, Any]]:
    """Return what a message wrote: type, id and version of each resource."""
    from django.db import connection

    if not message.written:
        return []
    parts = [part.split(":") for part in message.written.split(",")[:500]]
    with connection.cursor() as cursor:
        found = {one.rid: one for one in store.read_rids(cursor, [int(rid) for rid, _version, _how in parts])}
    return [
        {"type": found[int(rid)].type, "id": found[int(rid)].id, "version": int(version), "how": how}
        for rid, version, how in parts
        if int(rid) in found
    ]


@access.may("read", "message")
def page(request: HttpRequest, number: int) -> HttpResponseBase:
    """Show what is known of a message, without its content."""
    message = _visible(request, number, "read")
    return render(request, "connect/message.html", _page_context(message))


def _page_context(message: Message) -> dict[str, Any]:
    open_letter = message.status == Status.DEAD and not message.resolution
    return {
        "title": _("Message %(number)s") % {"number": message.pk},
        "breadcrumbs": [
            (_("Dead letters"), reverse("connect:dead-letters"))
            if open_letter
            else (_("Messages"), reverse("connect:messages"))
        ],
        "message": message,
        "reason_title": reason_title(message.reason_code),
        "open_letter": open_letter,
        "written": _written(message),
        "edits": message.edits.select_related("made_by"),
        "warnings": [line for line in message.warnings.split("\n") if line],
    }


@require_POST
@access.may("read", "message")
def content(request: HttpRequest, number: int) -> HttpResponseBase:
    """Show a message's content: it names residents, so the look is audited before the answer leaves."""
    message = _visible(request, number, "read")
    principal = access.principal(request)
    looked = audit.entry(
        principal,
        "read",
        resource_type="message",
        detail={"message": message.pk, "source": message.source.code},
    )
    raw = dead_letters.raw_of(message, actor=looked)
    form = None
    if (
        message.status == Status.DEAD
        and not message.resolution
        and policy.permits(principal, "correct", "message")
    ):
        present = dead_letters.present_text(message)
        form = EditForm(initial={"text": decoded(present, message.source.charset)[0]})
    text, whole = decoded(raw[:_SHOWN_BYTES], message.source.charset)
    context = _page_context(message) | {
        "text": text,
        "whole": whole and len(raw) <= _SHOWN_BYTES,
        "form": form,
    }
    answer = render(request, "connect/message.html", context)
    answer["Cache-Control"] = "no-store"
    return answer


def decoded(raw: bytes, charset: str) -> tuple[str, bool]:
    """Return a message's bytes as text, and whether nothing was lost by it."""
    for encoding in (charset or "utf-8", "utf-8", "gb18030"):
        try:
            return raw.decode(encoding), True
        except (UnicodeDecodeError, LookupError):
            continue
    return raw.decode("utf-8", "replace"), False


@require_POST
@access.may("correct", "message")
def edit(request: HttpRequest, number: int) -> HttpResponseBase:
    """Keep a correction and replay the message with it."""
    message = _visible(request, number, "correct")
    form = EditForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("The corrected message is empty."))
        return HttpResponseRedirect(reverse("connect:message", args=[number]))
    text = form.cleaned_data["text"].replace(
        "\r\n", "\r" if form.cleaned_data["text"].startswith("MSH") else "\n"
    )
    principal = access.principal(request)
    try:
        encoded = text.encode(message.source.charset or "utf-8", "strict")
    except (UnicodeEncodeError, LookupError):
        encoded = text.encode()
    try:
        dead_letters.edit(message, encoded, note=form.cleaned_data["note"], account_id=principal.account_id)
    except SalusError as fault:
        messages.error(request, str(fault))
        return HttpResponseRedirect(reverse("connect:message", args=[number]))
    return _replayed(request, message)


@require_POST
@access.may("replay", "dead_letter")
def replay(request: HttpRequest, number: int) -> HttpResponseBase:
    """Replay one dead letter."""
    return _replayed(request, _visible(request, number, "replay"))


def _replayed(request: HttpRequest, message: Message) -> HttpResponseBase:
    result = dead_letters.replay([message.pk], actor=access.principal(request).name)
    if result.stored:
        messages.success(request, _("The message was stored."))
    else:
        messages.warning(request, _("The message still cannot be understood; its reason is shown below."))
    return HttpResponseRedirect(reverse("connect:message", args=[message.pk]))


@require_POST
@access.may("replay", "dead_letter")
def replay_many(request: HttpRequest) -> HttpResponseBase:
    """Replay the open dead letters of a source and reason: a few at once, many by a worker."""
    source, reason = request.POST.get("source", ""), request.POST.get("reason", "")
    letters: QuerySet[Message] = dead_letters.open_letters(source=source, reason=reason)
    count = letters.count()
    question = _("Replay %(count)s dead letters?") % {"count": count}
    if (asked := confirm.needed(request, question, action=_("Replay"))) is not None:
        return asked
    actor = access.principal(request).name
    if count <= _AT_ONCE:
        messages.success(request, stored_words(dead_letters.replay(letters, actor=actor).stored))
    else:
        tasks.replay.enqueue(source, reason, actor)
        messages.success(
            request, _("The replay was handed to a worker; this list gets shorter as it goes on.")
        )
    return HttpResponseRedirect(reverse("connect:dead-letters"))


@require_POST
@access.may("correct", "message")
def discard(request: HttpRequest, number: int) -> HttpResponseBase:
    """Discard a dead letter with a reason."""
    message = _visible(request, number, "correct")
    principal = access.principal(request)
    try:
        dead_letters.discard(
            message, note=request.POST.get("note", ""), account_id=principal.account_id, actor=principal.name
        )
    except SalusError:
        messages.error(request, _("Say why the message is discarded."))
    else:
        messages.success(request, _("The message was discarded."))
    return HttpResponseRedirect(reverse("connect:message", args=[number]))
