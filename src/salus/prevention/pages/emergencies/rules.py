"""The rules of grading and response as they hold on a day, each with its source."""

from __future__ import annotations

from datetime import date
from typing import Any, ClassVar

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from salus.prevention.models import EmergencyGrade, EmergencyKind
from salus.prevention.pages.emergencies import words
from salus.prevention.queries.emergencies import rules as held
from salus.prevention.queries.notifiable.diseases import chinese, disease_name
from salus.prevention.surveillance.grading import Rule, version_of
from salus.web import access
from salus.web.tables import Column, Table
from salus.web.tables.rows import ListRows


class Rules(Table):
    """Grading rules, the gravest first."""

    name = "emergency-rules"
    caption = gettext_lazy("Grading rules")
    page_size = 100
    columns: ClassVar = (
        Column("grade", gettext_lazy("Grade"), sort="grade",
               value=lambda row: words.grade_name(row["grade"]),
               tone=lambda row: words.TONES.get(row["grade"], "")),
        Column("kind", gettext_lazy("Kind")),
        Column("words", pgettext_lazy("rule", "When"), wide=True),
        Column("clause", gettext_lazy("Clause"), kind="code"),
        Column("checked", gettext_lazy("Text"), tone=lambda row: "ok" if row["read"] else "warn"),
        Column("first", gettext_lazy("In force from"), kind="day"),
        Column("jurisdiction", pgettext_lazy("rule", "Where"), kind="code", optional=True),
        Column("note", gettext_lazy("Reading"), wide=True, optional=True),
        Column("source", gettext_lazy("Source"), wide=True, optional=True),
    )  # fmt: skip


def _row(rule: Rule) -> dict[str, Any]:
    kind: Any = EmergencyKind(rule.kind).label
    if rule.diseases:
        kind = ", ".join(disease_name(code) for code in rule.diseases)
    elif rule.classes:
        kind = _("Class %(classes)s") % {"classes": ", ".join(rule.classes)}
    return {
        "id": rule.id, "grade": int(rule.grade), "kind": kind, "words": held.words_of(rule),
        "clause": f"{rule.clause} {rule.id}", "read": rule.checked == "read",
        "checked": _("read") if rule.checked == "read" else _("from memory"), "first": rule.first,
        "jurisdiction": rule.jurisdiction, "note": rule.note, "source": rule.source,
    }  # fmt: skip


@access.may("search", "health_emergency")
def rules(request: HttpRequest) -> HttpResponseBase:
    """List the rules that hold on a day: today if none is asked for."""
    try:
        day = date.fromisoformat(request.GET.get("on", ""))
    except ValueError:
        day = timezone.localdate()
    place = request.GET.get("at", "")[:12]
    chosen = held.book().on(day, place)
    response = held.response()
    levels = [
        (words.grade_name(int(level.grade)), words.TONES.get(int(level.grade), ""), held.level_name(level),
         level.led_by_zh if chinese() else level.led_by,
         _("planner") if level.action == "approve" else _("epidemiologist or planner"), level)
        for level in (response.level(held.graded(number), day, place) for number in EmergencyGrade.values)
    ]  # fmt: skip
    plan = [
        (task.title_zh if chinese() else task.title, words.role_name(task.role), task.hours,
         ", ".join(grade.name for grade in task.grades if grade.graded))
        for task in response.tasks if task.first <= day and (task.last is None or day <= task.last)
    ]  # fmt: skip
    context = {
        "title": _("Rules of grading and response"),
        "breadcrumbs": [(_("Emergency board"), reverse("prevention:emergencies"))],
        "day": day,
        "version": version_of(chosen),
        "levels": levels,
        "plan": plan,
        "folder": str(held.own_folder()),
        "faults": held.faults(),
    }
    return Rules(request, ListRows([_row(rule) for rule in chosen])).respond(
        "prevention/emergencies/rules.html", context
    )
