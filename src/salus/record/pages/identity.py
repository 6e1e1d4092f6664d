"""Pages of identity: the pairs to review, both records side by side, decisions and how often linkage errs."""

from collections.abc import Callable
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from salus.kernel import audit, names
from salus.kernel.errors import Conflict, Invalid, NotFound
from salus.record import timeline
from salus.record.identity import error_report, queries, services
from salus.record.identity.queries import FieldView, PairView
from salus.record.models import LinkEvent, ReviewPair, ReviewStatus
from salus.web import confirm
from salus.web.access import may, principal
from salus.web.tables import ChoiceFilter, Column, Table

REASONS = {
    "grey-zone": gettext_lazy("likely, not certain"),
    "constraint": gettext_lazy("their identity numbers differ"),
    "twins": gettext_lazy("may be twins"),
    "identifier-contradicts": gettext_lazy("one number, contradicting facts"),
    "identifier-several": gettext_lazy("one number, several persons"),
    "source-merge": gettext_lazy("a source says that they are one"),
    "sample": gettext_lazy("sample to measure errors"),
}
FIELDS = {
    "given": gettext_lazy("Given name"),
    "family": gettext_lazy("Family name"),
    "birth": gettext_lazy("Birth date"),
    "sex": gettext_lazy("Sex"),
    "phone": gettext_lazy("Phone"),
    "number": gettext_lazy("Identity number"),
    "address": gettext_lazy("Address"),
}
AGREEMENTS = {
    "equal": gettext_lazy("equal"),
    "equal characters": gettext_lazy("equal"),
    "in the other field": gettext_lazy("exchanged"),
    "one slip": gettext_lazy("one slip"),
    "two slips": gettext_lazy("two slips"),
    "day and month exchanged": gettext_lazy("day and month exchanged"),
    "two parts of three": gettext_lazy("two parts of three"),
    "missing": gettext_lazy("missing"),
    "different": gettext_lazy("different"),
}


SEXES = {
    "male": gettext_lazy("male"),
    "female": gettext_lazy("female"),
    "other": gettext_lazy("other"),
    "unknown": gettext_lazy("unknown"),
}
METHODS = {
    "new": gettext_lazy("no record like it"),
    "resident-id": gettext_lazy("same identity number"),
    "passport": gettext_lazy("same passport number"),
    "newborn": gettext_lazy("newborn's number"),
    "probabilistic": gettext_lazy("probabilistic"),
    "hl7-merge": gettext_lazy("merged by the source"),
    "review": gettext_lazy("reviewed"),
    "manual": gettext_lazy("by hand"),
}


def _actor(event: LinkEvent) -> str:
    return _("the machine") if event.actor == "machine" else event.actor


class Reviews(Table):
    """The pairs that wait for a decision."""

    name = "reviews"
    caption = gettext_lazy("Pairs to review")
    default_sort = "-score"
    exports = False
    empty_title = gettext_lazy("Nothing to review")
    empty_text = gettext_lazy("Pairs that the machine cannot decide appear here.")
    columns: ClassVar = (
        Column(
            "id",
            gettext_lazy("Pair"),
            kind="code",
            link=lambda row: reverse("record:identity-pair", args=[row.id]),
        ),
        Column(
            "reason",
            gettext_lazy("Why"),
            value=lambda row: REASONS.get(row.reason, row.reason),
            sort="reason",
        ),
        Column("score", gettext_lazy("Weight (bits)"), kind="number", sort="score"),
        Column("created", gettext_lazy("Since"), kind="moment", sort="created"),
    )
    filters: ClassVar = (ChoiceFilter("reason", gettext_lazy("Why"), tuple(REASONS.items())),)


@may("review", "identity_review")
@require_GET
def reviews(request: HttpRequest) -> HttpResponseBase:
    """List the open pairs, most likely first."""
    return Reviews(request, ReviewPair.objects.filter(status=ReviewStatus.OPEN)).respond(
        "record/identity_reviews.html"
    )


