"""The tables of the room's pages."""

from collections.abc import Sequence
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from salus.connect.models import Format, Load, Message, SourceSystem, Status, Via
from salus.connect.reasons import reason_title
from salus.web.tables import ChoiceFilter, Column, DateFilter, Table
from salus.web.templatetags.salus import name_in_language

TONES = {Status.STORED: "ok", Status.REPEATED: "info", Status.DEAD: "bad"}
LOAD_TONES = {
    Load.State.DONE: "ok",
    Load.State.FAILED: "bad",
    Load.State.RUNNING: "info",
    Load.State.UNDOING: "info",
    Load.State.UNDONE: "warn",
}


def source_choices() -> Sequence[tuple[str, str]]:
    """Return the sources as choices of a filter."""
    return [(code, f"{code} {name}") for code, name in SourceSystem.objects.values_list("code", "name")]


def _reasons() -> Sequence[tuple[str, str]]:
    codes = Message.objects.filter(status=Status.DEAD).order_by("reason_code")
    return [(code, reason_title(code)) for code in codes.values_list("reason_code", flat=True).distinct()]


def message_url(message: Any) -> str:
    """Return the address of a message's page."""
    return reverse("connect:message", args=[message.pk])


class SourceTable(Table):
    """Source systems with what came from each."""

    name = "sources"
    caption = _("Source systems")
    columns = (
        Column(
            "code",
            _("Code"),
            kind="code",
            sort="code",
            link=lambda source: reverse("connect:source", args=[source.code]),
        ),
        Column("name", _("Name"), sort="name", value=name_in_language, wide=True),
        Column(
            "institution__name",
            _("Institution"),
            sort="institution__name",
            value=lambda source: name_in_language(source.institution) if source.institution else "",
            wide=True,
            optional=True,
        ),
        Column("vendor", _("Vendor"), sort="vendor", optional=True),
        Column("format", _("Format"), sort="format", value=lambda source: source.get_format_display()),
        Column("last_heard", _("Last heard from"), kind="moment", sort="last_heard"),
        Column("received", _("Received"), kind="number", sort="received"),
        Column("stored", _("Stored"), kind="number", sort="stored"),
        Column("repeated", _("Repeated"), kind="number", sort="repeated"),
        Column("dead", _("Dead letters"), kind="number", sort="dead"),
        Column(
            "share",
            _("Share dead"),
            value=lambda source: f"{100 * source.dead / source.received:.2f} %" if source.received else "",
            tone=lambda source: "warn" if source.dead > source.received * source.error_rate_limit else "",
        ),
    )
    filters = (ChoiceFilter("format", _("Format"), Format.choices),)
    search = ("code", "name", "name_en", "vendor", "institution__name")
    search_label = _("Code, name, vendor or institution")
    default_sort = "code"
    empty_title = _("No source system is registered")
    empty_text = _("Register them with salus connect import-sources, or load a file.")


class MessageTable(Table):
    """Messages, newest first."""

    name = "messages"
    caption = _("Messages")
    columns = (
        Column("id", _("Number"), kind="code", link=message_url),
        Column("received_at", _("Received"), kind="second"),
        Column("source__code", _("Source"), kind="code"),
        Column("kind", _("Kind")),
        Column("control_id", _("Control id"), kind="code", optional=True),
        Column("via", _("Came by"), value=lambda message: message.get_via_display()),
        Column("resources", _("Resources"), kind="number"),
        Column(
            "status",
            _("Status"),
            value=lambda message: message.get_status_display(),
            tone=lambda message: TONES[message.status],
        ),
        Column("reason_code", _("Reason"), value=lambda m: reason_title(m.reason_code), wide=True),
    )
    filters = (
        ChoiceFilter("status", _("Status"), Status.choices),
        ChoiceFilter("source", _("Source"), source_choices, field="source__code"),
        ChoiceFilter("via", _("Came by"), Via.choices),
        DateFilter("received", _("Received"), field="received_at"),
    )
    keyset = "id"
    default_sort = "-id"
    count_limit = 10_000
    empty_title = _("No message has come yet")


class DeadLetterTable(Table):
    """Messages that could not be understood and wait for somebody."""

    name = "dead-letters"
    caption = _("Dead letters")
    columns = (
        Column("id", _("Number"), kind="code", sort="id", link=message_url),
        Column("received_at", _("Received"), kind="second", sort="received_at"),
        Column("source__code", _("Source"), kind="code", sort="source__code"),
        Column("kind", _("Kind"), sort="kind"),
        Column("reason_code", _("Reason"), sort="reason_code", value=lambda m: reason_title(m.reason_code)),
        Column("reason_where", _("Where"), kind="code", wide=True),
        Column("attempts", _("Attempts"), kind="number", sort="attempts"),
    )
    filters = (
        ChoiceFilter("source", _("Source"), source_choices, field="source__code"),
        ChoiceFilter("reason", _("Reason"), _reasons, field="reason_code"),
        DateFilter("received", _("Received"), field="received_at"),
    )
    search = ("kind", "reason", "reason_where")
    search_label = _("Kind, explanation or place")
    default_sort = "-id"
    count_limit = 10_000
    empty_title = _("No dead letters")
    empty_text = _("Every message that came was understood or dealt with.")


class LoadTable(Table):
    """Loads, newest first."""

    name = "loads"
    caption = _("Loads")
    columns = (
        Column(
            "id",
            _("Number"),
            kind="code",
            sort="id",
            link=lambda load: reverse("connect:load", args=[load.pk]),
        ),
        Column("name", _("File or pull"), sort="name", wide=True),
        Column("source__code", _("Source"), kind="code", sort="source__code"),
        Column("started_at", _("Started"), kind="moment", sort="started_at"),
        Column(
            "state",
            _("State"),
            sort="state",
            value=lambda load: load.get_state_display(),
            tone=lambda load: LOAD_TONES[load.state],
        ),
        Column("received", _("Received"), kind="number", sort="received"),
        Column("stored", _("Stored"), kind="number", sort="stored"),
        Column("repeated", _("Repeated"), kind="number", sort="repeated"),
        Column("dead", _("Dead letters"), kind="number", sort="dead"),
        Column("resources", _("Resources"), kind="number", sort="resources", optional=True),
    )
    filters = (
        ChoiceFilter("source", _("Source"), source_choices, field="source__code"),
        ChoiceFilter("state", _("State"), Load.State.choices),
    )
    search = ("name",)
    search_label = _("File's name")
    default_sort = "-id"
    empty_title = _("Nothing has been loaded yet")
