"""One HL7 v2 message becomes FHIR R4 resources: `translate`."""

import re

from salus.connect.errors import NotHl7, Untranslatable
from salus.connect.hl7v2 import documents, orders, people, results, scheduling, times, vaccinations, visits
from salus.connect.hl7v2.charsets import decode
from salus.connect.hl7v2.context import Context
from salus.connect.hl7v2.message import Message
from salus.connect.hl7v2.rules import Trigger, triggers
from salus.connect.hl7v2.walk import Handler, Walk
from salus.connect.translation import SourceProfile, Translation

VERSION = re.compile(r"2\.(\d)(?:\.\d+)*\Z", re.ASCII)
USUAL_TRIGGERS = {"ORU": "R01", "ORM": "O01", "VXU": "V04", "OMG": "O19", "OML": "O21"}
HANDLERS: dict[str, Handler] = {
    "AIG": scheduling.aig,
    "AIL": scheduling.ail,
    "AIP": scheduling.aip,
    "AIS": scheduling.ais,
    "AL1": visits.al1,
    "DG1": visits.dg1,
    "IAM": visits.iam,
    "IN1": visits.in1,
    "MRG": people.mrg,
    "NK1": people.nk1,
    "NTE": results.nte,
    "OBR": orders.obr,
    "OBX": results.obx,
    "ORC": orders.orc,
    "PD1": people.pd1,
    "PID": people.pid,
    "PR1": visits.pr1,
    "PV1": visits.pv1,
    "PV2": visits.pv2,
    "RXA": vaccinations.rxa,
    "RXE": orders.rxe,
    "RXO": orders.rxo,
    "RXR": vaccinations.rxr,
    "SCH": scheduling.sch,
    "SPM": orders.spm,
    "TXA": documents.txa,
}
NEEDED = {
    "adt": ("PID",),
    "merge": ("PID", "MRG"),
    "result": ("PID",),
    "order": ("PID",),
    "document": ("PID", "TXA"),
    "document-cancel": ("PID", "TXA"),
    "vaccination": ("PID",),
    "schedule": ("SCH", "PID"),
}


def translate(raw: bytes, source: SourceProfile) -> Translation:
    """Return what one message says, as resources with the sender's ids.

    Raises `NotHl7` for bytes that are no HL7 v2 message (answered AR), `Untranslatable` with a stable code
    and the place for one that cannot be taken. Never raises anything else.
    """
    text, codec, notices = decode(raw, source.charset)
    message = Message.parse(text)
    message.warnings[:0] = notices
    kind, code = message_type(message)
    check_version(message)
    trigger = find_trigger(kind, code)
    for name in NEEDED.get(trigger.family, ()):
        if message.first(name) is None:
            raise Untranslatable("missing-segment", f"a {kind}^{code} needs a {name} segment", where=name)
    ctx = Context(message, source, codec)
    header = message.header
    ctx.control = header.get(10)
    walk = Walk(ctx, kind, code, trigger)
    _when(walk, message)
    for segment in message.segments:
        handler = HANDLERS.get(segment.name)
        if handler is not None:
            ctx.segment = segment.name
            if segment.name == "PID":
                documents.close(walk)
            handler(walk, segment.fields)
    documents.close(walk)
    scheduling.close(walk)
    if trigger.family == "result" and not walk.met & {"OBR", "OBX"}:
        raise Untranslatable("missing-segment", "a result message has neither OBR nor OBX", where="OBR")
    if trigger.family == "order" and "OBR" not in walk.met:
        raise Untranslatable("missing-segment", "an order has neither OBR, RXO nor RXE", where="OBR")
    occurred = times.moment(walk.event, ctx.zone) if walk.event else ctx.time
    return Translation(
        kind=f"{kind}^{code}",
        control_id=ctx.control or None,
        occurred=occurred,
        entries=ctx.finish(),
        merges=tuple(walk.merges),
        warnings=tuple(ctx.warnings),
    )


def message_type(message: Message) -> tuple[str, str]:
    """Return MSH-9 as type and trigger; the trigger may come from EVN-1 or the message structure."""
    kind, code, structure = (message.header.get(9, component).strip().upper() for component in (1, 2, 3))
    if not kind and structure:
        kind, _, code = structure.partition("_")
    if not kind:
        raise Untranslatable("missing-message-type", "MSH-9 does not say what the message is", where="MSH-9")
    if not code and "_" in kind:
        kind, _, code = kind.partition("_")
    if not code:
        event = message.first("EVN")
        code = (event.get(1).strip().upper() if event else "") or USUAL_TRIGGERS.get(kind, "")
    if not code and (kind, "*") not in triggers():
        raise Untranslatable("missing-trigger", "neither MSH-9 nor EVN-1 names the trigger", where="MSH-9.2")
    return kind, code


def check_version(message: Message) -> None:
    """Raise `NotHl7` (code unsupported-version) unless the message is of version 2."""
    version = message.header.get(12).strip()
    if version and not VERSION.match(version):
        raise NotHl7(
            "unsupported-version",
            "MSH-12 names a version that is not HL7 v2",
            where="MSH-12",
            fix="Versions 2.1 to 2.8 are taken.",
        )
    if not version:
        message.warnings.append("MSH-12 names no version")


def find_trigger(kind: str, code: str) -> Trigger:
    """Return how a message is taken; raises `Untranslatable` with the reason when it is not."""
    known = triggers()
    found = known.get((kind, code)) or known.get((kind, "*"))
    shown = f"{kind}^{code}" if code else kind
    if not re.fullmatch(r"[A-Z0-9_]{1,7}(?:\^[A-Z0-9_]{1,7})?", shown):
        raise Untranslatable("unsupported-message-type", "MSH-9 names no HL7 message type", where="MSH-9")
    if found is None:
        if any(kind == name for name, _ in known):
            raise Untranslatable(
                "unsupported-trigger", f"{shown} is not taken: docs/hl7v2.md lists what is", where="MSH-9.2"
            )
        raise Untranslatable(
            "unsupported-message-type", f"{shown} is not taken: docs/hl7v2.md lists what is", where="MSH-9"
        )
    if found.family == "unsupported":
        raise Untranslatable("unsupported-trigger", f"{shown} is not taken: {found.note}", where="MSH-9")
    return found


def _when(walk: Walk, message: Message) -> None:
    """Set the times: EVN-2 (else MSH-7) says when the state held, EVN-6 when it came about."""
    event = message.first("EVN")
    zone = walk.ctx.zone
    recorded = event.get(2).strip() if event else ""
    sent = message.header.get(7).strip()
    happened = event.get(6).strip() if event else ""
    for stated in (recorded, sent):
        walk.ctx.time = times.moment(stated, zone) if stated else None
        if walk.ctx.time is not None:
            walk.event = stated
            break
    else:
        walk.ctx.where = "MSH-7"
        walk.ctx.warn("no time: a later message may be overwritten by this one")
        walk.ctx.where = ""
    if happened and times.moment(happened, zone):
        walk.event = happened
