"""TXA and its OBX: documents, kept whole.

The lines of a document sent as text become one attachment; attachments and pointers stay as they are.
"""

import base64
from copy import deepcopy
from typing import Any

from salus.connect.hl7v2 import times
from salus.connect.hl7v2.context import Resource, local_id
from salus.connect.hl7v2.datatypes import cwe, entity, text
from salus.connect.hl7v2.engine import apply
from salus.connect.hl7v2.results import ATTACHED, attachment
from salus.connect.hl7v2.walk import Walk, value

REPLACING = ("T09", "T10")


def txa(walk: Walk, fields: list[str]) -> None:
    """TXA: the document's header."""
    ctx = walk.ctx
    if walk.patient is None:
        return
    close(walk)
    walk.met.add("TXA")
    own = ctx.clean(value(fields, 12).split(ctx.comp)[0])
    namespace = value(fields, 12).split(ctx.comp)
    authority = ctx.clean(namespace[1]) if len(namespace) > 1 else ""
    file = ctx.clean(value(fields, 16))
    if own or file:
        identity = local_id("document", authority or "document", own or file)
    else:
        ctx.where = "TXA-12"
        ctx.warn("no document number: the document is known by this message alone")
        identity = walk.fallback("document")
    resource: Resource = {"resourceType": "DocumentReference", "id": identity, "status": "current"}
    resource["subject"] = {"reference": walk.patient_ref}
    apply(ctx, "TXA", fields, resource)
    if walk.family == "document-cancel":
        resource["status"] = "entered-in-error"
    if not resource.get("date"):
        for index in (7, 4):
            stamp = times.instant(value(fields, index).split(ctx.comp)[0].strip(), ctx.zone)
            if stamp:
                resource["date"] = stamp
                break
    related: dict[str, Any] = {}
    if walk.encounter_ref:
        related["encounter"] = [{"reference": walk.encounter_ref}]
    begun = (
        times.date_time(value(fields, 4).split(ctx.comp)[0].strip(), ctx.zone) if value(fields, 4) else None
    )
    if begun:
        related["period"] = {"start": begun}
    if related:
        resource["context"] = related
    parent = ctx.clean(value(fields, 13).split(ctx.comp)[0])
    if parent:
        code = "replaces" if walk.trigger_code in REPLACING else "appends"
        identifier = entity(ctx, value(fields, 13))
        target = {"reference": f"DocumentReference/{local_id('document', authority or 'document', parent)}"}
        if identifier:
            target["identifier"] = identifier  # type: ignore[assignment]  # a Reference holds both
        resource["relatesTo"] = [{"code": code, "target": target}]
    resource["content"] = []
    walk.document = resource
    walk.notes = resource


def content(walk: Walk, fields: list[str]) -> None:
    """OBX under TXA: a line of text, or an attachment."""
    ctx = walk.ctx
    document = walk.document
    if document is None:
        return
    sort = value(fields, 2).strip()
    if sort in ATTACHED:
        found = attachment(ctx, sort, value(fields, 5))
        if found:
            document["content"].append({"attachment": found})
        return
    wording = text(ctx, value(fields, 5)) or ""
    unit = ctx.clean(value(fields, 6).split(ctx.comp)[0])
    if sort in ("NM", "SN", "CE", "CWE") and wording:
        named = cwe(ctx, value(fields, 3)) if value(fields, 3) else None
        label = (named.get("text") or named["coding"][0]["code"]) if named else ""
        wording = " ".join(wording.replace("^", " ").split())
        wording = f"{label}: {wording} {unit}".strip(" :")
    lines = document.setdefault("_lines", [])
    lines.append(wording)


def close(walk: Walk) -> None:
    """Write the document that was open: its lines become an attachment."""
    document = walk.document
    walk.document = None
    if document is None:
        return
    lines = document.pop("_lines", [])
    if any(lines):
        data = base64.b64encode("\n".join(lines).encode()).decode()
        attached = {"contentType": "text/plain; charset=utf-8", "data": data}
        title = document["type"].get("text") if isinstance(document.get("type"), dict) else None
        if title:
            attached["title"] = title
        document["content"].insert(0, {"attachment": attached})
    ctx = walk.ctx
    if document["content"]:
        ctx.add(document, "put")
        return
    # a notification without content: make sure of the document, then change only what was said
    title = document.get("description") or "not sent"
    placeholder = deepcopy({**document, "content": [{"attachment": {"title": title}}]})
    ctx.add(placeholder, "ensure")
    del document["content"]
    document["id"] = placeholder["id"]
    ctx.add_again(document, "overlay")
