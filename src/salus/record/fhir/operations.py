"""Named operations: `$everything`, `$match`, `$validate`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from salus.record.fhir import everything, matching
from salus.record.fhir.body import MAX_BUNDLE, decode_resource
from salus.record.fhir.exchange import Exchange
from salus.record.fhir.outcome import FhirError, Response, issue
from salus.record.fhir.request import check_content_type
from salus.record.fhir.writing import RESOURCES
from salus.record.validate import validate


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: where it may be called, how, and what answers it. `types` empty: every type."""

    name: str
    definition: str
    perform: Callable[[Exchange], Response]
    types: frozenset[str]
    on_type: bool
    on_instance: bool
    methods: frozenset[str]


def perform(exchange: Exchange) -> Response:
    """Answer an operation; raises `FhirError` 404 for one that is not served at this address."""
    route = exchange.route
    operation = OPERATIONS.get(route.operation)
    served = (
        operation is not None
        and (not operation.types or route.type in operation.types)
        and bool(route.type)
        and (operation.on_instance if route.id else operation.on_type)
    )
    if operation is None or not served:
        raise FhirError(404, "not-supported", "There is no such operation here", fix="See metadata")
    if exchange.request.method not in operation.methods:
        names = ", ".join(sorted(operation.methods))
        raise FhirError(
            405,
            "not-supported",
            "The operation is not called so",
            fix=f"Use {names}",
            headers=(("allow", names),),
        )
    return operation.perform(exchange)


def _validate(exchange: Exchange) -> Response:
    """Answer [type]/$validate: what is wrong with a resource, without storing it."""
    check_content_type(exchange.request, *RESOURCES)
    resource = decode_resource(exchange.request.body, limit=MAX_BUNDLE)
    if resource["resourceType"] == "Parameters" and exchange.route.type != "Parameters":
        resource = _parameter(resource, "resource")
    found = [
        issue(one.code, f"Expected: {one.expected}", severity=one.severity, expression=one.path)
        for one in validate(resource)[:500]
    ]
    if resource.get("resourceType") != exchange.route.type:
        found.append(issue("value", "The resource's type is not the address's", expression="resourceType"))
    if exchange.route.id and resource.get("id") not in {None, exchange.route.id}:
        found.append(issue("value", "The resource's id is not the address's", expression="id"))
    body: dict[str, Any] = {
        "resourceType": "OperationOutcome",
        "issue": found or [issue("informational", "No faults found", severity="information")],
    }
    return Response(200, orjson.dumps(body))


def _parameter(parameters: dict[str, Any], name: str) -> dict[str, Any]:
    given = parameters.get("parameter")
    for one in given if isinstance(given, list) else ():
        if isinstance(one, dict) and one.get("name") == name and isinstance(one.get("resource"), dict):
            resource: dict[str, Any] = one["resource"]
            return resource
    raise FhirError(400, "required", "The Parameters hold no such parameter", expression=f"parameter.{name}")


OPERATIONS = {
    operation.name: operation
    for operation in (
        Operation(
            "$everything",
            "http://hl7.org/fhir/OperationDefinition/Patient-everything",
            everything.everything,
            frozenset({"Patient"}),
            on_type=False,
            on_instance=True,
            methods=frozenset({"GET", "POST"}),
        ),
        Operation(
            "$match",
            "http://hl7.org/fhir/OperationDefinition/Patient-match",
            matching.match,
            frozenset({"Patient"}),
            on_type=True,
            on_instance=False,
            methods=frozenset({"POST"}),
        ),
        Operation(
            "$validate",
            "http://hl7.org/fhir/OperationDefinition/Resource-validate",
            _validate,
            frozenset(),
            on_type=True,
            on_instance=True,
            methods=frozenset({"POST"}),
        ),
    )
}
