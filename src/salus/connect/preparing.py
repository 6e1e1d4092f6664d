"""From a translation to writes: validated, with the platform's ids, references rewritten."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from salus.connect.errors import Untranslatable
from salus.connect.fhir.references import conditional, rewrite
from salus.connect.lookups import Search, parse_search
from salus.connect.translation import Entry, Method, Translation
from salus.kernel.errors import SalusError
from salus.kernel.ids import server_id
from salus.record import store
from salus.record.rules.r4 import kinds
from salus.record.validate import validate

MOST_WARNINGS = 20

id_of = lru_cache(maxsize=131072)(server_id)

MOST_PLACEHOLDERS = 20_000
_placeholders: dict[tuple[str, bytes], "Draft"] = {}
"""The wards and doctors that a source names in message after message, prepared once; never changed."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A conditional reference that waits for a look-up: its holder, type and search."""

    holder: dict[str, Any]
    type: str
    search: Search


class Draft(NamedTuple):
    """One resource to write, with the platform's id and references; its message is not numbered yet.

    `ready` is the part of its storing that a second process has done.
    """

    type: str
    id: str
    body: dict[str, Any] | None
    method: Method
    source_time: datetime | None
    ready: store.Prepared | None = None


@dataclass(slots=True)
class Prepared:
    """A message ready to be written.

    `writes` are in the message's order. `merges` are (kept, retired) Patient ids of
    the platform.
    """

    kind: str
    control_id: str
    occurred: Any
    writes: list[Draft] = field(default_factory=list)
    merges: list[tuple[str, str]] = field(default_factory=list)
    pending: list[Pending] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the conditions of a message's entries found: (type, sender's id) → the platform's id."""

    found: dict[tuple[str, str], str]


NO_CONDITIONS = Conditions({})


def _check(entry: Entry, index: int, many: bool, warnings: list[str]) -> None:
    """Validate a resource that will stand on its own; faults refuse the message, warnings are kept."""
    issues = validate(entry.resource)
    for issue in sorted(issues, key=lambda issue: issue.severity != "error") if issues else ():
        place = f"entry[{index}].resource → {issue.path}" if many else issue.path
        if issue.severity == "error":
            raise Untranslatable(
                "invalid-fhir",
                str(issue.expected),
                where=place,
                fix="Have the source correct it, or edit and replay.",
            )
        if len(warnings) < MOST_WARNINGS:
            warnings.append(f"{place}: {issue.expected}")


def _mark(source_code: str, entry: Entry) -> tuple[str, bytes] | None:
    """Return by what a placeholder is known again; None for one that is best prepared anew."""
    if entry.condition or entry.source_time is not None:
        return None
    try:
        return source_code, orjson.dumps(entry.resource)
    except TypeError:  # a number as the sender wrote it, or not JSON at all
        return None


def prepare(source_code: str, translation: Translation, conditions: Conditions = NO_CONDITIONS) -> Prepared:
    """Return the writes of a translation.

    Raises Untranslatable where a resource is not valid FHIR R4 or of an unknown type.
    """
    prepared = Prepared(
        translation.kind[:64],
        (translation.control_id or "")[:200],
        translation.occurred,
        warnings=list(translation.warnings)[:MOST_WARNINGS],
    )
    known = kinds()
    found = conditions.found
    pending = prepared.pending

    def replace(holder: dict[str, Any], reference: str) -> None:
        if reference.startswith(("#", "urn:", "http")):
            return
        kind, slash, rest = reference.partition("/")
        if slash and "?" not in kind:  # a sender's id may hold anything, slashes too
            if kind in known and rest:
                local = rest.partition("/_history/")[0]
                holder["reference"] = f"{kind}/{found.get((kind, local)) or id_of(source_code, kind, local)}"
            return
        search = conditional(reference)
        if search is not None and search[0] in known:
            pending.append(Pending(holder, search[0], parse_search(search[1])))

    links = {  # an attachment's address within the message
        f"Binary/{entry.resource['id']}": f"Binary/{id_of(source_code, 'Binary', entry.resource['id'])}"
        for entry in translation.entries
        if entry.resource["resourceType"] == "Binary"
    }
    many = len(translation.entries) > 1
    for index, entry in enumerate(translation.entries):
        resource = entry.resource
        # Only a placeholder that means the same in each message: no look-up and no attachment is part of it.
        mark = _mark(source_code, entry) if entry.method == "ensure" and not found and not links else None
        if mark is not None and (draft := _placeholders.get(mark)) is not None:
            prepared.writes.append(draft)
            continue
        kind, local = resource["resourceType"], resource["id"]
        if kind not in known:
            raise Untranslatable("unknown-type", f"{str(kind)[:40]} is not a resource type of FHIR R4")
        identity = found.get((kind, local))
        if entry.condition and entry.method == "delete" and identity is None:
            prepared.warnings.append("a conditional delete found nothing")
            continue
        if entry.unless_found and identity is not None:
            continue
        identity = identity or id_of(source_code, kind, local)
        odd = len(prepared.warnings) + len(pending)
        if entry.method != "delete":
            resource["id"] = identity
            rewrite(resource, replace, links or None)
        if entry.method in {"put", "ensure"}:
            _check(entry, index, many, prepared.warnings)
        body = None if entry.method == "delete" else resource
        draft = Draft(kind, identity, body, entry.method, entry.source_time)
        prepared.writes.append(draft)
        if mark is not None and odd == len(prepared.warnings) + len(pending) < MOST_WARNINGS:
            if len(_placeholders) >= MOST_PLACEHOLDERS:
                _placeholders.clear()
            _placeholders[mark] = draft
    for merge in translation.merges:
        prepared.merges.append(
            (id_of(source_code, "Patient", merge.kept), id_of(source_code, "Patient", merge.retired))
        )
    return prepared


def make_ready(source_code: str, prepared: Prepared) -> None:
    """Do the part of storing a message's resources that asks no database; faults are left to the storing."""
    if prepared.pending:
        return  # references may change yet
    for at, draft in enumerate(prepared.writes):
        if draft.method == "put" and draft.body is not None:
            with suppress(SalusError):
                ready = store.prepare(draft.type, draft.id, draft.body, source=meta_source(source_code))
                prepared.writes[at] = draft._replace(ready=ready)


def meta_source(source_code: str) -> str:
    """Return the `meta.source` of what a source sends."""
    return f"urn:salus:source:{source_code}"


def settle_pending(pending: Sequence[Pending], found: dict[tuple[str, Search], str]) -> list[str]:
    """Point conditional references at what was found; the others become logical references.

    Returns the warnings. A logical reference keeps the identifier, so nothing that the sender said is lost.
    """
    warnings: set[str] = set()
    for one in pending:
        target = found.get((one.type, one.search))
        if target is not None:
            one.holder["reference"] = f"{one.type}/{target}"
            continue
        text = one.holder.pop("reference", "")
        one.holder.setdefault("type", one.type)
        if one.search.name == "identifier" and one.search.value:
            identifier = {"value": one.search.value}
            if one.search.system:
                identifier = {"system": one.search.system, **identifier}
            one.holder.setdefault("identifier", identifier)
        else:
            one.holder.setdefault("identifier", {"value": str(text)[:200]})
        warnings.add(
            f"a conditional reference to a {one.type} found nothing and was kept as a logical reference"
        )
    return sorted(warnings)
