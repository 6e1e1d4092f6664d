"""What of a Django form a device can check by itself, as plain data for the page's script."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.core import validators
from django.utils import timezone
from django.utils.translation import gettext as _

from salus.web.offline.registry import Form


def schema(form: Form) -> dict[str, Any]:
    """Return the fields and rules of a form in the reader's language."""
    made = form.form()
    return {
        "name": form.name,
        "title": str(form.title),
        "subjects": form.snapshot is not None,
        "fields": [_field(name, field) for name, field in made.fields.items()],
        "rules": [
            {
                "kind": rule.kind,
                "field": rule.field,
                "other": rule.other,
                "values": list(rule.values),
                "message": str(rule.message),
            }
            for rule in form.rules
        ],
    }


def _field(name: str, field: forms.Field) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": name,
        "label": str(field.label or name.replace("_", " ").capitalize()),
        "required": field.required,
        "kind": _kind(field),
    }
    choices = getattr(field, "choices", None)
    if choices is not None:
        found["choices"] = [
            [str(value), str(label)] for value, label in _flat(choices) if value not in ("", None)
        ]
    for check in field.validators:
        match check:
            case validators.MinValueValidator(limit_value=limit):
                found["min"] = _limit(limit)
            case validators.MaxValueValidator(limit_value=limit):
                found["max"] = _limit(limit)
            case validators.MinLengthValidator(limit_value=limit):
                found["min_length"] = _limit(limit)
            case validators.MaxLengthValidator(limit_value=limit):
                found["max_length"] = _limit(limit)
            case validators.DecimalValidator(decimal_places=places) if places is not None:
                found["places"] = places
            case validators.RegexValidator(inverse_match=False) if not isinstance(
                check, validators.URLValidator
            ):
                found["pattern"] = str(getattr(check.regex, "pattern", check.regex))
                found["pattern_message"] = str(check.message)
            case _:
                pass
    return found


def _kind(field: forms.Field) -> str:
    match field:
        case forms.BooleanField():
            return "yes"
        case forms.MultipleChoiceField():
            return "choices"
        case forms.ChoiceField():
            return "choice"
        case forms.DateTimeField():
            return "moment"
        case forms.DateField():
            return "day"
        case forms.FloatField() | forms.DecimalField():
            return "number"
        case forms.IntegerField():
            return "whole"
        case _:
            return "text"


def _flat(choices: Any) -> list[tuple[Any, Any]]:
    """Return choices without their groups."""
    found: list[tuple[Any, Any]] = []
    for value, label in choices:
        found.extend(label if isinstance(label, list | tuple) else [(value, label)])
    return found


def _limit(limit: Any) -> Any:
    value = limit() if callable(limit) else limit
    return float(value) if isinstance(value, Decimal) else plain(value)


def plain(value: Any) -> Any:
    """Return a value as a form's input holds it: days and instants in ISO form, the city's time."""
    match value:
        case datetime():
            local = timezone.localtime(value) if timezone.is_aware(value) else value
            return local.strftime("%Y-%m-%dT%H:%M")
        case date():
            return value.isoformat()
        case Decimal():
            return str(value)
        case list() | tuple() | set():
            return [str(item) for item in value]
        case None:
            return ""
        case bool() | int() | float() | str():
            return value
        case _:
            return str(value)


def plain_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as the device keeps them."""
    return {name: plain(value) for name, value in values.items()}


def words() -> dict[str, str]:
    """Return what the page's scripts say, in the reader's language; `{…}` stands for a value."""
    return {
        "required": _("Fill this in."),
        "choice": _("Choose one of the answers."),
        "number": _("Enter a number."),
        "whole": _("Enter a whole number."),
        "day": _("Enter a day as YYYY-MM-DD."),
        "min": _("It must be {limit} or more."),
        "max": _("It must be {limit} or less."),
        "min_length": _("Write at least {limit} characters."),
        "max_length": _("Write at most {limit} characters."),
        "places": _("Use at most {limit} decimal places."),
        "pattern": _("It does not have the right form."),
        "problem": _("There is a problem"),
        "kept": _("Kept on this device. It is sent as soon as there is a connection."),
        "draft": _("Draft kept on this device at {time}."),
        "draft_back": _("Your draft is here again."),
        "not_kept": _("This device could not keep the form. Leave this page open and free some storage."),
        "no_store": _("This browser cannot keep forms. Use another browser, or a secure (https) address."),
        "locked": _("Forms on this device are locked. Sign in to open them."),
        "none": _("Everything is sent"),
        "count": _("Not sent: {count}"),
        "state_waiting": _("Waiting"),
        "state_rejected": _("To be corrected"),
        "state_conflict": _("Two versions"),
        "state_sent": _("Sent"),
        "sending": _("Sending …"),
        "offline": _("No connection. What you keep here is sent later."),
        "again": _("The server could not be reached. Trying again in {seconds} s."),
        "signed_out": _("Your session has ended. Sign in again; everything kept here waits."),
        "ready": _("This page works without a connection. Lists are from {time}."),
        "not_ready": _("Open this page once with a connection, so that it works without one."),
        "made": _("Filled in {time}"),
        "failed": _("The server could not take it in. It is tried again."),
        "correct": _("Correct"),
        "delete": _("Delete"),
        "sure": _("Delete this form? It has not been sent and cannot be brought back."),
        "theirs": _("The server's version"),
        "mine": _("My version"),
        "keep_theirs": _("Keep the server's"),
        "send_mine": _("Send mine"),
        "yes": _("Yes"),
        "no": _("No"),
        "field": _("Field"),
        "waiting_here": _("Filled in, not sent"),
        "sent_here": _("Sent today"),
        "due": _("Due {day}"),
        "no_subjects": _("Nothing is listed for you"),
        "no_match": _("Nothing in the list matches"),
        "export_sure": _("The file holds residents' data that anybody can read. Keep it safe."),
    }
