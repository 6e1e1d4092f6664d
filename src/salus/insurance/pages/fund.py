"""Pages of the funds: the overview with its forecast, and what institutions are paid."""

import csv
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from salus.insurance.fund_forecast import LEAST, Forecast, forecast
from salus.insurance.models import BatchState, Fund, InstitutionContract, PaymentBatch
from salus.insurance.queries import fund as asking
from salus.insurance.services import funds, payments
from salus.insurance.services.payments import FILE_COLUMNS
from salus.kernel import audit, policy
from salus.kernel.errors import SalusError
from salus.kernel.models import Institution
from salus.kernel.money import format_yuan, to_yuan
from salus.kernel.policy import Target
from salus.web import charts, confirm
from salus.web.access import may, principal
from salus.web.tables import ChoiceFilter, Column, Table

LEVEL = 0.9
SHOWN = 36
"""Months shown in the chart."""
FEW = 1_000_000_000
"""Fen under which a chart counts in yuan: ten million yuan."""
LOW_RESERVE = 6
"""Months of reserve under which the figure is marked; the ministry's line for the pooled fund."""
TONES = {BatchState.PREPARED: "info", BatchState.APPROVED: "warn", BatchState.PAID: "ok"}


def _scaled(amounts: Iterable[int]) -> tuple[Callable[[int], Decimal], str]:
    """Return how amounts stand on a chart's axis, and its unit: millions of yuan, or yuan if they are few."""
    if max((abs(fen) for fen in amounts), default=0) < FEW:
        return to_yuan, _("yuan")
    return (lambda fen: (Decimal(fen) / 100_000_000).quantize(Decimal("0.01"))), _("million yuan")


@may("read", "fund")
@require_GET
def overview(request: HttpRequest) -> HttpResponse:
    """Show a fund: what came in and was paid out, what is left, and the year's forecast."""
    asking.require_fund(principal(request))
    name = request.GET.get("fund", Fund.RESIDENT)
    if name not in Fund.values:
        raise Http404
    today = timezone.localdate()
    whole = [m for m in asking.months(name) if m.month < today.replace(day=1)]
    ahead = _forecast(name, whole, date(today.year, 12, 1))
    reserve = asking.reserve_months(name)
    asker = principal(request)
    audit.record([audit.entry(asker, "read", resource_type="Fund", resource_id=name)])
    context = {
        "title": _("Funds"),
        "tabs": [
            (Fund(value).label, f"{reverse('insurance:fund')}?fund={value}", value == name)
            for value in Fund.values
        ],
        "surplus": format_yuan(asking.surplus(name)),
        "owed": format_yuan(-asking.balances(name).get("payable", 0)),
        "reserve": None if reserve is None else f"{float(reserve):.1f}",
        "low": reserve is not None and reserve < LOW_RESERVE,
        "ahead": ahead,
        "end": None if ahead is None else _end(ahead),
        "level": round(LEVEL * 100),
        "flow": _flow_chart(whole[-SHOWN:]) if whole else None,
        "balance": _balance_chart(whole[-SHOWN:], ahead) if whole else None,
        "least": LEAST,
        "fund": name,
        "closable": asking.closable(name, today) if policy.permits(asker, "close", "fund") else None,
    }
    return render(request, "insurance/fund.html", context)


@may("close", "fund")
@require_POST
def close_month(request: HttpRequest) -> HttpResponse:
    """Close a fund's next month, asking first: nothing is entered into it any more."""
    name = request.POST.get("fund", "")
    month = asking.closable(name, timezone.localdate()) if name in Fund.values else None
    if month is None or request.POST.get("month") != f"{month:%Y-%m}":
        messages.error(request, _("This month is not the next to be closed."))
        return HttpResponseRedirect(reverse("insurance:fund"))
    question = _("Close %(month)s? It stays closed, nothing can be entered into it any more.")
    if page := confirm.needed(request, question % {"month": f"{month:%Y-%m}"}, action=_("Close it")):
        return page
    try:
        funds.close_month(principal(request), name, month, now=timezone.now())
    except SalusError as error:
        messages.error(request, _(error.message))
    else:
        messages.success(request, _("The month is closed."))
    return HttpResponseRedirect(f"{reverse('insurance:fund')}?fund={name}")


def _forecast(name: str, whole: list[asking.Month], until: date) -> Forecast | None:
    if len(whole) < LEAST or until <= whole[-1].month:
        return None
    try:
        return forecast(
            [m.month for m in whole], [m.total for m in whole], [m.payout for m in whole], whole[-1].surplus,
            until=until, level=LEVEL,
        )  # fmt: skip
    except SalusError:  # months are missing in the journal
        return None


def _end(ahead: Forecast) -> dict[str, Any]:
    end = ahead.end
    return {
        "month": end.month,
        "balance": format_yuan(end.balance),
        "low": format_yuan(end.low),
        "high": format_yuan(end.high),
    }


