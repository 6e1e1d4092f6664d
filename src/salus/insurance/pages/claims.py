"""Pages of claims: the list, one claim line by line, and the resident's own year."""

import re
from typing import Any, ClassVar

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from salus.insurance.models import AdjudicationKind, ClaimKind, Outcome, Scheme
from salus.insurance.queries import claims as reading
from salus.insurance.queries import outdated
from salus.kernel import audit
from salus.kernel.errors import NotAllowed, NotFound
from salus.kernel.money import format_yuan
from salus.kernel.names import chosen
from salus.kernel.policy import Principal
from salus.web import access
from salus.web.tables import ChoiceFilter, Column, DateFilter, Table

_YEAR = re.compile(r"[0-9]{4}")
TONES = {
    Outcome.PAID: "ok", Outcome.SELF_PAY: "", Outcome.DENIED: "bad", Outcome.RETURNED: "warn",
    Outcome.REVERSED: "",
}  # fmt: skip
PAYERS = {
    "basic": gettext_lazy("Basic fund"),
    "serious": gettext_lazy("Serious-illness fund"),
    "aid": gettext_lazy("Medical aid"),
    "free": gettext_lazy("Free treatment"),
    "self_in": gettext_lazy("Resident, within the catalogue"),
    "self_out": gettext_lazy("Resident, outside the catalogue"),
    "institution": gettext_lazy("Borne by the institution"),
}
COVER = {
    "covered": gettext_lazy("Covered"),
    "not-enrolled": gettext_lazy("Not a member"),
    "lapsed": gettext_lazy("Membership lapsed"),
    "unpaid": gettext_lazy("Not yet paid on that day"),
    "waiting": gettext_lazy("In the waiting period"),
    "service-not-covered": gettext_lazy("The scheme does not cover this service"),
    "too-few-months": gettext_lazy("Too few months without a break"),
    "not-contracted": gettext_lazy("The institution has no contract for it"),
    "other-area": gettext_lazy("Treated in another area without a notice"),
}


class Claims(Table):
    """Claims, newest first."""

    name = "claims"
    caption = gettext_lazy("Claims")
    keyset = "id"
    default_sort = "-id"
    private = True
    search = ("number", "institution__code", "institution__name")
    search_label = gettext_lazy("Number or institution")
    empty_title = gettext_lazy("There are no claims yet")
    empty_text = gettext_lazy("Institutions send them to the API, one by one or by the month.")
    columns: ClassVar = (
        Column(
            "number", gettext_lazy("Number"), kind="code",
            link=lambda row: reverse("insurance:claim", args=[row.pk]),
        ),
        Column(
            "institution", gettext_lazy("Institution"), sort="institution__name", wide=True,
            value=lambda row: chosen(row.institution.name, row.institution.name_en),
        ),
        Column("kind", gettext_lazy("Kind"), value=lambda row: row.get_kind_display()),
        Column("discharged", gettext_lazy("Day"), kind="day"),
        Column(
            "outcome", gettext_lazy("Outcome"), value=lambda row: row.get_outcome_display(),
            tone=lambda row: TONES[row.outcome],
        ),
        Column(
            "charge", gettext_lazy("Charge"), kind="number", value=lambda row: format_yuan(row.charge_fen)
        ),
        Column("fund", gettext_lazy("Funds"), kind="number", value=lambda row: format_yuan(row.fund_fen)),
        Column(
            "resident", gettext_lazy("Resident"), kind="number",
            value=lambda row: format_yuan(row.resident_fen),
        ),
        Column("findings", gettext_lazy("Findings"), kind="number"),
        Column("version", gettext_lazy("Version"), kind="number", optional=True),
        Column("received_at", gettext_lazy("Received"), kind="moment", optional=True),
    )  # fmt: skip
    filters: ClassVar = (
        ChoiceFilter("outcome", gettext_lazy("Outcome"), tuple(Outcome.choices)),
        ChoiceFilter("kind", gettext_lazy("Kind"), tuple(ClaimKind.choices)),
        ChoiceFilter("scheme", gettext_lazy("Scheme"), tuple(Scheme.choices)),
        DateFilter("discharged", gettext_lazy("Day"), unit="day"),
    )


