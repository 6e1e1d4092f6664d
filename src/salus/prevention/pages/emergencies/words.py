"""Words, tones and clocks that several of these pages use."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from salus.kernel import names
from salus.kernel.models import Role
from salus.prevention.models import (
    Emergency,
    EmergencyAct,
    EmergencyGrade,
    EmergencyKind,
    EmergencyOrigin,
    EmergencyState,
    EmergencyTask,
    GradingProposal,
    ProposalAct,
    RequestState,
    TaskState,
)
from salus.prevention.queries.emergencies import rules
from salus.prevention.queries.notifiable.diseases import chinese, disease_name

Text = str | Promise
TONES = {1: "bad", 2: "bad", 3: "warn", 4: "info", 5: ""}
STATES = {
    EmergencyState.PROPOSED: "warn", EmergencyState.OPEN: "bad", EmergencyState.CLOSED: "ok",
    EmergencyState.REJECTED: "",
}  # fmt: skip
PROPOSALS = {"waiting": "warn", "confirmed": "ok", "changed": "info", "rejected": "", "overtaken": ""}
REQUESTS = {
    RequestState.ASKED: "warn", RequestState.GRANTED: "info", RequestState.SENT: "info",
    RequestState.ARRIVED: "ok", RequestState.REFUSED: "bad",
}  # fmt: skip
SCOPES = {
    "event": gettext_lazy("the whole event"),
    "province": gettext_lazy("a province"),
    "city": gettext_lazy("a prefecture"),
    "county": gettext_lazy("a county"),
    "township": gettext_lazy("a township"),
    "unit": gettext_lazy("a school, village or site"),
}
FORMS = {
    "pneumonic": gettext_lazy("pulmonary"),
    "bubonic": gettext_lazy("bubonic"),
    "cutaneous": gettext_lazy("cutaneous"),
    "intestinal": gettext_lazy("intestinal"),
}
_ACTS: Mapping[str, Text] = {
    "noticed": gettext_lazy("The rules noticed the event"),
    "entered": gettext_lazy("The event was entered"),
    "counted": gettext_lazy("Counts entered for %(day)s: %(cases)s ill, %(deaths)s dead"),
    "stated": gettext_lazy("Statements changed: %(flags)s"),
    "reported": gettext_lazy("Reported to the next level"),
    "proposed": gettext_lazy("Proposed: %(act)s, %(grade)s"),
    "confirmed": gettext_lazy("Confirmed: %(act)s, %(grade)s"),
    "rejected": gettext_lazy("Rejected: %(act)s, %(grade)s"),
    "graded": gettext_lazy("Graded by a person: %(act)s, %(grade)s"),
    "planned": gettext_lazy("The plan brought %(tasks)s tasks"),
    "taken": gettext_lazy("Task taken: %(task)s"),
    "done": gettext_lazy("Task done: %(task)s"),
    "dropped": gettext_lazy("Task not needed: %(task)s"),
    "added": gettext_lazy("Task added: %(task)s"),
    "asked-for": gettext_lazy("Asked for: %(item)s, %(quantity)s"),
    "answered": gettext_lazy("%(item)s: %(state)s, given so far %(given)s"),
    "drafted": gettext_lazy("Situation report %(number)s drafted"),
    "issued": gettext_lazy("Situation report %(number)s issued, version %(version)s"),
    "corrected": gettext_lazy("Situation report %(number)s under correction, version %(version)s"),
    "removed": gettext_lazy("The danger is removed since %(day)s"),
    "end-asked": gettext_lazy("The end of the response was asked for"),
    "ended": gettext_lazy("The response ended"),
}


def grade_name(number: int | None) -> Text:
    """Return a grade in words; a dash for none."""
    return EmergencyGrade(number).label if number in EmergencyGrade.values else "–"


def title_of(one: Emergency, districts: Mapping[str, str]) -> str:
    """Return an emergency's title; of one that nobody named, in the reader's language."""
    if one.origin != EmergencyOrigin.CASES:
        return one.title
    where = districts.get(one.district_code, one.district_code)
    return f"{where} {disease_name(one.disease)} {one.began_on.isoformat()}".strip()


def kind_of(one: Emergency) -> Text:
    """Return the kind of an event, or its disease."""
    if one.kind == EmergencyKind.INFECTIOUS and one.disease:
        name = disease_name(one.disease)
        return f"{name} ({FORMS[one.form]})" if one.form in FORMS else name
    return one.get_kind_display()


def act_words(act: EmergencyAct) -> str:
    """Return a line of the history in words."""
    params: dict[str, Any] = dict(act.params)
    if "act" in params:
        params["act"] = ProposalAct(params["act"]).label
    if "grade" in params:
        params["grade"] = grade_name(params["grade"])
    if "state" in params:
        params["state"] = RequestState(params["state"]).label
    if "flags" in params:
        known = dict(rules.flags())
        params["flags"] = ", ".join(known.get(flag, flag) for flag in params["flags"]) or _("none")
    if chinese() and params.get("task_zh"):
        params["task"] = params["task_zh"]
    text = str(_ACTS.get(act.kind, act.kind))
    said = text % params if "%(" in text else text
    return f"{said} ({pgettext('deadline', 'late')})" if params.get("late") else said


def by_whom(name: str) -> str:
    """Return who did something; the rules have no account."""
    return _("the rules") if name == "rules" else name


def task_title(task: EmergencyTask) -> str:
    """Return a task's title in the reader's language."""
    return task.title_zh if chinese() and task.title_zh else task.title


def task_state(task: EmergencyTask, now: datetime) -> tuple[Text, str]:
    """Return how a task stands, and its tone."""
    if task.state == TaskState.OPEN:
        return (_("Overdue"), "bad") if task.due_at < now else (pgettext("task", "Open"), "info")
    return task.get_state_display(), "ok" if task.state == TaskState.DONE else ""


def role_name(role: str) -> Text:
    """Return a role in words."""
    return Role(role).label if role in Role.values else role


def span(seconds: float) -> str:
    """Return a length of time in minutes, hours or days."""
    minutes = abs(seconds) / 60
    if minutes < 90:
        return _("%(n)d min") % {"n": round(minutes)}
    if minutes < 48 * 60:
        return _("%(n)d h") % {"n": round(minutes / 60)}
    return _("%(n)d days") % {"n": round(minutes / 1440)}


def due(moment: datetime | None, now: datetime) -> tuple[str, str]:
    """Return how long it is to an instant, or how late it is, and the tone; ("", "") for none."""
    if moment is None:
        return "", ""
    left = (moment - now).total_seconds()
    if left < 0:
        return _("%(time)s late") % {"time": span(left)}, "bad"
    return _("in %(time)s") % {"time": span(left)}, "warn" if left < 3600 else "info"


def evidence(proposal: GradingProposal) -> dict[str, Any]:
    """Return a proposal's evidence as rows for a page: the rules met, and what a higher grade lacks."""
    held = proposal.evidence
    codes = {code for row in held.get("met", []) for code in [row["area"], *row["areas"]] if code.isdigit()}
    districts = names.districts([*codes, *(f"{code:0<6}" for code in codes)])
    known = dict(rules.flags())

    def row(one: Mapping[str, Any]) -> dict[str, Any]:
        area = one["area"]
        places = [area, *(code for code in one["areas"] if code != area)]
        shown = [
            districts.get(code) or districts.get(f"{code:0<6}") or code for code in places if code
        ]  # fmt: skip
        return {
            "number": one["grade"],
            "grade": grade_name(one["grade"]),
            "tone": TONES.get(one["grade"], ""),
            "clause": one["clause"],
            "rule": one["rule"],
            "words": one["words_zh"] if chinese() else one["words"],
            "cases": one["cases"],
            "deaths": one["deaths"],
            "needed": _needed(one, known),
            "window": _window(one),
            "places": ", ".join(shown) or str(SCOPES.get(one["scope"], "")),
            "mean": one["mean"],
            "years": one["years"],
            "source": one["source"],
            "checked": one["checked"] == "read",
            "note": one.get("note", ""),
            "lacking": ", ".join(_lacking(one, known)),
        }

    met = [row(one) for one in held.get("met", [])]
    best = min((one["number"] for one in met), default=0)
    return {
        "met": met,
        "top": [one for one in met if one["number"] == best],
        "others": [one for one in met if one["number"] != best],
        "beyond": [row(one) for one in held.get("beyond", [])],
        "last_case": held.get("last_case", ""),
        "clear_days": held.get("clear_days"),
        "removed_on": held.get("removed_on", ""),
        "rule_met": held.get("rule_met"),
        "source": held.get("source", ""),
    }


