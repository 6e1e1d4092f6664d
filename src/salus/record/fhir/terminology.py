"""Terminology operations: `$lookup`, `$validate-code`, `$subsumes`, `$expand`, `$translate`.

Source: https://hl7.org/fhir/R4/terminology-service.html. A code system that is not loaded is 404 with a
reason, never "false": nothing can be said of its codes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from salus.kernel.errors import NotFound
from salus.record import json, store
from salus.record.fhir import access
from salus.record.fhir.body import decode_resource
from salus.record.fhir.exchange import Exchange
from salus.record.fhir.outcome import FhirError, Response, not_found
from salus.record.fhir.request import check_content_type
from salus.record.terminology import queries
from salus.record.terminology.queries import NotLoaded

TYPES = ("application/fhir+json", "application/json", "application/fhir+xml", "application/xml")


@dataclass(slots=True)
class _Given:
    """An operation's parameters: plain ones as text, Codings and concepts as they are."""

    plain: dict[str, str] = field(default_factory=dict)
    codings: list[dict[str, Any]] = field(default_factory=list)
    parts: dict[str, Any] = field(default_factory=dict)

    def text(self, name: str) -> str:
        return self.plain.get(name, "")

    def required(self, name: str) -> str:
        if not self.plain.get(name):
            raise FhirError(400, "required", "A parameter is missing", fix=f"Give {name}", expression=name)
        return self.plain[name]

    def number(self, name: str) -> int | None:
        value = self.plain.get(name)
        if value is None:
            return None
        if not (value.isascii() and value.isdigit() and len(value) < 7):
            raise FhirError(400, "value", "The parameter is not a whole number", expression=name)
        return int(value)


def lookup(exchange: Exchange) -> Response:
    """Answer CodeSystem/$lookup: the display of a code and the codes above and under it."""
    given = _given(exchange, "CodeSystem")
    url, code = _coded(given, "system")
    where, concept = _asked(lambda: queries.lookup(url, code, given.text("version")))
    made: list[dict[str, Any]] = [
        {"name": "name", "valueString": where.name or where.url},
        {"name": "version", "valueString": where.version},
        {"name": "display", "valueString": concept.display or concept.code},
    ]
    near = [("parent", concept.parent)] if concept.parent else []
    near += [("child", one.code) for one in where.children(concept.code)[:100]]
    for name, value in near:
        made.append(
            {
                "name": "property",
                "part": [{"name": "code", "valueCode": name}, {"name": "value", "valueCode": value}],
            }
        )
    return _answer(made)


def subsumes(exchange: Exchange) -> Response:
    """Answer CodeSystem/$subsumes: whether one code is above the other."""
    given = _given(exchange, "CodeSystem")
    first, second = (given.parts.get(name) or {} for name in ("codingA", "codingB"))
    url = given.text("system") or str(first.get("system") or "")
    if second.get("system") and second["system"] != url:
        raise FhirError(400, "invalid", "The codes are of different code systems")
    a = given.text("codeA") or str(first.get("code") or "")
    b = given.text("codeB") or str(second.get("code") or "")
    if not (url and a and b):
        raise FhirError(400, "required", "A parameter is missing", fix="Give system, codeA and codeB")
    outcome = _asked(lambda: queries.subsumes(url, a, b, given.text("version")))
    return _answer([{"name": "outcome", "valueCode": outcome}])


def validate_code(exchange: Exchange) -> Response:
    """Answer $validate-code of CodeSystem and ValueSet: is it a code, and is the display one of it."""
    type = exchange.route.type
    given = _given(exchange, type)
    url = _url(exchange, given)
    codings = given.codings or [
        {"system": given.text("system"), "code": given.required("code"), "display": given.text("display")}
    ]
    best = "The code is not one of them"
    for coding in codings:
        concept = _found(type, url, coding)
        if concept is None:
            continue
        said = str(coding.get("display") or "")
        if said and concept.display and said.casefold() != concept.display.casefold():
            best = "The display is not the code's"
            continue
        return _answer(
            [
                {"name": "result", "valueBoolean": True},
                {"name": "display", "valueString": concept.display or concept.code},
            ]
        )
    return _answer([{"name": "result", "valueBoolean": False}, {"name": "message", "valueString": best}])


