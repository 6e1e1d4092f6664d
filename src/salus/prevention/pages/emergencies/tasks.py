"""Tasks of all responses: for who leads, all of them; for others, those of their roles. For a phone."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy
from django.views.decorators.http import require_POST

from salus.kernel import policy
from salus.kernel.errors import NotFound, SalusError
from salus.prevention.models import EmergencyState, TaskState
from salus.prevention.pages.emergencies import forms, words
from salus.prevention.pages.emergencies.changing import fault
from salus.prevention.queries.emergencies import seeing
from salus.prevention.services.emergencies import working
from salus.web import access
from salus.web.tables import ChoiceFilter, Column, RowAction, Table


def _mine(row: Any) -> str:
    return str(row.assignee) if row.assignee else ""


class Tasks(Table):
    """Tasks, the first due first."""

    name = "emergency-tasks"
    caption = gettext_lazy("Tasks of emergencies")
    search = ("title", "title_zh", "emergency__title")
    search_label = gettext_lazy("Task or emergency")
    default_sort = "due_at"
    empty_title = gettext_lazy("There is no task")
    empty_text = gettext_lazy("Tasks come with the response plan when a grade is confirmed.")
    columns: ClassVar = (
        Column("title", gettext_lazy("Task"), sort="title", wide=True, value=words.task_title,
               link=lambda row: _address(row, "done")),
        Column("state", gettext_lazy("State"), sort="state",
               value=lambda row: words.task_state(row, timezone.now())[0],
               tone=lambda row: words.task_state(row, timezone.now())[1]),
        Column("due_at", pgettext_lazy("deadline", "Due"), kind="moment", sort="due_at"),
        Column("emergency__title", pgettext_lazy("event", "Emergency"), sort="emergency__title"),
        Column("role", gettext_lazy("Role"), sort="role", value=lambda row: words.role_name(row.role)),
        Column("assignee", gettext_lazy("Taken by"), value=_mine),
        Column("note", gettext_lazy("Note"), optional=True),
    )  # fmt: skip
    filters: ClassVar = (ChoiceFilter("state", gettext_lazy("State"), tuple(TaskState.choices)),)
    row_actions: ClassVar = (RowAction(gettext_lazy("Take"), lambda row: _take(row)),)


def _address(row: Any, act: str) -> str | None:
    open_ = row.state == TaskState.OPEN
    return reverse("prevention:emergency-task-act", args=[row.pk, act]) if open_ else None


def _take(row: Any) -> str | None:
    free = row.state == TaskState.OPEN and row.assignee_id is None
    return reverse("prevention:emergency-task-take", args=[row.pk]) if free else None


@access.may("search", "emergency_task")
def tasks(request: HttpRequest) -> HttpResponseBase:
    """List the tasks of responses that are under way."""
    rows = seeing.tasks(access.principal(request)).filter(emergency__state=EmergencyState.OPEN)
    return Tasks(request, rows).respond("prevention/emergencies/tasks.html", {"title": _("Emergency tasks")})


@access.may("update", "emergency_task")
@require_POST
def take(request: HttpRequest, number: int) -> HttpResponse:
    """Take a task."""
    try:
        working.take(access.principal(request), number, now=timezone.now())
    except NotFound:
        raise Http404 from None
    except SalusError as error:
        messages.error(request, _(error.message))
    else:
        messages.success(request, _("The task is yours."))
    return HttpResponseRedirect(_back(request))


def _back(request: HttpRequest, default: str = "prevention:emergency-tasks") -> str:
    asked = request.POST.get("next", "")
    if asked and url_has_allowed_host_and_scheme(asked, {request.get_host()}, request.is_secure()):
        return asked
    return reverse(default)


ACTS = {
    "done": (forms.DoneForm, gettext_lazy("Task done"), gettext_lazy("The task is done.")),
    "drop": (forms.DropForm, gettext_lazy("Task not needed"), gettext_lazy("The task is dropped.")),
    "give": (forms.GiveForm, gettext_lazy("Give the task to somebody"), gettext_lazy("The task is given.")),
}


@access.may("update", "emergency_task")
def act(request: HttpRequest, number: int, act: str) -> HttpResponseBase:
    """Finish, drop or give a task."""
    asker = access.principal(request)
    if act not in ACTS:
        raise Http404
    try:
        task = seeing.open_task(asker, number, "update")
    except NotFound:
        raise Http404 from None
    make, title, done = ACTS[act]
    more: dict[str, Any] = {"role": task.role} if act == "give" else {}
    form = make(request.POST or None, **more)
    if request.method == "POST" and form.is_valid():
        given, now = form.cleaned_data, timezone.now()
        try:
            if act == "done":
                working.finish(asker, number, given["note"], now=now)
            elif act == "drop":
                working.drop(asker, number, given["note"], now=now)
            else:
                working.take(asker, number, now=now, account=given["account"])
        except SalusError as error:
            fault(form, error)
        else:
            messages.success(request, done)
            if policy.permits(asker, "read", "health_emergency"):
                return HttpResponseRedirect(reverse("prevention:emergency", args=[task.emergency_id]))
            return HttpResponseRedirect(reverse("prevention:emergency-tasks"))
    context = {
        "title": title,
        "breadcrumbs": [(_("Emergency tasks"), reverse("prevention:emergency-tasks"))],
        "form": form,
        "label": _("Save"),
        "task": task,
        "task_title": words.task_title(task),
    }
    return render(request, "prevention/emergencies/task.html", context)
