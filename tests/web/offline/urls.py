from django.urls import include, path

urlpatterns = [path("", include("salus.web.urls")), path("accounts/", include("salus.web.sign_in"))]
