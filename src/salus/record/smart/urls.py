"""OAuth addresses, mounted at the root of the site: tokens, authorisation, revocation, discovery."""

from django.http import HttpRequest, HttpResponse
from django.urls import path
from oauth2_provider import views

from salus.record.pages import smart_apps
from salus.record.smart import configuration

app_name = "oauth2_provider"


def smart_configuration(request: HttpRequest) -> HttpResponse:
    """Answer the site's own `.well-known/smart-configuration`; the FHIR base has it too."""
    base = request.build_absolute_uri("/fhir")
    return HttpResponse(configuration.document(base), content_type="application/json")


urlpatterns = [
    path("oauth/authorize/", smart_apps.Authorize.as_view(), name="authorize"),
    path("oauth/token/", views.TokenView.as_view(), name="token"),
    path("oauth/revoke_token/", views.RevokeTokenView.as_view(), name="revoke-token"),
    path("oauth/introspect/", views.IntrospectTokenView.as_view(), name="introspect"),
    path("oauth/apps/", smart_apps.connected, name="authorized-token-list"),
    path("oauth/apps/<int:pk>/revoke/", smart_apps.disconnect, name="authorized-token-delete"),
    path(
        ".well-known/oauth-authorization-server",
        views.OAuthServerMetadataView.as_view(),
        name="oauth-server-metadata",
    ),
    path(".well-known/smart-configuration", smart_configuration, name="smart-configuration"),
]
