"""Named operations: `$everything`, `$match`, `$validate`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from salus.record.fhir import everything, matching, terminology
from salus.record.fhir.body import MAX_BUNDLE, decode_resource
from salus.record.fhir.bulk import kickoff, serving
from salus.record.fhir.exchange import Exchange
from salus.record.fhir.ips import summary
from salus.record.fhir.outcome import FhirError, Response, issue
from salus.record.fhir.request import check_content_type
from salus.record.fhir.subscriptions import standing
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
    on_system: bool = False
    by_type: Mapping[str, str] = field(default_factory=dict)

    def canonical(self, type: str) -> str:
        """Return the address of the operation's definition for a type."""
        return self.by_type.get(type, self.definition)


def perform(exchange: Exchange) -> Response:
    """Answer an operation; raises `FhirError` 404 for one that is not served at this address."""
    route = exchange.route
    if (job := JOBS.get(route.operation)) is not None:
        if not exchange.request.target:
            raise FhirError(400, "not-supported", "Jobs and their files are not asked for in a Bundle")
        return job[exchange.request.method](exchange)
    operation = OPERATIONS.get(route.operation)
    served = (
        operation is not None
        and (not route.type or not operation.types or route.type in operation.types)
        and (
            (operation.on_instance if route.id else operation.on_type) if route.type else operation.on_system
        )
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
            "$summary",
            summary.DEFINITION,
            summary.summary,
            frozenset({"Patient"}),
            on_type=True,
            on_instance=True,
            methods=frozenset({"GET"}),
        ),
        *(
            Operation(
                name,
                f"http://hl7.org/fhir/OperationDefinition/{types[0]}{name.replace('$', '-')}",
                answer,
                frozenset(types),
                on_type=True,
                on_instance=name in {"$validate-code", "$expand", "$translate"},
                methods=frozenset({"GET", "POST"}),
                by_type={
                    one: f"http://hl7.org/fhir/OperationDefinition/{one}{name.replace('$', '-')}"
                    for one in types
                },
            )
            for name, answer, types in (
                ("$lookup", terminology.lookup, ("CodeSystem",)),
                ("$subsumes", terminology.subsumes, ("CodeSystem",)),
                ("$validate-code", terminology.validate_code, ("CodeSystem", "ValueSet")),
                ("$expand", terminology.expand, ("ValueSet",)),
                ("$translate", terminology.translate, ("ConceptMap",)),
            )
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
        Operation(
            "$status",
            "http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/backport-subscription-status",
            standing.status,
            frozenset({"Subscription"}),
            on_type=False,
            on_instance=True,
            methods=frozenset({"GET", "POST"}),
        ),
        Operation(
            "$export",
            "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/export",
            kickoff.export,
            frozenset({"Patient", "Group"}),
            on_type=True,
            on_instance=True,
            methods=frozenset({"GET", "POST"}),
            on_system=True,
            by_type={
                "Patient": "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/patient-export",
                "Group": "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/group-export",
            },
        ),
    )
}
"""The operations by name."""

Handler = Callable[[Exchange], Response]
JOBS: dict[str, dict[str, Handler]] = {
    "export-job": {"GET": serving.status, "HEAD": serving.status, "DELETE": serving.cancel},
    "export-file": {"GET": serving.file, "HEAD": serving.file},
}
"""What is asked about a job that an operation started, by method."""


def register(operation: Operation, *, status: Handler, cancel: Handler, file: Handler) -> None:
    """Serve an operation of a room above, whose work is a job with a status, an end and files."""
    OPERATIONS[operation.name] = operation
    kind = operation.name.removeprefix("$")
    JOBS[f"{kind}-job"] = {"GET": status, "HEAD": status, "DELETE": cancel}
    JOBS[f"{kind}-file"] = {"GET": file, "HEAD": file}
