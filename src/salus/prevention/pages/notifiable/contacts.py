"""Contacts under follow-up: whom to see today, one contact with her visits, and the visit that is entered."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID, uuid4

from django import forms as django_forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from salus.kernel import names, policy
from salus.kernel.errors import NotFound, SalusError
from salus.prevention.models import ContactState
from salus.prevention.pages.notifiable import forms, words
from salus.prevention.pages.residents import ResidentTable
from salus.prevention.queries.notifiable import diseases as known
from salus.prevention.queries.notifiable import investigation as reading
from salus.prevention.queries.notifiable import seeing
from salus.prevention.services.notifiable import contacts as doing
from salus.web import access, confirm
from salus.web.tables import ChoiceFilter, Column


def _due(queryset: Any, value: str) -> Any:
    today = timezone.localdate()
    rows = queryset.filter(state=ContactState.FOLLOWED, follow_until__gte=today)
    if value == "alert":
        return queryset.exclude(alert_on=None)
    return rows.filter(last_visit=today) if value == "seen" else rows.exclude(last_visit=today)


class Contacts(ResidentTable):
    """Contacts, those on alert and those not seen longest first."""

    name = "contacts"
    caption = gettext_lazy("Contacts under follow-up")
    private = True
    search = ("name", "phone")
    search_label = gettext_lazy("Name or telephone")
    empty_title = gettext_lazy("Nobody is under follow-up")
    empty_text = gettext_lazy("Contacts are added on a case's page.")
    columns: ClassVar = (
        Column("name", gettext_lazy("Name"), sort="name", wide=True,
               link=lambda row: reverse("prevention:contact", args=[row.pk])),
        Column("state", gettext_lazy("Today"), value=lambda row: words.contact_state(row)[0],
               tone=lambda row: words.contact_state(row)[1]),
        Column("phone", gettext_lazy("Telephone"), kind="code"),
        Column("disease", gettext_lazy("Disease"), value=lambda row: known.disease_name(row.case.disease)),
        Column("setting", gettext_lazy("Setting"),
               value=lambda row: known.exposures().get(row.setting, row.setting)),
        Column("last_exposure", gettext_lazy("Last exposure"), kind="day", sort="last_exposure"),
        Column("follow_until", gettext_lazy("Until"), kind="day", sort="follow_until"),
        Column("last_visit", gettext_lazy("Last visit"), kind="day", sort="last_visit"),
        Column("address", gettext_lazy("Address"), optional=True),
        Column("institution", gettext_lazy("Followed by"), value=words.institution_name, optional=True),
    )  # fmt: skip
    filters: ClassVar = (
        ChoiceFilter(
            "due", gettext_lazy("Today"),
            (("due", gettext_lazy("Due today")), ("seen", gettext_lazy("Seen today")),
             ("alert", gettext_lazy("With an alert"))),
            narrow=_due,
        ),
        ChoiceFilter("state", gettext_lazy("State"), tuple(ContactState.choices)),
        ChoiceFilter("disease", gettext_lazy("Disease"), known.choices, field="case__disease"),
    )  # fmt: skip


@access.may("search", "case_contact")
def contacts(request: HttpRequest) -> HttpResponseBase:
    """List the contacts whom the reader may see."""
    rows = reading.first_ones(seeing.contacts(access.principal(request)))
    figures = reading.followed_counts(rows.order_by(), timezone.localdate())
    table = Contacts(request, rows)
    return table.respond(
        "prevention/notifiable/contacts.html",
        {"title": _("Contacts under follow-up"), "figures": figures},
    )


@access.may("read", "case_contact")
def contact(request: HttpRequest, number: int) -> HttpResponseBase:
    """Show a contact with her visits, and enter today's."""
    asker = access.principal(request)
    try:
        one = seeing.open_contact(asker, number)
    except NotFound:
        raise Http404 from None
    may = policy.decide(asker, "update", seeing.contact_target(one)).allowed
    open_ = may and one.state in (ContactState.FOLLOWED, ContactState.DONE, ContactState.LOST)
    form = forms.VisitForm(
        request.POST or None, initial={"day": timezone.localdate(), "way": "visit", "isolating": True}
    )
    asked_signs: Any = form.fields["symptoms"]
    asked_signs.widget = django_forms.CheckboxSelectMultiple()
    telling = doing.telling(one.case.disease) | {"fever"}
    asked_signs.choices = sorted(
        ((code, name) for code, name in known.symptoms().items() if code in telling), key=lambda pair: pair[1]
    )
    clash = None
    if request.method == "POST" and open_ and form.is_valid():
        try:
            key, replaces = _key(request, "key") or uuid4(), _key(request, "replaces")
            made = doing.visit(
                asker, number, doing.AskedVisit(key=key, **form.cleaned_data), now=timezone.now(),
                replaces=replaces,
            )  # fmt: skip
        except doing.VisitClash as error:
            clash = error.held
        except SalusError as error:
            form.add_error(error.where if error.where in form.fields else None, _(error.message))
        else:
            if made.alert:
                messages.warning(request, _("Alert: disease control has been told."))
            else:
                messages.success(request, _("The visit is entered."))
            return HttpResponseRedirect(reverse("prevention:contact", args=[number]))
    state, tone = words.contact_state(one)
    signs = known.symptoms()
    context = {
        "title": one.name,
        "breadcrumbs": [(_("Contacts under follow-up"), reverse("prevention:contacts"))],
        "contact": one,
        "disease": known.disease_name(one.case.disease),
        "setting": known.exposures().get(one.setting, one.setting),
        "district": names.districts([one.district_code]).get(one.district_code, one.district_code),
        "state": state,
        "tone": tone,
        "visits": [
            (v, dict(words.WAYS).get(v.way, v.way), [signs.get(code, code) for code in v.symptoms])
            for v in one.visits.all()
        ],
        "form": form if open_ else None,
        "key": request.POST.get("key") or str(uuid4()),
        "clash": clash,
        "clash_symptoms": [signs.get(code, code) for code in clash.symptoms] if clash else [],
        "may": may,
        "may_report": policy.permits(asker, "create", "notifiable_case"),
        "sees_case": policy.decide(asker, "read", seeing.case_target(one.case)).allowed,
    }
    return render(request, "prevention/notifiable/contact.html", context)


