"""Accounts and roles, for their administrator: list, make, grant, revoke, lock, set a password, import."""

from collections.abc import Callable
from datetime import datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Prefetch, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from salus.kernel import services
from salus.kernel.errors import SalusError
from salus.kernel.models import Account, District, Institution, Role, RoleGrant, SensitiveCategory
from salus.web import access, confirm, undo
from salus.web.tables import ChoiceFilter, Column, Table
from salus.web.templatetags.salus import name_in_language


def in_force(now: datetime) -> Q:
    """Return the condition on grants that hold at an instant."""
    return Q(valid_from__lte=now) & (Q(valid_to=None) | Q(valid_to__gt=now))


def _roles(account: Any) -> str:
    return ", ".join(sorted({str(grant.get_role_display()) for grant in account.grants_now}))


def _state(account: Account) -> str:
    if not account.is_active:
        return _("Closed")
    return _("Locked") if account.locked else _("Open")


def _tone(account: Account) -> str:
    return "bad" if account.locked or not account.is_active else "ok"


def _in_state(rows: "QuerySet[Any]", state: str) -> "QuerySet[Any]":
    if state == "closed":
        return rows.filter(is_active=False)
    return rows.filter(is_active=True, locked=state == "locked")


def _with_role(rows: "QuerySet[Any]", role: str) -> "QuerySet[Any]":
    held = RoleGrant.objects.filter(in_force(timezone.now()), role=role)
    return rows.filter(pk__in=held.values("account_id"))


class AccountTable(Table):
    """All accounts with the roles they hold now."""

    name = "accounts"
    caption = gettext_lazy("Accounts")
    columns = (
        Column(
            "username",
            gettext_lazy("Account"),
            kind="code",
            sort="username",
            link=lambda account: reverse("web:account-page", args=[account.pk]),
        ),
        Column("display_name", gettext_lazy("Name"), sort="display_name"),
        Column("roles", gettext_lazy("Roles"), value=_roles, wide=True),
        Column(
            "institution",
            gettext_lazy("Institution"),
            sort="institution__name",
            value=lambda account: name_in_language(account.institution) if account.institution else "",
            wide=True,
        ),
        Column("district", gettext_lazy("District"), sort="district__name", optional=True),
        Column("state", gettext_lazy("State"), value=_state, tone=_tone),
        Column("last_login", gettext_lazy("Last signed in"), kind="moment", sort="last_login"),
        Column("date_joined", gettext_lazy("Made"), kind="moment", sort="date_joined", optional=True),
    )
    filters = (
        ChoiceFilter("role", gettext_lazy("Role"), Role.choices, narrow=_with_role),
        ChoiceFilter(
            "state",
            gettext_lazy("State"),
            (
                ("open", gettext_lazy("Open")),
                ("locked", gettext_lazy("Locked")),
                ("closed", gettext_lazy("Closed")),
            ),
            narrow=_in_state,
        ),
    )
    search = ("username", "display_name", "institution__name")
    search_label = gettext_lazy("Account, name or institution")
    default_sort = "username"


@access.may("search", "account")
def show(request: HttpRequest) -> HttpResponseBase:
    """List the accounts."""
    now = Prefetch("grants", RoleGrant.objects.filter(in_force(timezone.now())), to_attr="grants_now")
    rows = Account.objects.select_related("institution", "district").prefetch_related(now)
    return AccountTable(request, rows).respond("web/accounts.html", {"title": _("Accounts and roles")})


