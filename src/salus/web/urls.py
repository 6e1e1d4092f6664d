"""Addresses of the kit's own pages."""

from django.urls import path

from salus.web.pages import about, home, notifications, preferences

app_name = "web"
urlpatterns = [
    path("", home.show, name="home"),
    path("preferences/language", preferences.choose_language, name="language"),
    path("preferences/theme", preferences.choose_theme, name="theme"),
    path("account", preferences.account, name="account"),
    path("notifications", notifications.show, name="notifications"),
    path("notifications/read", notifications.read, name="notifications-read"),
    path("about", about.show, name="about"),
]