def _key(request: HttpRequest, name: str) -> UUID | None:
    try:
        return UUID(request.POST.get(name, ""))
    except ValueError:
        return None


@access.may("update", "case_contact")
@require_POST
def close(request: HttpRequest, number: int, state: str) -> HttpResponseBase:
    """End a contact's follow-up, or take it up again."""
    if page := confirm.needed(request, _("Change the state of this contact's follow-up?")):
        return page
    try:
        doing.close(access.principal(request), number, state, now=timezone.now())
    except NotFound:
        raise Http404 from None
    except SalusError as error:
        messages.error(request, _(error.message))
    else:
        messages.success(request, _("The follow-up's state is changed."))
    return HttpResponseRedirect(reverse("prevention:contact", args=[number]))


@access.may("update", "case_contact")
@require_POST
def became_case(request: HttpRequest, number: int) -> HttpResponseBase:
    """Report a contact that fell ill as a case."""
    if page := confirm.needed(request, _("Report this contact as a case?")):
        return page
    asker = access.principal(request)
    try:
        made = doing.became_case(asker, number, now=timezone.now())
    except NotFound:
        raise Http404 from None
    except SalusError as error:
        messages.error(request, _(error.message))
        return HttpResponseRedirect(reverse("prevention:contact", args=[number]))
    messages.success(request, _("The contact is reported as a case."))
    if policy.decide(asker, "read", seeing.case_target(made)).allowed:
        return HttpResponseRedirect(reverse("prevention:case", args=[made.pk]))
    return HttpResponseRedirect(reverse("prevention:contact", args=[number]))
