"""The tables of bulk jobs and Subscriptions."""

from typing import Any, ClassVar

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from salus.connect.bulk_import_models import ImportState
from salus.record.models import DeliveryState, ExportState, HookState
from salus.web.tables import ChoiceFilter, Column, RowAction, Table

_TONES = {
    "queued": "info",
    "running": "info",
    "done": "ok",
    "failed": "bad",
    "cancelled": "",
    "expired": "",
}
_LEVELS = {"system": _("Everything"), "patient": _("All patients"), "group": _("A group")}
_OPEN = {"queued", "running"}


class ExportTable(Table):
    """Bulk exports, newest first."""

    name = "exports"
    caption = _("Bulk exports")
    columns = (
        Column("id", _("Number"), kind="code", sort="id"),
        Column("asker_name", _("Asked by"), sort="asker_name"),
        Column("created", _("Asked"), kind="moment", sort="created"),
        Column("level", _("Of"), value=lambda job: _LEVELS.get(job.level, job.level)),
        Column("types", _("Types"), value=lambda job: ", ".join(job.types) or _("all"), wide=True),
        Column("resources", _("Resources"), kind="number", sort="resources"),
        Column("megabytes", _("MB"), value=lambda job: f"{job.bytes / 1e6:.1f}", optional=True),
        Column(
            "state", _("State"), value=lambda job: job.get_state_display(), tone=lambda job: _TONES[job.state]
        ),
        Column("failure", _("Failure"), wide=True, optional=True),
        Column("expires", _("Kept until"), kind="moment", optional=True),
    )
    filters = (ChoiceFilter("state", _("State"), ExportState.choices),)
    row_actions = (
        RowAction(
            _("Cancel"),
            url=lambda job: (
                reverse("connect:cancel-export", args=[job.pk])
                if job.state in {*_OPEN, "done", "failed"}
                else None
            ),
            confirm=_("Cancel this export? Its files are deleted."),
            tone="bad",
        ),
    )
    search = ("asker_name",)
    search_label = _("Asked by")
    default_sort = "-id"
    empty_title = _("Nobody has exported in bulk yet")


def _files(job: Any) -> str:
    return f"{job.done_files} / {job.files}"


class ImportTable(Table):
    """Bulk imports, newest first."""

    name = "imports"
    caption = _("Bulk imports")
    columns = (
        Column("id", _("Number"), kind="code", sort="id"),
        Column("source__code", _("Source"), kind="code", sort="source__code"),
        Column("created", _("Asked"), kind="moment", sort="created"),
        Column("files", _("Files"), value=_files),
        Column(
            "state", _("State"), value=lambda job: job.get_state_display(), tone=lambda job: _TONES[job.state]
        ),
        Column("failure", _("Failure"), wide=True, optional=True),
        Column("finished", _("Finished"), kind="moment"),
    )
    filters = (ChoiceFilter("state", _("State"), ImportState.choices),)
    row_actions = (
        RowAction(
            _("Cancel"),
            url=lambda job: reverse("connect:cancel-import", args=[job.pk]) if job.state in _OPEN else None,
            confirm=_("Cancel this import? What is stored stays; its loads can be undone."),
            tone="bad",
        ),
    )
    search = ("source__code",)
    search_label = _("Source")
    default_sort = "-id"
    empty_title = _("No source has asked for an import yet")


class SubscriptionTable(Table):
    """Subscriptions, newest first."""

    tones: ClassVar[dict[str, str]] = {"requested": "info", "active": "ok", "error": "bad", "off": ""}
    name = "subscriptions"
    caption = _("Subscriptions")
    columns = (
        Column(
            "id",
            _("Number"),
            kind="code",
            sort="id",
            link=lambda hook: reverse("connect:subscription", args=[hook.pk]),
        ),
        Column("asker_name", _("Subscriber"), sort="asker_name"),
        Column("type", _("Type"), sort="type"),
        Column("endpoint", _("Address"), kind="code"),
        Column(
            "state",
            _("State"),
            value=lambda hook: hook.get_state_display(),
            tone=lambda hook: SubscriptionTable.tones[hook.state],
        ),
        Column("last_delivered", _("Last delivery"), kind="moment", sort="last_delivered"),
        Column("delivered", _("Delivered"), kind="number", sort="delivered"),
        Column("waiting", _("Waiting"), kind="number"),
        Column("failures", _("Failures in a row"), kind="number", sort="failures", optional=True),
        Column("last_error", _("Last failure"), wide=True, optional=True),
    )
    filters = (ChoiceFilter("state", _("State"), HookState.choices),)
    row_actions = (
        RowAction(_("Send again"), url=lambda hook: reverse("connect:send-again", args=[hook.pk])),
        RowAction(
            _("Stop"),
            url=lambda hook: (
                reverse("connect:stop-subscription", args=[hook.pk]) if hook.state != "off" else None
            ),
            confirm=_("Stop this Subscription? What waits is not sent."),
            tone="bad",
        ),
    )
    search = ("asker_name", "type", "endpoint")
    search_label = _("Subscriber, type or address")
    default_sort = "-id"
    empty_title = _("Nobody has subscribed yet")


_DELIVERY_TONES = {"waiting": "info", "delivered": "ok", "withheld": "warn", "given-up": "bad"}


class DeliveryTable(Table):
    """The deliveries of one Subscription, newest first."""

    name = "deliveries"
    caption = _("Deliveries")
    columns = (
        Column("number", _("Number"), kind="code", sort="number"),
        Column("created", _("Since"), kind="second", sort="created"),
        Column("type", _("Type")),
        Column("resource_id", _("Id"), kind="code"),
        Column("version", _("Version"), kind="number", optional=True),
        Column(
            "state",
            _("State"),
            value=lambda one: one.get_state_display(),
            tone=lambda one: _DELIVERY_TONES[one.state],
        ),
        Column("attempts", _("Attempts"), kind="number"),
        Column("status", _("Answer"), kind="code"),
        Column("error", _("Failure"), optional=True),
        Column("settled", _("Settled"), kind="second", optional=True),
    )
    filters = (ChoiceFilter("state", _("State"), DeliveryState.choices),)
    row_actions = (
        RowAction(
            _("Send again"),
            url=lambda one: (
                reverse("connect:send-one-again", args=[one.hook_id, one.pk])
                if one.state in {"delivered", "given-up"}
                else None
            ),
        ),
    )
    default_sort = "-number"
    count_limit = 10_000
    empty_title = _("Nothing was to be told yet")
