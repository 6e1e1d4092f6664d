"""Whether a Consent denies, worked out by walking the resource itself: what the SQL is held against."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

PARTS = {"ETREAT": "TREAT", "COC": "TREAT", "CLINTRCH": "HRESCH", "HQUALIMP": "HOPERAT"}


@dataclass(frozen=True)
class Ask:
    """Somebody asks for a resource, for a purpose."""

    purpose: str
    actors: frozenset[str]
    type: str
    id: str
    codes: frozenset[tuple[str, str]] = frozenset()
    labels: frozenset[tuple[str, str]] = frozenset()
    categories: frozenset[str] = frozenset()


def part_of(purpose: str, wide: str) -> bool:
    while purpose != wide and purpose in PARTS:
        purpose = PARTS[purpose]
    return purpose == wide


def denied(consent: dict[str, Any], ask: Ask, now: datetime) -> bool:
    """Return whether one Consent denies: an exception that applies overrules what it is an exception to."""
    scopes = {coding["code"] for coding in consent["scope"]["coding"]}
    if consent["status"] != "active" or scopes <= {"treatment", "adr"}:
        return False
    if scopes == {"research"} and not part_of(ask.purpose, "HRESCH"):
        return False
    root = consent.get("provision", {})
    if not within(root.get("period"), now):
        return False
    verdict = walk(root, {}, ask, now)
    if verdict is None:
        base = {coding["code"] for coding in consent.get("policyRule", {}).get("coding", ())}
        return "OPTOUT" in base
    return verdict


def walk(node: dict[str, Any], above: dict[str, Any], ask: Ask, now: datetime) -> bool | None:
    """Return True for deny, False for permit, None where the provision says nothing on the question."""
    given = {k: node[k] for k in ("actor", "securityLabel", "code", "data") if k in node}
    criteria: dict[str, Any] = above | given
    codes = [c for one in node.get("code", ()) for c in one["coding"]]
    codes += [c for c in node.get("class", ()) if c["system"] != "http://hl7.org/fhir/resource-types"]
    if codes:
        criteria["code"] = codes
    types = [c["code"] for c in node.get("class", ()) if c["system"] == "http://hl7.org/fhir/resource-types"]
    actions = {c["code"] for one in node.get("action", ()) for c in one["coding"]}
    if actions and not actions & {"access", "use", "disclose"}:
        return None
    if not within(node.get("period"), now):
        return None
    if "purpose" in node and not any(part_of(ask.purpose, p["code"]) for p in node["purpose"]):
        return None
    if types and ask.type not in types:
        return None
    inner = [walk(one, criteria, ask, now) for one in node.get("provision", ())]
    if True in inner:
        return True
    if not applies(criteria, ask) or (node.get("type") == "permit" and "dataPeriod" in node):
        own = None
    else:
        own = {"deny": True, "permit": False}.get(node.get("type", ""))
    return False if False in inner else own


def applies(criteria: dict[str, Any], ask: Ask) -> bool:
    if "actor" in criteria:
        named = {a["reference"]["identifier"]["value"] for a in criteria["actor"]}
        if not named & ask.actors:
            return False
    if "data" in criteria:
        if f"{ask.type}/{ask.id}" not in {d["reference"]["reference"] for d in criteria["data"]}:
            return False
    if "securityLabel" in criteria and not any(labelled(one, ask) for one in criteria["securityLabel"]):
        return False
    if "code" in criteria:
        return any((c.get("system", ""), c["code"]) in ask.codes for c in criteria["code"])
    return True


def labelled(label: dict[str, str], ask: Ask) -> bool:
    if (label["system"], label["code"]) in ask.labels:
        return True
    if label["code"] in {"R", "V"}:
        return bool(ask.categories)
    return {"HIV": "hiv", "PSY": "mental"}.get(label["code"], "-") in ask.categories


def within(period: dict[str, str] | None, now: datetime) -> bool:
    if period is None:
        return True
    start, end = (period.get(name) for name in ("start", "end"))
    return (start is None or datetime.fromisoformat(start) <= now) and (
        end is None or now <= datetime.fromisoformat(end)
    )
