"""Addresses of the pages of the health programme."""

from django.urls import URLPattern, URLResolver, path

from salus.prevention.pages.programme import acts, indicators, mine, registers, resident, today

urlpatterns: list[URLPattern | URLResolver] = [
    path("prevention/programme/today/", today.today, name="programme-today"),
    path("prevention/programme/registers/", registers.registers, name="programme-registers"),
    path("prevention/programme/register/", registers.register, name="programme-register"),
    path("prevention/programme/indicators/", indicators.indicators, name="programme-indicators"),
    path("prevention/programme/entries/<int:number>/", resident.resident, name="programme-entry"),
    path(
        "prevention/programme/entries/<int:number>/visit/<slug:service>/",
        resident.visit,
        name="programme-visit",
    ),
    path("prevention/programme/entries/<int:number>/try/", resident.attempt, name="programme-try"),
    path("prevention/programme/entries/<int:number>/file/", resident.health_file, name="programme-file"),
    path("prevention/programme/entries/<int:number>/close/", acts.close, name="programme-close"),
    path("prevention/programme/entries/<int:number>/reopen/", acts.reopen, name="programme-reopen"),
    path("prevention/programme/entries/<int:number>/hand-over/", acts.hand_over, name="programme-hand-over"),
    path("prevention/programme/entries/<int:number>/enter/", acts.enter, name="programme-enter"),
    path("prevention/programme/given/<int:number>/undo/", acts.undo_given, name="programme-given-undo"),
    path(
        "prevention/programme/given/<int:number>/restore/", acts.restore_given, name="programme-given-restore"
    ),
    path("prevention/programme/tries/<int:number>/undo/", acts.undo_try, name="programme-try-undo"),
    path("my/health-programme/", mine.mine, name="my-programme"),
    path("my/health-programme/certificate.<slug:form>", mine.certificate, name="my-programme-certificate"),
]
