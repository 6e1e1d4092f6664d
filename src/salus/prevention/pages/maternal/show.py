"""What the pages of mother and child are made of: sections of facts, charts and small tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from salus.kernel.errors import NotFound, SalusError
from salus.web.charts import Drawing

Text = Any


@dataclass(frozen=True, slots=True)
class Act:
    """A link, or a button that posts; `hidden` says to what it belongs to who cannot see the row."""

    label: Text
    url: str
    main: bool = False
    post: bool = False
    ask: Text = ""
    hidden: Text = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """A value on a page: plain, with a tone as a status, as a link, or as acts."""

    text: Text = ""
    tone: str | None = None
    url: str = ""
    more: Text = ""
    acts: Sequence[Act] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page under its own heading."""

    name: str
    title: Text
    links: Sequence[Act] = ()
    text: Text = ""
    facts: Sequence[tuple[Text, Cell]] = ()
    drawings: Sequence[Drawing] = ()
    header: Sequence[Text] = ()
    rows: Sequence[Sequence[Cell]] = ()
    empty: Text = field(default_factory=lambda: _("There is none yet."))


def plain(value: Any) -> Cell:
    """Return a cell for a value: days and instants as the city writes them, nothing for None."""
    if value is None:
        return Cell()
    if isinstance(value, datetime):
        return Cell(timezone.localtime(value).strftime("%Y-%m-%d %H:%M"))
    if isinstance(value, date):
        return Cell(value.isoformat())
    return Cell(f"{value:g}" if isinstance(value, float) else str(value))


def row(*values: Any) -> list[Cell]:
    """Return a table's row; cells stand as they are."""
    return [one if isinstance(one, Cell) else plain(one) for one in values]


def page(request: HttpRequest, title: Text, sections: Sequence[Section], **more: Any) -> HttpResponse:
    """Show a page of sections."""
    return render(request, "prevention/maternal/page.html", {"title": title, "sections": sections, **more})


def enter(
    request: HttpRequest,
    form: forms.Form,
    take: Callable[[Mapping[str, Any]], object],
    *,
    title: Text,
    done: Text,
    back: str,
    crumbs: Sequence[tuple[Text, str]],
    label: Text = "",
) -> HttpResponseBase:
    """Show a form, and take in what was entered; what breaks a rule stands at its field."""
    if request.method == "POST" and form.is_valid():
        try:
            take(form.cleaned_data)
        except NotFound:
            raise Http404 from None
        except SalusError as error:
            place = error.where if error.where in form.fields else None
            form.add_error(
                place, " ".join(filter(None, (_(error.message), _(error.fix) if error.fix else "")))
            )
        else:
            messages.success(request, done)
            return HttpResponseRedirect(back)
    context = {"title": title, "breadcrumbs": crumbs, "form": form, "label": label or _("Enter it")}
    return render(request, "web/form_page.html", context)


def did(request: HttpRequest, act: Callable[[], object], done: Text, back: str) -> HttpResponseBase:
    """Do something that a button asked for, say so, and go back."""
    try:
        act()
    except NotFound:
        raise Http404 from None
    except SalusError as error:
        messages.error(request, _(error.message))
    else:
        messages.success(request, done)
    return HttpResponseRedirect(back)