def _flow_chart(months: list[asking.Month]) -> charts.Drawing:
    rows = []
    scaled, unit = _scaled([fen for one in months for fen in (one.total, one.payout)])
    for one in months:
        rows.append({"month": one.month, "kind": _("Income"), "amount": scaled(one.total)})
        rows.append({"month": one.month, "kind": _("Payouts"), "amount": scaled(one.payout)})
    return charts.line(
        rows,
        charts.Field("month", _("Month"), kind="temporal", format="%Y-%m"),
        charts.Field("amount", _("Amount"), unit=unit),
        series=charts.Field("kind", _("Kind"), kind="nominal"),
        title=_("Income and payouts by month"),
        zero=True,
    )


def _balance_chart(months: list[asking.Month], ahead: Forecast | None) -> charts.Drawing:
    bounds = [fen for one in ahead.ahead for fen in (one.low, one.high)] if ahead else []
    scaled, unit = _scaled([*(m.surplus for m in months), *bounds])
    rows = [{"month": m.month, "kind": _("So far"), "amount": scaled(m.surplus)} for m in months]
    if ahead:
        now = months[-1]
        points = [(now.month, now.surplus, now.surplus, now.surplus)]
        points += [(one.month, one.balance, one.low, one.high) for one in ahead.ahead]
        for month, *amounts in points:
            for kind, amount in zip((_("Forecast"), _("Lower end"), _("Upper end")), amounts, strict=True):
                rows.append({"month": month, "kind": kind, "amount": scaled(amount)})
    note = _("With %(level)d %% probability the balance lies between the lower and the upper end.")
    return charts.line(
        rows,
        charts.Field("month", _("Month"), kind="temporal", format="%Y-%m"),
        charts.Field("amount", _("Balance"), unit=unit),
        series=charts.Field("kind", _("Kind"), kind="nominal"),
        title=_("Balance at the end of the month"),
        note=note % {"level": round(LEVEL * 100)} if ahead else "",
    )


class Batches(Table):
    """Payment batches."""

    name = "payment-batches"
    caption = gettext_lazy("Payments to institutions")
    default_sort = "-month"
    search = ("institution__code", "institution__name")
    empty_title = gettext_lazy("No payment was prepared yet")
    empty_text = gettext_lazy("A fund officer prepares a payment for an institution and a month.")
    columns: ClassVar = (
        Column(
            "id", gettext_lazy("Batch"), kind="code", sort="id",
            link=lambda row: reverse("insurance:payment", args=[row.pk]),
        ),
        Column("institution__name", gettext_lazy("Institution"), sort="institution__name", wide=True),
        Column("month", gettext_lazy("Month"), value=lambda row: f"{row.month:%Y-%m}", sort="month"),
        Column(
            "state", gettext_lazy("State"), value=lambda row: row.get_state_display(),
            tone=lambda row: TONES[row.state], sort="state",
        ),
        Column("decisions", gettext_lazy("Decisions"), kind="number", sort="decisions"),
        Column(
            "claimed", gettext_lazy("Claimed"), kind="number", sort="claimed_fen",
            value=lambda row: format_yuan(row.claimed_fen),
        ),
        Column(
            "approved", gettext_lazy("Paid by the funds"), kind="number", sort="approved_fen",
            value=lambda row: format_yuan(row.approved_fen),
        ),
        Column(
            "deducted", gettext_lazy("Deducted"), kind="number", sort="deducted_fen",
            value=lambda row: format_yuan(row.deducted_fen),
        ),
        Column(
            "cleared", gettext_lazy("By settlements by group"), kind="number", sort="cleared_fen",
            optional=True, value=lambda row: format_yuan(row.cleared_fen),
        ),
    )  # fmt: skip
    filters: ClassVar = (ChoiceFilter("state", gettext_lazy("State"), tuple(BatchState.choices)),)


@may("read", "fund_payment")
@require_GET
def batches(request: HttpRequest) -> HttpResponseBase:
    """List payment batches: a manager sees those of the own institution."""
    table = Batches(request, asking.batches(principal(request)))
    context = {
        "title": _("Payments to institutions"),
        "may_prepare": policy.permits(principal(request), "create", "fund_payment"),
    }
    return table.respond("insurance/payments.html", context)


class PrepareForm(forms.Form):
    """For which institution and month a payment is prepared."""

    institution = forms.ModelChoiceField(
        label=gettext_lazy("Institution"), queryset=Institution.objects.none()
    )
    month = forms.DateField(
        label=gettext_lazy("Month"),
        input_formats=["%Y-%m"],
        widget=forms.DateInput(format="%Y-%m", attrs={"type": "month"}),
    )


@may("create", "fund_payment")
def prepare(request: HttpRequest) -> HttpResponse:
    """Prepare a payment of all that was decided for an institution up to the end of a month."""
    form = PrepareForm(request.POST or None)
    form.fields["institution"].queryset = Institution.objects.filter(  # type: ignore[attr-defined]
        pk__in=InstitutionContract.objects.values("institution")
    )
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            made = payments.prepare(
                principal(request), given["institution"], given["month"], now=timezone.now()
            )
        except SalusError as error:
            form.add_error(None, _(error.message))
        else:
            messages.success(request, _("The payment is prepared; a colleague approves it."))
            return HttpResponseRedirect(reverse("insurance:payment", args=[made.pk]))
    context = {
        "title": _("Prepare a payment"),
        "breadcrumbs": [(_("Payments to institutions"), reverse("insurance:payments"))],
        "form": form,
        "label": _("Prepare it"),
    }
    return render(request, "web/form_page.html", context)


