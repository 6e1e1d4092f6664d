"""The CapabilityStatement, made from the same tables that the code works by."""

from functools import lru_cache
from typing import Any

import orjson

from salus import __version__
from salus.record.fhir.operations import OPERATIONS
from salus.record.fhir.persons import PARAMETERS as PERSON_PARAMETERS
from salus.record.fhir.searching import includes_of, parameters_of, reverse_includes_of
from salus.record.fhir.types import PERSON, types
from salus.record.fhir.writing import PATCH_JSON
from salus.record.smart.configuration import endpoints

RELEASED = "2026-11-22"
READS = ("read", "vread", "history-instance", "history-type", "search-type")
WRITES = ("create", "update", "patch", "delete")
SYSTEM = ("transaction", "batch", "search-system")
DOCUMENTATION = (
    "Bodies may be FHIR JSON or FHIR XML (not patches); answers are JSON. Not answered: _text, _content,"
    " _filter, _query, _contained=true, :text and :identifier, and a history of the whole system."
)
OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"


@lru_cache(maxsize=64)
def statement(base: str) -> bytes:
    """Return the CapabilityStatement of the API at this address.

    Source of its elements: http://hl7.org/fhir/R4/capabilitystatement.html.
    """
    return orjson.dumps(
        {
            "resourceType": "CapabilityStatement",
            "id": "salus",
            "url": f"{base}/metadata",
            "version": __version__,
            "name": "Salus",
            "title": "Salus FHIR R4 API",
            "status": "active",
            "date": RELEASED,
            "kind": "instance",
            "software": {"name": "Salus", "version": __version__},
            "implementation": {"description": "The city's resident record", "url": base},
            "instantiates": ["http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data"],
            "fhirVersion": "4.0.1",
            "format": ["application/fhir+json", "json"],
            "patchFormat": list(PATCH_JSON),
            "rest": [
                {
                    "mode": "server",
                    "documentation": DOCUMENTATION,
                    "security": _security(base),
                    "resource": [_resource(type) for type in sorted(types())],
                    "interaction": [{"code": code} for code in SYSTEM],
                    "operation": [
                        {"name": one.name.removeprefix("$"), "definition": one.definition}
                        for one in OPERATIONS.values()
                        if one.on_system
                    ],
                }
            ],
        }
    )


def _security(base: str) -> dict[str, Any]:
    address = endpoints(base)
    return {
        "cors": True,
        "service": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
                        "code": "SMART-on-FHIR",
                    }
                ]
            }
        ],
        "extension": [
            {
                "url": OAUTH_URIS,
                "extension": [
                    {"url": name, "valueUri": address[name]}
                    for name in ("authorize", "token", "introspect", "revoke")
                ],
            }
        ],
    }


def _resource(type: str) -> dict[str, Any]:
    if type == PERSON:
        return {
            "type": type,
            "documentation": "The golden record of a resident, from all sources; its id is the person's.",
            "interaction": [{"code": "read"}, {"code": "search-type"}],
            "searchParam": [{"name": name, "type": kind} for name, kind in sorted(PERSON_PARAMETERS.items())],
        }
    found: dict[str, Any] = {
        "type": type,
        "interaction": [{"code": code} for code in (*READS, *WRITES)],
        "versioning": "versioned",
        "readHistory": True,
        "updateCreate": True,
        "conditionalCreate": True,
        "conditionalRead": "full-support",
        "conditionalUpdate": True,
        "conditionalDelete": "single",
        "referencePolicy": ["literal", "logical"],
        "searchParam": [{"name": name, "type": kind} for name, kind in sorted(parameters_of(type).items())],
        "operation": [
            {"name": operation.name.removeprefix("$"), "definition": operation.canonical(type)}
            for operation in OPERATIONS.values()
            if not operation.types or type in operation.types
        ],
    }
    if forward := includes_of(type):
        found["searchInclude"] = forward
    if backward := reverse_includes_of(type):
        found["searchRevInclude"] = backward
    return found
