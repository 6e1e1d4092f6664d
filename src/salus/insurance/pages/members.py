"""Pages of members: the list, and one membership with its payments, transfer and end."""

from collections.abc import Callable
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from salus.insurance.models import Enrolment, MemberCategory, Scheme
from salus.insurance.queries import members as reading
from salus.insurance.services import claims, enrolment
from salus.kernel import audit
from salus.kernel.errors import NotFound, SalusError
from salus.kernel.models import District
from salus.kernel.money import format_yuan
from salus.kernel.policy import Principal, permits
from salus.web import access, confirm
from salus.web.tables import ChoiceFilter, Column, DateFilter, Table

ENDED = {
    "transfer": gettext_lazy("Transferred"),
    "left": gettext_lazy("Left the insurance"),
    "moved": gettext_lazy("Moved away"),
    "death": gettext_lazy("Died"),
    "error": gettext_lazy("Entered by mistake"),
}


def _standing(queryset: Any, value: str) -> Any:
    return queryset.filter(end_date__isnull=value == "open")


def state(row: Enrolment) -> Any:
    """Return in words whether a membership is open, or why it ended."""
    return ENDED.get(row.end_reason, row.end_reason) if row.end_date else gettext_lazy("Open")


class Members(Table):
    """Memberships, newest first."""

    name = "members"
    caption = gettext_lazy("Memberships")
    keyset = "id"
    default_sort = "-id"
    empty_title = gettext_lazy("Nobody is enrolled yet")
    empty_text = gettext_lazy("Enrol members from a file: every row is shown before anything is written.")
    columns: ClassVar = (
        Column(
            "id", gettext_lazy("Membership"), kind="code",
            link=lambda row: reverse("insurance:member", args=[row.pk]),
        ),
        Column("scheme", gettext_lazy("Scheme"), value=lambda row: row.get_scheme_display(), wide=True),
        Column("category", gettext_lazy("Kind of member"), value=lambda row: row.get_category_display()),
        Column("area", gettext_lazy("Area"), kind="code"),
        Column("start_date", gettext_lazy("From"), kind="day"),
        Column("end_date", gettext_lazy("To"), kind="day"),
        Column(
            "end_reason", gettext_lazy("State"), value=state, tone=lambda row: "" if row.end_date else "ok"
        ),
        Column("household__number", gettext_lazy("Household"), kind="code", optional=True),
    )  # fmt: skip
    filters: ClassVar = (
        ChoiceFilter("scheme", gettext_lazy("Scheme"), tuple(Scheme.choices)),
        ChoiceFilter("category", gettext_lazy("Kind of member"), tuple(MemberCategory.choices)),
        ChoiceFilter(
            "state", gettext_lazy("State"),
            (("open", gettext_lazy("Open")), ("ended", gettext_lazy("Ended"))), narrow=_standing,
        ),
        DateFilter("start_date", gettext_lazy("From"), unit="day"),
    )  # fmt: skip


class FindForm(forms.Form):
    """The identity number of a member; sent in the body, so that it stands in no address."""

    identity = forms.CharField(
        label=gettext_lazy("Identity number"), max_length=40,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )  # fmt: skip


class TransferForm(forms.Form):
    """Where a member moves to, from which day."""

    scheme = forms.ChoiceField(label=gettext_lazy("Scheme"), choices=Scheme.choices)
    category = forms.ChoiceField(label=gettext_lazy("Kind of member"), choices=MemberCategory.choices)
    area = forms.CharField(label=gettext_lazy("Area's code"), max_length=12)
    start = forms.DateField(
        label=gettext_lazy("First day"), widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
    )

    def clean_area(self) -> str:
        """Return the area's code if it is registered."""
        code: str = self.cleaned_data["area"]
        if not District.objects.filter(code=code).exists():
            raise forms.ValidationError(_("The area is in no register."))
        return code


class LeaveForm(forms.Form):
    """The last day of a membership, and why it ends."""

    last = forms.DateField(
        label=gettext_lazy("Last day"), widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
    )
    reason = forms.ChoiceField(
        label=gettext_lazy("Why"), choices=[(name, ENDED[name]) for name in enrolment.LEAVING]
    )


class PayForm(forms.Form):
    """The year whose premium is paid."""

    year = forms.IntegerField(label=gettext_lazy("Year"), min_value=2000, max_value=2100)


def officer(request: HttpRequest) -> Principal:
    """Return the asker with the purpose of these pages."""
    return access.principal(request).with_purpose("HPAYMT")


