"""Addresses of the kit's own pages."""

from django.urls import path

from salus.web import live
from salus.web.offline import pages as offline
from salus.web.pages import about, accounts, audit, health, home, imports, notifications, preferences

app_name = "web"
urlpatterns = [
    path("", home.show, name="home"),
    path("live/<slug:name>", live.stream, name="live"),
    path("preferences/language", preferences.choose_language, name="language"),
    path("preferences/theme", preferences.choose_theme, name="theme"),
    path("account", preferences.account, name="account"),
    path("notifications", notifications.show, name="notifications"),
    path("notifications/read", notifications.read, name="notifications-read"),
    path("about", about.show, name="about"),
    path("audit", audit.show, name="audit"),
    path("audit/chains", audit.chains, name="audit-chains"),
    path("audit/emergencies", audit.emergencies, name="emergencies"),
    path("audit/emergencies/<int:number>", audit.emergency, name="emergency"),
    path("administration/accounts", accounts.show, name="accounts"),
    path("administration/accounts/new", accounts.create, name="account-create"),
    path("administration/accounts/<int:number>", accounts.page, name="account-page"),
    path("administration/accounts/<int:number>/grant", accounts.grant, name="account-grant"),
    path(
        "administration/accounts/<int:number>/revoke/<int:grant_number>", accounts.revoke, name="grant-revoke"
    ),
    path(
        "administration/accounts/<int:number>/restore/<int:grant_number>",
        accounts.restore,
        name="grant-restore",
    ),
    path("administration/accounts/<int:number>/lock", accounts.lock, name="account-lock"),
    path("administration/accounts/<int:number>/unlock", accounts.unlock, name="account-unlock"),
    path("administration/accounts/<int:number>/password", accounts.password, name="account-password"),
    path("administration/health", health.show, name="health"),
    path("administration/health/handlers/<str:name>/retry", health.retry_handler, name="handler-retry"),
    path("administration/health/failures/<int:number>", health.settle_failure, name="failure-settle"),
    path("offline/", offline.outbox, name="offline"),
    path("offline/worker.js", offline.worker, name="offline-worker"),
    path("offline/session", offline.session, name="offline-session"),
    path("offline/submit", offline.submit, name="offline-submit"),
    path("offline/form/<slug:name>", offline.show, name="offline-form"),
    path("offline/form/<slug:name>/list", offline.snapshot, name="offline-list"),
    path("import/<slug:name>", imports.upload, name="import"),
    path("import/<slug:name>/<int:number>", imports.batch, name="import-batch"),
    path("import/<slug:name>/<int:number>/carry-out", imports.carry_out, name="import-carry-out"),
    path("import/<slug:name>/<int:number>/undo", imports.take_back, name="import-undo"),
]
