"""A walk through one message: what has been met so far decides what the next segment is about.

Groups are not checked against the standard's grammar: senders leave out, repeat and reorder segments,
and the meaning survives it. What must be there is checked at the end.
"""

from collections.abc import Callable
from hashlib import blake2b

from salus.connect.hl7v2.context import Context, Resource, local_id
from salus.connect.hl7v2.rules import Trigger
from salus.connect.translation import Merge

Handler = Callable[["Walk", list[str]], None]


class Walk:
    """The state of a walk: whose message this is, which visit, which order, and what a note is about."""

    __slots__ = (
        "appointment", "ctx", "document", "encounter", "encounter_id", "encounter_ref", "event",
        "family", "fallback_count", "immunization", "kind", "medication", "merges", "met", "notes", "order",
        "patient", "patient_id", "patient_ref", "pending_specimen", "previous", "report", "request", "sent",
        "text_key", "trigger", "trigger_code", "visit_method",
    )  # fmt: skip

    def __init__(self, ctx: Context, kind: str, trigger_code: str, trigger: Trigger) -> None:
        self.ctx = ctx
        self.sent = ctx.message.header.get(7)
        self.kind = kind
        self.trigger_code = trigger_code
        self.trigger = trigger
        self.family = trigger.family
        self.event = ""
        self.merges: list[Merge] = []
        self.met: set[str] = set()
        self.fallback_count = 0
        self.patient: Resource | None = None
        self.patient_id = ""
        self.patient_ref = ""
        self.appointment: Resource | None = None
        self.document: Resource | None = None
        self.start_visit()

    def start_visit(self) -> None:
        """Forget the visit and all that hangs on it: another patient (or visit) begins."""
        self.encounter: Resource | None = None
        self.encounter_id = ""
        self.encounter_ref = ""
        self.visit_method = ""
        self.start_order()

    def start_order(self) -> None:
        """Forget the order: another one begins."""
        self.order: list[str] = []
        self.clear_results()

    def clear_results(self) -> None:
        """Forget what results hang on."""
        self.request: Resource | None = None
        self.report: Resource | None = None
        self.immunization: Resource | None = None
        self.medication: Resource | None = None
        self.pending_specimen: Resource | None = None
        self.previous: Resource | None = None
        self.text_key: tuple[str, str] | None = None
        self.notes: Resource | None = None

    def fallback(self, what: str) -> str:
        """Return a local id for something that the message does not number: control id, time and position.

        The same message again gives the same id.
        """
        self.fallback_count += 1
        control = self.ctx.control
        if not control:
            text = self.ctx.message.text.encode("utf-8", "replace")
            control = blake2b(text, digest_size=12).hexdigest()
        return local_id("message", control, self.sent or "-", what, str(self.fallback_count))

    def link(self, resource: Resource, subject: str = "subject") -> Resource:
        """Say whose a resource is, and of which visit."""
        resource[subject] = {"reference": self.patient_ref}
        if self.encounter_ref and subject == "subject":
            resource["encounter"] = {"reference": self.encounter_ref}
        return resource


def value(fields: list[str], number: int) -> str:
    """Return a raw field, "" when it is absent or null."""
    if number < len(fields):
        found = fields[number]
        return found if found != '""' else ""
    return ""
