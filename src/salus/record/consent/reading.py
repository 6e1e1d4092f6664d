"""A FHIR Consent as a list of provisions, each with one value of every criterion. No Django, no database.

Source: https://hl7.org/fhir/R4/consent.html. Where a criterion is given that cannot be judged here, a
denial is read wider and a permission narrower.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

ACTIVE = "active"
PRIVACY, RESEARCH = "patient-privacy", "research"
NOT_ABOUT_DATA = frozenset({"treatment", "adr"})
OPT_OUT = frozenset({"OPTOUT", "OPTOUTE"})
OPT_IN = frozenset({"OPTIN", "OPTINR"})
USES = frozenset({"access", "use", "disclose"})
RESOURCE_TYPES = "http://hl7.org/fhir/resource-types"
MOST = 1_000  # provisions of one Consent
DEEPEST = 20
MOST_BESIDE = 4_095  # provisions under one, by the width of their numbers in `Provision.place`

Span = tuple[int, int]
Coded = tuple[str, str]  # system, code


@dataclass(frozen=True, slots=True)
class Provision:
    """One rule of a Consent. An empty criterion covers everything.

    `place` is where it stands in the tree: "" for the base policy, and a provision's place begins with that
    of the one that it is an exception to. `actor` is a code of an institution or a doctor, or a reference;
    `resource` is "Type/id"; `label` and `code` are (system, code) with "" for any system; `valid` is the
    first and the last µs since 1970 at which it holds.
    """

    place: str
    denies: bool
    valid: Span
    purpose: str = ""
    actor: str = ""
    type: str = ""
    resource: str = ""
    label: Coded = ("", "")
    code: Coded = ("", "")


@dataclass(frozen=True, slots=True)
class _Frame:
    """The criteria that hold at a place in the tree; an empty list: any."""

    valid: Span
    purposes: tuple[str, ...] = ()
    actors: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    labels: tuple[Coded, ...] = ()
    codes: tuple[Coded, ...] = ()


@dataclass(slots=True)
class _Reading:
    span: Callable[[str], Span]
    always: Span
    known_types: frozenset[str]
    covers: Callable[[str, str], bool]
    found: list[Provision] = field(default_factory=list)


def read(
    consent: dict[str, Any],
    *,
    span: Callable[[str], Span],
    always: Span,
    known_types: frozenset[str],
    covers: Callable[[str, str], bool],
) -> list[Provision]:
    """Return the provisions of a Consent that is in force; none for another status or another scope.

    `span` gives the first and the last µs of a FHIR date; `always` is the widest span; `covers(wide,
    narrow)` says whether one purpose is part of another.
    """
    scopes = {code for _, code in _codings([consent.get("scope")])}
    if consent.get("status") != ACTIVE or (scopes and scopes <= NOT_ABOUT_DATA):
        return []
    work = _Reading(span, always, known_types, covers)
    root = consent.get("provision")
    root = root if isinstance(root, dict) else {}
    purposes = ("HRESCH",) if RESEARCH in scopes and PRIVACY not in scopes else ()
    frame = _Frame(_within(work, always, root.get("period")), purposes)
    base = {code for _, code in _codings([consent.get("policyRule")])}
    if base & (OPT_OUT | OPT_IN):
        _add(work, frame, "", bool(base & OPT_OUT))
    _walk(work, root, frame, "001")
    return list(dict.fromkeys(work.found))


def _walk(work: _Reading, node: dict[str, Any], above: _Frame, place: str) -> None:
    """Take in a provision and the exceptions to it."""
    actions = {code for _, code in _codings(node.get("action"))}
    if len(place) > 3 * DEEPEST or (actions and not actions & USES):
        return
    denies = node.get("type") == "deny"
    frame = _narrowed(work, node, above)
    if frame is None or frame.valid[0] > frame.valid[1]:
        return
    unjudged = "dataPeriod" in node
    if node.get("type") in {"deny", "permit"} and (denies or not unjudged):
        _add(work, frame, place, denies)
    for number, inner in enumerate(_listed(node.get("provision")), 1):
        if isinstance(inner, dict):
            _walk(work, inner, frame, f"{place}{min(number, MOST_BESIDE):03x}")


def _narrowed(work: _Reading, node: dict[str, Any], above: _Frame) -> _Frame | None:
    """Return the criteria of a provision within those above it; None where nothing is left."""
    frame = replace(above, valid=_within(work, above.valid, node.get("period")))
    if purposes := [code for _, code in _codings(node.get("purpose"))]:
        kept = [p for p in purposes if not above.purposes or any(work.covers(a, p) for a in above.purposes)]
        kept += [a for a in above.purposes if any(work.covers(p, a) for p in purposes)]
        if not kept:
            return None
        frame = replace(frame, purposes=tuple(dict.fromkeys(kept)))
    if actors := [one for actor in _listed(node.get("actor")) if (one := _actor(actor))]:
        frame = replace(frame, actors=tuple(actors))
    types, codes = list[str](), list[Coded]()
    for system, code in _codings(node.get("class")):
        if code in work.known_types and system in {"", RESOURCE_TYPES}:
            types.append(code)
        else:
            codes.append((system, code))
    codes += _codings(node.get("code"))
    if types:
        kept_types = tuple(t for t in types if not above.types or t in above.types)
        if not kept_types:
            return None
        frame = replace(frame, types=kept_types)
    if codes:
        frame = replace(frame, codes=tuple(codes))
    if labels := _codings(node.get("securityLabel")):
        frame = replace(frame, labels=tuple(labels))
    resources = [
        text
        for one in _listed(node.get("data"))
        if isinstance(one, dict) and (text := _reference(one.get("reference")))
    ]
    return replace(frame, resources=tuple(resources)) if resources else frame


def _add(work: _Reading, frame: _Frame, place: str, denies: bool) -> None:
    """Add one provision for each combination of the criteria's values."""
    lists: list[tuple[Any, ...]] = [
        frame.purposes or ("",),
        frame.actors or ("",),
        frame.types or ("",),
        frame.resources or ("",),
        frame.labels or (("", ""),),
        frame.codes or (("", ""),),
    ]
    size = 1
    for one in lists:
        size *= len(one)
    if size + len(work.found) > MOST:
        if denies:  # too many to keep apart: the denial is kept whole
            work.found.append(Provision(place, True, frame.valid))
        return
    work.found += [Provision(place, denies, frame.valid, *values) for values in product(*lists)]


