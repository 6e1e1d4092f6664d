"""Addresses of the pages of notifiable disease."""

from django.urls import URLPattern, URLResolver, path

from salus.prevention.pages.notifiable import case, cases, contacts, diseases, exchange, outbreaks, reporting

urlpatterns: list[URLPattern | URLResolver] = [
    path("prevention/cases/", cases.line_list, name="cases"),
    path("prevention/cases/report/", case.report, name="case-report"),
    path("prevention/cases/exchange/", exchange.exchange, name="case-exchange"),
    path("prevention/cases/export/", exchange.export, name="case-export"),
    path("prevention/cases/<int:number>/", case.case, name="case"),
    path("prevention/cases/<int:number>/report/", case.report_arisen, name="case-report-arisen"),
    path("prevention/cases/<int:number>/by-definition/", case.by_definition, name="case-by-definition"),
    path("prevention/cases/<int:number>/part/", case.part, name="case-part"),
    path("prevention/cases/<int:number>/enter/<slug:what>/", case.enter, name="case-enter"),
    path(
        "prevention/cases/<int:number>/links/<int:transmission>/take-back/", case.unlink, name="case-unlink"
    ),
    path("prevention/contacts/", contacts.contacts, name="contacts"),
    path("prevention/contacts/<int:number>/", contacts.contact, name="contact"),
    path("prevention/contacts/<int:number>/case/", contacts.became_case, name="contact-case"),
    path("prevention/contacts/<int:number>/state/<slug:state>/", contacts.close, name="contact-close"),
    path("prevention/outbreaks/", outbreaks.outbreaks, name="outbreaks"),
    path("prevention/outbreaks/open/", outbreaks.open_outbreak, name="outbreak-open"),
    path("prevention/outbreaks/<int:number>/", outbreaks.outbreak, name="outbreak"),
    path("prevention/outbreaks/<int:number>/close/", outbreaks.close, name="outbreak-close"),
    path("prevention/reporting/", reporting.reporting, name="reporting"),
    path("prevention/diseases/", diseases.diseases, name="diseases"),
    path("prevention/diseases/<slug:code>/", diseases.disease, name="disease"),
]
