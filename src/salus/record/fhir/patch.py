"""JSON Patch (RFC 6902) on a resource, with bounds on what a small patch may grow into."""

from typing import Any

import jsonpatch
import jsonpointer

from salus.record.fhir.outcome import FhirError

MAX_OPERATIONS = 500
MAX_COPIED = 100_000  # JSON values that all `copy` operations of one patch may make together


def apply(resource: dict[str, Any], operations: Any) -> dict[str, Any]:
    """Return the patched resource; the input is left as it was.

    Raises `FhirError` 400 for what is not a JSON Patch, 422 when it cannot be applied or would change
    the resource's type or id. Source: RFC 6902; http://hl7.org/fhir/R4/http.html#patch.
    """
    if not isinstance(operations, list):
        raise FhirError(400, "structure", "A JSON Patch is an array of operations")
    if len(operations) > MAX_OPERATIONS:
        raise FhirError(400, "too-costly", f"The patch has more than {MAX_OPERATIONS} operations")
    document: Any = resource
    copied = 0
    for position, operation in enumerate(operations):
        where = f"operation {position + 1}"
        try:
            if isinstance(operation, dict) and operation.get("op") == "copy":
                copied += _size(jsonpointer.resolve_pointer(document, str(operation.get("from"))))
                if copied > MAX_COPIED:
                    raise FhirError(422, "too-costly", "The patch copies too much", expression=where)
            document = jsonpatch.JsonPatch([operation]).apply(document)
        except jsonpatch.JsonPatchTestFailed:
            raise FhirError(422, "processing", "A test of the patch failed", expression=where) from None
        except jsonpatch.InvalidJsonPatch:
            raise FhirError(
                400, "structure", "This is not a JSON Patch operation", expression=where
            ) from None
        except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException):
            raise FhirError(422, "processing", "The patch cannot be applied here", expression=where) from None
        except (TypeError, KeyError, IndexError, AttributeError, ValueError):
            raise FhirError(
                400, "structure", "This is not a JSON Patch operation", expression=where
            ) from None
    if not isinstance(document, dict):
        raise FhirError(422, "processing", "The patch leaves no resource")
    for name in ("resourceType", "id"):
        if document.get(name) != resource.get(name):
            raise FhirError(
                422, "processing", "A patch may not change a resource's type or id", expression=name
            )
    return document


def _size(value: Any) -> int:
    count, waiting = 0, [value]
    while waiting:
        node = waiting.pop()
        count += 1
        waiting.extend(node.values() if isinstance(node, dict) else node if isinstance(node, list) else ())
    return count
