"""Bidders, their tokens, sealed bids handed in, openings; and what a bidder's own machine asks for."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from salus.insurance.models import Bidder
from salus.insurance.pages.procurement import words
from salus.insurance.pages.procurement.forms import AdmitForm, OpeningsForm, SealedForm
from salus.insurance.pages.procurement.tenders import RUN, back, crumbs, form_page
from salus.insurance.pages.procurement.visible import tender_of
from salus.insurance.queries import procurement as queries
from salus.insurance.services import procurement
from salus.kernel.errors import Conflict, Invalid, NotFound, SalusError
from salus.web import access, confirm

_BODY = 64 * 1024


@access.requires(*RUN)
def admit(request: HttpRequest, code: str) -> HttpResponseBase:
    """Admit a supplier with its answers, and show its token once."""
    tender = tender_of(code)
    form = AdmitForm(tender, request.POST or None)
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            supplier = values["supplier"]
            if supplier is None:
                supplier = procurement.enter_supplier(
                    access.principal(request), values["new_code"], values["new_name"]
                )
            made = procurement.admit(
                access.principal(request), tender, supplier, list(values["groups"]), form.answers(),
                now=timezone.now(), evaluated=values["evaluated"], demand=values["demand"] or 0,
            )  # fmt: skip
        except SalusError as error:
            words.refuse(form, error)
        else:
            if made.token:
                return _token_page(request, made.bidder, made.token)
            messages.success(request, _("The answers were replaced."))
            return back(tender)
    lead = _("A criterion that is not met does not keep a bid out; the decision names it.")
    return form_page(request, form, _("Admit a bidder"), _("Admit"), tender, lead)


def _token_page(request: HttpRequest, bidder: Bidder, token: str) -> HttpResponseBase:
    context = {
        "title": _("Bid token"), "breadcrumbs": crumbs(bidder.tender), "token": token, "bidder": bidder,
        "tender": bidder.tender,
    }  # fmt: skip
    answer = render(request, "insurance/tender/token.html", context)
    answer["Cache-Control"] = "no-store"
    return answer


@require_POST
@access.requires(*RUN)
def renew(request: HttpRequest, code: str, number: int) -> HttpResponseBase:
    """Give a bidder another token; the one before ends."""
    bidder = get_object_or_404(
        Bidder.objects.select_related("tender", "supplier"), pk=number, tender__code=code
    )
    if asked := confirm.needed(request, _("Make a new token? The one before ends at once.")):
        return asked
    try:
        token = procurement.renew_token(access.principal(request), bidder)
    except SalusError as error:
        messages.error(request, words.of_error(error))
        return back(bidder.tender)
    return _token_page(request, bidder, token)


@require_POST
@access.requires(*RUN)
def revoke(request: HttpRequest, code: str, number: int) -> HttpResponseBase:
    """End a bidder's token."""
    bidder = get_object_or_404(
        Bidder.objects.select_related("tender", "supplier"), pk=number, tender__code=code
    )
    if asked := confirm.needed(request, _("End this token now? The bids handed in with it stay.")):
        return asked
    try:
        procurement.revoke_token(access.principal(request), bidder)
    except SalusError as error:
        messages.error(request, words.of_error(error))
    else:
        messages.success(request, _("The token has ended."))
    return back(bidder.tender)