class AccountForm(forms.Form):
    """A new account."""

    username = forms.CharField(label=gettext_lazy("Account name"), max_length=150)
    display_name = forms.CharField(label=gettext_lazy("Name"), max_length=80)
    institution = forms.CharField(
        label=gettext_lazy("Institution's code"), max_length=40, required=False,
        help_text=gettext_lazy("As in the register of institutions."),
    )  # fmt: skip
    district = forms.CharField(
        label=gettext_lazy("District's code"),
        max_length=12,
        required=False,
        help_text=gettext_lazy("GB/T 2260"),
    )
    password = forms.CharField(
        label=gettext_lazy("First password"),
        help_text=gettext_lazy(
            "At least 12 characters. Leave it empty if the person signs in by another service."
        ),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        required=False,
    )

    def clean_institution(self) -> Any:
        """Find the institution of the code."""
        return _coded(Institution, self.cleaned_data["institution"])

    def clean_district(self) -> Any:
        """Find the district of the code."""
        return _coded(District, self.cleaned_data["district"])


class GrantForm(forms.Form):
    """A role for an account."""

    role = forms.ChoiceField(label=gettext_lazy("Role"), choices=Role.choices)
    institution = forms.CharField(label=gettext_lazy("Institution's code"), max_length=40, required=False)
    district = forms.CharField(label=gettext_lazy("District's code"), max_length=12, required=False)
    whole_city = forms.BooleanField(label=gettext_lazy("The whole city"), required=False)
    valid_to = forms.DateField(
        label=gettext_lazy("Last day"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    sensitive = forms.MultipleChoiceField(
        label=gettext_lazy("Sensitive records that it opens"),
        choices=SensitiveCategory.choices,
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )

    def clean_institution(self) -> Any:
        """Find the institution of the code."""
        return _coded(Institution, self.cleaned_data["institution"])

    def clean_district(self) -> Any:
        """Find the district of the code."""
        return _coded(District, self.cleaned_data["district"])


class LockForm(forms.Form):
    """Why an account is locked."""

    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=200)


class PasswordForm(forms.Form):
    """Another password for an account."""

    password = forms.CharField(
        label=gettext_lazy("New password"),
        help_text=gettext_lazy("At least 12 characters. All sessions of the account end."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )


def _coded(model: Any, code: str) -> Any:
    if not code.strip():
        return None
    found = model.objects.filter(code=code.strip()).first()
    if found is None:
        raise forms.ValidationError(_("There is nothing of this code in the register."))
    return found


def _crumbs() -> list[tuple[str, str]]:
    return [(_("Accounts and roles"), reverse("web:accounts"))]


def told(form: forms.Form, error: SalusError) -> None:
    """Put a refusal of a service where it belongs in a form."""
    form.add_error(error.where if error.where in form.fields else None, _(error.message))


@access.may("create", "account")
def create(request: HttpRequest) -> HttpResponse:
    """Make an account, then go to it to grant roles."""
    form = AccountForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        values = dict(form.cleaned_data)
        try:
            made = services.create_account(
                access.principal(request),
                values.pop("username"),
                **{**values, "password": values["password"] or None},
            )
        except SalusError as error:
            told(form, error)
        else:
            messages.success(request, _("The account is made. Grant it a role."))
            return HttpResponseRedirect(reverse("web:account-page", args=[made.pk]))
    context = {
        "title": _("Make an account"),
        "breadcrumbs": _crumbs(),
        "form": form,
        "label": _("Make the account"),
    }
    return render(request, "web/form_page.html", context)


@access.may("read", "account")
def page(request: HttpRequest, number: int) -> HttpResponse:
    """Show one account with its grants."""
    account = get_object_or_404(Account.objects.select_related("institution", "district", "staff"), pk=number)
    return _page(request, account)


def _page(request: HttpRequest, account: Account, **forms_given: forms.Form) -> HttpResponse:
    now = timezone.now()
    grants = account.grants.select_related("institution", "district", "granted_by").order_by("-valid_from")
    context: dict[str, Any] = {
        "title": str(account),
        "breadcrumbs": _crumbs(),
        "person": account,
        "state": _state(account),
        "tone": _tone(account),
        "grants": [
            (grant, grant.valid_from <= now and (grant.valid_to is None or grant.valid_to > now))
            for grant in grants
        ],
        "own": account.pk == request.user.pk,
        "grant_form": GrantForm(prefix="grant"),
        "lock_form": LockForm(prefix="lock"),
        "password_form": PasswordForm(prefix="password"),
        **forms_given,
    }
    return render(request, "web/account_page.html", context)


def _changed(
    request: HttpRequest,
    number: int,
    name: str,
    form: forms.Form,
    change: Callable[[Account, dict[str, Any]], str],
) -> HttpResponse:
    account = get_object_or_404(Account, pk=number)
    if form.is_valid():
        try:
            done = change(account, form.cleaned_data)
        except SalusError as error:
            told(form, error)
        else:
            messages.success(request, done)
            return HttpResponseRedirect(reverse("web:account-page", args=[number]))
    return _page(request, account, **{name: form})


@require_POST
@access.may("administer", "account")
def grant(request: HttpRequest, number: int) -> HttpResponse:
    """Give the account a role."""

    def change(account: Account, values: dict[str, Any]) -> str:
        last = values.pop("valid_to")
        until = timezone.make_aware(datetime.combine(last + timedelta(days=1), time.min)) if last else None
        given = services.grant_role(
            access.principal(request), account, values.pop("role"), valid_to=until, **values
        )
        return _("The role is granted: %(role)s.") % {"role": given.get_role_display()}

    return _changed(request, number, "grant_form", GrantForm(request.POST, prefix="grant"), change)


@require_POST
@access.may("administer", "account")
def revoke(request: HttpRequest, number: int, grant_number: int) -> HttpResponse:
    """End a grant, with the way back."""
    row = get_object_or_404(RoleGrant, pk=grant_number, account_id=number)
    if asked := confirm.needed(request, _("Revoke this role? It ends within a second."), action=_("Revoke")):
        return asked
    try:
        services.revoke_role(access.principal(request), row)
    except SalusError as error:
        messages.error(request, _(error.message))
    else:
        text = _("The role is revoked: %(role)s.") % {"role": row.get_role_display()}
        undo.offer(request, text, reverse("web:grant-restore", args=[number, grant_number]))
    return HttpResponseRedirect(reverse("web:account-page", args=[number]))


@require_POST
@access.may("administer", "account")
def restore(request: HttpRequest, number: int, grant_number: int) -> HttpResponse:
    """Undo a revocation: the same role with the same scope is granted again."""
    row = get_object_or_404(RoleGrant.objects.select_related("account"), pk=grant_number, account_id=number)
    try:
        services.grant_role(
            access.principal(request), row.account, row.role,
            institution=row.institution, district=row.district, sensitive=row.sensitive.split(),
            whole_city=row.district is None and row.account.district_id is None,
        )  # fmt: skip
    except SalusError as error:
        messages.error(request, _(error.message))
    else:
        messages.success(request, _("The role is granted again."))
    return HttpResponseRedirect(reverse("web:account-page", args=[number]))


@require_POST
@access.may("administer", "account")
def lock(request: HttpRequest, number: int) -> HttpResponse:
    """Lock the account."""

    def change(account: Account, values: dict[str, Any]) -> str:
        services.lock_account(access.principal(request), account, values["reason"])
        return _("The account is locked and its sessions are ended.")

    return _changed(request, number, "lock_form", LockForm(request.POST, prefix="lock"), change)


@require_POST
@access.may("administer", "account")
def unlock(request: HttpRequest, number: int) -> HttpResponse:
    """Unlock the account."""
    account = get_object_or_404(Account, pk=number)
    services.unlock_account(access.principal(request), account)
    messages.success(request, _("The account is open again."))
    return HttpResponseRedirect(reverse("web:account-page", args=[number]))


@require_POST
@access.may("administer", "account")
def password(request: HttpRequest, number: int) -> HttpResponse:
    """Give the account another password."""

    def change(account: Account, values: dict[str, Any]) -> str:
        services.reset_password(access.principal(request), account, values["password"])
        return _("The password is changed and the account's sessions are ended.")

    return _changed(request, number, "password_form", PasswordForm(request.POST, prefix="password"), change)
