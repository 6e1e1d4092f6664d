"""Audit: who did what, the state of the chains, and emergency accesses with their review."""

import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.db import connections
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from salus.kernel import audit, policy
from salus.kernel.audit import words
from salus.kernel.errors import SalusError
from salus.kernel.models import AuditChain, AuditRow, BreakGlass, Role
from salus.web import access
from salus.web.tables import ChoiceFilter, Column, DateFilter, Table

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TONES = {"ok": "ok", "refused": "warn", "denied": "warn", "error": "bad", "failed": "bad"}


def instant(microseconds: int) -> datetime:
    """Return the instant of a number of microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=microseconds)


def _role_names(row: AuditRow) -> str:
    names = dict(Role.choices)
    return ", ".join(str(names.get(role, role)) for role in row.roles.replace(",", " ").split())


def _glass(row: AuditRow) -> str:
    return _("Emergency") if row.break_glass else ""


def _type(row: AuditRow) -> str:
    title = words.type_title(row.resource_type)
    return title if title == row.resource_type else f"{title} ({row.resource_type})"


class AuditTable(Table):
    """The rows of all chains, newest first."""

    name = "audit"
    caption = gettext_lazy("Audit rows")
    columns = (
        Column("at", gettext_lazy("When"), kind="second", sort="at", value=lambda row: instant(row.at)),
        Column("actor", gettext_lazy("Who"), sort="actor"),
        Column("roles", gettext_lazy("Roles"), value=_role_names, optional=True),
        Column("action", gettext_lazy("Action"), value=lambda row: words.titled(words.ACTIONS, row.action)),
        Column("resource_type", gettext_lazy("What"), value=_type),
        Column("resource_id", gettext_lazy("Its id"), kind="code", optional=True),
        Column("person_id", gettext_lazy("Person"), kind="code", optional=True),
        Column(
            "purpose", gettext_lazy("Purpose"), value=lambda row: words.titled(words.PURPOSES, row.purpose)
        ),
        Column(
            "outcome",
            gettext_lazy("Outcome"),
            value=lambda row: words.titled(words.OUTCOMES, row.outcome),
            tone=lambda row: TONES.get(row.outcome, ""),
        ),
        Column("break_glass", gettext_lazy("Emergency"), value=_glass, tone=lambda row: "bad"),
        Column("detail", gettext_lazy("Detail"), kind="code", optional=True, wide=True),
        Column("place", gettext_lazy("Place in chain"), kind="code", value=str, optional=True),
    )
    filters = (
        DateFilter("at", gettext_lazy("Days"), unit="microseconds"),
        ChoiceFilter(
            "role",
            gettext_lazy("Role"),
            Role.choices,
            narrow=lambda rows, role: rows.filter(roles__contains=role),
        ),
        ChoiceFilter(
            "glass",
            gettext_lazy("Emergency access"),
            (("1", gettext_lazy("Only emergency access")),),
            narrow=lambda rows, _value: rows.filter(break_glass=True),
        ),
    )
    search_label = gettext_lazy("Account, or id of a person or resource")
    default_sort = "-at"
    count_limit = 100_000
    empty_text = gettext_lazy("Every read and write of a resident's record will be listed here.")

    @staticmethod
    def searched(rows: "QuerySet[Any]", asked: str) -> "QuerySet[Any]":
        """Find an account by the beginning of its name, or a person or resource by its exact id."""
        found = Q(actor__startswith=asked) | Q(resource_id=asked)
        try:
            found = Q(person_id=UUID(asked)) | Q(resource_id=asked)
        except ValueError:
            pass
        return rows.filter(found)


@access.may("search", "audit")
def show(request: HttpRequest) -> HttpResponseBase:
    """Search the audit rows; the search is itself audited."""
    table = AuditTable(request, AuditRow.objects.using("audit").all())
    if table.narrowed or "export" in request.GET:
        told = {"filters": sorted(table.asked.filters), "searched": bool(table.asked.search)}
        action = "export" if "export" in request.GET else "search"
        audit.record(
            [audit.entry(access.principal(request), action, resource_type="AuditEvent", detail=told)]
        )
    context = {"title": _("Audit"), "emergencies": BreakGlass.objects.filter(reviewed_at=None).count()}
    return table.respond("web/audit.html", context)


# --- verification ------------------------------------------------------------------------------


@dataclass(slots=True)
class Verification:
    """A run over all chains in this process, or none yet."""

    started: datetime | None = None
    by: str = ""
    done: int = 0
    total: int = 0
    report: audit.Report | None = None
    error: str = ""

    @property
    def running(self) -> bool:
        """Whether the run has begun and not ended."""
        return self.started is not None and self.report is None and not self.error


_latest = Verification()
_starting = threading.Lock()


def start_verification(by: str) -> bool:
    """Begin to verify all chains in a thread; returns False when a run is under way."""
    global _latest
    with _starting:
        if _latest.running:
            return False
        run = _latest = Verification(started=timezone.now(), by=by)
    threading.Thread(target=_verify, args=(run,), name="audit-verify", daemon=True).start()
    return True


def _verify(run: Verification) -> None:
    def progress(done: int, total: int) -> None:
        run.done, run.total = done, total

    try:
        run.report = audit.verify(progress=progress)
    except SalusError as error:
        run.error = str(error)
    except Exception as error:  # noqa: BLE001 - whatever stops the run must be shown, or it would seem to go on
        run.error = type(error).__name__
    finally:
        connections.close_all()


def verification_state(request: HttpRequest) -> dict[str, Any]:
    """Return what the live region shows: the chains with their heads, and the latest verification."""
    stored = AuditChain.objects.using("audit").order_by("pk")
    heads = list(stored.values_list("pk", "head_seq", "head_at", "key_id"))
    chains = [{"number": n, "rows": rows, "at": instant(at), "key": key} for n, rows, at, key in heads]
    return {"chains": chains, "rows": sum(rows for _number, rows, _at, _key in heads), "run": _latest}


@access.may("verify", "audit")
def chains(request: HttpRequest) -> HttpResponseBase:
    """Show the chains and verify them."""
    if request.method == "POST":
        begun = start_verification(str(request.user))
        if begun:
            audit.record([audit.entry(access.principal(request), "verify", resource_type="AuditEvent")])
        else:
            messages.info(request, _("A verification is under way already."))
        return HttpResponseRedirect(reverse("web:audit-chains"))
    context = {"title": _("Audit chains"), "breadcrumbs": [(_("Audit"), reverse("web:audit"))]}
    return render(request, "web/audit_chains.html", context)


# --- emergency access --------------------------------------------------------------------------


def _state(row: BreakGlass) -> str:
    if row.reviewed_at is not None:
        return _("Reviewed")
    return _("In progress") if row.ended is None and row.expires > timezone.now() else _("To be reviewed")


def _tone(row: BreakGlass) -> str:
    if row.reviewed_at is not None:
        return "ok"
    return "bad" if row.ended is None and row.expires > timezone.now() else "warn"


class EmergencyTable(Table):
    """Emergency accesses, newest first."""

    name = "emergencies"
    caption = gettext_lazy("Emergency accesses")
    columns = (
        Column(
            "started",
            gettext_lazy("Started"),
            kind="moment",
            sort="started",
            link=lambda row: reverse("web:emergency", args=[row.pk]),
        ),
        Column("account", gettext_lazy("Who"), sort="account__username"),
        Column("account__institution", gettext_lazy("Institution"), wide=True),
        Column("reason", gettext_lazy("Reason"), wide=True),
        Column("expires", gettext_lazy("Until"), kind="moment", value=lambda row: row.ended or row.expires),
        Column("state", gettext_lazy("State"), value=_state, tone=_tone),
    )
    filters = (
        ChoiceFilter(
            "open",
            gettext_lazy("State"),
            (("1", gettext_lazy("To be reviewed")), ("0", gettext_lazy("Reviewed"))),
            narrow=lambda rows, value: rows.filter(reviewed_at__isnull=value == "1"),
        ),
        DateFilter("started", gettext_lazy("Days")),
    )
    default_sort = "-started"
    empty_title = gettext_lazy("Nobody has opened a record in an emergency")


@access.may("search", "emergency")
def emergencies(request: HttpRequest) -> HttpResponseBase:
    """List the emergency accesses."""
    rows = BreakGlass.objects.select_related("account", "account__institution")
    context = {"title": _("Emergency accesses"), "breadcrumbs": [(_("Audit"), reverse("web:audit"))]}
    return EmergencyTable(request, rows).respond("web/table_page.html", context)


class ReviewForm(forms.Form):
    """An auditor's finding on an emergency access."""

    finding = forms.CharField(
        label=gettext_lazy("Finding"),
        help_text=gettext_lazy("Was there an emergency, and was what was read needed for it?"),
        widget=forms.Textarea(attrs={"rows": 5}),
        max_length=4000,
    )


