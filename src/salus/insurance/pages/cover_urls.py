"""Addresses of the funds, claims and free treatment, and of the API."""

from django.urls import URLPattern, URLResolver, path

from salus.insurance.api import api
from salus.insurance.pages import claims, follow_up, fund, members, outdated, review

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/insurance/", api.urls),
    path("insurance/fund/", fund.overview, name="fund"),
    path("insurance/fund/close/", fund.close_month, name="fund-close"),
    path("insurance/payments/", fund.batches, name="payments"),
    path("insurance/payments/prepare/", fund.prepare, name="payment-prepare"),
    path("insurance/payments/<int:number>/", fund.batch, name="payment"),
    path("insurance/payments/<int:number>/file/", fund.batch_file, name="payment-file"),
    path("insurance/payments/<int:number>/approve/", fund.approve, name="payment-approve"),
    path("insurance/payments/<int:number>/pay/", fund.pay, name="payment-pay"),
    path("insurance/payments/<int:number>/discard/", fund.discard, name="payment-discard"),
    path("insurance/members/", members.members, name="members"),
    path("insurance/members/find/", members.find, name="member-find"),
    path("insurance/members/<int:number>/", members.member, name="member"),
    path("insurance/contributions/<int:number>/pay-back/", members.pay_back, name="contribution-back"),
    path("insurance/claims/", claims.claims, name="claims"),
    path("insurance/claims/<int:number>/", claims.claim, name="claim"),
    path("insurance/claims/<int:number>/take-back/", outdated.take_back, name="claim-back"),
    path("insurance/outdated/", outdated.outdated, name="outdated"),
    path("insurance/outdated/<int:number>/", outdated.again, name="outdated-again"),
    path("insurance/review/", review.suspicions, name="suspicions"),
    path("insurance/review/run/", review.run_now, name="review-run"),
    path("insurance/review/<int:number>/", review.suspicion, name="suspicion"),
    path("insurance/review/<int:number>/undo/", review.take_back, name="suspicion-undo"),
    path("insurance/free-treatment/", follow_up.treatments, name="treatments"),
    path("insurance/free-treatment/<int:number>/", follow_up.treatment, name="treatment"),
    path("my/claims/", claims.mine, name="my-claims"),
]
