"""The integrator's pages of bulk exports, bulk imports and Subscriptions."""

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from salus.connect.bulk_import_models import ImportJob, ImportState
from salus.connect.views.bulk_tables import DeliveryTable, ExportTable, ImportTable, SubscriptionTable
from salus.kernel import audit
from salus.record.fhir.bulk import running
from salus.record.fhir.subscriptions import delivering
from salus.record.models import Delivery, ExportJob, Hook, HookState
from salus.web import access, confirm

TITLE = gettext_lazy("Exports and imports")


def _tabs(current: str) -> list[tuple[str, str, bool]]:
    return [
        (_("Exports"), reverse("connect:exports"), current == "exports"),
        (_("Imports"), reverse("connect:imports"), current == "imports"),
    ]


@access.may("search", "source")
def exports(request: HttpRequest) -> HttpResponseBase:
    """List bulk exports."""
    context = {"title": TITLE, "tabs": _tabs("exports")}
    return ExportTable(request, ExportJob.objects.all()).respond("connect/bulk.html", context)


@access.may("search", "source")
def imports(request: HttpRequest) -> HttpResponseBase:
    """List bulk imports."""
    jobs = ImportJob.objects.select_related("source").annotate(
        files=Count("inputs"), done_files=Count("inputs", filter=Q(inputs__done=True))
    )
    context = {"title": TITLE, "tabs": _tabs("imports")}
    return ImportTable(request, jobs).respond("connect/bulk.html", context)


def _note(request: HttpRequest, what: str, id: str) -> None:
    principal = access.principal(request)
    audit.record([audit.entry(principal, "update", resource_type=what, resource_id=id)])


@access.may("update", "source")
@require_POST
def cancel_export(request: HttpRequest, number: int) -> HttpResponseBase:
    """End an export; its files go."""
    if page := confirm.needed(request, _("Cancel this export? Its files are deleted.")):
        return page
    job = get_object_or_404(ExportJob, pk=number)
    _note(request, "Bundle", str(job.key))
    running.cancel(job)
    messages.success(request, _("The export was cancelled."))
    return HttpResponseRedirect(reverse("connect:exports"))


@access.may("update", "source")
@require_POST
def cancel_import(request: HttpRequest, number: int) -> HttpResponseBase:
    """End an import; what is stored stays."""
    if page := confirm.needed(
        request, _("Cancel this import? What is stored stays; its loads can be undone.")
    ):
        return page
    job = get_object_or_404(ImportJob, pk=number)
    _note(request, "Bundle", str(job.key))
    open_job = ImportJob.objects.filter(pk=job.pk, state__in=[ImportState.QUEUED, ImportState.RUNNING])
    open_job.update(state=ImportState.CANCELLED, owner="", lease_until=None)
    messages.success(request, _("The import was cancelled."))
    return HttpResponseRedirect(reverse("connect:imports"))


@access.may("search", "source")
def subscriptions(request: HttpRequest) -> HttpResponseBase:
    """List Subscriptions."""
    hooks = Hook.objects.annotate(waiting=Count("deliveries", filter=Q(deliveries__state="waiting")))
    return SubscriptionTable(request, hooks).respond(
        "connect/subscriptions.html", {"title": _("Subscriptions")}
    )


@access.may("read", "source")
def subscription(request: HttpRequest, number: int) -> HttpResponseBase:
    """Show one Subscription and what became of its deliveries."""
    hook = get_object_or_404(Hook, pk=number)
    counts = hook.deliveries.aggregate(
        waiting=Count("pk", filter=Q(state="waiting")),
        withheld=Count("pk", filter=Q(state="withheld")),
        given_up=Count("pk", filter=Q(state="given-up")),
        day=Count("pk", filter=Q(settled__gte=timezone.now() - timedelta(days=1))),
    )
    context: dict[str, Any] = {
        "title": _("Subscription"),
        "breadcrumbs": [(_("Subscriptions"), reverse("connect:subscriptions"))],
        "hook": hook,
        "tone": SubscriptionTable.tones[hook.state],
        "counts": counts,
        "stoppable": hook.state != HookState.OFF,
    }
    table = DeliveryTable(request, hook.deliveries.all())
    return table.respond("connect/subscription.html", context)


@access.may("update", "source")
@require_POST
def send_again(request: HttpRequest, number: int) -> HttpResponseBase:
    """Try at once what waits for a subscriber, or switch on what was off."""
    hook = get_object_or_404(Hook, pk=number)
    _note(request, "Subscription", hook.resource_id)
    delivering.send_again(hook)
    messages.success(request, _("What waits is sent again now."))
    return HttpResponseRedirect(reverse("connect:subscription", args=[number]))


@access.may("update", "source")
@require_POST
def send_one_again(request: HttpRequest, number: int, delivery: int) -> HttpResponseBase:
    """Send one delivery once more, under its id."""
    hook = get_object_or_404(Hook, pk=number)
    one = get_object_or_404(Delivery, pk=delivery, hook=hook)
    _note(request, "Subscription", hook.resource_id)
    delivering.send_again(hook, one)
    messages.success(request, _("The delivery is sent once more."))
    return HttpResponseRedirect(reverse("connect:subscription", args=[number]))


@access.may("update", "source")
@require_POST
def stop(request: HttpRequest, number: int) -> HttpResponseBase:
    """Switch a Subscription off."""
    if page := confirm.needed(request, _("Stop this Subscription? What waits is not sent.")):
        return page
    hook = get_object_or_404(Hook, pk=number)
    _note(request, "Subscription", hook.resource_id)
    delivering.stop(hook)
    messages.success(request, _("The Subscription is off."))
    return HttpResponseRedirect(reverse("connect:subscription", args=[number]))
