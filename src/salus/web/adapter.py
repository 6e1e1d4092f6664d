"""How accounts sign in: nobody signs up alone, and a locked account is refused."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from django.http import HttpRequest


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Local accounts: made by an administrator, never by sign-up."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Refuse sign-up."""
        return False

    def add_message(self, *args: Any, **kwargs: Any) -> None:
        """Say nothing on signing in and out: the page itself shows it."""

    def authenticate(self, request: HttpRequest, **credentials: Any) -> Any:
        """Refuse a locked account as if the password were wrong."""
        account = super().authenticate(request, **credentials)
        return None if account is not None and account.locked else account


class SocialAccountAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """Accounts of an OpenID Connect provider: linked to an account that exists, never made."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        """Refuse sign-up."""
        return False