@access.may("search", "enrolment")
@require_GET
def members(request: HttpRequest) -> HttpResponseBase:
    """List the memberships that an officer may see, none with a name."""
    asker = officer(request)
    action = "export" if "export" in request.GET else "search"
    audit.record([audit.entry(asker, action, resource_type="Enrolment", detail={"page": "members"})])
    table = Members(request, reading.visible(asker, action))
    may_enrol = permits(asker, "create", "enrolment")
    context = {"title": _("Members"), "form": FindForm() if may_enrol else None}
    return table.respond("insurance/members.html", context)


@access.may("create", "enrolment")
@require_POST
def find(request: HttpRequest) -> HttpResponse:
    """Go to the newest membership of the resident with an identity number."""
    form = FindForm(request.POST)
    words = _("Write an identity number.")
    if form.is_valid():
        words = _("The resident is not a member.")
        try:
            person = claims.find_person(
                officer(request), "create", "resident-id", form.cleaned_data["identity"]
            )
        except SalusError as error:
            words = _(error.message)
        else:
            held = Enrolment.objects.filter(person_id=person).order_by("-start_date").first()
            if held is not None:
                return HttpResponseRedirect(reverse("insurance:member", args=[held.pk]))
    messages.error(request, words)
    return HttpResponseRedirect(reverse("insurance:members"))


@access.may("read", "enrolment")
def member(request: HttpRequest, number: int) -> HttpResponse:
    """Show a membership with its payments; pay a year, transfer it or end it."""
    asker = officer(request)
    try:
        found = reading.open_member(asker, number)
    except NotFound:
        raise Http404 from None
    held = found.enrolment
    today = timezone.localdate()
    changes = held.end_date is None and permits(asker, "update", "enrolment")
    sent = request.POST.get("do", "")
    chosen = {"scheme": held.scheme, "category": held.category, "area": held.area, "start": today}
    forms_ = {
        "pay": PayForm(request.POST if sent == "pay" else None, initial={"year": today.year}),
        "transfer": TransferForm(request.POST if sent == "transfer" else None, initial=chosen),
        "leave": LeaveForm(request.POST if sent == "leave" else None, initial={"last": today}),
    }
    if request.method == "POST" and changes and sent in forms_ and forms_[sent].is_valid():
        if sent == "leave" and (
            page := confirm.needed(request, _("End this membership?"), action=_("End it"))
        ):
            return page
        try:
            after = _DOING[sent](asker, held, forms_[sent].cleaned_data)
        except SalusError as error:
            where = error.where if error.where in forms_[sent].fields else None
            forms_[sent].add_error(where, _(error.message))
        else:
            messages.success(request, _("It is entered."))
            return HttpResponseRedirect(reverse("insurance:member", args=[after.pk]))
    context = {
        "title": _("Membership %(number)d") % {"number": number},
        "breadcrumbs": [(_("Members"), reverse("insurance:members"))],
        "found": found,
        "held": held,
        "state": state(held),
        "others": [(one, state(one)) for one in found.others],
        "payments": [
            (one, format_yuan(one.total_fen), format_yuan(one.own_fen), format_yuan(one.aid_fen))
            for one in found.payments
        ],
        "forms": forms_ if changes else None,
        "pays_years": held.scheme == Scheme.RESIDENT,
        "may_pay_back": permits(asker, "correct", "enrolment"),
    }
    return render(request, "insurance/member.html", context)


def _paid(asker: Principal, held: Enrolment, given: dict[str, Any]) -> Enrolment:
    now = timezone.now()
    enrolment.pay_year(asker, held.person_id, given["year"], timezone.localdate(now), now=now)
    return held


def _moved(asker: Principal, held: Enrolment, given: dict[str, Any]) -> Enrolment:
    return enrolment.transfer(asker, held.person_id, **given, now=timezone.now())


def _ended(asker: Principal, held: Enrolment, given: dict[str, Any]) -> Enrolment:
    return enrolment.leave(asker, held.person_id, given["last"], given["reason"], now=timezone.now())


_DOING: dict[str, Callable[[Principal, Enrolment, dict[str, Any]], Enrolment]] = {
    "pay": _paid, "transfer": _moved, "leave": _ended,
}  # fmt: skip


@access.may("correct", "enrolment")
@require_POST
def pay_back(request: HttpRequest, number: int) -> HttpResponse:
    """Pay a contribution back."""
    question = _("Pay this back? The days that it paid for are no longer covered.")
    if page := confirm.needed(request, question, action=_("Pay it back")):
        return page
    now = timezone.now()
    try:
        found = enrolment.pay_back(officer(request), number, timezone.localdate(now), now=now)
    except NotFound:
        raise Http404 from None
    except SalusError as error:
        messages.error(request, _(error.message))
        return HttpResponseRedirect(reverse("insurance:members"))
    messages.success(request, _("It is paid back."))
    return HttpResponseRedirect(reverse("insurance:member", args=[found.enrolment_id]))