@access.may("read", "emergency")
def emergency(request: HttpRequest, number: int) -> HttpResponse:
    """Show one emergency access with all that was done under it, and take the finding."""
    row = get_object_or_404(BreakGlass.objects.select_related("account", "account__institution"), pk=number)
    form = ReviewForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            policy.review_break_glass(
                access.principal(request), row, form.cleaned_data["finding"], now=timezone.now()
            )
        except SalusError as error:
            form.add_error(None, _(error.message))
        else:
            messages.success(request, _("The finding is recorded."))
            return HttpResponseRedirect(reverse("web:emergencies"))
    since, until = (
        int((at - _EPOCH) / timedelta(microseconds=1)) for at in (row.started, row.ended or row.expires)
    )
    done = AuditRow.objects.using("audit").filter(
        person_id=row.person_id, actor_id=row.account_id, at__gte=since, at__lte=until
    )
    context = {
        "title": _("Emergency access"),
        "breadcrumbs": [
            (_("Audit"), reverse("web:audit")),
            (_("Emergency accesses"), reverse("web:emergencies")),
        ],
        "row": row,
        "form": form,
        "state": _state(row),
        "tone": _tone(row),
        "done": [(instant(item.at), item) for item in done.order_by("at")[:200]],
        "count": done.count(),
    }
    return render(request, "web/emergency.html", context)