@may("review", "identity_review")
@require_GET
def pair(request: HttpRequest, number: int) -> HttpResponse:
    """Show both records of a pair side by side; seeing them is an access to both persons' data."""
    asker = principal(request)
    found = queries.pair(asker, number)
    if found is None:
        raise Http404
    audit.record(
        [
            audit.entry(
                asker,
                "review",
                person_id=person,
                resource_type="Patient",
                detail={"pair": number},
            )
            for person in {found.left.person_id, found.right.person_id}
        ]
    )
    persons = {found.left.person_id, found.right.person_id}
    context = {
        "title": _("Pair %(number)d") % {"number": number},
        "breadcrumbs": [(_("Identity review"), reverse("record:identity-reviews"))],
        "found": found,
        "reason": REASONS.get(found.pair.reason, found.pair.reason),
        "lines": _lines(found),
        "shared": any(f.agreement.startswith("equal") and f.weight < -1 for f in found.fields),
        "places": [timeline.institution_of(one.source_id)[0] for one in (found.left, found.right)],
        "open": found.pair.status == ReviewStatus.OPEN,
        "persons": sorted(persons),
        "events": [e for p in sorted(persons) for e in queries.history(asker, p)][:20]
        if "integrator" in asker.roles
        else [],
    }
    return render(request, "record/identity_pair.html", context)


def _lines(found: PairView) -> list[dict[str, Any]]:
    return [
        {
            "title": FIELDS.get(f.name, f.name),
            "left": _shown(f.name, f.left),
            "right": _shown(f.name, f.right),
            "agreement": AGREEMENTS.get(f.agreement, _("similar")),
            "tone": _tone(f),
            "weight": f.weight,
        }
        for f in found.fields
    ]


def _shown(name: str, value: str) -> str:
    """Return a value as people write it: a birth date with its dashes."""
    if name == "birth" and len(value) == 8 and value.isdecimal():
        return f"{value[:4]}-{value[4:6]}-{value[6:]}"
    return value


def _tone(field: FieldView) -> str:
    if field.agreement == "different":
        return "bad"
    if field.agreement.startswith("equal"):
        return "ok" if field.weight > 1 else ""
    return "" if field.agreement == "missing" else "warn"


def _carry_out(request: HttpRequest, back: str, done: str, act: Callable[[str], LinkEvent]) -> HttpResponse:
    try:
        act(request.POST.get("reason", ""))
    except (Conflict, Invalid) as error:
        messages.error(request, _MESSAGES.get(error.code) or _("This cannot be done now."))
        return HttpResponseRedirect(back)
    except NotFound:
        raise Http404 from None
    messages.success(request, done)
    return HttpResponseRedirect(back)


_MESSAGES = {
    "identity-reason": gettext_lazy("Say why, in a few words."),
    "pair-decided": gettext_lazy("Somebody decided this pair already."),
    "identity-moved": gettext_lazy("A later decision moved these records: take that one back first."),
    "identity-reversed": gettext_lazy("This decision was taken back already."),
    "identity-first": gettext_lazy("The event that made a person cannot be taken back."),
    "same-person": gettext_lazy("They are one person already."),
}


@may("review", "identity_review")
@require_POST
def decide(request: HttpRequest, number: int) -> HttpResponse:
    """Decide a pair: one person, or two."""
    same = request.POST.get("decision") == "same"
    question = _("Join the two persons into one?") if same else _("Keep the two records apart for good?")
    if asking := confirm.needed(request, question):
        return asking
    asker, decision = principal(request), services.confirm if same else services.reject
    done = _("The records are one person now.") if same else _("The records are kept apart.")
    back = reverse("record:identity-pair", args=[number])
    return _carry_out(request, back, done, lambda why: decision(asker, number, reason=why))