def payer(request: HttpRequest) -> Principal:
    """Return the asker with the purpose that these pages serve."""
    asker = access.principal(request)
    return asker.with_purpose("PATRQT" if asker.roles == {"resident"} else "HPAYMT")


@access.requires("fund_officer")
def claims(request: HttpRequest) -> HttpResponseBase:
    """List the claims that a fund officer may see; no resident is named."""
    asker = payer(request)
    exporting = "export" in request.GET
    action = "export" if exporting else "search"
    audit.record([audit.entry(asker, action, resource_type="Claim", detail={"page": "claims"})])
    table = Claims(request, reading.visible(asker, action))
    return table.respond("insurance/claims.html", {"title": _("Claims")})


@access.requires("fund_officer", "resident")
@require_GET
def claim(request: HttpRequest, number: int) -> HttpResponse:
    """Show a claim line by line: who pays how much, by which rule of which version, and why."""
    try:
        held = reading.open_claim(payer(request), number)
    except NotFound:
        raise Http404 from None
    shown = reading.explained(held)
    resident = "fund_officer" not in access.roles(request)
    back = (
        (_("What I paid and why"), reverse("insurance:my-claims"))
        if resident
        else (_("Claims"), reverse("insurance:claims"))
    )
    made = shown.decision
    context = {
        "title": _("Claim %(number)s") % {"number": held.number},
        "breadcrumbs": [back],
        "claim": held,
        "shown": shown,
        "tone": TONES[Outcome(held.outcome)],
        "cover": COVER.get(held.cover_reason, held.cover_reason),
        "payers": _payers({name: getattr(made, f"{name}_fen") for name in PAYERS}),
        "charge": format_yuan(made.charge_fen),
        "lines": [_line(line) for line in shown.lines],
        "history": [
            (one.version, AdjudicationKind(one.kind).label, one.decided_at, one.reason)
            for one in held.adjudications.order_by("-version")
        ],
        "resident": resident,
        "outdated": None if resident else outdated.of_claim(payer(request), held),
        "may_take_back": not resident and held.outcome != Outcome.REVERSED,
    }
    return render(request, "insurance/claim.html", context)


def _payers(amounts: Any) -> list[tuple[Any, str]]:
    return [(title, format_yuan(amounts[name])) for name, title in PAYERS.items() if amounts[name]]


def _line(line: reading.Line) -> dict[str, Any]:
    return {
        "line": line,
        "name": chosen(line.name, line.name_en) or line.item,
        "unit_price": format_yuan(line.unit_price),
        "charge": format_yuan(line.charge),
        "fund": format_yuan(line.fund),
        "resident": format_yuan(line.resident),
        "institution": format_yuan(line.payers["institution"]),
        "parts": [(part, PAYERS[part.payer], format_yuan(part.amount)) for part in line.parts],
        "total": format_yuan(sum(part.amount for part in line.parts)),
    }


@access.requires("resident")
@require_GET
def mine(request: HttpRequest) -> HttpResponse:
    """Show a resident what she paid in a year and why: hers only."""
    asker = payer(request)
    if asker.person_id is None:
        return render(request, "insurance/my_claims.html", {"title": _("What I paid and why"), "year": None})
    wanted = request.GET.get("year", "")
    try:
        year = reading.year_of(asker, asker.person_id, int(wanted) if _YEAR.fullmatch(wanted) else None)
    except NotAllowed:
        raise Http404 from None
    context = {
        "title": _("What I paid and why"),
        "year": year,
        "figures": [
            (_("Charged"), format_yuan(year.charge), ""),
            (_("Paid by the funds"), format_yuan(year.fund), "ok"),
            (_("Paid by you"), format_yuan(year.resident), "info"),
        ],
        "payers": _payers(year.payers),
        "claims": [
            {
                "claim": one, "tone": TONES[Outcome(one.outcome)], "charge": format_yuan(one.charge_fen),
                "fund": format_yuan(one.fund_fen), "resident": format_yuan(one.resident_fen),
            }
            for one in year.claims
        ],
    }  # fmt: skip
    return render(request, "insurance/my_claims.html", context)
