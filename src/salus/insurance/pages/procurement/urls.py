"""Addresses of the tender room."""

from django.urls import path

from salus.insurance.pages.procurement import bids, demand, tenders

_T = "insurance/tenders/<str:code>"

urlpatterns = [
    path("insurance/tenders", tenders.show, name="tenders"),
    path("insurance/tenders/new", tenders.new, name="tender-new"),
    path("insurance/mandates/new", demand.mandate, name="mandate-new"),
    path("insurance/supply/<int:number>", demand.supply, name="supply"),
    path("insurance/supply/<int:number>/reverse", demand.reverse_supply, name="supply-reverse"),
    path(_T, tenders.page, name="tender"),
    path(f"{_T}/groups", tenders.add_group, name="tender-group-add"),
    path(f"{_T}/groups/<str:group>/remove", tenders.remove_group, name="tender-group-remove"),
    path(f"{_T}/announce", tenders.announce, name="tender-announce"),
    path(f"{_T}/decide", tenders.decide, name="tender-decide"),
    path(f"{_T}/cancel", tenders.cancel, name="tender-cancel"),
    path(f"{_T}/contracts", tenders.contracts, name="contracts"),
    path(f"{_T}/savings", tenders.savings, name="savings"),
    path(f"{_T}/demand", demand.show, name="demand"),
    path(f"{_T}/demand/report", demand.report, name="demand-report"),
    path(
        f"{_T}/demand/<int:group>/<int:institution>/<str:strength>/<int:pack>/<int:packs>",
        demand.report_again,
        name="demand-again",
    ),
    path(f"{_T}/fulfilment", demand.fulfilment, name="fulfilment"),
    path(f"{_T}/bidders/new", bids.admit, name="bidder-admit"),
    path(f"{_T}/bidders/<int:number>/token", bids.renew, name="bidder-token"),
    path(f"{_T}/bidders/<int:number>/revoke", bids.revoke, name="bidder-revoke"),
    path(f"{_T}/sealed", bids.enter, name="sealed-enter"),
    path(f"{_T}/openings", bids.openings, name="openings"),
    path(f"{_T}/announcement.json", bids.announcement, name="announcement"),
    path(f"{_T}/publication.json", bids.publication, name="publication"),
    path(f"{_T}/envelopes.json", bids.envelopes, name="envelopes"),
    path(f"{_T}/bids/<str:group>", bids.api_submit, name="bid-submit"),
    path(f"{_T}/bids/<str:group>/withdraw", bids.api_withdraw, name="bid-withdraw"),
    path(f"{_T}/bids/<str:group>/open", bids.api_open, name="bid-open"),
]
