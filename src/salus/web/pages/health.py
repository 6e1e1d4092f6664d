"""System health: databases, audit chains, event handlers, jobs, the queue and the disk."""

import shutil
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db import DatabaseError, connections
from django.db.models import Count, Max
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST
from django_tasks_db.models import DBTaskResult

from salus.kernel import audit, events
from salus.kernel.errors import SalusError
from salus.kernel.models import (
    AuditChain,
    AuditIntent,
    HandlerCursor,
    HandlerFailure,
    OutboxEvent,
    PeriodicJob,
)
from salus.web import access, confirm, health
from salus.web.health import Check, Fact
from salus.web.pages.audit import instant

SLOW_MS = 50
"""A database that takes longer than this to answer is shown as slow (milliseconds)."""
DISK_WARN, DISK_BAD = 0.15, 0.05
"""Shares of the disk that are free below which it is shown as short, and as nearly full."""
_FAILURES_SHOWN = 50


def size(count: float) -> str:
    """Return a number of bytes as people read it."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def _number(value: int) -> str:
    return number_format(value, force_grouping=True)


def databases() -> list[Fact]:
    """Return how fast each database answers, and how big it is."""
    found = []
    for alias in settings.DATABASES:
        connection = connections[alias]
        started = time.perf_counter()
        try:
            with connection.cursor() as cursor:
                cursor.execute("select 1")
                cursor.fetchone()
                taken = (time.perf_counter() - started) * 1000
                if connection.vendor == "postgresql":
                    cursor.execute("select pg_database_size(current_database())")
                    taken_space = int(cursor.fetchone()[0])
                else:
                    taken_space = _file_sizes(str(connection.settings_dict["NAME"]))
        except DatabaseError:
            found.append(Fact(alias, _("does not answer"), "bad"))
            continue
        values = {"ms": f"{taken:.1f}", "vendor": connection.display_name, "size": size(taken_space)}
        text = _("%(vendor)s, answers in %(ms)s ms, %(size)s") % values
        found.append(Fact(alias, text, "ok" if taken < SLOW_MS else "warn"))
    return found


def _file_sizes(name: str) -> int:
    paths = (Path(name), Path(name + "-wal"))
    return sum(path.stat().st_size for path in paths if path.is_file())


def chains() -> list[Fact]:
    """Return how many audit rows there are, how new the newest is, and what waits to enter a chain."""
    rows = list(AuditChain.objects.using("audit").values_list("head_seq", "head_at"))
    waiting = AuditIntent.objects.count()
    newest = max((at for _seq, at in rows), default=0)
    found = [Fact(_("Rows"), _number(sum(seq for seq, _at in rows)))]
    if newest:
        found.append(Fact(_("Newest row"), f"{timezone.localtime(instant(newest)):%Y-%m-%d %H:%M:%S}"))
    old = (timezone.now() - timedelta(minutes=5)).timestamp() * 1_000_000
    stuck = AuditIntent.objects.filter(at__lt=int(old)).count() if waiting else 0
    found.append(
        Fact(_("Writes whose rows wait to enter a chain"), _number(waiting), "bad" if stuck else "ok")
    )
    return found


def queue() -> list[Fact]:
    """Return the tasks of the queue by state."""
    counts = dict(DBTaskResult.objects.order_by().values_list("status").annotate(Count("id")))
    titles = {"READY": _("Waiting"), "RUNNING": _("Running"), "FAILED": _("Failed"), "SUCCESSFUL": _("Done")}
    return [
        Fact(title, _number(counts.get(state, 0)), "bad" if state == "FAILED" and counts.get(state) else "")
        for state, title in titles.items()
    ]


def disk() -> list[Fact]:
    """Return how much room the data folder's disk has."""
    usage = shutil.disk_usage(settings.DATA_DIR)
    share = usage.free / usage.total
    tone = "bad" if share < DISK_BAD else "warn" if share < DISK_WARN else "ok"
    values = {"free": size(usage.free), "total": size(usage.total)}
    return [Fact(_("Free"), _("%(free)s of %(total)s") % values, tone)]


def register() -> None:
    """Register the kernel's own checks."""
    health.register(Check("databases", gettext_lazy("Databases"), databases, order=10))
    health.register(Check("audit", gettext_lazy("Audit"), chains, order=20))
    health.register(Check("queue", gettext_lazy("Queue"), queue, order=30))
    health.register(Check("disk", gettext_lazy("Disk"), disk, order=40))


def state(request: HttpRequest) -> dict[str, Any]:
    """Return what the live region shows."""
    now = timezone.now()
    newest = OutboxEvent.objects.aggregate(seq=Max("seq"))["seq"] or 0
    handlers = [
        {
            "row": row,
            "behind": max(0, newest - row.seq),
            "state": _("Paused") if row.paused else _("Stuck") if row.attempts else _("Well"),
            "tone": "warn" if row.paused else "bad" if row.attempts else "ok",
        }
        for row in HandlerCursor.objects.order_by("name")
    ]
    failures = HandlerFailure.objects.filter(resolved_at=None)
    jobs = [
        {"row": job, "late": job.enabled and job.next_run < now - timedelta(seconds=2 * job.every + 60)}
        for job in PeriodicJob.objects.order_by("name")
    ]
    return {
        "checks": [(check, check.facts()) for check in health.checks()],
        "handlers": handlers,
        "failures": failures.select_related("event").order_by("-failed_at")[:_FAILURES_SHOWN],
        "failures_count": failures.count(),
        "jobs": jobs,
        "now": now,
        "may_retry": "retry" if _may_retry(request) else "",
    }


def _may_retry(request: HttpRequest) -> bool:
    from salus.kernel import policy

    return policy.permits(access.principal(request), "retry", "health")


@access.may("read", "health")
def show(request: HttpRequest) -> HttpResponse:
    """Show the health page."""
    return render(request, "web/health.html", {"title": _("System health")})


def _audited(request: HttpRequest, action: str, kind: str, name: str) -> None:
    audit.record([audit.entry(access.principal(request), action, resource_type=kind, resource_id=name)])


@require_POST
@access.may("retry", "health")
def retry_handler(request: HttpRequest, name: str) -> HttpResponse:
    """Let a stuck handler try again at once."""
    events.retry_handler(name)
    _audited(request, "retry", "EventHandler", name)
    messages.success(request, _("The handler tries again now."))
    return HttpResponseRedirect(reverse("web:health"))


@require_POST
@access.may("retry", "health")
def settle_failure(request: HttpRequest, number: int) -> HttpResponse:
    """Handle a given-up event again, or let it be."""
    drop = request.POST.get("drop") == "1"
    if drop and (
        asked := confirm.needed(
            request, _("Let this event be? The handler will never see it."), action=_("Let it be")
        )
    ):
        return asked
    try:
        if drop:
            events.drop_failure(number)
        else:
            events.retry_failure(number)
    except SalusError as error:
        messages.error(request, _(error.message))
    except Exception as error:  # noqa: BLE001 - a handler may raise anything; the reader is told what kind
        messages.error(request, _("It failed again: %(kind)s") % {"kind": type(error).__name__})
    else:
        messages.success(request, _("Done."))
    _audited(request, "drop" if drop else "retry", "HandlerFailure", str(number))
    return HttpResponseRedirect(reverse("web:health"))