def _window(one: Mapping[str, Any]) -> str:
    if not one["first"]:
        return ""
    return one["first"] if one["first"] == one["last"] else f"{one['first']} – {one['last']}"


def _needed(one: Mapping[str, Any], known: Mapping[str, str]) -> str:
    parts = []
    if one["mean"] is not None:
        parts.append(
            _("%(n)d cases (%(ratio)g × mean %(mean)s, at least 5)")
            % {"n": one["needed"], "ratio": one["ratio"], "mean": one["mean"]}
        )
    elif one["needed"] and one["needed"] != one["needed_deaths"]:
        parts.append(_("%(n)d cases") % {"n": one["needed"]})
    if one["needed_deaths"]:
        parts.append(_("%(n)d deaths") % {"n": one["needed_deaths"]})
    if one["needed_areas"]:
        parts.append(_("%(n)d places") % {"n": one["needed_areas"]})
    parts += [known.get(flag, flag) for flag in one["flags"]]
    if one["days"]:
        parts.append(_("within %(n)d days") % {"n": one["days"]})
    return ", ".join(parts)


def _lacking(one: Mapping[str, Any], known: Mapping[str, str]) -> list[str]:
    said = {
        "cases": _("too few cases"),
        "deaths": _("too few deaths"),
        "areas": _("too few places"),
        "mean": _("the five years before are not known"),
    }
    return [said.get(name) or known.get(name, name) for name in one["lacking"]]


def day_of(text: str) -> date | None:
    """Return the day that a kept text says."""
    return date.fromisoformat(text[:10]) if text else None
