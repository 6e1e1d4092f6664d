"""Addresses of this part's pages."""

from django.urls import URLPattern, URLResolver, path

from salus.prevention.pages.emergencies import board, changing, documents, rules, tasks

urlpatterns: list[URLPattern | URLResolver] = [
    path("emergencies/", board.board, name="emergencies"),
    path("emergencies/past/", board.past, name="emergencies-past"),
    path("emergencies/new/", changing.new, name="emergency-new"),
    path("emergencies/rules/", rules.rules, name="emergency-rules"),
    path("emergencies/tasks/", tasks.tasks, name="emergency-tasks"),
    path("emergencies/tasks/<int:number>/take/", tasks.take, name="emergency-task-take"),
    path("emergencies/tasks/<int:number>/<str:act>/", tasks.act, name="emergency-task-act"),
    path("emergencies/requests/<int:number>/", changing.request_state, name="emergency-request"),
    path("emergencies/proposals/<int:number>/", changing.decide, name="emergency-decide"),
    path("emergencies/reports/<int:number>/", documents.report, name="emergency-report"),
    path("emergencies/reports/<int:number>/edit/", documents.edit, name="emergency-report-edit"),
    path("emergencies/reports/<int:number>/issue/", documents.issue, name="emergency-report-issue"),
    path("emergencies/reports/<int:number>/correct/", documents.correct, name="emergency-report-correct"),
    path("emergencies/reports/<int:number>/discard/", documents.discard, name="emergency-report-discard"),
    path(
        "emergencies/reports/<int:number>/<str:language>.<str:form>",
        documents.download,
        name="emergency-report-file",
    ),
    path("emergencies/<int:number>/", board.emergency, name="emergency"),
    path("emergencies/<int:number>/reported/", changing.reported, name="emergency-reported"),
    path("emergencies/<int:number>/draft/", documents.draft, name="emergency-draft"),
    path("emergencies/<int:number>/<str:act>/", changing.act, name="emergency-act"),
]
