"""What the reason codes of dead letters mean, in the reader's language."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

REASONS: dict[str, str | Promise] = {
    "archive-damaged": _("Damaged archive"),
    "bad-encoding": _("Bytes outside the declared encoding"),
    "bad-id": _("Unusable id"),
    "bad-number": _("A number out of all proportion"),
    "bad-request-url": _("The Bundle does not say what to do with an entry"),
    "binary-cell": _("Bytes in a cell"),
    "bundle-type": _("A Bundle of a type that feeds do not hold"),
    "control-character": _("Control characters in a value"),
    "empty": _("Empty message"),
    "error-cell": _("An error in a workbook's cell"),
    "formula-cell": _("A formula in a workbook's cell"),
    "invalid-fhir": _("Not valid FHIR R4"),
    "missing-merge-identifier": _("A merge that names nobody"),
    "missing-message-type": _("The message type is missing"),
    "missing-patient": _("No patient is named"),
    "missing-segment": _("A segment is missing"),
    "missing-trigger": _("The trigger event is missing"),
    "missing-value": _("A required value is missing"),
    "no-document-time": _("A document without its time"),
    "no-file-date": _("No date in the file's name"),
    "no-patient": _("No patient is named"),
    "not-a-boolean": _("Not yes or no"),
    "not-a-date": _("Not a date"),
    "not-a-document": _("Not a clinical document"),
    "not-a-number": _("Not a number"),
    "not-a-row": _("Not a row of a table"),
    "not-a-time": _("Not a time of day"),
    "not-an-integer": _("Not a whole number"),
    "not-csv": _("Not CSV"),
    "not-fhir": _("Not FHIR"),
    "not-hl7": _("Not HL7 v2"),
    "not-json": _("Not JSON"),
    "not-storable": _("Refused by the database"),
    "not-understood": _("Could not be read"),
    "not-xml": _("Not well-formed XML"),
    "number-too-long": _("A number that lost its last digits"),
    "patch-not-taken": _("A patch in a feed"),
    "row-shape": _("Wrong number of cells"),
    "too-deep": _("Nested too deeply"),
    "too-large": _("Too large"),
    "undecodable": _("Bytes outside the declared encoding"),
    "unknown-code": _("A code that is not in the code map"),
    "unknown-type": _("Unknown resource type"),
    "unsupported-message-type": _("A message type that is not taken"),
    "unsupported-trigger": _("A trigger event that is not taken"),
    "unsupported-version": _("Not version 2 of HL7"),
    "xml-doctype": _("A document type declaration"),
}


def reason_title(code: str) -> str:
    """Return the words for a reason code; codes of other handlers are shown as they are."""
    return str(REASONS.get(code, code))