@may("correct", "identity_review")
@require_POST
def reverse_event(request: HttpRequest, number: int) -> HttpResponse:
    """Take a decision back."""
    if asking := confirm.needed(request, _("Take this decision back?")):
        return asking
    asker = principal(request)
    back = reverse("record:identity-events")
    done = _("The decision was taken back.")
    return _carry_out(request, back, done, lambda why: services.reverse(asker, number, reason=why))


class Events(Table):
    """The decisions about identity, newest first."""

    name = "events"
    caption = gettext_lazy("Decisions about identity")
    default_sort = "-at"
    columns: ClassVar = (
        Column("at", gettext_lazy("When"), kind="moment", sort="id"),
        Column("kind", gettext_lazy("What"), value=lambda row: row.get_kind_display()),
        Column("actor", gettext_lazy("Who"), sort="actor", value=_actor),
        Column("method", gettext_lazy("How"), value=lambda row: METHODS.get(row.method, row.method)),
        Column("score", gettext_lazy("Weight (bits)"), kind="number"),
        Column("person_id", gettext_lazy("Person"), kind="code"),
        Column("reverses_id", gettext_lazy("Takes back"), kind="code"),
        Column(
            "id",
            gettext_lazy("Number"),
            kind="code",
            link=lambda row: reverse("record:identity-event", args=[row.id]),
        ),
    )


@may("review", "identity_review")
@require_GET
def events(request: HttpRequest) -> HttpResponseBase:
    """List the decisions but those that only made a new person."""
    query = LinkEvent.objects.exclude(kind="create")
    if person := request.GET.get("person"):
        try:
            query = query.filter(person_id=UUID(person))
        except ValueError:
            raise Http404 from None
    context = {
        "title": _("Decisions about identity"),
        "breadcrumbs": [(_("Identity review"), reverse("record:identity-reviews"))],
    }
    return Events(request, query).respond("record/identity_events.html", context)


@may("review", "identity_review")
@require_GET
def event(request: HttpRequest, number: int) -> HttpResponse:
    """Show one decision, its evidence, and the way to take it back."""
    found = LinkEvent.objects.filter(pk=number).first()
    if found is None:
        raise Http404
    reversed_by = LinkEvent.objects.filter(reverses=found).first()
    context = {
        "title": _("Decision %(number)d") % {"number": number},
        "breadcrumbs": [(_("Decisions about identity"), reverse("record:identity-events"))],
        "found": found,
        "actor": _actor(found),
        "method": METHODS.get(found.method, found.method),
        "reversed_by": reversed_by,
        "reason": (found.evidence or {}).get("reason", ""),
        "agreement": [
            {
                **a,
                "title": FIELDS.get(a["field"], a["field"]),
                "words": AGREEMENTS.get(a["label"], _("similar")),
            }
            for a in (found.evidence or {}).get("agreement", [])
        ],
        "can_reverse": found.kind != "create" and reversed_by is None,
    }
    return render(request, "record/identity_event.html", context)


@may("review", "identity_review")
def errors(request: HttpRequest) -> HttpResponse:
    """Show the linkage errors estimated from reviews; draw a sample of joined pairs to judge."""
    asker = principal(request)
    if request.method == "POST":
        drawn = error_report.draw_sample(asker, 100, seed=int(timezone.now().timestamp()))
        messages.success(request, _("%(count)d pairs were drawn for review.") % {"count": drawn})
        return HttpResponseRedirect(reverse("record:identity-errors"))
    groups = error_report.from_reviews(asker, today=timezone.localdate())
    titles = {"all": _("All"), "age": _("Age"), "sex": _("Sex"), "district": _("District")}
    words = names.districts() | {name: str(title) for name, title in SEXES.items()}
    context = {
        "title": _("Linkage errors"),
        "breadcrumbs": [(_("Identity review"), reverse("record:identity-reviews"))],
        "groups": [
            {"by": titles.get(g.by, g.by), "group": words.get(g.group, g.group), "row": g}
            for g in sorted(groups, key=lambda g: (list(titles).index(g.by), g.group))
        ],
    }
    return render(request, "record/identity_errors.html", context)