@may("read", "fund_payment")
@require_GET
def batch(request: HttpRequest, number: int) -> HttpResponseBase:
    """Show a batch: what was claimed, approved, paid and deducted, claim by claim."""
    asker, found = _batch(request, number)
    lines = asking.reconciliation(found)
    context = {
        "title": _("Payment %(number)d") % {"number": found.pk},
        "breadcrumbs": [(_("Payments to institutions"), reverse("insurance:payments"))],
        "batch": found,
        "tone": TONES[BatchState(found.state)],
        "lines": lines[:500],
        "more": max(len(lines) - 500, 0),
        "sums": [
            (_("Claimed"), format_yuan(found.claimed_fen)),
            (_("Paid by the funds"), format_yuan(found.approved_fen)),
            (_("Paid by residents"), format_yuan(found.resident_fen)),
            (_("Deducted"), format_yuan(found.deducted_fen)),
            (_("By settlements by group"), format_yuan(found.cleared_fen)),
        ],
        "may_approve": found.state == BatchState.PREPARED
        and found.prepared_by != asker.name
        and policy.permits(asker, "approve", "fund_payment"),
        "may_discard": found.state != BatchState.PAID and policy.permits(asker, "create", "fund_payment"),
        "may_pay": found.state == BatchState.APPROVED and policy.permits(asker, "approve", "fund_payment"),
    }
    return render(request, "insurance/payment.html", context)


def _batch(request: HttpRequest, number: int) -> tuple[Any, PaymentBatch]:
    asker = principal(request)
    found = PaymentBatch.objects.select_related("institution").filter(pk=number).first()
    if found is None:
        raise Http404
    target = Target("fund_payment", institution_id=found.institution_id)
    if not policy.decide(asker, "read", target).allowed:
        raise Http404
    audit.record([audit.entry(asker, "read", resource_type="PaymentBatch", resource_id=str(found.pk))])
    return asker, found


class _Echo:
    """A file that gives back what is written to it."""

    def write(self, value: str) -> str:
        """Return the value."""
        return value


@may("export", "fund_payment")
@require_GET
def batch_file(request: HttpRequest, number: int) -> HttpResponseBase:
    """Give a batch's reconciliation as CSV, every decision of it."""
    asker, found = _batch(request, number)
    audit.record([audit.entry(asker, "export", resource_type="PaymentBatch", resource_id=str(found.pk))])
    writer = csv.writer(_Echo())

    def lines() -> Iterator[str]:
        yield "\ufeff" + writer.writerow(FILE_COLUMNS)
        for one in asking.reconciliation(found):
            funds = [one.paid.get(f, 0) for f in ("employee", "resident", "serious", "aid", "free")]
            yield writer.writerow(
                [
                    _plain(one.number), one.version, one.kind, one.claimed, one.approved, one.resident,
                    one.deducted, *funds,
                ]
            )  # fmt: skip

    answer = StreamingHttpResponse(lines(), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="payment-{found.pk}.csv"'
    return answer


def _plain(text: str) -> str:
    """Return a text that no spreadsheet reads as a formula."""
    return f"'{text}" if text[:1] in "=+-@\t\r" else text


@may("approve", "fund_payment")
@require_POST
def approve(request: HttpRequest, number: int) -> HttpResponse:
    """Approve a batch."""
    if page := confirm.needed(request, _("Approve this payment?"), action=_("Approve")):
        return page
    return _done(request, number, _("The payment is approved."), payments.approve)


@may("approve", "fund_payment")
@require_POST
def pay(request: HttpRequest, number: int) -> HttpResponse:
    """Enter a batch's payment into the journals."""
    if page := confirm.needed(request, _("Enter this payment as paid today?"), action=_("Enter it")):
        return page

    def today(asker: Any, batch_number: int, *, now: Any) -> PaymentBatch:
        return payments.pay(asker, batch_number, timezone.localdate(now), now=now)

    return _done(request, number, _("The payment is entered."), today)


@may("create", "fund_payment")
@require_POST
def discard(request: HttpRequest, number: int) -> HttpResponse:
    """Take a batch back that is not paid."""
    question = _("Take this payment back? Its decisions can be put into another one.")
    if page := confirm.needed(request, question, action=_("Take it back")):
        return page
    try:
        payments.discard(principal(request), number)
    except SalusError as error:
        messages.error(request, _(error.message))
        return HttpResponseRedirect(reverse("insurance:payment", args=[number]))
    messages.success(request, _("The payment is taken back."))
    return HttpResponseRedirect(reverse("insurance:payments"))


def _done(request: HttpRequest, number: int, words: str, act: Any) -> HttpResponse:
    try:
        act(principal(request), number, now=timezone.now())
    except SalusError as error:
        messages.error(request, _(error.message))
    else:
        messages.success(request, words)
    return HttpResponseRedirect(reverse("insurance:payment", args=[number]))
