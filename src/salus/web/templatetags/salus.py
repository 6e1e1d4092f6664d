"""Template tags of the kit: icons, breadcrumbs, status tags, tables, charts, empty states, forms."""

from datetime import datetime
from typing import Any

from django import template
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from salus.web import icons

register = template.Library()

TONES = ("", "ok", "warn", "bad", "info")


@register.simple_tag
def icon(name: str) -> SafeString:
    """Write the named icon of `web.icons`."""
    return icons.icon(name)


@register.simple_tag(takes_context=True)
def breadcrumbs(context: template.Context) -> str:
    """Write the way back: Home, then the context's `breadcrumbs` (title, address), then the title."""
    shell = context["shell"]
    request = context["request"]
    here = context.get("title") or (shell.page.title if shell.page else "")
    home = reverse("web:home")
    if request.path == home:
        return ""
    trail: list[tuple[str | Promise, str]] = [(_("Home"), home), *(context.get("breadcrumbs") or [])]
    return render_to_string("web/breadcrumbs.html", {"trail": trail, "here": here})


@register.simple_tag
def status(text: Any, tone: str = "") -> SafeString:
    """Write a status as a tag; the tone is one of "", ok, warn, bad, info and never the only sign."""
    return format_html('<span class="tag tag-{}">{}</span>', tone if tone in TONES else "", text)


@register.simple_tag
def empty(title: str, text: str = "", icon: str = "inbox", url: str = "", label: str = "") -> SafeString:
    """Write the state of a page or part that has nothing to show, and what to do about it."""
    values = {"title": title, "text": text, "icon": icon, "url": url, "label": label}
    return mark_safe(render_to_string("web/empty.html", values))  # noqa: S308 - rendered by a template


@register.simple_tag(takes_context=True)
def table(context: template.Context, bound: Any) -> SafeString:
    """Write a `web.tables.Table` that a view has made."""
    return mark_safe(str(bound.html(context["request"])))  # noqa: S308 - rendered by a template


@register.simple_tag
def chart(drawn: Any) -> SafeString:
    """Write a chart or map that `web.charts` or `web.maps` made."""
    return mark_safe(str(drawn.html()))  # noqa: S308 - rendered by a template


@register.filter
def moment(value: datetime | None) -> SafeString | str:
    """Write an instant in the city's zone to the minute, machine-readable; a dash for none."""
    if value is None:
        return "–"
    local = timezone.localtime(value) if timezone.is_aware(value) else value
    return format_html(
        '<time datetime="{}">{}</time>', local.isoformat(timespec="seconds"), date_format(local, "Y-m-d H:i")
    )


@register.filter
def number(value: Any) -> str:
    """Write a number with thousands grouped; a dash for none."""
    if value is None:
        return "–"
    return number_format(value, use_l10n=True, force_grouping=True)


@register.filter
def name_in_language(thing: Any) -> str:
    """Return a register entry's English name for a reader of English when there is one, else its name."""
    from django.utils.translation import get_language

    english = getattr(thing, "name_en", "")
    return (
        english if english and (get_language() or "").startswith("en") else getattr(thing, "name", str(thing))
    )


@register.filter
def entry(values: Any, key: Any) -> Any:
    """Return a mapping's value for a key that is itself a variable; empty when there is none."""
    return values.get(key, "")


@register.filter
def layout(field: Any) -> str:
    """Return how a form's field is laid out (see `web.forms.kind`)."""
    from salus.web import forms

    return forms.kind(field)


@register.simple_tag(takes_context=True)
def live(context: template.Context, name: str) -> SafeString:
    """Write a region of `web.live`: its present content, kept up to date by the script."""
    from salus.web import live as regions

    region = regions.get(name)
    return format_html(
        '<div class="live" data-live="{}" data-every="{}">{}</div>',
        reverse("web:live", args=[name]),
        int(max(region.every, 1) * 1000),
        mark_safe(regions.render(region, context["request"])),  # noqa: S308 - rendered by a template
    )
