"""All addresses of the platform: each room brings its own."""

from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("salus.web.urls")),
    path("accounts/", include("salus.web.sign_in")),
    path("", include("salus.record.smart.urls")),
    path("", include("salus.record.urls")),
    path("", include("salus.connect.urls")),
    path("", include("salus.insurance.urls")),
    path("", include("salus.prevention.urls")),
]

handler400 = "salus.web.pages.errors.bad_request"
handler403 = "salus.web.pages.errors.refused"
handler404 = "salus.web.pages.errors.not_found"
handler500 = "salus.web.pages.errors.failed"