def _within(work: _Reading, outer: Span, period: Any) -> Span:
    if not isinstance(period, dict):
        return outer
    low, high = outer
    try:
        if isinstance(start := period.get("start"), str):
            low = max(low, work.span(start)[0])
        if isinstance(end := period.get("end"), str):
            high = min(high, work.span(end)[1])
    except (ValueError, OverflowError):
        return outer
    return low, high


def _actor(actor: Any) -> str:
    reference = actor.get("reference") if isinstance(actor, dict) else None
    if not isinstance(reference, dict):
        return ""
    identifier = reference.get("identifier")
    value = identifier.get("value") if isinstance(identifier, dict) else None
    return value[:120] if isinstance(value, str) and value else _reference(reference)


def _reference(reference: Any) -> str:
    text = reference.get("reference") if isinstance(reference, dict) else None
    if not isinstance(text, str):
        return ""
    return "/".join(text.split("/")[:2])[:120]


def _listed(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list) else ()


def _codings(values: Any) -> list[Coded]:
    """Return system and code of Codings and CodeableConcepts, in order."""
    found: list[Coded] = []
    for one in _listed(values):
        if not isinstance(one, dict):
            continue
        for coding in one.get("coding", [one]) if isinstance(one.get("coding", []), list) else ():
            code = coding.get("code") if isinstance(coding, dict) else None
            if isinstance(code, str) and code:
                system = coding.get("system")
                found.append((system if isinstance(system, str) else "", code[:120]))
    return found
