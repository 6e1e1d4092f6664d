"""Addresses of the pages of mother and child, and of vaccines."""

from django.urls import URLPattern, URLResolver, path

from salus.prevention.pages.maternal import children, family, mine, pregnancies, stock

urlpatterns: list[URLPattern | URLResolver] = [
    path("prevention/children/", children.children, name="children"),
    path("prevention/children/<int:number>/", children.child, name="child"),
    path("prevention/children/<int:number>/enter/<slug:what>/", children.enter_on, name="child-enter"),
    path("prevention/screenings/<int:number>/", children.settle, name="screening-settle"),
    path("prevention/pregnancies/", pregnancies.pregnancies, name="pregnancies"),
    path("prevention/pregnancies/<int:number>/", pregnancies.pregnancy, name="pregnancy"),
    path(
        "prevention/pregnancies/<int:number>/enter/<slug:what>/", pregnancies.enter_on, name="pregnancy-enter"
    ),
    path(
        "prevention/pregnancies/<int:number>/newborns/<int:newborn>/link/",
        pregnancies.link,
        name="newborn-link",
    ),
    path(
        "prevention/pregnancies/<int:number>/newborns/<int:newborn>/unlink/",
        pregnancies.unlink,
        name="newborn-unlink",
    ),
    path("prevention/vaccines/", stock.stocks, name="vaccines"),
    path("prevention/vaccines/enter/<slug:what>/", stock.enter_on, name="vaccine-enter"),
    path(
        "prevention/vaccines/holdings/<int:number>/<slug:what>/", stock.enter_on_holding, name="holding-enter"
    ),
    path("prevention/vaccines/excursions/<int:number>/", stock.excursion, name="excursion"),
    path("prevention/vaccines/batches/<int:number>/recall/", stock.recall_batch, name="batch-recall"),
    path("prevention/recalls/", stock.recalls, name="recalls"),
    path("prevention/recalls/<int:number>/", stock.recall, name="recall"),
    path("prevention/recalls/doses/<int:number>/", stock.recalled_dose, name="recalled-dose"),
    path("prevention/adverse-events/", stock.events, name="aefi"),
    path("prevention/adverse-events/<int:number>/", stock.event, name="aefi-event"),
    path("prevention/adverse-events/<int:number>/report/", stock.report, name="aefi-report"),
    path("prevention/adverse-events/<int:number>/judge/", stock.judge, name="aefi-judge"),
    path("prevention/adverse-events/enter/<int:given>/", children.event, name="aefi-enter"),
    path("prevention/family/", family.acts, name="family"),
    path("prevention/family/<int:number>/", family.resident, name="family-resident"),
    path("prevention/family/<int:number>/enter/", family.enter_act, name="family-enter"),
    path("prevention/family/<int:number>/acts/<int:act>/take-back/", family.undo_act, name="family-undo"),
    path("prevention/deaths/", family.deaths, name="deaths"),
    path("prevention/deaths/<int:number>/", family.death, name="death"),
    path("prevention/deaths/<int:number>/investigate/", family.investigate, name="death-enter"),
    path("prevention/deaths/open/<int:number>/", family.enter_death, name="death-open"),
    path("prevention/committee/", family.committee, name="committee"),
    path("prevention/committee/<int:number>/", family.case, name="death-case"),
    path("prevention/committee/<int:number>/conclude/", family.conclude, name="death-conclude"),
    path("my/children/", mine.mine, name="my-children"),
    path("my/children/<int:number>/", mine.child, name="my-child"),
    path("my/children/<int:number>/certificate/", mine.certificate, name="my-child-certificate"),
]
