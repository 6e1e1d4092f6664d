"""Plain words for what the audit keeps as codes: actions, purposes, outcomes and types of resources."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Words = dict[str, str | Promise]

ACTIONS: Words = {
    "read": _("Read"),
    "search": _("Searched"),
    "history": _("Read earlier versions"),
    "create": _("Added"),
    "update": _("Changed"),
    "correct": _("Corrected"),
    "delete": _("Deleted"),
    "export": _("Exported"),
    "receive": _("Received from an institution"),
    "break-glass": _("Opened in an emergency"),
    "review": _("Compared for identity"),
    "link": _("Joined records"),
    "merge": _("Joined records"),
    "unlink": _("Separated records"),
    "split": _("Separated records"),
    "replay": _("Replayed a message"),
    "discard": _("Discarded a message"),
    "undo": _("Undid a load"),
    "commit": _("Sealed"),
    "withdraw": _("Withdrew"),
    "reveal": _("Opened a sealed bid"),
    "announce": _("Announced"),
    "report": _("Reported"),
    "decide": _("Decided"),
    "decide-bid": _("Decided on a bid"),
    "authorize": _("Asked whether an app may use data"),
    "revoke": _("Took an app's access back"),
}
PURPOSES: Words = {
    "TREAT": _("Treatment"),
    "ETREAT": _("Emergency treatment"),
    "HPAYMT": _("Payment"),
    "HOPERAT": _("Operation of the platform"),
    "PUBHLTH": _("Public health"),
    "HSYSADMIN": _("Administration"),
    "PATRQT": _("The resident's own request"),
    "HRESCH": _("Research"),
}
OUTCOMES: Words = {
    "ok": _("Done"),
    "refused": _("Refused"),
    "denied": _("Refused"),
    "failed": _("Failed"),
    "error": _("Failed"),
}
TYPES: Words = {
    "Account": _("Account"),
    "AuditEvent": _("Audit"),
    "AllergyIntolerance": _("Allergy"),
    "Application": _("App"),
    "Appointment": _("Appointment"),
    "CarePlan": _("Care plan"),
    "Commitment": _("Sealed bid"),
    "Composition": _("Document"),
    "Condition": _("Diagnosis"),
    "Coverage": _("Insurance cover"),
    "Claim": _("Claim"),
    "Device": _("Device"),
    "DiagnosticReport": _("Report"),
    "DocumentReference": _("Document"),
    "Encounter": _("Visit or stay"),
    "EpisodeOfCare": _("Episode of care"),
    "ExplanationOfBenefit": _("Settled claim"),
    "Flag": _("Flag"),
    "ImagingStudy": _("Imaging study"),
    "Immunization": _("Vaccination"),
    "Lake": _("The record's tables"),
    "Media": _("Picture or recording"),
    "MedicationAdministration": _("Medicine given"),
    "MedicationDispense": _("Medicine dispensed"),
    "MedicationRequest": _("Prescription"),
    "MedicationStatement": _("Medicine taken"),
    "Observation": _("Result"),
    "Patient": _("Personal details"),
    "Person": _("Whole record"),
    "Procedure": _("Procedure"),
    "Provenance": _("Where it comes from"),
    "RelatedPerson": _("Relative"),
    "ResearchCopy": _("Copy for research"),
    "ServiceRequest": _("Order"),
    "Specimen": _("Specimen"),
    "Supplier": _("Supplier"),
    "Tender": _("Tender"),
}


def type_title(name: str) -> str:
    """Return what a resource type is called."""
    return str(TYPES.get(name, name))


def titled(words: Words, code: str) -> str:
    """Return the words for a code; a code that is not known is shown as it is."""
    return str(words.get(code, code))