def expand(exchange: Exchange) -> Response:
    """Answer ValueSet/$expand: its codes, narrowed by `filter`, in parts by `count` and `offset`."""
    given = _given(exchange, "ValueSet")
    url = _url(exchange, given)
    offset, count = given.number("offset") or 0, given.number("count")
    if count is not None and count > queries.EXPANDED_MOST:
        count = queries.EXPANDED_MOST
    found, total = _asked(lambda: queries.expand(url, given.text("filter"), offset=offset, count=count))
    expansion: dict[str, Any] = {
        "timestamp": exchange.now.isoformat(),
        "total": total,
        "offset": offset,
        "contains": [
            {"system": system, "code": one.code, **({"display": one.display} if one.display else {})}
            for system, one in found
        ],
    }
    if not expansion["contains"]:
        del expansion["contains"]
    made = {"resourceType": "ValueSet", "url": url, "status": "active", "expansion": expansion}
    return Response(200, json.dumps(made))


def translate(exchange: Exchange) -> Response:
    """Answer ConceptMap/$translate by the loaded maps."""
    given = _given(exchange, "ConceptMap")
    map_url = given.text("url")
    if exchange.route.id:
        map_url = _stored_url(exchange)
    system, code = _coded(given, "system")
    reverse = given.text("reverse") == "true"
    target = given.text("targetsystem") or given.text("target").removesuffix("?fhir_vs")
    found = _asked(lambda: queries.translate(system, code, target=target, map_url=map_url, reverse=reverse))
    made: list[dict[str, Any]] = [{"name": "result", "valueBoolean": bool(found)}]
    if not found:
        made.append({"name": "message", "valueString": "The maps have no translation of the code"})
    for one in found:
        concept = {"system": one.system, "code": one.code} | ({"display": one.display} if one.display else {})
        made.append(
            {
                "name": "match",
                "part": [
                    {"name": "equivalence", "valueCode": one.equivalence},
                    {"name": "concept", "valueCoding": concept},
                    {"name": "source", "valueUri": one.map},
                ],
            }
        )
    return _answer(made)


def _given(exchange: Exchange, type: str) -> _Given:
    """Return an operation's parameters from the address or a Parameters body."""
    access.check_type(exchange, "read", type)
    given = _Given(dict(exchange.request.query))
    if exchange.request.method == "POST" and exchange.request.body:
        check_content_type(exchange.request, *TYPES)
        body = decode_resource(exchange.request.body)
        listed = body.get("parameter") if body["resourceType"] == "Parameters" else None
        if not isinstance(listed, list):
            raise FhirError(400, "structure", "The body holds no Parameters")
        for one in listed:
            if not isinstance(one, dict) or not isinstance(name := one.get("name"), str):
                raise FhirError(
                    400, "structure", "A parameter has no name", expression="Parameters.parameter"
                )
            value = next((v for k, v in one.items() if k.startswith("value")), None)
            if isinstance(value, dict):
                given.parts[name] = value
                codings = value.get("coding", ()) if name == "codeableConcept" else (value,)
                if name in {"coding", "codeableConcept"}:
                    given.codings += [each for each in codings if isinstance(each, dict)]
            elif isinstance(value, bool):
                given.plain[name] = "true" if value else "false"
            elif value is not None:
                given.plain[name] = str(value)
    return given


def _coded(given: _Given, system: str) -> tuple[str, str]:
    if given.codings:
        return str(given.codings[0].get("system") or ""), str(given.codings[0].get("code") or "")
    return given.required(system), given.required("code")


def _url(exchange: Exchange, given: _Given) -> str:
    """Return which code system or value set is asked; of a stored resource, its url."""
    return _stored_url(exchange) if exchange.route.id else given.required("url")


def _stored_url(exchange: Exchange) -> str:
    stored = store.read(exchange.cursor, exchange.route.type, exchange.route.id)
    if stored is None or stored.deleted or not access.may_see(exchange, stored):
        raise not_found()
    return str(json.loads(stored.body).get("url") or "")


def _found(type: str, url: str, coding: dict[str, Any]) -> Any:
    code = str(coding.get("code") or "")
    if type == "ValueSet":
        return _asked(lambda: queries.in_value_set(url, str(coding.get("system") or ""), code))
    if coding.get("system") and coding["system"] != url:
        return None
    where = _asked(lambda: queries.system(url))
    concept = where.find(code)
    if concept is None and not where.complete:
        raise FhirError(404, "not-found", "The code is not in the part of the code system loaded here")
    return concept


def _asked(ask: Any) -> Any:
    """Return what a query answers; what is not loaded is 404 with its reason."""
    try:
        return ask()
    except NotLoaded as error:
        raise FhirError(404, "not-supported", error.message, fix=error.fix) from None
    except NotFound as error:
        raise FhirError(404, "not-found", error.message) from None


def _answer(parameters: Sequence[dict[str, Any]]) -> Response:
    return Response(200, json.dumps({"resourceType": "Parameters", "parameter": list(parameters)}))
