"""Addresses of signing in: those of allauth that Salus uses, and no other.

Sign-up, e-mail addresses and password resets by mail are left out: accounts are made, and passwords set
again, by administrators.
"""

from allauth.account import views as account_views
from allauth.mfa.base import views as second_step_views
from allauth.mfa.recovery_codes import views as code_views
from allauth.mfa.totp import views as totp_views
from allauth.socialaccount import views as provider_views
from allauth.urls import build_provider_urlpatterns
from django.urls import path

urlpatterns = [
    path("login/", account_views.login, name="account_login"),
    path("logout/", account_views.logout, name="account_logout"),
    path("inactive/", account_views.account_inactive, name="account_inactive"),
    path("signup/", account_views.signup, name="account_signup"),
    path("reauthenticate/", account_views.reauthenticate, name="account_reauthenticate"),
    path("password/", account_views.password_change, name="account_change_password"),
    path("two-step/", second_step_views.index, name="mfa_index"),
    path("two-step/code/", second_step_views.authenticate, name="mfa_authenticate"),
    path("two-step/confirm/", second_step_views.reauthenticate, name="mfa_reauthenticate"),
    path("two-step/on/", totp_views.activate_totp, name="mfa_activate_totp"),
    path("two-step/off/", totp_views.deactivate_totp, name="mfa_deactivate_totp"),
    path("two-step/codes/", code_views.view_recovery_codes, name="mfa_view_recovery_codes"),
    path("two-step/codes/new/", code_views.generate_recovery_codes, name="mfa_generate_recovery_codes"),
    path("two-step/codes/download/", code_views.download_recovery_codes, name="mfa_download_recovery_codes"),
    path("provider/cancelled/", provider_views.login_cancelled, name="socialaccount_login_cancelled"),
    path("provider/error/", provider_views.login_error, name="socialaccount_login_error"),
    path("provider/signup/", provider_views.signup, name="socialaccount_signup"),
    path("provider/connections/", provider_views.connections, name="socialaccount_connections"),
    *build_provider_urlpatterns(),
]