@access.requires(*RUN)
def enter(request: HttpRequest, code: str) -> HttpResponseBase:
    """Enter a sealed bid that was handed in at the office."""
    tender = tender_of(code)
    form = SealedForm(tender, request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        sealed, bidder = form.cleaned_data["sealed"], form.cleaned_data["bidder"]
        try:
            group, digest, envelope = _sealed(sealed, bidder)
            procurement.enter_sealed(
                access.principal(request), bidder, group, digest, now=timezone.now(), envelope=envelope
            )
        except SalusError as error:
            words.refuse(form, error)
        else:
            messages.success(request, _("The sealed bid was entered."))
            return back(tender)
    lead = _("The file holds a commitment, never a price. Nobody can read it before the opening.")
    return form_page(request, form, _("Enter a sealed bid"), _("Enter"), tender, lead)


def _sealed(file: Any, bidder: Bidder) -> tuple[str, str, str]:
    try:
        group, slash, supplier = str(file["party"]).partition("/")
        digest, envelope = str(file["digest"]), str(file.get("envelope") or "")
    except (KeyError, TypeError, AttributeError):
        raise Invalid("sealed-malformed", _("The file holds no sealed bid."), where="sealed") from None
    if not slash or supplier != bidder.supplier.code:
        raise Invalid("sealed-other", _("The sealed bid is another bidder's."), where="sealed")
    return group, digest, envelope


@access.requires(*RUN)
def openings(request: HttpRequest, code: str) -> HttpResponseBase:
    """Open bids from a file of the custodians or of a bidder."""
    tender = tender_of(code)
    form = OpeningsForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        file = form.cleaned_data["openings"]
        rows = file.get("openings", [file]) if isinstance(file, dict) else file
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            form.add_error("openings", _("The file holds no openings."))
        else:
            try:
                made = procurement.open_many(access.principal(request), tender, rows, now=timezone.now())
            except SalusError as error:
                words.refuse(form, error)
            else:
                for party, fault in made.refused:
                    messages.error(request, f"{party}: {words.of_error(fault)}")
                messages.success(
                    request,
                    ngettext("%(count)s bid was opened.", "%(count)s bids were opened.", made.opened)
                    % {"count": made.opened},
                )
                return back(tender)
    lead = _("Each opening is held against its commitment; what differs is refused.")
    return form_page(request, form, _("Open bids"), _("Open"), tender, lead)


# --- files -----------------------------------------------------------------------------------------


def _file(value: dict[str, Any], name: str) -> JsonResponse:
    answer = JsonResponse(value, json_dumps_params={"ensure_ascii": False, "indent": 1})
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


@require_GET
def announcement(request: HttpRequest, code: str) -> HttpResponseBase:
    """Give anybody what a bidder needs to seal a bid: an announcement is public."""
    tender = tender_of(code)
    if tender.round is None:
        raise Http404
    return _file(queries.announcement(tender), "announcement.json")


@require_GET
def publication(request: HttpRequest, code: str) -> HttpResponseBase:
    """Give anybody the published file of a decided tender, for `salus insurance tender verify`."""
    tender = tender_of(code)
    if tender.published is None:
        raise Http404
    return _file(tender.published, "publication.json")


@access.requires(*RUN)
def envelopes(request: HttpRequest, code: str) -> HttpResponseBase:
    """Give the envelopes to be opened by the custodians, after the deadline."""
    tender = tender_of(code)
    if tender.round is None or timezone.now() < tender.round.commit_until:
        raise Http404
    return _file(queries.envelopes(tender), "envelopes.json")


# --- a bidder's own machine ------------------------------------------------------------------------

Act = Callable[[Bidder, str, dict[str, Any]], Any]


def _answer(request: HttpRequest, code: str, group: str, act: Act) -> JsonResponse:
    """Do what a bidder's machine asks with its token; errors are JSON with a stable code."""
    try:
        scheme, _space, token = request.headers.get("Authorization", "").partition(" ")
        bidder = procurement.bearer(code, token.strip() if scheme.lower() == "bearer" else "")
        if len(request.body) > _BODY:
            raise Invalid("body-large", "The body is too large")
        body = json.loads(request.body or b"{}")
        if not isinstance(body, dict):
            raise ValueError
        made = act(bidder, group, body)
    except SalusError as error:
        status = 404 if isinstance(error, NotFound) else 409 if isinstance(error, Conflict) else 422
        said = {"code": error.code, "message": words.of_error(error), "where": error.where}
        return JsonResponse(said, status=status)
    except (ValueError, RecursionError):
        return JsonResponse(
            {"code": "json-malformed", "message": _("The body is no JSON object.")}, status=400
        )
    told = {"party": made.party, "digest": made.digest, "committed_at": made.committed_at.isoformat()}
    return JsonResponse(told, status=200)


@csrf_exempt  # no cookie counts here: the bearer's token alone says who acts
@require_POST
def api_submit(request: HttpRequest, code: str, group: str) -> JsonResponse:
    """Take a sealed bid: `digest` and, with custodians, `envelope`."""
    return _answer(
        request, code, group,
        lambda bidder, name, body: procurement.submit_bid(
            bidder, name, str(body.get("digest", "")), now=timezone.now(),
            envelope=str(body.get("envelope") or ""),
        ),
    )  # fmt: skip


@csrf_exempt  # as above
@require_POST
def api_withdraw(request: HttpRequest, code: str, group: str) -> JsonResponse:
    """Take a sealed bid back before the deadline."""
    return _answer(
        request,
        code,
        group,
        lambda bidder, name, body: procurement.withdraw_bid(bidder, name, now=timezone.now()),
    )


@csrf_exempt  # as above
@require_POST
def api_open(request: HttpRequest, code: str, group: str) -> JsonResponse:
    """Open a sealed bid after the deadline: `nonce` and `payload`."""
    return _answer(
        request, code, group,
        lambda bidder, name, body: procurement.open_bid(
            bidder, name, str(body.get("nonce", "")), str(body.get("payload", "")), now=timezone.now()
        ),
    )  # fmt: skip
